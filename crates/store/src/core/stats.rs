//! Counters: each owner slot counts for itself, without contention; the store's figures are the sums.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::core::owner_slot::{Slot, SlotView};
use crate::core::store::Store;
use crate::file::error::Error;
use crate::file::layout::{CHUNK, CHUNKS_AT, header, shard, shard_at};
use crate::file::region::Map;

/// What is counted. The order is part of the file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Counter {
    Reads,
    Writes,
    Touches,
    Creates,
    Destroys,
    Expired,
    Evicted,
    /// Leases and shards put right after their owner died.
    Recoveries,
    Timeouts,
    /// Writes refused because the session had been ended meanwhile, or one whose place it was to take.
    Ended,
    /// Payloads whose checksum did not match.
    Corrupt,
    Waits,
    /// Nanoseconds waited for session locks.
    WaitNanos,
    /// First of [`WAIT_BUCKETS`] buckets of waits: under 100 µs, 1 ms, 10 ms, 100 ms, 1 s, 10 s, longer.
    WaitBucket,
    /// Writes that were merged with what somebody else had written meanwhile.
    Merges = 13 + WAIT_BUCKETS,
    /// Values that both had changed, where the later writer won.
    Conflicts,
    /// Writes that could not be merged and replaced what was there.
    MergeFallbacks,
    /// Sessions migrated in from the storage of another handler.
    Migrated,
}

/// Upper bounds of the wait histogram in nanoseconds; one more bucket takes the rest.
const WAIT_BOUNDS: [u64; 6] = [100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000, 10_000_000_000];
/// Buckets of the wait histogram.
pub(crate) const WAIT_BUCKETS: usize = WAIT_BOUNDS.len() + 1;
/// Counters of an owner slot; the rest of its 28 words are zero.
pub(crate) const COUNTERS: usize = 28;

const _: () = assert!(Counter::WaitBucket as usize + WAIT_BUCKETS == Counter::Merges as usize);
const _: () = assert!((Counter::Migrated as usize) < COUNTERS);

/// The figures of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Sessions that exist, reserved and expired but not yet reclaimed ones included.
    pub sessions: u64,
    /// Of these, sessions without payload that hold their id.
    pub reserved: u64,
    /// Destroyed sessions that are remembered.
    pub tombstones: u64,
    /// Bytes of all payloads.
    pub payload_bytes: u64,
    /// Bytes that the file takes.
    pub file_bytes: u64,
    /// Bytes of the file that are neither session nor index: free for new payloads.
    pub free_bytes: u64,
    /// `cloakroom.size`.
    pub capacity: u64,
    /// Payloads read.
    pub reads: u64,
    /// Payloads written.
    pub writes: u64,
    /// Lifetimes extended without a write.
    pub touches: u64,
    /// Sessions created.
    pub creates: u64,
    /// Sessions destroyed.
    pub destroys: u64,
    /// Sessions removed after their lifetime.
    pub expired: u64,
    /// Sessions that came back once at most, removed for lack of room.
    pub evicted: u64,
    /// Leases and shards recovered from dead processes, and full recoveries.
    pub recoveries: u64,
    /// Waits for a session lock that were given up.
    pub timeouts: u64,
    /// Writes refused because the session had been ended meanwhile.
    pub ended: u64,
    /// Payloads whose checksum did not match.
    pub corrupt: u64,
    /// Waits for a session lock.
    pub waits: u64,
    /// Nanoseconds waited for session locks.
    pub wait_nanos: u64,
    /// Waits that took less than 100 µs, 1 ms, 10 ms, 100 ms, 1 s, 10 s, and longer ones.
    pub wait_histogram: [u64; WAIT_BUCKETS],
    /// Writes that were merged with what somebody else had written meanwhile.
    pub merges: u64,
    /// Values that both had changed, where the later writer won.
    pub conflicts: u64,
    /// Writes that could not be merged and replaced what was there.
    pub merge_fallbacks: u64,
    /// Sessions migrated in from the storage of another handler.
    pub migrated: u64,
    /// Threads that have the store attached.
    pub attached: u64,
    /// Sessions that are locked now.
    pub locked: u64,
    /// Threads that wait for the lock of a session now.
    pub waiting: u64,
}

/// Adds to a counter of `owner slot`, whose owner is the calling thread: no other writer, so no atomic addition.
#[inline]
pub(crate) fn count(map: Map<'_>, slot: Slot, counter: Counter, by: u64) {
    add(map, slot, counter as usize, by);
}

#[inline]
fn add(map: Map<'_>, slot: Slot, index: usize, by: u64) {
    // For the benchmark of what counting costs; never part of a release.
    if cfg!(cloakroom_uncounted) {
        return;
    }
    let word = SlotView::new(map, slot.index).counter(index);
    word.store(word.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
}

/// Counts a wait that took `nanos`.
pub(crate) fn count_wait(map: Map<'_>, slot: Slot, nanos: u64) {
    count(map, slot, Counter::Waits, 1);
    count(map, slot, Counter::WaitNanos, nanos);
    let bucket = WAIT_BOUNDS.iter().position(|bound| nanos < *bound).unwrap_or(WAIT_BOUNDS.len());
    add(map, slot, Counter::WaitBucket as usize + bucket, 1);
}

impl Stats {
    /// The figures with their names, in a fixed order.
    pub(crate) fn figures(&self) -> Vec<(&'static str, u64)> {
        let [w0, w1, w2, w3, w4, w5, w6] = self.wait_histogram;
        vec![
            ("sessions", self.sessions),
            ("reserved", self.reserved),
            ("tombstones", self.tombstones),
            ("bytes", self.payload_bytes),
            ("file_bytes", self.file_bytes),
            ("free_bytes", self.free_bytes),
            ("capacity", self.capacity),
            ("reads", self.reads),
            ("writes", self.writes),
            ("touches", self.touches),
            ("creates", self.creates),
            ("destroys", self.destroys),
            ("expired", self.expired),
            ("evictions", self.evicted),
            ("recoveries", self.recoveries),
            ("refused_writes", self.ended),
            ("merges", self.merges),
            ("merge_conflicts", self.conflicts),
            ("merge_fallbacks", self.merge_fallbacks),
            ("migrated", self.migrated),
            ("corrupt", self.corrupt),
            ("waits", self.waits),
            ("wait_timeouts", self.timeouts),
            ("wait_microseconds", self.wait_nanos / 1000),
            ("waits_below_100us", w0),
            ("waits_below_1ms", w1),
            ("waits_below_10ms", w2),
            ("waits_below_100ms", w3),
            ("waits_below_1s", w4),
            ("waits_below_10s", w5),
            ("waits_from_10s", w6),
            ("attached", self.attached),
            ("locked", self.locked),
            ("waiting", self.waiting),
        ]
    }
}

impl Store {
    /// Counts a write that was refused.
    ///
    /// # Errors
    /// [`Error::Forked`], or where the file cannot be mapped.
    pub(crate) fn count_refused(self: &Arc<Store>) -> Result<(), Error> {
        count(self.map()?, self.slot()?, Counter::Ended, 1);
        Ok(())
    }

    /// The figures, without any lock: each is right by itself, their sums may be a moment apart.
    ///
    /// # Errors
    /// [`Error::Forked`], or where the file cannot be mapped.
    pub fn stats(self: &Arc<Store>) -> Result<Stats, Error> {
        let map = self.map()?;
        let mut sums = [0u64; COUNTERS];
        for (i, sum) in sums.iter_mut().enumerate() {
            *sum = map.u64(header::TOTALS + 8 * i as u64).load(Ordering::Relaxed);
        }
        let (mut attached, mut listed, mut waiting) = (0, 0, 0);
        for index in 0..self.slots_allocated(map) {
            let view = SlotView::new(map, index);
            if view.state().load(Ordering::Acquire) == 0 {
                continue;
            }
            attached += 1;
            waiting += u64::from(view.waiting().load(Ordering::Relaxed) != 0);
            let leases = 0..crate::file::layout::slot::LEASE_COUNT;
            listed += leases.filter(|i| view.lease_node(*i).load(Ordering::Relaxed) != 0).count() as u64;
            for (i, sum) in sums.iter_mut().enumerate() {
                *sum = sum.wrapping_add(view.counter(i).load(Ordering::Relaxed));
            }
        }
        let of = |counter: Counter| sums.get(counter as usize).copied().unwrap_or(0);
        let mut stats = Stats {
            capacity: map.u64(header::CAPACITY).load(Ordering::Relaxed),
            reads: of(Counter::Reads),
            writes: of(Counter::Writes),
            touches: of(Counter::Touches),
            creates: of(Counter::Creates),
            destroys: of(Counter::Destroys),
            expired: of(Counter::Expired),
            evicted: of(Counter::Evicted),
            recoveries: of(Counter::Recoveries).wrapping_add(map.u64(header::RECOVERIES).load(Ordering::Relaxed)),
            timeouts: of(Counter::Timeouts),
            ended: of(Counter::Ended),
            corrupt: of(Counter::Corrupt),
            waits: of(Counter::Waits),
            wait_nanos: of(Counter::WaitNanos),
            merges: of(Counter::Merges),
            conflicts: of(Counter::Conflicts),
            merge_fallbacks: of(Counter::MergeFallbacks),
            migrated: of(Counter::Migrated),
            attached,
            // An owner slot lists what it waits for, too.
            locked: listed.saturating_sub(waiting),
            waiting,
            ..Stats::default()
        };
        for (bucket, sum) in stats.wait_histogram.iter_mut().zip(sums.iter().skip(Counter::WaitBucket as usize)) {
            *bucket = *sum;
        }
        let mut free_units = 0;
        for id in 0..self.shards {
            let at = shard_at(id);
            let word = |field| u64::from(map.u32(at + field).load(Ordering::Relaxed));
            stats.sessions += word(shard::LIVE);
            stats.tombstones += word(shard::TOMBSTONES);
            stats.reserved += word(shard::RESERVED + 8);
            let payload_bytes = map.u64(at + shard::PAYLOAD_BYTES).load(Ordering::Relaxed);
            stats.payload_bytes = stats.payload_bytes.saturating_add(payload_bytes);
            free_units += word(shard::FREE_UNITS);
        }
        let chunks = self.chunks(map);
        let unused = (0..chunks).filter(|chunk| self.is_free_chunk(map, *chunk)).count() as u64;
        stats.free_bytes = free_units * crate::file::layout::UNIT + unused * CHUNK;
        stats.file_bytes = self.fixed_bytes(map) + u64::from(chunks) * CHUNK;
        debug_assert!(CHUNKS_AT > stats.file_bytes - u64::from(chunks) * CHUNK);
        Ok(stats)
    }
}
