//! The read of a request: with the lock or without, in two steps, so that PHP's memory for the payload is allocated in between,
//! where no borrow of the request lives. A read that does not come to its end leaves a stage in which nothing is written.

use cloakroom_seam::Room;

use super::{Finished, Request, Stage};
use crate::StoreError;
use crate::any_store::AnyLease;
use crate::error::RequestError;
use crate::seam::{Acquire, LockMode};
use crate::version_changed::MAX_READS;

impl Request {
    /// Locks and reads the session `id`; answers how many bytes [`Request::finish_read`] will give.
    ///
    /// # Errors
    /// As [`crate::Store::acquire`]; the lease that was held before is then released.
    pub fn begin_read(&mut self, id: &[u8], how: &Acquire<'_>) -> Result<usize, RequestError> {
        self.begin();
        self.give_rotation_up();
        self.key(id).inspect_err(|_| self.release())?;
        self.not_refused()?;
        let early = self.takes_up_early();
        if self.migration.is_some() && (early || !self.has_locked()) {
            self.acquire_or_migrate_in(how, early)?;
        } else if !early && !self.has_locked() {
            self.acquire(how)?;
        }
        self.see_successor(how)?;
        self.stage = Stage::Reading(0);
        Ok(self.length())
    }

    /// How many bytes the read that has begun will give.
    #[inline]
    pub(super) fn length(&self) -> usize {
        self.found.as_ref().map_or_else(|| self.payload_len(), Vec::len)
    }

    /// Reads the session `id` as it was last committed, without a lock and without waiting. One that does not
    /// exist is reserved as `how` says, so that strict mode keeps its id. A lease of this very id is kept and read.
    ///
    /// # Errors
    /// Only failures of the store.
    pub fn begin_snapshot(&mut self, id: &[u8], how: &Acquire<'_>) -> Result<usize, RequestError> {
        self.begin();
        self.give_rotation_up();
        self.key(id).inspect_err(|_| self.release())?;
        self.not_refused()?;
        let length = if self.has_locked() {
            self.payload_len()
        } else {
            let early = self.takes_up_early();
            if !early {
                self.release();
            }
            let taken = if self.migration.is_some() { self.snapshot_or_migrate_in(early)? } else { None };
            let store = self.store.as_ref().filter(|_| self.open).ok_or(RequestError::NotOpen)?;
            let found = match (taken, &mut self.lease) {
                (Some(taken), _) => taken,
                (None, Some(_)) if early && self.migration.is_none() => match self.lease.take() {
                    Some(lease) => self.read_over(lease)?,
                    None => return Err(RequestError::OutOfOrder),
                },
                // One call reads a session, or reserves it where it does not exist.
                _ if store.is_remote() => self.reserve(how)?,
                _ => match self.look()? {
                    Some(found) => found,
                    None => self.reserve(how)?,
                },
            };
            self.release();
            self.found.insert(found).len()
        };
        self.stage = Stage::Reading(0);
        Ok(length)
    }

    /// Copies the payload into `out`, which has as many bytes as the read announced, and with `keep` a second time for
    /// the merge that a write may come to.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where the store gives bytes that were never committed; the lease is then released
    /// and no write will follow.
    pub fn finish_read(&mut self, out: &mut Room<'_>, keep: bool) -> Result<Finished, RequestError> {
        let finished = self.copy_payload(out);
        match finished {
            Ok(Finished::Whole) => {
                self.stage = Stage::Read;
                if let (Some(lease), Some(held)) = (&self.lease, &self.held) {
                    self.stood.note(held.key, lease.mark(), keep.then(|| out.filled().to_vec()));
                }
            }
            Ok(Finished::Again(_)) => {}
            Err(_) => self.abandon(),
        }
        finished
    }

    fn copy_payload(&mut self, out: &mut Room<'_>) -> Result<Finished, RequestError> {
        let Stage::Reading(vain) = self.stage else { return Err(RequestError::OutOfOrder) };
        if let Some(found) = self.found.take() {
            let is_whole = found.len() == out.len() && out.put(&found);
            return if is_whole { Ok(Finished::Whole) } else { Err(RequestError::OutOfOrder) };
        }
        let lease = match &mut self.lease {
            Some(lease) if self.held.is_some() && lease.payload_len() == out.len() => lease,
            _ => return Err(RequestError::OutOfOrder),
        };
        match lease.read_payload(out) {
            Ok(()) if out.is_full() => Ok(Finished::Whole),
            // A store that gives less than it said: the rest is memory that PHP has not written.
            Ok(()) => Err(RequestError::OutOfOrder),
            Err(StoreError::Changed) if vain < MAX_READS => {
                self.stage = Stage::Reading(vain + 1);
                Ok(Finished::Again(lease.payload_len()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Reserves a session that does not exist, and reads one that does: another request may have been faster.
    fn reserve(&mut self, how: &Acquire<'_>) -> Result<Vec<u8>, RequestError> {
        let lease = self.store()?.acquire(&self.keyed.key, &Acquire { mode: LockMode::None, ..*how })?;
        self.read_over(AnyLease::Other(lease))
    }
}
