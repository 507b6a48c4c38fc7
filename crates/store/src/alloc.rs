//! Space for payloads: segregated free lists over the units of a shard's data chunks.
//!
//! A free block keeps its links and its size in its own bytes (first and last unit); a bit for its first and one for
//! its last unit in the chunk's bitmap tell neighbours that it is free, so freeing merges in constant time. Blocks
//! of up to 64 units have a bin for each size, larger ones eight bins for each doubling. A payload that finds no
//! single block is laid over several, so space is refused only when there is none.
//!
//! All of it is derived: a rebuild makes it anew from the nodes. All of it is under the shard lock, and nothing read
//! here is followed before it was checked to be a block of this shard.

use std::sync::atomic::Ordering;

use crate::layout::{CHUNK_UNITS, ChunkState, Ref, UNIT, block, chunk_of, chunk_ref, offset, shard};
use crate::shard::{Fault, Reach, ShardGuard};

/// Units at the beginning of a data chunk that hold its bitmap.
pub(crate) const BITMAP_UNITS: u32 = CHUNK_UNITS / 8 / UNIT as u32;
/// Units of the largest block.
pub(crate) const LARGEST: u32 = CHUNK_UNITS - BITMAP_UNITS;
/// Smallest block that a payload is split over, in units.
const FRAGMENT: u32 = 4;
/// Bins of free blocks.
pub(crate) const BINS: u32 = 104;

/// Offsets within a free block; its last word is its size again.
const FREE_NEXT: u64 = 0;
const FREE_PREV: u64 = 4;
const FREE_UNITS: u64 = 8;

/// The bin that holds free blocks of `units` units.
fn bin_of(units: u32) -> u32 {
    if units <= 64 {
        return units.saturating_sub(1);
    }
    let log = units.ilog2();
    64 + (log - 6) * 8 + ((units >> (log - 3)) & 7)
}

/// Units of a block with `bytes` payload bytes.
pub(crate) fn units_for(bytes: u32) -> u32 {
    (block::HEADER + u64::from(bytes)).div_ceil(UNIT) as u32
}

fn bytes_in(units: u32) -> u32 {
    units * UNIT as u32 - block::HEADER as u32
}

impl ShardGuard<'_> {
    pub(crate) fn is_data(&self, place: Ref, units: u32) -> bool {
        self.store
            .unit_in(self.map, place, ChunkState::Data(self.shard.id))
            .is_some_and(|unit| unit >= BITMAP_UNITS && units <= CHUNK_UNITS - unit)
    }

    pub(crate) fn read(&self, place: Ref, field: u64) -> u32 {
        self.map.window::<UNIT>(offset(place)).u32(field).load(Ordering::Relaxed)
    }

    fn write(&self, place: Ref, field: u64, value: u32) {
        self.map.window::<UNIT>(offset(place)).u32(field).store(value, Ordering::Relaxed);
    }

    /// The word and bit of the chunk's bitmap for `place`.
    fn boundary(&self, place: Ref) -> (&std::sync::atomic::AtomicU64, u64) {
        let first = place - place.wrapping_sub(chunk_ref(0)) % CHUNK_UNITS;
        let unit = u64::from(place - first);
        (self.map.u64(offset(first) + unit / 64 * 8), 1 << (unit % 64))
    }

    fn is_boundary(&self, place: Ref) -> bool {
        let (word, bit) = self.boundary(place);
        word.load(Ordering::Relaxed) & bit != 0
    }

    fn set_boundary(&self, place: Ref, on: bool) {
        let (word, bit) = self.boundary(place);
        let value = word.load(Ordering::Relaxed);
        word.store(if on { value | bit } else { value & !bit }, Ordering::Relaxed);
    }

    fn mark_bin(&self, bin: u32, used: bool) {
        let word = self.shard.word64(shard::BIN_MAP + u64::from(bin / 64) * 8);
        let bit = 1u64 << (bin % 64);
        let value = word.load(Ordering::Relaxed);
        word.store(if used { value | bit } else { value & !bit }, Ordering::Relaxed);
    }

    /// The first bin at or after `from` that has a block.
    fn next_bin(&self, from: u32) -> Option<u32> {
        for half in from / 64..2 {
            let word = self.shard.word64(shard::BIN_MAP + u64::from(half) * 8).load(Ordering::Relaxed);
            let word = if half == from / 64 { word & (u64::MAX << (from % 64)) } else { word };
            if word != 0 {
                return Some(half * 64 + word.trailing_zeros()).filter(|bin| *bin < BINS);
            }
        }
        None
    }

    /// Puts a block on the list of its bin and marks its ends.
    fn insert_free(&self, place: Ref, units: u32) {
        let bin = bin_of(units);
        let head = self.shard.bin(bin).load(Ordering::Relaxed);
        self.write(place, FREE_NEXT, head);
        self.write(place, FREE_PREV, 0);
        self.write(place, FREE_UNITS, units);
        self.write(place + units - 1, UNIT - 4, units);
        if head != 0 && self.is_data(head, 1) {
            self.write(head, FREE_PREV, place);
        }
        self.shard.bin(bin).store(place, Ordering::Relaxed);
        self.mark_bin(bin, true);
        self.set_boundary(place, true);
        self.set_boundary(place + units - 1, true);
    }

    /// Size of the free block at `place`, checked.
    pub(crate) fn free_units(&self, place: Ref) -> Result<u32, Fault> {
        if !self.is_data(place, 1) {
            return Err(Fault::Damaged("a free list leads outside the shard's data"));
        }
        let units = self.read(place, FREE_UNITS);
        if units == 0 || units > LARGEST || !self.is_data(place, units) || !self.is_boundary(place) {
            return Err(Fault::Damaged("a free block has an impossible size"));
        }
        Ok(units)
    }

    /// Takes a block off its list.
    fn remove_free(&self, place: Ref, units: u32) -> Result<(), Fault> {
        let (next, prev) = (self.read(place, FREE_NEXT), self.read(place, FREE_PREV));
        let bin = bin_of(units);
        if next != 0 {
            if !self.is_data(next, 1) {
                return Err(Fault::Damaged("a free list leads outside the shard's data"));
            }
            self.write(next, FREE_PREV, prev);
        }
        if prev != 0 {
            if !self.is_data(prev, 1) {
                return Err(Fault::Damaged("a free list leads outside the shard's data"));
            }
            self.write(prev, FREE_NEXT, next);
        } else {
            if self.shard.bin(bin).load(Ordering::Relaxed) != place {
                return Err(Fault::Damaged("a free block is not the first of its list as it says"));
            }
            self.shard.bin(bin).store(next, Ordering::Relaxed);
            if next == 0 {
                self.mark_bin(bin, false);
            }
        }
        self.set_boundary(place, false);
        self.set_boundary(place + units - 1, false);
        Ok(())
    }

    /// Takes a whole free block out of the free lists.
    pub(crate) fn withdraw(&self, place: Ref, units: u32) -> Result<(), Fault> {
        self.take(place, units, units).map(drop)
    }

    /// Takes `want` units from the free block at `place`, giving the rest back.
    fn take(&self, place: Ref, units: u32, want: u32) -> Result<Ref, Fault> {
        self.remove_free(place, units)?;
        if units == LARGEST {
            self.shard.add(shard::EMPTY_CHUNKS, -1);
        }
        if units > want {
            self.insert_free(place + want, units - want);
        }
        self.shard.add(shard::FREE_UNITS, -i64::from(want));
        Ok(place)
    }

    /// A block of exactly `want` units from the free lists.
    fn take_fit(&self, want: u32) -> Result<Option<Ref>, Fault> {
        let own = bin_of(want);
        let mut place = self.shard.bin(own).load(Ordering::Relaxed);
        // In the larger bins a block may be a little too small: look at a few.
        for _ in 0..8 {
            if place == 0 {
                break;
            }
            let units = self.free_units(place)?;
            if units >= want {
                return self.take(place, units, want).map(Some);
            }
            place = self.read(place, FREE_NEXT);
        }
        let Some(bin) = self.next_bin(own + 1) else { return Ok(None) };
        let place = self.shard.bin(bin).load(Ordering::Relaxed);
        let units = self.free_units(place)?;
        if units < want {
            return Err(Fault::Damaged("a free block is in the wrong list"));
        }
        self.take(place, units, want).map(Some)
    }

    /// The largest free block or so, whole, where it is worth splitting a payload over.
    fn take_fragment(&self) -> Result<Option<(Ref, u32)>, Fault> {
        let Some(bin) = (0..2u32).rev().find_map(|half| {
            let word = self.shard.word64(shard::BIN_MAP + u64::from(half) * 8).load(Ordering::Relaxed);
            (word != 0).then(|| half * 64 + 63 - word.leading_zeros())
        }) else {
            return Ok(None);
        };
        let place = self.shard.bin(bin.min(BINS - 1)).load(Ordering::Relaxed);
        let units = self.free_units(place)?;
        if units < FRAGMENT {
            return Ok(None);
        }
        self.take(place, units, units).map(|place| Some((place, units)))
    }

    /// Makes a free block of `units` units at `place`, merged with its free neighbours; a chunk that becomes empty
    /// goes back to all shards when this shard has another empty one.
    pub(crate) fn give(&self, place: Ref, units: u32) -> Result<(), Fault> {
        if units == 0 || !self.is_data(place, units) || self.is_boundary(place) {
            return Err(Fault::Damaged("a block to be freed is none"));
        }
        let chunk = chunk_of(place).unwrap_or(0);
        let (low, high) = (chunk_ref(chunk) + BITMAP_UNITS, chunk_ref(chunk) + CHUNK_UNITS);
        let (mut first, mut end) = (place, place + units);
        if first > low && self.is_boundary(first - 1) {
            let before = self.read(first - 1, UNIT - 4);
            if before > first - low || self.free_units(first - before)? != before {
                return Err(Fault::Damaged("a free block has two sizes"));
            }
            self.remove_free(first - before, before)?;
            first -= before;
        }
        if end < high && self.is_boundary(end) {
            let after = self.free_units(end)?;
            self.remove_free(end, after)?;
            end += after;
        }
        self.shard.add(shard::FREE_UNITS, i64::from(units));
        if end - first == LARGEST {
            // One is kept, to save taking it again at once; where the store is at its full size others may need it.
            if self.shard.get(shard::EMPTY_CHUNKS) > 0 || !self.store.can_grow(self.map) {
                self.shard.add(shard::FREE_UNITS, -i64::from(LARGEST));
                self.store.release_chunk(self.map, chunk);
                return Ok(());
            }
            self.shard.add(shard::EMPTY_CHUNKS, 1);
        }
        self.insert_free(first, end - first);
        Ok(())
    }

    /// Makes a chunk a data chunk whose units outside `used` (one bit a unit) are free.
    pub(crate) fn adopt_data_chunk(&self, chunk: u32, used: Option<&[u64; (CHUNK_UNITS / 64) as usize]>) {
        let first = chunk_ref(chunk);
        self.map.zero(offset(first), u64::from(BITMAP_UNITS) * UNIT);
        let free = |from: u32, to: u32| {
            if to > from {
                self.insert_free(first + from, to - from);
                self.shard.add(shard::FREE_UNITS, i64::from(to - from));
                if to - from == LARGEST {
                    self.shard.add(shard::EMPTY_CHUNKS, 1);
                }
            }
        };
        let Some(used) = used else {
            free(BITMAP_UNITS, CHUNK_UNITS);
            return;
        };
        let mut from = BITMAP_UNITS;
        for (i, word) in used.iter().enumerate() {
            if *word == 0 {
                continue;
            }
            for bit in 0..64 {
                let unit = i as u32 * 64 + bit;
                if word & 1 << bit != 0 && unit >= BITMAP_UNITS {
                    free(from, unit);
                    from = unit + 1;
                }
            }
        }
        free(from, CHUNK_UNITS);
    }

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

    /// Where this seat's spare block is kept.
    #[inline(always)]
    fn own_spare(&self) -> u64 {
        shard::SPARES + u64::from(self.me.index % shard::SPARE_COUNT) * 8
    }

    /// The seat's spare block, if it has exactly `units` units. An update that does not change its size thus neither splits
    /// nor merges, and touches no neighbour. Those of other seats are left to them: their bytes lie in other processors'
    /// caches, and fetching them takes longer than all else that a commit does.
    #[inline(always)]
    fn take_spare(&self, units: u32) -> Option<Ref> {
        let spare = self.own_spare();
        let place = self.shard.get(spare);
        if place == 0 || self.shard.get(spare + 4) != units || !self.is_data(place, units) {
            return None;
        }
        self.shard.set(spare, 0);
        Some(place)
    }

    /// Makes a freed block the seat's spare one, and the former spare one an ordinary free block.
    fn keep_spare(&self, place: Ref, units: u32) -> Result<(), Fault> {
        if units == 0 || !self.is_data(place, units) || self.spares().any(|(_, spare, _)| spare == place) {
            return Err(Fault::Damaged("a block to be freed is none"));
        }
        let spare = self.own_spare();
        if self.shard.get(spare) != 0 {
            self.give_spare(spare)?;
        }
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
        // What nearly every update comes to: one block, and this seat has no other spare one.
        let spare = self.own_spare();
        if self.shard.get(spare) == 0
            && !(0..shard::SPARE_COUNT).any(|i| self.shard.get(shard::SPARES + 8 * u64::from(i)) == first)
            && let Some(unit) = self.store.unit_in(self.map, first, ChunkState::Data(self.shard.id))
        {
            let words = self.map.window::<UNIT>(offset(first));
            let units = units_for(words.u32(block::BYTES).load(Ordering::Relaxed));
            let is_single = words.u32(block::NEXT).load(Ordering::Relaxed) == 0;
            if is_single && unit >= BITMAP_UNITS && units <= CHUNK_UNITS - unit {
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
            if bytes > bytes_in(LARGEST) || steps > crate::payload::MAX_BLOCKS {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_rise_with_size_and_stay_in_range() {
        let mut last = 0;
        for units in 1..=LARGEST {
            let bin = bin_of(units);
            assert!(bin == last || bin == last + 1, "{units} units: bin {bin} after {last}");
            assert!(bin < BINS);
            last = bin;
        }
        assert_eq!(last, BINS - 1);
    }

    #[test]
    fn a_block_holds_the_bytes_it_is_sized_for() {
        for bytes in [1, 40, 41, 104, 105, 1024, 130_000] {
            assert!(bytes_in(units_for(bytes)) >= bytes);
            assert!(units_for(bytes) == 1 || bytes_in(units_for(bytes) - 1) < bytes);
        }
    }
}
