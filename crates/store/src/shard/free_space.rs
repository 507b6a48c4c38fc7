//! Free space of a shard: segregated free lists over the units of its data chunks.
//!
//! A free block keeps its links and its size in its own bytes (first and last unit); a bit for its first and one for
//! its last unit in the chunk's bitmap tell neighbours that it is free, so freeing merges in constant time. Blocks
//! of up to 64 units have a bin for each size, larger ones eight bins for each doubling.
//!
//! All of it is derived: a rebuild makes it anew from the nodes. All of it is under the shard lock, and nothing read
//! here is followed before it was checked to be a block of this shard.

use std::sync::atomic::Ordering;

use crate::file::layout::{CHUNK_UNITS, Ref, UNIT, block, chunk_of, chunk_ref, offset, shard};
use crate::file::words::ChunkState;
use crate::shard::guard::{Fault, ShardGuard};

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

/// Payload bytes that fit into a block of `units` units.
pub(crate) fn bytes_in(units: u32) -> u32 {
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

    pub(crate) fn write(&self, place: Ref, field: u64, value: u32) {
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
    pub(crate) fn take_fit(&self, want: u32) -> Result<Option<Ref>, Fault> {
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
    pub(crate) fn take_fragment(&self) -> Result<Option<(Ref, u32)>, Fault> {
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
