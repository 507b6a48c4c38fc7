//! Making a shard anew from its nodes: after the owner of its lock died, after damage was found, and, with every
//! payload verified, after the machine may have crashed.
//!
//! Only the chunk table and the nodes are believed, and a node only as far as its checksum, its blocks and the claims
//! of other nodes allow. Free lists, bitmaps, lists by age, wait queues, counters and index are made anew. A rebuild
//! that is itself interrupted is simply begun again by the next owner of the lock.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{Ordering, fence};

use crate::core::owner_slot::SlotView;
use crate::file::error::Error;
use crate::file::layout::{CHUNK_UNITS, Ref, chunk_of, chunk_ref, flag, shard, slot};
use crate::file::words::{ChunkState, NodeState, Owner};
use crate::shard::evict::retired_bytes;
use crate::shard::guard::{Fault, Reach, ShardGuard};
use crate::shard::lists::list_for;
use crate::shard::node::Node;
use crate::shard::nodes::{MOST_NUMBERS, NODES_PER_CHUNK, nth_node};
use crate::shard::payload::{Binding, walk_chain};

/// How much of what is stored a rebuild believes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trust {
    /// A process died; memory is what was last written.
    Memory,
    /// The machine may have crashed: pages may be old or torn, so every payload's checksum is verified.
    Nothing,
}

/// Units in use of the shard's data chunks.
struct Used {
    chunks: HashMap<u32, [u64; (CHUNK_UNITS / 64) as usize]>,
    /// Units that may still be looked at in payloads that turn out not to be whole. A crash leaves few of those; nodes
    /// that were made to share a long one must not take for ever.
    patience: u64,
}

/// Units of broken payloads that are looked at in any case, and for each unit that the shard has.
const PATIENCE: (u64, u64) = (1 << 18, 16);

impl Used {
    /// Marks the units of a payload as used, if it is whole and nobody uses them; its length.
    fn claim(&mut self, guard: &ShardGuard<'_>, first: Ref, verify: Option<Binding>) -> Option<u32> {
        if self.patience == 0 {
            return None;
        }
        let (mut blocks, mut seen) = (Vec::new(), 0);
        let walked = walk_chain(guard.store, guard.map, guard.shard.id, first, verify, |place, units| {
            seen += u64::from(units);
            let free = self.mark(place, units);
            if free {
                blocks.push((place, units));
            }
            free
        });
        if walked.is_err() {
            self.patience = self.patience.saturating_sub(seen + 1);
            blocks.iter().for_each(|(place, units)| self.clear(*place, *units));
        }
        walked.ok()
    }

    fn bits(place: Ref, units: u32) -> impl Iterator<Item = (usize, u64)> {
        let unit = place.wrapping_sub(chunk_ref(0)) % CHUNK_UNITS;
        (unit..unit + units).map(|unit| (unit as usize / 64, 1u64 << (unit % 64)))
    }

    fn mark(&mut self, place: Ref, units: u32) -> bool {
        let Some(words) = chunk_of(place).and_then(|chunk| self.chunks.get_mut(&chunk)) else { return false };
        let unit = place.wrapping_sub(chunk_ref(0)) % CHUNK_UNITS;
        if unit < crate::shard::free_space::BITMAP_UNITS || unit + units > CHUNK_UNITS {
            return false;
        }
        if Used::bits(place, units).any(|(word, bit)| words.get(word).is_none_or(|value| value & bit != 0)) {
            return false;
        }
        for (word, bit) in Used::bits(place, units) {
            if let Some(value) = words.get_mut(word) {
                *value |= bit;
            }
        }
        true
    }

    fn clear(&mut self, place: Ref, units: u32) {
        if let Some(words) = chunk_of(place).and_then(|chunk| self.chunks.get_mut(&chunk)) {
            for (word, bit) in Used::bits(place, units) {
                if let Some(value) = words.get_mut(word) {
                    *value &= !bit;
                }
            }
        }
    }
}

impl<'a> ShardGuard<'a> {
    /// Rebuilds the shard, whose lock is held.
    #[cold]
    #[inline(never)]
    pub(crate) fn rebuild(&mut self, trust: Trust) -> Result<(), Error> {
        let seq = self.shard.word(shard::INDEX_SEQ);
        seq.store(seq.load(Ordering::Relaxed) | 1, Ordering::Relaxed);
        fence(Ordering::Release);
        let (node_chunks, mut used) = self.begin_anew();
        let (live, mut free) = self.examine(&node_chunks, &mut used, trust);
        self.keep_pending(&mut used);
        self.release_unused(&mut used);
        let lost = self.make_index(&live);
        lost.iter().for_each(|node| self.disclaim(*node, &mut used));
        free.extend(lost);
        self.make_space(&mut used);
        self.make_lists(&live, &free);
        self.make_queues()?;
        seq.store((seq.load(Ordering::Relaxed) | 1).wrapping_add(1), Ordering::Release);
        self.shard.word(shard::DIRTY).store(0, Ordering::Release);
        Ok(())
    }

    /// Empties all that is derived and sorts the shard's chunks by use.
    fn begin_anew(&mut self) -> (Vec<u32>, Used) {
        for field in [
            shard::LIVE,
            shard::TOMBSTONES,
            shard::FREE_NODES,
            shard::FREE_NODE_COUNT,
            shard::FREE_BUCKETS,
            shard::NODE_CHUNKS,
            shard::FREE_UNITS,
            shard::EMPTY_CHUNKS,
            shard::RESERVED,
            shard::RESERVED + 4,
            shard::RESERVED + 8,
            shard::PROBATION,
            shard::PROBATION + 4,
            shard::PROBATION + 8,
            shard::TWICE,
            shard::TWICE + 4,
            shard::TWICE + 8,
            shard::TOMBSTONE_LIST,
            shard::TOMBSTONE_LIST + 4,
            shard::TOMBSTONE_LIST + 8,
            shard::FIRST_RETIRED,
            shard::SWEEP_CHUNK,
            shard::SWEEP_NODE,
        ] {
            self.shard.set(field, 0);
        }
        for i in 0..2 * u64::from(shard::SPARE_COUNT) {
            self.shard.set(shard::SPARES + 4 * i, 0);
        }
        for field in [shard::PAYLOAD_BYTES, shard::RETIRED_BYTES, shard::BIN_MAP, shard::BIN_MAP + 8] {
            self.shard.word64(field).store(0, Ordering::Relaxed);
        }
        for bin in 0..crate::shard::free_space::BINS {
            self.shard.bin(bin).store(0, Ordering::Relaxed);
        }
        let mut node_chunks = Vec::new();
        let mut used = Used { chunks: HashMap::new(), patience: 0 };
        let id = self.shard.id;
        for chunk in 0..self.store.chunks(self.map) {
            match self.store.chunk_state(self.map, chunk) {
                Some(ChunkState::Nodes(shard)) if shard == id => node_chunks.push(chunk),
                Some(ChunkState::Data(shard)) if shard == id => {
                    used.chunks.insert(chunk, [0; (CHUNK_UNITS / 64) as usize]);
                }
                Some(ChunkState::Index(shard)) if shard == id => self.adopt_index_chunk(chunk),
                Some(ChunkState::Claimed(shard)) if shard == id => self.store.release_chunk(self.map, chunk),
                // A chunk that was released just before its owner died may lie below the hint.
                Some(ChunkState::Released | ChunkState::New) => {
                    let hint = self.map.u32(crate::file::layout::header::CHUNK_HINT);
                    hint.fetch_min(chunk, Ordering::AcqRel);
                }
                // Of a shard that there is not: no other rebuild would ever give it back.
                Some(
                    ChunkState::Nodes(shard)
                    | ChunkState::Data(shard)
                    | ChunkState::Index(shard)
                    | ChunkState::Claimed(shard),
                ) if shard < self.store.shards => {}
                Some(_) | None => self.store.release_chunk(self.map, chunk),
            }
        }
        used.patience = PATIENCE.0 + PATIENCE.1 * u64::from(CHUNK_UNITS) * used.chunks.len() as u64;
        // The list is built from its end: the first chunk comes first again.
        for chunk in node_chunks.iter().rev() {
            self.adopt_node_chunk(*chunk);
        }
        (node_chunks, used)
    }

    /// Sorts the nodes into those with a session or tombstone and the free ones; claims the payloads' units.
    fn examine(&self, node_chunks: &[u32], used: &mut Used, trust: Trust) -> (Vec<Node<'a>>, Vec<Node<'a>>) {
        let (mut live, mut free) = (Vec::new(), Vec::new());
        let mut keys = HashSet::new();
        let newest = self.map.u64(crate::file::layout::header::INCARNATION);
        for chunk in node_chunks {
            for i in 0..NODES_PER_CHUNK {
                let node = Node::new(self.map, nth_node(*chunk, i));
                // Two nodes of one key can only come from pages of different age: the one found first stays.
                let first = !keys.contains(&node.key());
                let Some(bytes) = first.then(|| self.whole(node, used, trust)).flatten() else {
                    free.push(node);
                    continue;
                };
                keys.insert(node.key());
                newest.fetch_max(node.incarnation().load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
                newest.fetch_max(node.ended().load(Ordering::Relaxed).saturating_add(1), Ordering::Relaxed);
                // A successor's node may be lost; nobody else is to get its number, and to be taken for it.
                let successor = node.successor_incarnation().load(Ordering::Relaxed);
                if successor <= MOST_NUMBERS {
                    newest.fetch_max(successor + 1, Ordering::Relaxed);
                }
                self.shard.add64(shard::PAYLOAD_BYTES, i64::from(bytes));
                if node.head().state() == NodeState::Retired && node.head().block() != 0 {
                    self.shard.add64(shard::RETIRED_BYTES, retired_bytes(bytes));
                }
                live.push(node);
            }
        }
        (live, free)
    }

    /// Payload bytes of the session in `node`, if that is one and whole. Its units are then claimed.
    fn whole(&self, node: Node<'_>, used: &mut Used, trust: Trust) -> Option<u32> {
        let head = node.head();
        if head.state() == NodeState::Free || self.store.shard_of(&node.key()) != self.shard.id {
            return None;
        }
        if node.check().load(Ordering::Relaxed) != node.identity(self.store.check_seed) {
            // Between the end of one incarnation and the beginning of the next a tombstone's checksum is stale.
            if trust == Trust::Nothing || head.state() != NodeState::Tombstone {
                return None;
            }
            node.check().store(node.identity(self.store.check_seed), Ordering::Relaxed);
        }
        if head.state() == NodeState::Tombstone && head.block() != 0 {
            // The block that it names may be another session's.
            node.head_word().store(head.next(0, NodeState::Tombstone).0, Ordering::Release);
        }
        if head.state() == NodeState::Tombstone || head.block() == 0 {
            return Some(0);
        }
        let binding = Binding {
            key: node.key(),
            incarnation: node.incarnation().load(Ordering::Relaxed),
            version: head.version(),
        };
        let verify = (trust == Trust::Nothing).then_some(binding);
        used.claim(self, head.block(), verify)
    }

    /// Claims the space that living owner slots have allocated and not yet published; what dead ones left is dropped.
    fn keep_pending(&self, used: &mut Used) {
        for index in 0..self.store.slots_allocated(self.map) {
            let view = SlotView::new(self.map, index);
            if view.state().load(Ordering::Acquire) == 0 {
                continue;
            }
            for i in 0..slot::LEASE_COUNT {
                let pending = view.lease_pending(i).load(Ordering::Relaxed);
                let here = self.node(view.lease_node(i).load(Ordering::Relaxed)).is_ok();
                if pending == 0 || !here {
                    continue;
                }
                let owner = Owner::new(index, view.generation().load(Ordering::Relaxed));
                if self.store.is_dead(self.map, owner) || used.claim(self, pending, None).is_none() {
                    view.lease_pending(i).store(0, Ordering::Relaxed);
                }
            }
        }
    }

    /// Gives data chunks without a used unit back to all shards.
    fn release_unused(&self, used: &mut Used) {
        used.chunks.retain(|chunk, units| {
            let is_used = units.iter().any(|word| *word != 0);
            if !is_used {
                self.store.release_chunk(self.map, *chunk);
            }
            is_used
        });
    }

    /// Takes back the claims of a session that cannot be kept.
    fn disclaim(&self, node: Node<'_>, used: &mut Used) {
        let walked = walk_chain(self.store, self.map, self.shard.id, node.head().block(), None, |place, units| {
            used.clear(place, units);
            true
        });
        let Ok(total) = walked else { return };
        self.shard.add64(shard::PAYLOAD_BYTES, -i64::from(total));
        if node.head().state() == NodeState::Retired {
            self.shard.add64(shard::RETIRED_BYTES, -retired_bytes(total));
        }
    }

    /// Makes bitmaps and free lists.
    fn make_space(&self, used: &mut Used) {
        self.release_unused(used);
        let mut chunks: Vec<_> = used.chunks.iter().collect();
        chunks.sort_unstable_by_key(|(chunk, _)| **chunk);
        for (chunk, units) in chunks {
            self.adopt_data_chunk(*chunk, Some(units));
        }
    }

    /// Makes the index without asking for a larger file or other shards, which would begin the rebuild again; the nodes
    /// that found no room in it. The work that follows may ask as before.
    fn make_index(&mut self, live: &[Node<'a>]) -> Vec<Node<'a>> {
        let reach = std::mem::replace(&mut self.reach, Reach::Shard);
        let lost = self.fill_index(live);
        self.reach = reach;
        lost
    }

    fn fill_index(&mut self, live: &[Node<'a>]) -> Vec<Node<'a>> {
        if live.is_empty() && self.shard.get(shard::FREE_BUCKETS) == 0 {
            // An empty shard needs no index, and gets no chunk for one.
            self.forget_index();
            return Vec::new();
        }
        if self.clear_index().is_err() {
            // Not a single bucket is to be had: the shard is empty until there is room.
            return live.to_vec();
        }
        live.iter().copied().filter(|node| self.insert(*node).is_err()).collect()
    }

    /// Makes the free list, the lists by age and the counts. `free` comes last: it may name nodes of `live` that
    /// could not be kept.
    fn make_lists(&self, live: &[Node<'a>], free: &[Node<'a>]) {
        let lost: HashSet<Ref> = free.iter().map(|node| node.place).collect();
        let (mut used_twice, mut ended) = (Vec::new(), Vec::new());
        for node in live.iter().filter(|node| !lost.contains(&node.place)) {
            node.flags().fetch_and(flag::KEPT, Ordering::Relaxed);
            if !self.store.names_successor(self.map, *node) {
                node.forget_successor();
            }
            if !node.is_live() {
                self.shard.add(shard::TOMBSTONES, 1);
                ended.push(*node);
                continue;
            }
            self.shard.add(shard::LIVE, 1);
            match list_for(*node) {
                Some(shard::TWICE) => used_twice.push(*node),
                Some(list) => self.link(*node, list),
                None => {}
            }
        }
        used_twice.sort_by_key(|node| node.last_use());
        used_twice.iter().for_each(|node| self.link(*node, shard::TWICE));
        ended.sort_by_key(|node| node.ended().load(Ordering::Relaxed));
        ended.iter().for_each(|node| self.link(*node, shard::TOMBSTONE_LIST));
        for node in free.iter().rev() {
            let head = node.head();
            if head.state() != NodeState::Free || head.block() != 0 {
                node.head_word().store(head.next(0, NodeState::Free).0, Ordering::Release);
            }
            node.next().store(self.shard.get(shard::FREE_NODES), Ordering::Relaxed);
            self.shard.set(shard::FREE_NODES, node.place);
            self.shard.add(shard::FREE_NODE_COUNT, 1);
        }
    }

    /// Frees the locks of dead owners and makes the wait queues from what the living owner slots say they wait for.
    fn make_queues(&mut self) -> Result<(), Error> {
        let mut waiting: HashMap<Ref, Vec<(u64, u32)>> = HashMap::new();
        for index in 0..self.store.slots_allocated(self.map) {
            let view = SlotView::new(self.map, index);
            let place = view.waiting().load(Ordering::Relaxed);
            if place == 0 || view.state().load(Ordering::Acquire) == 0 || self.node(place).is_err() {
                continue;
            }
            let owner = Owner::new(index, view.generation().load(Ordering::Relaxed));
            if view.wake().load(Ordering::Acquire) == 0 && !self.store.is_dead(self.map, owner) {
                let ticket = view.ticket().load(Ordering::Relaxed);
                waiting.entry(place).or_default().push((ticket, index));
            }
        }
        let mut deaths: HashMap<u32, bool> = HashMap::new();
        let mut all = Vec::new();
        self.nodes(|node| all.push(node));
        for node in all {
            node.queue().store(0, Ordering::Relaxed);
            let mut word = Owner(node.lock().load(Ordering::Acquire));
            let mut queue = waiting.remove(&node.place).unwrap_or_default();
            queue.sort_unstable();
            // Handed over, but the owner died before it woke the new one.
            if let Some(at) = queue.iter().position(|(_, index)| word.slot() == Some(*index)) {
                let (_, index) = queue.remove(at);
                if let Ok(view) = self.slot(index) {
                    view.wake().store(1, Ordering::Release);
                    let _ = rustix::thread::futex::wake(view.wake(), rustix::thread::futex::Flags::empty(), 1);
                }
            }
            for (_, index) in &queue {
                if let Ok(view) = self.slot(*index) {
                    view.next().store(0, Ordering::Relaxed);
                }
                self.append(node, *index).map_err(as_error)?;
            }
            if !queue.is_empty() && word.0 != 0 {
                // The bit may have been lost with the old queue.
                word = Owner(node.lock().fetch_or(Owner::WAITERS, Ordering::AcqRel));
            }
            let dead = word.0 != 0
                && *deaths.entry(word.bare().0).or_insert_with(|| self.store.is_dead(self.map, word.bare()));
            if dead || (word.0 == 0 && !queue.is_empty()) {
                self.hand_over(node).map_err(as_error)?;
            }
        }
        Ok(())
    }
}

fn as_error(fault: Fault) -> Error {
    match fault {
        Fault::Error(error) => error,
        Fault::Damaged(what) => Error::Damaged(what),
        Fault::Grow(_) | Fault::Rebalance => Error::Damaged("a rebuild asked for space"),
    }
}
