//! Crowds of sessions that nearly fill a store and change their sizes: no update is refused for want of room.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cloakroom_store::Store;

use crate::harness::{Checked, Finding, LIFE, Random, attach, soak, sound, temporary, value};
use crate::{put_in_use, some_size, thread_cpu, try_put};

/// Bytes of the blocks that a payload takes, if it lies in one.
fn block_bytes(len: usize) -> u64 {
    (len as u64 + 24).next_multiple_of(64)
}

/// Sessions of random sizes, all in use, that together take a share of the store.
struct Crowd {
    store: Arc<Store>,
    sizes: Vec<usize>,
    /// Bytes of all their blocks, and how many those may be.
    bytes: u64,
    most: u64,
    percent: u64,
    smallest: usize,
    largest: usize,
    random: Random,
}

impl Crowd {
    fn fill(store: Arc<Store>, percent: u64, smallest: usize, largest: usize) -> Result<Crowd, String> {
        let capacity = store.stats().map_err(|e| e.to_string())?.capacity;
        let mut crowd =
            Crowd { store, sizes: Vec::new(), bytes: 0, most: 0, percent, smallest, largest, random: Random::new(90) };
        loop {
            // Nodes, index and what is there once count as taken.
            let overhead = (1 << 20) + crowd.sizes.len() as u64 * 180;
            crowd.most = (capacity * percent / 100).saturating_sub(overhead);
            let size = some_size(&mut crowd.random, smallest, largest);
            if crowd.bytes + block_bytes(size) > crowd.most {
                return Ok(crowd);
            }
            let id = crowd.sizes.len();
            if !put_in_use(&crowd.store, &format!("c{id}"), &value(id as u64, size))? {
                return Err(format!("refused after {} of {} bytes", crowd.bytes, crowd.most));
            }
            crowd.sizes.push(size);
            crowd.bytes += block_bytes(size);
        }
    }

    /// Gives a random session another random size that fits; the thread's CPU time that took.
    fn update(&mut self, pool: &[u8]) -> Result<Duration, String> {
        let at = self.random.below(self.sizes.len() as u64) as usize;
        let free = self.most.saturating_sub(self.bytes) + block_bytes(self.sizes[at]);
        let mut size = some_size(&mut self.random, self.smallest, self.largest);
        if self.bytes < self.most - self.most / 50 {
            // Chance has left more room than the test is about.
            size = size.max(some_size(&mut self.random, self.smallest, self.largest));
        }
        while block_bytes(size) > free {
            size = some_size(&mut self.random, self.smallest, self.sizes[at].max(self.smallest + 1));
        }
        let from = self.random.below((pool.len() - size) as u64) as usize;
        let before = thread_cpu();
        if !try_put(&self.store, &format!("c{at}"), &pool[from..from + size], LIFE)? {
            return Err(format!("{size} bytes were refused at {} of {} bytes", self.bytes, self.most));
        }
        let took = thread_cpu() - before;
        self.bytes = self.bytes + block_bytes(size) - block_bytes(self.sizes[at]);
        self.sizes[at] = size;
        Ok(took)
    }

    fn run(&mut self, updates: u64) -> Result<String, String> {
        let pool = value(3, 2 * self.largest);
        let mut slowest = Duration::ZERO;
        let start = Instant::now();
        for i in 0..updates {
            slowest = slowest.max(self.update(&pool).map_err(|e| format!("update {i}: {e}"))?);
        }
        let each = start.elapsed().as_nanos() / u128::from(updates);
        sound(&self.store)?;
        let stats = self.store.stats().map_err(|e| e.to_string())?;
        if stats.evicted > 0 {
            return Err(format!("{} sessions were evicted", stats.evicted));
        }
        Ok(format!(
            "{updates} updates of {} sessions in {} MiB at {} % fill, {each} ns each, slowest {} µs",
            self.sizes.len(),
            stats.capacity >> 20,
            (stats.capacity - (self.most - self.bytes)) * self.percent / stats.capacity,
            slowest.as_micros()
        ))
    }
}

pub(crate) fn updates() -> Checked {
    let (megabytes, updates) = if soak() { (1024, 10_000_000) } else { (256, 400_000) };
    let dir = temporary();
    let mut crowd = Crowd::fill(attach(dir.path(), megabytes), 90, 100, 100_000)?;
    crowd.run(updates).map(Finding::Passed)
}

/// The shards of a small store are a few megabytes each, so that chance alone fills one while others are empty.
pub(crate) fn in_small_stores() -> Checked {
    let updates = if soak() { 1_000_000 } else { 40_000 };
    let mut lines = Vec::new();
    for (megabytes, largest) in [(16, 20_000), (64, 100_000)] {
        let dir = temporary();
        let mut crowd = Crowd::fill(attach(dir.path(), megabytes), 88, 100, largest)?;
        lines.push(crowd.run(updates)?);
    }
    Ok(Finding::Passed(lines.join("; ")))
}
