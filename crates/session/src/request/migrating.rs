//! The steps that a request adds while sessions are migrated from the handler that was used before: one before each read
//! of a session that is not in the store, one after each end, and one after a session is first written.
//!
//! A session that is in the store costs what it costs without a migration: one acquire, whose answer says that the session
//! holds something.

use std::time::{Duration, Instant};

use super::{Held, Request};
use crate::any_store::AnyLease;
use crate::error::RequestError;
use crate::migration::Migration;
use crate::seam::{Acquire, End, Key, LockMode};

impl Request {
    /// From now on the handler migrates sessions.
    pub fn set_migration(&mut self, migration: Option<Migration>) {
        self.migration = migration;
    }

    /// Whether the session of the current key, which is not in the store, may be migrated.
    pub(super) fn may_be_elsewhere(&self) -> bool {
        match (&self.migration, &self.store) {
            (Some(migration), Some(store)) => migration.may_have(&**store, &self.keyed.key, self.keyed.id()),
            _ => false,
        }
    }

    /// Acquires the session of the current key, which is migrated before that where it is not in the store. `early` says
    /// that it is held already.
    pub(super) fn acquire_or_migrate_in(&mut self, how: &Acquire<'_>, early: bool) -> Result<(), RequestError> {
        let began = Instant::now();
        if !early {
            self.release();
            self.lease = self.store()?.acquire_existing(&self.keyed.key, how)?.map(AnyLease::Other);
            let is_locked = how.mode == LockMode::Exclusive;
            self.held = self.lease.is_some().then(|| Held::of(self.keyed.key, how.mode, is_locked));
        }
        if self.is_present()? {
            return Ok(());
        }
        self.release();
        let wait_left = |wait: Duration| wait.saturating_sub(began.elapsed());
        self.migrate_in(wait_left(how.wait))?;
        self.acquire(&Acquire { wait: wait_left(how.wait), ..*how })
    }

    /// Reads the session of the current key without a lock, migrated before that where it is not in the store and no
    /// request of the old handler is at work on it. `None` where neither the store nor the source has it.
    pub(super) fn snapshot_or_migrate_in(&mut self, early: bool) -> Result<Option<Vec<u8>>, RequestError> {
        let found = match self.lease.take() {
            Some(lease) if early => Some(self.read_over(lease)?),
            _ => self.look()?,
        };
        self.release();
        if found.as_ref().is_some_and(|found| !found.is_empty()) {
            return Ok(found);
        }
        let Some(migration) = &self.migration else { return Ok(found) };
        let store = self.store()?;
        match migration.migrate_in_or_peek(&**store, &self.keyed.key, self.keyed.id())? {
            Some(payload) => Ok(Some(payload)),
            None => self.look(),
        }
    }

    /// Ends a session in the source that was ended in the store, or is not in it. Answers whether the source had it.
    pub(super) fn end_elsewhere(&mut self, end: End, in_store: bool) -> bool {
        let (Some(migration), Some(store)) = (&self.migration, &self.store) else { return false };
        let ended = migration.end(&**store, &self.keyed.key, self.keyed.id(), end, in_store);
        self.noted(ended).unwrap_or(false)
    }

    /// Ends the session `id` in the source, which the session of `key` was and another has taken the place of.
    pub(super) fn end_left(&mut self, key: &Key, id: &[u8], end: End) {
        let (Some(migration), Some(store)) = (&self.migration, &self.store) else { return };
        let ended = migration.end(&**store, key, id, end, true);
        self.noted(ended);
    }

    /// Whether `payload`, written as the session of the current key, is its first one.
    pub(super) fn begins_with(&self, payload: &[u8]) -> bool {
        self.migration.is_some() && !payload.is_empty() && self.payload_len() == 0
    }

    /// Leaves an empty file named by the id of the current key, for a later way back.
    pub(super) fn migrate_out(&mut self) {
        let Some(migration) = &self.migration else { return };
        let left = migration.migrate_out(self.keyed.id());
        self.noted(left);
    }

    /// Whether the session that is held is in the store for good: it has a payload, or a request has written it.
    fn is_present(&self) -> Result<bool, RequestError> {
        Ok(self.holds() && (self.payload_len() > 0 || !self.store()?.is_vacant(&self.keyed.key)?))
    }

    fn migrate_in(&mut self, wait: Duration) -> Result<(), RequestError> {
        let Some(migration) = &self.migration else { return Ok(()) };
        migration.migrate_in(&**self.store()?, &self.keyed.key, self.keyed.id(), wait).map(drop)
    }

    /// The value of a step beside a call that succeeded; its failure is kept as the notice.
    fn noted<T>(&mut self, result: Result<T, RequestError>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.notice = Some(error);
                None
            }
        }
    }
}
