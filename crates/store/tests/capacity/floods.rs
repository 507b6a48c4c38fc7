//! Floods of requests that are not of the sessions in use: these stay, and new ones find room.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cloakroom_seam::{Acquire, End};
use cloakroom_store::Store;

use crate::harness::{Checked, Finding, LIFE, attach, exclusive, get, sound, temporary, value};
use crate::{put_in_use, taken, thread_cpu, try_put};

pub(crate) fn of_starts() -> Checked {
    const STARTS: u32 = 1_000_000;
    let dir = temporary();
    let store = attach(dir.path(), 16);
    let in_use: Vec<(String, Vec<u8>)> = (0..1000).map(|i| (format!("user{i}"), value(i, 1000))).collect();
    for (id, content) in &in_use {
        if !put_in_use(&store, id, content)? {
            return Err("no room at the beginning".to_owned());
        }
    }
    let bytes = value(7, 1000);
    let start = Instant::now();
    for i in 0..STARTS {
        let id = format!("crawler{i}");
        // Every other one only starts a session, the others put something into it.
        if i % 2 == 0 {
            drop(store.acquire(&store.key(b"", id.as_bytes()), &exclusive()).map_err(|e| e.to_string())?);
        } else if !try_put(&store, &id, &bytes, LIFE)? {
            return Err("a start was refused".to_owned());
        }
    }
    let rate = f64::from(STARTS) / start.elapsed().as_secs_f64();
    for (id, content) in &in_use {
        if get(&store, id)?.as_ref() != Some(content) {
            return Err("a session in use was evicted".to_owned());
        }
    }
    sound(&store)?;
    let stats = store.stats().map_err(|e| e.to_string())?;
    if stats.reserved * 128 > stats.capacity / 10 || taken(dir.path()) > stats.capacity {
        return Err(format!("{} reserved sessions, {} bytes", stats.reserved, taken(dir.path())));
    }
    Ok(Finding::Passed(format!("{STARTS} starts ({rate:.0} a second), {} evicted, 1000 of 1000 kept", stats.evicted)))
}

/// What stays of a flood that fills a store, and how long an operation in it may hold the others up.
struct Flood {
    store: Arc<Store>,
    in_use: Vec<(String, Vec<u8>)>,
    start: Instant,
    slowest: Duration,
}

impl Flood {
    fn begin(dir: &Path, megabytes: u64) -> Result<Flood, String> {
        let store = attach(dir, megabytes);
        let in_use: Vec<_> = (0..1000).map(|i| (format!("user{i}"), value(i, 1000))).collect();
        for (id, content) in &in_use {
            if !put_in_use(&store, id, content)? {
                return Err("no room at the beginning".to_owned());
            }
        }
        Ok(Flood { store, in_use, start: Instant::now(), slowest: Duration::ZERO })
    }

    fn timed<T>(&mut self, work: impl FnOnce(&Arc<Store>) -> T) -> T {
        let before = thread_cpu();
        let done = work(&self.store);
        self.slowest = self.slowest.max(thread_cpu() - before);
        done
    }

    fn end(self, requests: u32) -> Result<String, String> {
        for (id, content) in &self.in_use {
            if get(&self.store, id)?.as_ref() != Some(content) {
                return Err("a session in use was evicted".to_owned());
            }
        }
        sound(&self.store)?;
        // Those who are there can go on, and others can come.
        for id in ["user1", "a new one"] {
            if !put_in_use(&self.store, id, &value(1, 3000))? {
                return Err(format!("{id} was refused"));
            }
        }
        let rate = f64::from(requests) / self.start.elapsed().as_secs_f64();
        Ok(format!("{requests} requests ({rate:.0} a second), the slowest of {} µs", self.slowest.as_micros()))
    }
}

pub(crate) fn of_pairs() -> Checked {
    const PAIRS: u32 = 200_000;
    let dir = temporary();
    let mut flood = Flood::begin(dir.path(), 16)?;
    let bytes = value(7, 1000);
    for i in 0..PAIRS {
        let id = format!("crawler{i}");
        // Every fourth one stores nothing either time.
        for _ in 0..2 {
            let stored = flood.timed(|store| match i % 4 {
                0 => {
                    store.acquire(&store.key(b"", id.as_bytes()), &exclusive()).map(|_| true).map_err(|e| e.to_string())
                }
                _ => try_put(store, &id, &bytes, LIFE),
            })?;
            if !stored {
                return Err(format!("a request of pair {i} was refused"));
            }
        }
    }
    if taken(dir.path()) > 16 << 20 {
        return Err(format!("{} bytes", taken(dir.path())));
    }
    flood.end(2 * PAIRS).map(Finding::Passed)
}

pub(crate) fn of_ends() -> Checked {
    const ENDS: u32 = 200_000;
    const HOUR: Duration = Duration::from_secs(3600);
    let dir = temporary();
    let mut flood = Flood::begin(dir.path(), 8)?;
    let bytes = value(7, 200);
    for i in 0..ENDS {
        let id = format!("visitor{i}");
        // A third begin and end in one request, a third in two, a third are replaced.
        if i % 3 > 0 && !try_put(&flood.store, &id, &bytes, LIFE)? {
            return Err("a start was refused".to_owned());
        }
        let grace = if i % 3 == 2 { HOUR } else { Duration::ZERO };
        flood.timed(|store| {
            let how = Acquire { drawn: true, ..exclusive() };
            let mut lease = store.acquire(&store.key(b"", id.as_bytes()), &how).map_err(|e| e.to_string())?;
            lease.destroy(End { tombstone: HOUR, grace }).map_err(|e| e.to_string())
        })?;
    }
    let stats = flood.store.stats().map_err(|e| e.to_string())?;
    if stats.tombstones * 128 > stats.capacity / 10 || stats.evicted > 0 {
        return Err(format!("{} ends are remembered, {} sessions were evicted", stats.tombstones, stats.evicted));
    }
    let replaced = stats.payload_bytes.saturating_sub(1000 * 1000);
    if replaced > stats.capacity / 20 {
        return Err(format!("replaced sessions keep {replaced} bytes"));
    }
    flood.end(ENDS).map(Finding::Passed)
}
