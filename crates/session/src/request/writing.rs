//! The write of a request: what it may replace, when it is dropped, and what an object that writes a session twice keeps for that.

use super::{Request, RequestError, Stage};
use crate::seam::{Acquire, Committed, Lease, LockMode, Over};
use crate::user_path::UserPath;
use crate::version_changed::{Origin, commit_merged, touch_or_write};

impl Request {
    /// Stores `payload` as the session `id` and unlocks it. `origin` is asked where another version is stored
    /// than was read.
    ///
    /// # Errors
    /// [`RequestError::ReadIncomplete`] where the stage forbids it, else as [`Lease::commit`]. What was stored
    /// before then stays.
    pub fn write<'a>(
        &mut self,
        id: &[u8],
        payload: &[u8],
        how: &Acquire<'_>,
        origin: impl FnOnce() -> Origin<'a>,
    ) -> Result<Committed, RequestError> {
        if self.aftermath.may_refuse() && self.is_refused(id)? {
            return Ok(Committed::Ended);
        }
        let over = self.hold_to_write(id, how)?;
        if self.rotation.is_some() && self.is_entered() {
            return self.write_first(payload, how);
        }
        let begins = self.begins_with(payload);
        let mut origin = Some(origin);
        let mut merged = false;
        let committed = self.end_by(|lease, kept, user| {
            let committed = lease.commit(payload, how.lifetime, over)?;
            if committed != Committed::VersionChanged {
                return Ok(committed);
            }
            let Some(Origin { format, read }) = origin.take().map(|origin| origin()) else {
                return Err(RequestError::OutOfOrder);
            };
            // A new session is known to have held nothing when it was read.
            let read = read.or(kept).or(lease.is_new().then_some(&[]));
            merged = true;
            Ok(commit_merged(lease, format, user, read, payload, how.lifetime)?)
        })?;
        self.merged = merged;
        let committed = match committed {
            Committed::Ended => {
                let kept = self.stood.take_base(&self.keyed.key);
                let read = origin.and_then(|origin| origin().read).or(kept.as_deref());
                self.write_reinstated(payload, how, over, read)?
            }
            committed => committed,
        };
        if begins && committed == Committed::Stored {
            self.migrate_out();
        }
        Ok(committed)
    }

    /// Extends the lifetime of the session `id`, which holds `payload` unchanged, and unlocks it. A session that
    /// vanished without having been destroyed is written.
    ///
    /// # Errors
    /// As [`Request::write`].
    pub fn touch(&mut self, id: &[u8], payload: &[u8], how: &Acquire<'_>) -> Result<Committed, RequestError> {
        if self.aftermath.may_refuse() && self.is_refused(id)? {
            return Ok(Committed::Ended);
        }
        self.hold_to_write(id, how)?;
        if self.rotation.is_some() && self.is_entered() {
            return self.write_first(payload, how);
        }
        self.end_by(|lease, _, _| Ok(touch_or_write(lease, payload, how.lifetime)?))
    }

    /// Ends what is held by `end`, which is also given what was kept of the payload as it was read, and where the user's id stands.
    pub(super) fn end_by<T>(
        &mut self,
        end: impl FnOnce(&mut dyn Lease, Option<&[u8]>, &UserPath) -> Result<T, RequestError>,
    ) -> Result<T, RequestError> {
        let lease = self.lease.as_mut().ok_or(RequestError::OutOfOrder)?;
        let ended = end(&mut **lease, self.stood.base(&self.keyed.key), &self.terms.user);
        self.held = None;
        if ended.is_err() {
            // Whatever became of it, it holds nothing any more.
            self.lease = None;
        }
        ended
    }

    /// After a session was ended that was over already: whether `id` is to be its new one. A framework that manages sessions itself
    /// ends one and writes what it held under an id that it never read.
    #[cold]
    fn is_refused(&mut self, id: &[u8]) -> Result<bool, RequestError> {
        self.key(id)?;
        let key = self.keyed.key;
        let refused = !self.holds() && self.stood_at().is_none() && self.aftermath.refuses(&key);
        if refused {
            self.aftermath.note_refused(key);
            self.store()?.count_refused();
        }
        Ok(refused)
    }

    /// Sees to it that `id` is held, and says what a write may replace.
    #[inline(always)]
    fn hold_to_write(&mut self, id: &[u8], how: &Acquire<'_>) -> Result<Over, RequestError> {
        if matches!(self.stage, Stage::Reading(_) | Stage::Lost) {
            self.rotation = None;
            return Err(RequestError::ReadIncomplete);
        }
        self.key(id)?;
        match &self.held {
            Some(held) if held.key == self.keyed.key => {
                let free = held.mode == LockMode::None || self.stage != Stage::Read;
                Ok(if free { Over::Anything } else { Over::WhatWasRead })
            }
            _ => {
                // One that this request has read, and somebody has ended since, is not begun again.
                let since = self.stood_at();
                self.acquire(&Acquire { since, ..*how })?;
                Ok(self.over_what_was_known(how.mode))
            }
        }
    }
}
