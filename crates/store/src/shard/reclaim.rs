//! Ending sessions and taking back what they held: destruction, retirement and its end, expiry, eviction.
//!
//! All of it happens under the shard lock. A session whose lock somebody holds is neither evicted nor freed; destruction
//! needs no session lock, because a lease finds the incarnation over when it commits.

use std::sync::atomic::Ordering;
use std::time::Duration;

use cloakroom_seam::End;

use crate::core::stats::{Counter, count};
use crate::file::layout::{flag, header, node, shard};
use crate::file::words::{NodeState, Owner};
use crate::shard::guard::{Fault, ShardGuard};
use crate::shard::node::Node;
use crate::shard::nodes::{NODES_PER_CHUNK, nth_node};

/// Locked nodes that one eviction passes over before it gives up on a list.
const EVICTION_STEPS: u32 = 64;
/// Seconds after which a process that prefaults sweeps what nobody else has swept: it would meet pages that it has no other use of.
const PREFAULTING_SWEEP: u32 = 4;

/// Whole seconds of a lifetime, rounded up.
pub(crate) fn seconds(lifetime: Duration) -> u32 {
    u32::try_from(lifetime.as_secs() + u64::from(lifetime.subsec_nanos() > 0)).unwrap_or(u32::MAX)
}

impl<'a> ShardGuard<'a> {
    /// Takes the session lock of a node for a moment, so that nobody takes it while the session is ended. Waiters
    /// cannot queue meanwhile: that needs the shard lock. A dead owner's lock is put right first, or a session that
    /// nobody asks for again would keep its space for ever.
    pub(crate) fn seize(&mut self, node: Node<'_>) -> Result<bool, Fault> {
        if node.place == self.keep {
            return Ok(false);
        }
        let word = Owner(node.lock().load(Ordering::Relaxed));
        if word.0 != 0 && word.bare() != self.me.owner && self.store.is_dead(self.map, word) {
            self.recover_lock(node, word)?;
        }
        Ok(self.try_lock(node))
    }

    pub(crate) fn unseize(&self, node: Node<'_>) {
        node.lock().store(0, Ordering::Release);
    }

    /// Removes the oldest session that never came back: first those without payload, then the others. `false` where
    /// there is none.
    pub(crate) fn evict(&mut self) -> Result<bool, Fault> {
        Ok(self.evict_from(shard::RESERVED)? || self.evict_from(shard::PROBATION)?)
    }

    fn evict_from(&mut self, list: u64) -> Result<bool, Fault> {
        let mut in_use = 0;
        while in_use < EVICTION_STEPS {
            let head = self.shard.get(list);
            if head == 0 {
                break;
            }
            let node = self.node(head)?;
            if node.flags().load(Ordering::Relaxed) & flag::RETURNED != 0 {
                // Off the list for good, so this happens once to a session. It does not count as a step: behind a
                // thousand sessions that came back there may be one that did not.
                self.unlink(node)?;
                continue;
            }
            if !self.seize(node)? {
                // In use: to the end of the list.
                self.unlink(node)?;
                self.link(node, list);
                in_use += 1;
                continue;
            }
            let freed = self.free(node);
            self.unseize(node);
            freed?;
            count(self.map, self.me, Counter::Evicted, 1);
            return Ok(true);
        }
        Ok(false)
    }

    /// Keeps reserved sessions to a tenth of the store: a flood of requests without cookies must not fill it.
    pub(crate) fn limit_reserved(&mut self) -> Result<(), Fault> {
        let capacity = self.map.u64(header::CAPACITY).load(Ordering::Relaxed);
        let most = capacity / 10 / node::SIZE / u64::from(self.store.shards);
        if u64::from(self.shard.get(shard::RESERVED + 8)) >= most {
            self.evict_from(shard::RESERVED)?;
        }
        Ok(())
    }

    /// Looks at the next `steps` nodes and reclaims those that have expired; how many sessions that were. Bounded
    /// by `steps`, whatever the size of the store.
    #[inline(never)]
    pub(crate) fn sweep(&mut self, steps: u32) -> Result<u64, Fault> {
        let wall = self.store.clock().wall();
        let now = self.store.now(self.map);
        let mut removed = 0;
        let mut chunk = self.node_chunk(self.shard.get(shard::SWEEP_CHUNK).wrapping_sub(1));
        let mut at = self.shard.get(shard::SWEEP_NODE);
        for _ in 0..steps {
            if chunk.is_none() || at >= NODES_PER_CHUNK {
                at = 0;
                chunk =
                    chunk.and_then(|chunk| self.next_node_chunk(Some(chunk))).or_else(|| self.next_node_chunk(None));
            }
            let Some(chunk) = chunk else { break };
            removed += u64::from(self.reclaim(Node::new(self.map, nth_node(chunk, at)), wall, now)?);
            at += 1;
        }
        self.shard.set(shard::SWEEP_CHUNK, chunk.map_or(0, |chunk| chunk + 1));
        self.shard.set(shard::SWEEP_NODE, at);
        Ok(removed)
    }

    /// Frees `node` where it is an expired session (`true`) or a tombstone past its time, and the payload of a
    /// retired session whose grace is over.
    fn reclaim(&mut self, node: Node<'_>, wall: u32, now: u32) -> Result<bool, Fault> {
        let state = node.head().state();
        if state == NodeState::Retired && !node.is_present(wall) {
            self.end_grace(node)?;
        }
        if state == NodeState::Free || !node.reclaimable(wall, now) || !self.seize(node)? {
            return Ok(false);
        }
        let freed = self.free(node);
        self.unseize(node);
        freed?;
        let session = state == NodeState::Live;
        if session {
            count(self.map, self.me, Counter::Expired, 1);
        }
        Ok(session)
    }

    /// At most once a second, a few nodes for each commit that comes by: all nodes in about ten minutes. A fresh process
    /// leaves it to others for a while.
    #[inline]
    pub(crate) fn sweep_in_passing(&mut self, wall: u32) -> Result<(), Fault> {
        let swept = self.shard.get(shard::SWEPT);
        if swept != wall && (wall.wrapping_sub(swept) >= PREFAULTING_SWEEP || !self.store.prefaults()) {
            self.shard.set(shard::SWEPT, wall);
            let nodes = self.shard.get(shard::LIVE).saturating_add(self.shard.get(shard::TOMBSTONES));
            self.sweep((nodes / 512 + 8).min(512))?;
        }
        Ok(())
    }

    /// Makes a live session a tombstone, by way of a retired one where there is a grace.
    pub(crate) fn end(&mut self, node: Node<'_>, end: End) -> Result<(), Fault> {
        let End { tombstone, grace } = end;
        let head = node.head();
        let wall = self.store.clock().wall();
        let retires = !grace.is_zero();
        node.ended().store(self.next_number(), Ordering::Relaxed);
        node.grace().store(wall.saturating_add(seconds(grace)), Ordering::Relaxed);
        self.unlink(node)?;
        let ended = if retires { head.retired() } else { head.next(0, NodeState::Tombstone) };
        node.head_word().store(ended.0, Ordering::Release);
        node.see(wall, self.store.now(self.map), seconds(tombstone.max(grace)));
        self.shard.add(shard::LIVE, -1);
        self.shard.add(shard::TOMBSTONES, 1);
        count(self.map, self.me, Counter::Destroys, 1);
        if !retires {
            let freed = self.drop_payload(head.block());
            self.put_off(freed);
        }
        Ok(())
    }

    /// Makes a retired session a mere tombstone.
    pub(crate) fn end_grace(&mut self, node: Node<'_>) -> Result<(), Fault> {
        let head = node.head();
        if head.state() == NodeState::Retired {
            node.head_word().store(head.next(0, NodeState::Tombstone).0, Ordering::Release);
            self.drop_payload(head.block())?;
        }
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
