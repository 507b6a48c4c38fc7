//! A handler object that nobody opened: sessions read and written one call at a time, as frameworks do that manage
//! sessions themselves.
//!
//! No lock outlives a call. A read takes the last committed payload without a lock and remembers where in the session's
//! life it was taken; a write is checked against that, under the lock where the mode is [`LockMode::Exclusive`]:
//!
//! | what the object did with the id before | what became of the session since | a write |
//! |---|---|---|
//! | nothing, or destroyed it | anything | counts |
//! | read or wrote it | nothing, or it expired | counts |
//! | read or wrote it | another request wrote it | `Exclusive`: refused ([`RequestError::VersionChanged`]); `Merge`: is merged; `None`: counts |
//! | read or wrote it | another request destroyed it | is dropped: what was ended stays ended |
//! | failed to read it | anything | refused ([`RequestError::ReadIncomplete`]) |
//!
//! A write of the very bytes that were read or written last changes nothing, so it extends the lifetime of whatever is
//! there and is never refused.
//!
//! A read is two calls for the reason that [`crate::request`] gives.

use std::time::Duration;

use crate::any_store::AnyStore;
use crate::drawing::draw_id;
use crate::id::{IdShape, MAX_ID, Namespace, SessionId};
use crate::merge::Format;
use crate::migration::{MigratedIn, Migration};
use crate::request::{Finished, RequestError};
use crate::seam::{Acquire, Committed, Effort, End, Key, LockMode, Mark, Over};
use crate::version_changed::{commit_merged, touch_or_write};
use cloakroom_seam::Room;

/// How many ids an object remembers; of more it forgets the ones that it used least recently.
const MOST: usize = 8;

/// Longer payloads are not kept to be compared with what is written: they are always written.
const MOST_KEPT: usize = 256 << 10;

/// The knowledge of an object about a session.
struct Known {
    key: Key,
    /// `None` after a read that did not come to its end.
    mark: Option<Mark>,
    /// The session's payload then, empty where it did not exist; `None` where that is not known, or too long.
    payload: Option<Vec<u8>>,
}

/// One object of a handler class while it is not open.
#[derive(Default)]
pub struct Standalone {
    store: Option<AnyStore>,
    namespace: Namespace,
    /// The one used last at the end.
    known: Vec<Known>,
    /// The outcome of a read, until [`Standalone::finish_read`] takes it.
    found: Option<(Key, Mark, Option<Vec<u8>>)>,
    /// While sessions are migrated from another handler.
    migration: Option<Migration>,
    /// What failed beside a call that succeeded.
    notice: Option<RequestError>,
}

impl Standalone {
    /// An object that has no store yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { store: None, namespace: Namespace::EMPTY, known: Vec::new(), found: None, migration: None, notice: None }
    }

    /// Works on `store` from now on.
    pub fn attach(&mut self, store: &AnyStore, namespace: &Namespace) {
        *self = Self { store: Some(store.clone()), namespace: *namespace, ..Self::new() };
    }

    /// From now on the object migrates sessions.
    pub fn set_migration(&mut self, migration: Option<Migration>) {
        self.migration = migration;
    }

    /// What failed beside a call that succeeded: to be reported, once.
    pub fn take_notice(&mut self) -> Option<RequestError> {
        self.notice.take()
    }

    /// The store that the object works on.
    #[must_use]
    pub fn store(&self) -> Option<&AnyStore> {
        self.store.as_ref()
    }

    /// Reads the session `id` without a lock; answers how many bytes [`Standalone::finish_read`] will give, 0 where
    /// there is no session. One that is to be migrated first is waited for at most `wait`: later writes stand on the
    /// payload that this reads.
    ///
    /// # Errors
    /// Only failures of the store, and of a migration. Until another read succeeds, nothing is then written.
    pub fn begin_read(&mut self, id: &[u8], wait: Duration) -> Result<usize, RequestError> {
        self.found = None;
        let (store, key) = self.find(id).map(|(store, key)| (store.clone(), key))?;
        self.remember(key, None, None);
        let (mut payload, mut mark) = store.snapshot(&key)?;
        if let Some(migration) = &self.migration
            && payload.as_ref().is_none_or(Vec::is_empty)
            && migration.migrate_in(&*store, &key, id, wait)? != MigratedIn::Absent
        {
            // Stored by this object or by another request, which may have been after the first look.
            (payload, mark) = store.snapshot(&key)?;
        }
        let length = payload.as_ref().map_or(0, Vec::len);
        self.found = Some((key, mark, payload));
        Ok(length)
    }

    /// Copies the payload into `out`, which has as many bytes as the read announced. From now on the object knows the
    /// session.
    ///
    /// # Errors
    /// [`RequestError::OutOfOrder`] without a read before.
    pub fn finish_read(&mut self, out: &mut Room<'_>) -> Result<Finished, RequestError> {
        let (key, mark, payload) = self.found.take().ok_or(RequestError::OutOfOrder)?;
        let bytes = payload.as_deref().unwrap_or_default();
        if bytes.len() != out.len() || !out.put(bytes) {
            return Err(RequestError::OutOfOrder);
        }
        self.remember(key, Some(mark), Some(payload.unwrap_or_default()));
        Ok(Finished::Whole)
    }

    /// Stores `payload` as the session `id`, where that replaces nothing which this object should have read before, or
    /// merges it, as `format` says, with what another request wrote.
    ///
    /// # Errors
    /// [`RequestError::VersionChanged`] where it would, else as [`crate::Store::acquire`] and [`crate::Lease::commit`]. What is stored
    /// then stays.
    pub fn write(
        &mut self,
        id: &[u8],
        payload: &[u8],
        how: &Acquire<'_>,
        format: Format,
    ) -> Result<Committed, RequestError> {
        let (store, key) = self.find(id)?;
        let since = self.since(&key)?;
        let unchanged = self.known(&key).is_some_and(|known| known.payload.as_deref() == Some(payload));
        let mut lease = store.acquire(&key, &Acquire { since, ..*how })?;
        let touches = unchanged && !lease.is_new();
        let begins = self.migration.is_some() && !payload.is_empty() && lease.payload_len() == 0;
        let committed = if touches {
            lease.touch(payload, how.lifetime)?
        } else {
            let over = match (how.mode, since) {
                (LockMode::None, _) | (_, None) => Over::Anything,
                (LockMode::Exclusive | LockMode::Merge, Some(_)) => Over::WhatWasRead,
            };
            lease.commit(payload, how.lifetime, over)?
        };
        match committed {
            // The object has not seen what a touch kept alive.
            Committed::Stored if touches => {}
            Committed::Stored => {
                let mark = lease.mark();
                drop(lease);
                self.remember(key, Some(mark), Some(payload.to_vec()));
                if let Some(migration) = self.migration.as_ref().filter(|_| begins) {
                    self.notice = migration.migrate_out(id).err();
                }
            }
            Committed::Ended => {}
            Committed::VersionChanged if how.mode == LockMode::Merge => {
                let read = self.known(&key).and_then(|known| known.payload.as_deref());
                let committed = commit_merged(&mut *lease, format, read, payload, how.lifetime)?;
                // The object has not seen the merged payload. Its next write is merged with it again, as what it
                // knows is still the version before.
                if committed == Committed::Stored {
                    self.remember(key, since, Some(payload.to_vec()));
                }
                return Ok(committed);
            }
            Committed::VersionChanged => return Err(RequestError::VersionChanged),
        }
        Ok(committed)
    }

    /// Extends the lifetime of the session `id`, which holds `payload`. A session that does not exist, and was not
    /// destroyed since the object read it, is written.
    ///
    /// # Errors
    /// As [`Standalone::write`], but that others wrote is no failure.
    pub fn touch(&mut self, id: &[u8], payload: &[u8], how: &Acquire<'_>) -> Result<Committed, RequestError> {
        let (store, key) = self.find(id)?;
        let since = self.since(&key)?;
        let mut lease = store.acquire(&key, &Acquire { since, ..*how })?;
        Ok(touch_or_write(&mut *lease, payload, how.lifetime)?)
    }

    /// Ends the session `id`; `true` where there was one. What the object knew of it is forgotten, so it can begin a
    /// new one under this id.
    ///
    /// # Errors
    /// Only failures of the store.
    pub fn destroy(&mut self, id: &[u8], end: End) -> Result<bool, RequestError> {
        let (store, key) = self.find(id)?;
        let ended = store.destroy(&key, end)?;
        let elsewhere = self.migration.as_ref().map(|migration| migration.end(&**store, &key, id, end, ended));
        self.forget(&key);
        match elsewhere {
            Some(Err(error)) => {
                self.notice = Some(error);
                Ok(ended)
            }
            Some(Ok(there)) => Ok(ended || there),
            None => Ok(ended),
        }
    }

    /// Whether the session `id` may exist: `false` only where it is proven not to.
    #[must_use]
    pub fn may_exist(&self, id: &[u8]) -> bool {
        match self.find(id) {
            Err(RequestError::Id(_)) => false,
            Err(_) => true,
            Ok((store, key)) => {
                let elsewhere = |migration: &Migration| migration.may_have(&**store, &key, id);
                store.exists(&key).unwrap_or(true) || self.migration.as_ref().is_some_and(elsewhere)
            }
        }
    }

    /// Draws an id that no session of the store has; without a store, any id.
    ///
    /// # Errors
    /// As [`crate::Request::draw_id`].
    pub fn draw_id<'a>(&self, shape: IdShape, out: &'a mut [u8; MAX_ID]) -> Result<SessionId<'a>, RequestError> {
        draw_id(self.store.as_deref(), &self.namespace, shape, out)
    }

    /// Removes sessions past their lifetime and answers how many.
    ///
    /// # Errors
    /// Only failures of the store.
    pub fn collect(&self, effort: Effort) -> Result<u64, RequestError> {
        Ok(self.store.as_ref().ok_or(RequestError::NotOpen)?.collect(effort)?)
    }

    fn find(&self, id: &[u8]) -> Result<(&AnyStore, Key), RequestError> {
        let id = SessionId::parse(id)?;
        let store = self.store.as_ref().ok_or(RequestError::NotOpen)?;
        Ok((store, store.key(&self.namespace, &id)))
    }

    fn known(&self, key: &Key) -> Option<&Known> {
        self.known.iter().find(|known| known.key == *key)
    }

    /// Where in the session's life the object stands, `None` where it does not know the session.
    fn since(&self, key: &Key) -> Result<Option<Mark>, RequestError> {
        match self.known(key) {
            Some(Known { mark: None, .. }) => Err(RequestError::ReadIncomplete),
            Some(Known { mark, .. }) => Ok(*mark),
            None => Ok(None),
        }
    }

    fn remember(&mut self, key: Key, mark: Option<Mark>, payload: Option<Vec<u8>>) {
        self.forget(&key);
        if self.known.len() == MOST {
            self.known.remove(0);
        }
        self.known.push(Known { key, mark, payload: payload.filter(|payload| payload.len() <= MOST_KEPT) });
    }

    fn forget(&mut self, key: &Key) {
        self.known.retain(|known| known.key != *key);
    }
}
