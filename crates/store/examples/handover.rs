//! One of two processes that hand a session of the store to each other, without PHP: the benchmark of the hand-over runs
//! it (`benches/handover`) beside processes of PHP that do the same.
//!
//! The arguments are a directory for the store and an id. Lines on standard input: `take` locks and reads the session, and answers in
//! one line when it was asked for, when the process before released it, when it was got (nanoseconds of CLOCK_MONOTONIC),
//! and for which time anybody has it; `release` notes the time in the session, stores it and unlocks.

use std::io::BufRead;
use std::process::ExitCode;
use std::time::Duration;

use cloakroom_seam::{Acquire, LockMode, Over};
use cloakroom_store::{Lease, Options, Store};
use rustix::time::{ClockId, clock_gettime};

const LIFE: Duration = Duration::from_secs(600);
/// As large as the payload of the processes of PHP.
const PAYLOAD: usize = 1100;

fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// The number at the beginning of `bytes`.
fn number(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("handover: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (directory, id) = (arguments.next().unwrap_or_default(), arguments.next().unwrap_or_default());
    let store = Store::attach(directory.as_ref(), Options { capacity: Some(64 << 20), user: None })?;
    let key = store.key(b"", id.as_bytes());
    let how = Acquire {
        mode: LockMode::Exclusive,
        wait: Duration::from_secs(30),
        lock_ttl: Duration::ZERO,
        max_waiters: 0,
        lifetime: LIFE,
        script: b"handover",
        since: None,
        drawn: false,
    };
    let mut held: Option<Lease> = None;
    let mut times = 0;
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        if let ("release", Some(lease)) = (line.as_str(), &mut held) {
            let mut payload = vec![0; PAYLOAD];
            let (released, rest) = payload.split_at_mut(8);
            rest[..8].copy_from_slice(&u64::to_le_bytes(times));
            released.copy_from_slice(&now().to_le_bytes());
            lease.commit(&payload, LIFE, Over::Anything)?;
            held = None;
            continue;
        }
        let called = now();
        let lease = held.insert(store.acquire(&key, &how)?);
        let mut payload = vec![0; lease.len()];
        lease.read(&mut cloakroom_seam::Room::over(&mut payload))?;
        let got = now();
        times = number(payload.get(8..).unwrap_or_default()) + 1;
        println!("{called} {} {got} {times}", number(&payload));
    }
    Ok(())
}
