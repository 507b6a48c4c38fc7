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
//! | read or wrote it | another request destroyed it, or replaced its id | is dropped: what was ended stays ended |
//! | failed to read it | anything | refused ([`RequestError::ReadIncomplete`]) |
//! | nothing, after it destroyed another one that was over already | anything | refused ([`Written::Refused`]) |
//!
//! A write of the very bytes that were read or written last changes nothing, so it extends the lifetime of whatever is
//! there and is never refused. The payloads of the eight sessions that were used last are kept for that, and for merging: one whose
//! payload was dropped is written in the mode `Merge` as in `Exclusive`.
//!
//! The last line of the table is about frameworks that give a session another id by a destruction of the old one and a write of the
//! new one: where another request has ended the old one since this object read it, the new one would bring it back.
//!
//! The object remembers what it did with an id until the PHP request ends ([`Standalone::forget`]), or for as long as the end of a session
//! is remembered (`cloakroom.tombstone`), and of so many sessions as [`RequestError::TooManyRead`] says.
//!
//! A read is two calls for the reason that [`crate::request`] gives.

use std::time::{Duration, Instant};

use crate::aftermath::Aftermath;
use crate::any_store::AnyStore;
use crate::drawing::draw_id;
use crate::id::{IdShape, MAX_ID, Namespace, SessionId};
use crate::merge::Format;
use crate::migration::{MigratedIn, Migration};
use crate::request::replaced::{give_up, look_over};
use crate::request::{Finished, RequestError, Terms};
use crate::seam::{
    Acquire, Committed, Destroyed, Effort, End, Key, Lease, LockMode, Look, Mark, Over, Store, StoreError, Succession,
    Successor,
};
use crate::version_changed::{commit_merged, touch_or_write};
use cloakroom_seam::Room;

mod memory;

use memory::{Known, MOST, Memory, Payload};

/// How the successor of a session is acquired that is about to be destroyed: only where it was given up.
const BRIEFLY: Acquire<'static> = Acquire {
    mode: LockMode::Exclusive,
    wait: Duration::ZERO,
    lock_ttl: Duration::from_secs(10),
    max_waiters: 0,
    lifetime: Duration::ZERO,
    script: b"",
    since: None,
    drawn: false,
};

/// The outcome of [`Standalone::write`] and [`Standalone::touch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// The payload is stored, merged with another one, or there unchanged.
    Stored,
    /// Another request has ended the session, or replaced its id: nothing was written.
    Ended,
    /// The object has destroyed a session that another request had ended since it read it, and what it now wrote under an id
    /// that it never read would take that one's place: nothing was written.
    Refused,
}

/// One object of a handler class while it is not open.
pub struct Standalone {
    store: Option<AnyStore>,
    namespace: Namespace,
    memory: Memory,
    /// The outcome of a read, until [`Standalone::finish_read`] takes it.
    found: Option<(Key, Look)>,
    /// What may not be written after a session was destroyed that others had ended before.
    aftermath: Aftermath,
    /// How sessions end whose ids were replaced, and for how long that is remembered.
    terms: Terms,
    /// While sessions are migrated from another handler.
    migration: Option<Migration>,
    /// What failed beside a call that succeeded.
    notice: Option<RequestError>,
}

impl Default for Standalone {
    fn default() -> Self {
        Self {
            store: None,
            namespace: Namespace::EMPTY,
            memory: Memory::default(),
            found: None,
            aftermath: Aftermath::NONE,
            terms: Terms::DEFAULT,
            migration: None,
            notice: None,
        }
    }
}

impl Standalone {
    /// An object that has no store yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Works on `store` from now on.
    pub fn attach(&mut self, store: &AnyStore, namespace: &Namespace) {
        *self = Self { store: Some(store.clone()), namespace: *namespace, terms: self.terms.clone(), ..Self::new() };
    }

    /// From now on ids that were replaced end, and what is read is remembered, on these terms.
    pub fn set_terms(&mut self, terms: Terms) {
        self.terms = terms;
    }

    /// Forgets all that was read: the PHP request is over.
    pub fn forget(&mut self) {
        self.memory = Memory::default();
        self.found = None;
        self.aftermath = Aftermath::NONE;
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
    /// [`RequestError::TooManyRead`]; else only failures of the store, and of a migration. Until another read succeeds, nothing
    /// is then written.
    pub fn begin_read(&mut self, id: &[u8], wait: Duration) -> Result<usize, RequestError> {
        self.found = None;
        let now = self.purge();
        let (store, key) = self.find(id).map(|(store, key)| (store.clone(), key))?;
        let has_room = self.memory.has_room(&key);
        self.memory.begin(key, now, self.terms.end.tombstone);
        if !has_room {
            return Err(RequestError::TooManyRead { limit: MOST });
        }
        let mut look = look_over(&*store, &key, &self.terms)?;
        if let Some(migration) = &self.migration
            && look.succession == Succession::None
            && look.payload.as_ref().is_none_or(Vec::is_empty)
            && migration.migrate_in(&*store, &key, id, wait)? != MigratedIn::Absent
        {
            // Stored by this object or by another request, which may have been after the first look.
            look = look_over(&*store, &key, &self.terms)?;
        }
        let length = look.payload.as_ref().map_or(0, Vec::len);
        self.found = Some((key, look));
        Ok(length)
    }

    /// Copies the payload into `out`, which has as many bytes as the read announced. From now on the object knows the
    /// session.
    ///
    /// # Errors
    /// [`RequestError::OutOfOrder`] without a read before.
    pub fn finish_read(&mut self, out: &mut Room<'_>) -> Result<Finished, RequestError> {
        let (key, Look { payload, mark, succession, .. }) = self.found.take().ok_or(RequestError::OutOfOrder)?;
        let payload = payload.unwrap_or_default();
        if payload.len() != out.len() || !out.put(&payload) {
            return Err(RequestError::OutOfOrder);
        }
        self.memory.remember(key, (mark, payload, succession), Instant::now(), self.terms.end.tombstone);
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
    ) -> Result<Written, RequestError> {
        self.purge();
        let (store, key) = self.find(id)?;
        if self.is_refused(&key) {
            return Ok(self.refuse(key));
        }
        let since = self.since(&key)?;
        let known = self.memory.of(&key).map(|known| &known.payload);
        let unchanged = known.and_then(Payload::bytes) == Some(payload);
        let mut lease = acquire(&**store, &key, &Acquire { since, ..*how })?;
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
        match (committed, since) {
            // The object has not seen what a touch kept alive.
            (Committed::Stored, _) if touches => {}
            (Committed::Stored, _) => {
                let mark = lease.mark();
                drop(lease);
                self.remember(key, mark, payload);
                if let Some(migration) = self.migration.as_ref().filter(|_| begins) {
                    self.notice = migration.migrate_out(id).err();
                }
            }
            (Committed::Ended, _) => return Ok(Written::Ended),
            (Committed::VersionChanged, Some(since))
                if how.mode == LockMode::Merge && known != Some(&Payload::Dropped) =>
            {
                let read = known.and_then(Payload::bytes);
                let committed = commit_merged(&mut *lease, format, &self.terms.user, read, payload, how.lifetime)?;
                if committed != Committed::Stored {
                    return Ok(Written::Ended);
                }
                // The object has not seen the merged payload. Its next write is merged with it again, as what it
                // knows is still the version before.
                self.remember(key, since, payload);
            }
            (Committed::VersionChanged, _) => return Err(RequestError::VersionChanged),
        }
        Ok(Written::Stored)
    }

    /// Extends the lifetime of the session `id`, which holds `payload`. A session that does not exist, and was not
    /// destroyed since the object read it, is written.
    ///
    /// # Errors
    /// As [`Standalone::write`], but that others wrote is no failure.
    pub fn touch(&mut self, id: &[u8], payload: &[u8], how: &Acquire<'_>) -> Result<Written, RequestError> {
        self.purge();
        let (store, key) = self.find(id)?;
        if self.is_refused(&key) && !store.exists(&key)? {
            return Ok(self.refuse(key));
        }
        let since = self.since(&key)?;
        let mut lease = acquire(&**store, &key, &Acquire { since, ..*how })?;
        Ok(match touch_or_write(&mut *lease, payload, how.lifetime)? {
            Committed::Stored => Written::Stored,
            Committed::Ended => Written::Ended,
            Committed::VersionChanged => return Err(RequestError::VersionChanged),
        })
    }

    /// Ends the session `id`; `true` where there was one. What the object knew of it is forgotten, so it can begin a
    /// new one under this id. Where others have ended the session since this object read it, its next write to an id that
    /// it never read is refused, and each further one to that id.
    ///
    /// # Errors
    /// Only failures of the store.
    pub fn destroy(&mut self, id: &[u8], end: End) -> Result<bool, RequestError> {
        self.purge();
        let (store, key) = self.find(id)?;
        let (ended, was_over) = match self.memory.of(&key) {
            Some(&Known { mark: Some(mark), succession, .. }) => {
                if let Succession::Named(successor) = succession {
                    reinstate(&**store, &key, &successor, &BRIEFLY)?;
                }
                let destroyed = store.destroy_since(&key, &mark, end)?;
                let was_over = destroyed == Destroyed::Before || matches!(succession, Succession::Retired(_));
                (destroyed == Destroyed::Now, was_over)
            }
            _ => (store.destroy(&key, end)?, false),
        };
        let elsewhere = self.migration.as_ref().map(|migration| migration.end(&**store, &key, id, end, ended));
        self.memory.forget(&key);
        if was_over {
            self.aftermath.note(key);
        }
        match elsewhere {
            Some(Err(error)) => {
                self.notice = Some(error);
                Ok(ended)
            }
            Some(Ok(there)) => Ok(ended || there),
            None => Ok(ended),
        }
    }

    /// Whether the session that was ended last was over before.
    #[must_use]
    pub fn was_over(&self) -> bool {
        self.aftermath.is_pending()
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

    fn purge(&mut self) -> Instant {
        let now = Instant::now();
        self.memory.purge(now);
        now
    }

    /// Where in the session's life the object stands, `None` where it does not know the session.
    fn since(&self, key: &Key) -> Result<Option<Mark>, RequestError> {
        match self.memory.of(key) {
            Some(known) => known.mark.map(Some).ok_or(RequestError::ReadIncomplete),
            None if self.memory.is_full() => Err(RequestError::ReadIncomplete),
            None => Ok(None),
        }
    }

    /// Whether a write to the session of `key` would bring back one that is over.
    fn is_refused(&self, key: &Key) -> bool {
        self.aftermath.refuses(key) && self.memory.of(key).is_none()
    }

    /// Refuses the session of `key` from now on: a framework may well try to store it once more.
    fn refuse(&mut self, key: Key) -> Written {
        self.aftermath.note_refused(key);
        if let Some(store) = &self.store {
            store.count_refused();
        }
        Written::Refused
    }

    fn remember(&mut self, key: Key, mark: Mark, payload: &[u8]) {
        let known = (mark, payload.to_vec(), Succession::None);
        self.memory.remember(key, known, Instant::now(), self.terms.end.tombstone);
    }
}

/// Acquires a session to be written. One that names a successor which was given up lives again.
fn acquire(store: &dyn Store, key: &Key, how: &Acquire<'_>) -> Result<Box<dyn Lease>, StoreError> {
    let began = Instant::now();
    let mut lease = store.acquire(key, how)?;
    let Succession::Named(successor) = lease.succession() else { return Ok(lease) };
    // No request waits for one lock while it holds another, nor holds one up.
    lease.release();
    drop(lease);
    reinstate(store, key, &successor, how)?;
    store.acquire(key, &Acquire { wait: how.wait.saturating_sub(began.elapsed()), ..*how })
}

/// Makes a session name its successor no more where that was given up, as far as that can be found out without waiting.
fn reinstate(store: &dyn Store, key: &Key, successor: &Successor, how: &Acquire<'_>) -> Result<(), StoreError> {
    match give_up(store, key, successor, &Acquire { wait: Duration::ZERO, ..*how }) {
        // Somebody is about to write it.
        Err(StoreError::LockTimeout { .. } | StoreError::TooManyWaiters { .. } | StoreError::HeldHere) => Ok(()),
        given_up => given_up,
    }
}
