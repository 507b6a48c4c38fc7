//! Counting workers, killed at random: each commit adds one to a number in its session, and is acknowledged in memory
//! outside the store once it has returned. What was acknowledged and is not there was lost.
//!
//! Under a session's lock its number must be at least the highest that was acknowledged before; where it is not, the
//! difference is counted as lost, once. At the end it must also be at least the number of acknowledged commits, which
//! finds two workers that counted on from the same number. Payloads are longer or shorter with each commit, from 100
//! bytes to 60 KB, and every byte follows from session and number.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cloakroom_seam::{Committed, Over};
use cloakroom_store::Error;

use crate::harness::process::{Child, shared_words};
use crate::harness::{Checked, Finding, LIFE, Random, attach, attach_existing, exclusive, in_thread, read, sound};
use crate::{number_of, payload};

const WRITERS: usize = 6;
const SESSIONS: u64 = 40;
/// Words that are kept of each session, before the words of [`Losses`].
const WORDS: u64 = 3;

/// What is known outside the store.
#[derive(Clone, Copy)]
struct Ledger {
    words: &'static [AtomicU64],
}

impl Ledger {
    /// The highest acknowledged number of a session.
    fn highest(self, session: u64) -> &'static AtomicU64 {
        &self.words[(session * WORDS) as usize]
    }

    /// Acknowledged commits to a session.
    fn acknowledged(self, session: u64) -> &'static AtomicU64 {
        &self.words[(session * WORDS + 1) as usize]
    }

    /// The highest number that anybody began to commit to a session.
    fn begun(self, session: u64) -> &'static AtomicU64 {
        &self.words[(session * WORDS + 2) as usize]
    }

    fn lost(self, what: Loss) -> &'static AtomicU64 {
        &self.words[(SESSIONS * WORDS) as usize + what as usize]
    }

    fn count(self, what: Loss, number: u64) {
        self.lost(what).fetch_add(number, Ordering::SeqCst);
    }

    /// Compares what a session holds, seen under its lock, with what was acknowledged.
    fn compare(self, session: u64, found: u64) {
        let highest = self.highest(session).load(Ordering::SeqCst);
        if found < highest {
            self.count(Loss::Commits, highest - found);
            self.count(Loss::Sessions, u64::from(found == 0));
            self.highest(session).store(found, Ordering::SeqCst);
        }
        if found > self.begun(session).load(Ordering::SeqCst) {
            self.count(Loss::Torn, 1);
        }
    }
}

/// What a worker may find.
#[derive(Clone, Copy)]
enum Loss {
    Sessions,
    Commits,
    Torn,
    Stuck,
}

const KINDS: u64 = 4;

/// What a session holds under its lock, with the lease; `None` where the lock is not had or the payload not whole,
/// which is counted.
fn look(
    store: &std::sync::Arc<cloakroom_store::Store>,
    ledger: Ledger,
    session: u64,
) -> Result<Option<(cloakroom_store::Lease, u64)>, String> {
    let key = store.key(b"", format!("counter{session}").as_bytes());
    let mut lease = match store.acquire(&key, &exclusive()) {
        Ok(lease) => lease,
        Err(Error::LockTimeout { .. } | Error::Stuck { .. }) => {
            ledger.count(Loss::Stuck, 1);
            return Ok(None);
        }
        Err(e) => return Err(format!("acquire: {e}")),
    };
    let Ok(number) = read(&mut lease).and_then(|bytes| number_of(session, &bytes)) else {
        ledger.count(Loss::Torn, 1);
        return Ok(None);
    };
    let number = number.unwrap_or(0);
    ledger.compare(session, number);
    Ok(Some((lease, number)))
}

/// Counts until it is killed.
fn work(dir: &Path, ledger: Ledger, stream: u64) -> Result<(), String> {
    let mut random = Random::new(stream);
    let store = attach_existing(dir)?;
    loop {
        let session = random.below(SESSIONS);
        let Some((mut lease, number)) = look(&store, ledger, session)? else { continue };
        let next = number + 1;
        ledger.begun(session).fetch_max(next, Ordering::SeqCst);
        match lease.commit(&payload(session, next), LIFE, Over::Anything).map_err(|e| format!("commit: {e}"))? {
            Committed::Stored => {
                ledger.acknowledged(session).fetch_add(1, Ordering::SeqCst);
                ledger.highest(session).fetch_max(next, Ordering::SeqCst);
            }
            // Nobody ends a session, and the lock keeps others away.
            Committed::Ended | Committed::VersionChanged => ledger.count(Loss::Sessions, 1),
        }
    }
}

/// Kills workers for as long as `limit` and counts what was lost.
pub(crate) fn kill(limit: Duration) -> Checked {
    let dir = crate::harness::temporary();
    let ledger = Ledger { words: shared_words((SESSIONS * WORDS + KINDS) as usize) };
    in_thread(|| drop(attach(dir.path(), 32)))?;
    let mut random = Random::new(5);
    let mut stream = 5000;
    let mut start = || {
        stream += 1;
        Child::fork(|| match work(dir.path(), ledger, stream) {
            Ok(()) => 0,
            Err(what) => {
                println!("        a worker found: {what}");
                3
            }
        })
    };
    let mut writers: Vec<Child> = (0..WRITERS).map(|_| start()).collect();
    let (begin, mut kills, mut told) = (Instant::now(), 0, Duration::ZERO);
    while begin.elapsed() < limit {
        // A pause of random length, not a synchronisation: the moment of the kill is to be arbitrary.
        std::thread::sleep(Duration::from_micros(random.below(24_000)));
        let at = random.below(WRITERS as u64) as usize;
        if !writers[at].alive() {
            return Err(format!("a worker ended with code {} after {kills} kills", writers[at].join()));
        }
        writers[at].kill();
        kills += 1;
        writers[at] = start();
        if begin.elapsed() > told + Duration::from_secs(20) {
            told = begin.elapsed();
            println!("        {} kills in {:.0} s", thousands(kills), told.as_secs_f64());
        }
    }
    writers.iter_mut().for_each(Child::kill);
    kills += WRITERS as u64;
    let commits = in_thread(|| {
        let store = attach_existing(dir.path())?;
        sound(&store)?;
        let mut commits = 0;
        for session in 0..SESSIONS {
            let acknowledged = ledger.acknowledged(session).load(Ordering::SeqCst);
            commits += acknowledged;
            if let Some((_, number)) = look(&store, ledger, session)? {
                ledger.count(Loss::Commits, acknowledged.saturating_sub(number));
            }
        }
        sound(&store)?;
        Ok::<_, String>(commits)
    })??;
    let [sessions, lost, torn, stuck] = [Loss::Sessions, Loss::Commits, Loss::Torn, Loss::Stuck]
        .map(|what| ledger.lost(what).load(Ordering::SeqCst))
        .map(thousands);
    let line = format!(
        "{} kills in {:.0} s, {WRITERS} writers, {SESSIONS} sessions: sessions lost {sessions}, commits lost {lost}, \
         payloads torn {torn}, locks stuck {stuck} ({} commits)",
        thousands(kills),
        begin.elapsed().as_secs_f64(),
        thousands(commits),
    );
    let clean = [sessions, lost, torn, stuck].iter().all(|count| count == "0");
    if clean && commits > kills && kills > 5 * limit.as_secs() { Ok(Finding::Passed(line)) } else { Err(line) }
}

/// A number with a comma after each three digits.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
