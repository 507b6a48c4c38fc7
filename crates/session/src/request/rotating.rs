//! `session_regenerate_id()`: how a session gets another id.
//!
//! PHP destroys the old session, closes and opens the handler, and reads the new session. Here the old session (A) is left as it is
//! until the new one (B) is held: then A names B, and with that nobody writes A any more. With the first write of B, which is
//! merged with what others have stored in A since this request read it, A is settled. A request that dies in
//! between, or gives up, leaves A as it was: see `replaced`.
//!
//! | step | call of PHP | state |
//! |---|---|---|
//! | may it be? | none, before PHP begins | [`Request::may_rotate`] |
//! | A is left | destroy | `Leaving` |
//! | | close, open, create_sid, validate_sid | `Leaving` |
//! | A names B | read | `Entered` |
//! | A is settled | write | none |
//!
//! B is held with its lock in every mode. A second rotation before B was written makes A name the third session, and ends B.

use std::time::Instant;

use super::replaced::{MOST_CHANGES, NOTHING};
use super::{Held, Request, Stage};
use crate::StoreError;
use crate::any_store::{AnyLease, AnyStore};
use crate::error::RequestError;
use crate::merge::{self, Format, Merged};
use crate::seam::{Acquire, Committed, End, Key, LockMode, Named, Over, Successor};
use crate::succession::{Seen, see};
use crate::version_changed::{commit_merged, read_whole};

/// The rotation that a request is in.
pub(super) enum Rotation {
    Leaving(Leaving),
    Entered(Entered),
}

/// A session is being left, and the new one is not held yet.
pub(super) struct Leaving {
    key: Key,
    id: Vec<u8>,
    lease: AnyLease,
    /// The payload as this request has read it.
    read: Option<Vec<u8>>,
    mode: LockMode,
    /// The id was drawn for this request.
    drawn: bool,
    /// The session that this one was to take the place of, when it was left before it was written.
    before: Option<Entered>,
}

/// The new session is held and not written yet.
pub(super) struct Entered {
    /// Of the session that names it.
    key: Key,
    incarnation: u64,
    successor: Successor,
    /// What others have stored since it was read.
    theirs: Vec<Theirs>,
}

/// What others stored in a session that is left, since this request read it.
struct Theirs {
    stored: Vec<u8>,
    /// What was read, where that is known.
    read: Option<Vec<u8>>,
}

impl Request {
    /// Whether a rotation of the session `id` may begin. Not where its id was replaced, or somebody ended it, since this request
    /// read it: then nothing of what the request holds may get a new id, and what it writes is dropped. Who has its lock, or is
    /// about to write the session that takes its place, is waited for, as `how` says, in every mode: what this one takes the place
    /// of, and what that request stores, is known then. One or two calls of the store, and a few more where the id is being replaced.
    ///
    /// # Errors
    /// As [`crate::Store::acquire`].
    pub fn may_rotate(&mut self, id: &[u8], how: &Acquire<'_>) -> Result<bool, RequestError> {
        if !self.open || self.key(id).is_err() {
            return Ok(true);
        }
        let stood = self.stood_at();
        if stood.is_none() && !self.holds() {
            return Ok(true);
        }
        if !self.holds() {
            // The script made the handler let go of it.
            let Some(mark) = stood else { return Ok(true) };
            return match self.store()?.acquire_existing(&self.keyed.key, &Acquire { since: Some(mark), ..NOTHING })? {
                Some(mut lease) => Ok(!lease.is_over()?),
                None => Ok(false),
            };
        }
        let began = Instant::now();
        for _ in 0..MOST_CHANGES {
            if self.is_free_to_rotate(how)? {
                return Ok(true);
            }
            // One whose successor was given up lives again.
            if !self.is_reinstated(&Acquire { wait: how.wait.saturating_sub(began.elapsed()), ..*how })? {
                return Ok(false);
            }
        }
        Err(StoreError::Changed.into())
    }

    /// Whether the session that is held is what it was when it was acquired; then it is held with its lock, so that of requests which
    /// rotate it at the same time one does.
    fn is_free_to_rotate(&mut self, how: &Acquire<'_>) -> Result<bool, RequestError> {
        let is_alone = self.has_locked() || self.drawn == Some(self.keyed.key);
        let Some(lease) = self.lease.as_mut() else { return Ok(true) };
        if is_alone {
            return Ok(!lease.is_over()?);
        }
        let how = Acquire { mode: LockMode::Exclusive, since: Some(lease.mark()), drawn: false, ..*how };
        let store = self.store.as_ref().ok_or(RequestError::NotOpen)?;
        let mut locked = match store.acquire_existing(&self.keyed.key, &how) {
            Ok(Some(locked)) => locked,
            Ok(None) | Err(StoreError::HeldHere) => return Ok(!lease.is_over()?),
            Err(error) => return Err(error.into()),
        };
        if locked.is_over()? {
            return Ok(false);
        }
        lease.release();
        self.lease = Some(AnyLease::Other(locked));
        if let Some(held) = &mut self.held {
            held.is_locked = true;
        }
        Ok(true)
    }

    /// Leaves the session `id` for another, which [`Request::begin_successor`] reads. `read` is the payload as this request has
    /// read it, where the caller has it.
    ///
    /// # Errors
    /// As [`Request::destroy`], which this is for a session that is not held.
    pub fn leave(&mut self, id: &[u8], read: Option<&[u8]>) -> Result<bool, RequestError> {
        self.key(id)?;
        let Some(Held { mode, .. }) = self.held.take_if(|held| held.key == self.keyed.key) else {
            let end = End::at_once(self.terms.end.tombstone);
            if matches!(self.rotation, Some(Rotation::Leaving(_))) {
                // A handler around this one that ends more than the session it was told to.
                return Ok(self.store()?.destroy(&self.keyed.key, end)?);
            }
            return self.destroy(id, end);
        };
        self.found = None;
        self.stage = Stage::Idle;
        let lease = self.lease.take().ok_or(RequestError::OutOfOrder)?;
        let before = match self.rotation.take() {
            Some(Rotation::Entered(entered)) if entered.successor.key == self.keyed.key => Some(entered),
            _ => None,
        };
        self.rotation = Some(Rotation::Leaving(Leaving {
            key: self.keyed.key,
            id: id.to_vec(),
            // A new session is known to have held nothing.
            read: read
                .map(<[u8]>::to_vec)
                .or_else(|| self.stood.take_base(&self.keyed.key))
                .or_else(|| lease.is_new().then(Vec::new)),
            drawn: self.drawn == Some(self.keyed.key) && lease.is_new(),
            lease,
            mode,
            before,
        }));
        Ok(true)
    }

    /// Reads the session `id`, new as a rule, which takes the place of the one that was left.
    ///
    /// # Errors
    /// [`RequestError::Overtaken`] where the session that was left was ended meanwhile, or its id replaced: the new one is
    /// ended. Else as [`Request::begin_read`]; the old session stays as it is.
    pub fn begin_successor(&mut self, id: &[u8], how: &Acquire<'_>) -> Result<usize, RequestError> {
        self.overtaken = false;
        if self.key(id).is_ok() && !self.is_entered() {
            // A handler around this one has kept the destruction of a session to itself that was never written, or has read
            // an id that PHP then did not take.
            self.leave_unwritten();
        }
        let left = match self.rotation.take_if(|rotation| matches!(rotation, Rotation::Leaving(_))) {
            Some(Rotation::Leaving(left)) => left,
            _ => return self.begin_read(id, how),
        };
        self.begin();
        self.key(id)?;
        let end = End::at_once(self.terms.end.tombstone);
        if left.key == self.keyed.key {
            let Leaving { mut lease, .. } = left;
            if !lease.destroy(end)? {
                self.overtaken = true;
                return Err(RequestError::Overtaken);
            }
            return self.begin_read(id, how);
        }
        self.acquire(&Acquire { mode: LockMode::Exclusive, ..*how })?;
        self.held = Some(Held::of(self.keyed.key, left.mode, true));
        self.see_successor(how)?;
        let Some(incarnation) = self.lease.as_ref().map(|lease| lease.incarnation()) else {
            return Err(RequestError::OutOfOrder);
        };
        let successor = Successor { key: self.keyed.key, incarnation };
        let (key, id, again) = (left.key, left.id.clone(), left.before.is_some());
        match self.enter(left, successor, end) {
            Ok(entered) => {
                self.rotation = entered.map(Rotation::Entered);
                if !again {
                    self.end_left(&key, &id, end);
                }
            }
            Err(error) => {
                self.overtaken = matches!(error, RequestError::Overtaken);
                if let Some(lease) = &mut self.lease {
                    // Nobody is to find it in the place of the session that it did not get.
                    let _ended = lease.destroy(end);
                }
                self.held = None;
                self.lease = None;
                return Err(error);
            }
        }
        self.stage = Stage::Reading(0);
        Ok(self.length())
    }

    /// Makes the session that was left name `successor`, which is held.
    fn enter(&self, left: Leaving, successor: Successor, end: End) -> Result<Option<Entered>, RequestError> {
        let Leaving { key, mut lease, read, mode, drawn, before, .. } = left;
        let store = self.store()?;
        if drawn && before.is_none() {
            // Nobody else knows the id, so there is nobody to be shown anything under it.
            lease.destroy(end)?;
            return Ok(None);
        }
        let mut theirs = Vec::new();
        match (lease.name(&successor, None)?, before) {
            (Named::Over, _) => return Err(RequestError::Overtaken),
            (Named::Vanished, None) => {
                // Where the store can remember that of a session that it has lost, no slower request writes it back.
                lease.destroy(end)?;
                return Ok(None);
            }
            (Named::Unchanged, None) => {}
            // What is left was to take the place of another session, and nobody has written it: the new one takes that place.
            (Named::Unchanged | Named::Vanished, Some(before)) => {
                return self.enter_again(lease, before, successor, end);
            }
            (Named::VersionChanged, before) => {
                if let Some(before) = before {
                    // Somebody else has written it.
                    store.settle(&before.key, &before.successor, self.terms.end)?;
                    theirs = before.theirs;
                }
                if mode != LockMode::None {
                    theirs.push(Theirs { stored: read_whole(&mut *lease)?, read });
                }
            }
        }
        let incarnation = lease.incarnation();
        lease.release();
        Ok(Some(Entered { key, incarnation, successor, theirs }))
    }

    /// Makes the session that an unwritten one was to take the place of name `successor` instead.
    fn enter_again(
        &self,
        mut unwritten: AnyLease,
        before: Entered,
        successor: Successor,
        end: End,
    ) -> Result<Option<Entered>, RequestError> {
        if let Some(mut first) = self.store()?.acquire_existing(&before.key, &NOTHING)?
            && first.incarnation() == before.incarnation
            && first.name(&successor, Some(&before.successor))? == Named::Over
            && !first.is_over()?
        {
            // It was taken for given up, and lives.
            return Err(RequestError::Overtaken);
        }
        unwritten.destroy(end)?;
        Ok(Some(Entered { successor, ..before }))
    }

    /// Whether the current session is one that takes another's place, and is not written yet.
    pub(super) fn is_entered(&self) -> bool {
        matches!(&self.rotation, Some(Rotation::Entered(entered)) if entered.successor.key == self.keyed.key)
    }

    /// The payload to write as the first one of a session that takes another's place: `mine`, merged with what others have stored
    /// in that other one since this request read it. And how many values both changed differently, `None` where it could not be merged.
    pub(super) fn first_payload(&self, mine: &[u8]) -> Option<(Vec<u8>, Option<u32>)> {
        let Some(Rotation::Entered(Entered { theirs, .. })) = &self.rotation else { return None };
        let format = (self.terms.format)(mine);
        let mut first: Option<(Vec<u8>, Option<u32>)> = None;
        for Theirs { stored, read } in theirs {
            let (mine, conflicts) = first.take().unwrap_or_else(|| (mine.to_vec(), Some(0)));
            let merged =
                read.as_ref().map(|read| merge::merge_with_user(format, &self.terms.user, read, &mine, stored));
            first = Some(match merged {
                Some(Merged::Merged { payload, conflicts: more }) => (payload, conflicts.map(|before| before + more)),
                Some(Merged::Fallback(_)) | None => (mine, None),
            });
        }
        first
    }

    /// Writes a session that takes another's place for the first time, and settles that one.
    #[cold]
    pub(super) fn write_first(&mut self, payload: &[u8], how: &Acquire<'_>) -> Result<Committed, RequestError> {
        let begins = self.begins_with(payload);
        let merged = self.first_payload(payload);
        let (payload, conflicts) = match &merged {
            Some((merged, conflicts)) => (&merged[..], Some(*conflicts)),
            None => (payload, None),
        };
        let format = (self.terms.format)(payload);
        let merges = !matches!(&self.held, Some(Held { mode: LockMode::None, .. }));
        let committed = self.end_by(|lease, _, user| {
            let committed = lease.commit(payload, how.lifetime, Over::Reservation)?;
            if committed != Committed::VersionChanged {
                return Ok(committed);
            }
            if !merges {
                return Ok(lease.commit(payload, how.lifetime, Over::Anything)?);
            }
            // Another request that had the new id has written it without a lock.
            Ok(commit_merged(lease, format, user, Some(&[]), payload, how.lifetime)?)
        });
        let committed = match committed.inspect_err(|_| self.rotation = None)? {
            Committed::Ended => self.write_reinstated(payload, how, Over::WhatWasRead, Some(&[]))?,
            committed => committed,
        };
        if committed == Committed::Stored {
            if let (Some(conflicts), Some(lease)) = (conflicts, &self.lease) {
                lease.count_merge(conflicts);
            }
            self.settle()?;
            if begins {
                self.migrate_out();
            }
        }
        Ok(committed)
    }

    /// The new session was written, or is about to be ended: the one whose place it takes is settled.
    pub(super) fn settle(&mut self) -> Result<(), StoreError> {
        match (self.rotation.take(), &self.store) {
            (Some(Rotation::Entered(Entered { key, successor, .. })), Some(store)) => {
                store.settle(&key, &successor, self.terms.end)
            }
            _ => Ok(()),
        }
    }

    /// Whether a rotation failed since the last call because another request was faster.
    pub fn take_overtaken(&mut self) -> bool {
        std::mem::take(&mut self.overtaken)
    }

    /// Leaves the session that is held, which takes another's place and was not written yet.
    fn leave_unwritten(&mut self) {
        let is_held = matches!((&self.rotation, &self.held), (Some(Rotation::Entered(entered)), Some(held))
            if entered.successor.key == held.key);
        if !is_held {
            return;
        }
        if let (Some(Rotation::Entered(before)), Some(Held { key, mode, .. }), Some(lease)) =
            (self.rotation.take(), self.held.take(), self.lease.take())
        {
            self.rotation = Some(Rotation::Leaving(Leaving {
                key,
                id: Vec::new(),
                read: Some(Vec::new()),
                drawn: false,
                lease,
                mode,
                before: Some(before),
            }));
        }
    }

    /// Closes the handler in the middle of `session_regenerate_id()`: the rotation goes on.
    pub fn close_between(&mut self) {
        self.leave_unwritten();
        let rotation = self.rotation.take();
        self.close();
        self.rotation = rotation;
    }

    /// Closes the handler at the end of a session that was not given up. One that takes another's place and was not written,
    /// because `$_SESSION` is no array, or a handler around this one stores no empty sessions, is over; and so is the other.
    ///
    /// # Errors
    /// Only failures of the store; the handler is closed.
    pub fn close_in_order(&mut self) -> Result<(), RequestError> {
        let settled =
            if self.rotation.is_some() && self.held.is_some() && self.is_entered() { self.settle() } else { Ok(()) };
        self.close();
        Ok(settled?)
    }

    /// What a close does to a rotation that is given up.
    #[cold]
    #[inline(never)]
    pub(super) fn close_rotation(&mut self) {
        match &mut self.rotation {
            Some(Rotation::Entered(Entered { key, successor, .. })) => {
                // Given up before it was written. Where this fails, whoever looks next finds that out.
                let unwritten =
                    |store: &AnyStore| matches!(see(&**store, successor, Format::Opaque), Ok(Seen::Unwritten));
                if let (Some(store), true) = (&self.store, self.held.is_some())
                    && unwritten(store)
                {
                    let _found_out_later = store.reinstate(key, successor);
                }
                self.rotation = None;
            }
            _ => self.rotation = None,
        }
    }

    /// The new session was not read as one that takes another's place: the old one stays as it is.
    pub(super) fn give_rotation_up(&mut self) {
        if matches!(self.rotation, Some(Rotation::Leaving(_))) {
            self.rotation = None;
        }
    }
}
