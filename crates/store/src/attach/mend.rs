//! Putting right, once a second, what a stray word of the file contradicts that this process knows: the constants of the
//! header, the clock's base, how much is allocated, and what the file says of the owner slot of the thread that looks. The
//! process that attaches next, and one that asks whether this thread lives and what it holds, go by these words.
//!
//! What is derived from sessions is found to be wrong where it is used, and made anew there: [`crate::shard::rebuild`].

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::attach::relocate::RELOCATED;
use crate::core::owner_slot::{Slot, SlotView};
use crate::core::store::Store;
use crate::file::layout::{Ref, header, shard};
use crate::file::region::Map;
use crate::file::store_file::{Constants, constant_words};
use crate::file::words::Owner;
use crate::shard::guard::Shard;

/// Words that nobody changes while a process has the file attached, besides the constants.
const STEADY: [u64; 6] =
    [header::BOOT_ID, header::BOOT_ID + 8, header::DEVICE, header::INODE, header::CLOCK_BASE, header::CLOCK_BOOT];

impl Store {
    /// Remembers what the header says once the store is attached.
    pub(crate) fn remember_header(&self, map: Map<'_>, constants: &Constants) {
        let mut words = Vec::from(constant_words(constants));
        words.extend(STEADY.map(|at| (at, map.u64(at).load(Ordering::Relaxed))));
        let _ = self.header.set(words);
    }

    /// Puts right what this thread finds wrong with the file and knows better. Some hundred loads where nothing is: ask at most
    /// once a second, with no operation on the store under way.
    pub fn mend(self: &Arc<Store>) {
        if self.forked() {
            return;
        }
        let map = self.region.map();
        if self.is_relocated(map) && self.file.in_place() {
            let Ok(Some(_guard)) = self.attach_guard(Duration::ZERO) else { return };
            self.stay(map);
        }
        if self.is_relocated(map) {
            return;
        }
        for (at, value) in self.header.get().into_iter().flatten() {
            let word = map.u64(*at);
            if word.load(Ordering::Relaxed) != *value {
                word.store(*value, Ordering::Relaxed);
                self.note_damage("its header had changed");
            }
        }
        self.chunks(map);
        self.slots_allocated(map);
        if let Some(me) = self.known_slot() {
            self.mend_slot(map, me);
            self.mend_shard_locks(map, me);
        }
    }

    /// Has the file say that it is in use, if its path names it: a thread that relocates a store has the attach guard, as
    /// the caller has, and none relocates one that is in its place. `false` where it is not.
    pub(crate) fn stay(&self, map: Map<'_>) -> bool {
        let in_place = self.file.in_place();
        // A file that was relocated and came back to its path is no damage.
        if in_place && !matches!(map.u32(header::RELOCATION).swap(0, Ordering::AcqRel), 0 | RELOCATED) {
            self.note_damage("its header said that it had been left for another file");
        }
        in_place
    }

    /// Has this thread's owner slot say that it is in use, by this owner, and what the thread holds.
    fn mend_slot(self: &Arc<Store>, map: Map<'_>, me: Slot) {
        let view = SlotView::new(map, me.index);
        if view.state().load(Ordering::Relaxed) != 1 {
            view.state().store(1, Ordering::Release);
        }
        let generation = view.generation().load(Ordering::Relaxed);
        if Owner::new(me.index, generation) != me.owner {
            view.generation().store(me.owner.in_generation(generation), Ordering::Release);
        }
        let asked = self.asked.load(Ordering::Relaxed);
        if view.asked().load(Ordering::Relaxed) != asked {
            view.asked().store(asked, Ordering::Relaxed);
        }
        let waiting = view.waiting().load(Ordering::Relaxed);
        if waiting != 0 {
            self.stop_waiting(map, me, waiting);
        }
        self.clear_stray_entries(map, me);
    }

    /// Has this thread, which waits for nothing, wait for the node at `place` no more.
    fn stop_waiting(self: &Arc<Store>, map: Map<'_>, me: Slot, place: Ref) {
        let left = self.shard_with(map, place).is_none_or(|shard| {
            let left = self.with_shard(me, shard, |guard| {
                let node = guard.node(place)?;
                guard.dequeue(node, me.index)
            });
            left.is_ok()
        });
        if left {
            SlotView::new(map, me.index).waiting().store(0, Ordering::Relaxed);
        }
    }

    /// Takes over, and gives back, the locks of shards that name this thread, which holds none.
    fn mend_shard_locks(&self, map: Map<'_>, me: Slot) {
        for id in 0..self.shards {
            if Owner(Shard::new(map, id).get(shard::LOCK)).bare() == me.owner {
                // One that cannot be had is tried again in a second.
                drop(self.lock_shard(me, id));
            }
        }
    }
}
