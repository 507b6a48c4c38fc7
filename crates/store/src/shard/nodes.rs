//! Creating and freeing session nodes, and the list of free ones. All of it under the shard lock; the list is derived.

use std::sync::atomic::Ordering;

use crate::core::stats::{Counter, count};
use crate::file::error::Error;
use crate::file::layout::{CHUNK, CHUNK_UNITS, Ref, chunk_ref, header, node, offset, shard};
use crate::file::words::{ChunkState, NodeState};
use crate::shard::guard::{Fault, Reach, ShardGuard};
use crate::shard::node::Node;
use cloakroom_seam::Key;

/// Nodes in a chunk: the place of the first one holds the link to the next node chunk.
pub(crate) const NODES_PER_CHUNK: u32 = CHUNK_UNITS / node::UNITS - 1;
/// No store draws more numbers: a million a second for ten thousand years.
pub(crate) const MOST_NUMBERS: u64 = 1 << 58;
/// Offset of the link to the next node chunk.
pub(crate) const CHUNK_LINK: u64 = 0;

/// The `i`th node of a node chunk.
pub(crate) fn nth_node(chunk: u32, i: u32) -> Ref {
    chunk_ref(chunk) + (i + 1) * node::UNITS
}

impl<'a> ShardGuard<'a> {
    /// The error for a store that has no room left.
    pub(crate) fn full(&self) -> Error {
        if self.store.can_grow(self.map) {
            return self.store.no_space(self.map);
        }
        let used = self.store.fixed_bytes(self.map) + u64::from(self.store.chunks(self.map)) * CHUNK;
        Error::Full { used, capacity: self.map.u64(header::CAPACITY).load(Ordering::Relaxed) }
    }

    /// The next incarnation number of the store.
    pub(crate) fn next_number(&self) -> u64 {
        let next = self.map.u64(header::INCARNATION);
        // 0 stands for no session.
        match next.fetch_add(1, Ordering::Relaxed) {
            0 => next.fetch_add(1, Ordering::Relaxed),
            number => number,
        }
    }

    /// Creates a live session without payload for `key`, which has no node.
    #[inline(never)]
    pub(crate) fn create(&mut self, key: &Key, wall: u32, lifetime: u32) -> Result<Node<'a>, Fault> {
        self.limit_reserved()?;
        let node = self.add_node(key)?;
        self.begin(node, wall, lifetime)?;
        Ok(node)
    }

    /// Takes a free node and puts it into the index under `key`, which has none.
    pub(crate) fn add_node(&mut self, key: &Key) -> Result<Node<'a>, Fault> {
        if !self.has_index() {
            if self.shard.get(shard::LIVE) > 0 || self.shard.get(shard::TOMBSTONES) > 0 {
                return Err(Fault::Damaged("the index directory leads to no bucket"));
            }
            self.clear_index()?;
        }
        let node = self.take_node()?;
        node.set_key(key);
        node.ended().store(0, Ordering::Relaxed);
        if let Err(fault) = self.insert(node) {
            self.put_back(node);
            return Err(fault);
        }
        Ok(node)
    }

    /// Begins a new incarnation in a node that is free or a tombstone, in the index under its key.
    pub(crate) fn begin(&mut self, node: Node<'_>, wall: u32, lifetime: u32) -> Result<(), Fault> {
        let head = node.head();
        if head.state() == NodeState::Tombstone {
            self.unlink(node)?;
            self.shard.add(shard::TOMBSTONES, -1);
        }
        node.incarnation().store(self.next_number(), Ordering::Relaxed);
        node.created().store(wall, Ordering::Relaxed);
        node.clear_life();
        node.mark_seen(wall, self.store.now(self.map), lifetime);
        node.check().store(node.identity(self.store.check_seed), Ordering::Relaxed);
        node.head_word().store(head.next(0, NodeState::Live).0, Ordering::Release);
        self.shard.add(shard::LIVE, 1);
        self.link(node, shard::RESERVED);
        count(self.map, self.me, Counter::Creates, 1);
        Ok(())
    }

    /// Takes a node off the free list, from a new chunk or an evicted session where it is empty.
    fn take_node(&mut self) -> Result<Node<'a>, Fault> {
        let mut swept = false;
        loop {
            let head = self.shard.get(shard::FREE_NODES);
            if head != 0 {
                let node = self.node(head)?;
                if node.head().state() != NodeState::Free {
                    return Err(Fault::Damaged("a node on the free list is in use"));
                }
                self.shard.set(shard::FREE_NODES, node.next().load(Ordering::Relaxed));
                self.shard.add(shard::FREE_NODE_COUNT, -1);
                return Ok(node);
            }
            if self.add_node_chunk() {
                continue;
            }
            if self.sweep_once(&mut swept)? {
                continue;
            }
            self.ask_for_growth()?;
            self.ask_other_shards()?;
            if !self.evict()? {
                return Err(Fault::Error(self.full()));
            }
        }
    }

    /// Reclaims what has expired, if that was not tried before; `true` where something was.
    pub(crate) fn sweep_once(&mut self, swept: &mut bool) -> Result<bool, Fault> {
        Ok(!std::mem::replace(swept, true) && self.sweep(256)? > 0)
    }

    /// Ends the operation, to be run again with a larger file, where the store may still grow.
    pub(crate) fn ask_for_growth(&self) -> Result<(), Fault> {
        if self.reach == Reach::Growth && self.store.can_grow(self.map) {
            return Err(Fault::Grow(self.store.chunks(self.map)));
        }
        Ok(())
    }

    /// Ends the operation, to be run again when another shard was asked for a chunk.
    pub(crate) fn ask_other_shards(&self) -> Result<(), Fault> {
        if matches!(self.reach, Reach::Growth | Reach::OtherShards) { Err(Fault::Rebalance) } else { Ok(()) }
    }

    fn put_back(&self, node: Node<'_>) {
        node.next().store(self.shard.get(shard::FREE_NODES), Ordering::Relaxed);
        self.shard.set(shard::FREE_NODES, node.place);
        self.shard.add(shard::FREE_NODE_COUNT, 1);
    }

    fn add_node_chunk(&self) -> bool {
        let Some((chunk, zero)) = self.store.take_chunk(self.map, self.shard.id) else { return false };
        if !zero {
            self.map.zero(offset(chunk_ref(chunk)), CHUNK);
        }
        self.store.set_chunk_state(self.map, chunk, ChunkState::Nodes(self.shard.id));
        self.adopt_node_chunk(chunk);
        for i in (0..NODES_PER_CHUNK).rev() {
            self.put_back(Node::new(self.map, nth_node(chunk, i)));
        }
        true
    }

    /// Links a node chunk into the shard's list of them.
    pub(crate) fn adopt_node_chunk(&self, chunk: u32) {
        let link = self.map.u32(offset(chunk_ref(chunk)) + CHUNK_LINK);
        link.store(self.shard.get(shard::NODE_CHUNKS), Ordering::Relaxed);
        // Chunk numbers are stored plus one: 0 ends the list.
        self.shard.set(shard::NODE_CHUNKS, chunk + 1);
    }

    /// The node chunk after `chunk` (`None`: the first).
    pub(crate) fn next_node_chunk(&self, chunk: Option<u32>) -> Option<u32> {
        let link = match chunk {
            None => self.shard.get(shard::NODE_CHUNKS),
            Some(chunk) => self.map.u32(offset(chunk_ref(chunk)) + CHUNK_LINK).load(Ordering::Relaxed),
        };
        self.node_chunk(link.checked_sub(1)?)
    }

    pub(crate) fn node_chunk(&self, chunk: u32) -> Option<u32> {
        let first = chunk_ref(chunk.min(crate::file::layout::MAX_CHUNKS));
        self.store.within(self.map, first, CHUNK_UNITS, ChunkState::Nodes(self.shard.id)).then_some(chunk)
    }

    /// Ends the session in `node`, whose session lock is this thread's or free, and frees node and payload.
    pub(crate) fn free(&mut self, node: Node<'_>) -> Result<(), Fault> {
        let head = node.head();
        self.remove(node)?;
        self.unlink(node)?;
        node.head_word().store(head.next(0, NodeState::Free).0, Ordering::Release);
        self.shard.add(if head.state() == NodeState::Live { shard::LIVE } else { shard::TOMBSTONES }, -1);
        if head.state() == NodeState::Retired {
            self.drop_retired(head.block())?;
        } else {
            self.drop_payload(head.block())?;
        }
        self.put_back(node);
        Ok(())
    }

    /// Frees a payload that no node refers to any more; its length.
    #[inline(always)]
    pub(crate) fn drop_payload(&mut self, block: Ref) -> Result<u32, Fault> {
        if block == 0 {
            return Ok(0);
        }
        let total = self.free_chain(block)?;
        self.shard.add64(shard::PAYLOAD_BYTES, -i64::from(total));
        Ok(total)
    }

    /// Calls `visit` with every node of the shard.
    pub(crate) fn nodes(&self, mut visit: impl FnMut(Node<'a>)) {
        let mut chunk = self.next_node_chunk(None);
        let mut seen = 0;
        while let Some(this) = chunk {
            for i in 0..NODES_PER_CHUNK {
                visit(Node::new(self.map, nth_node(this, i)));
            }
            seen += 1;
            // A list that leads in a circle is damage, which the checks and the rebuild find by the chunk table.
            chunk = if seen > self.store.chunks(self.map) { None } else { self.next_node_chunk(Some(this)) };
        }
    }
}

/// Whether any node has a session, or one whose id was replaced. Goes through all nodes.
pub(crate) fn has_sessions(store: &crate::core::store::Store, map: crate::file::region::Map<'_>) -> bool {
    let in_chunk = |chunk| {
        let mut nodes = (0..NODES_PER_CHUNK).map(|i| Node::new(map, nth_node(chunk, i)));
        nodes.any(|node| matches!(node.head().state(), NodeState::Live | NodeState::Retired))
    };
    let is_of_nodes = |&chunk: &u32| matches!(store.chunk_state(map, chunk), Some(ChunkState::Nodes(_)));
    (0..store.chunks(map)).filter(is_of_nodes).any(in_chunk)
}

/// The latest last use of any node, in seconds of the store clock; torn values that cannot be are passed over.
pub(crate) fn newest_use(store: &crate::core::store::Store, map: crate::file::region::Map<'_>) -> u32 {
    let mut newest = 0;
    for chunk in 0..store.chunks(map) {
        if matches!(store.chunk_state(map, chunk), Some(ChunkState::Nodes(_))) {
            for i in 0..NODES_PER_CHUNK {
                let node = Node::new(map, nth_node(chunk, i));
                if node.is_live() && node.check().load(Ordering::Relaxed) == node.identity(store.check_seed) {
                    newest = newest.max(node.last_use());
                }
            }
        }
    }
    newest
}
