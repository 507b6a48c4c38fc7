//! How much of the file is allocated: chunks and owner slots. The header says so, and both only ever grow while a process has
//! the file attached, after the file itself has grown. So what this process has once found to be so is remembered, and the
//! header is believed beyond it only where the file bears it out: a stray word there must neither lead into memory that
//! no file is behind nor hide sessions. Where the header contradicts what is seen, it is put right.

use std::sync::atomic::Ordering;

use crate::core::store::Store;
use crate::file::layout::{CHUNK, MAX_CHUNKS, MAX_SLOTS, SLOT_SIZE, SLOTS_AT, file_len, header};
use crate::file::region::Map;

/// Owner slots in a page: the table of them grows by pages.
pub(crate) const SLOTS_PER_PAGE: u32 = (4096 / SLOT_SIZE) as u32;

/// Whole chunks in a file of `length` bytes.
pub(crate) fn chunks_in(length: u64) -> u32 {
    (length.saturating_sub(file_len(0)) / CHUNK).min(u64::from(MAX_CHUNKS)) as u32
}

impl Store {
    /// Chunks allocated in the file.
    #[inline]
    pub(crate) fn chunks(&self, map: Map<'_>) -> u32 {
        let said = map.u32(header::CHUNKS).load(Ordering::Acquire);
        if said == self.known_chunks.load(Ordering::Relaxed) { said } else { self.learn_chunks(map, said) }
    }

    /// How many chunks there are where the header says `said`, which is not what this process knows.
    #[cold]
    #[inline(never)]
    fn learn_chunks(&self, map: Map<'_>, said: u32) -> u32 {
        let known = self.known_chunks.load(Ordering::Relaxed);
        // A file that cannot be asked says nothing against what is known.
        let there = self.file.len().map_or(0, chunks_in).max(known);
        if (known..=there).contains(&said) {
            self.known_chunks.fetch_max(said, Ordering::Relaxed);
            return said;
        }
        let right = if said < known { known } else { there };
        self.known_chunks.fetch_max(right, Ordering::Relaxed);
        if map.u32(header::CHUNKS).compare_exchange(said, right, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
            self.note_damage("its header claimed another number of chunks than the file has");
        }
        right
    }

    /// Owner slots whose memory is allocated.
    pub(crate) fn slots_allocated(&self, map: Map<'_>) -> u32 {
        let said = map.u32(header::SLOTS).load(Ordering::Acquire);
        if said == self.known_slots.load(Ordering::Relaxed) { said } else { self.learn_slots(map, said) }
    }

    /// How many owner slots there are where the header says `said`, which is not what this process knows.
    #[cold]
    #[inline(never)]
    fn learn_slots(&self, map: Map<'_>, said: u32) -> u32 {
        let known = self.known_slots.load(Ordering::Relaxed);
        let credible = said > known && said <= MAX_SLOTS && said.is_multiple_of(SLOTS_PER_PAGE);
        // Allocated once more: that is how the file bears it out, whoever said so.
        let (at, bytes) = (u64::from(known) * SLOT_SIZE, u64::from(said.saturating_sub(known)) * SLOT_SIZE);
        if credible && self.file.allocate(SLOTS_AT + at, bytes).is_ok() {
            self.known_slots.fetch_max(said, Ordering::Relaxed);
            return said;
        }
        if !credible
            && map.u32(header::SLOTS).compare_exchange(said, known, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        {
            self.note_damage("its header claimed another number of owner slots than there are");
        }
        known
    }

    /// Has the header say that the owner slot `index` is there, which somebody is known to own.
    #[cold]
    pub(crate) fn cover_slot(&self, map: Map<'_>, index: u32) {
        let least = (index + 1).next_multiple_of(SLOTS_PER_PAGE);
        if self.slots_allocated(map) < least {
            map.u32(header::SLOTS).fetch_max(least, Ordering::AcqRel);
            self.slots_allocated(map);
        }
    }
}
