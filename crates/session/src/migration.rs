//! Migrating sessions into the store, one at a time and as they are asked for, from the storage of the handler that was
//! used before: the source ([`cloakroom_migration`]).
//!
//! Under the old handler's own lock on a session no request of that handler is in the middle of it, and of all requests
//! that want to migrate it one is at work. Only under that lock is it looked at whether the session's key in the store is
//! vacant; so a session is migrated once, and a process that dies in the middle leaves nothing, or a mere reservation,
//! which is vacant still.
//!
//! The copy in the source stays, for servers that still run the old handler. It must not come back into the store: a
//! session that ends in the store is ended in the source as well, and one that was written in the store is not vacant,
//! even if it is empty now.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cloakroom_migration::Error;
pub use cloakroom_migration::Source;
pub use cloakroom_migration::files::Files;

use crate::StoreError;
use crate::error::RequestError;
use crate::merge::{self, Format};
use crate::seam::{Acquire, End, Key, LockMode, Store};
use crate::seam::{Restore, Restored};

/// Where sessions of the old handler come from, and where empty files for it are left.
#[derive(Clone)]
pub struct Migration {
    /// `cloakroom.migrate_from`.
    pub from: Option<Arc<dyn Source>>,
    /// `cloakroom.migrate_to`.
    pub to: Option<Arc<Files>>,
    /// The format that the source's payloads must have; [`Format::Opaque`] where it is not known.
    pub format: Format,
    /// How long a session lives after its last use in the source, and after its migration in the store.
    pub lifetime: Duration,
}

/// The outcome of migrating one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MigratedIn {
    /// The store has it now.
    Stored,
    /// The store has it already, or has ended it.
    Present,
    /// The source has none, or an empty one.
    Absent,
}

impl Migration {
    /// Stores the session of the source in `store`, where its key is vacant. The old handler's lock is waited for at most
    /// `wait`.
    ///
    /// # Errors
    /// [`RequestError::Migration`] and failures of the store; nothing is changed then.
    pub fn migrate_in(
        &self,
        store: &dyn Store,
        key: &Key,
        id: &[u8],
        wait: Duration,
    ) -> Result<MigratedIn, RequestError> {
        let Some(from) = &self.from else { return Ok(MigratedIn::Absent) };
        if !store.is_vacant(key)? {
            return Ok(MigratedIn::Present);
        }
        let Some(held) = from.hold(id, wait, self.lifetime)? else { return Ok(MigratedIn::Absent) };
        if held.payload().is_empty() {
            return Ok(MigratedIn::Absent);
        }
        self.accept(held.payload())?;
        let created = held.created().or(held.used()).unwrap_or_else(SystemTime::now);
        let session = Restored {
            payload: held.payload(),
            created: created.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
            lifetime: self.lifetime,
            // Its visitor has come back, or is known from before: it is nothing that a flood of visitors may displace.
            returned: true,
        };
        let became = store.migrate_in(key, &session)?;
        // The next request in line finds the session in the store.
        drop(held);
        if became != Restore::Stored {
            return Ok(MigratedIn::Present);
        }
        // A directory that cannot be written is reported to the request that begins a session.
        let _reported_elsewhere = self.migrate_out(id);
        Ok(MigratedIn::Stored)
    }

    /// [`Migration::migrate_in`] for a reader, who waits for no request of the old handler: where one is at work, the session is
    /// not migrated, and its last payload there is the answer.
    ///
    /// # Errors
    /// As [`Migration::migrate_in`].
    pub fn migrate_in_or_peek(&self, store: &dyn Store, key: &Key, id: &[u8]) -> Result<Option<Vec<u8>>, RequestError> {
        match (self.migrate_in(store, key, id, Duration::ZERO), &self.from) {
            (Err(RequestError::Migration(Error::Busy { .. })), Some(from)) => {
                let payload = from.peek(id, self.lifetime)?.filter(|payload| !payload.is_empty());
                payload.as_deref().map_or(Ok(()), |payload| self.accept(payload))?;
                Ok(payload)
            }
            (taken, _) => taken.map(|_| None),
        }
    }

    /// Whether the source may have a session that does not exist in `store`: `false` only where it is proven not to, or
    /// where the store has ended the session.
    pub fn may_have(&self, store: &dyn Store, key: &Key, id: &[u8]) -> bool {
        let Some(from) = &self.from else { return false };
        store.is_vacant(key).unwrap_or(true) && from.has(id, self.lifetime).unwrap_or(true)
    }

    /// Ends in the source a session that was ended in the store, or (`in_store` is `false`) was to be ended and is not in
    /// the store. Answers whether the source had it.
    ///
    /// # Errors
    /// Failures of the source; the store then remembers that the session was ended, so that it is not migrated for as long
    /// as `end` says.
    pub fn end(&self, store: &dyn Store, key: &Key, id: &[u8], end: End, in_store: bool) -> Result<bool, RequestError> {
        let emptied = self.to.as_ref().map_or(Ok(false), |to| to.destroy(id));
        let ended = self.from.as_ref().map_or(Ok(false), |from| from.destroy(id));
        if !in_store && !matches!(ended, Ok(false)) {
            // A request that has read it in the source, and has not stored it yet, must find that it was ended.
            remember_end(store, key, end)?;
        }
        emptied?;
        Ok(ended?)
    }

    /// Leaves an empty file named by the session `id`, for a later way back.
    ///
    /// # Errors
    /// Failures of the directory.
    pub fn migrate_out(&self, id: &[u8]) -> Result<(), RequestError> {
        Ok(self.to.as_ref().map_or(Ok(()), |to| to.migrate_out(id))?)
    }

    /// Refuses a payload that PHP could not decode: it would destroy the session.
    fn accept(&self, payload: &[u8]) -> Result<(), RequestError> {
        if merge::is_of(self.format, payload) {
            return Ok(());
        }
        let location = self.from.as_ref().map(|from| from.location()).unwrap_or_default();
        Err(RequestError::OtherFormat { location })
    }
}

/// Lets the store remember that a session was ended which it does not have.
fn remember_end(store: &dyn Store, key: &Key, end: End) -> Result<(), StoreError> {
    let how = Acquire {
        mode: LockMode::None,
        wait: Duration::ZERO,
        lock_ttl: Duration::from_secs(1),
        max_waiters: 0,
        lifetime: Duration::from_secs(60),
        script: b"",
        since: None,
        drawn: false,
    };
    store.acquire(key, &how)?.destroy(End::at_once(end.tombstone)).map(drop)
}
