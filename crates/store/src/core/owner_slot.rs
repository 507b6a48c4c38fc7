//! Owner slots: how a thread shows the other processes that it lives.
//!
//! A thread that works on the store owns one owner slot, proven by an exclusive lock on the owner slot's byte
//! ([`crate::file::byte_lock`]). Lock words name owner slot and generation. The owner slot lists the nodes whose session lock its
//! owner holds or waits for, and the blocks it has allocated but not published, so that a process which finds it
//! dead can put back what it held. An owner slot is used again only after that, under a new generation.
//!
//! Locks: claiming and leaving need the process-wide `claim` mutex (byte locks do not exclude threads); a dead owner slot's
//! leases are recovered each under the lock of its node's shard.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use cloakroom_seam::Holder;

use crate::core::stats::COUNTERS;
use crate::core::store::Store;
use crate::file::byte_lock::{self, Byte};
use crate::file::error::Error;
use crate::file::layout::{MAX_SLOTS, Ref, SLOT_SIZE, SLOTS_AT, header, slot};
use crate::file::region::{Map, Window};
use crate::file::words::Owner;

/// Slots in use that a new owner of an owner slot looks at for dead owners.
pub(crate) const CLEARED_IN_PASSING: u32 = 8;

pub(crate) fn claim_error(source: std::io::Error) -> Error {
    Error::Io { what: "claim a slot in the store", source }
}

/// The owner slot this thread owns in one store.
#[derive(Clone, Copy)]
pub(crate) struct Slot {
    pub(crate) index: u32,
    pub(crate) owner: Owner,
}

/// The words of one owner slot.
#[derive(Clone, Copy)]
pub(crate) struct SlotView<'a> {
    map: Map<'a>,
    at: u64,
    words: Window<'a, SLOT_SIZE>,
}

impl<'a> SlotView<'a> {
    pub(crate) fn new(map: Map<'a>, index: u32) -> SlotView<'a> {
        debug_assert!(index < MAX_SLOTS);
        let at = SLOTS_AT + u64::from(index) * SLOT_SIZE;
        SlotView { map, at, words: map.window(at) }
    }

    fn word(self, field: u64) -> &'a AtomicU32 {
        self.words.u32(field)
    }

    pub(crate) fn state(self) -> &'a AtomicU32 {
        self.word(slot::STATE)
    }

    pub(crate) fn generation(self) -> &'a AtomicU32 {
        self.word(slot::GENERATION)
    }

    pub(crate) fn wake(self) -> &'a AtomicU32 {
        self.word(slot::WAKE)
    }

    pub(crate) fn pid(self) -> &'a AtomicU32 {
        self.word(slot::PID)
    }

    pub(crate) fn waiting(self) -> &'a AtomicU32 {
        self.word(slot::WAITING)
    }

    pub(crate) fn next(self) -> &'a AtomicU32 {
        self.word(slot::NEXT)
    }

    pub(crate) fn ticket(self) -> &'a AtomicU64 {
        self.words.u64(slot::TICKET)
    }

    /// Capacity that the owner's process asks for, as the owner slot says: untrusted.
    pub(crate) fn asked(self) -> &'a AtomicU64 {
        self.words.u64(slot::ASKED)
    }

    /// Node of lease `i`; 0 = no lease.
    pub(crate) fn lease_node(self, i: u32) -> &'a AtomicU32 {
        self.word(slot::LEASES + 8 * u64::from(i))
    }

    /// First block that lease `i` has allocated and not published; 0 = none. Changed under the shard lock only.
    pub(crate) fn lease_pending(self, i: u32) -> &'a AtomicU32 {
        self.word(slot::LEASES + 8 * u64::from(i) + 4)
    }

    pub(crate) fn lease_since(self, i: u32) -> &'a AtomicU64 {
        self.words.u64(slot::SINCE + 8 * u64::from(i))
    }

    pub(crate) fn counter(self, i: usize) -> &'a AtomicU64 {
        self.words.u64(slot::COUNTERS + 8 * i as u64)
    }

    /// The lease on `node`, if the owner slot lists one.
    pub(crate) fn lease_on(self, node: Ref) -> Option<u32> {
        (0..slot::LEASE_COUNT).find(|i| self.lease_node(*i).load(Ordering::Relaxed) == node)
    }

    pub(crate) fn set_script(self, script: &[u8]) {
        let kept = &script[script.len().saturating_sub(slot::SCRIPT_MAX)..];
        self.map.write(self.at + slot::SCRIPT, kept);
        self.word(slot::SCRIPT_LEN).store(kept.len() as u32, Ordering::Relaxed);
    }

    /// Who owns this slot and for how long, at `now` in wall-clock nanoseconds, it has held `node`; for people.
    pub(crate) fn holder(self, node: Ref, now: u64) -> Holder {
        let len = (self.word(slot::SCRIPT_LEN).load(Ordering::Relaxed) as usize).min(slot::SCRIPT_MAX);
        let mut script = vec![0; len];
        self.map.read(self.at + slot::SCRIPT, &mut script);
        let since = self.lease_on(node).map_or(0, |i| self.lease_since(i).load(Ordering::Relaxed));
        let held = match since {
            0 => 0,
            since => now.saturating_sub(since),
        };
        Holder {
            pid: self.pid().load(Ordering::Relaxed),
            // All who have the file mapped are on this machine.
            host: String::new(),
            held: Duration::from_nanos(held),
            script: String::from_utf8_lossy(&script).into_owned(),
        }
    }
}

impl Store {
    /// Leaves the words of an owner slot in order, unless it still lists a lease: one that was leaked is recovered as if its
    /// owner had died, by the next owner of the slot.
    pub(crate) fn clear_slot(&self, map: Map<'_>, view: SlotView<'_>) {
        if (0..slot::LEASE_COUNT).all(|i| view.lease_node(i).load(Ordering::Relaxed) == 0) {
            self.fold_counters(map, view);
            view.asked().store(0, Ordering::Relaxed);
            view.state().store(0, Ordering::Release);
        }
    }

    /// Adds an owner slot's counters to the store's totals.
    pub(crate) fn fold_counters(&self, map: Map<'_>, view: SlotView<'_>) {
        for i in 0..COUNTERS {
            let value = view.counter(i).swap(0, Ordering::Relaxed);
            map.u64(header::TOTALS + 8 * i as u64).fetch_add(value, Ordering::Relaxed);
        }
    }

    pub(crate) fn is_own_slot(&self, index: u32) -> bool {
        let bit = 1u64 << (index % 64);
        self.own.get(index as usize / 64).is_some_and(|word| word.load(Ordering::Relaxed) & bit != 0)
    }

    /// The owner slots of this process.
    pub(crate) fn own_slots(&self) -> impl Iterator<Item = u32> {
        (0..MAX_SLOTS).filter(|index| self.is_own_slot(*index))
    }

    pub(crate) fn own_slot(&self, index: u32, own: bool) {
        let bit = 1u64 << (index % 64);
        if let Some(word) = self.own.get(index as usize / 64) {
            if own {
                word.fetch_or(bit, Ordering::Relaxed);
            } else {
                word.fetch_and(!bit, Ordering::Relaxed);
            }
        }
    }

    /// Whether the owner that a lock word names is certainly dead. A system call of 1 to 25 µs unless the
    /// generation or this process's own list of owner slots tells.
    pub(crate) fn is_dead(&self, map: Map<'_>, word: Owner) -> bool {
        let Some(index) = word.slot() else { return true };
        if index >= self.slots_allocated(map) {
            // The proof of life needs no memory. A thread that has it has an owner slot, whatever the header says.
            let lives = self.is_own_slot(index)
                || byte_lock::held_elsewhere(&self.file.file, Byte::Slot(index)).unwrap_or(true);
            if lives {
                self.cover_slot(map, index);
            }
            return !lives;
        }
        let view = SlotView::new(map, index);
        if Owner::new(index, view.generation().load(Ordering::Acquire)) != word.bare() {
            return true;
        }
        if self.is_own_slot(index) {
            return false;
        }
        // An error means that nothing is proven.
        !byte_lock::held_elsewhere(&self.file.file, Byte::Slot(index)).unwrap_or(true)
    }
}
