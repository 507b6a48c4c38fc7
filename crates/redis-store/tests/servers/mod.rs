//! Real servers on loopback for tests, each in a temporary directory of its own, and a suite that runs every case on
//! Redis and on Valkey. Servers are waited for until they answer, and are killed when their owner is dropped, also by
//! a panic; should the test itself be killed, the kernel kills them.
//!
//! | file | what is in it |
//! |---|---|
//! | `process.rs` | one server process: start, stop, pause, restart, ask |
//! | `certificates.rs` | an authority and what it certifies, by the `openssl` command |
//! | `cluster.rs` | three masters with a replica each |
//! | `sentinel.rs` | a master, two replicas and three Sentinels |
//! | `calls.rs` | every call of a store and of a lease |
//! | `fake.rs` | a server that answers what a test says |
//! | `proxy.rs` | a way to a server that delays, breaks off and counts round trips |
//! | `players.rs` | other processes that work on the store on command |
//! | `sessions.rs` | sessions of the store under test, and the bound on time |
//! | `suite.rs` | cases, how they run and are counted |
//!
//! Other test binaries use it by `#[path = "…/servers/mod.rs"] mod servers;`.
#![allow(dead_code, reason = "each test binary uses another part of it")]

pub(crate) mod calls;
pub(crate) mod certificates;
pub(crate) mod cluster;
pub(crate) mod fake;
pub(crate) mod players;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod sentinel;
pub(crate) mod sessions;
pub(crate) mod suite;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// The servers that the tests run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// Debian's `redis-server`, installed.
    Redis,
    /// Valkey as `scripts/fetch-valkey` fetches it.
    Valkey,
}

impl Engine {
    /// The name in addresses and on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Engine::Redis => "redis",
            Engine::Valkey => "valkey",
        }
    }

    fn program(self, of: &str) -> PathBuf {
        match self {
            Engine::Redis => format!("redis-{of}").into(),
            Engine::Valkey => {
                static FETCHED: OnceLock<PathBuf> = OnceLock::new();
                FETCHED.get_or_init(fetch_valkey).join(format!("bin/valkey-{of}"))
            }
        }
    }
}

/// Where `scripts/fetch-valkey` has put Valkey, or puts it now.
fn fetch_valkey() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/fetch-valkey");
    let said = Command::new(&script).stderr(Stdio::inherit()).output().expect("scripts/fetch-valkey runs");
    assert!(said.status.success(), "scripts/fetch-valkey says above why Valkey is not here");
    String::from_utf8(said.stdout).expect("a path").trim_end().into()
}

/// A temporary directory with a short path, in memory where there is such a place.
pub(crate) fn temporary() -> tempfile::TempDir {
    let base = if Path::new("/dev/shm").is_dir() { PathBuf::from("/dev/shm") } else { std::env::temp_dir() };
    tempfile::Builder::new().prefix("cloakroom-redis-").tempdir_in(base).expect("a temporary directory")
}

/// A port of loopback that nobody listens on, another one at each call. They lie below those that the system gives to
/// outgoing connections, so that none of these takes it before the server does.
pub(crate) fn free_port() -> u16 {
    const FIRST: u16 = 12_000;
    const COUNT: u16 = 20_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(u64::from(std::process::id()) * 97 % u64::from(COUNT)).expect("a small number");
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (u32::from(start) + u32::from(step)).rem_euclid(u32::from(COUNT)) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port of loopback is free");
}

/// Asks `done` until it answers something; an error where that takes longer than `limit`.
pub(crate) fn wait_for<T>(what: &str, limit: Duration, mut done: impl FnMut() -> Option<T>) -> Result<T, String> {
    let start = Instant::now();
    loop {
        if let Some(found) = done() {
            return Ok(found);
        }
        if start.elapsed() > limit {
            return Err(format!("{what}: not within {:.1} s", limit.as_secs_f64()));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}
