//! [`MemoryLease`]: a request's hold on a session of the store in memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cloakroom_session::seam::{Committed, End, MAX_PAYLOAD, Mark, Over, Room};
use cloakroom_session::{Key, Lease, StoreError};

use super::{Session, Shared, now, second_of};

pub(super) struct MemoryLease {
    pub(super) shared: Arc<Shared>,
    pub(super) key: Key,
    pub(super) incarnation: u64,
    pub(super) version: u64,
    pub(super) payload: Arc<Vec<u8>>,
    pub(super) is_new: bool,
    pub(super) ended: bool,
    pub(super) locked: bool,
}

impl MemoryLease {
    /// Stores what `payload` makes of the stored one (`None` where the session vanished without being destroyed),
    /// unless this lease's incarnation was destroyed or another took its place, or a version that was not read is there.
    fn store(
        &mut self,
        lifetime: Duration,
        over: Over,
        payload: impl FnOnce(Option<&Session>) -> (Arc<Vec<u8>>, u64),
    ) -> Committed {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state();
        let stored = match state.live(&self.key) {
            _ if self.ended => return Committed::Ended,
            Some(session) if session.incarnation == self.incarnation => Some(session.clone()),
            Some(_) => return Committed::Ended,
            None if state.ended.contains_key(&self.incarnation) => return Committed::Ended,
            None => None,
        };
        if let Some(stored) = &stored
            && over == Over::WhatWasRead
            && stored.version != self.version
        {
            self.version = stored.version;
            self.payload = Arc::clone(&stored.payload);
            return Committed::VersionChanged;
        }
        let expires = Instant::now() + lifetime;
        let (payload, version) = payload(stored.as_ref());
        let begun = stored.unwrap_or_else(|| Session::new(self.incarnation, expires));
        let (used, expires_at) = (now(), second_of(expires));
        state.sessions.insert(self.key, Session { version, payload, expires, used, expires_at, ..begun });
        state.writes += 1;
        self.version = version;
        Committed::Stored
    }

    /// From here on the lease does nothing.
    fn finish(&mut self) {
        self.unlock();
        self.ended = true;
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
        Mark::from_words([self.incarnation, self.version, self.shared.state().incarnations])
    }

    fn commit(&mut self, payload: &[u8], lifetime: Duration, over: Over) -> Result<Committed, StoreError> {
        if payload.len() > MAX_PAYLOAD {
            let (found, limit) = (payload.len() as u64, MAX_PAYLOAD as u64);
            self.finish();
            return Err(StoreError::TooLarge { found, limit });
        }
        let next = |stored: Option<&Session>| stored.map_or(1, |stored| stored.version + 1);
        let committed = self.store(lifetime, over, |stored| (Arc::new(payload.to_vec()), next(stored)));
        if committed != Committed::VersionChanged {
            self.finish();
        }
        Ok(committed)
    }

    fn touch(&mut self, payload: &[u8], lifetime: Duration) -> Result<Committed, StoreError> {
        let committed = self.store(lifetime, Over::Anything, |stored| match stored {
            Some(stored) => (Arc::clone(&stored.payload), stored.version),
            None => (Arc::new(payload.to_vec()), 1),
        });
        self.finish();
        Ok(committed)
    }

    fn destroy(&mut self, end: End) -> Result<bool, StoreError> {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state();
        let mine = |session: &Session| !self.ended && session.incarnation == self.incarnation;
        let live = state.live(&self.key).is_some_and(mine);
        let retired = state.live(&self.key).is_none() && state.readable(&self.key).is_some_and(mine);
        if live || retired {
            state.end(&self.key, end);
        }
        drop(state);
        self.finish();
        Ok(live)
    }

    fn count_merge(&self, _conflicts: Option<u32>) {
        self.shared.state().merges += 1;
    }

    fn release(&mut self) {
        self.finish();
    }
}
