//! Space for one shard out of another. Space moves between shards by whole chunks, and free space is scattered: once the
//! file has its full size, a shard may have nothing left while the others together have plenty. Then the one with the
//! most room empties a chunk: it moves the payloads in it into its other chunks, and gives the chunk to all.
//!
//! A payload is moved as it is written: into blocks that nobody refers to yet, published by one store of the head. Its
//! version stays, for it is the same payload. Only sessions whose lock is free are moved.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use cloakroom_seam::Room;

use crate::core::clock::Clock;
use crate::core::owner_slot::Slot;
use crate::core::store::Store;
use crate::file::error::Error;
use crate::file::layout::{Ref, block, chunk_of, offset, shard};
use crate::file::words::{ChunkState, Head};
use crate::shard::free_space::LARGEST;
use crate::shard::guard::{Fault, Shard, ShardGuard};
use crate::shard::node::Node;
use crate::shard::payload::{self, Binding, walk_chain};

/// Donors that are asked before an operation goes on without.
const DONORS: usize = 2;
/// Free units that a shard must have to be asked: what is left of it after it gave a chunk still takes a payload.
const PLENTY: u32 = LARGEST + LARGEST / 2;

/// A chunk that is being emptied: none of its units are in the free lists.
struct Emptied {
    chunk: u32,
    /// What was free before.
    free: Vec<(Ref, u32)>,
    /// What has become free since.
    left: Vec<(Ref, u32)>,
    /// Units still in use.
    used: u32,
}

impl Store {
    /// Lets another shard than `needy` give a chunk to all; `false` where none can. Call without any shard lock.
    #[cold]
    pub(crate) fn rebalance(self: &Arc<Store>, me: Slot, needy: u32) -> Result<bool, Error> {
        // Where it was tried in vain, a flood of requests must not try it each time.
        let second = Clock::coarse_second();
        if self.rebalanced_in_vain.load(Ordering::Relaxed) == second {
            return Ok(false);
        }
        let map = self.map()?;
        if self.search_anew(map) {
            return Ok(true);
        }
        let mut donors: Vec<(u32, u32)> = (0..self.shards)
            .filter(|id| *id != needy)
            .map(|id| (spare_and_free(Shard::new(map, id)), id))
            .filter(|(free, _)| *free >= PLENTY)
            .collect();
        donors.sort_unstable_by(|a, b| b.cmp(a));
        // A donor that cannot be asked (a process was stopped in it) is no reason for this operation to fail.
        let ask = |id| matches!(self.with_shard(me, id, |guard| guard.empty()), Ok(true));
        let given = donors.iter().take(DONORS).any(|(_, id)| ask(*id));
        if !given && !donors.is_empty() {
            self.rebalanced_in_vain.store(second, Ordering::Relaxed);
        }
        Ok(given)
    }
}

/// Units of a shard that hold nothing, as far as can be seen without its lock.
fn spare_and_free(shard: Shard<'_>) -> u32 {
    let spares = (0..u64::from(shard::SPARE_COUNT)).map(|i| shard::SPARES + 8 * i);
    let units = spares.filter(|kept| shard.get(*kept) != 0).map(|kept| shard.get(kept + 4).min(LARGEST)).sum::<u32>();
    shard.get(shard::FREE_UNITS).saturating_add(units)
}

impl<'a> ShardGuard<'a> {
    /// Empties a data chunk and gives it to all shards; `false` where that cannot be done.
    fn empty(&mut self) -> Result<bool, Fault> {
        self.give_spares()?;
        let Some(mut emptied) = self.set_apart()? else { return Ok(false) };
        for whole_chains in [false, true] {
            if emptied.used > 0 {
                self.move_out(&mut emptied, whole_chains)?;
            }
        }
        if emptied.used == 0 {
            self.store.release_chunk(self.map, emptied.chunk);
            return Ok(true);
        }
        for (place, units) in emptied.free.into_iter().chain(emptied.left) {
            self.give(place, units)?;
        }
        Ok(false)
    }

    /// Takes all free blocks of the chunk that has the most of them out of the free lists, if what it holds finds room
    /// elsewhere in the shard.
    fn set_apart(&mut self) -> Result<Option<Emptied>, Fault> {
        let mut best: Option<(u32, u32)> = None;
        for chunk in 0..self.store.chunks(self.map) {
            if self.store.is_chunk(self.map, chunk, ChunkState::Data(self.shard.id)) {
                let free = self.free_blocks(chunk)?.iter().map(|(_, units)| units).sum();
                if best.is_none_or(|(most, _)| free > most) {
                    best = Some((free, chunk));
                }
            }
        }
        let Some((free, chunk)) = best else { return Ok(None) };
        let used = LARGEST.saturating_sub(free);
        if self.shard.get(shard::FREE_UNITS).saturating_sub(free) < used {
            return Ok(None);
        }
        let blocks = self.free_blocks(chunk)?;
        for (place, units) in &blocks {
            self.withdraw(*place, *units)?;
        }
        Ok(Some(Emptied { chunk, free: blocks, left: Vec::new(), used }))
    }

    /// Moves the payloads out that begin in the chunk or, looking at every payload of several blocks, reach into it.
    fn move_out(&mut self, emptied: &mut Emptied, whole_chains: bool) -> Result<(), Fault> {
        let mut nodes: Vec<Node<'a>> = Vec::new();
        self.nodes(|node| {
            let first = node.head().block();
            let begins = chunk_of(first) == Some(emptied.chunk);
            let in_several = || self.is_data(first, 1) && self.read(first, block::NEXT) != 0;
            if first != 0 && (begins || (whole_chains && in_several())) {
                nodes.push(node);
            }
        });
        for node in nodes {
            if emptied.used == 0 {
                break;
            }
            if !self.seize(node)? {
                continue;
            }
            let moved = self.move_payload(node, emptied);
            self.unseize(node);
            if !moved? {
                break;
            }
        }
        Ok(())
    }

    /// Moves the payload of `node`, whose session lock is held, if any of it lies in the chunk; `false` where no room
    /// is left.
    fn move_payload(&mut self, node: Node<'_>, emptied: &mut Emptied) -> Result<bool, Fault> {
        let head = node.head();
        let mut blocks = Vec::new();
        let walked = walk_chain(self.store, self.map, self.shard.id, head.block(), None, |place, units| {
            blocks.push((place, units));
            true
        });
        let Ok(total) = walked else { return Err(Fault::Damaged("a session's blocks do not form its payload")) };
        if !blocks.iter().any(|(place, _)| chunk_of(*place) == Some(emptied.chunk)) {
            return Ok(true);
        }
        let binding = Binding {
            key: node.key(),
            incarnation: node.incarnation().load(Ordering::Relaxed),
            version: head.version(),
        };
        let mut bytes = vec![0; total as usize];
        if payload::read_chain(self.store, self.map, self.shard.id, head.block(), binding, &mut Room::over(&mut bytes))
            .is_err()
        {
            // The request that reads it finds that out and reports it; it stays where it is.
            return Ok(true);
        }
        let Some(place) = self.alloc_within(total)? else { return Ok(false) };
        payload::write_chain(self.map, place, &bytes);
        payload::seal(self.map, place, payload::hash(self.store, &bytes), binding);
        node.head_word().store(Head::new(place, head.version(), head.state()).0, Ordering::Release);
        for (place, units) in blocks {
            if chunk_of(place) == Some(emptied.chunk) {
                emptied.left.push((place, units));
                emptied.used = emptied.used.saturating_sub(units);
            } else {
                self.give(place, units)?;
            }
        }
        Ok(true)
    }

    /// The free blocks of a data chunk, as its bitmap tells.
    fn free_blocks(&self, chunk: u32) -> Result<Vec<(Ref, u32)>, Fault> {
        let first = crate::file::layout::chunk_ref(chunk);
        let mut found = Vec::new();
        let mut unit = crate::shard::free_space::BITMAP_UNITS;
        while unit < crate::file::layout::CHUNK_UNITS {
            let word = self.map.u64(offset(first) + u64::from(unit / 64) * 8).load(Ordering::Relaxed);
            let rest = word >> (unit % 64);
            if rest == 0 {
                unit = (unit / 64 + 1) * 64;
                continue;
            }
            unit += rest.trailing_zeros();
            let units = self.free_units(first + unit)?;
            found.push((first + unit, units));
            unit += units;
        }
        Ok(found)
    }
}
