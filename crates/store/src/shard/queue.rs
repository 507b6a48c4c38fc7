//! The session lock: held for a whole request, handed over in order of arrival, recovered from the dead.
//!
//! A free lock is taken by one compare-and-swap. A thread that finds it taken queues under the shard lock and sleeps on the
//! futex of its own owner slot; the releaser, under the shard lock, writes the first waiter's name into the lock word and
//! wakes that one: no other can overtake. Before an owner slot's name can get into a lock word, the owner slot lists the node, so
//! a process that finds the owner slot dead can put everything back. A waiter looks every 20 ms whether the present holder lives,
//! which also covers a waiter that died before the lock was handed to it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::thread::futex;

use crate::core::owner_slot::{Slot, SlotView};
use crate::core::stats::{Counter, count};
use crate::core::store::Store;
use crate::file::error::Error;
use crate::file::layout::{Ref, chunk_of, shard, slot};
use crate::file::region::Map;
use crate::file::words::{ChunkState, Owner};
use crate::shard::guard::{Fault, ShardGuard};
use crate::shard::node::Node;

/// How often a waiter looks whether the holder lives.
pub(crate) const LOOK: Duration = Duration::from_millis(20);
/// A lock word that names nobody: left by a releaser that could not get the shard lock; every waiter takes it for a
/// dead owner's.
const NOBODY: u32 = 0x1fff;

impl<'a> ShardGuard<'a> {
    /// The owner slot that a wait queue names.
    pub(crate) fn slot(&self, index: u32) -> Result<SlotView<'a>, Fault> {
        if index < self.store.slots_allocated(self.map) {
            Ok(SlotView::new(self.map, index))
        } else {
            Err(Fault::Damaged("a wait queue leads to no slot"))
        }
    }

    /// Slots in the queue of `node`, first to last.
    fn queued(&self, node: Node<'_>) -> Result<Vec<u32>, Fault> {
        let mut all = Vec::new();
        let mut next = node.queue().load(Ordering::Relaxed) & 0xffff;
        while next != 0 {
            let index = next - 1;
            if all.contains(&index) {
                return Err(Fault::Damaged("a wait queue leads in a circle"));
            }
            all.push(index);
            let view = self.slot(index)?;
            if view.waiting().load(Ordering::Relaxed) != node.place {
                return Err(Fault::Damaged("a wait queue holds a slot that does not wait"));
            }
            next = view.next().load(Ordering::Relaxed);
        }
        Ok(all)
    }

    /// Number of owner slots that wait for `node`.
    pub(crate) fn waiters(&self, node: Node<'_>) -> Result<u32, Fault> {
        Ok(if node.queue().load(Ordering::Relaxed) == 0 { 0 } else { self.queued(node)?.len() as u32 })
    }

    /// Takes the free lock of `node`, or `false`.
    pub(crate) fn try_lock(&self, node: Node<'_>) -> bool {
        node.lock().compare_exchange(0, self.me.owner.0, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// Appends this thread's owner slot to the queue; `false` where the lock became free meanwhile.
    pub(crate) fn enqueue(&self, node: Node<'_>) -> Result<bool, Fault> {
        // First the bit: from then on the holder cannot release without the shard lock.
        let mut word = node.lock().load(Ordering::Relaxed);
        loop {
            if word == 0 {
                return Ok(false);
            }
            match node.lock().compare_exchange(word, word | Owner::WAITERS, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => break,
                Err(now) => word = now,
            }
        }
        let mine = self.slot(self.me.index)?;
        let ticket = self.shard.word64(shard::TICKET);
        mine.wake().store(0, Ordering::Relaxed);
        mine.next().store(0, Ordering::Relaxed);
        mine.ticket().store(ticket.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        mine.waiting().store(node.place, Ordering::Relaxed);
        self.append(node, self.me.index)?;
        Ok(true)
    }

    /// Links `index` to the end of the queue.
    pub(crate) fn append(&self, node: Node<'_>, index: u32) -> Result<(), Fault> {
        let queue = node.queue().load(Ordering::Relaxed);
        let (first, last) = (queue & 0xffff, queue >> 16);
        if let Some(last) = last.checked_sub(1) {
            self.slot(last)?.next().store(index + 1, Ordering::Relaxed);
        }
        let first = if first == 0 { index + 1 } else { first };
        node.queue().store(first | (index + 1) << 16, Ordering::Relaxed);
        Ok(())
    }

    /// Takes `index` out of the queue, wherever it stands.
    pub(crate) fn dequeue(&self, node: Node<'_>, index: u32) -> Result<(), Fault> {
        let rest = self.queued(node)?;
        if !rest.contains(&index) {
            return Ok(());
        }
        node.queue().store(0, Ordering::Relaxed);
        for slot in rest.into_iter().filter(|slot| *slot != index) {
            self.slot(slot)?.next().store(0, Ordering::Relaxed);
            self.append(node, slot)?;
        }
        Ok(())
    }

    /// Puts right what this thread, which waits for `node`, no longer finds: its place in the queue, the bit that has the holder
    /// hand the lock over, what its own owner slot says of the wait. `true` where the lock is this thread's.
    pub(crate) fn wait_again(&self, node: Node<'_>) -> Result<bool, Fault> {
        let mine = self.slot(self.me.index)?;
        mine.waiting().store(node.place, Ordering::Relaxed);
        if Owner(node.lock().load(Ordering::Acquire)).bare() == self.me.owner {
            self.dequeue(node, self.me.index)?;
            return Ok(true);
        }
        mine.wake().store(0, Ordering::Relaxed);
        if !self.queued(node)?.contains(&self.me.index) {
            while !self.try_lock(node) {
                if self.enqueue(node)? {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        if node.lock().load(Ordering::Acquire) == 0 {
            // There is no holder to hand it over.
            self.hand_over(node)?;
        } else {
            node.lock().fetch_or(Owner::WAITERS, Ordering::AcqRel);
        }
        Ok(Owner(node.lock().load(Ordering::Acquire)).bare() == self.me.owner)
    }

    /// Takes the lock of `node` away from a living owner that does not list it: an owner slot lists a node before its name can
    /// get into the lock word, and until it is out of it again. A lock word that names it all the same is a stray one, or the slot
    /// has lost its list to one.
    pub(crate) fn recover_unlisted(&mut self, node: Node<'_>) -> Result<(), Fault> {
        let word = Owner(node.lock().load(Ordering::Acquire));
        let Some(index) = word.slot().filter(|_| word.bare() != self.me.owner) else { return Ok(()) };
        // With the bit set its owner cannot give it back, and take it again, without this shard's lock.
        let marked = word.0 | Owner::WAITERS;
        let held = node.lock().compare_exchange(word.0, marked, Ordering::AcqRel, Ordering::Relaxed);
        if held.is_err() || self.slot(index)?.lease_on(node.place).is_some() {
            return Ok(());
        }
        self.store.note_damage("a session's lock named a process that does not hold it");
        count(self.map, self.me, Counter::Recoveries, 1);
        self.hand_over(node)
    }

    /// Gives the lock of `node`, held by no living thread but the caller, to the first waiter, or frees it.
    pub(crate) fn hand_over(&self, node: Node<'_>) -> Result<(), Fault> {
        let queue = node.queue().load(Ordering::Relaxed);
        let Some(first) = (queue & 0xffff).checked_sub(1) else {
            node.lock().store(0, Ordering::Release);
            return Ok(());
        };
        let view = self.slot(first)?;
        if view.waiting().load(Ordering::Relaxed) != node.place {
            return Err(Fault::Damaged("a wait queue holds a slot that does not wait"));
        }
        let next = view.next().load(Ordering::Relaxed);
        node.queue().store(if next == 0 { 0 } else { queue & !0xffff | next }, Ordering::Relaxed);
        let owner = Owner::new(first, view.generation().load(Ordering::Relaxed));
        let bit = if next == 0 { 0 } else { Owner::WAITERS };
        if let Some(i) = view.lease_on(node.place) {
            view.lease_since(i).store(self.store.clock().wall_precise().1, Ordering::Relaxed);
        }
        node.lock().store(owner.0 | bit, Ordering::Release);
        view.wake().store(1, Ordering::Release);
        let _ = futex::wake(view.wake(), futex::Flags::empty(), 1);
        Ok(())
    }

    /// Releases this thread's lock of `node`.
    pub(crate) fn unlock(&self, node: Node<'_>) -> Result<(), Fault> {
        let mine = self.me.owner.0;
        // Only under the shard lock, which this thread has, does anybody change a word that is not 0.
        match node.lock().load(Ordering::Relaxed) {
            word if word == mine => node.lock().store(0, Ordering::Release),
            word if word == mine | Owner::WAITERS => self.hand_over(node)?,
            _ => {}
        }
        Ok(())
    }

    /// Puts back what lease `i` of the dead owner `dead` held in this shard: the unpublished payload and the lock.
    pub(crate) fn recover_lease(&mut self, dead: u32, i: u32) -> Result<(), Fault> {
        let map = self.map;
        let view = SlotView::new(map, dead);
        let place = view.lease_node(i).load(Ordering::Relaxed);
        let pending = view.lease_pending(i).swap(0, Ordering::Relaxed);
        let node = self.node(place)?;
        if pending != 0 && node.head().block() != pending {
            self.free_chain(pending)?;
        }
        let word = Owner(node.lock().load(Ordering::Acquire));
        if word.0 != 0 && word.slot() == Some(dead) && word.bare() != self.me.owner {
            self.hand_over(node)?;
        }
        view.lease_node(i).store(0, Ordering::Release);
        count(map, self.me, Counter::Recoveries, 1);
        Ok(())
    }

    /// Puts right the lock of `node`, whose owner `word` was found dead; nothing where it changed meanwhile.
    pub(crate) fn recover_lock(&mut self, node: Node<'_>, word: Owner) -> Result<(), Fault> {
        if Owner(node.lock().load(Ordering::Acquire)).bare() != word.bare() {
            return Ok(());
        }
        if let Some(index) = word.slot() {
            let map = self.map;
            let view = SlotView::new(map, index);
            // Only while the owner slot is still the dead one's may its list be touched: the next owner recovers it
            // itself, under this shard lock too.
            let same = Owner::new(index, view.generation().load(Ordering::Acquire)) == word.bare();
            if same && let Some(i) = view.lease_on(node.place) {
                return self.recover_lease(index, i);
            }
        }
        count(self.map, self.me, Counter::Recoveries, 1);
        self.hand_over(node)
    }
}

impl Store {
    /// An entry of this thread's owner slot that lists nothing.
    #[inline]
    pub(crate) fn free_entry(&self, map: Map<'_>, me: Slot) -> Result<u32, Error> {
        let free = SlotView::new(map, me.index).lease_on(0);
        free.or_else(|| self.clear_stray_entries(map, me)).ok_or(Error::TooManyLeases(slot::LEASE_COUNT))
    }

    /// Clears the entries of this thread's owner slot that list what the thread neither holds nor waits for, or list it twice; one
    /// that lists nothing.
    #[cold]
    pub(crate) fn clear_stray_entries(&self, map: Map<'_>, me: Slot) -> Option<u32> {
        let view = SlotView::new(map, me.index);
        let waiting = view.waiting().load(Ordering::Relaxed);
        for i in 0..slot::LEASE_COUNT {
            let place = view.lease_node(i).load(Ordering::Relaxed);
            let held = || {
                let node = self.shard_with(map, place).and_then(|shard| self.node(map, shard, place));
                node.is_some_and(|node| Owner(node.lock().load(Ordering::Acquire)).bare() == me.owner)
            };
            if place != 0 && (view.lease_on(place) != Some(i) || (place != waiting && !held())) {
                self.note_damage("an owner slot listed sessions that its thread does not hold");
                view.lease_pending(i).store(0, Ordering::Relaxed);
                view.lease_node(i).store(0, Ordering::Release);
            }
        }
        view.lease_on(0)
    }

    /// The shard that has a node at `place`.
    pub(crate) fn shard_with(&self, map: Map<'_>, place: Ref) -> Option<u32> {
        let chunk = chunk_of(place).filter(|chunk| *chunk < self.chunks(map))?;
        match self.chunk_state(map, chunk)? {
            ChunkState::Nodes(shard) if shard < self.shards => self.node(map, shard, place).map(|_| shard),
            _ => None,
        }
    }

    /// Releases this thread's lock of `node` without the shard lock where no thread waits.
    pub(crate) fn unlock_session(self: &Arc<Store>, map: Map<'_>, me: Slot, shard: u32, node: Node<'_>) {
        let mine = me.owner.0;
        if Owner(node.lock().load(Ordering::Relaxed)).bare() != me.owner {
            return;
        }
        if node.lock().compare_exchange(mine, 0, Ordering::Release, Ordering::Relaxed) != Err(mine | Owner::WAITERS) {
            return;
        }
        let place = node.place;
        if self.with_shard(me, shard, |guard| guard.unlock(guard.node(place)?)).is_err() {
            let left = mine | Owner::WAITERS;
            let nobody = NOBODY | Owner::WAITERS;
            if node.lock().compare_exchange(left, nobody, Ordering::Release, Ordering::Relaxed).is_ok() {
                count(map, me, Counter::Recoveries, 1);
            }
        }
    }

    /// Puts back everything that an earlier owner of `me`'s owner slot held when it died.
    pub(crate) fn recover_slot(self: &Arc<Store>, me: Slot) -> Result<(), Error> {
        let map = self.map()?;
        let view = SlotView::new(map, me.index);
        let waiting = view.waiting().load(Ordering::Relaxed);
        if let Some(shard) = self.shard_with(map, waiting) {
            self.with_shard(me, shard, |guard| {
                let node = guard.node(waiting)?;
                guard.dequeue(node, me.index)?;
                // A holder that released the session when the owner slot had changed hands and was queued still gave the lock to
                // the new owner, who does not want it.
                if Owner(node.lock().load(Ordering::Acquire)).bare() == me.owner {
                    guard.hand_over(node)?;
                }
                Ok(())
            })?;
        }
        view.waiting().store(0, Ordering::Relaxed);
        for i in 0..slot::LEASE_COUNT {
            let place = view.lease_node(i).load(Ordering::Relaxed);
            match self.shard_with(map, place) {
                Some(shard) => self.with_shard(me, shard, |guard| {
                    // Another process may have found the same death and been here first.
                    if view.lease_node(i).load(Ordering::Relaxed) == place {
                        guard.recover_lease(me.index, i)
                    } else {
                        Ok(())
                    }
                })?,
                None => {
                    view.lease_pending(i).store(0, Ordering::Relaxed);
                    view.lease_node(i).store(0, Ordering::Relaxed);
                }
            }
        }
        self.fold_counters(map, view);
        Ok(())
    }
}
