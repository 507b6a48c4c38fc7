//! What is given up when space is short or a share of it is used up: sessions that were used once or twice, and the memory of
//! those that ended.
//!
//! A session whose lock somebody holds is passed over, and each eviction passes over a bounded number of them.
//!
//! **Forgetting early.** What is remembered of ended sessions takes a tenth of the store at most. Beyond that the oldest is
//! forgotten before its time, and then nothing in its place says any more that a lease which began before may not write. So the
//! header keeps the highest number of an end that was forgotten early: a lease that began before that number was drawn and finds
//! its session missing takes it for ended. Forgetting a tombstone in time raises nothing: how long it is kept is what was asked for.

use std::sync::atomic::Ordering;

use crate::core::stats::{Counter, count};
use crate::core::store::Store;
use crate::file::layout::{Ref, UNIT, flag, header, node, shard};
use crate::file::region::Map;
use crate::file::words::NodeState;
use crate::shard::free_space::units_for;
use crate::shard::guard::{Fault, ShardGuard};
use crate::shard::node::Node;

/// Nodes that one eviction passes over before it gives up on a list.
const STEPS: u32 = 64;
/// Sessions after the oldest one found so far that are looked at for an older one: the list of those that were used twice is not
/// quite in the order of their last use.
const LOOK_AHEAD: u32 = 16;
/// Tombstones that one end makes room for: more than it adds, so that a store whose capacity was lowered comes to its bound.
const FORGOTTEN_AT_ONCE: u32 = 2;

/// Bytes that a payload of `total` bytes takes, if it lies in one block.
pub(crate) fn retired_bytes(total: u32) -> i64 {
    i64::from(units_for(total)) * UNIT as i64
}

impl Store {
    /// Whether an end may have been forgotten early whose number was drawn when the store's was `began`, or later.
    #[cold]
    pub(crate) fn has_forgotten(&self, map: Map<'_>, began: u64) -> bool {
        let word = map.u64(header::FORGOTTEN);
        // Pairs with the release of the thread that forgot, which had drawn the number before: then `next` is above it.
        let forgotten = word.load(Ordering::Acquire);
        if forgotten < began {
            return false;
        }
        let next = map.u64(header::INCARNATION).load(Ordering::Relaxed);
        if forgotten < next {
            return true;
        }
        // A number that nobody has drawn is a stray word. Believed, it would refuse for ever; now it is all that began before.
        let last = next.saturating_sub(1);
        let _ = word.compare_exchange(forgotten, last, Ordering::Relaxed, Ordering::Relaxed);
        last >= began
    }
}

impl<'a> ShardGuard<'a> {
    /// Removes one session for want of room: the oldest that nobody has written, else the oldest that never came back, else the
    /// one that was used twice and not for the longest time. `false` where there is none.
    pub(crate) fn evict(&mut self) -> Result<bool, Fault> {
        Ok(self.evict_from(shard::RESERVED)? || self.evict_from(shard::PROBATION)? || self.evict_used_twice()?)
    }

    fn evict_from(&mut self, list: u64) -> Result<bool, Fault> {
        let mut in_use = 0;
        while in_use < STEPS {
            let head = self.shard.get(list);
            if head == 0 {
                break;
            }
            let node = self.listed(head, list)?;
            let flags = node.flags().load(Ordering::Relaxed);
            if flags & flag::RETURNED != 0 {
                // Off the list for good, so this happens once to a session. It does not count as a step: behind a
                // thousand sessions that came back there may be one that did not.
                self.unlink(node)?;
                if flags & flag::RETURNED_AGAIN == 0 {
                    self.link(node, shard::TWICE);
                }
                continue;
            }
            if !self.seize(node)? {
                // In use: to the end of the list.
                self.unlink(node)?;
                self.link(node, list);
                in_use += 1;
                continue;
            }
            self.remove_seized(node)?;
            return Ok(true);
        }
        Ok(false)
    }

    /// Removes the session that was used twice and not for the longest time, as far as a bounded look at the list tells.
    fn evict_used_twice(&mut self) -> Result<bool, Fault> {
        let mut oldest = None;
        let found = self.seize_used_twice(&mut oldest);
        match (oldest, found) {
            (Some((_, node)), Ok(())) => self.remove_seized(node).map(|()| true),
            (Some((_, node)), Err(fault)) => {
                self.unseize(node);
                Err(fault)
            }
            (None, found) => found.map(|()| false),
        }
    }

    /// Goes through the list of sessions that were used twice, and leaves the lock of the `oldest` seized, with the second of its
    /// last use.
    fn seize_used_twice(&mut self, oldest: &mut Option<(u32, Node<'a>)>) -> Result<(), Fault> {
        let mut place = self.shard.get(shard::TWICE);
        let (mut steps, mut since_found) = (0, 0);
        while place != 0 && steps < STEPS && since_found < LOOK_AHEAD {
            let node = self.listed(place, shard::TWICE)?;
            place = node.next().load(Ordering::Relaxed);
            if node.flags().load(Ordering::Relaxed) & flag::RETURNED_AGAIN != 0 {
                // Off the list for good, as in `evict_from`.
                self.unlink(node)?;
                continue;
            }
            steps += 1;
            since_found += u32::from(oldest.is_some());
            let used = node.last_use();
            if oldest.is_some_and(|(other, _)| other <= used) {
                continue;
            }
            if !self.seize(node)? {
                self.unlink(node)?;
                self.link(node, shard::TWICE);
                continue;
            }
            if let Some((_, other)) = oldest.replace((used, node)) {
                // It was used later than its place in the list says.
                self.unseize(other);
                self.unlink(other)?;
                self.link(other, shard::TWICE);
            }
            since_found = 0;
        }
        Ok(())
    }

    /// Removes a session whose lock was seized for that.
    fn remove_seized(&mut self, node: Node<'_>) -> Result<(), Fault> {
        let freed = self.free(node);
        self.unseize(node);
        freed?;
        count(self.map, self.me, Counter::Evicted, 1);
        Ok(())
    }

    /// This shard's part of a tenth of the store, in bytes.
    fn tenth(&self) -> u64 {
        self.map.u64(header::CAPACITY).load(Ordering::Relaxed) / 10 / u64::from(self.store.shards)
    }

    /// Keeps reserved sessions to a tenth of the store: a flood of requests without cookies must not fill it.
    pub(crate) fn limit_reserved(&mut self) -> Result<(), Fault> {
        if u64::from(self.shard.get(shard::RESERVED + 8)) >= self.tenth() / node::SIZE {
            self.evict_from(shard::RESERVED)?;
        }
        Ok(())
    }

    /// Keeps what is remembered of ended sessions to a tenth of the store, save for the one that ended last, `newest`: payloads
    /// of retired ones to half of that, and the rest is for nodes. A payload that goes ends a grace early; a node that goes is
    /// an end forgotten.
    pub(crate) fn limit_tombstones(&mut self, newest: Ref) -> Result<(), Fault> {
        let tenth = self.tenth();
        let mut place = self.shard.get(shard::FIRST_RETIRED);
        for _ in 0..STEPS {
            let retired = self.shard.word64(shard::RETIRED_BYTES).load(Ordering::Relaxed);
            if place == 0 || place == newest || retired <= tenth / 2 {
                break;
            }
            let node = self.listed(place, shard::TOMBSTONE_LIST)?;
            self.end_grace(node)?;
            place = node.next().load(Ordering::Relaxed);
            self.shard.set(shard::FIRST_RETIRED, place);
        }
        let retired = self.shard.word64(shard::RETIRED_BYTES).load(Ordering::Relaxed);
        let most = (tenth - retired.min(tenth / 2)) / node::SIZE;
        let (mut forgotten, mut in_use) = (0, 0);
        while u64::from(self.shard.get(shard::TOMBSTONE_LIST + 8)) > most
            && forgotten < FORGOTTEN_AT_ONCE
            && in_use < STEPS
        {
            let oldest = self.shard.get(shard::TOMBSTONE_LIST);
            if oldest == newest {
                break;
            }
            let node = self.listed(oldest, shard::TOMBSTONE_LIST)?;
            if self.seize(node)? {
                self.forget(node)?;
                forgotten += 1;
            } else {
                self.unlink(node)?;
                self.link(node, shard::TOMBSTONE_LIST);
                in_use += 1;
            }
        }
        Ok(())
    }

    /// Forgets an ended session, whose lock was seized for that, before its time.
    fn forget(&mut self, node: Node<'_>) -> Result<(), Fault> {
        // First the number, so that there is no moment at which nothing keeps a slower request out. Pairs with the load in
        // [`Store::has_forgotten`].
        let number = node.ended().load(Ordering::Relaxed);
        self.map.u64(header::FORGOTTEN).fetch_max(number, Ordering::Release);
        let freed = self.free(node);
        self.unseize(node);
        freed
    }

    /// Makes a retired session a mere tombstone.
    pub(crate) fn end_grace(&mut self, node: Node<'_>) -> Result<(), Fault> {
        let head = node.head();
        if head.state() == NodeState::Retired {
            node.head_word().store(head.next(0, NodeState::Tombstone).0, Ordering::Release);
            self.drop_retired(head.block())?;
        }
        Ok(())
    }

    /// Frees the payload of a session that was retired.
    pub(crate) fn drop_retired(&mut self, block: Ref) -> Result<(), Fault> {
        if block != 0 {
            let total = self.drop_payload(block)?;
            self.shard.add64(shard::RETIRED_BYTES, -retired_bytes(total));
        }
        Ok(())
    }
}
