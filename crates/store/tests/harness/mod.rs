//! What the tests share: running cases and reporting how they went, seeds, temporary directories, and sessions
//! with known content. Processes are in [`process`], single steps in [`tracer`], copies of store files in [`image`], a
//! disk to fill in [`small_disk`], system calls that fail in [`refusing`].
#![allow(dead_code, reason = "each test binary uses another part of it")]

pub(crate) mod image;
pub(crate) mod process;
pub(crate) mod refusing;
pub(crate) mod small_disk;
#[cfg(target_arch = "x86_64")]
pub(crate) mod tracer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use cloakroom_seam::Room;
use cloakroom_seam::{Acquire, Committed, LockMode, Over};
use cloakroom_store::{Options, Store};

/// Lifetime of the sessions of these tests; longer than any of them runs.
pub(crate) const LIFE: Duration = Duration::from_secs(3600);

/// What a case found: a line for people, or why it could not be run here.
pub(crate) enum Finding {
    Passed(String),
    Skipped(String),
}

pub(crate) type Checked = Result<Finding, String>;

/// A case by its name, to be run in a process of its own.
pub(crate) type Named<'a> = (&'a str, Box<dyn Fn() -> Checked + 'a>);

/// Runs cases one after the other in this process and counts.
pub(crate) struct Suite {
    filter: Option<String>,
    passed: u32,
    failed: u32,
    skipped: u32,
    start: Instant,
}

impl Suite {
    /// A suite; an argument that is no option names the cases to run by a part of their names.
    pub(crate) fn new(name: &str) -> Suite {
        let filter = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
        println!("{name}: seed {}, {} form", seed(), if soak() { "long" } else { "short" });
        Suite { filter, passed: 0, failed: 0, skipped: 0, start: Instant::now() }
    }

    /// Whether the command line leaves the case in.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.filter.as_ref().is_none_or(|filter| name.contains(filter.as_str()))
    }

    /// Runs one case. A panic is a failure of that case only.
    pub(crate) fn case(&mut self, name: &str, case: impl FnOnce() -> Checked) {
        if !self.wants(name) {
            return;
        }
        let start = Instant::now();
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(case))
            .unwrap_or_else(|panic| Err(format!("panicked: {}", panic_text(&*panic))));
        let seconds = start.elapsed().as_secs_f64();
        match result {
            Ok(Finding::Passed(what)) => {
                self.passed += 1;
                println!("ok      {name}: {what} ({seconds:.1} s)");
            }
            Ok(Finding::Skipped(why)) => {
                self.skipped += 1;
                println!("skipped {name}: {why}");
            }
            Err(what) => {
                self.failed += 1;
                println!("FAILED  {name}: {what} ({seconds:.1} s)");
            }
        }
    }

    /// Runs cases side by side, as many at once as there are processors, each in order in a process of its own which
    /// calls `begin` with its number first.
    pub(crate) fn side_by_side(&mut self, cases: &[Named<'_>], begin: fn(usize)) {
        let counts = process::shared_words(4);
        let [next, totals @ ..] = counts else { return };
        let lanes = std::thread::available_parallelism().map_or(1, |processors| processors.get().min(4));
        let mut children: Vec<process::Child> = (0..lanes)
            .map(|lane| {
                process::Child::fork(|| {
                    begin(lane);
                    let mut own = Suite { filter: self.filter.clone(), passed: 0, failed: 0, skipped: 0, ..*self };
                    while let Some((name, case)) = cases.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                        own.case(name, case);
                    }
                    for (total, count) in totals.iter().zip([own.passed, own.failed, own.skipped]) {
                        total.fetch_add(u64::from(count), Ordering::Relaxed);
                    }
                    0
                })
            })
            .collect();
        for child in &mut children {
            let code = child.join();
            if code != 0 {
                println!("FAILED  a process that ran cases ended with code {code}");
                self.failed += 1;
            }
        }
        for (count, total) in [&mut self.passed, &mut self.failed, &mut self.skipped].into_iter().zip(totals) {
            *count += total.load(Ordering::Relaxed) as u32;
        }
    }

    /// Prints the totals; the exit code of the process.
    pub(crate) fn finish(self) -> std::process::ExitCode {
        let skipped = if self.skipped > 0 { format!(", {} skipped", self.skipped) } else { String::new() };
        println!(
            "{} passed, {} failed{skipped} in {:.1} s (CLOAKROOM_SEED={} repeats this run)",
            self.passed,
            self.failed,
            self.start.elapsed().as_secs_f64(),
            seed()
        );
        if self.failed == 0 { std::process::ExitCode::SUCCESS } else { std::process::ExitCode::FAILURE }
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_else(|| "without a message".to_owned())
}

/// Whether the long form was asked for.
pub(crate) fn soak() -> bool {
    std::env::var_os("CLOAKROOM_SOAK").is_some_and(|value| value != "0" && !value.is_empty())
}

/// The seed of this run.
pub(crate) fn seed() -> u64 {
    static SEED: std::sync::OnceLock<u64> = std::sync::OnceLock::new();
    *SEED.get_or_init(|| {
        let given = std::env::var("CLOAKROOM_SEED").ok().and_then(|text| text.parse().ok());
        given.unwrap_or_else(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            u64::from(now.subsec_nanos()) ^ now.as_secs() << 20 ^ u64::from(std::process::id()) << 44
        })
    })
}

/// A reproducible stream of numbers (SplitMix64).
#[derive(Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// The stream number `stream` of this run's seed.
    pub(crate) fn new(stream: u64) -> Random {
        Random(seed() ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`, which is not 0.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// A temporary directory in memory where there is such a place.
pub(crate) fn temporary() -> tempfile::TempDir {
    let base = if Path::new("/dev/shm").is_dir() { PathBuf::from("/dev/shm") } else { std::env::temp_dir() };
    tempfile::Builder::new().prefix("cloakroom-test-").tempdir_in(base).expect("a temporary directory")
}

/// The path of this user's store file in `dir`.
pub(crate) fn store_file(dir: &Path) -> PathBuf {
    dir.join(format!("cloakroom-{}.store", rustix::process::geteuid().as_raw()))
}

/// Attaches the store in `dir`, making one of `megabytes`.
pub(crate) fn attach(dir: &Path, megabytes: u64) -> Arc<Store> {
    Store::attach(dir, Options { capacity: Some(megabytes << 20), user: None })
        .unwrap_or_else(|e| panic!("cannot attach: {e}"))
}

/// Attaches the store in `dir` as it is.
pub(crate) fn attach_existing(dir: &Path) -> Result<Arc<Store>, String> {
    Store::attach(dir, Options { capacity: None, user: None }).map_err(|e| format!("cannot attach: {e}"))
}

/// Runs `work` on a thread of its own, so that what it attached is left when it is done.
pub(crate) fn in_thread<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    std::thread::scope(|scope| scope.spawn(work).join()).map_err(|panic| format!("panicked: {}", panic_text(&*panic)))
}

/// An exclusive acquire that waits at most `wait`.
pub(crate) fn waiting(wait: Duration) -> Acquire<'static> {
    Acquire {
        mode: LockMode::Exclusive,
        wait,
        lock_ttl: Duration::ZERO,
        max_waiters: 0,
        lifetime: LIFE,
        script: b"/srv/app/test.php",
        since: None,
        drawn: false,
    }
}

/// An exclusive acquire with a bound that only something stuck reaches.
pub(crate) fn exclusive() -> Acquire<'static> {
    waiting(Duration::from_secs(40))
}

/// An acquire without the session lock.
pub(crate) fn unlocked() -> Acquire<'static> {
    Acquire { mode: LockMode::None, ..exclusive() }
}

/// Commits `value` to the session `id`.
pub(crate) fn put(store: &Arc<Store>, id: &str, value: &[u8]) -> Result<(), String> {
    let mut lease = store.acquire(&store.key(b"", id.as_bytes()), &exclusive()).map_err(|e| format!("acquire: {e}"))?;
    match lease.commit(value, LIFE, Over::Anything) {
        Ok(Committed::Stored) => Ok(()),
        Ok(Committed::VersionChanged) => Err("a write over anything was refused".to_owned()),
        Ok(Committed::Ended) => Err("the session had ended before the commit".to_owned()),
        Err(e) => Err(format!("commit: {e}")),
    }
}

/// The committed payload of the session `id`.
pub(crate) fn get(store: &Arc<Store>, id: &str) -> Result<Option<Vec<u8>>, String> {
    store.snapshot(&store.key(b"", id.as_bytes())).map(|found| found.0).map_err(|e| format!("snapshot: {e}"))
}

/// The payload that a lease shows.
pub(crate) fn read(lease: &mut cloakroom_store::Lease) -> Result<Vec<u8>, String> {
    loop {
        let mut out = vec![0; lease.len()];
        match lease.read(&mut Room::over(&mut out)) {
            Ok(()) => return Ok(out),
            Err(cloakroom_store::Error::Changed) => {}
            Err(e) => return Err(format!("read: {e}")),
        }
    }
}

/// Fails unless the store keeps all its invariants.
pub(crate) fn sound(store: &Arc<Store>) -> Result<cloakroom_store::Report, String> {
    let report = store.check().map_err(|e| format!("check: {e}"))?;
    if report.problems.is_empty() { Ok(report) } else { Err(format!("check found: {}", report.problems.join("; "))) }
}

/// `len` bytes that no other tag has.
pub(crate) fn value(tag: u64, len: usize) -> Vec<u8> {
    let mut random = Random(tag.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ len as u64);
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend_from_slice(&random.next().to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// The shard of a key in a store with `shards` shards: bits 40 and up of its first word.
pub(crate) fn shard_of(store: &Arc<Store>, id: &str, shards: u32) -> u32 {
    let bytes = store.key(b"", id.as_bytes()).to_bytes();
    bytes.iter().skip(5).take(3).rev().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) & (shards - 1)
}

/// The first `count` ids with `prefix` whose sessions lie in `shard` of a store with 4 shards.
pub(crate) fn ids_in_shard(store: &Arc<Store>, prefix: &str, shard: u32, count: usize) -> Vec<String> {
    (0u64..).map(|i| format!("{prefix}{i}")).filter(|id| shard_of(store, id, 4) == shard).take(count).collect()
}

/// Waits until `done` says so; an error where that takes longer than `limit`.
pub(crate) fn wait_until(what: &str, limit: Duration, mut done: impl FnMut() -> bool) -> Result<(), String> {
    let start = Instant::now();
    while !done() {
        if start.elapsed() > limit {
            return Err(format!("{what}: not within {:.1} s", limit.as_secs_f64()));
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    Ok(())
}
