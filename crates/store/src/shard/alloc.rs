//! Space for payloads: chains of blocks out of the shard's free space, and the spare blocks that are kept for the next update
//! of the same size.
//!
//! A payload that finds no single block is laid over several, so space is refused only when there is none. What is needed
//! beyond the shard's own free space comes, in this order, from chunks that no shard uses, from what has expired, from growth
//! of the file, from other shards, and from sessions that may be evicted.
//!
//! All of it is under the shard lock, and nothing read here is followed before it was checked to be a block of this shard.

use std::sync::atomic::Ordering;

use crate::file::layout::{CHUNK_UNITS, Ref, UNIT, block, offset, shard};
use crate::file::words::ChunkState;
use crate::shard::free_space::{BITMAP_UNITS, LARGEST, bytes_in, units_for};
use crate::shard::guard::{Fault, Reach, ShardGuard};

/// What a spare block says instead of the next block of a chain, so that a stray word does not make a spare one of a block that
/// is in use: that many units no file has.
const SPARE: Ref = Ref::MAX;

impl ShardGuard<'_> {
    /// Another data chunk from those that no shard uses.
    fn add_data_chunk(&self) -> bool {
        let Some((chunk, _)) = self.store.take_chunk(self.map, self.shard.id) else { return false };
        self.store.set_chunk_state(self.map, chunk, ChunkState::Data(self.shard.id));
        self.adopt_data_chunk(chunk, None);
        true
    }

    /// Space for `len` payload bytes (more than 0): the first block of a chain with its links and sizes set, owned
    /// by the caller. Reclaims and evicts where nothing else helps, but never `self.keep`.
    #[inline(always)]
    pub(crate) fn alloc_chain(&mut self, len: u32) -> Result<Ref, Fault> {
        if len <= bytes_in(LARGEST)
            && let Some(place) = self.take_spare(units_for(len))
        {
            let words = self.map.window::<UNIT>(offset(place));
            words.u32(block::NEXT).store(0, Ordering::Relaxed);
            words.u32(block::BYTES).store(len, Ordering::Relaxed);
            words.u32(block::TOTAL).store(len, Ordering::Relaxed);
            return Ok(place);
        }
        self.alloc_blocks(len)
    }

    #[inline(never)]
    fn alloc_blocks(&mut self, len: u32) -> Result<Ref, Fault> {
        let (mut first, mut last, mut rest) = (0, 0, len);
        while rest > 0 {
            let bytes = rest.min(bytes_in(LARGEST));
            let (place, bytes) = match self.alloc_block(bytes) {
                Ok(found) => found,
                Err(fault) => {
                    if first != 0 && !matches!(fault, Fault::Damaged(_)) {
                        self.free_chain(first)?;
                    }
                    return Err(fault);
                }
            };
            self.write(place, block::NEXT, 0);
            self.write(place, block::BYTES, bytes);
            if last == 0 {
                self.write(place, block::TOTAL, len);
                first = place;
            } else {
                self.write(last, block::NEXT, place);
            }
            last = place;
            rest -= bytes;
        }
        Ok(first)
    }

    /// Space for `len` payload bytes in the shard's free blocks, as [`ShardGuard::alloc_chain`] gives it; `None` where
    /// they do not suffice. Reclaims nothing, evicts nothing and asks nobody.
    pub(crate) fn alloc_within(&mut self, len: u32) -> Result<Option<Ref>, Fault> {
        let searched = std::mem::replace(&mut self.reach, Reach::FreeLists);
        let place = self.alloc_blocks(len);
        self.reach = searched;
        match place {
            Ok(place) => Ok(Some(place)),
            Err(Fault::Error(_)) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// One block for `bytes` payload bytes, or for as many of them as a fragment takes.
    fn alloc_block(&mut self, bytes: u32) -> Result<(Ref, u32), Fault> {
        let mut swept = false;
        loop {
            if let Some(place) = self.take_fit(units_for(bytes))? {
                return Ok((place, bytes));
            }
            let inside = self.reach == Reach::FreeLists;
            if !inside {
                if self.give_spares()? || self.add_data_chunk() || self.sweep_once(&mut swept)? {
                    continue;
                }
                self.ask_for_growth()?;
            }
            if let Some((place, units)) = self.take_fragment()? {
                return Ok((place, bytes.min(bytes_in(units))));
            }
            if inside {
                return Err(Fault::Error(self.full()));
            }
            self.ask_other_shards()?;
            if !self.evict()? {
                return Err(Fault::Error(self.full()));
            }
        }
    }

    /// Where this owner slot's spare block is kept.
    #[inline(always)]
    fn own_spare(&self) -> u64 {
        shard::SPARES + u64::from(self.me.index % shard::SPARE_COUNT) * 8
    }

    /// The owner slot's spare block, if it has exactly `units` units. An update that does not change its size thus neither splits
    /// nor merges, and touches no neighbour. Those of other owner slots are left to them: their bytes lie in other processors'
    /// caches, and fetching them takes longer than all else that a commit does.
    #[inline(always)]
    fn take_spare(&self, units: u32) -> Option<Ref> {
        let spare = self.own_spare();
        let place = self.shard.get(spare);
        if place == 0 || self.shard.get(spare + 4) != units || !self.is_data(place, units) {
            return None;
        }
        self.shard.set(spare, 0);
        if !self.is_spare(place, units) {
            self.shard.word(shard::DIRTY).store(1, Ordering::Relaxed);
            return None;
        }
        Some(place)
    }

    /// Whether the block at `place` itself says that it is a spare one of `units` units.
    #[inline(always)]
    fn is_spare(&self, place: Ref, units: u32) -> bool {
        let words = self.map.window::<UNIT>(offset(place));
        words.u32(block::NEXT).load(Ordering::Relaxed) == SPARE
            && units_for(words.u32(block::BYTES).load(Ordering::Relaxed)) == units
    }

    /// Makes a freed block the owner slot's spare one, and the former spare one an ordinary free block.
    fn keep_spare(&self, place: Ref, units: u32) -> Result<(), Fault> {
        if units == 0 || !self.is_data(place, units) || self.spares().any(|(_, spare, _)| spare == place) {
            return Err(Fault::Damaged("a block to be freed is none"));
        }
        let spare = self.own_spare();
        if self.shard.get(spare) != 0 {
            self.give_spare(spare)?;
        }
        self.write(place, block::NEXT, SPARE);
        self.shard.set(spare + 4, units);
        self.shard.set(spare, place);
        Ok(())
    }

    /// The spare blocks: where each is kept, its place and its units.
    pub(crate) fn spares(&self) -> impl Iterator<Item = (u64, Ref, u32)> {
        (0..u64::from(shard::SPARE_COUNT)).filter_map(|i| {
            let kept = shard::SPARES + 8 * i;
            let place = self.shard.get(kept);
            (place != 0).then(|| (kept, place, self.shard.get(kept + 4)))
        })
    }

    fn give_spare(&self, spare: u64) -> Result<(), Fault> {
        let (place, units) = (self.shard.get(spare), self.shard.get(spare + 4));
        self.shard.set(spare, 0);
        if !self.is_data(place, units) || !self.is_spare(place, units) {
            return Err(Fault::Damaged("a spare block is none"));
        }
        self.give(place, units)
    }

    /// Puts the spare blocks into the free lists; `false` where there is none.
    #[inline(never)]
    pub(crate) fn give_spares(&self) -> Result<bool, Fault> {
        let mut found = false;
        for (spare, ..) in self.spares() {
            self.give_spare(spare)?;
            found = true;
        }
        Ok(found)
    }

    /// Gives all blocks of a chain back, and says how many bytes its payload had.
    #[inline(always)]
    pub(crate) fn free_chain(&mut self, first: Ref) -> Result<u32, Fault> {
        // What nearly every update comes to: one block, and this owner slot has no other spare one.
        let spare = self.own_spare();
        if self.shard.get(spare) == 0
            && !(0..shard::SPARE_COUNT).any(|i| self.shard.get(shard::SPARES + 8 * u64::from(i)) == first)
            && let Some(unit) = self.store.unit_in(self.map, first, ChunkState::Data(self.shard.id))
        {
            let words = self.map.window::<UNIT>(offset(first));
            let units = units_for(words.u32(block::BYTES).load(Ordering::Relaxed));
            let is_single = words.u32(block::NEXT).load(Ordering::Relaxed) == 0;
            if is_single && unit >= BITMAP_UNITS && units <= CHUNK_UNITS - unit {
                words.u32(block::NEXT).store(SPARE, Ordering::Relaxed);
                self.shard.set(spare + 4, units);
                self.shard.set(spare, first);
                return Ok(words.u32(block::TOTAL).load(Ordering::Relaxed));
            }
        }
        self.free_whatever(first)
    }

    #[inline(never)]
    fn free_whatever(&mut self, first: Ref) -> Result<u32, Fault> {
        let mut total = 0;
        let mut place = first;
        let mut steps = 0;
        while place != 0 {
            if !self.is_data(place, 1) {
                return Err(Fault::Damaged("a payload leads outside the shard's data"));
            }
            let next = self.read(place, block::NEXT);
            let bytes = self.read(place, block::BYTES);
            if steps == 0 {
                total = self.read(place, block::TOTAL);
            }
            steps += 1;
            if bytes > bytes_in(LARGEST) || steps > crate::shard::payload::MAX_BLOCKS {
                return Err(Fault::Damaged("a payload block has an impossible size"));
            }
            if steps == 1 && next == 0 {
                self.keep_spare(place, units_for(bytes))?;
                return Ok(total);
            }
            self.give(place, units_for(bytes))?;
            place = next;
        }
        Ok(total)
    }
}
