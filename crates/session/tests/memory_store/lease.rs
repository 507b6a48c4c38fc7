//! [`MemoryLease`]: a request's hold on a session of the store in memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cloakroom_session::seam::{Committed, End, MAX_PAYLOAD, Mark, Named, Over, Room, Succession, Successor};
use cloakroom_session::{Key, Lease, StoreError};

use super::{Session, Shared, now, second_of};

pub(super) struct MemoryLease {
    pub(super) shared: Arc<Shared>,
    pub(super) key: Key,
    pub(super) incarnation: u64,
    pub(super) version: u64,
    pub(super) payload: Arc<Vec<u8>>,
    /// As it was when the lease was acquired.
    pub(super) succession: Succession,
    pub(super) is_new: bool,
    pub(super) ended: bool,
    pub(super) finished: bool,
    pub(super) locked: bool,
    pub(super) lock_ttl: Duration,
}

impl MemoryLease {
    /// Stores what `payload` makes of the stored one (`None` where the session vanished without being destroyed),
    /// unless this lease's incarnation was destroyed or another took its place, or a version that was not read is there.
    fn store(
        &mut self,
        lifetime: Duration,
        over: Over,
        payload: impl FnOnce(Option<&Session>) -> (Arc<Vec<u8>>, u64),
    ) -> Result<Committed, StoreError> {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state();
        let stored = match state.live(&self.key) {
            _ if self.ended || self.finished => return Ok(Committed::Ended),
            Some(session) if session.successor.is_some() => return Ok(Committed::Ended),
            Some(session) if session.incarnation == self.incarnation => Some(session.clone()),
            Some(_) => return Ok(Committed::Ended),
            None if state.ended.contains_key(&self.incarnation) => return Ok(Committed::Ended),
            None => None,
        };
        if over == Over::Reservation && !self.locked {
            return Err(StoreError::LockLost { lock_ttl: self.lock_ttl });
        }
        if let Some(stored) = &stored
            && over != Over::Anything
            && stored.version != self.version
        {
            self.version = stored.version;
            self.payload = Arc::clone(&stored.payload);
            return Ok(Committed::VersionChanged);
        }
        let expires = Instant::now() + lifetime;
        let (payload, version) = payload(stored.as_ref());
        let begun = stored.unwrap_or_else(|| Session::new(self.incarnation, expires));
        let (used, expires_at) = (now(), second_of(expires));
        state.sessions.insert(self.key, Session { version, payload, expires, used, expires_at, ..begun });
        state.writes += 1;
        self.version = version;
        Ok(Committed::Stored)
    }

    /// From here on the lease does nothing.
    fn finish(&mut self) {
        self.unlock();
        self.finished = true;
    }

    fn unlock(&mut self) {
        if std::mem::take(&mut self.locked) {
            let mut state = self.shared.state();
            if let Some(lock) = state.locks.get_mut(&self.key) {
                lock.owner = None;
            }
            self.shared.changed.notify_all();
        }
    }
}

impl Drop for MemoryLease {
    fn drop(&mut self) {
        self.unlock();
    }
}

impl Lease for MemoryLease {
    fn payload_len(&self) -> usize {
        self.payload.len()
    }

    fn read_payload(&mut self, out: &mut Room<'_>) -> Result<(), StoreError> {
        assert!(out.put(&self.payload), "room for the payload");
        Ok(())
    }

    fn is_new(&self) -> bool {
        self.is_new
    }

    fn mark(&self) -> Mark {
        let began = match self.succession {
            Succession::Retired(_) => self.incarnation,
            _ => self.shared.state().incarnations,
        };
        Mark::from_words([self.incarnation, self.version, began])
    }

    fn incarnation(&self) -> u64 {
        if self.ended { 0 } else { self.incarnation }
    }

    fn succession(&self) -> Succession {
        if self.ended { Succession::None } else { self.succession }
    }

    fn is_over(&mut self) -> Result<bool, StoreError> {
        let state = self.shared.state();
        Ok(match state.live(&self.key) {
            _ if self.ended => true,
            Some(session) => session.incarnation != self.incarnation || session.successor.is_some(),
            None => state.ended.contains_key(&self.incarnation),
        })
    }

    fn name(&mut self, successor: &Successor, before: Option<&Successor>) -> Result<Named, StoreError> {
        let mut state = self.shared.state();
        let session = match state.live(&self.key) {
            _ if self.ended || self.finished => return Ok(Named::Over),
            None if state.ended.contains_key(&self.incarnation) => return Ok(Named::Over),
            None => return Ok(Named::Vanished),
            Some(session) if session.incarnation != self.incarnation => return Ok(Named::Over),
            Some(session) => session,
        };
        if !session.successor.is_none_or(|named| Some(&named) == before || named == *successor) {
            return Ok(Named::Over);
        }
        let named = Session { successor: Some(*successor), ..session.clone() };
        let changed = named.version != self.version;
        (self.version, self.payload) = (named.version, Arc::clone(&named.payload));
        state.sessions.insert(self.key, named);
        Ok(if changed { Named::VersionChanged } else { Named::Unchanged })
    }

    fn commit(&mut self, payload: &[u8], lifetime: Duration, over: Over) -> Result<Committed, StoreError> {
        if payload.len() > MAX_PAYLOAD {
            let (found, limit) = (payload.len() as u64, MAX_PAYLOAD as u64);
            self.finish();
            return Err(StoreError::TooLarge { found, limit });
        }
        let next = |stored: Option<&Session>| stored.map_or(1, |stored| stored.version + 1);
        let committed = self.store(lifetime, over, |stored| (Arc::new(payload.to_vec()), next(stored)));
        if !matches!(committed, Ok(Committed::VersionChanged)) {
            self.finish();
        }
        committed
    }

    fn touch(&mut self, payload: &[u8], lifetime: Duration) -> Result<Committed, StoreError> {
        let committed = self.store(lifetime, Over::Anything, |stored| match stored {
            Some(stored) => (Arc::clone(&stored.payload), stored.version),
            None => (Arc::new(payload.to_vec()), 1),
        });
        self.finish();
        committed
    }

    fn destroy(&mut self, end: End) -> Result<bool, StoreError> {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state();
        let mine = |session: &Session| !self.ended && !self.finished && session.incarnation == self.incarnation;
        let live = state.live(&self.key).is_some_and(mine);
        let retired = state.live(&self.key).is_none() && state.readable(&self.key).is_some_and(mine);
        let destroyed = (live || retired) && state.end(&self.key, end);
        drop(state);
        self.finish();
        Ok(live && destroyed)
    }

    fn count_merge(&self, _conflicts: Option<u32>) {
        self.shared.state().merges += 1;
    }

    fn release(&mut self) {
        self.finish();
    }
}
