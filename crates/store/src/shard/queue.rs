//! The session lock: held for a whole request, handed over in order of arrival, recovered from the dead.
//!
//! A free lock is taken by one compare-and-swap. Who finds it taken queues under the shard lock and sleeps on the
//! futex of its own owner slot; the releaser, under the shard lock, writes the first waiter's name into the lock word and
//! wakes that one: nobody can overtake. Before an owner slot's name can get into a lock word, the owner slot lists the node, so
//! whoever finds the owner slot dead can put everything back. A waiter looks every 20 ms whether the present holder lives,
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
            next = self.slot(index)?.next().load(Ordering::Relaxed);
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

    /// Gives the lock of `node`, held by nobody alive but the caller, to the first waiter, or frees it.
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
    /// Releases this thread's lock of `node` without the shard lock where nobody waits.
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
        let shard_of =
            |place: Ref| match chunk_of(place).filter(|c| *c < self.chunks(map)).and_then(|c| self.chunk_state(map, c))
            {
                Some(ChunkState::Nodes(shard)) if shard < self.shards => self.node(map, shard, place).map(|_| shard),
                _ => None,
            };
        let waiting = view.waiting().load(Ordering::Relaxed);
        if let Some(shard) = shard_of(waiting) {
            self.with_shard(me, shard, |guard| {
                let node = guard.node(waiting)?;
                guard.dequeue(node, me.index)?;
                // Whoever released the session when the owner slot had changed hands and was queued still gave the lock to
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
            match shard_of(place) {
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
