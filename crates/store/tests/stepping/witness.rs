//! What must be true after a kill, looked at by those who live on and by those who come later.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cloakroom_seam::{Acquire, Committed, Effort, End, Over};
use cloakroom_store::{Error, Inheritance, Lease, Options, Store};

use super::succession::{self, Comer, Replaced};
use crate::harness::{LIFE, exclusive, get, put, read, sound, value, waiting};

/// Longest time in which a dead owner's lock must be had: a look at its liveness every 20 ms, and a busy machine.
const FREE_AGAIN: Duration = Duration::from_secs(3);
/// What those say who waited longer than they must.
pub(crate) const LATE: &str = "free only after too long a time";

/// The sessions of a template, and what the interrupted operation may have made of them.
#[derive(Clone)]
pub(crate) struct Scene {
    /// The session that the operation is about.
    pub(crate) victim: String,
    /// What it may hold afterwards: `None` where it may be absent.
    pub(crate) allowed: Vec<Option<Vec<u8>>>,
    /// What the operation writes.
    pub(crate) next: Vec<u8>,
    /// Sessions that must be unchanged.
    pub(crate) others: Vec<(String, Vec<u8>)>,
    /// Sessions that must be unchanged or gone.
    pub(crate) losable: Vec<(String, Vec<u8>)>,
    /// Whether the victim may be retired: read, and written only after its grace was ended.
    pub(crate) retires: bool,
    /// The sessions that are to take the victim's place.
    pub(crate) replaced: Option<Replaced>,
    /// The capacity with which those who come later attach: who gives none makes no store and sets no file aside.
    pub(crate) makes: Option<u64>,
}

/// Who wrote the victim after the kill.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marker {
    None,
    Waiter,
    Survivor,
}

impl Marker {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Marker::None => "none",
            Marker::Waiter => "waiter",
            Marker::Survivor => "survivor",
        }
    }

    fn parse(name: &str) -> Marker {
        match name {
            "waiter" => Marker::Waiter,
            "survivor" => Marker::Survivor,
            _ => Marker::None,
        }
    }

    pub(crate) fn written(self) -> Vec<u8> {
        value(900 + self as u64, 700)
    }
}

impl Scene {
    pub(crate) fn attach(&self, dir: &Path) -> Result<Arc<Store>, String> {
        Store::attach(dir, Options { capacity: self.makes, user: None }).map_err(|e| format!("cannot attach: {e}"))
    }

    pub(crate) fn allows(&self, after: Marker, found: Option<&Vec<u8>>) -> Result<(), String> {
        let as_expected = match after {
            Marker::None => self.allowed.iter().any(|value| value.as_ref() == found),
            marker => found == Some(&marker.written()),
        };
        if as_expected {
            return Ok(());
        }
        let what = found.map_or("absent".to_owned(), |bytes| format!("{} bytes", bytes.len()));
        Err(format!("the session is {what}, which was never committed after {}", after.name()))
    }

    /// The session for whose lock somebody waits in the operation.
    fn waited_for(&self) -> &str {
        match &self.replaced {
            Some(replaced) if replaced.waits_for_successor => &replaced.successors[0],
            _ => &self.victim,
        }
    }

    fn others_unchanged(&self, store: &Arc<Store>) -> Result<(), String> {
        for (id, expected) in &self.others {
            if get(store, id)?.as_ref() != Some(expected) {
                return Err(format!("another session of {} bytes changed", expected.len()));
            }
        }
        for (id, expected) in &self.losable {
            if get(store, id)?.is_some_and(|found| found != *expected) {
                return Err("a session that may be evicted has changed".to_owned());
            }
        }
        Ok(())
    }
}

fn snapshots(store: &Arc<Store>, scene: &Scene, after: Marker) -> Result<(), String> {
    scene.allows(after, get(store, &scene.victim)?.as_ref()).map_err(|e| format!("by snapshot: {e}"))?;
    if let Some(replaced) = &scene.replaced {
        succession::judge(store, scene, replaced, after).map_err(|e| format!("by a look: {e}"))?;
    }
    scene.others_unchanged(store)
}

/// Takes a lock, within the bound.
pub(crate) fn in_time(acquire: impl FnOnce() -> Result<Lease, Error>) -> Result<Lease, String> {
    let start = Instant::now();
    let lease = acquire().map_err(|e| format!("acquire: {e}"))?;
    if start.elapsed() > FREE_AGAIN {
        return Err(format!("the lock was {LATE}: {:.1} s", start.elapsed().as_secs_f64()));
    }
    Ok(lease)
}

/// Takes the victim's lock within the bound, reads and writes it.
fn take(store: &Arc<Store>, scene: &Scene, after: Marker, me: Marker) -> Result<(), String> {
    if let Some(replaced) = &scene.replaced {
        return succession::write(store, scene, replaced, (after, me), Comer::Late).map(|_| ());
    }
    let key = store.key(b"", scene.victim.as_bytes());
    let mut lease = in_time(|| store.acquire(&key, &exclusive()))?;
    let found = read(&mut lease)?;
    scene.allows(after, Some(found).filter(|_| !lease.is_new()).as_ref()).map_err(|e| format!("by lease: {e}"))?;
    let outcome = lease.commit(&me.written(), LIFE, Over::Anything).map_err(|e| format!("commit: {e}"))?;
    if outcome == Committed::Ended && scene.retires {
        store.destroy(&key, End::at_once(LIFE)).map_err(|e| format!("end the grace: {e}"))?;
        return put(store, &scene.victim, &me.written());
    }
    if outcome == Committed::Stored { Ok(()) } else { Err(format!("commit: {outcome:?}")) }
}

/// Looks at everything, in one of three orders: recovery must not depend on who comes first.
fn inspect(store: &Arc<Store>, scene: &Scene, order: u64, after: Marker, me: Marker) -> Result<(), String> {
    match order {
        0 => {
            snapshots(store, scene, after)?;
            take(store, scene, after, me)?;
        }
        1 => {
            sound(store)?;
            take(store, scene, after, me)?;
        }
        _ => take(store, scene, after, me)?,
    }
    snapshots(store, scene, me)?;
    sound(store)?;
    Ok(())
}

/// Attaches anew, inspects (or, in orders 3 and up, looks only through snapshots), ends all sessions and sees that
/// at most `limit` bytes stay in use. Gives the bytes in use.
pub(crate) fn finish(dir: &Path, scene: &Scene, after: Marker, order: u64, limit: u64) -> Result<u64, String> {
    // Who makes a store removes it with its last session; that is not the one that looks.
    drop(scene.attach(dir)?);
    let store = scene.attach(dir)?;
    if order < 3 {
        inspect(&store, scene, order, after, Marker::Waiter).map_err(|e| format!("newcomer: {e}"))?;
    } else {
        snapshots(&store, scene, after).map_err(|e| format!("newcomer: {e}"))?;
    }
    let ids = scene.others.iter().chain(&scene.losable).map(|(id, _)| id).chain([&scene.victim]);
    let ids = ids.chain(scene.replaced.iter().flat_map(|replaced| &replaced.successors));
    for id in ids {
        store
            .destroy(&store.key(b"", id.as_bytes()), End::at_once(Duration::ZERO))
            .map_err(|e| format!("destroy: {e}"))?;
    }
    store.clock().skew(1_000_000, 1_000_000);
    store.collect(Effort::All).map_err(|e| format!("collect: {e}"))?;
    store.clock().skew(0, 0);
    sound(&store)?;
    let stats = store.stats().map_err(|e| e.to_string())?;
    let left = (stats.sessions, stats.tombstones, stats.reserved, stats.payload_bytes);
    if left != (0, 0, 0, 0) {
        return Err(format!("after the end of all sessions there are still (live, ended, reserved, bytes) {left:?}"));
    }
    let used = stats.file_bytes - stats.free_bytes;
    if used > limit {
        return Err(format!("{used} bytes are in use without any session, {limit} at most were expected"));
    }
    put(&store, "a session after all", &value(77, 5000))?;
    if get(&store, "a session after all")? != Some(value(77, 5000)) {
        return Err("a new session does not read".to_owned());
    }
    Ok(used)
}

/// What a process beside the traced one does on command.
pub(crate) fn serve<'a>(dir: &'a Path, scene: &'a Scene) -> impl FnMut(&str) -> Result<String, String> + 'a {
    let mut store: Option<Arc<Store>> = None;
    let mut held: Option<Lease> = None;
    move |command| {
        let mut words = command.split(' ');
        let verb = words.next().unwrap_or_default();
        if verb == "attach" {
            store = Some(scene.attach(dir)?);
            return Ok(String::new());
        }
        let store = store.as_mut().ok_or("not attached")?;
        if store.relocated() || !store.in_place() {
            let (fresh, inheritance) =
                store.attach_relocated().map_err(|e| format!("cannot attach the relocated store: {e}"))?;
            if inheritance != Inheritance::Kept {
                return Err(format!("the sessions of the deleted file: {inheritance:?}"));
            }
            *store = fresh;
        }
        let store: &Arc<Store> = store;
        let key = store.key(b"", scene.victim.as_bytes());
        match verb {
            "hold" => {
                let lease = store.acquire(&key, &exclusive()).map_err(|e| e.to_string())?;
                held.replace(lease);
                Ok(String::new())
            }
            "drop" => {
                drop(held.take());
                Ok(String::new())
            }
            "queued" => {
                let how = Acquire { max_waiters: 1, ..waiting(Duration::ZERO) };
                match store.acquire(&store.key(b"", scene.waited_for().as_bytes()), &how) {
                    Err(Error::TooManyWaiters { .. }) => Ok("yes".to_owned()),
                    Err(Error::LockTimeout { .. }) => Ok("no".to_owned()),
                    Err(e) => Err(e.to_string()),
                    Ok(_) => Err("the lock is free".to_owned()),
                }
            }
            "take" => take_queued(store, scene),
            "inspect" => {
                let order = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
                let after = Marker::parse(words.next().unwrap_or_default());
                inspect(store, scene, order, after, Marker::Survivor).map(|()| String::new())
            }
            _ => Err("unknown command".to_owned()),
        }
    }
}

/// Waits for the lock that another has, then writes; says whether that was stored. The wait itself has no bound here:
/// it begins before the kill.
fn take_queued(store: &Arc<Store>, scene: &Scene) -> Result<String, String> {
    if let Some(replaced) = &scene.replaced {
        let written = succession::write(store, scene, replaced, (Marker::None, Marker::Waiter), Comer::Waiter)?;
        return Ok(if written { "stored" } else { "ended" }.to_owned());
    }
    let key = store.key(b"", scene.victim.as_bytes());
    let mut lease = store.acquire(&key, &waiting(Duration::from_secs(60))).map_err(|e| format!("acquire: {e}"))?;
    let found = read(&mut lease)?;
    let content = Some(found).filter(|_| !lease.is_new());
    match lease.commit(&Marker::Waiter.written(), LIFE, Over::Anything).map_err(|e| format!("commit: {e}"))? {
        Committed::Stored => scene.allows(Marker::None, content.as_ref()).map(|()| "stored".to_owned()),
        // Ended while it waited: it reads nothing and writes nothing.
        Committed::Ended if content.as_ref().is_none_or(|bytes| bytes.is_empty()) => Ok("ended".to_owned()),
        Committed::Ended if scene.retires => scene.allows(Marker::None, content.as_ref()).map(|()| "ended".to_owned()),
        Committed::Ended => Err("an ended session was read".to_owned()),
        Committed::VersionChanged => Err("a write over anything was refused".to_owned()),
    }
}
