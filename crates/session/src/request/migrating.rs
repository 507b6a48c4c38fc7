//! What a request does more while sessions are migrated from the handler that was used before: a step before each
//! read of a session that is not here, one after each end, and one after a session is first written.
//!
//! A session that is here costs what it costs otherwise: one acquire, whose answer says that there is something to read.

use std::time::{Duration, Instant};

use super::{Held, Request};
use crate::error::RequestError;
use crate::migration::Migration;
use crate::moved::read_whole;
use crate::seam::{Acquire, End};

impl Request {
    /// From now on the handler migrates sessions.
    pub fn set_migration(&mut self, migration: Option<Migration>) {
        self.migration = migration;
    }

    /// Whether the session of the current key, which is not here, may be migrated.
    pub(super) fn may_be_elsewhere(&self) -> bool {
        match (&self.migration, &self.store) {
            (Some(migration), Some(store)) => migration.may_have(&**store, &self.keyed.key, self.keyed.id()),
            _ => false,
        }
    }

    /// Acquires the session of the current key, which is migrated before that where it is not here. `early` says that it
    /// is held already.
    pub(super) fn acquire_or_migrate_in(&mut self, how: &Acquire<'_>, early: bool) -> Result<(), RequestError> {
        let began = Instant::now();
        if !early {
            self.release();
            self.lease = self.store()?.acquire_existing(&self.keyed.key, how)?;
            self.held = self.lease.is_some().then_some(Held { key: self.keyed.key, mode: how.mode, early: false });
        }
        if self.is_present()? {
            return Ok(());
        }
        self.release();
        let wait_left = |wait: Duration| wait.saturating_sub(began.elapsed());
        self.migrate_in(wait_left(how.wait))?;
        self.acquire(&Acquire { wait: wait_left(how.wait), ..*how })
    }

    /// Reads the session of the current key without a lock, migrated before that where it is not here and nobody is at
    /// work on it there. `None` where there is none.
    pub(super) fn snapshot_or_migrate_in(&mut self, early: bool) -> Result<Option<Vec<u8>>, RequestError> {
        let found = match &mut self.lease {
            Some(lease) if early => Some(read_whole(&mut **lease)?),
            _ => self.store()?.snapshot(&self.keyed.key)?.0,
        };
        self.release();
        if found.as_ref().is_some_and(|found| !found.is_empty()) {
            return Ok(found);
        }
        let Some(migration) = &self.migration else { return Ok(found) };
        let store = self.store()?;
        match migration.migrate_in_or_peek(&**store, &self.keyed.key, self.keyed.id())? {
            Some(payload) => Ok(Some(payload)),
            None => Ok(store.snapshot(&self.keyed.key)?.0),
        }
    }

    /// Ends a session there that was ended here, or is not here. Answers whether there was one.
    pub(super) fn end_elsewhere(&mut self, end: End, here: bool) -> bool {
        let (Some(migration), Some(store)) = (&self.migration, &self.store) else { return false };
        let ended = migration.end(&**store, &self.keyed.key, self.keyed.id(), end, here);
        self.told(ended).unwrap_or(false)
    }

    /// Whether what is written as the session of the current key is its first payload.
    pub(super) fn begins_with(&self, payload: &[u8]) -> bool {
        self.migration.is_some() && !payload.is_empty() && self.payload_len() == 0
    }

    /// Leaves an empty file named by the id of the current key, for a later way back.
    pub(super) fn migrate_out(&mut self) {
        let Some(migration) = &self.migration else { return };
        let left = migration.migrate_out(self.keyed.id());
        self.told(left);
    }

    /// Whether what is held is here for good: it has a payload, or somebody has written it.
    fn is_present(&self) -> Result<bool, RequestError> {
        Ok(self.holds() && (self.payload_len() > 0 || !self.store()?.is_vacant(&self.keyed.key)?))
    }

    fn migrate_in(&mut self, wait: Duration) -> Result<(), RequestError> {
        let Some(migration) = &self.migration else { return Ok(()) };
        migration.migrate_in(&**self.store()?, &self.keyed.key, self.keyed.id(), wait).map(drop)
    }

    /// Keeps a failure that does not undo what was done.
    fn told<T>(&mut self, result: Result<T, RequestError>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.notice = Some(error);
                None
            }
        }
    }
}
