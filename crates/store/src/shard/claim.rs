//! Claiming and leaving owner slots: how a thread gets one, and how what the dead owner of one held is put back.
//!
//! An owner slot is used again only after what its dead owner held was put back, under a new generation.
//!
//! Locks: claiming and leaving need the process-wide `claim` mutex (byte locks do not exclude threads); a dead owner's
//! leases are recovered each under the lock of its node's shard.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use crate::core::extent::SLOTS_PER_PAGE;
use crate::core::owner_slot::{CLEARED_IN_PASSING, Slot, SlotView, claim_error};
use crate::core::store::Store;
use crate::file::byte_lock::{self, Byte};
use crate::file::error::Error;
use crate::file::layout::{MAX_SLOTS, SLOT_SIZE, SLOTS_AT, header};
use crate::file::region::Map;
use crate::file::words::Owner;

/// Leaves the owner slots of a thread when it ends. The thread keeps no store attached by having a slot in it: the
/// thread that lets go of a store last leaves all slots of the process in it.
#[derive(Default)]
struct Slots(Vec<(Weak<Store>, Slot)>);

impl Drop for Slots {
    fn drop(&mut self) {
        for (store, slot) in self.0.drain(..) {
            if let Some(store) = store.upgrade() {
                store.leave(slot);
            }
        }
    }
}

thread_local! {
    static SLOTS: std::cell::RefCell<Slots> = const { std::cell::RefCell::new(Slots(Vec::new())) };
    /// The store used last, by its number, and the owner slot in it: the way of nearly every call.
    static LAST: std::cell::Cell<(u64, Slot)> = const { std::cell::Cell::new((0, Slot { index: 0, owner: Owner(0) })) };
}

impl Store {
    /// The owner slot of this thread, claimed on first use.
    #[inline]
    pub(crate) fn slot(self: &Arc<Store>) -> Result<Slot, Error> {
        if self.forked() {
            return Err(Error::Forked);
        }
        if self.is_relocated(self.region.map()) {
            return Err(Error::Relocated);
        }
        match LAST.try_with(std::cell::Cell::get) {
            Ok((number, slot)) if number == self.number => Ok(slot),
            _ => self.find_or_claim_slot(),
        }
    }

    /// The owner slot that this thread used last, if that was in this store.
    pub(crate) fn known_slot(&self) -> Option<Slot> {
        LAST.try_with(std::cell::Cell::get).ok().filter(|(number, _)| *number == self.number).map(|(_, slot)| slot)
    }

    #[cold]
    fn find_or_claim_slot(self: &Arc<Store>) -> Result<Slot, Error> {
        let gone = |_| Error::Io { what: "use the store", source: std::io::Error::other("the thread is ending") };
        SLOTS
            .try_with(|slots| {
                let mut slots = slots.borrow_mut();
                slots.0.retain(|(store, _)| store.strong_count() > 0);
                let here = Arc::as_ptr(self);
                let known = slots.0.iter().find(|(store, _)| store.as_ptr() == here).map(|(_, slot)| *slot);
                let slot = match known {
                    Some(slot) => slot,
                    None => {
                        let slot = self.claim_slot()?;
                        slots.0.push((Arc::downgrade(self), slot));
                        slot
                    }
                };
                LAST.set((self.number, slot));
                Ok(slot)
            })
            .map_err(gone)?
    }

    /// Takes a free owner slot, or one that its owner left by dying, and puts back what that one held. Clears a few other
    /// owner slots of dead owners in passing, so that what they held is not lost for long.
    pub(crate) fn claim_slot(self: &Arc<Store>) -> Result<Slot, Error> {
        let _claim = self.claim.lock();
        let map = self.map()?;
        let slot = self.claim_any(map)?;
        self.clear_dead_slots(map, slot.index + 1, CLEARED_IN_PASSING)?;
        Ok(slot)
    }

    /// Clears the owner slots of dead owners and puts back what they held, looking at all owner slots.
    pub(crate) fn clear_all_dead_slots(self: &Arc<Store>) -> Result<(), Error> {
        let _claim = self.claim.lock();
        let map = self.map()?;
        self.clear_dead_slots(map, 0, self.slots_allocated(map))
    }

    /// Looks at `count` owner slots in use from `first` on. A system call for each that is.
    fn clear_dead_slots(self: &Arc<Store>, map: Map<'_>, first: u32, count: u32) -> Result<(), Error> {
        let all = self.slots_allocated(map).max(1);
        let in_use = (0..all).map(|i| (first + i) % all).filter(|index| {
            SlotView::new(map, *index).state().load(Ordering::Acquire) != 0 && !self.is_own_slot(*index)
        });
        for index in in_use.take(count as usize) {
            if byte_lock::try_exclusive(&self.file.file, Byte::Slot(index)).map_err(claim_error)? {
                let slot = self.take_slot(map, index)?;
                SlotView::new(map, index).state().store(0, Ordering::Release);
                self.give_up_slot(slot);
            }
        }
        Ok(())
    }

    fn claim_any(self: &Arc<Store>, map: Map<'_>) -> Result<Slot, Error> {
        for take_dead in [false, true] {
            for index in 0..self.slots_allocated(map) {
                let view = SlotView::new(map, index);
                let in_use = view.state().load(Ordering::Acquire) != 0;
                if in_use != take_dead || self.is_own_slot(index) {
                    continue;
                }
                if byte_lock::try_exclusive(&self.file.file, Byte::Slot(index)).map_err(claim_error)? {
                    return self.take_slot(map, index);
                }
            }
            // Rather a new owner slot than the owner slot of a dead one: recovery is for when it is needed.
            while !take_dead && let Some(index) = self.add_slots()? {
                let map = self.map()?;
                if byte_lock::try_exclusive(&self.file.file, Byte::Slot(index)).map_err(claim_error)? {
                    return self.take_slot(map, index);
                }
            }
        }
        Err(Error::TooManyThreads(MAX_SLOTS))
    }

    fn take_slot(self: &Arc<Store>, map: Map<'_>, index: u32) -> Result<Slot, Error> {
        self.own_slot(index, true);
        self.cover_slot(map, index);
        let view = SlotView::new(map, index);
        // First the generation: from here on every lock word of an earlier owner is known to be a dead one's.
        let generation = view.generation().load(Ordering::Relaxed).wrapping_add(1);
        view.generation().store(generation, Ordering::Release);
        let slot = Slot { index, owner: Owner::new(index, generation) };
        if view.state().swap(1, Ordering::AcqRel) != 0
            && let Err(e) = self.recover_slot(slot)
        {
            self.give_up_slot(slot);
            return Err(e);
        }
        view.wake().store(0, Ordering::Relaxed);
        view.pid().store(std::process::id(), Ordering::Relaxed);
        view.set_script(b"");
        self.announce_capacity(map, view);
        Ok(slot)
    }

    /// Gives an owner slot back in order.
    pub(crate) fn leave(self: &Arc<Store>, slot: Slot) {
        if self.forked() {
            return;
        }
        let _claim = self.claim.lock();
        let Ok(map) = self.map() else { return };
        self.clear_slot(map, SlotView::new(map, slot.index));
        self.give_up_slot(slot);
        if LAST.try_with(std::cell::Cell::get).is_ok_and(|(number, _)| number == self.number) {
            let _ = LAST.try_with(|last| last.set((0, slot)));
        }
    }

    /// Gives this thread's owner slot up without clearing it, as if its owner had died; the next use claims another.
    pub(crate) fn resign(&self, slot: Slot) {
        let _claim = self.claim.lock();
        let _ = LAST.try_with(|last| last.set((0, slot)));
        let _ = SLOTS.try_with(|slots| slots.borrow_mut().0.retain(|(store, _)| !std::ptr::eq(store.as_ptr(), self)));
        self.give_up_slot(slot);
    }

    /// Gives up the proof of life for an owner slot.
    fn give_up_slot(&self, slot: Slot) {
        self.own_slot(slot.index, false);
        byte_lock::unlock(&self.file.file, Byte::Slot(slot.index));
    }

    /// Allocates the next page of owner slots; the first of them, or `None` where the table is full.
    fn add_slots(&self) -> Result<Option<u32>, Error> {
        let io = |source| Error::Io { what: "allocate room for another process in the store", source };
        let map = self.map()?;
        let first = self.slots_allocated(map);
        let more = first + SLOTS_PER_PAGE;
        if more > MAX_SLOTS {
            return Ok(None);
        }
        self.file.allocate(SLOTS_AT + u64::from(first) * SLOT_SIZE, 4096).map_err(io)?;
        // Another process may have done the same: allocating twice does no harm.
        let _ = map.u32(header::SLOTS).compare_exchange(first, more, Ordering::AcqRel, Ordering::Relaxed);
        Ok(Some(first))
    }
}
