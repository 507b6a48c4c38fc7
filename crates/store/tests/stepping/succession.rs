//! What must be true of a session whose id was being replaced when a process was killed, and what those do who come across it.
//!
//! The victim (A) lives with its payload until its successor was written, and a session that was written is the one that the
//! victim names: so at no moment is there neither of them, and at no moment can both be written. Who finds the victim naming a
//! successor does as requests do: takes the successor's lock, and settles the victim or reinstates it.

use std::sync::Arc;
use std::time::Duration;

use cloakroom_seam::{Acquire, Committed, End, Key, Look, Over, Succession, Successor};
use cloakroom_store::{Lease, Store};

use super::witness::{Marker, Scene, in_time};
use crate::harness::{LIFE, exclusive, put, read, waiting};

/// What the operation makes of the victim's id.
#[derive(Clone)]
pub(crate) struct Replaced {
    /// What the victim holds when its id is replaced.
    pub(crate) stored: Vec<u8>,
    /// The sessions that are to take its place, each after the one before it was given up.
    pub(crate) successors: Vec<String>,
    /// What the one of them is written with that is written.
    pub(crate) written: Vec<u8>,
    /// How the victim ends when its successor was written.
    pub(crate) end: End,
    /// Whether the operation ends the victim though no successor was written.
    pub(crate) ends: bool,
    /// Whether the machine has crashed, so that any of the sessions may be as it was before, or gone.
    pub(crate) crashed: bool,
    /// Whether who waits in the operation waits for the lock of the first successor, not for the victim's.
    pub(crate) waits_for_successor: bool,
}

/// How often a waiter may find that another has changed the victim's succession.
const TURNS: u32 = 6;
/// How long a waiter waits for each lock; it begins before the kill.
const LONG: Duration = Duration::from_secs(60);

/// What is there of a successor.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Absent,
    Reserved,
    Written,
}

impl Replaced {
    fn next(&self, look: &Look) -> Result<Next, String> {
        match &look.payload {
            None => Ok(Next::Absent),
            Some(bytes) if !look.is_written && bytes.is_empty() => Ok(Next::Reserved),
            Some(bytes) if look.is_written && *bytes == self.written => Ok(Next::Written),
            Some(bytes) => Err(format!("a successor of {} bytes was never written", bytes.len())),
        }
    }

    fn is_one(&self, store: &Arc<Store>, key: &Key) -> bool {
        self.successors.iter().any(|id| store.key(b"", id.as_bytes()) == *key)
    }
}

fn look(store: &Arc<Store>, key: &Key) -> Result<Look, String> {
    store.look(key).map_err(|e| format!("look: {e}"))
}

/// What is there of `successor`, which the victim names.
fn next_of(store: &Arc<Store>, replaced: &Replaced, successor: &Successor) -> Result<Next, String> {
    if !replaced.is_one(store, &successor.key) {
        return if replaced.crashed {
            Ok(Next::Absent)
        } else {
            Err("it names a stranger, or none that is there".to_owned())
        };
    }
    let look = look(store, &successor.key)?;
    match replaced.next(&look)? {
        _ if look.incarnation != successor.incarnation => Ok(Next::Absent),
        next => Ok(next),
    }
}

/// Looks at the victim and its successors without a lock.
pub(crate) fn judge(store: &Arc<Store>, scene: &Scene, replaced: &Replaced, after: Marker) -> Result<(), String> {
    let victim = look(store, &store.key(b"", scene.victim.as_bytes()))?;
    scene.allows(after, victim.payload.as_ref())?;
    let mut written = 0;
    for id in &replaced.successors {
        written += u32::from(replaced.next(&look(store, &store.key(b"", id.as_bytes()))?)? == Next::Written);
    }
    if after != Marker::None {
        let names_none = victim.succession == Succession::None;
        return if names_none { Ok(()) } else { Err(format!("written by the {}, it names another", after.name())) };
    }
    let (next, payload) = match (victim.payload, victim.succession) {
        (None, _) if written > 0 && replaced.end.grace.is_zero() => return Ok(()),
        (None, _) if replaced.ends || replaced.crashed => return Ok(()),
        (None, _) => return Err("it is lost, and no successor was written".to_owned()),
        (Some(_), Succession::None) if written > 0 && !replaced.crashed => {
            return Err("its successor was written, and it can be written, too".to_owned());
        }
        (Some(_), Succession::None) => return Ok(()),
        (Some(payload), Succession::Named(successor)) => (next_of(store, replaced, &successor)?, payload),
        (Some(_), Succession::Retired(_)) if replaced.end.grace.is_zero() => {
            return Err("it has a grace, and was given none".to_owned());
        }
        (Some(payload), Succession::Retired(successor)) => match next_of(store, replaced, &successor)? {
            Next::Reserved if !replaced.crashed => {
                return Err("it is retired, and its successor was not written".to_owned());
            }
            next => (next, payload),
        },
    };
    if payload != replaced.stored {
        return Err(format!("its id was replaced, and it holds other {} bytes", payload.len()));
    }
    if next == Next::Absent && !replaced.crashed { Err("its successor is gone".to_owned()) } else { Ok(()) }
}

/// How long to wait for a lock, and what to do once the victim is over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comer {
    /// Comes after the kill: must have each lock at once, and writes in any case.
    Late,
    /// Waits since before the kill.
    Waiter,
}

/// Writes the victim as a request does: where it names a successor, that one's lock decides what becomes of it. Whether `me` has
/// written.
pub(crate) fn write(
    store: &Arc<Store>,
    scene: &Scene,
    replaced: &Replaced,
    (after, me): (Marker, Marker),
    comer: Comer,
) -> Result<bool, String> {
    let key = store.key(b"", scene.victim.as_bytes());
    let take = |key: &Key| match comer {
        Comer::Late => in_time(|| store.acquire(key, &exclusive())),
        Comer::Waiter => store.acquire(key, &waiting(LONG)).map_err(|e| format!("acquire: {e}")),
    };
    for _ in 0..TURNS {
        let mut lease = take(&key)?;
        let found = read(&mut lease)?;
        let succession = lease.succession();
        if succession == Succession::None {
            let content = Some(found).filter(|_| !lease.is_new());
            scene.allows(after, content.as_ref()).map_err(|e| format!("by lease: {e}"))?;
            return match commit(&mut lease, &me.written())? {
                Committed::Stored => Ok(true),
                outcome => Err(format!("commit: {outcome:?}")),
            };
        }
        if found != replaced.stored || after != Marker::None {
            return Err("by lease: its id was replaced, and it holds something else".to_owned());
        }
        if commit(&mut lease, b"refused")? != Committed::Ended {
            return Err("it was written though another takes its place".to_owned());
        }
        match succession {
            Succession::Named(successor) => decide(store, &key, replaced, &successor, take)?,
            _ if comer == Comer::Waiter => return Ok(false),
            _ => {
                store.destroy(&key, End::at_once(LIFE)).map_err(|e| format!("end the grace: {e}"))?;
                return put(store, &scene.victim, &me.written()).map(|()| true);
            }
        }
    }
    Err("it is replaced again and again".to_owned())
}

fn commit(lease: &mut Lease, payload: &[u8]) -> Result<Committed, String> {
    lease.commit(payload, LIFE, Over::Anything).map_err(|e| format!("commit: {e}"))
}

/// With the successor's lock in hand nobody else is about to write it.
fn decide(
    store: &Arc<Store>,
    key: &Key,
    replaced: &Replaced,
    successor: &Successor,
    take: impl Fn(&Key) -> Result<Lease, String>,
) -> Result<(), String> {
    let held = if replaced.is_one(store, &successor.key) { Some(take(&successor.key)?) } else { None };
    match next_of(store, replaced, successor)? {
        Next::Absent if !replaced.crashed => return Err("by lease: its successor is gone".to_owned()),
        Next::Absent | Next::Written => {
            store.settle(key, successor, replaced.end).map_err(|e| format!("settle: {e}"))?;
        }
        Next::Reserved => {
            if !store.reinstate(key, successor).map_err(|e| format!("reinstate: {e}"))? {
                return Err("it could not be reinstated".to_owned());
            }
        }
    }
    drop(held);
    Ok(())
}

/// An acquire of the session `id` that was drawn for it.
pub(crate) fn drawn() -> Acquire<'static> {
    Acquire { drawn: true, ..exclusive() }
}
