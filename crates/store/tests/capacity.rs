//! The store at its limits: how much it takes, what goes first when it is full, and what never goes.

#[path = "capacity/crowds.rs"]
mod crowds;
#[path = "capacity/floods.rs"]
mod floods;
mod harness;

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use cloakroom_seam::{Committed, Effort, Over};
use cloakroom_store::{Error, Store};
use harness::process::Worker;
use harness::{
    Checked, Finding, LIFE, Random, Suite, attach, exclusive, get, ids_in_shard, in_thread, put, sound, store_file,
    temporary, value,
};
use rustix::time::{ClockId, clock_gettime};

const YEAR: i64 = 365 * 24 * 3600;

fn main() -> ExitCode {
    let mut suite = Suite::new("capacity");
    suite.case("the file keeps to its size and then refuses", keeps_to_its_size);
    suite.case("what has expired goes before anything else", expired_first);
    suite.case("a flood of cookieless starts spares sessions in use", floods::of_starts);
    suite.case("a flood that returns once spares sessions that are used again and again", floods::of_pairs);
    suite.case("a flood of logouts leaves room for sessions", floods::of_ends);
    suite.case("random updates at 90 % fill", crowds::updates);
    suite.case("small stores use the room of all shards", crowds::in_small_stores);
    suite.case("one shard takes the room of the others", one_shard_takes_all);
    suite.case("reclaiming 300,000 of a million sessions", reclaim);
    suite.case("another size beside old workers", another_size);
    suite.case("the largest size that a living process asks for counts", largest_asked_for);
    suite.case("a clock a year ahead, and back", clock_jumps);
    suite.finish()
}

/// Commits for `life`, telling a refusal for want of room from other errors.
fn try_put(store: &Arc<Store>, id: &str, payload: &[u8], life: Duration) -> Result<bool, String> {
    let refused = |e: Error| match e {
        Error::Full { .. } => Ok(false),
        e => Err(format!("instead of a refusal: {e}")),
    };
    let mut lease = match store.acquire(&store.key(b"", id.as_bytes()), &exclusive()) {
        Ok(lease) => lease,
        Err(e) => return refused(e),
    };
    match lease.commit(payload, life, Over::Anything) {
        Ok(Committed::Stored) => Ok(true),
        Ok(other) => Err(format!("{other:?}")),
        Err(e) => refused(e),
    }
}

/// Makes a session that is used again and again.
fn put_in_use(store: &Arc<Store>, id: &str, payload: &[u8]) -> Result<bool, String> {
    for _ in 0..3 {
        if !try_put(store, id, payload, LIFE)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Bytes that the file really takes on its disk.
fn taken(dir: &Path) -> u64 {
    std::fs::metadata(store_file(dir)).expect("the store file").blocks() * 512
}

fn thread_cpu() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// From `low` to `high` bytes, each order of magnitude as often as any other.
fn some_size(random: &mut Random, low: usize, high: usize) -> usize {
    let share = random.below(1 << 20) as f64 / f64::from(1 << 20);
    (low as f64 * (high as f64 / low as f64).powf(share)) as usize
}

fn keeps_to_its_size() -> Checked {
    let mut lines = Vec::new();
    for megabytes in [8, 16, 64] {
        let dir = temporary();
        let store = attach(dir.path(), megabytes);
        let mut random = Random::new(megabytes);
        let (mut kept, mut refused) = (HashMap::new(), 0);
        let len = || std::fs::metadata(store_file(dir.path())).map_or(0, |file| file.len());
        let mut before = len();
        for i in 0u64.. {
            let id = format!("s{i}");
            let content = value(i, some_size(&mut random, 100, 50_000));
            // Allocating takes time in proportion, and it is one request that waits for it.
            let grown = len() - std::mem::replace(&mut before, len());
            if grown > 2 << 20 {
                return Err(format!("one commit made the file {grown} bytes longer"));
            }
            if put_in_use(&store, &id, &content)? {
                kept.insert(id, content);
            } else {
                refused += 1;
            }
            if i % 64 == 0 && taken(dir.path()) > megabytes << 20 {
                return Err(format!("{} bytes of {megabytes} MiB", taken(dir.path())));
            }
            if refused > 200 {
                break;
            }
        }
        for (id, content) in &kept {
            if get(&store, id)?.as_ref() != Some(content) {
                return Err("a session was lost or changed".to_owned());
            }
        }
        sound(&store)?;
        let payload: u64 = kept.values().map(|content| content.len() as u64).sum();
        lines.push(format!("{} % of {megabytes} MiB are payload", payload * 100 / (megabytes << 20)));
        if store.stats().map_err(|e| e.to_string())?.evicted > 200 {
            return Err("sessions that came back were evicted".to_owned());
        }
    }
    Ok(Finding::Passed(lines.join(", ")))
}

fn expired_first() -> Checked {
    let dir = temporary();
    let store = attach(dir.path(), 16);
    let content = value(1, 3000);
    let mut fresh = 0;
    // Two of three sessions live shortly; none ever comes back, so all may be evicted.
    while store.stats().map_err(|e| e.to_string())?.evicted == 0 {
        for i in 0..10 {
            let life = if i % 3 == 0 { LIFE } else { Duration::from_secs(100) };
            try_put(&store, &format!("s{fresh}"), &content, life)?;
            fresh += 1;
        }
    }
    let evicted = store.stats().map_err(|e| e.to_string())?.evicted;
    store.clock().skew(200, 200);
    let room = fresh / 2;
    for i in 0..room {
        if !try_put(&store, &format!("new{i}"), &content, LIFE)? {
            return Err("refused while expired sessions lay there".to_owned());
        }
    }
    let stats = store.stats().map_err(|e| e.to_string())?;
    sound(&store)?;
    if stats.evicted > evicted || stats.expired < u64::try_from(room / 2).unwrap_or(0) {
        return Err(format!("{} were evicted, {} expired ones reclaimed", stats.evicted - evicted, stats.expired));
    }
    Ok(Finding::Passed(format!("{room} new sessions took the place of {} expired ones", stats.expired)))
}

/// Every chunk of three shards keeps a little, and the fourth wants all the room that this leaves.
fn one_shard_takes_all() -> Checked {
    const LEN: usize = 10_000;
    let dir = temporary();
    let store = attach(dir.path(), 16);
    let mut kept = HashMap::new();
    for shard in 0..3 {
        for id in ids_in_shard(&store, "giver", shard, 500) {
            if !put_in_use(&store, &id, &value(1, LEN))? {
                break;
            }
            kept.insert(id, value(1, LEN));
        }
    }
    // Three of four become small, whichever way they lie: no chunk is empty.
    for (id, content) in kept.iter_mut().filter(|(id, _)| !id.ends_with(['0', '5'])) {
        *content = value(2, 100);
        put(&store, id, content)?;
    }
    let begun = store.stats().map_err(|e| e.to_string())?;
    for id in ids_in_shard(&store, "taker", 3, 1600) {
        if !put_in_use(&store, &id, &value(3, LEN))? {
            break;
        }
        kept.insert(id, value(3, LEN));
    }
    for (id, content) in &kept {
        if get(&store, id)?.as_ref() != Some(content) {
            return Err("a session was lost or changed".to_owned());
        }
    }
    sound(&store)?;
    let stats = store.stats().map_err(|e| e.to_string())?;
    let share = stats.payload_bytes * 100 / stats.capacity;
    let what = format!("{} % payload before, {share} % in the end", begun.payload_bytes * 100 / begun.capacity);
    if share < 80 || stats.evicted > 1 { Err(what) } else { Ok(Finding::Passed(what)) }
}

fn reclaim() -> Checked {
    const ALL: u64 = 1_000_000;
    const SHORT: u64 = 300_000;
    let dir = temporary();
    let store = attach(dir.path(), 1024);
    let mut random = Random::new(300);
    for i in 0..ALL {
        let life = if i < SHORT { Duration::from_secs(60) } else { Duration::from_secs(1 << 30) };
        if !try_put(&store, &format!("m{i}"), &i.to_le_bytes(), life)? {
            return Err("refused".to_owned());
        }
    }
    let before = store.stats().map_err(|e| e.to_string())?.expired;
    let (mut slowest, mut operations, mut seconds) = (Duration::ZERO, 0u64, 100);
    // Requests come by, and time goes on; nobody collects.
    while store.stats().map_err(|e| e.to_string())?.expired < before + SHORT {
        seconds += 1;
        if seconds > 7200 {
            return Err("what has expired is not reclaimed within two hours of requests".to_owned());
        }
        store.clock().skew(seconds, seconds);
        for _ in 0..64 {
            let id = format!("m{}", SHORT + random.below(ALL - SHORT));
            let start = thread_cpu();
            let stored = try_put(&store, &id, b"changed", Duration::from_secs(1 << 30))?;
            slowest = slowest.max(thread_cpu() - start);
            operations += 1;
            if !stored {
                return Err("refused".to_owned());
            }
        }
    }
    let report = sound(&store)?;
    if report.sessions != ALL - SHORT {
        return Err(format!("{} sessions are left", report.sessions));
    }
    let step = thread_cpu();
    store.collect(Effort::Step).map_err(|e| e.to_string())?;
    let step = thread_cpu() - step;
    let what = format!("in {operations} requests, the slowest of {} µs CPU time", slowest.as_micros());
    // All at once would take a hundred milliseconds; a request's own share takes a hundredth of one, and on a busy machine
    // some wait longer for memory.
    if !cfg!(debug_assertions) && slowest.max(step) >= Duration::from_millis(20) {
        return Err(format!("too slow: {what}; a step of a collection {} µs", step.as_micros()));
    }
    Ok(Finding::Passed(what))
}

fn another_size() -> Checked {
    let dir = temporary();
    let path = dir.path();
    let contents: Vec<(String, Vec<u8>)> = (0..1500).map(|i| (format!("s{i}"), value(i, 10_000))).collect();
    in_thread(|| {
        let store = attach(path, 32);
        contents.iter().try_for_each(|(id, content)| put_in_use(&store, id, content).map(drop))
    })??;
    let before = taken(path);
    let all_there = |store: &Arc<Store>| {
        contents.iter().try_for_each(|(id, content)| match get(store, id)? {
            Some(found) if found == *content => Ok(()),
            _ => Err(format!("{id} is lost")),
        })
    };
    // With nobody else there a smaller size counts at once.
    in_thread(|| {
        let store = attach(path, 8);
        all_there(&store)?;
        let mut refused = 0;
        for i in 0..500 {
            refused += usize::from(!put_in_use(&store, &format!("more{i}"), &value(i, 30_000))?);
        }
        if refused == 0 || taken(path) > before + (2 << 20) {
            return Err(format!("{refused} refused, {} bytes before and {} after", before, taken(path)));
        }
        all_there(&store)
    })??;
    // An old worker keeps its mapping, and goes on with it while the size changes.
    let mut old = Worker::start(|| {
        let store = attach(path, 32);
        move |line: &str| {
            let (command, id) = line.split_once(' ').unwrap_or((line, ""));
            match command {
                "put" => put_in_use(&store, id, &value(9, 40_000)).map(|stored| stored.to_string()),
                _ => get(&store, id).map(|found| found.map_or(0, |bytes| bytes.len()).to_string()),
            }
        }
    });
    if old.ask("put old")? != "true" {
        return Err("the old worker cannot write".to_owned());
    }
    // A smaller size takes nothing from a process that asks for more.
    in_thread(|| {
        let store = attach(path, 8);
        all_there(&store)?;
        for i in 0..100 {
            if !put_in_use(&store, &format!("beside{i}"), &value(i, 30_000))? {
                return Err("refused though a larger neighbour lives".to_owned());
            }
        }
        all_there(&store)
    })??;
    in_thread(|| {
        let store = attach(path, 128);
        for i in 0..2000 {
            if !put_in_use(&store, &format!("larger{i}"), &value(i, 30_000))? {
                return Err("refused in a larger store".to_owned());
            }
        }
        all_there(&store)?;
        sound(&store).map(drop)
    })??;
    // What the new worker wrote lies beyond what the old one has mapped.
    let (found, stored) = (old.ask("get larger1999")?, old.ask("put new-by-old")?);
    if found != "30000" || stored != "true" || old.ask("get old")? != "40000" {
        return Err(format!("the old worker reads {found} bytes and writes {stored}"));
    }
    Ok(Finding::Passed("32, 8, 128 MiB: all 1500 sessions, also for a worker that began with 32".to_owned()))
}

fn largest_asked_for() -> Checked {
    let dir = temporary();
    let store = attach(dir.path(), 64);
    put(&store, "id", b"")?;
    // A neighbour that attaches the store with another size, uses it and dies; the size that it saw.
    let neighbour = |megabytes| {
        let mut worker = Worker::start(|| {
            let store = attach(dir.path(), megabytes);
            move |_| put(&store, "other", b"").and_then(|()| size(&store)).map(|size| size.to_string())
        });
        worker.ask("size")
    };
    let same = |when: &str, expected: u64, found: u64| match found == expected {
        true => Ok(()),
        false => Err(format!("{when}: {found} MiB instead of {expected}")),
    };
    let seen = neighbour(16)?;
    same("what a neighbour that asks for less sees", 64, seen.parse().unwrap_or(0))?;
    same("beside it", 64, size(&store)?)?;
    let seen = neighbour(128)?;
    same("what one that asks for more sees", 128, seen.parse().unwrap_or(0))?;
    same("until somebody looks again", 128, size(&store)?)?;
    store.settle_capacity();
    same("once the larger neighbour is gone", 64, size(&store)?)?;
    Ok(Finding::Passed("64 MiB beside one that asks for 16, 128 while one that asks for that lives".to_owned()))
}

/// MiB that the store may take.
fn size(store: &Arc<Store>) -> Result<u64, String> {
    store.stats().map(|stats| stats.capacity >> 20).map_err(|e| e.to_string())
}

fn clock_jumps() -> Checked {
    let dir = temporary();
    let store = attach(dir.path(), 16);
    let content = value(4, 2000);
    for i in 0..1000 {
        put(&store, &format!("s{i}"), &content)?;
    }
    let all_there = |when: &str| match (0..1000).find(|i| get(&store, &format!("s{i}")) != Ok(Some(content.clone()))) {
        Some(lost) => Err(format!("session {lost} is lost {when}")),
        None => Ok(()),
    };
    store.clock().skew(-YEAR, 0);
    all_there("a year back")?;
    store.clock().skew(YEAR, 0);
    if get(&store, "s0")?.is_some() {
        return Err("a year ahead nothing has expired".to_owned());
    }
    let removed = store.collect(Effort::All).map_err(|e| e.to_string())?;
    // Requests of that year, and a store that they fill: what is hidden is not reclaimed for them.
    for i in 0..2000 {
        try_put(&store, &format!("ahead{i}"), &value(i, 500), LIFE)?;
    }
    store.clock().skew(0, 0);
    all_there("after a year ahead and back")?;
    sound(&store)?;
    if removed > 0 {
        return Err(format!("{removed} sessions were removed"));
    }
    Ok(Finding::Passed("1000 hidden and back, none removed".to_owned()))
}
