//! What is remembered of ended sessions: for whom, how much of it, and what keeps slower requests out once it is forgotten.

mod harness;

use std::sync::Arc;
use std::time::Duration;

use cloakroom_seam::{Acquire, Committed, Effort, End, Mark, Over};
use cloakroom_store::{Inheritance, Store};
use harness::{attach, temporary, unlocked};

const LIFE: Duration = Duration::from_secs(600);
const LONG: Duration = Duration::from_secs(3600);
/// Bytes of a node.
const NODE: u64 = 128;
const MEGABYTES: u64 = 8;

fn store(dir: &tempfile::TempDir) -> Arc<Store> {
    let store = attach(dir.path(), MEGABYTES);
    // One that is there all the while.
    for _ in 0..3 {
        put(&store, "stays", b"here");
    }
    store
}

fn how(exclusive: bool) -> Acquire<'static> {
    Acquire { lifetime: LIFE, ..if exclusive { harness::exclusive() } else { unlocked() } }
}

fn drawn(exclusive: bool) -> Acquire<'static> {
    Acquire { drawn: true, ..how(exclusive) }
}

fn at(exclusive: bool, mark: Mark) -> Acquire<'static> {
    Acquire { since: Some(mark), ..how(exclusive) }
}

fn put(store: &Arc<Store>, id: &str, payload: &[u8]) {
    assert_eq!(write(store, id, payload, &how(true)), Committed::Stored);
}

fn write(store: &Arc<Store>, id: &str, payload: &[u8], how: &Acquire<'_>) -> Committed {
    let mut lease = store.acquire(&store.key(b"", id.as_bytes()), how).expect("acquire");
    lease.commit(payload, LIFE, Over::Anything).expect("commit")
}

fn get(store: &Arc<Store>, id: &str) -> Option<Vec<u8>> {
    store.snapshot(&store.key(b"", id.as_bytes())).map(|found| found.0).expect("snapshot")
}

fn mark(store: &Arc<Store>, id: &str) -> Mark {
    store.snapshot(&store.key(b"", id.as_bytes())).map(|found| found.1).expect("snapshot")
}

fn end(store: &Arc<Store>, id: &str) {
    assert!(store.destroy(&store.key(b"", id.as_bytes()), End::at_once(LONG)).expect("destroy"));
}

fn tombstones(store: &Arc<Store>) -> u64 {
    store.stats().expect("stats").tombstones
}

fn most() -> u64 {
    (MEGABYTES << 20) / 10 / NODE
}

fn sound(store: &Arc<Store>) {
    assert_eq!(store.check().expect("check").problems, Vec::<String>::new());
}

/// Begins, writes and ends sessions until every end that is remembered now is forgotten.
fn flood(store: &Arc<Store>) {
    for i in 0..2 * most() {
        put(store, &format!("flood{i}"), b"x");
        end(store, &format!("flood{i}"));
    }
    assert!(tombstones(store) <= most(), "{} ends are remembered", tombstones(store));
}

#[test]
fn what_is_remembered_takes_a_tenth_of_the_store() {
    let dir = temporary();
    let store = store(&dir);
    flood(&store);
    assert!(tombstones(&store) > most() * 9 / 10, "only {} ends are remembered", tombstones(&store));
    assert!(store.stats().expect("stats").file_bytes < (MEGABYTES << 20) / 2);
    // The last ones are those that are remembered.
    let last = store.key(b"", format!("flood{}", 2 * most() - 1).as_bytes());
    assert!(
        !store.is_vacant(&last).expect("no failure")
            && store.is_vacant(&store.key(b"", b"flood0")).expect("no failure")
    );
    put(&store, "stays", &[7; 3000]);
    put(&store, "a new one", &[7; 1000]);
    sound(&store);
    drop(store);
}

#[test]
fn payloads_of_replaced_sessions_take_half_of_that() {
    let dir = temporary();
    let store = store(&dir);
    let payload = [3; 20_000];
    for i in 0..200 {
        let id = format!("replaced{i}");
        put(&store, &id, &payload);
        assert!(store.destroy(&store.key(b"", id.as_bytes()), End { tombstone: LONG, grace: LONG }).expect("destroy"));
        assert_eq!(get(&store, &id).as_deref(), Some(&payload[..]), "the last one is read");
    }
    let read: Vec<_> = (0..200).filter(|i| get(&store, &format!("replaced{i}")).is_some()).collect();
    // Half of the tenth, and in each of four shards the last one goes beyond it.
    let most = (MEGABYTES << 20) / 20 / payload.len() as u64 + 4;
    assert!((10..=most as usize).contains(&read.len()), "{} of at most {most}", read.len());
    assert!(read[0] > 100, "the oldest go first");
    assert_eq!(tombstones(&store), 200, "that they ended is remembered");
    sound(&store);
}

#[test]
fn of_what_nobody_wrote_or_saw_nothing_is_remembered() {
    let dir = temporary();
    let store = store(&dir);
    for i in 0..10_000 {
        let key = store.key(b"", format!("id{i}").as_bytes());
        let mut lease = store.acquire(&key, &drawn(i % 2 == 0)).expect("acquire");
        let grace = if i % 3 == 0 { LONG } else { Duration::ZERO };
        assert!(lease.destroy(End { tombstone: LONG, grace }).expect("destroy"));
        assert!(!store.exists(&key).expect("no failure"));
    }
    let stats = store.stats().expect("stats");
    assert_eq!((stats.tombstones, stats.sessions, stats.destroys, stats.locked), (0, 1, 10_000, 0));
    // An id that was not drawn for the request may be known to others.
    for (id, exclusive) in [("a", true), ("b", false)] {
        let mut lease = store.acquire(&store.key(b"", id.as_bytes()), &how(exclusive)).expect("acquire");
        assert!(lease.is_new() && lease.destroy(End::at_once(LONG)).expect("destroy"));
    }
    // One that was written is one to remember, too.
    let mut lease = store.acquire(&store.key(b"", b"c"), &drawn(false)).expect("acquire");
    put(&store, "c", b"payload");
    assert!(lease.is_new() && lease.destroy(End::at_once(LONG)).expect("destroy"));
    assert_eq!(tombstones(&store), 3);
    sound(&store);
}

/// Somebody else has seen a session that is ended by the request which began it, in every way in which one can.
#[test]
fn whoever_has_seen_an_unwritten_session_cannot_bring_it_back() {
    let dir = temporary();
    let store = store(&dir);
    let key = |id: &str| store.key(b"", id.as_bytes());
    for (id, exclusive) in [("a", true), ("b", false)] {
        let mut first = store.acquire(&key(id), &drawn(exclusive)).expect("acquire");
        let mut other = store.acquire(&key(id), &how(false)).expect("acquire");
        assert!(first.is_new() && !other.is_new());
        assert!(first.destroy(End::at_once(LONG)).expect("destroy"));
        assert_eq!(other.commit(b"back", LIFE, Over::Anything).expect("commit"), Committed::Ended, "a lease");

        let id = format!("{id}2");
        let mut first = store.acquire(&key(&id), &drawn(exclusive)).expect("acquire");
        let seen = mark(&store, &id);
        assert!(first.destroy(End::at_once(LONG)).expect("destroy"));
        for exclusive in [true, false] {
            assert_eq!(write(&store, &id, b"back", &at(exclusive, seen)), Committed::Ended, "a reader");
        }

        // One that has the lock, or waits for it.
        let id = format!("{id}3");
        let mut first = store.acquire(&key(&id), &drawn(exclusive)).expect("acquire");
        std::thread::scope(|scope| {
            let other = scope.spawn(|| {
                let mut lease = store.acquire(&key(&id), &how(true)).expect("acquire");
                while tombstones(&store) < 3 {
                    std::thread::yield_now();
                }
                lease.commit(b"back", LIFE, Over::Anything).expect("commit")
            });
            let stats = || store.stats().expect("stats");
            while stats().waiting == 0 && stats().locked == u64::from(exclusive) {
                std::thread::yield_now();
            }
            assert!(first.destroy(End::at_once(LONG)).expect("destroy"));
            assert_eq!(other.join().expect("no panic"), Committed::Ended, "a waiter");
        });
        assert_eq!(tombstones(&store), 3);
        for id in [id.as_str(), &id[..2], &id[..1]] {
            assert!(!store.exists(&key(id)).expect("no failure"));
        }
        store.clock().skew(7200, 7200);
        store.collect(Effort::All).expect("collect");
        put(&store, "stays", b"here");
        store.clock().skew(0, 0);
        assert_eq!(tombstones(&store), 0);
    }
    sound(&store);
}

/// A session that is begun again after a logout and ended unwritten is no reason to forget the logout.
#[test]
fn an_end_is_remembered_when_the_next_incarnation_ends_unwritten() {
    let dir = temporary();
    let store = store(&dir);
    let key = store.key(b"", b"id");
    for exclusive in [true, false] {
        put(&store, "id", b"logged in");
        let mut slow = store.acquire(&key, &how(false)).expect("acquire");
        let read = mark(&store, "id");
        end(&store, "id");
        let mut again = store.acquire(&key, &drawn(exclusive)).expect("acquire");
        assert!(again.is_new() && again.destroy(End::at_once(LONG)).expect("destroy"));
        assert_eq!(slow.commit(b"logged in", LIFE, Over::Anything).expect("commit"), Committed::Ended);
        assert_eq!(write(&store, "id", b"logged in", &at(exclusive, read)), Committed::Ended);
        assert_eq!(tombstones(&store), 1);
    }
}

#[test]
fn an_end_that_was_forgotten_early_still_stops_a_slower_request() {
    let dir = temporary();
    let store = store(&dir);
    let key = store.key(b"", b"id");
    let absent = mark(&store, "id");
    put(&store, "id", b"logged in");
    let read = mark(&store, "id");
    let mut slow: Vec<_> = (0..4).map(|_| store.acquire(&key, &how(false)).expect("acquire")).collect();
    end(&store, "id");
    flood(&store);
    assert!(store.is_vacant(&key).expect("no failure"), "it is forgotten");

    let mut next = || slow.pop().expect("a lease");
    assert_eq!(next().commit(b"logged in", LIFE, Over::Anything).expect("commit"), Committed::Ended);
    assert_eq!(next().commit(b"logged in", LIFE, Over::WhatWasRead).expect("commit"), Committed::Ended);
    assert_eq!(next().touch(b"logged in", LIFE).expect("touch"), Committed::Ended);
    assert!(!next().destroy(End::at_once(LONG)).expect("destroy"));
    for exclusive in [true, false] {
        for since in [read, absent] {
            assert_eq!(write(&store, "id", b"logged in", &at(exclusive, since)), Committed::Ended);
            assert!(!store.exists(&key).expect("no failure"), "not even a reservation is left");
        }
    }
    // Nor is what came after it overwritten by one who saw that there was nothing.
    put(&store, "id", b"somebody else's");
    for exclusive in [true, false] {
        for since in [read, absent] {
            assert_eq!(write(&store, "id", b"logged in", &at(exclusive, since)), Committed::Ended);
        }
    }
    assert_eq!(get(&store, "id").as_deref(), Some(&b"somebody else's"[..]));
    sound(&store);
}

#[test]
fn who_began_after_a_forgotten_end_goes_on() {
    let dir = temporary();
    let store = store(&dir);
    let key = |id: &str| store.key(b"", id.as_bytes());
    flood(&store);
    for (id, exclusive) in [("a", true), ("b", false)] {
        let absent = mark(&store, id);
        assert_eq!(write(&store, id, b"first", &at(exclusive, absent)), Committed::Stored);
        let mut lease = store.acquire(&key(id), &how(exclusive)).expect("acquire");
        store.clock().skew(7200, 7200);
        store.collect(Effort::All).expect("collect");
        store.clock().skew(0, 0);
        // Whose lock is held does not vanish, all others do.
        assert_eq!(get(&store, id).is_some(), exclusive);
        assert_eq!(lease.commit(b"written again", LIFE, Over::Anything).expect("commit"), Committed::Stored);
        assert_eq!(get(&store, id).as_deref(), Some(&b"written again"[..]));
        put(&store, "stays", b"here");
    }
}

#[test]
fn what_is_read_in_the_grace_is_not_written_after_it() {
    let dir = temporary();
    let store = store(&dir);
    for (id, floods) in [("a", false), ("b", true)] {
        let key = store.key(b"", id.as_bytes());
        put(&store, id, b"logged in");
        let replaced = Duration::from_secs(60);
        assert!(store.destroy(&key, End { tombstone: LONG, grace: replaced }).expect("destroy"));
        let read = mark(&store, id);
        let mut late = store.acquire(&key, &how(false)).expect("acquire");
        assert_eq!(late.len(), 9);
        store.clock().skew(120, 120);
        if floods {
            flood(&store);
        }
        assert_eq!(store.is_vacant(&key).expect("no failure"), floods);
        assert_eq!(late.commit(b"logged in", LIFE, Over::Anything).expect("commit"), Committed::Ended);
        for exclusive in [true, false] {
            assert_eq!(write(&store, id, b"logged in", &at(exclusive, read)), Committed::Ended);
        }
        assert!(!store.exists(&key).expect("no failure"));
        store.clock().skew(0, 0);
    }
}

/// Nor by those who came shortly before its end was forgotten, when others had ended that are still remembered.
#[test]
fn what_was_read_late_in_the_grace_is_not_written_after_it() {
    let dir = temporary();
    let store = store(&dir);
    let key = store.key(b"", b"id");
    put(&store, "id", b"logged in");
    assert!(store.destroy(&key, End { tombstone: LONG, grace: LONG }).expect("destroy"));
    let another = |i: u64| {
        put(&store, &format!("other{i}"), b"x");
        end(&store, &format!("other{i}"));
    };
    (0..most() * 3 / 4).for_each(another);
    let read = mark(&store, "id");
    let mut late = [true, false].map(|exclusive| store.acquire(&key, &how(exclusive)).expect("acquire"));
    late.iter_mut().for_each(|lease| assert_eq!(lease.len(), 9));
    // Whose lock is held is not forgotten.
    let mut held = late[0].mark();
    late[0].release();
    (most()..2 * most()).take_while(|_| !store.is_vacant(&key).expect("no failure")).for_each(another);
    assert!(store.is_vacant(&key).expect("no failure"));
    assert_eq!(late[1].commit(b"logged in", LIFE, Over::Anything).expect("commit"), Committed::Ended);
    for _ in 0..2 {
        for exclusive in [true, false] {
            assert_eq!(write(&store, "id", b"logged in", &at(exclusive, held)), Committed::Ended);
        }
        held = read;
    }
    assert!(!store.exists(&key).expect("no failure"));
}

/// The number of what was forgotten goes with the sessions to another file.
#[test]
fn a_forgotten_end_stays_one_when_the_file_is_deleted() {
    let dir = temporary();
    let old = store(&dir);
    let key = old.key(b"", b"id");
    put(&old, "id", b"logged in");
    let read = mark(&old, "id");
    let mut slow = old.acquire(&key, &how(false)).expect("acquire");
    end(&old, "id");
    flood(&old);
    std::fs::remove_file(old.path()).expect("the file is there");
    let (new, inheritance) = old.attach_relocated().expect("the relocated store");
    assert_eq!(inheritance, Inheritance::Kept);
    assert_eq!(slow.commit(b"logged in", LIFE, Over::Anything).expect("commit"), Committed::Ended);
    assert_eq!(write(&new, "id", b"logged in", &at(true, read)), Committed::Ended);
    assert_eq!(get(&new, "stays").as_deref(), Some(&b"here"[..]));
    assert!(tombstones(&new) > most() * 9 / 10 && tombstones(&new) <= most());
    sound(&new);
}

/// A session that another handler kept is imported whatever was forgotten: nothing says that it was ended here.
#[test]
fn sessions_from_elsewhere_come_in_after_ends_were_forgotten() {
    use cloakroom_seam::{Restore, Restored};
    let dir = temporary();
    let store = store(&dir);
    flood(&store);
    let session = Restored { payload: b"from there", created: 1_000_000_000, lifetime: LIFE, returned: true };
    let (first, second) = (store.key(b"", b"first"), store.key(b"", b"second"));
    assert_eq!(store.restore(&first, &session).expect("no failure"), Restore::Stored);
    store.acquire(&second, &how(true)).expect("acquire").release();
    assert_eq!(store.migrate_in(&second, &session).expect("no failure"), Restore::Stored);
}
