//! What a process counts, added to a hash on the server every second or so in a round trip that is made anyway.

use std::time::{Duration, Instant};

use crate::wire::resp::{Argument, bytes, number};

/// How often counts go to the server, at most.
const INTERVAL: Duration = Duration::from_secs(1);

/// Upper bounds of the histogram of waits.
const BOUNDS: [Duration; 6] = [
    Duration::from_micros(100),
    Duration::from_millis(1),
    Duration::from_millis(10),
    Duration::from_millis(100),
    Duration::from_secs(1),
    Duration::from_secs(10),
];

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// Sessions read.
    Reads,
    /// Payloads written.
    Writes,
    /// Lifetimes extended.
    Touches,
    /// Sessions begun.
    Creates,
    /// Sessions ended.
    Destroys,
    /// Writes that were dropped because the session had been ended.
    RefusedWrites,
    /// Sessions that had vanished (expired, evicted, lost with a server) while a request had them, and were written again.
    Rewritten,
    /// Writes that were refused because the lock was lost and the session's version had changed.
    LocksLost,
    /// Sessions whose bytes did not match, and foreign values.
    Corrupt,
    /// Merged writes.
    Merges,
    /// Values in merges that both sides had changed.
    MergeConflicts,
    /// Writes that could not be merged.
    MergeFallbacks,
    /// Sessions migrated in from the storage of another handler.
    Migrated,
    /// Locks that were waited for.
    Waits,
    /// Waits in vain.
    WaitTimeouts,
    /// Time waited.
    WaitMicroseconds,
    /// The first of seven parts of the histogram.
    WaitsBelow100us,
}

/// The names of the counters, those of the histogram at the end.
pub(crate) const NAMES: [&str; 23] = [
    "reads",
    "writes",
    "touches",
    "creates",
    "destroys",
    "refused_writes",
    "rewritten",
    "locks_lost",
    "corrupt",
    "merges",
    "merge_conflicts",
    "merge_fallbacks",
    "migrated",
    "waits",
    "wait_timeouts",
    "wait_microseconds",
    "waits_below_100us",
    "waits_below_1ms",
    "waits_below_10ms",
    "waits_below_100ms",
    "waits_below_1s",
    "waits_below_10s",
    "waits_from_10s",
];

/// Counts that were not sent to the server yet.
pub(crate) struct Counters {
    counts: [u64; NAMES.len()],
    /// `None` before the first time, for which there is no waiting: the process may be gone before a second is over.
    sent: Option<Instant>,
}

impl Default for Counters {
    fn default() -> Self {
        Self { counts: [0; NAMES.len()], sent: None }
    }
}

impl Counters {
    pub(crate) fn count(&mut self, counter: Counter, by: u64) {
        self.add(counter as usize, by);
    }

    pub(crate) fn count_wait(&mut self, waited: Duration) {
        self.count(Counter::Waits, 1);
        self.count(Counter::WaitMicroseconds, u64::try_from(waited.as_micros()).unwrap_or(u64::MAX));
        let part = BOUNDS.iter().position(|bound| waited < *bound).unwrap_or(BOUNDS.len());
        self.add(Counter::WaitsBelow100us as usize + part, 1);
    }

    fn add(&mut self, at: usize, by: u64) {
        if let Some(count) = self.counts.get_mut(at) {
            *count = count.saturating_add(by);
        }
    }

    /// Takes the counts to send, where it is time for that or `now` asks for it.
    pub(crate) fn take(&mut self, now: bool) -> Option<[u64; NAMES.len()]> {
        let due = now || self.sent.is_none_or(|sent| sent.elapsed() >= INTERVAL);
        if !due || self.counts.iter().all(|count| *count == 0) {
            return None;
        }
        self.sent = Some(Instant::now());
        Some(std::mem::replace(&mut self.counts, [0; NAMES.len()]))
    }

    /// Takes back what could not be sent.
    pub(crate) fn put_back(&mut self, counts: [u64; NAMES.len()]) {
        for (at, by) in counts.into_iter().enumerate() {
            self.add(at, by);
        }
    }
}

/// The commands that add `counts` to the hash `name`.
pub(crate) fn commands<'a>(
    name: &'a [u8],
    counts: &'a [u64; NAMES.len()],
) -> impl Iterator<Item = [Argument<'a>; 4]> + 'a {
    let counted = NAMES.iter().zip(counts).filter(|(_, count)| **count > 0);
    counted.map(move |(field, count)| [bytes(b"HINCRBY"), bytes(name), bytes(field.as_bytes()), number(*count)])
}
