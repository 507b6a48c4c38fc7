//! Ending sessions and taking back what they held: destruction, retirement, expiry.
//!
//! All of it happens under the shard lock. A session whose lock somebody holds is neither evicted nor freed; destruction
//! needs no session lock, because a lease finds the incarnation over when it commits.

use std::sync::atomic::Ordering;
use std::time::Duration;

use cloakroom_seam::End;

use crate::core::stats::{Counter, count};
use crate::file::layout::{flag, shard};
use crate::file::words::{NodeState, Owner};
use crate::shard::evict::retired_bytes;
use crate::shard::guard::{Fault, ShardGuard};
use crate::shard::node::Node;
use crate::shard::nodes::{NODES_PER_CHUNK, nth_node};
use crate::shard::payload;

/// Seconds after which a process that prefaults sweeps what nobody else has swept: it would meet pages that it has no other use of.
const PREFAULTING_SWEEP: u32 = 4;

/// Whole seconds of a lifetime, rounded up.
pub(crate) fn seconds(lifetime: Duration) -> u32 {
    u32::try_from(lifetime.as_secs() + u64::from(lifetime.subsec_nanos() > 0)).unwrap_or(u32::MAX)
}

impl<'a> ShardGuard<'a> {
    /// Takes the session lock of a node for a moment, so that no thread takes it while the session is ended. Waiters
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

    /// Ends a live session and remembers that it ended.
    pub(crate) fn end(&mut self, node: Node<'_>, end: End) -> Result<(), Fault> {
        self.end_node(node, end)?;
        self.remember(node);
        Ok(())
    }

    /// Ends a session that a lease of this thread began and nobody has written. `locked`: that lease has the session lock. Where
    /// no other request has seen the session nothing of it is remembered, as there is none to be kept out.
    pub(crate) fn end_unwritten(&mut self, node: Node<'_>, end: End, locked: bool) -> Result<(), Fault> {
        // Another thread's lease or queue is seen by the lock word, which names its owner alone.
        let seen = node.was_ended()
            || node.flags().load(Ordering::Relaxed) & flag::RETURNED != 0
            || locked && Owner(node.lock().load(Ordering::Relaxed)) != self.me.owner;
        if seen || (!locked && !self.seize(node)?) {
            return self.end(node, end);
        }
        if let Err(fault) = self.end_node(node, End::at_once(end.tombstone)) {
            if !locked {
                self.unseize(node);
            }
            return Err(fault);
        }
        // A reader without a lock first says that it was here and then looks whether the head is still the same; here it is
        // the other way round. Both use atomic read-modify-writes of the flags, of which one comes first: either the reader finds
        // the session ended, or its flag is found here. Pairs with [`Node::mark_returned`].
        if node.flags().fetch_or(0, Ordering::AcqRel) & flag::RETURNED == 0 {
            let freed = self.free(node);
            self.put_off(freed);
        } else {
            self.remember(node);
        }
        self.unseize(node);
        Ok(())
    }

    /// Makes a live session a tombstone, or a retired one where there is a grace.
    fn end_node(&mut self, node: Node<'_>, end: End) -> Result<(), Fault> {
        let End { tombstone, grace } = end;
        let head = node.head();
        let wall = self.store.clock().wall();
        let retires = !grace.is_zero();
        node.ended().store(self.next_number(), Ordering::Relaxed);
        node.grace().store(wall.saturating_add(seconds(grace)), Ordering::Relaxed);
        self.unlink(node)?;
        let ended = if retires { head.retired() } else { head.next(0, NodeState::Tombstone) };
        node.head_word().store(ended.0, Ordering::Release);
        node.mark_seen(wall, self.store.now(self.map), seconds(tombstone.max(grace)));
        self.shard.add(shard::LIVE, -1);
        self.shard.add(shard::TOMBSTONES, 1);
        count(self.map, self.me, Counter::Destroys, 1);
        if retires {
            if self.is_data(head.block(), 1) {
                self.shard.add64(shard::RETIRED_BYTES, retired_bytes(payload::total(self.map, head.block())));
            }
        } else {
            let freed = self.drop_payload(head.block());
            self.put_off(freed);
        }
        Ok(())
    }

    /// Puts an ended session on the list of those that are remembered, and keeps that to its share of the store.
    fn remember(&mut self, node: Node<'_>) {
        self.link(node, shard::TOMBSTONE_LIST);
        let limited = self.limit_tombstones(node.place);
        self.put_off(limited);
    }

    /// Leaves damage that was found after the work was done to the next rebuild.
    pub(crate) fn put_off<T>(&self, result: Result<T, Fault>) -> Option<T> {
        if result.is_err() {
            self.shard.word(shard::DIRTY).store(1, Ordering::Relaxed);
        }
        result.ok()
    }
}
