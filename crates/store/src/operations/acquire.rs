//! Acquiring a session: taking its lock or queueing for it, finding or creating it, and standing where an earlier reader
//! stood.
//!
//! The usual way takes no shard lock: look the node up, list it in the owner slot, take its lock by one compare-and-swap,
//! look again. Everything else happens under the shard lock.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};

use crate::core::owner_slot::{Slot, SlotView};
use crate::core::stats::{Counter, count};
use crate::core::store::Store;
use crate::file::error::Error;
use crate::file::layout::{Ref, header, shard, slot};
use crate::file::region::Map;
use crate::file::words::{Head, NodeState, Owner};
use crate::operations::lease::{Begun, Lease, Point};
use crate::operations::wait::Waited;
use crate::shard::guard::{Fault, ShardGuard};
use crate::shard::node::Node;
use crate::shard::nodes::MOST_NUMBERS;
use crate::shard::reclaim::seconds;
use cloakroom_seam::{Acquire, Key, LockMode};

/// What the first look under the shard lock came to.
enum First {
    Locked,
    Queued,
    HeldHere,
    Crowded(u32),
    /// The session is not there, and that it was ended may have been forgotten.
    Forgotten,
}

impl Store {
    /// Locks (in exclusive mode) and finds the session of `key`, creating it with an empty payload where there is
    /// none. About 100 ns where the lock is free.
    ///
    /// # Errors
    /// [`Error::LockTimeout`], [`Error::TooManyWaiters`], [`Error::HeldHere`], [`Error::TooManyLeases`],
    /// [`Error::Full`], [`Error::NoSpace`], [`Error::Stuck`], [`Error::Forked`].
    pub fn acquire(self: &Arc<Store>, key: &Key, how: &Acquire<'_>) -> Result<Lease, Error> {
        let me = self.slot()?;
        let mut lease = Lease {
            store: self.handle(),
            me,
            open: false,
            shard: 0,
            place: Cell::new(0),
            key: *key,
            entry: None,
            incarnation: Cell::new(0),
            head: Head(0),
            base: 0,
            len: 0,
            ended: false,
            replaced: false,
            begun: Begun::ByOthers,
            began: 0,
            thread: PhantomData,
        };
        self.acquire_into(&mut lease, me, *key, how)?;
        Ok(lease)
    }

    /// [`Store::acquire`] in place of `lease`, which is finished and of this store. A lease that a thread keeps for this
    /// saves a few memory accesses each time.
    ///
    /// # Errors
    /// As [`Store::acquire`]; the lease stays finished.
    #[inline]
    pub fn acquire_again(self: &Arc<Store>, lease: &mut Lease, key: &Key, how: &Acquire<'_>) -> Result<(), Error> {
        debug_assert!(!lease.open && Arc::ptr_eq(self, &lease.store));
        let me = self.slot()?;
        self.acquire_into(lease, me, *key, how)
    }

    fn acquire_into(self: &Arc<Store>, lease: &mut Lease, me: Slot, key: Key, how: &Acquire<'_>) -> Result<(), Error> {
        let map = self.map()?;
        lease.me = me;
        lease.shard = self.shard_of(&key);
        lease.key = key;
        lease.ended = false;
        lease.replaced = false;
        lease.begun = Begun::ByOthers;
        lease.len = 0;
        lease.head = Head(0);
        lease.open = true;
        self.count_lease(1);
        if self.prefaults() {
            self.prefault(map, lease.shard, &key);
        }
        let since = how.since.map(Point::of);
        lease.began = map.u64(header::INCARNATION).load(Ordering::Relaxed);
        let began = match &since {
            Some(since) => since.began,
            None => lease.began,
        };
        if let Err(error) = self.acquire_from(lease, map, key, began, how) {
            lease.release();
            return Err(error);
        }
        if let Some(since) = since {
            lease.stand_at(since);
        }
        Ok(())
    }

    /// Acquires for a lease that began when the store's number was `began`.
    #[inline(always)]
    fn acquire_from(
        self: &Arc<Store>,
        lease: &mut Lease,
        map: Map<'_>,
        key: Key,
        began: u64,
        how: &Acquire<'_>,
    ) -> Result<(), Error> {
        let (me, shard) = (lease.me, lease.shard);
        let (wall, nanos) = self.clock().wall_precise();
        if how.mode != LockMode::Exclusive {
            return self.open_unlocked(lease, map, wall, began, how);
        }
        let view = SlotView::new(map, me.index);
        let entry = self.free_entry(map, me)?;
        view.lease_since(entry).store(nanos, Ordering::Relaxed);
        view.set_script(how.script);
        // One that is not found is looked for again, under the shard lock.
        if let Some(node) = self.find(map, shard, &key) {
            view.lease_node(entry).store(node.place, Ordering::Release);
            if node.lock().compare_exchange(0, me.owner.0, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                lease.place.set(node.place);
                lease.entry = Some(entry);
                if node.is_present(wall) && node.key() == key {
                    return lease.take_up(node);
                }
                // Ended, expired or another's by now. Unlock, and find out under the shard lock.
                self.unlock_session(map, me, shard, node);
                lease.entry = None;
            }
            view.lease_node(entry).store(0, Ordering::Relaxed);
        }
        self.acquire_otherwise(lease, entry, began, how)
    }

    /// Acquires a session that is taken, or that is not there.
    #[inline(never)]
    fn acquire_otherwise(
        self: &Arc<Store>,
        lease: &mut Lease,
        entry: u32,
        began: u64,
        how: &Acquire<'_>,
    ) -> Result<(), Error> {
        let me = lease.me;
        let acquired = self.acquire_queued(lease, entry, began, how);
        if acquired.is_err() && lease.entry.is_none() {
            self.abandon(me, entry);
        }
        acquired
    }

    /// Ends an attempt to acquire that failed. Where the thread could not even leave the queue, the lock will still be
    /// handed to its owner slot: given up, the owner slot is a dead one, which everybody passes over.
    fn abandon(&self, me: Slot, entry: u32) {
        let Ok(map) = self.map() else { return };
        let view = SlotView::new(map, me.index);
        if view.waiting().load(Ordering::Relaxed) == 0 {
            view.lease_node(entry).store(0, Ordering::Relaxed);
        } else if (0..slot::LEASE_COUNT).all(|i| i == entry || view.lease_node(i).load(Ordering::Relaxed) == 0) {
            self.resign(me);
        }
        // With other leases the entry stays: it is put right when the thread ends.
    }

    /// Finds or creates a session without taking its lock.
    #[inline(never)]
    fn open_unlocked(
        self: &Arc<Store>,
        lease: &mut Lease,
        map: Map<'_>,
        wall: u32,
        began: u64,
        how: &Acquire<'_>,
    ) -> Result<(), Error> {
        if let Ok(Some(node)) = self.lookup(map, lease.shard, &lease.key) {
            let head = node.head();
            let incarnation = node.incarnation().load(Ordering::Relaxed);
            let present = node.is_present(wall) && node.key() == lease.key;
            if present {
                node.mark_returned();
            }
            fence(Ordering::Acquire);
            if present && node.head() == head {
                lease.place.set(node.place);
                lease.incarnation.set(incarnation);
                return lease.take(node, head);
            }
        }
        let (key, lifetime) = (lease.key, seconds(how.lifetime));
        let stood = how.since.map(Point::of).and_then(Point::stood);
        let found = self.with_shard(lease.me, lease.shard, |guard| {
            let (node, begun) = match guard.find_session(&key)? {
                None if stood.is_some_and(|stood| guard.store.has_forgotten(guard.map, stood)) => return Ok((0, None)),
                None => (guard.create(&key, wall, lifetime)?, Begun::by_this(how.drawn)),
                Some(node) if !node.is_present(wall) && guard.store.was_ended_since(guard.map, node, began) => {
                    return Ok((node.place, None));
                }
                Some(node) if guard.revive(node, wall, lifetime)? => (node, Begun::Again),
                Some(node) => (node, Begun::ByOthers),
            };
            if begun == Begun::ByOthers {
                node.mark_returned();
            }
            Ok((node.place, Some((node.incarnation().load(Ordering::Relaxed), node.head(), begun))))
        })?;
        lease.place.set(found.0);
        let Some((incarnation, head, begun)) = found.1 else {
            lease.end_before_it_began();
            return Ok(());
        };
        lease.incarnation.set(incarnation);
        lease.begun = begun;
        lease.take(Node::new(self.map()?, found.0), head)
    }

    /// Takes the lock under the shard lock, or queues for it and waits.
    #[inline(never)]
    fn acquire_queued(
        self: &Arc<Store>,
        lease: &mut Lease,
        entry: u32,
        began: u64,
        how: &Acquire<'_>,
    ) -> Result<(), Error> {
        let map = self.map()?;
        let (me, shard, key) = (lease.me, lease.shard, lease.key);
        let view = SlotView::new(map, me.index);
        let start = Instant::now();
        let mut created = false;
        // A lease that begins now has nothing to write back. One that has waited began with the session that it waited for.
        let mut stood = how.since.map(Point::of).and_then(Point::stood);
        loop {
            let mut place: Ref = 0;
            let mut dead = None;
            let first = loop {
                let first = self.with_shard(me, shard, |guard| {
                    let node = match guard.find_session(&key)? {
                        Some(node) => node,
                        None if stood.is_some_and(|stood| guard.store.has_forgotten(guard.map, stood)) => {
                            return Ok(First::Forgotten);
                        }
                        None => {
                            let node = guard.create(&key, guard.store.clock().wall(), seconds(how.lifetime))?;
                            created = true;
                            node
                        }
                    };
                    place = node.place;
                    if let Some(word) = dead.take() {
                        guard.recover_lock(node, word)?;
                    }
                    guard.lock_or_queue(node, entry, how)
                })?;
                // A holder that is dead already is found out before anybody waits or gives up.
                let map = self.map()?;
                let node = Node::new(map, place);
                let word = Owner(node.lock().load(Ordering::Acquire));
                let is_taken = matches!(first, First::Crowded(_) | First::Queued);
                let orphaned = is_taken && word.0 != 0 && word.bare() != me.owner && self.is_dead(map, word);
                if orphaned && matches!(first, First::Crowded(_)) {
                    dead = Some(word);
                    continue;
                }
                if orphaned {
                    self.with_shard(me, shard, |guard| guard.recover_lock(guard.node(place)?, word))?;
                }
                break first;
            };
            let map = self.map()?;
            let node = Node::new(map, place);
            match first {
                First::HeldHere => return Err(Error::HeldHere),
                First::Crowded(waiting) => {
                    return Err(Error::TooManyWaiters {
                        waiting,
                        limit: how.max_waiters,
                        holder: self.holder(map, node),
                    });
                }
                First::Locked => {}
                First::Forgotten => {
                    lease.place.set(0);
                    lease.end_before_it_began();
                    return Ok(());
                }
                First::Queued => match self.wait_for_session(me, shard, place, start, how.wait)? {
                    Waited::Locked => {}
                    Waited::TimedOut(holder) => return Err(Error::LockTimeout { waited: start.elapsed(), holder }),
                },
            }
            lease.place.set(place);
            lease.entry = Some(entry);
            lease.begun = if created { Begun::by_this(how.drawn) } else { Begun::ByOthers };
            if self.take_up_session(lease, node, began, how.lifetime)? {
                return Ok(());
            }
            // The node was rebuilt away, or freed, while this thread waited for it or took its lock.
            stood = stood.or(Some(began));
            self.unlock_session(map, me, shard, node);
            lease.entry = None;
            view.lease_node(entry).store(0, Ordering::Relaxed);
        }
    }

    /// With the session lock in hand: begins a new incarnation where the last one is over, unless this lease began
    /// before it was ended. `false` where the node is no longer this session's.
    fn take_up_session(
        self: &Arc<Store>,
        lease: &mut Lease,
        node: Node<'_>,
        began: u64,
        lifetime: Duration,
    ) -> Result<bool, Error> {
        if node.key() != lease.key || node.head().state() == NodeState::Free {
            return Ok(false);
        }
        let wall = self.clock().wall();
        let present = node.is_present(wall);
        let retired = node.head().state() == NodeState::Retired;
        if self.was_ended_since(self.region.map(), node, began) && !(present && retired) {
            lease.end_before_it_began();
            return Ok(true);
        }
        if !present {
            let place = node.place;
            let new = self
                .with_shard(lease.me, lease.shard, |guard| guard.revive(guard.node(place)?, wall, seconds(lifetime)))?;
            if new {
                lease.begun = Begun::Again;
            }
        }
        lease.take_up(node)?;
        Ok(true)
    }
}

impl Store {
    /// Whether the session in `node` was ended since the store's number was `began`.
    #[inline]
    pub(crate) fn was_ended_since(&self, map: Map<'_>, node: Node<'_>, began: u64) -> bool {
        node.ended().load(Ordering::Relaxed) >= began && self.is_true_end(map, node, began)
    }

    /// Whether the number that the session in `node` was ended with was drawn after `began`. One that the store has not drawn
    /// yet was drawn before its next number was lost to a stray word, and so was that word before `began`, if `began` is one of
    /// the numbers since; or it is itself a stray word.
    #[cold]
    fn is_true_end(&self, map: Map<'_>, node: Node<'_>, began: u64) -> bool {
        let ended = node.ended().load(Ordering::Relaxed);
        let next = map.u64(header::INCARNATION);
        let seen = next.load(Ordering::Relaxed);
        if ended < seen {
            return true;
        }
        self.note_damage("the numbers in it contradict each other");
        if ended > MOST_NUMBERS {
            node.ended().store(0, Ordering::Relaxed);
            return false;
        }
        next.fetch_max(ended + 1, Ordering::Relaxed);
        began > seen
    }
}

impl Lease {
    /// Makes this a lease on a session that ended before it could be acquired.
    fn end_before_it_began(&mut self) {
        self.ended = true;
        self.incarnation.set(0);
    }

    /// Makes `head`, the present one of `node`, what this lease reads.
    #[inline(always)]
    fn take(&mut self, node: Node<'_>, head: Head) -> Result<(), Error> {
        let names = node.successor_incarnation().load(Ordering::Relaxed) != 0;
        if names || head.state() == NodeState::Retired {
            self.take_replaced(node, head);
        }
        self.set_head(head)
    }

    #[cold]
    fn take_replaced(&mut self, node: Node<'_>, head: Head) {
        self.replaced = true;
        if head.state() == NodeState::Retired {
            // It has ended already: once that is forgotten, this lease is one from before.
            self.began = node.ended().load(Ordering::Relaxed);
        }
    }

    /// Takes up the present session in `node`, whose lock this lease holds.
    #[inline(always)]
    fn take_up(&mut self, node: Node<'_>) -> Result<(), Error> {
        self.incarnation.set(node.incarnation().load(Ordering::Relaxed));
        if self.begun == Begun::ByOthers {
            node.mark_returned();
        }
        self.take(node, node.head())
    }
}

impl ShardGuard<'_> {
    /// Takes the lock of `node`, or queues for it.
    fn lock_or_queue(&mut self, node: Node<'_>, entry: u32, how: &Acquire<'_>) -> Result<First, Fault> {
        let word = Owner(node.lock().load(Ordering::Acquire));
        let view = SlotView::new(self.map, self.me.index);
        if word.bare() == self.me.owner {
            if view.lease_on(node.place).is_some() {
                return Ok(First::HeldHere);
            }
            // An owner slot lists what it holds: this thread does not hold it, whatever the word says.
            self.hand_over(node)?;
        }
        view.lease_node(entry).store(node.place, Ordering::Release);
        loop {
            if self.try_lock(node) {
                return Ok(First::Locked);
            }
            let waiting = self.waiters(node)?;
            if how.max_waiters > 0 && waiting >= how.max_waiters {
                view.lease_node(entry).store(0, Ordering::Relaxed);
                return Ok(First::Crowded(waiting));
            }
            if self.enqueue(node)? {
                return Ok(First::Queued);
            }
        }
    }

    /// Begins a new incarnation in a node whose last one was ended or has expired; `true` if it did.
    fn revive(&mut self, node: Node<'_>, wall: u32, lifetime: u32) -> Result<bool, Fault> {
        if node.is_present(wall) {
            return Ok(false);
        }
        if node.is_live() {
            // Expired: nobody may read the old payload under the new incarnation, so it goes first.
            self.unlink(node)?;
            let head = node.head();
            node.head_word().store(head.next(0, NodeState::Tombstone).0, Ordering::Release);
            self.shard.add(shard::LIVE, -1);
            self.shard.add(shard::TOMBSTONES, 1);
            let freed = self.drop_payload(head.block());
            self.put_off(freed);
            count(self.map, self.me, Counter::Expired, 1);
        }
        self.end_grace(node)?;
        self.begin(node, wall, lifetime)?;
        Ok(true)
    }
}
