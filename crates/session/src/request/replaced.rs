//! Sessions whose id was replaced by another, or is being replaced: what a request that presents the old id reads.
//!
//! A session that names a successor is written by nobody. Where the successor was written, the request *settles* the session that
//! names it: it is retired. Where the successor is on its way, a request in the mode `exclusive` waits for it, and others read the
//! session as it is stored. Where it was given up, the session is *reinstated*. Who holds a successor has its lock: the request that
//! gets the lock and finds the successor unwritten knows that it was given up.

use std::time::{Duration, Instant};

use super::{Held, Request};
use crate::StoreError;
use crate::any_store::AnyLease;
use crate::error::RequestError;
use crate::merge::Format;
use crate::seam::{Acquire, Committed, End, LockMode, Look, Over, Store, Succession, Successor};
use crate::succession::{Seen, see};
use crate::user_path::UserPath;
use crate::version_changed::{commit_merged, read_whole};

/// How sessions end whose ids were replaced, how payloads are encoded, and where in them the user's id stands.
#[derive(Clone)]
pub struct Terms {
    /// How a session ends whose successor was written: `cloakroom.tombstone` and `cloakroom.grace`.
    pub end: End,
    /// How this payload is encoded.
    pub format: fn(&[u8]) -> Format,
    /// `cloakroom.user`.
    pub user: UserPath,
    /// Which version of the settings these are; 0 = none.
    pub version: u32,
}

impl Terms {
    /// Those of a handler that was told none: no grace, and payloads of which nothing is known.
    pub const DEFAULT: Self = Self {
        end: End::at_once(Duration::from_secs(3600)),
        format: |_| Format::Opaque,
        user: UserPath::NONE,
        version: 0,
    };
}

/// Terms on which nothing is reserved or waited for.
pub(super) const NOTHING: Acquire<'static> = Acquire {
    mode: LockMode::None,
    wait: Duration::ZERO,
    lock_ttl: Duration::from_secs(10),
    max_waiters: 0,
    lifetime: Duration::ZERO,
    script: b"",
    since: None,
    drawn: false,
};

/// How often a session may change its successor while a request looks: each time another request has rotated it.
pub(super) const MOST_CHANGES: u32 = 64;

impl Request {
    /// From now on ids that are replaced end on these terms.
    #[inline(never)]
    pub fn set_terms(&mut self, terms: Terms) {
        self.terms = terms;
    }

    /// Whether the terms are of that version of the settings.
    #[must_use]
    #[inline]
    pub const fn has_terms(&self, version: u32) -> bool {
        self.terms.version == version
    }

    /// After the session of the current key was acquired to be read: finds out what it shows where its id was replaced.
    #[inline(always)]
    pub(super) fn see_successor(&mut self, how: &Acquire<'_>) -> Result<(), RequestError> {
        match &self.lease {
            Some(lease) if !lease.is_replaced() => Ok(()),
            _ => self.show_replaced(how),
        }
    }

    #[cold]
    #[inline(never)]
    fn show_replaced(&mut self, how: &Acquire<'_>) -> Result<(), RequestError> {
        let began = Instant::now();
        for _ in 0..MOST_CHANGES {
            let Some(lease) = self.lease.as_mut().filter(|_| self.held.is_some()) else { return Ok(()) };
            let (successor, is_named) = match lease.succession() {
                Succession::None => {
                    self.replaced = false;
                    return Ok(());
                }
                Succession::Named(successor) => (successor, true),
                Succession::Retired(successor) => (successor, false),
            };
            let stored = read_whole(&mut **lease)?;
            self.replaced = true;
            let store = self.store.as_ref().ok_or(RequestError::NotOpen)?;
            let format = (self.terms.format)(&stored);
            let seen = see(&**store, &successor, format)?;
            if !matches!(seen, Seen::Unwritten) {
                if is_named {
                    store.settle(&self.keyed.key, &successor, self.terms.end)?;
                }
                self.found = Some(seen.leaves(stored, format));
                return Ok(());
            }
            if !is_named {
                // It was settled by a request that has ended its successor unwritten since.
                self.found = Some(Vec::new());
                return Ok(());
            }
            let left = how.wait.saturating_sub(began.elapsed());
            let waits = how.mode == LockMode::Exclusive;
            if waits {
                // No request waits for one lock while it holds another.
                self.release();
            }
            match self.find_given_up(&successor, &Acquire { wait: if waits { left } else { Duration::ZERO }, ..*how }) {
                Ok(()) => self.acquire_as(how, how.mode, how.wait.saturating_sub(began.elapsed()))?,
                Err(StoreError::LockTimeout { .. } | StoreError::TooManyWaiters { .. }) if !waits => {
                    self.found = Some(stored);
                    return Ok(());
                }
                // This process is about to write it.
                Err(StoreError::HeldHere) => {
                    self.found = Some(stored);
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Changed.into())
    }

    /// Takes the lock of the successor of the current session. Where it was given up, the session names none any more.
    fn find_given_up(&self, successor: &Successor, how: &Acquire<'_>) -> Result<(), StoreError> {
        let Some(store) = &self.store else { return Ok(()) };
        give_up(&**store, &self.keyed.key, successor, how)
    }

    fn acquire_as(&mut self, how: &Acquire<'_>, mode: LockMode, wait: Duration) -> Result<(), RequestError> {
        self.release();
        self.acquire(&Acquire { mode, wait, ..*how })
    }

    /// Where the session that is, or was, held names a successor that was given up: whether it names none any more. Who is about
    /// to write the successor is waited for, as `how` says.
    ///
    /// # Errors
    /// As [`Store::acquire`] of the successor.
    pub(super) fn is_reinstated(&self, how: &Acquire<'_>) -> Result<bool, StoreError> {
        let (Some(lease), Some(store)) = (&self.lease, &self.store) else { return Ok(false) };
        let began = Instant::now();
        let mut was_named = false;
        for _ in 0..MOST_CHANGES {
            let Look { succession, incarnation, .. } = store.look(&self.keyed.key)?;
            let successor = match succession {
                _ if incarnation != lease.incarnation() => return Ok(false),
                Succession::Named(successor) => successor,
                Succession::None => return Ok(was_named),
                Succession::Retired(_) => return Ok(false),
            };
            match see(&**store, &successor, Format::Opaque)? {
                Seen::Unwritten => {}
                Seen::Gone | Seen::Shows(_) => return Ok(false),
            }
            // Where that request leaves the successor unwritten for a third session, this one names that from then on.
            was_named = true;
            let wait = how.wait.saturating_sub(began.elapsed());
            give_up(&**store, &self.keyed.key, &successor, &Acquire { wait, ..*how })?;
        }
        Err(StoreError::Changed)
    }

    /// After a write found the session over: writes it all the same where it only named a successor that was given up.
    #[cold]
    pub(super) fn write_reinstated(
        &mut self,
        payload: &[u8],
        how: &Acquire<'_>,
        over: Over,
        read: Option<&[u8]>,
    ) -> Result<Committed, RequestError> {
        match self.is_reinstated(&NOTHING) {
            Ok(true) => {}
            // Somebody, or this very process, is about to write it.
            Ok(false)
            | Err(StoreError::LockTimeout { .. } | StoreError::TooManyWaiters { .. } | StoreError::HeldHere) => {
                return Ok(Committed::Ended);
            }
            Err(error) => return Err(error.into()),
        }
        let (Some(ended), Some(store)) = (&self.lease, &self.store) else { return Ok(Committed::Ended) };
        let how = Acquire { mode: LockMode::None, since: Some(ended.mark()), ..*how };
        let Some(mut lease) = store.acquire_existing(&self.keyed.key, &how)? else { return Ok(Committed::Ended) };
        let committed = lease.commit(payload, how.lifetime, over)?;
        if committed != Committed::VersionChanged {
            return Ok(committed);
        }
        Ok(commit_merged(&mut *lease, (self.terms.format)(payload), &self.terms.user, read, payload, how.lifetime)?)
    }

    /// What a reader without a lock sees of the session of the current key; `None` where there is none.
    pub(super) fn look(&mut self) -> Result<Option<Vec<u8>>, RequestError> {
        let store = self.store()?;
        let look = look_over(&**store, &self.keyed.key, &self.terms)?;
        if look.succession != Succession::None {
            self.replaced = true;
        }
        Ok(look.payload)
    }

    /// What an unlocked reader sees of the session that `lease` is on.
    pub(super) fn read_over(&mut self, mut lease: AnyLease) -> Result<Vec<u8>, RequestError> {
        let stored = read_whole(&mut *lease)?;
        if lease.succession() != Succession::None {
            self.replaced = true;
        }
        let store = self.store()?;
        Ok(shown(&**store, &self.keyed.key, stored, lease.succession(), &self.terms)?)
    }
}

/// Makes the session of `key` name `successor` no more where that was given up: where its lock can be had, as `how` says, and it is
/// unwritten.
///
/// # Errors
/// As [`Store::acquire`] of the successor.
pub(crate) fn give_up(
    store: &dyn Store,
    key: &crate::seam::Key,
    successor: &Successor,
    how: &Acquire<'_>,
) -> Result<(), StoreError> {
    let how = Acquire { mode: LockMode::Exclusive, since: None, drawn: false, ..*how };
    let Some(mut held) = store.acquire_existing(&successor.key, &how)? else { return Ok(()) };
    // With its lock in hand nobody else can be about to write it.
    if matches!(see(store, successor, Format::Opaque)?, Seen::Unwritten) {
        store.reinstate(key, successor)?;
    }
    held.release();
    Ok(())
}

/// A session as readers without a lock see it, with what it shows where its id was replaced.
pub(crate) fn look_over(store: &dyn Store, key: &crate::seam::Key, terms: &Terms) -> Result<Look, StoreError> {
    let mut look = store.look(key)?;
    if look.succession != Succession::None
        && let Some(stored) = look.payload.take()
    {
        look.payload = Some(shown(store, key, stored, look.succession, terms)?);
    }
    Ok(look)
}

fn shown(
    store: &dyn Store,
    key: &crate::seam::Key,
    stored: Vec<u8>,
    succession: Succession,
    terms: &Terms,
) -> Result<Vec<u8>, StoreError> {
    let format = (terms.format)(&stored);
    match succession {
        Succession::None => Ok(stored),
        Succession::Named(successor) => {
            let seen = see(store, &successor, format)?;
            if !matches!(seen, Seen::Unwritten) {
                store.settle(key, &successor, terms.end)?;
            }
            Ok(seen.leaves(stored, format))
        }
        Succession::Retired(successor) => match see(store, &successor, format)? {
            Seen::Unwritten => Ok(Vec::new()),
            seen => Ok(seen.leaves(stored, format)),
        },
    }
}

impl Held {
    /// A session acquired as `how` says.
    pub(super) fn of(key: crate::seam::Key, mode: LockMode, is_locked: bool) -> Self {
        Self { key, mode, is_locked, early: false }
    }
}
