//! A shard: a part of the sessions with an index, free space and a lock of its own.
//!
//! The shard lock is a word that names its owner's owner slot ([`Owner`]). It is held for well under a microsecond, save
//! for rebuilds. A thread that waits for it spins, then sleeps on the word and looks every 10 ms whether the owner lives. A dead
//! owner's lock is taken over by one compare-and-swap and the shard is rebuilt from its nodes before anything else:
//! whatever the dead one left half-done, only nodes count.
//!
//! Lock order: session lock, then shard lock; never two shards, never a wait for a session under a shard. Debug
//! builds assert it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::thread::futex;

use crate::core::clock::Clock;
use crate::core::owner_slot::{Slot, SlotView};
use crate::core::stats::{Counter, count};
use crate::core::store::Store;
use crate::file::error::Error;
use crate::file::layout::{CHUNK_UNITS, Ref, SHARD_BYTES, chunk_of, chunk_ref, file_len, node, shard, shard_at};
use crate::file::region::{Map, Window};
use crate::file::words::{ChunkState, Owner};
use crate::shard::node::Node;
use cloakroom_seam::Key;

/// How long to wait for a shard whose owner lives but does not go on (a stopped process).
pub(crate) const STUCK: Duration = Duration::from_secs(5);

/// Seconds between two rebuilds of shards that have no room.
const REBUILT_FOR_ROOM: u32 = 60;

/// Most chunks that one operation asks other shards for: what the largest payload takes, twice.
const MOST_REBALANCED: u32 = 256;

/// Why an operation under a shard lock did not finish.
pub(crate) enum Fault {
    /// Something in the shard contradicts itself: rebuild it and try again.
    Damaged(&'static str),
    /// The file must grow first, beyond so many chunks.
    Grow(u32),
    /// Another shard must give a chunk first.
    Rebalance,
    /// The operation failed for good.
    Error(Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        Fault::Error(error)
    }
}

#[cfg(debug_assertions)]
thread_local! {
    static HOLDS_SHARD: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Asserts the lock order where a thread is about to wait for a session or take a shard.
pub(crate) fn assert_no_shard_held() {
    #[cfg(debug_assertions)]
    HOLDS_SHARD.with(|holds| assert!(!holds.get(), "lock order: a shard lock is held already"));
}

fn note_shard_held(_held: bool) {
    #[cfg(debug_assertions)]
    HOLDS_SHARD.with(|holds| holds.set(_held));
}

/// The words of one shard's header.
#[derive(Clone, Copy)]
pub(crate) struct Shard<'a> {
    pub(crate) id: u32,
    words: Window<'a, SHARD_BYTES>,
}

impl<'a> Shard<'a> {
    pub(crate) fn new(map: Map<'a>, id: u32) -> Shard<'a> {
        Shard { id, words: map.window(shard_at(id)) }
    }

    pub(crate) fn word(self, field: u64) -> &'a AtomicU32 {
        self.words.u32(field)
    }

    pub(crate) fn word64(self, field: u64) -> &'a AtomicU64 {
        self.words.u64(field)
    }

    /// Reads a word that only the lock's owner changes.
    pub(crate) fn get(self, field: u64) -> u32 {
        self.word(field).load(Ordering::Relaxed)
    }

    /// Writes a word that only the lock's owner changes.
    pub(crate) fn set(self, field: u64, value: u32) {
        self.word(field).store(value, Ordering::Relaxed);
    }

    /// Adds to a word that only the lock's owner changes; never below zero.
    pub(crate) fn add(self, field: u64, by: i64) {
        let value = i64::from(self.get(field)) + by;
        self.set(field, u32::try_from(value.max(0)).unwrap_or(u32::MAX));
    }

    /// Adds to a 64-bit word that only the lock's owner changes; never below zero.
    pub(crate) fn add64(self, field: u64, by: i64) {
        let word = self.word64(field);
        word.store(word.load(Ordering::Relaxed).saturating_add_signed(by), Ordering::Relaxed);
    }

    /// The head of one of the 104 bins of free blocks.
    pub(crate) fn bin(self, bin: u32) -> &'a AtomicU32 {
        self.word(shard::BINS + 4 * u64::from(bin))
    }
}

/// The shard lock, held. Dropped by a panic it leaves the shard marked for a rebuild.
pub(crate) struct ShardGuard<'a> {
    pub(crate) store: &'a Store,
    pub(crate) map: Map<'a>,
    pub(crate) shard: Shard<'a>,
    pub(crate) me: Slot,
    /// A node that eviction must leave alone: the one space is needed for.
    pub(crate) keep: crate::file::layout::Ref,
    /// Where an allocation may look.
    pub(crate) reach: Reach,
}

/// What [`Store::with_shard`] has done so far for work that could not be finished.
struct Tried {
    reach: Reach,
    rebuilt: u32,
    rebalanced: u32,
}

/// Where an allocation may look for space, from the nearest to the farthest: each includes those before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reach {
    /// Only the free blocks of the shard.
    FreeLists,
    /// Sessions that the shard can reclaim or evict, and chunks that no shard has.
    Shard,
    /// Chunks that other shards can empty.
    OtherShards,
    /// A larger file.
    Growth,
}

/// The shard that keeps `key` in a store with `shards` shards, which is a power of two.
pub(crate) fn shard_among(key: &Key, shards: u32) -> u32 {
    let (high, _) = key.to_words();
    ((high >> 40) as u32) & (shards - 1)
}

impl Store {
    /// The shard that keeps `key`.
    pub(crate) fn shard_of(&self, key: &Key) -> u32 {
        shard_among(key, self.shards)
    }

    /// The node at `place`, if that is a node of `shard` and mapped.
    #[inline]
    pub(crate) fn node<'a>(&self, map: Map<'a>, shard: u32, place: Ref) -> Option<Node<'a>> {
        let unit = self.unit_in(map, place, ChunkState::Nodes(shard))?;
        (unit.is_multiple_of(node::UNITS) && unit >= node::UNITS).then(|| Node::new(map, place))
    }

    /// The node at `place`, of whatever shard, if that is a node and mapped.
    pub(crate) fn node_anywhere<'a>(&self, map: Map<'a>, place: Ref) -> Option<Node<'a>> {
        let chunk = chunk_of(place).filter(|chunk| *chunk < self.chunks(map))?;
        match self.chunk_state(map, chunk) {
            Some(ChunkState::Nodes(shard)) if shard < self.shards => self.node(map, shard, place),
            _ => None,
        }
    }

    /// Whether what `node` says of its successor names one that can be: another node, in an incarnation.
    pub(crate) fn names_successor(&self, map: Map<'_>, node: Node<'_>) -> bool {
        let place = node.successor_place().load(Ordering::Relaxed);
        let incarnation = node.successor_incarnation().load(Ordering::Relaxed);
        incarnation != 0 && place != node.place && self.node_anywhere(map, place).is_some()
    }

    /// Whether `units` units from `place` on lie within one chunk in `state`.
    pub(crate) fn within(&self, map: Map<'_>, place: Ref, units: u32, state: ChunkState) -> bool {
        self.unit_in(map, place, state).is_some_and(|unit| units <= CHUNK_UNITS - unit)
    }

    /// Where `place` lies in its chunk, in units, if that is in `state` and mapped.
    #[inline(always)]
    pub(crate) fn unit_in(&self, map: Map<'_>, place: Ref, state: ChunkState) -> Option<u32> {
        let units = place.checked_sub(chunk_ref(0))?;
        let chunk = units / CHUNK_UNITS;
        let is_there = chunk < self.chunks(map) && file_len(chunk + 1) <= map.len();
        (is_there && self.is_chunk(map, chunk, state)).then_some(units % CHUNK_UNITS)
    }

    /// Runs `work` under the lock of `shard`, rebuilding the shard where it turns out damaged and growing the file
    /// or taking a chunk from another shard where `work` asks for it. `work` is run again from its beginning after either, so
    /// it must have undone what it did before it asks for growth.
    #[inline(always)]
    pub(crate) fn with_shard<T>(
        self: &Arc<Store>,
        me: Slot,
        shard: u32,
        mut work: impl FnMut(&mut ShardGuard<'_>) -> Result<T, Fault>,
    ) -> Result<T, Error> {
        let mut tried = Tried { reach: Reach::Growth, rebuilt: 0, rebalanced: 0 };
        loop {
            let (map, view) = self.take_lock(me, shard)?;
            let mut guard = ShardGuard { store: self, map, shard: view, me, keep: 0, reach: tried.reach };
            if guard.needs_care() {
                guard.make_usable()?;
            }
            match work(&mut guard) {
                Ok(value) => return Ok(value),
                Err(fault) => self.put_right(guard, fault, &mut tried)?,
            }
        }
    }

    /// Does what `fault` asks for, so that the work can be tried again; or says why that is of no use.
    #[cold]
    fn put_right(self: &Arc<Store>, guard: ShardGuard<'_>, fault: Fault, tried: &mut Tried) -> Result<(), Error> {
        let (me, shard) = (guard.me, guard.shard.id);
        match fault {
            Fault::Error(e) => {
                if !e.is_want_of_room() || !self.rebuild_for_room() {
                    return Err(e);
                }
                guard.shard.word(shard::DIRTY).store(1, Ordering::Relaxed);
                tried.reach = Reach::Growth;
            }
            Fault::Damaged(what) => {
                self.note_damage(what);
                guard.shard.word(shard::DIRTY).store(1, Ordering::Relaxed);
                tried.rebuilt += 1;
                if tried.rebuilt > 2 {
                    return Err(Error::Damaged(what));
                }
            }
            Fault::Grow(seen) => {
                drop(guard);
                match self.grow(seen) {
                    Ok(true) => {}
                    Ok(false) => tried.reach = Reach::OtherShards,
                    // Room may be left inside the file; if not, the error is returned then.
                    Err(Error::NoSpace { .. } | Error::FileLimit { .. }) => tried.reach = Reach::OtherShards,
                    Err(e) => return Err(e),
                }
            }
            Fault::Rebalance => {
                drop(guard);
                tried.rebalanced += 1;
                if tried.rebalanced > MOST_REBALANCED || !self.rebalance(me, shard)? {
                    tried.reach = Reach::Shard;
                }
            }
        }
        Ok(())
    }

    /// Whether a shard that has no room is to be rebuilt, so that a full store is reported only where the shard is whole: a stray word may hide
    /// what is free. Once a minute, as a store that is full is full for long.
    fn rebuild_for_room(&self) -> bool {
        let second = Clock::coarse_second().max(1);
        let last = self.rebuilt_for_room.load(Ordering::Relaxed);
        let due = last == 0 || second.wrapping_sub(last) >= REBUILT_FOR_ROOM;
        if due {
            self.rebuilt_for_room.store(second, Ordering::Relaxed);
        }
        due
    }

    /// Takes the lock of `shard`, taking over and rebuilding after a dead owner.
    pub(crate) fn lock_shard(&self, me: Slot, shard: u32) -> Result<ShardGuard<'_>, Error> {
        let (map, view) = self.take_lock(me, shard)?;
        let mut guard = ShardGuard { store: self, map, shard: view, me, keep: 0, reach: Reach::Shard };
        if guard.needs_care() {
            guard.make_usable()?;
        }
        Ok(guard)
    }

    /// Takes the lock of `shard` for a guard. The guard itself is made where it is used: moving it costs more than the lock.
    #[inline(always)]
    fn take_lock(&self, me: Slot, shard: u32) -> Result<(Map<'_>, Shard<'_>), Error> {
        assert_no_shard_held();
        if self.forked() {
            return Err(Error::Forked);
        }
        // Shard headers lie in front of the chunks, where every mapping reaches.
        let map = self.region.map();
        let view = Shard::new(map, shard);
        let word = view.word(shard::LOCK);
        if word.compare_exchange(0, me.owner.0, Ordering::Acquire, Ordering::Relaxed).is_err() {
            self.wait_for_shard(map, view, me)?;
        }
        note_shard_held(true);
        Ok((map, view))
    }

    /// Waits until the lock is ours. One that was taken from a dead owner is marked for a rebuild.
    #[cold]
    fn wait_for_shard(&self, map: Map<'_>, view: Shard<'_>, me: Slot) -> Result<(), Error> {
        if self.wait_for_lock(map, view.word(shard::LOCK), me)? {
            view.word(shard::DIRTY).store(1, Ordering::Relaxed);
            count(map, me, Counter::Recoveries, 1);
        }
        Ok(())
    }

    /// Waits until the lock is ours; whether it was taken from a dead owner.
    fn wait_for_lock(&self, map: Map<'_>, word: &AtomicU32, me: Slot) -> Result<bool, Error> {
        for _ in 0..200 {
            if word.load(Ordering::Relaxed) == 0
                && word.compare_exchange(0, me.owner.0, Ordering::Acquire, Ordering::Relaxed).is_ok()
            {
                return Ok(false);
            }
            std::hint::spin_loop();
        }
        let start = Instant::now();
        loop {
            let seen = word.load(Ordering::Relaxed);
            if seen == 0 {
                // Others may sleep: the release must wake one.
                let mine = me.owner.0 | Owner::WAITERS;
                if word.compare_exchange(0, mine, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                    return Ok(false);
                }
                continue;
            }
            let marked = seen | Owner::WAITERS;
            if seen != marked && word.compare_exchange(seen, marked, Ordering::Relaxed, Ordering::Relaxed).is_err() {
                continue;
            }
            let slice = rustix::time::Timespec { tv_sec: 0, tv_nsec: 10_000_000 };
            let slept = futex::wait(word, futex::Flags::empty(), marked, Some(&slice));
            if slept == Err(rustix::io::Errno::TIMEDOUT) {
                let now = word.load(Ordering::Relaxed);
                // A word that names this thread, which holds no shard, is as good as a dead owner's.
                if now != 0 && (Owner(now).bare() == me.owner || self.is_dead(map, Owner(now))) {
                    let mine = me.owner.0 | Owner::WAITERS;
                    if word.compare_exchange(now, mine, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                        return Ok(true);
                    }
                }
                if start.elapsed() > STUCK {
                    let pid =
                        Owner(now).slot().map_or(0, |index| SlotView::new(map, index).pid().load(Ordering::Relaxed));
                    return Err(Error::Stuck { pid, waited: start.elapsed() });
                }
            }
        }
    }
}

impl<'a> ShardGuard<'a> {
    /// Whether [`ShardGuard::make_usable`] comes before any work. Looked at under the lock: a process that relocates the store
    /// passes through every shard lock after it has said so, and only under the lock does the shard get no more chunks, which may
    /// lie beyond the mapping.
    #[inline(always)]
    fn needs_care(&self) -> bool {
        !self.store.is_covered(self.map) || self.store.is_relocated(self.map) || self.shard.get(shard::DIRTY) != 0
    }

    /// Looks at all of the file, if it has not been relocated, and rebuilds the shard where that is due.
    #[cold]
    fn make_usable(&mut self) -> Result<(), Error> {
        self.map = self.store.map()?;
        self.shard = Shard::new(self.map, self.shard.id);
        if self.store.is_relocated(self.map) {
            return Err(Error::Relocated);
        }
        if self.shard.get(shard::DIRTY) != 0 {
            self.rebuild(crate::shard::rebuild::Trust::Memory)?;
        }
        Ok(())
    }

    /// The node at `place`, which must be one of this shard.
    #[inline]
    pub(crate) fn node(&self, place: Ref) -> Result<Node<'a>, Fault> {
        self.store.node(self.map, self.shard.id, place).ok_or(Fault::Damaged("a reference to no session node"))
    }
}

impl Drop for ShardGuard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shard.word(shard::DIRTY).store(1, Ordering::Relaxed);
        }
        note_shard_held(false);
        let word = self.shard.word(shard::LOCK);
        if Owner(word.swap(0, Ordering::Release)) != self.me.owner {
            // The waiters bit was set: wake one; it sets the bit again for those that still sleep.
            let _ = futex::wake(word, futex::Flags::empty(), 1);
        }
    }
}
