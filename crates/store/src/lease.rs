//! [`Lease`]: one thread's hold on one session, from acquire to commit.
//!
//! A lease writes only the incarnation that it acquired. In exclusive mode it holds the session lock, so nobody else
//! publishes meanwhile, save writers without a lock; publication itself is always one store under the shard lock.

use std::cell::Cell;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::error::Error;
use crate::key::Key;
use crate::layout::{Head, NodeState, Ref, flag, shard};
use crate::node::Node;
use crate::payload::{self, Binding, Broken, MAX_PAYLOAD};
use crate::seats::{Seat, SeatView};
use crate::shard::{Fault, Shard, ShardGuard};
use crate::stats::{Counter, count};
use crate::store::{Handle, Store};

/// Payloads up to so many bytes are written under one shard lock; larger ones are written between two.
const INLINE: usize = 4096;

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Stored, or alive unchanged.
    Stored,
    /// The session was ended after the lease began; nothing was written.
    Ended,
}

/// A hold on one session. Dropping it releases it. Stays on its thread.
pub struct Lease {
    pub(crate) store: Rc<Handle>,
    pub(crate) me: Seat,
    pub(crate) shard: u32,
    /// Changes where a vanished session is made again, as does the incarnation.
    pub(crate) place: Cell<Ref>,
    pub(crate) key: Key,
    /// The seat's entry for the session lock; `None` without a lock.
    pub(crate) slot: Option<u32>,
    pub(crate) incarnation: Cell<u64>,
    /// Head of the payload to be read.
    pub(crate) head: Head,
    pub(crate) len: u32,
    /// The session was ended while this lease waited for it: reads nothing, writes nothing.
    pub(crate) ended: bool,
    pub(crate) new: bool,
    pub(crate) thread: PhantomData<*const ()>,
}

/// Whole seconds of a lifetime, rounded up.
pub(crate) fn seconds(lifetime: Duration) -> u32 {
    u32::try_from(lifetime.as_secs() + u64::from(lifetime.subsec_nanos() > 0)).unwrap_or(u32::MAX)
}

/// Where a lease's write must go.
enum Target<'a> {
    Node(Node<'a>),
    Ended,
    /// Gone without having been ended: it is made again.
    Vanished,
}

impl Lease {
    /// The store that the session is in.
    #[must_use]
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// A handle of that store that outlives the lease, for this thread.
    #[must_use]
    pub fn handle(&self) -> Rc<Handle> {
        Rc::clone(&self.store)
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

    /// Whether the session did not exist before.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.new
    }

    /// Copies the payload into `out`, which has [`Lease::len`] bytes: one memcpy and one checksum.
    ///
    /// # Errors
    /// [`Error::Changed`] where a writer without a lock replaced the payload: [`Lease::len`] is new, ask again.
    /// [`Error::Damaged`] where the checksum does not match; the session is then empty from now on.
    pub fn read(&mut self, out: &mut [u8]) -> Result<(), Error> {
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
            self.ended = fresh.state() != NodeState::Live
                || node.incarnation().load(Ordering::Relaxed) != self.incarnation.get();
            self.see(if self.ended { Head(0) } else { fresh })?;
            return Err(Error::Changed);
        }
        match result {
            Ok(()) => Ok(()),
            Err(broken) => self.drop_damaged(broken),
        }
    }

    /// Remembers the head and length of the payload to be read.
    pub(crate) fn see(&mut self, head: Head) -> Result<(), Error> {
        let map = self.store.map()?;
        let total = match head.block() {
            0 => 0,
            block if self.store.within(map, block, 1, crate::layout::ChunkState::Data(self.shard)) => {
                payload::total(map, block)
            }
            _ => u32::MAX,
        };
        self.head = head;
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

    /// Writes `payload`, extends the lifetime to now + `lifetime`, and unlocks.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Full`], [`Error::NoSpace`], [`Error::Stuck`]: the old payload stays, the lock
    /// is released.
    pub fn commit(mut self, payload: &[u8], lifetime: Duration) -> Result<Outcome, Error> {
        if payload.len() > MAX_PAYLOAD {
            return Err(Error::TooLarge(payload.len()));
        }
        loop {
            match self.commit_here(payload, lifetime) {
                Err(Error::Moved) if self.follow()? => {}
                result => return result,
            }
        }
    }

    fn commit_here(&self, payload: &[u8], lifetime: Duration) -> Result<Outcome, Error> {
        if self.ended {
            return self.refused();
        }
        let hash = payload::hash(&self.store, payload);
        if payload.len() <= INLINE {
            self.commit_inline(payload, hash, lifetime)
        } else {
            self.commit_large(payload, hash, lifetime)
        }
    }

    fn refused(&self) -> Result<Outcome, Error> {
        count(self.store.map()?, self.me, Counter::Ended, 1);
        Ok(Outcome::Ended)
    }

    fn commit_inline(&self, payload: &[u8], hash: u64, lifetime: Duration) -> Result<Outcome, Error> {
        let outcome = self.store.with_shard(self.me, self.shard, |guard| {
            let Some(node) = self.target(guard, lifetime)? else { return Ok(Outcome::Ended) };
            let block = if payload.is_empty() { 0 } else { guard.alloc_chain(payload.len() as u32)? };
            payload::write_chain(guard.map, block, payload);
            self.publish(guard, node, block, hash, lifetime);
            Ok(Outcome::Stored)
        })?;
        if outcome == Outcome::Ended { self.refused() } else { Ok(outcome) }
    }

    #[inline(never)]
    fn commit_large(&self, payload: &[u8], hash: u64, lifetime: Duration) -> Result<Outcome, Error> {
        let store = &self.store;
        let map = store.map()?;
        let view = SeatView::new(map, self.me.index);
        // Without a lock there is no entry yet: one is needed to own the space until it is published.
        let slot = match self.slot {
            Some(slot) => slot,
            None => view.lease_on(0).ok_or(Error::TooManyLeases(crate::layout::seat::LEASE_COUNT))?,
        };
        let block = store.with_shard(self.me, self.shard, |guard| {
            let Some(node) = self.target(guard, lifetime)? else { return Ok(None) };
            let block = guard.alloc_chain(payload.len() as u32)?;
            view.lease_node(slot).store(node.place, Ordering::Relaxed);
            view.lease_pending(slot).store(block, Ordering::Relaxed);
            Ok(Some(block))
        });
        let outcome = match block {
            Ok(Some(block)) => {
                payload::write_chain(store.map()?, block, payload);
                store.with_shard(self.me, self.shard, |guard| {
                    if view.lease_pending(slot).load(Ordering::Relaxed) != block {
                        return Err(Fault::Error(Error::Damaged(
                            "the space for a payload was lost in a rebuild; try again",
                        )));
                    }
                    let Some(node) = self.target(guard, lifetime)? else {
                        view.lease_pending(slot).store(0, Ordering::Relaxed);
                        guard.free_chain(block)?;
                        return Ok(Outcome::Ended);
                    };
                    self.publish(guard, node, block, hash, lifetime);
                    view.lease_pending(slot).store(0, Ordering::Relaxed);
                    Ok(Outcome::Stored)
                })
            }
            Ok(None) => Ok(Outcome::Ended),
            Err(e) => Err(e),
        };
        if self.slot.is_none() {
            view.lease_node(slot).store(0, Ordering::Relaxed);
        }
        if matches!(outcome, Ok(Outcome::Ended)) { self.refused() } else { outcome }
    }

    /// The node to write to, made again where the session vanished; `None` where it was ended.
    fn target<'a>(&self, guard: &mut ShardGuard<'a>, lifetime: Duration) -> Result<Option<Node<'a>>, Fault> {
        let node = match self.locate(guard)? {
            Target::Node(node) => node,
            Target::Ended => return Ok(None),
            Target::Vanished => {
                let wall = guard.store.clock().wall();
                let node = guard.create(&self.key, wall, seconds(lifetime))?;
                self.place.set(node.place);
                self.incarnation.set(node.incarnation().load(Ordering::Relaxed));
                node
            }
        };
        guard.keep = node.place;
        Ok(Some(node))
    }

    fn locate<'a>(&self, guard: &ShardGuard<'a>) -> Result<Target<'a>, Fault> {
        let node = guard.node(self.place.get())?;
        let same = node.key() == self.key && node.incarnation().load(Ordering::Relaxed) == self.incarnation.get();
        if same && node.is_live() {
            return Ok(Target::Node(node));
        }
        Ok(if guard.find(&self.key).is_some() { Target::Ended } else { Target::Vanished })
    }

    /// Makes `block` the session's payload by one store, frees the old one, unlocks.
    fn publish(&self, guard: &mut ShardGuard<'_>, node: Node<'_>, block: Ref, hash: u64, lifetime: Duration) {
        let map = guard.map;
        let (wall, now) = guard.store.wall_and_now(map);
        let old = node.head();
        let new = old.next(block, NodeState::Live);
        if block != 0 {
            let binding = Binding { key: self.key, incarnation: self.incarnation.get(), version: new.version() };
            payload::seal(map, block, hash, binding);
        }
        node.see(wall, now, seconds(lifetime));
        node.head_word().store(new.0, Ordering::Release);
        if block != 0 {
            guard.shard.add64(shard::PAYLOAD_BYTES, i64::from(payload::total(map, block)));
        }
        // The payload is published: from here on damage is for the next rebuild, not a reason to do this again.
        let freed = guard.drop_payload(old.block());
        guard.put_off(freed);
        let flags = node.flags().load(Ordering::Relaxed);
        if block != 0 && flags & flag::ON_RESERVED != 0 {
            let unlinked = guard.unlink(node);
            if guard.put_off(unlinked).is_some() && flags & flag::RETURNED == 0 {
                guard.link(node, shard::FRESH);
            }
        }
        count(map, self.me, Counter::Writes, 1);
        if self.slot.is_some() {
            let unlocked = guard.unlock(node);
            guard.put_off(unlocked);
        }
        let swept = guard.sweep_in_passing(wall);
        guard.put_off(swept);
    }

    /// Extends the lifetime of the unchanged session and unlocks. Where the session vanished without having been
    /// ended, `payload` is written.
    ///
    /// # Errors
    /// As [`Lease::commit`].
    pub fn touch(mut self, payload: &[u8], lifetime: Duration) -> Result<Outcome, Error> {
        loop {
            match self.touch_here(lifetime) {
                Ok(Some(outcome)) => return Ok(outcome),
                Ok(None) => return self.commit(payload, lifetime),
                Err(Error::Moved) if self.follow()? => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// `None` where the session vanished.
    fn touch_here(&self, lifetime: Duration) -> Result<Option<Outcome>, Error> {
        if self.ended {
            return self.refused().map(Some);
        }
        let map = self.store.map()?;
        let wall = self.store.clock().wall();
        let swept = Shard::new(map, self.shard).get(shard::SWEPT) == wall;
        if self.slot.is_some() && swept && !self.store.is_moved(map) && !self.store.forked() {
            // The lock keeps the node this session's, so the one store needs no shard lock.
            let node = Node::new(map, self.place.get());
            if node.is_live() && node.incarnation().load(Ordering::Relaxed) == self.incarnation.get() {
                node.see(wall, self.store.now(map), seconds(lifetime));
                count(map, self.me, Counter::Touches, 1);
                return Ok(Some(Outcome::Stored));
            }
        }
        let outcome = self.store.with_shard(self.me, self.shard, |guard| match self.locate(guard)? {
            Target::Node(node) => {
                guard.keep = node.place;
                node.see(wall, guard.store.now(guard.map), seconds(lifetime));
                count(guard.map, self.me, Counter::Touches, 1);
                let swept = guard.sweep_in_passing(wall);
                guard.put_off(swept);
                Ok(Some(Outcome::Stored))
            }
            Target::Ended => Ok(Some(Outcome::Ended)),
            Target::Vanished => Ok(None),
        })?;
        if outcome == Some(Outcome::Ended) { self.refused().map(Some) } else { Ok(outcome) }
    }

    /// Ends this incarnation, remembers that for `tombstone`, and unlocks; `false` where it had ended before.
    ///
    /// # Errors
    /// [`Error::Stuck`], [`Error::Damaged`].
    pub fn destroy(mut self, tombstone: Duration) -> Result<bool, Error> {
        let destroyed = loop {
            match self.destroy_here(tombstone) {
                Err(Error::Moved) if self.follow()? => {}
                result => break result?,
            }
        };
        let store = self.handle();
        drop(self);
        store.remove_if_unneeded();
        Ok(destroyed)
    }

    fn destroy_here(&self, tombstone: Duration) -> Result<bool, Error> {
        if self.ended {
            return Ok(false);
        }
        self.store.with_shard(self.me, self.shard, |guard| match self.locate(guard)? {
            Target::Node(node) => {
                guard.end(node, tombstone)?;
                Ok(true)
            }
            Target::Ended | Target::Vanished => Ok(false),
        })
    }

    /// Unlocks without a change.
    pub fn release(self) {}
}

impl ShardGuard<'_> {
    /// Makes a live session a tombstone.
    pub(crate) fn end(&mut self, node: Node<'_>, tombstone: Duration) -> Result<(), Fault> {
        let head = node.head();
        node.ended().store(self.next_number(), Ordering::Relaxed);
        self.unlink(node)?;
        node.head_word().store(head.next(0, NodeState::Tombstone).0, Ordering::Release);
        node.see(self.store.clock().wall(), self.store.now(self.map), seconds(tombstone));
        self.shard.add(shard::LIVE, -1);
        self.shard.add(shard::TOMBSTONES, 1);
        count(self.map, self.me, Counter::Destroys, 1);
        let freed = self.drop_payload(head.block());
        self.put_off(freed);
        Ok(())
    }

    /// Leaves damage that was found after the work was done to the next rebuild.
    pub(crate) fn put_off<T>(&self, result: Result<T, Fault>) -> Option<T> {
        if result.is_err() {
            self.shard.word(shard::DIRTY).store(1, Ordering::Relaxed);
        }
        result.ok()
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.leave_slot();
        self.store.count_lease(-1);
    }
}

impl Lease {
    /// Gives the session lock and the seat's entry for it back.
    pub(crate) fn leave_slot(&mut self) {
        let Some(slot) = self.slot.take() else { return };
        // A forked child inherited the value, not the lock.
        if self.store.forked() {
            return;
        }
        if let Ok(map) = self.store.map() {
            self.store.unlock_session(map, self.me, self.shard, Node::new(map, self.place.get()));
            SeatView::new(map, self.me.index).lease_node(slot).store(0, Ordering::Release);
        }
    }
}
