//! Several processes on one store: against a plain map, over restarts, and with holders and owners of a shard that stop
//! or fork. Who gets a lock next, and when, is in `handover.rs`.

mod actors;
#[path = "../src/file/byte_lock.rs"]
#[allow(dead_code, reason = "the store's own module, of which a part is used")]
mod byte_lock;
mod harness;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use actors::{fork_under_lease, player, queue_up};
use cloakroom_seam::{Acquire, Committed, End, LockMode, Over};
use cloakroom_store::{Inheritance, Lease, Store};
use harness::process::{Child, Worker, shared_words};
use harness::{
    Checked, Finding, LIFE, Random, Suite, attach, attach_existing, exclusive, get, in_thread, put, read, sound,
    store_file, temporary, value, wait_until,
};

/// A bound that only something stuck reaches.
const SOON: Duration = Duration::from_secs(5);

fn main() -> std::process::ExitCode {
    let mut suite = Suite::new("processes");
    suite.case("four processes against a map, and a restart", against_a_map);
    suite.case("a holder is stopped", holder_stopped);
    #[cfg(target_arch = "x86_64")]
    suite.case("an owner of a shard is stopped", shard_owner_stopped);
    #[cfg(target_arch = "x86_64")]
    suite.case("a wait ends while the shard is stuck", wait_ends_while_stuck);
    #[cfg(target_arch = "x86_64")]
    suite.case("whoever moves a deleted store to a new file is killed", mover_killed);
    suite.case("a fork under a lease", || fork_under_lease(SOON));
    suite.case("a fork while another thread attaches a store", fork_beside_attaching);
    suite.finish()
}

const OWNERS: u64 = 4;
const OWNED: u64 = 25;
const COUNTERS: u64 = 8;

/// The payload of version `version` of an owned session.
fn owned_payload(owner: u64, session: u64, version: u64) -> Vec<u8> {
    let mix = version.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    let len = [0, 30, 900, 4096, 4097, 20_000, 130_000][mix as usize % 7];
    value(owner << 48 ^ session << 32 ^ version, len)
}

/// Does random operations on sessions of its own, each compared with a map, and counts in shared ones.
fn owner(dir: &std::path::Path, me: u64, rounds: u64, words: &[std::sync::atomic::AtomicU64]) -> Result<(), String> {
    let store = attach_existing(dir)?;
    let mut random = Random::new(1000 + me);
    let mut model: HashMap<u64, u64> = HashMap::new();
    for round in 1..=rounds {
        let session = random.below(OWNED);
        let id = format!("owned {me} {session}");
        let key = store.key(b"", id.as_bytes());
        let expected = model.get(&session).map(|version| owned_payload(me, session, *version));
        let fail = |what: String| format!("process {me}, round {round}: {what}");
        match random.below(10) {
            8 => {
                write_over_what_was_read(&store, &id, &expected, owned_payload(me, session, round), random.next())
                    .map_err(fail)?;
                model.insert(session, round);
            }
            9 => {
                replace(&store, &id, &expected).map_err(fail)?;
                model.remove(&session);
            }
            0 => {
                if get(&store, &id).map_err(fail)? != expected {
                    return Err(fail("a snapshot is not what the map holds".to_owned()));
                }
                if store.exists(&key).map_err(|e| fail(e.to_string()))? != expected.is_some() {
                    return Err(fail("existence is not what the map says".to_owned()));
                }
            }
            1 => {
                let ended =
                    store.destroy(&key, End::at_once(Duration::from_secs(2))).map_err(|e| fail(e.to_string()))?;
                if ended != model.remove(&session).is_some() {
                    return Err(fail("what was ended is not what the map holds".to_owned()));
                }
            }
            kind => {
                let mut lease = store.acquire(&key, &exclusive()).map_err(|e| fail(e.to_string()))?;
                let found = read(&mut lease).map_err(fail)?;
                if found != expected.clone().unwrap_or_default() || lease.is_new() != expected.is_none() {
                    return Err(fail("a lease does not show what the map holds".to_owned()));
                }
                let stored = match kind {
                    2 => {
                        model.remove(&session);
                        lease.destroy(End::at_once(Duration::from_secs(2))).map_err(|e| fail(e.to_string()))?
                    }
                    3 if expected.is_some() => lease.touch(&found, LIFE).is_ok_and(|o| o == Committed::Stored),
                    _ => {
                        model.insert(session, round);
                        let content = owned_payload(me, session, round);
                        lease.commit(&content, LIFE, Over::Anything).map_err(|e| fail(e.to_string()))?
                            == Committed::Stored
                    }
                };
                if !stored {
                    return Err(fail("a lease of a living session could not write".to_owned()));
                }
            }
        }
        count_up(&store, random.below(COUNTERS), words).map_err(fail)?;
    }
    for session in 0..OWNED {
        words[(COUNTERS + me * OWNED + session) as usize]
            .store(model.get(&session).copied().unwrap_or(0), Ordering::SeqCst);
    }
    Ok(())
}

/// Reads without a lock, then writes `next` where the reader stood, as the lock mode merge does. In half of the cases
/// somebody else has written or ended the session meanwhile, which must be noticed.
fn write_over_what_was_read(
    store: &Arc<Store>,
    id: &str,
    expected: &Option<Vec<u8>>,
    next: Vec<u8>,
    dice: u64,
) -> Result<(), String> {
    let key = store.key(b"", id.as_bytes());
    let (found, mark) = store.snapshot(&key).map_err(|e| e.to_string())?;
    if found != *expected {
        return Err("what a mark was taken of is not what the map holds".to_owned());
    }
    let first = match dice % 4 {
        0 => {
            put(store, id, b"meanwhile")?;
            Committed::VersionChanged
        }
        1 => {
            put(store, id, b"meanwhile")?;
            store.destroy(&key, End::at_once(Duration::from_secs(2))).map_err(|e| e.to_string())?;
            Committed::Ended
        }
        _ => Committed::Stored,
    };
    let mode = if dice & 4 == 0 { LockMode::Exclusive } else { LockMode::None };
    let how = Acquire { mode, since: Some(mark), ..exclusive() };
    let mut lease = store.acquire(&key, &how).map_err(|e| e.to_string())?;
    let write = |lease: &mut Lease| lease.commit(&next, LIFE, Over::WhatWasRead).map_err(|e| e.to_string());
    let outcome = write(&mut lease)?;
    if outcome != first {
        return Err(format!("a write over what was read was {outcome:?} instead of {first:?}"));
    }
    match outcome {
        Committed::Stored => {}
        // The lease now shows what is there, and may replace that.
        Committed::VersionChanged if read(&mut lease)? != b"meanwhile" => {
            return Err("it moved to something else".to_owned());
        }
        Committed::VersionChanged if write(&mut lease)? == Committed::Stored => {}
        Committed::VersionChanged => return Err("a second write over what was read was refused".to_owned()),
        Committed::Ended => put(store, id, &next)?,
    }
    drop(lease);
    if get(store, id)? == Some(next) { Ok(()) } else { Err("what was written over is not there".to_owned()) }
}

/// Ends the session as one whose id was replaced: it still reads and cannot be written; then ends that as well.
fn replace(store: &Arc<Store>, id: &str, expected: &Option<Vec<u8>>) -> Result<(), String> {
    const A_WHILE: Duration = Duration::from_secs(60);
    let key = store.key(b"", id.as_bytes());
    let was_there = store.destroy(&key, End { tombstone: A_WHILE, grace: A_WHILE }).map_err(|e| e.to_string())?;
    if was_there != expected.is_some() || get(store, id)? != *expected {
        return Err("a replaced session is not what the map holds".to_owned());
    }
    if was_there {
        let mut lease = store.acquire(&key, &exclusive()).map_err(|e| e.to_string())?;
        let outcome = lease.commit(b"too late", LIFE, Over::Anything).map_err(|e| e.to_string())?;
        if outcome != Committed::Ended || get(store, id)? != *expected {
            return Err("a replaced session was written".to_owned());
        }
    }
    let ended = store.destroy(&key, End::at_once(Duration::from_secs(2))).map_err(|e| e.to_string())?;
    if ended != was_there || get(store, id)?.is_some() {
        return Err("the grace of a replaced session did not end".to_owned());
    }
    Ok(())
}

/// Adds one to a shared counter under its lock, and to the word that says how often that was done.
fn count_up(
    store: &std::sync::Arc<cloakroom_store::Store>,
    counter: u64,
    words: &[std::sync::atomic::AtomicU64],
) -> Result<(), String> {
    let key = store.key(b"", format!("counter {counter}").as_bytes());
    let mut lease = store.acquire(&key, &exclusive()).map_err(|e| e.to_string())?;
    let before = read(&mut lease)?.try_into().map_or(0, u64::from_le_bytes);
    lease.commit(&(before + 1).to_le_bytes(), LIFE, Over::Anything).map_err(|e| e.to_string())?;
    words[counter as usize].fetch_add(1, Ordering::SeqCst);
    Ok(())
}

fn against_a_map() -> Checked {
    let dir = temporary();
    let rounds = if harness::soak() { 500_000 } else { 15_000 };
    let words = shared_words((COUNTERS + OWNERS * OWNED) as usize);
    in_thread(|| drop(attach(dir.path(), 32)))?;
    let mut owners: Vec<Child> = (0..OWNERS)
        .map(|me| {
            Child::fork(|| match owner(dir.path(), me, rounds, words) {
                Ok(()) => 0,
                Err(what) => {
                    println!("        {what}");
                    1
                }
            })
        })
        .collect();
    if owners.iter_mut().map(Child::join).any(|code| code != 0) {
        return Err("a process found a difference".to_owned());
    }
    // All have ended: what comes now has only the file.
    in_thread(|| {
        let store = attach_existing(dir.path())?;
        sound(&store)?;
        for counter in 0..COUNTERS {
            let said = get(&store, &format!("counter {counter}"))?.unwrap_or_default();
            let counted = words[counter as usize].load(Ordering::SeqCst);
            if said != counted.to_le_bytes() {
                return Err(format!("counter {counter} was raised {counted} times and says otherwise"));
            }
        }
        for (me, session) in (0..OWNERS).flat_map(|me| (0..OWNED).map(move |session| (me, session))) {
            let version = words[(COUNTERS + me * OWNED + session) as usize].load(Ordering::SeqCst);
            let expected = (version > 0).then(|| owned_payload(me, session, version));
            if get(&store, &format!("owned {me} {session}"))? != expected {
                return Err(format!("after the restart session {session} of process {me} is another"));
            }
        }
        Ok(Finding::Passed(format!("{} operations, {} sessions compared", OWNERS * rounds, OWNERS * OWNED)))
    })?
}

fn holder_stopped() -> Checked {
    let dir = temporary();
    in_thread(|| put(&attach(dir.path(), 16), "s", b"before"))??;
    let mut holder = Worker::start(|| player(dir.path()));
    let mut other = Worker::start(|| player(dir.path()));
    holder.ask("hold s")?;
    holder.child.signal(libc::SIGSTOP);
    holder.child.wait_for(libc::WUNTRACED);
    let answer = other.ask("take s 300 x")?;
    let expected = format!("timeout by {}", holder.child.pid());
    if !answer.starts_with(&expected) {
        return Err(format!("a waiter was told \"{answer}\" instead of \"{expected}\""));
    }
    if other.ask("snapshot s")? != "before" {
        return Err("a reader did not see the committed payload".to_owned());
    }
    other.ask("write t something else")?;
    holder.child.signal(libc::SIGCONT);
    holder.ask("write s after")?;
    if other.ask("snapshot s")? != "after" {
        return Err("the commit of the holder that went on does not count".to_owned());
    }
    other.ask("take s 1000 x")?;
    in_thread(|| sound(&attach_existing(dir.path())?))??;
    Ok(Finding::Passed("a waiter times out, readers go on, the holder's commit counts".to_owned()))
}

/// A process stopped inside the lock of the shard of session `s`, in the middle of a commit to it.
#[cfg(target_arch = "x86_64")]
fn stopped_in_shard(dir: &std::path::Path, id: &str) -> Result<harness::tracer::Traced, String> {
    let shard = in_thread(|| Ok::<_, String>(harness::shard_of(&attach_existing(dir)?, id, 4)))??;
    let mut traced = harness::tracer::Traced::start(|mark| {
        let store = attach_existing(dir).expect("attach");
        let mut lease = store.acquire(&store.key(b"", id.as_bytes()), &exclusive()).expect("acquire");
        mark();
        lease.commit(b"by the stopped one", LIFE, Over::Anything).expect("commit");
    })?;
    let file = std::fs::File::open(harness::store_file(dir)).map_err(|e| e.to_string())?;
    let locked = || harness::image::shard_locked(&file, shard);
    for _ in 0..100_000 {
        if locked() {
            // A few steps on, where lists are half-changed.
            for _ in 0..200 {
                traced.step();
            }
            return if locked() { Ok(traced) } else { Err("the commit was over too soon".to_owned()) };
        }
        traced.step();
    }
    Err("the commit never took the shard's lock".to_owned())
}

#[cfg(target_arch = "x86_64")]
fn shard_owner_stopped() -> Checked {
    let dir = temporary();
    let neighbour = in_thread(|| {
        let store = attach(dir.path(), 16);
        let shard = harness::shard_of(&store, "s", 4);
        let neighbour = harness::ids_in_shard(&store, "n", shard, 1).swap_remove(0);
        put(&store, "s", b"before")?;
        put(&store, &neighbour, b"there")?;
        Ok::<_, String>(neighbour)
    })??;
    let mut other = Worker::start(|| player(dir.path()));
    let mut reader = Worker::start(|| player(dir.path()));
    let mut traced = stopped_in_shard(dir.path(), "s")?;
    let start = Instant::now();
    other.tell(&format!("write {neighbour} new"));
    for _ in 0..50 {
        let (one, two) = (reader.ask("snapshot s")?, reader.ask(&format!("snapshot {neighbour}"))?);
        if one != "before" || two != "there" {
            return Err(format!("readers saw \"{one}\" and \"{two}\""));
        }
    }
    let readers = start.elapsed();
    let answer = other.answer(Duration::from_secs(30))?;
    let stuck = start.elapsed();
    if !answer.starts_with(&format!("stuck by {}", traced.child.pid())) {
        return Err(format!("a writer was told \"{answer}\""));
    }
    if readers > Duration::from_secs(2) {
        return Err(format!("readers waited: {readers:.1?}"));
    }
    traced.detach();
    if traced.child.join() != 0 {
        return Err("the stopped process did not go on".to_owned());
    }
    if reader.ask("snapshot s")? != "by the stopped one" {
        return Err("its commit does not count".to_owned());
    }
    other.ask(&format!("write {neighbour} new"))?;
    in_thread(|| sound(&attach_existing(dir.path())?))??;
    Ok(Finding::Passed(format!("writers gave up after {stuck:.1?}, readers went on, then all was well")))
}

/// Who gives up waiting for a session while the shard cannot be had stays in the queue; the lock must not end there.
#[cfg(target_arch = "x86_64")]
fn wait_ends_while_stuck() -> Checked {
    let dir = temporary();
    let neighbour = in_thread(|| {
        let store = attach(dir.path(), 16);
        put(&store, "s", b"before")?;
        let neighbour = harness::ids_in_shard(&store, "n", harness::shard_of(&store, "s", 4), 1).swap_remove(0);
        put(&store, &neighbour, b"there")?;
        Ok::<_, String>(neighbour)
    })??;
    let mut holder = Worker::start(|| player(dir.path()));
    let mut waiter = Worker::start(|| player(dir.path()));
    let mut probe = Worker::start(|| player(dir.path()));
    let mut last = Worker::start(|| player(dir.path()));
    holder.ask("hold s")?;
    queue_up(&mut probe, &mut waiter, "take s 1000 w", 1)?;
    let mut traced = stopped_in_shard(dir.path(), &neighbour)?;
    let answer = waiter.answer(Duration::from_secs(30))?;
    if !answer.starts_with("stuck") {
        return Err(format!("the waiter was told \"{answer}\""));
    }
    traced.detach();
    if traced.child.join() != 0 {
        return Err("the stopped process did not go on".to_owned());
    }
    holder.ask("drop s")?;
    let answer = last.ask("take s 5000 l")?;
    if !answer.starts_with("took") {
        return Err(format!("the lock never came back from the one that gave up: {answer}"));
    }
    // And the one that gave up can go on with everything.
    waiter.ask("take s 5000 w")?;
    if last.ask("snapshot s")? != "beforelw" {
        return Err("the writes after the wait that ended are not all there".to_owned());
    }
    in_thread(|| sound(&attach_existing(dir.path())?))??;
    Ok(Finding::Passed("the lock passes over the one that gave up".to_owned()))
}

/// A process that attaches the store and, asked to look, moves it if need be and must find all sessions.
#[cfg(target_arch = "x86_64")]
fn heir(
    dir: &std::path::Path,
    sessions: u64,
    content: impl Fn(u64) -> Vec<u8>,
) -> impl FnMut(&str) -> Result<String, String> {
    let mut store: Option<Arc<Store>> = None;
    let dir = dir.to_owned();
    move |command| {
        if command == "attach" {
            store = Some(attach_existing(&dir)?);
            return Ok(String::new());
        }
        let mut store = Arc::clone(store.as_ref().ok_or("not attached")?);
        if !store.in_place() || store.relocated() {
            let (fresh, inheritance) = store.attach_relocated().map_err(|e| e.to_string())?;
            if inheritance != Inheritance::Kept {
                return Err(format!("the sessions were not kept: {inheritance:?}"));
            }
            store = fresh;
        }
        for i in 0..sessions {
            if get(&store, &format!("s{i}"))?.as_ref() != Some(&content(i)) {
                return Err(format!("session {i} is another or gone"));
            }
        }
        put(&store, "s0", &content(0))?;
        sound(&store).map(|_| String::new())
    }
}

/// The file is deleted while two processes have it attached. The first that moves it to a new file dies on the way, at
/// one of many steps; the other one must find every session, and so must who comes later.
#[cfg(target_arch = "x86_64")]
fn mover_killed() -> Checked {
    use harness::tracer::{Progress, Traced};
    const SESSIONS: u64 = 12;
    let content = |i: u64| value(i, 100 + 1700 * i as usize);
    let mut random = Random::new(31);
    // The first round shows how many steps there are until the new file is there; a quarter as many follow. What comes
    // then is the recovery of the copy, which is killed elsewhere.
    let mut steps = u64::MAX;
    let rounds = if harness::soak() { 3000 } else { 25 };
    for _ in 0..=rounds {
        let dir = temporary();
        in_thread(|| {
            let store = attach(dir.path(), 8);
            (0..SESSIONS).try_for_each(|i| put(&store, &format!("s{i}"), &content(i)))
        })??;
        let mut other = Worker::start(|| heir(dir.path(), SESSIONS, content));
        other.ask("attach")?;
        let mut traced = Traced::start(|mark| {
            let store = attach_existing(dir.path()).expect("attach");
            store.exists(&store.key(b"", b"s0")).expect("exists");
            std::fs::remove_file(store.path()).expect("the store file");
            mark();
            let relocated = store.attach_relocated();
            mark();
            drop(relocated);
        })?;
        let point = if steps == u64::MAX { u64::MAX } else { random.below(steps) };
        let mut taken = 0;
        while taken < point && matches!(traced.step(), Progress::Inside) {
            taken += 1;
            if steps == u64::MAX && taken.is_multiple_of(64) && harness::store_file(dir.path()).exists() {
                steps = taken + taken / 4;
                break;
            }
        }
        traced.child.kill();
        let at = |e: String| format!("killed after {taken} of {steps} steps: {e}");
        other.ask("look").map_err(at)?;
        let mut later = Worker::start(|| heir(dir.path(), SESSIONS, content));
        later.ask("attach").and_then(|_| later.ask("look")).map_err(at)?;
        let left = std::fs::read_dir(dir.path()).map_err(|e| e.to_string())?.count();
        if left != 1 {
            return Err(at(format!("{left} files are left")));
        }
    }
    Ok(Finding::Passed(format!("{rounds} deaths in {steps} steps")))
}

/// A thread attaches a store, which takes a while, as its process forks: that is no matter to the child.
fn fork_beside_attaching() -> Checked {
    let (busy, other) = (temporary(), temporary());
    let path = store_file(busy.path());
    let made = Child::fork(|| i32::from(put(&attach(busy.path(), 8), "id", b"").is_err())).join();
    // In a process of its own, which has another thread.
    let forked = Child::fork(|| {
        let file = std::fs::File::options().read(true).write(true).open(&path).expect("the store file");
        assert!(byte_lock::try_exclusive(&file, byte_lock::Byte::Attach).expect("a lock"), "the byte is taken");
        std::thread::scope(|scope| {
            let attaches = scope.spawn(|| attach(busy.path(), 8).path().exists());
            let opened = || {
                let open = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
                open.filter(|entry| std::fs::read_link(entry.path()).is_ok_and(|to| to == path)).count()
            };
            // Then it waits for the byte.
            wait_until("it opens the file", SOON, || opened() > 1).expect("opened");
            let mut child = Child::fork(|| i32::from(put(&attach(other.path(), 8), "id", b"").is_err()));
            let ended = wait_until("the child attaches a store and ends", Duration::from_secs(20), || !child.alive());
            child.kill();
            byte_lock::unlock(&file, byte_lock::Byte::Attach);
            assert!(attaches.join().expect("no panic"), "the store is there");
            i32::from(ended.is_err()) + 2 * i32::from(child.join() != 0)
        })
    })
    .join();
    match (made, forked) {
        (0, 0) => Ok(Finding::Passed("the child attached a store meanwhile".to_owned())),
        other => Err(format!("{other:?}")),
    }
}
