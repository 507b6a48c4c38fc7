//! The words of the store file that are packed: entries of the chunk table, heads of nodes, lock words. No I/O, no memory
//! access; `layout` says where they lie. A change of any packing changes [`crate::file::layout::FORMAT`].

use super::layout::{MAX_SLOTS, Ref};

/// What a chunk is used for, as its entry in the chunk table says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ChunkState {
    /// Never used: all zero.
    New,
    /// Was used, holds old bytes.
    Released,
    /// Being prepared by the holder of this shard's lock; a rebuild releases it.
    Claimed(u32),
    /// Session nodes of this shard.
    Nodes(u32),
    /// Payload blocks of this shard.
    Data(u32),
    /// Index buckets of this shard.
    Index(u32),
}

impl ChunkState {
    /// The table entry: kind in the low byte, shard above. `None` for an unknown kind.
    pub(crate) const fn decode(entry: u32) -> Option<ChunkState> {
        let shard = entry >> 8;
        Some(match entry & 0xff {
            0 if shard == 0 => ChunkState::New,
            1 if shard == 0 => ChunkState::Released,
            2 => ChunkState::Claimed(shard),
            3 => ChunkState::Nodes(shard),
            4 => ChunkState::Data(shard),
            5 => ChunkState::Index(shard),
            _ => return None,
        })
    }

    /// The reverse of [`ChunkState::decode`].
    pub(crate) const fn encode(self) -> u32 {
        match self {
            ChunkState::New => 0,
            ChunkState::Released => 1,
            ChunkState::Claimed(shard) => 2 | shard << 8,
            ChunkState::Nodes(shard) => 3 | shard << 8,
            ChunkState::Data(shard) => 4 | shard << 8,
            ChunkState::Index(shard) => 5 | shard << 8,
        }
    }
}

/// State of a node, the low two bits of its head.
///
/// ```text
///                    +--replace--> Retired --grace over--+
///                    |                                   v
/// Free --create--> Live ------------destroy---------> Tombstone --create--> Live (next incarnation)
///   ^               |                                    |
///   +----expire, evict-----------------age---------------+
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NodeState {
    /// No session.
    Free,
    /// A session.
    Live,
    /// A destroyed session that is remembered.
    Tombstone,
    /// A session whose id was replaced: ended as a tombstone is, but its last payload can be read for a while.
    Retired,
}

/// A node's head word: the block of the current payload (high 32 bits), the version (30 bits), the state (2 bits).
/// Publishing a payload, creating and ending a session are each one store of this word; the version rises with
/// every store, over all sessions that ever use the node, so an unchanged head means an unchanged session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head(pub(crate) u64);

impl Head {
    pub(crate) const fn new(block: Ref, version: u32, state: NodeState) -> Head {
        let state = match state {
            NodeState::Free => 0,
            NodeState::Live => 1,
            NodeState::Tombstone => 2,
            NodeState::Retired => 3,
        };
        Head((block as u64) << 32 | ((version & 0x3fff_ffff) as u64) << 2 | state)
    }

    pub(crate) const fn block(self) -> Ref {
        (self.0 >> 32) as u32
    }

    pub(crate) const fn version(self) -> u32 {
        (self.0 as u32) >> 2
    }

    /// The state.
    pub(crate) const fn state(self) -> NodeState {
        match self.0 & 3 {
            1 => NodeState::Live,
            2 => NodeState::Tombstone,
            3 => NodeState::Retired,
            _ => NodeState::Free,
        }
    }

    /// This head, retired: the payload and its version stay, as its checksum names both.
    pub(crate) const fn retired(self) -> Head {
        Head::new(self.block(), self.version(), NodeState::Retired)
    }

    /// The head that follows this one.
    pub(crate) const fn next(self, block: Ref, state: NodeState) -> Head {
        Head::new(block, self.version().wrapping_add(1), state)
    }
}

/// A lock word: 0 = free, else the owner's owner slot plus one (13 bits), the low 18 bits of the owner slot's generation, and
/// a bit that says that a thread waits.
///
/// | word | session lock | shard lock |
/// |---|---|---|
/// | 0 | free | free |
/// | owner | held, nobody waits: the owner may store 0 | held, nobody sleeps |
/// | owner + WAITERS | held, somebody is queued: hand over under the shard lock | held, wake one on release |
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Owner(pub(crate) u32);

impl Owner {
    pub(crate) const WAITERS: u32 = 1 << 31;

    pub(crate) const fn new(slot: u32, generation: u32) -> Owner {
        Owner((slot + 1) | (generation & 0x3_ffff) << 13)
    }

    /// `generation` with the part of it that this word names.
    pub(crate) const fn in_generation(self, generation: u32) -> u32 {
        generation & !0x3_ffff | self.0 >> 13 & 0x3_ffff
    }

    /// The word without the waiters bit.
    pub(crate) const fn bare(self) -> Owner {
        Owner(self.0 & !Owner::WAITERS)
    }

    /// The owner slot, if the word names one that can exist.
    pub(crate) const fn slot(self) -> Option<u32> {
        match (self.0 & 0x1fff).checked_sub(1) {
            Some(slot) if slot < MAX_SLOTS => Some(slot),
            _ => None,
        }
    }
}
