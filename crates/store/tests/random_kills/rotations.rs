//! Rotations among the random operations: a session gets another id, and whoever comes by the old one finds where it is.
//!
//! Each attempt to replace the id of a session has a number, which the new id has in it. The worker notes the number before it
//! begins, so the session is under the id that it is known to have been under, or under one that was noted last. The counter in
//! the payloads goes on from one id to the next, so that what the log says of a session holds for all of its ids.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cloakroom_seam::{Acquire, Committed, End, Key, Look, Named, Over, Succession, Successor};
use cloakroom_store::{Lease, Store};

use super::{Log, number_of, payload};
use crate::harness::{LIFE, Random, exclusive, read, unlocked};

/// How often a session may be elsewhere by the time a worker gets there.
const TURNS: u32 = 10_000;
/// The key of a successor that is gone.
const GONE: Key = Key::from_words(0, 0);
/// How an id ends that was given up.
const GIVEN_UP: End = End::at_once(Duration::from_secs(60));

/// What is known of a session's ids from outside the store: the attempt that has succeeded last, and the last ones that were begun.
#[derive(Clone, Copy)]
pub(super) struct Ids<'a> {
    pub(super) store: &'a Arc<Store>,
    pub(super) log: &'a Log,
    pub(super) session: u64,
}

impl Ids<'_> {
    pub(super) fn key(self, attempt: u64) -> Key {
        self.store.key(b"", format!("session{}-{attempt}", self.session).as_bytes())
    }

    /// The id that the session is known to have been under.
    pub(super) fn current(self) -> u64 {
        self.log.current(self.session).load(Ordering::SeqCst)
    }

    /// The attempts that were begun last.
    fn begun(self) -> [u64; 2] {
        [0, 1].map(|which| self.log.attempt(self.session, which).load(Ordering::SeqCst))
    }

    /// All ids that the session may be under.
    pub(super) fn all(self) -> Vec<Key> {
        let [first, second] = self.begun();
        [self.current(), first, second].map(|attempt| self.key(attempt)).to_vec()
    }

    fn moved(self, attempt: u64) {
        self.log.current(self.session).fetch_max(attempt, Ordering::SeqCst);
    }

    fn attempt_of(self, key: &Key) -> Option<u64> {
        self.begun().into_iter().find(|attempt| self.key(*attempt) == *key)
    }

    fn look(self, key: &Key) -> Result<Look, String> {
        self.store.look(key).map_err(|e| format!("look: {e}"))
    }

    fn acquire(self, key: &Key, how: &Acquire<'_>) -> Result<Lease, String> {
        self.store.acquire(key, how).map_err(|e| format!("acquire: {e}"))
    }

    /// The later attempt, if one was written.
    fn written_since(self, current: u64) -> Result<Option<u64>, String> {
        for attempt in self.begun().into_iter().filter(|attempt| *attempt > current) {
            if self.look(&self.key(attempt))?.is_written {
                return Ok(Some(attempt));
            }
        }
        Ok(None)
    }

    /// The session's lock, where it is, and what it holds.
    pub(super) fn take(self) -> Result<(Lease, Key, Option<u64>), String> {
        for _ in 0..TURNS {
            let current = self.current();
            let key = self.key(current);
            let mut lease = self.acquire(&key, &exclusive())?;
            match lease.succession() {
                Succession::None => {
                    let found = number_of(self.session, &read(&mut lease)?)?;
                    let is_here = match (found, self.written_since(current)?) {
                        (Some(_), Some(_)) if self.current() == current => {
                            return Err(format!("session {} is under two ids, both to be written", self.session));
                        }
                        (_, Some(attempt)) => {
                            self.moved(attempt);
                            false
                        }
                        (_, None) => self.current() == current,
                    };
                    if is_here {
                        return Ok((lease, key, found));
                    }
                    if lease.is_new() {
                        lease.destroy(GIVEN_UP).map_err(|e| format!("destroy: {e}"))?;
                    }
                }
                Succession::Named(successor) => {
                    drop(lease);
                    self.decide(&key, &successor)?;
                }
                Succession::Retired(successor) => {
                    drop(lease);
                    let is_written = self.look(&successor.key)?.is_written;
                    match self.attempt_of(&successor.key) {
                        Some(attempt) if is_written => self.moved(attempt),
                        _ if self.current() != current => {}
                        _ => return Err(format!("session {} is retired, and nothing took its place", self.session)),
                    }
                }
            }
        }
        Err(format!("session {} is always elsewhere", self.session))
    }

    /// Takes the lock of a successor that was named, and does what is to be done then.
    fn decide(self, key: &Key, successor: &Successor) -> Result<(), String> {
        let is_it = |look: &Look| look.incarnation == successor.incarnation;
        let attempt = self.attempt_of(&successor.key);
        if !is_it(&self.look(&successor.key)?) {
            // One whose place another has taken by now, or nobody's.
            let still_named = self.look(key)?.succession == Succession::Named(Successor { key: GONE, ..*successor });
            return match still_named && self.key(self.current()) == *key {
                true => Err(format!("session {} names a successor that is gone", self.session)),
                false => Ok(()),
            };
        }
        let mut held = self.acquire(&successor.key, &exclusive())?;
        let Some(attempt) = attempt else { return Ok(()) };
        let look = self.look(&successor.key)?;
        if is_it(&look) && look.is_written {
            self.store.settle(key, successor, GIVEN_UP).map_err(|e| format!("settle: {e}"))?;
            self.moved(attempt);
            return Ok(());
        }
        let reinstated = is_it(&look) && self.store.reinstate(key, successor).map_err(|e| format!("reinstate: {e}"))?;
        if reinstated && attempt.is_multiple_of(2) || held.is_new() {
            held.destroy(GIVEN_UP).map_err(|e| format!("destroy: {e}"))?;
        }
        Ok(())
    }

    /// Reserves the new id of attempt `number`, noted as the first or the second of this rotation.
    fn reserve(self, which: usize, number: u64) -> Result<(Lease, Successor), String> {
        if which == 0 {
            self.log.attempt(self.session, 1).store(0, Ordering::SeqCst);
        }
        self.log.attempt(self.session, which).store(number, Ordering::SeqCst);
        let key = self.key(number);
        let lease = self.acquire(&key, &Acquire { drawn: true, ..exclusive() })?;
        let successor = Successor { key, incarnation: lease.incarnation() };
        Ok((lease, successor))
    }

    /// Gives the session another id, and writes it there; the number of that write, or `None` where this worker gives up before.
    pub(super) fn rotate(self, mut leaving: Lease, key: &Key, random: &mut Random) -> Result<Option<u64>, String> {
        let name = |lease: &mut Lease, successor: &Successor, before: Option<&Successor>| match lease
            .name(successor, before)
        {
            Ok(Named::Unchanged) => Ok(()),
            Ok(named) => Err(format!("session {} cannot name its successor: {named:?}", self.session)),
            Err(e) => Err(format!("name: {e}")),
        };
        let mut attempt = self.log.draw(self.session);
        let (mut held, mut successor) = self.reserve(0, attempt)?;
        name(&mut leaving, &successor, None)?;
        leaving.release();
        if random.below(4) == 0 {
            attempt = self.log.draw(self.session);
            let (third, next) = self.reserve(1, attempt)?;
            name(&mut held, &next, None)?;
            let mut first = self.acquire(key, &unlocked())?;
            name(&mut first, &next, Some(&successor))?;
            held.destroy(GIVEN_UP).map_err(|e| format!("destroy: {e}"))?;
            (held, successor) = (third, next);
        }
        if random.below(4) == 0 {
            return Ok(None);
        }
        let next = self.log.draw(self.session);
        self.log.begun(self.session).store(next, Ordering::SeqCst);
        let outcome = held
            .commit(&payload(self.session, next), LIFE, Over::Reservation)
            .map_err(|e| format!("first commit: {e}"))?;
        if outcome != Committed::Stored {
            return Err(format!("session {} had its successor taken away: {outcome:?}", self.session));
        }
        self.moved(attempt);
        let grace = Duration::from_secs(60 * random.below(2));
        self.store.settle(key, &successor, End { grace, ..GIVEN_UP }).map_err(|e| format!("settle: {e}"))?;
        Ok(Some(next))
    }

    /// What the session holds, wherever it is, while nobody works on it.
    pub(super) fn holds(self) -> Result<Option<u64>, String> {
        let current = self.current();
        let look = self.look(&self.key(current))?;
        let number = |bytes: Option<Vec<u8>>| number_of(self.session, &bytes.unwrap_or_default());
        let wrong = |what: &str| Err(format!("session {} {what}", self.session));
        let (successor, retired) = match (look.succession, self.written_since(current)?) {
            (Succession::None, None) => return number(look.payload),
            (Succession::None, Some(_)) if look.payload.as_ref().is_some_and(|bytes| !bytes.is_empty()) => {
                return wrong("is under two ids, both to be written");
            }
            (Succession::None, Some(attempt)) => return number(self.look(&self.key(attempt))?.payload),
            (Succession::Named(successor), _) => (successor, false),
            (Succession::Retired(successor), _) => (successor, true),
        };
        let next = self.look(&successor.key)?;
        match next.is_written && next.incarnation == successor.incarnation {
            true => number(next.payload),
            false if retired => wrong("is retired, and its successor was not written"),
            false if next.incarnation != successor.incarnation => wrong("names a successor that is gone"),
            false => number(look.payload),
        }
    }
}
