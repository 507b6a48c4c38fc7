//! One open save handler, from `open` to `close`: what PHP calls in which order, and what each call may do to the
//! store.
//!
//! The stage says whether a write may follow:
//!
//! | stage | entered by | write and touch |
//! |---|---|---|
//! | idle | [`Request::open`], [`Request::destroy`], [`Request::close`] | allowed: nothing was read that they could contradict |
//! | reading | [`Request::begin_read`] | refused: the script never saw the payload |
//! | read | [`Request::finish_read`] that found it whole | allowed |
//! | lost | a read that failed, [`Request::abandon`] | refused |
//!
//! A read is two calls because PHP's memory for the payload is allocated between them. That allocation can fail with
//! a jump over every Rust frame, so between the calls all that must be released lives in [`Request`] itself, where
//! [`Request::close`] finds it; the interrupted read stays in the stage "reading" and no write follows.
//!
//! Calls of PHP besides the straight way:
//! - `session_reset()` opens and reads again without a close: the lease of that id is kept, as waiting for one's own
//!   lock would never end;
//! - the id given to a write can differ from the one read, or none was read: the id is then acquired first, and a
//!   lease of another id is released before, so that no request ever waits for one lock while it holds another;
//! - calls after a close, or without an open, change nothing and say so.
//!
//! Where each call of the store is a round trip, the question of strict mode whether an id exists is answered by the
//! acquire that would follow it ([`Request::may_exist`]): first call after the open, and only of a session that exists.
//! The outcome of that acquire waits for the read.
//!
//! A lease without a lock, or one beside which another request wrote without a lock, can meet another version of the
//! session at its commit than it has read. The version that was read, the payload that is written and the version that is
//! stored now are then merged, save in [`LockMode::None`]; see [`crate::merge`].

use crate::StoreError;
use crate::aftermath::Aftermath;
use crate::any_store::{AnyLease, AnyStore};
use crate::drawing::draw_id;
pub use crate::error::RequestError;
use crate::id::{IdShape, MAX_ID, Namespace, SessionId};
use crate::migration::Migration;
use crate::seam::{Acquire, Destroyed, Effort, End, Key, LockMode, Succession};

mod migrating;
mod notice;
mod reading;
pub(crate) mod replaced;
mod rotating;
mod standing;
mod writing;

pub use replaced::Terms;
use rotating::Rotation;
use standing::Standings;

/// The outcome of [`Request::finish_read`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished {
    /// The whole payload is in the room that was given.
    Whole,
    /// A writer without a lock replaced the payload meanwhile: finish again with room for this many bytes.
    Again(usize),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Idle,
    /// How many times the payload was read in vain.
    Reading(u32),
    Read,
    Lost,
}

/// The session that a lease holds.
struct Held {
    key: Key,
    mode: LockMode,
    /// With its lock, which a session that takes another's place is held with in every mode.
    is_locked: bool,
    /// Acquired when the id was validated, and not read since.
    early: bool,
}

/// The current key and its id, the one that was used last: validate, read and write of one request name the same id, and a key costs
/// a cryptographic hash.
struct Keyed {
    length: usize,
    id: [u8; MAX_ID],
    key: Key,
}

impl Keyed {
    fn id(&self) -> &[u8] {
        self.id.get(..self.length).unwrap_or_default()
    }
}

/// One open save handler. At most one session is held at a time.
pub struct Request {
    /// Kept after a close, as the next open is nearly always on the same one.
    store: Option<AnyStore>,
    open: bool,
    namespace: Namespace,
    stage: Stage,
    held: Option<Held>,
    /// The lease of the session that is held; else one that has come to its end, for the store to use again.
    lease: Option<AnyLease>,
    /// The last write was merged: what is stored is not what was written.
    merged: bool,
    /// The payload that a read without a lock found, until [`Request::finish_read`] takes it.
    found: Option<Vec<u8>>,
    /// Nothing was asked for since the open.
    untouched: bool,
    /// Why an acquire failed that was made when the id was validated.
    refused: Option<(Key, StoreError)>,
    keyed: Keyed,
    /// The session whose id was drawn since the handler was opened.
    drawn: Option<Key>,
    /// How sessions end whose ids are replaced.
    terms: Terms,
    /// The rotation that the request is in.
    rotation: Option<Rotation>,
    /// Where the sessions that were read last stood then, the last one first.
    stood: Standings,
    /// A rotation failed because another request was faster.
    overtaken: bool,
    /// The id that is read has been replaced by another.
    replaced: bool,
    /// What may not be written after a session was ended that was over already.
    aftermath: Aftermath,
    /// While sessions are migrated from another handler.
    migration: Option<Migration>,
    /// The failure of a step beside a call that succeeded.
    notice: Option<RequestError>,
}

impl Default for Request {
    fn default() -> Self {
        Self::new()
    }
}

impl Request {
    /// A handler that is closed.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            store: None,
            open: false,
            namespace: Namespace::EMPTY,
            stage: Stage::Idle,
            held: None,
            lease: None,
            merged: false,
            found: None,
            untouched: false,
            refused: None,
            keyed: Keyed { length: 0, id: [0; MAX_ID], key: Key::from_words(0, 0) },
            drawn: None,
            terms: Terms::DEFAULT,
            rotation: None,
            stood: Standings::NONE,
            overtaken: false,
            replaced: false,
            aftermath: Aftermath::NONE,
            migration: None,
            notice: None,
        }
    }

    /// Opens the handler on `store`. Opened again on the same store and namespace it keeps its lease; otherwise
    /// the lease is released.
    pub fn open(&mut self, store: &AnyStore, namespace: &Namespace) {
        // In the middle of a rotation the handle stays the same: it follows the store to wherever that goes.
        let same = self.rotation.is_some()
            || self.store.as_ref().is_some_and(|open| open.is(store)) && self.namespace == *namespace;
        if !same {
            self.close();
            self.lease = None;
            self.store = Some(store.clone());
            self.namespace = *namespace;
        }
        self.open = true;
        self.aftermath = Aftermath::NONE;
        self.untouched = true;
        self.refused = None;
        self.found = None;
        self.stage = Stage::Idle;
    }

    /// Whether the session `id` may exist: `false` only where it is proven not to, as PHP then replaces the
    /// browser's cookie. A failing store answers `true`; the read that follows will say what is wrong. `to_read` is what
    /// that read will acquire the session with, where one follows.
    pub fn may_exist(&mut self, id: &[u8], to_read: Option<&Acquire<'_>>) -> bool {
        let untouched = std::mem::replace(&mut self.untouched, false);
        match self.key(id) {
            Err(RequestError::Id(_)) => return false,
            Err(_) => return true,
            Ok(()) => {}
        }
        if self.holds() {
            return true;
        }
        let Ok(store) = self.store() else { return true };
        match to_read {
            Some(how) if untouched && self.held.is_none() && store.is_remote() => {
                match store.acquire_existing(&self.keyed.key, how) {
                    Ok(None) => self.may_be_elsewhere(),
                    Ok(Some(lease)) => {
                        self.lease = Some(AnyLease::Other(lease));
                        let is_locked = how.mode == LockMode::Exclusive;
                        self.held = Some(Held { key: self.keyed.key, mode: how.mode, is_locked, early: true });
                        true
                    }
                    Err(error) => {
                        self.refused = Some((self.keyed.key, error));
                        true
                    }
                }
            }
            _ => store.exists(&self.keyed.key).unwrap_or(true) || self.may_be_elsewhere(),
        }
    }

    /// Draws an id that no session has.
    ///
    /// # Errors
    /// [`RequestError::NoEntropy`] and [`RequestError::Collision`]. A store that cannot answer whether the id
    /// exists is no error here: the odds that it does are below 2⁻⁶⁴, and the read will fail anyway.
    pub fn draw_id<'a>(&mut self, shape: IdShape, out: &'a mut [u8; MAX_ID]) -> Result<SessionId<'a>, RequestError> {
        let id = draw_id(self.store().ok().map(|store| &**store), &self.namespace, shape, out)?;
        self.drawn = self.key(id.as_bytes()).ok().map(|()| self.keyed.key);
        Ok(id)
    }

    /// Ends the session `id`; `true` where there was one.
    ///
    /// # Errors
    /// Only failures of the store.
    pub fn destroy(&mut self, id: &[u8], end: End) -> Result<bool, RequestError> {
        self.key(id)?;
        self.found = None;
        self.stage = Stage::Idle;
        if self.is_entered() {
            // It ends before it was written: what it took the place of is over all the same.
            self.settle()?;
        }
        self.give_rotation_up();
        let held = self.holds();
        let replaced = held && self.lease.as_ref().is_some_and(|lease| lease.succession() != Succession::None);
        let key = self.keyed.key;
        let (ended, was_over) = match self.stood_at() {
            _ if held => {
                let ended = self.end_by(|lease, _, _| Ok(lease.destroy(end)?))?;
                (ended, replaced || !ended)
            }
            // An object that has written it since it read it, or has read another session.
            Some(mark) => {
                let destroyed = self.store()?.destroy_since(&key, &mark, end)?;
                (destroyed == Destroyed::Now, destroyed == Destroyed::Before)
            }
            None => (self.store()?.destroy(&key, end)?, false),
        };
        if was_over {
            self.aftermath.note(key);
        }
        self.stood.forget(&key);
        Ok(self.end_elsewhere(end, ended) || ended)
    }

    /// Where a write is refused before it comes to the store: a session that takes another's place stays unwritten, and that
    /// other one lives on.
    pub fn give_up(&mut self) {
        self.rotation = None;
    }

    /// Gives the lease up and refuses every write until the next read: for a session that must stay as it is
    /// because its payload never reached the script.
    pub fn abandon(&mut self) {
        self.held = None;
        self.lease = None;
        self.found = None;
        self.rotation = None;
        self.stage = Stage::Lost;
    }

    /// Removes sessions past their lifetime and answers how many.
    ///
    /// # Errors
    /// Only failures of the store.
    pub fn collect(&mut self, effort: Effort) -> Result<u64, RequestError> {
        Ok(self.store()?.collect(effort)?)
    }

    /// Releases what is held. May be called at any time, any number of times.
    pub fn close(&mut self) {
        if self.rotation.is_some() {
            self.close_rotation();
        }
        self.release();
        self.found = None;
        self.refused = None;
        self.stage = Stage::Idle;
        self.keyed.length = 0;
        self.drawn = None;
        self.open = false;
        self.aftermath = Aftermath::NONE;
    }

    /// Where no read completes from here on, no write may follow.
    fn begin(&mut self) {
        self.untouched = false;
        self.found = None;
        self.replaced = false;
        self.stage = Stage::Lost;
    }

    /// Whether the session of the current key was acquired when its id was validated. Only the first read takes that up.
    fn takes_up_early(&mut self) -> bool {
        match &mut self.held {
            Some(held) if held.key == self.keyed.key => std::mem::replace(&mut held.early, false),
            _ => false,
        }
    }

    /// The failure of an early acquire of this session, reported now that it is read.
    fn not_refused(&mut self) -> Result<(), StoreError> {
        match self.refused.take() {
            Some((refused, error)) if refused == self.keyed.key => Err(error),
            _ => Ok(()),
        }
    }

    fn release(&mut self) {
        if self.held.is_some() {
            if let Some(lease) = &mut self.lease {
                lease.release();
            }
            self.held = None;
        }
    }

    /// Whether the handler is between [`Request::open`] and [`Request::close`].
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.open
    }

    /// Whether the id that is read has been replaced by another, so that the browser has, or gets, a better one.
    #[must_use]
    #[inline]
    pub const fn is_replaced(&self) -> bool {
        self.replaced
    }

    /// The PHP request is over.
    pub fn forget(&mut self) {
        self.close();
        self.rotation = None;
        self.stood = Standings::NONE;
    }

    /// Whether a session is getting another id.
    #[must_use]
    #[inline]
    pub const fn is_rotating(&self) -> bool {
        self.rotation.is_some()
    }

    /// Whether a session is held: then a write needs no acquire.
    #[must_use]
    pub fn is_holding(&self) -> bool {
        self.held.is_some()
    }

    /// Whether the session of the current key is held.
    fn holds(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.key == self.keyed.key)
    }

    /// Whether it is locked. Without the lock others may have written meanwhile: what is read again is then what is
    /// stored now.
    fn has_locked(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.is_locked) && self.holds()
    }

    fn payload_len(&self) -> usize {
        self.lease.as_ref().map_or(0, |lease| lease.payload_len())
    }

    fn store(&self) -> Result<&AnyStore, RequestError> {
        self.store.as_ref().filter(|_| self.open).ok_or(RequestError::NotOpen)
    }

    /// Acquires the session of the current key instead of the one that is held, which is released first.
    #[inline(always)]
    fn acquire(&mut self, how: &Acquire<'_>) -> Result<(), RequestError> {
        self.release();
        let Self { store, open, lease, keyed, drawn, .. } = self;
        let store = store.as_ref().filter(|_| *open).ok_or(RequestError::NotOpen)?;
        match drawn {
            Some(drawn) if *drawn == keyed.key => {
                store.acquire_into(lease, &keyed.key, &Acquire { drawn: true, ..*how })?;
            }
            _ => store.acquire_into(lease, &keyed.key, how)?,
        }
        self.held = Some(Held::of(self.keyed.key, how.mode, how.mode == LockMode::Exclusive));
        Ok(())
    }

    /// Makes the key of `id` the current one.
    #[inline(always)]
    fn key(&mut self, id: &[u8]) -> Result<(), RequestError> {
        // An empty id never equals the cached one, as a cached one is valid.
        if self.open && !id.is_empty() && self.keyed.id.get(..self.keyed.length) == Some(id) {
            return Ok(());
        }
        self.make_key(id)
    }

    #[inline(never)]
    fn make_key(&mut self, id: &[u8]) -> Result<(), RequestError> {
        let Self { store, open, namespace, keyed, .. } = self;
        let store = store.as_ref().filter(|_| *open).ok_or(RequestError::NotOpen)?;
        let parsed = SessionId::parse(id)?;
        keyed.key = store.key(namespace, &parsed);
        keyed.length = 0;
        if let Some(room) = keyed.id.get_mut(..id.len()) {
            room.copy_from_slice(id);
            keyed.length = id.len();
        }
        Ok(())
    }
}
