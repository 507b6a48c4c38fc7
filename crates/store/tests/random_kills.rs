//! Random deaths: three workers do random operations on sixty sessions while the parent kills them at random moments.
//!
//! Every payload names its session and carries a counter that rises with each write, and its bytes follow from both.
//! A worker notes in shared memory what it is about to write, then writes, then notes that it is acknowledged; so
//! after any kill each session must hold what was acknowledged last or what was in flight, whole. Some of the operations give
//! a session another id ([`rotations`]). Before that, six workers that only count are killed ([`counters`]).
//!
//! Both take a minute together, or `CLOAKROOM_KILL_SECONDS`.

#[path = "random_kills/counters.rs"]
mod counters;
mod harness;
#[path = "random_kills/rotations.rs"]
mod rotations;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cloakroom_seam::{Committed, Effort, End, Over, Succession};
use cloakroom_store::Store;
use harness::process::{Child, shared_words};
use harness::{Checked, Finding, LIFE, Random, Suite, attach, attach_existing, exclusive, soak, sound, value};
use rotations::Ids;

const SESSIONS: u64 = 60;
const WORKERS: u64 = 3;
/// Words of the log for each session.
const WORDS: u64 = 6;
/// Set in a log entry when the session was destroyed by that write.
const GONE: u64 = 1 << 63;

/// What is known of the sessions from outside the store: for each the number of the last acknowledged write and the
/// number of the write that was begun last, and under which ids it may be. The session's lock, which every worker takes, orders them.
struct Log {
    words: &'static [AtomicU64],
}

impl Log {
    fn acknowledged(&self, session: u64) -> &AtomicU64 {
        &self.words[(session * WORDS) as usize]
    }

    fn begun(&self, session: u64) -> &AtomicU64 {
        &self.words[(session * WORDS) as usize + 1]
    }

    /// The number of the next write; drawn under the session's lock, so a session's numbers rise.
    fn draw(&self, session: u64) -> u64 {
        self.words[(session * WORDS) as usize + 2].fetch_add(1, Ordering::SeqCst) + 1
    }

    /// The attempt to replace the session's id that is known to have succeeded last.
    fn current(&self, session: u64) -> &AtomicU64 {
        &self.words[(session * WORDS) as usize + 3]
    }

    /// The attempt that was begun last, and the one that was begun in the midst of that.
    fn attempt(&self, session: u64, which: usize) -> &AtomicU64 {
        &self.words[(session * WORDS) as usize + 4 + which]
    }

    /// Rotations of all workers that came to their end.
    fn rotations(&self) -> &AtomicU64 {
        &self.words[(SESSIONS * WORDS) as usize + 1]
    }

    /// Operations of all workers.
    fn operations(&self) -> &AtomicU64 {
        &self.words[(SESSIONS * WORDS) as usize]
    }

    /// Whether a session may hold `found`.
    fn allows(&self, session: u64, found: Option<u64>) -> Result<(), String> {
        let ordering = Ordering::SeqCst;
        let (sure, begun) = (self.acknowledged(session).load(ordering), self.begun(session).load(ordering));
        let matches = |entry: u64| match found {
            Some(number) => entry == number,
            None => entry == 0 || entry & GONE != 0,
        };
        if matches(sure) || matches(begun) {
            return Ok(());
        }
        let show = |entry: u64| format!("{}{}", entry & !GONE, if entry & GONE != 0 { " (end)" } else { "" });
        Err(format!("session {session} holds write {found:?}; acknowledged was {}, begun {}", show(sure), show(begun)))
    }
}

/// The payload of write `number` to `session`: both numbers, then bytes that follow from them; 100 B to 60 KB.
pub(crate) fn payload(session: u64, number: u64) -> Vec<u8> {
    let mix = (session << 32 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    let len = match mix % 8 {
        0 => 8000 + mix % 52_000,
        1 | 2 => 2000 + mix % 6000,
        _ => 100 + mix % 1900,
    };
    let mut bytes = Vec::with_capacity(len as usize + 16);
    bytes.extend_from_slice(&session.to_le_bytes());
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.extend_from_slice(&value(session << 40 ^ number, len as usize));
    bytes
}

/// The write that a payload comes from; an error where it is not whole. An empty one is a reservation.
pub(crate) fn number_of(session: u64, bytes: &[u8]) -> Result<Option<u64>, String> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let number = bytes.get(8..16).and_then(|word| word.try_into().ok()).map(u64::from_le_bytes);
    let number = number.ok_or("a payload is too short")?;
    if bytes == payload(session, number) { Ok(Some(number)) } else { Err(format!("session {session} is not whole")) }
}

/// One random operation on one session, checked against the log. `seen` holds the newest write that this worker saw
/// of each session.
fn operate(store: &Arc<Store>, log: &Log, random: &mut Random, seen: &mut [u64]) -> Result<(), String> {
    let session = random.below(SESSIONS);
    let ids = Ids { store, log, session };
    let newest = &mut seen[session as usize];
    let mut not_older = |found: Option<u64>| match found {
        Some(number) if number < *newest => Err(format!("session {session} went back from {newest} to {number}")),
        found => {
            *newest = found.unwrap_or(*newest);
            Ok(())
        }
    };
    if random.below(10) == 0 {
        let look = store.look(&ids.key(ids.current())).map_err(|e| format!("look: {e}"))?;
        let found = number_of(session, &look.payload.unwrap_or_default())?;
        // One whose id was replaced is behind, but whole.
        return if look.succession == Succession::None { not_older(found) } else { Ok(()) };
    }
    if random.below(100) == 0 {
        let effort = if random.below(2) == 0 { Effort::All } else { Effort::Step };
        store.collect(effort).map_err(|e| format!("collect: {e}"))?;
    }
    let (mut lease, key, found) = ids.take()?;
    not_older(found)?;
    let stored = number_of(
        session,
        &store.snapshot(&key).map(|found| found.0).map_err(|e| format!("snapshot: {e}"))?.unwrap_or_default(),
    )?;
    if found.is_none() && stored.is_some() {
        // A lease that began before the end of the session and got the lock after its next beginning: it shows
        // nothing and may write nothing.
        let outcome = lease.commit(b"too late", LIFE, Over::Anything).map_err(|e| format!("commit: {e}"))?;
        return if outcome == Committed::Ended {
            Ok(())
        } else {
            Err("a lease older than the session wrote".to_owned())
        };
    }
    if found != stored {
        return Err(format!("session {session} holds write {stored:?}, the lease shows {found:?}"));
    }
    log.allows(session, found)?;
    // What the lease shows is what counts from now on, whether or not its writer lived to acknowledge it. Every entry
    // is another, so that one who acknowledges late finds out that the session has moved on.
    let now = found.unwrap_or_else(|| log.draw(session) | GONE);
    log.acknowledged(session).store(now, Ordering::SeqCst);
    log.begun(session).store(now, Ordering::SeqCst);
    let (done, written) = match random.below(12) {
        10 | 11 if found.is_some() => {
            let written = ids.rotate(lease, &key, random)?;
            log.rotations().fetch_add(u64::from(written.is_some()), Ordering::Relaxed);
            // Where it was given up the session is as it was.
            (true, written.unwrap_or(now))
        }
        0 => {
            lease.release();
            (true, now)
        }
        1 => (lease.touch(b"", LIFE).map_err(|e| format!("touch: {e}"))? == Committed::Stored, now),
        2 if found.is_some() => {
            let end = log.draw(session) | GONE;
            log.begun(session).store(end, Ordering::SeqCst);
            (lease.destroy(End::at_once(Duration::from_secs(60))).map_err(|e| format!("destroy: {e}"))?, end)
        }
        _ => {
            let next = log.draw(session);
            log.begun(session).store(next, Ordering::SeqCst);
            let outcome =
                lease.commit(&payload(session, next), LIFE, Over::Anything).map_err(|e| format!("commit: {e}"))?;
            (outcome == Committed::Stored, next)
        }
    };
    if !done && found.is_some() {
        return Err(format!("session {session} had ended though its lease showed it"));
    }
    if done {
        // Another may be in already; only an entry that is still this one's is acknowledged.
        let _ = log.acknowledged(session).compare_exchange(now, written, Ordering::SeqCst, Ordering::SeqCst);
    }
    log.operations().fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// Works until it is killed; ends with a code other than 0 where something is wrong.
fn work(dir: &std::path::Path, log: &Log, stream: u64) -> i32 {
    let mut random = Random::new(stream);
    let mut step = || -> Result<(), String> {
        let store = attach_existing(dir)?;
        let mut seen = [0; SESSIONS as usize];
        loop {
            operate(&store, log, &mut random, &mut seen)?;
        }
    };
    match step() {
        Ok(()) => 0,
        Err(what) => {
            println!("        a worker found: {what}");
            3
        }
    }
}

/// All sessions as the log allows, and all invariants.
fn inspect(store: &Arc<Store>, log: &Log) -> Result<(), String> {
    sound(store)?;
    for session in 0..SESSIONS {
        log.allows(session, Ids { store, log, session }.holds()?)?;
    }
    Ok(())
}

fn kills(limit: Duration) -> Checked {
    let dir = harness::temporary();
    let log = Log { words: shared_words((SESSIONS * WORDS) as usize + 2) };
    let mut random = Random::new(1);
    let mut stream = 100;
    let mut start_worker = || {
        stream += 1;
        Child::fork(|| work(dir.path(), &log, stream))
    };
    harness::in_thread(|| drop(attach(dir.path(), 16)))?;
    let mut workers: Vec<Child> = (0..WORKERS).map(|_| start_worker()).collect();
    let start = Instant::now();
    let mut done = 0u64;
    while start.elapsed() < limit {
        // A pause of random length, not a synchronisation: the moment of the kill is to be arbitrary.
        std::thread::sleep(Duration::from_micros(random.below(24_000)));
        let at = random.below(WORKERS) as usize;
        if !workers[at].alive() {
            return Err(format!("a worker ended with code {} after {done} kills", workers[at].join()));
        }
        workers[at].kill();
        done += 1;
        workers[at] = start_worker();
        if done.is_multiple_of(100) {
            // Everybody stands still, so that the log says exactly what may be there.
            workers.iter_mut().for_each(Child::kill);
            done += WORKERS;
            let inspected = harness::in_thread(|| inspect(&attach_existing(dir.path())?, &log))?;
            inspected.map_err(|e| format!("after {done} kills: {e}"))?;
            println!("        {done} kills, {} operations", log.operations().load(Ordering::Relaxed));
            workers = (0..WORKERS).map(|_| start_worker()).collect();
        }
    }
    workers.iter_mut().for_each(Child::kill);
    done += WORKERS;
    let recoveries = harness::in_thread(|| {
        let store = attach_existing(dir.path())?;
        inspect(&store, &log)?;
        // Every lock must be had, and nothing may stay in use once all sessions have ended.
        for session in 0..SESSIONS {
            for key in (Ids { store: &store, log: &log, session }).all() {
                let mut lease = store.acquire(&key, &exclusive()).map_err(|e| format!("at the end: {e}"))?;
                lease.destroy(End::at_once(Duration::ZERO)).map_err(|e| e.to_string())?;
            }
        }
        store.clock().skew(1_000_000, 1_000_000);
        store.collect(Effort::All).map_err(|e| e.to_string())?;
        store.clock().skew(0, 0);
        let report = sound(&store)?;
        if (report.sessions, report.tombstones, report.payload_bytes, report.locked) != (0, 0, 0, 0) {
            return Err(format!("sessions, space or locks are left at the end: {report:?}"));
        }
        let stats = store.stats().map_err(|e| e.to_string())?;
        // Four shards, each with a chunk of nodes, one of index and the bitmaps of one of payloads; and the nodes of the ends that
        // were remembered at once, a tenth of the store.
        let most = 4 * (2 * (128 << 10) + 8192) + (1 << 20) + (16 << 20) / 10;
        if stats.file_bytes - stats.free_bytes > most {
            return Err(format!("{} bytes are in use without a session", stats.file_bytes - stats.free_bytes));
        }
        Ok(stats.recoveries)
    })??;
    let operations = log.operations().load(Ordering::Relaxed);
    let rotations = log.rotations().load(Ordering::Relaxed);
    let what = format!("{done} kills, {operations} operations, {rotations} of them rotations, {recoveries} recoveries");
    if done < 5 * limit.as_secs() || operations < done || rotations < done / 10 {
        return Err(format!("too little was done in {:.0} s: {what}", limit.as_secs_f64()));
    }
    Ok(Finding::Passed(what))
}

/// How long to kill.
fn seconds() -> u64 {
    let given = std::env::var("CLOAKROOM_KILL_SECONDS").ok().and_then(|text| text.parse().ok());
    given.unwrap_or(if soak() { 3600 } else { 60 })
}

fn main() -> std::process::ExitCode {
    let mut suite = Suite::new("random_kills");
    let limit = Duration::from_secs(seconds());
    suite.case("random kills", || counters::kill(limit * 2 / 3));
    suite.case("random kills in random operations", || kills(limit / 3));
    suite.finish()
}
