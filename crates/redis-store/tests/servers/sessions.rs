//! Sessions of the store under test, in few words, and the bound on time that every answer has to keep.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cloakroom_redis_store::{Address, Counter, Error, Lease, Store};
use cloakroom_seam::{Acquire, Committed, Key, LockMode, Over};

use super::process::Server;

/// Lifetime of the sessions; longer than any test runs.
pub(crate) const LIFE: Duration = Duration::from_secs(3600);

/// What an answer may take beyond the timeouts of its address.
pub(crate) const MARGIN: Duration = Duration::from_millis(100);

/// What an error begins with that says that something took too long: on a busy machine it may be tried again.
pub(crate) const SLOW: &str = "too slow: ";

/// The store at `url`.
pub(crate) fn open(url: &str) -> Result<Arc<Store>, String> {
    Address::parse(url.as_bytes()).map(Store::new).map_err(|error| error.to_string())
}

/// The key of the session `id`.
pub(crate) fn key(id: &str) -> Key {
    Store::key(b"", id.as_bytes())
}

/// With the lock, waiting longer for it than anybody here holds one.
pub(crate) fn exclusive() -> Acquire<'static> {
    Acquire {
        mode: LockMode::Exclusive,
        lock_ttl: Duration::from_secs(10),
        wait: Duration::from_secs(20),
        max_waiters: 0,
        lifetime: LIFE,
        script: b"/srv/app/test.php",
        since: None,
        drawn: false,
    }
}

/// Without the lock.
pub(crate) fn unlocked() -> Acquire<'static> {
    Acquire { mode: LockMode::None, ..exclusive() }
}

/// Acquires a session, which is reserved where there is none.
pub(crate) fn acquire(store: &Arc<Store>, id: &str, how: &Acquire<'_>) -> Result<Lease, Error> {
    store.acquire(&key(id), how)
}

/// Locks a session, writes it and unlocks it.
pub(crate) fn write(store: &Arc<Store>, id: &str, payload: &[u8]) -> Result<(), String> {
    let mut lease = acquire(store, id, &exclusive()).map_err(|error| format!("acquire: {error}"))?;
    stored(lease.commit(payload, LIFE, Over::Anything))
}

/// An error unless the outcome is that the payload was stored.
pub(crate) fn stored(outcome: Result<Committed, Error>) -> Result<(), String> {
    match outcome {
        Ok(Committed::Stored) => Ok(()),
        Ok(other) => Err(format!("a commit was answered {other:?}")),
        Err(error) => Err(format!("commit: {error}")),
    }
}

/// An error unless the session holds `expected`.
pub(crate) fn holds(store: &Store, id: &str, expected: Option<&[u8]>) -> Result<(), String> {
    let (found, _) = store.snapshot(&key(id)).map_err(|error| format!("snapshot: {error}"))?;
    if found.as_deref() == expected {
        return Ok(());
    }
    let shown = |payload: Option<&[u8]>| payload.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    Err(format!("the session holds {:?} instead of {:?}", shown(found.as_deref()), shown(expected)))
}

/// What a store has counted, as everybody sees it.
pub(crate) fn counted(store: &Store, name: &str) -> Result<u64, String> {
    let figures = store.status().map_err(|error| format!("status: {error}"))?;
    figures.iter().find(|(found, _)| *found == name).map(|(_, figure)| *figure).ok_or(format!("nothing counts {name}"))
}

/// The error of what has to fail.
pub(crate) fn refused<T>(what: &str, outcome: Result<T, Error>) -> Result<String, String> {
    match outcome {
        Ok(_) => Err(format!("{what} did not fail")),
        Err(error) => Ok(error.to_string()),
    }
}

/// An error unless `text` holds each of `parts`.
pub(crate) fn says(text: &str, parts: &[&str]) -> Result<(), String> {
    match parts.iter().find(|part| !text.contains(**part)) {
        None => Ok(()),
        Some(part) => Err(format!("it should say \"{part}\": {text}")),
    }
}

/// Does something and answers its outcome; an error where it takes longer than `limit` and the margin.
pub(crate) fn within<T>(what: &str, limit: Duration, work: impl FnOnce() -> T) -> Result<T, String> {
    let start = Instant::now();
    let outcome = work();
    let took = start.elapsed();
    if took <= limit + MARGIN {
        return Ok(outcome);
    }
    Err(format!("{SLOW}{what} took {took:.0?}, the limit is {limit:?} and {MARGIN:?}"))
}

/// The name under which the only session on `server` is stored.
pub(crate) fn name_on(server: &Server) -> Result<String, String> {
    let names: Vec<String> = server.ask(&["KEYS", "*}"])?;
    match <[String; 1]>::try_from(names) {
        Ok([name]) => Ok(name),
        Err(names) => Err(format!("there are {} sessions instead of one", names.len())),
    }
}

/// The name under which the session `id` is stored with the usual prefix.
pub(crate) fn name_of(id: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bytes = key(id).to_bytes();
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
    let digit = |at: usize| (0..6).fold(0, |digit, step| digit << 1 | bit(at * 6 + step));
    let tag: String = (0..22).map(|at| char::from(ALPHABET[usize::from(digit(at))])).collect();
    format!("cloakroom:{{{tag}}}")
}

/// A session that counts how often it was written: reads a number, writes the next one.
pub(crate) fn count_up(store: &Arc<Store>, id: &str, how: &Acquire<'_>) -> Result<u64, Error> {
    let mut lease = acquire(store, id, how)?;
    loop {
        let next = number(lease.payload()) + 1;
        match lease.commit(next.to_string().as_bytes(), LIFE, Over::WhatWasRead)? {
            Committed::Stored => return Ok(next),
            Committed::VersionChanged if how.mode != LockMode::Exclusive => store.count(Counter::Merges, 1),
            other => panic!("counting up was answered {other:?}"),
        }
    }
}

/// The number that a counting session holds.
pub(crate) fn number(payload: &[u8]) -> u64 {
    std::str::from_utf8(payload).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
}
