//! [`Lease`]: one thread's hold on one session, from acquire to commit.
//!
//! A lease writes only the incarnation that it acquired. In exclusive mode it holds the session lock, so nobody else
//! publishes meanwhile, save writers without a lock; publication itself is always one store under the shard lock.
//! Where asked to, it publishes only if the version that it read is still the current one.

use std::cell::Cell;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::attach::relocate::Inheritance;
use crate::core::owner_slot::{Slot, SlotView};
use crate::core::stats::{Counter, count};
use crate::core::store::{Handle, Store};
use crate::file::error::{AttachError, Error};
use crate::file::layout::{Ref, flag, shard};
use crate::file::words::{ChunkState, Head, NodeState};
use crate::operations::commit::Target;
use crate::shard::guard::Shard;
use crate::shard::node::Node;
use crate::shard::payload::{self, Binding, Broken};
use crate::shard::reclaim::seconds;
use cloakroom_seam::Room;
use cloakroom_seam::{Committed, End, Key, MAX_PAYLOAD, Mark, Over};

/// What a [`Mark`] of this store says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Point {
    /// 0 where there was no session.
    pub(crate) incarnation: u64,
    pub(crate) version: u32,
    /// The store's number at that point: what was ended since has a higher one.
    pub(crate) began: u64,
}

impl Point {
    /// The point of a reader who began with the store: every end that is remembered came since. No reader takes such a mark.
    pub(crate) const BEGINNING: Point = Point { incarnation: 0, version: NO_VERSION, began: 1 };

    /// The store's number at that point, if a reader took the mark. It matters for a session that is missing: that it was ended
    /// since may have been forgotten.
    pub(crate) fn stood(self) -> Option<u64> {
        (self != Point::BEGINNING).then_some(self.began)
    }

    pub(crate) fn to_mark(self) -> Mark {
        Mark::from_words([self.incarnation, u64::from(self.version), self.began])
    }

    pub(crate) fn of(mark: Mark) -> Point {
        let [incarnation, version, began] = mark.to_words();
        Point { incarnation, version: u32::try_from(version).unwrap_or(NO_VERSION), began }
    }
}

/// No version, as a version has 30 bits.
const NO_VERSION: u32 = u32::MAX;

/// Who began the incarnation of the session that a lease is on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begun {
    /// Not this lease.
    ByOthers,
    /// This lease, and others may know the key from before.
    Again,
    /// This lease, under an id that was drawn for it: another reader of the session since has left a trace in the node.
    Afresh,
}

impl Begun {
    /// Begun by this lease, in a node that was free.
    pub(crate) const fn by_this(drawn: bool) -> Begun {
        if drawn { Begun::Afresh } else { Begun::Again }
    }
}

/// A hold on one session, from acquire to the write or release that finishes it. A finished lease does nothing any more.
/// Dropping a lease releases it. Stays on its thread.
pub struct Lease {
    pub(crate) store: Rc<Handle>,
    pub(crate) me: Slot,
    /// Whether it is not finished.
    pub(crate) open: bool,
    pub(crate) shard: u32,
    /// Changes where a vanished session is made again, as does the incarnation.
    pub(crate) place: Cell<Ref>,
    pub(crate) key: Key,
    /// The owner slot's entry for the session lock; `None` without a lock.
    pub(crate) entry: Option<u32>,
    pub(crate) incarnation: Cell<u64>,
    /// Head of the payload to be read.
    pub(crate) head: Head,
    /// Version that a write over what was read may replace.
    pub(crate) base: u32,
    pub(crate) len: u32,
    /// The session was ended while this lease waited for it: reads nothing, writes nothing.
    pub(crate) ended: bool,
    /// Another session was to take the place of this one, or had, when it was acquired.
    pub(crate) replaced: bool,
    pub(crate) begun: Begun,
    /// The store's number when it began, or the number of the session's end where it began later: what was ended since, and
    /// forgotten, is not to be written back.
    pub(crate) began: u64,
    pub(crate) thread: PhantomData<*const ()>,
}

impl Lease {
    /// The store that the session is in.
    #[must_use]
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Bytes of the payload that [`Lease::read`] gives.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there is no payload.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The session as this lease read or wrote it last.
    #[must_use]
    pub fn mark(&self) -> Mark {
        Point { incarnation: self.incarnation.get(), version: self.base, began: self.began }.to_mark()
    }

    /// Makes a lease that was just acquired stand where `since` was taken.
    pub(crate) fn stand_at(&mut self, since: Point) {
        if self.ended || self.is_new() {
            // Ended since then; or gone without having been ended, and then nothing contradicts a write.
        } else if since.incarnation == 0 {
            // What is there began since then, and what ended in between may be forgotten.
            self.ended = since
                .stood()
                .is_some_and(|stood| self.store.map().map_or(true, |map| self.store.has_forgotten(map, stood)));
            self.base = NO_VERSION;
        } else if since.incarnation == self.incarnation.get() {
            self.base = since.version;
        } else {
            self.ended = true;
        }
        if self.ended {
            // A reader is to get nothing, and not room for something.
            self.head = Head(0);
            self.len = 0;
        }
    }

    /// The number of this life of the session, 0 where it ended before the lease began.
    #[must_use]
    pub fn incarnation(&self) -> u64 {
        if self.ended { 0 } else { self.incarnation.get() }
    }

    /// Whether the session did not exist before.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.begun != Begun::ByOthers
    }

    /// Copies the payload into `out`, which is empty and takes [`Lease::len`] bytes: one memcpy and one checksum.
    ///
    /// # Errors
    /// [`Error::Changed`] where a writer without a lock replaced the payload: [`Lease::len`] is new, ask again.
    /// [`Error::Damaged`] where the checksum does not match; the session is then empty from now on.
    pub fn read(&mut self, out: &mut Room<'_>) -> Result<(), Error> {
        let map = self.store.map()?;
        count(map, self.me, Counter::Reads, 1);
        let block = self.head.block();
        if self.ended || block == 0 {
            return Ok(());
        }
        let node = Node::new(map, self.place.get());
        let binding = Binding { key: self.key, incarnation: self.incarnation.get(), version: self.head.version() };
        let result = payload::read_chain(&self.store, map, self.shard, block, binding, out);
        std::sync::atomic::fence(Ordering::Acquire);
        if node.head() != self.head {
            let fresh = node.head();
            self.ended = !matches!(fresh.state(), NodeState::Live | NodeState::Retired)
                || node.incarnation().load(Ordering::Relaxed) != self.incarnation.get();
            self.set_head(if self.ended { Head(0) } else { fresh })?;
            return Err(Error::Changed);
        }
        match result {
            Ok(()) => Ok(()),
            Err(broken) => self.drop_damaged(broken),
        }
    }

    /// Remembers the head and length of the payload to be read.
    #[inline(always)]
    pub(crate) fn set_head(&mut self, head: Head) -> Result<(), Error> {
        let map = self.store.map()?;
        let total = match head.block() {
            0 => 0,
            block if self.store.unit_in(map, block, ChunkState::Data(self.shard)).is_some() => {
                payload::total(map, block)
            }
            _ => u32::MAX,
        };
        self.head = head;
        self.base = head.version();
        // An impossible length is found out by the read.
        self.len = if total as usize <= MAX_PAYLOAD { total } else { 0 };
        Ok(())
    }

    /// Empties a session whose payload is not what was committed, so that the next request finds a usable one.
    fn drop_damaged(&mut self, broken: Broken) -> Result<(), Error> {
        let (me, place, seen) = (self.me, self.place.get(), self.head);
        self.store.with_shard(me, self.shard, |guard| {
            let node = guard.node(place)?;
            if node.head() == seen {
                node.flags().fetch_or(flag::EMPTIED, Ordering::Relaxed);
                node.head_word().store(seen.next(0, NodeState::Live).0, Ordering::Release);
                count(guard.map, me, Counter::Corrupt, 1);
                // Where its blocks lie is as doubtful as what they hold: a rebuild finds out.
                guard.shard.word(shard::DIRTY).store(1, Ordering::Relaxed);
            }
            Ok(())
        })?;
        Err(Error::Damaged(match broken {
            Broken::Shape => "a session's blocks do not form its payload; the session was emptied",
            Broken::Checksum => "a session's bytes do not match their checksum; the session was emptied",
        }))
    }

    /// Extends the lifetime of the unchanged session and unlocks. Where the session vanished without having been
    /// ended, `payload` is written.
    ///
    /// # Errors
    /// As [`Lease::commit`].
    pub fn touch(&mut self, payload: &[u8], lifetime: Duration) -> Result<Committed, Error> {
        let result = self.touch_wherever(payload, lifetime);
        self.finish();
        result
    }

    fn touch_wherever(&mut self, payload: &[u8], lifetime: Duration) -> Result<Committed, Error> {
        loop {
            match self.touch_here(lifetime) {
                Ok(Some(outcome)) => return Ok(outcome),
                Ok(None) => return self.commit(payload, lifetime, Over::Anything),
                Err(Error::Relocated) if self.follow()? => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// `None` where the session vanished.
    fn touch_here(&self, lifetime: Duration) -> Result<Option<Committed>, Error> {
        let map = self.store.map()?;
        if self.ended || !self.open {
            count(map, self.me, Counter::Ended, 1);
            return Ok(Some(Committed::Ended));
        }
        let wall = self.store.clock().wall();
        let swept = Shard::new(map, self.shard).get(shard::SWEPT) == wall;
        if self.entry.is_some() && swept && !self.store.is_relocated(map) && !self.store.forked() {
            // The lock keeps the node this session's, so the one store needs no shard lock.
            let node = Node::new(map, self.place.get());
            let names_none = node.successor_incarnation().load(Ordering::Relaxed) == 0;
            if names_none && node.is_live() && node.incarnation().load(Ordering::Relaxed) == self.incarnation.get() {
                node.mark_seen(wall, self.store.now(map), seconds(lifetime));
                count(map, self.me, Counter::Touches, 1);
                return Ok(Some(Committed::Stored));
            }
        }
        self.store.with_shard(self.me, self.shard, |guard| match self.locate(guard, Over::Anything)? {
            Target::Node(node) => {
                guard.keep = node.place;
                node.mark_seen(wall, guard.store.now(guard.map), seconds(lifetime));
                count(guard.map, self.me, Counter::Touches, 1);
                let listed = guard.list_anew(node);
                guard.put_off(listed);
                let swept = guard.sweep_in_passing(wall);
                guard.put_off(swept);
                Ok(Some(Committed::Stored))
            }
            Target::Ended | Target::VersionChanged(_) => {
                count(guard.map, self.me, Counter::Ended, 1);
                Ok(Some(Committed::Ended))
            }
            Target::Vanished => Ok(None),
        })
    }

    /// Ends this incarnation and unlocks; `false` where it had ended before. That it ended is remembered for
    /// `tombstone`; its last payload can be read for `grace`. Of a session that this lease began under an id drawn for it, and
    /// that nobody has written or seen since, nothing is remembered.
    ///
    /// # Errors
    /// [`Error::Stuck`], [`Error::Damaged`].
    pub fn destroy(&mut self, end: End) -> Result<bool, Error> {
        let result = loop {
            match self.destroy_here(end) {
                Err(Error::Relocated) if self.follow()? => {}
                result => break result,
            }
        };
        self.finish();
        result
    }

    fn destroy_here(&self, end: End) -> Result<bool, Error> {
        if self.ended || !self.open {
            return Ok(false);
        }
        self.store.with_shard(self.me, self.shard, |guard| match self.locate(guard, Over::Anything)? {
            Target::Node(node) => {
                if self.begun == Begun::Afresh && node.is_unwritten() {
                    guard.end_unwritten(node, end, self.entry.is_some())?;
                } else {
                    guard.end(node, end)?;
                }
                Ok(true)
            }
            Target::Ended | Target::VersionChanged(_) => {
                let node = guard.node(self.place.get())?;
                let same =
                    node.key() == self.key && node.incarnation().load(Ordering::Relaxed) == self.incarnation.get();
                if same && end.grace.is_zero() {
                    // One whose id is being replaced, or was.
                    if node.is_live() { guard.end(node, end)? } else { guard.end_grace(node)? }
                }
                Ok(false)
            }
            Target::Vanished => Ok(false),
        })
    }

    /// Counts that this lease's write was a merge in which `conflicts` values had been changed by both sides, or (`None`)
    /// that it could not be merged.
    pub fn count_merge(&self, conflicts: Option<u32>) {
        let Ok(map) = self.store.map() else { return };
        match conflicts {
            Some(conflicts) => {
                count(map, self.me, Counter::Merges, 1);
                count(map, self.me, Counter::Conflicts, u64::from(conflicts));
            }
            None => count(map, self.me, Counter::MergeFallbacks, 1),
        }
    }

    /// Unlocks without a change.
    #[inline]
    pub fn release(&mut self) {
        self.finish();
    }

    #[inline]
    fn finish(&mut self) {
        if std::mem::take(&mut self.open) {
            if self.entry.is_some() {
                self.leave_entry();
            }
            self.store.count_lease(-1);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Lease {
    /// Gives the owner slot's entry for the session lock back, when the lock itself has been given back.
    pub(crate) fn forget_entry(&mut self) {
        if let (Some(entry), Ok(map)) = (self.entry, self.store.map()) {
            SlotView::new(map, self.me.index).lease_node(entry).store(0, Ordering::Release);
            self.entry = None;
        }
    }

    /// Gives the session lock and the owner slot's entry for it back.
    pub(crate) fn leave_entry(&mut self) {
        let Some(entry) = self.entry.take() else { return };
        // A forked child inherited the value, not the lock.
        if self.store.forked() {
            return;
        }
        if let Ok(map) = self.store.map() {
            self.store.unlock_session(map, self.me, self.shard, Node::new(map, self.place.get()));
            SlotView::new(map, self.me.index).lease_node(entry).store(0, Ordering::Release);
        }
    }
}

impl Lease {
    /// Turns a lease on a relocated store into one, without a lock, on its new file. `false` where the sessions are
    /// not in that one.
    pub(crate) fn follow(&mut self) -> Result<bool, Error> {
        let failed = |e: AttachError| Error::Io {
            what: "attach the store's new file",
            source: std::io::Error::other(e.to_string()),
        };
        let (fresh, inheritance) = self.store.attach_relocated().map_err(failed)?;
        if Arc::ptr_eq(&fresh, self.store()) {
            // A file that said that it was left, and is at its path all the same, says so no more.
            return Ok(!fresh.relocated());
        }
        if !matches!(inheritance, Inheritance::Kept | Inheritance::Remade) {
            return Ok(false);
        }
        self.leave_entry();
        // Others may have seen the session in the old file since it was copied.
        if self.begun == Begun::Afresh {
            self.begun = Begun::Again;
        }
        self.me = fresh.slot()?;
        self.store.count_lease(-1);
        fresh.count_lease(1);
        self.store = fresh.handle();
        Ok(true)
    }
}
