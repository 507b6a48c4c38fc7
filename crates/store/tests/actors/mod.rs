//! Processes that hold, wait for and write sessions on command.
#![allow(dead_code, reason = "each test binary uses another part of it")]

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cloakroom_seam::{Acquire, Over};
use cloakroom_store::{Error, Lease, Store};

use crate::harness::process::{Stranger, Worker, die_with_parent};
use crate::harness::{
    Checked, Finding, LIFE, attach, attach_existing, get, in_thread, put, read, sound, temporary, waiting,
};

/// A process with the store in `dir` attached. Commands, `ID` without blanks:
///
/// | command | answer |
/// |---|---|
/// | `hold ID` | takes the lock and keeps it |
/// | `drop ID` | releases it |
/// | `write ID TEXT` | commits TEXT, through the lease it keeps or a new one |
/// | `take ID MS TEXT` | waits at most MS for the lock, appends TEXT; `took` |
/// | `probe ID N` | asks for the lock without a wait and with at most N waiters |
/// | `snapshot ID` | the committed payload |
/// | `fork ID commit`, `fork ID touch` | forks a child that tries its copy of the lease, works on its own and lives on; its pid |
///
/// Where the lock is not had: `timeout by PID in TIME after MICROSECONDS`, `crowded N`, `stuck by PID`.
pub(crate) fn player(dir: &Path) -> impl FnMut(&str) -> Result<String, String> {
    let dir = dir.to_owned();
    let mut store: Option<Arc<Store>> = None;
    let mut held: HashMap<String, Lease> = HashMap::new();
    let mut children: Vec<Worker> = Vec::new();
    move |command| {
        let store = match &store {
            Some(store) => Arc::clone(store),
            None => Arc::clone(store.insert(attach_existing(&dir)?)),
        };
        let words: Vec<&str> = command.splitn(4, ' ').collect();
        let id = words.get(1).copied().unwrap_or("s");
        let number = || words.get(2).and_then(|word| word.parse().ok()).unwrap_or(0u64);
        let key = store.key(b"", id.as_bytes());
        match words.first().copied().unwrap_or_default() {
            "hold" => {
                let lease = store.acquire(&key, &waiting(Duration::from_secs(20))).map_err(|e| e.to_string())?;
                held.insert(id.to_owned(), lease);
                Ok("held".to_owned())
            }
            "drop" => held.remove(id).map(|_| "dropped".to_owned()).ok_or("holds nothing".to_owned()),
            "write" => {
                let text = command.splitn(3, ' ').nth(2).unwrap_or_default();
                let lease = match held.remove(id) {
                    Some(lease) => Ok(lease),
                    None => store.acquire(&key, &waiting(Duration::from_secs(20))),
                };
                match lease.and_then(|mut lease| lease.commit(text.as_bytes(), LIFE, Over::Anything)) {
                    Ok(outcome) => Ok(format!("{outcome:?}")),
                    Err(e) => refusal(e),
                }
            }
            "take" => take(&store, id, Duration::from_millis(number()), words.get(3).copied().unwrap_or_default()),
            "probe" => {
                let how = Acquire { max_waiters: number() as u32, ..waiting(Duration::ZERO) };
                store.acquire(&key, &how).map_or_else(refusal, |_| Ok("free".to_owned()))
            }
            "snapshot" => Ok(String::from_utf8_lossy(&get(&store, id)?.unwrap_or_default()).into_owned()),
            "fork" => {
                let lease = held.remove(id).ok_or("holds nothing")?;
                // A touch goes without the shard's lock when the second's sweep is done, as it is after a commit.
                (0..40).try_for_each(|i| put(&store, &format!("other{i}"), b""))?;
                let touches = words.get(2) == Some(&"touch");
                let (child, answer) = fork_with(&dir, lease, id, &mut held, touches)?;
                children.push(child);
                Ok(answer)
            }
            _ => Err("unknown command".to_owned()),
        }
    }
}

fn refusal(error: Error) -> Result<String, String> {
    match error {
        Error::LockTimeout { waited, holder } => {
            Ok(format!("timeout by {} in {:?} after {}", holder.pid, holder.held, waited.as_micros()))
        }
        Error::TooManyWaiters { waiting, .. } => Ok(format!("crowded {waiting}")),
        Error::Stuck { pid, .. } => Ok(format!("stuck by {pid}")),
        e => Err(e.to_string()),
    }
}

fn take(store: &Arc<Store>, id: &str, wait: Duration, text: &str) -> Result<String, String> {
    let start = Instant::now();
    let mut lease = match store.acquire(&store.key(b"", id.as_bytes()), &waiting(wait)) {
        Ok(lease) => lease,
        Err(e) => return refusal(e),
    };
    let took = start.elapsed().as_micros();
    let mut content = read(&mut lease)?;
    content.extend_from_slice(text.as_bytes());
    match lease.commit(&content, LIFE, Over::Anything) {
        Ok(outcome) => Ok(format!("took after {took} {outcome:?}")),
        Err(e) => refusal(e),
    }
}

/// Tells `worker` to take a lock that is held, and waits until `probe` sees it queued as number `place`.
pub(crate) fn queue_up(probe: &mut Worker, worker: &mut Worker, command: &str, place: usize) -> Result<(), String> {
    let id = command.split(' ').nth(1).unwrap_or_default().to_owned();
    worker.tell(command);
    let start = Instant::now();
    while !probe.ask(&format!("probe {id} {place}"))?.starts_with("crowded") {
        if start.elapsed() > Duration::from_secs(10) {
            return Err(format!("nobody queued as number {place}"));
        }
    }
    Ok(())
}

/// Forks while `lease` is held. The child tries to write and to unlock through its copy, then works on its own and
/// lives on; the parent keeps the lease.
fn fork_with(
    dir: &Path,
    lease: Lease,
    id: &str,
    held: &mut HashMap<String, Lease>,
    touches: bool,
) -> Result<(Worker, String), String> {
    let mut kept = Some(lease);
    let mut inherited = std::mem::take(held);
    let mut worker = Worker::start(|| {
        let lease = kept.take();
        let others = std::mem::take(&mut inherited);
        let dir = dir.to_owned();
        let work = move |lease: Option<Lease>| -> Result<String, String> {
            die_with_parent(false);
            let mut lease = lease.ok_or("no lease")?;
            let refused = if touches {
                lease.touch(b"by the child", LIFE)
            } else {
                lease.commit(b"by the child", LIFE, Over::Anything)
            };
            match refused {
                Err(Error::Forked) => {}
                other => return Err(format!("a write through a copied lease: {other:?}")),
            }
            drop(others);
            let own = attach_existing(&dir)?;
            put(&own, "child", b"own")?;
            if get(&own, "child")?.as_deref() != Some(b"own") {
                return Err("the child's own session does not read".to_owned());
            }
            // The parent's lock holds against the child as against everybody.
            match own.acquire(&own.key(b"", b"s"), &waiting(Duration::ZERO)) {
                Err(Error::LockTimeout { .. }) => Ok(std::process::id().to_string()),
                Ok(_) => Err("the child took its parent's lock".to_owned()),
                Err(e) => Err(e.to_string()),
            }
        };
        let mut work = Some((work, lease));
        move |_: &str| match work.take() {
            Some((work, lease)) => work(lease),
            None => Err("asked twice".to_owned()),
        }
    });
    *held = inherited;
    held.extend(kept.map(|lease| (id.to_owned(), lease)));
    let answer = worker.ask("work")?;
    Ok((worker, answer))
}

/// A process forks while it holds a lease.
pub(crate) fn fork_under_lease(soon: Duration) -> Checked {
    let dir = temporary();
    in_thread(|| put(&attach(dir.path(), 16), "s", b"before"))??;
    let mut parent = Worker::start(|| player(dir.path()));
    let mut other = Worker::start(|| player(dir.path()));
    parent.ask("hold s")?;
    let mut children = Vec::new();
    for way in ["touch", "commit"] {
        let pid = parent.ask(&format!("fork s {way}"))?;
        children.push(Stranger(pid.parse().map_err(|_| format!("no pid: {pid}"))?));
    }
    if !other.ask("take s 0 x")?.starts_with("timeout") {
        return Err("the child unlocked its parent's session".to_owned());
    }
    if other.ask("snapshot s")? != "before" {
        return Err("the child wrote its parent's session".to_owned());
    }
    parent.child.kill();
    let start = Instant::now();
    other.tell("take s 20000 x");
    other.answer(soon).map_err(|e| format!("the lock of a dead parent whose child lives: {e}"))?;
    let took = start.elapsed();
    if !children.iter().all(Stranger::alive) {
        return Err("a child did not outlive its parent, so nothing is shown".to_owned());
    }
    in_thread(|| sound(&attach_existing(dir.path())?))??;
    Ok(Finding::Passed(format!("the children work on their own; the dead parent's lock was free after {took:.1?}")))
}
