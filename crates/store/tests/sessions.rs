//! What a store promises about sessions, seen through its public interface by one process and several threads.

mod harness;

use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::Duration;

use cloakroom_seam::Room;
use cloakroom_seam::{Acquire, Committed, Effort, End, Over};
use cloakroom_store::{Error, Store};
use harness::{attach, temporary, unlocked};

const LIFE: Duration = Duration::from_secs(600);

fn how(exclusive: bool) -> Acquire<'static> {
    Acquire { lifetime: LIFE, ..if exclusive { harness::exclusive() } else { unlocked() } }
}

fn put(store: &Arc<Store>, id: &[u8], payload: &[u8]) {
    let mut lease = store.acquire(&store.key(b"", id), &how(true)).expect("acquire");
    assert_eq!(lease.commit(payload, LIFE, Over::Anything).expect("commit"), Committed::Stored);
}

fn get(store: &Arc<Store>, id: &[u8]) -> Option<Vec<u8>> {
    store.snapshot(&store.key(b"", id)).map(|found| found.0).expect("snapshot")
}

#[test]
fn what_is_committed_is_read_at_every_size() {
    let dir = temporary();
    let store = attach(dir.path(), 64);
    for size in [0usize, 1, 39, 40, 41, 1000, 1024, 4096, 4097, 100_000, 131_000, 1 << 20, 16 << 20] {
        let payload: Vec<u8> = (0..size).map(|i| (i * 31 + size) as u8).collect();
        put(&store, b"same", &payload);
        assert!(get(&store, b"same").as_deref() == Some(&payload[..]), "{size} bytes by snapshot");
        let mut lease = store.acquire(&store.key(b"", b"same"), &how(true)).expect("acquire");
        let mut read = vec![0; lease.len()];
        lease.read(&mut Room::over(&mut read)).expect("read");
        assert!(read == payload, "{size} bytes by lease");
        drop(lease);
        assert_eq!(store.check().expect("check").problems, Vec::<String>::new());
    }
}

#[test]
fn many_sessions_split_the_index_and_grow_the_file() {
    let dir = temporary();
    let store = attach(dir.path(), 256);
    for i in 0..50_000u32 {
        put(&store, format!("id{i}").as_bytes(), &i.to_le_bytes().repeat(1 + i as usize % 60));
    }
    for i in 0..50_000u32 {
        let expected = i.to_le_bytes().repeat(1 + i as usize % 60);
        assert_eq!(get(&store, format!("id{i}").as_bytes()), Some(expected));
    }
    let report = store.check().expect("check");
    assert_eq!(report.problems, Vec::<String>::new());
    assert_eq!(report.sessions, 50_000);
}

#[test]
fn a_full_store_evicts_what_never_came_back_and_then_refuses() {
    let dir = temporary();
    let store = attach(dir.path(), 8);
    let payload = vec![7u8; 10_000];
    for i in 0..100u32 {
        put(&store, format!("used{i}").as_bytes(), &payload);
        put(&store, format!("used{i}").as_bytes(), &payload);
    }
    for i in 0..3000u32 {
        put(&store, format!("flood{i}").as_bytes(), &payload);
    }
    assert!(store.stats().expect("stats").evicted > 1000);
    for i in 0..100u32 {
        assert_eq!(get(&store, format!("used{i}").as_bytes()).as_ref(), Some(&payload), "session {i} was in use");
    }
    assert_eq!(store.check().expect("check").problems, Vec::<String>::new());
    assert!(fill(&store, "loyal", 3000, 3, &payload).is_err());
    assert_eq!(store.check().expect("check").problems, Vec::<String>::new());
}

/// Uses so many new sessions so many `times` each, until one is refused.
fn fill(store: &Arc<Store>, name: &str, sessions: u32, times: u32, payload: &[u8]) -> Result<(), ()> {
    for i in 0..sessions {
        for _ in 0..times {
            let lease = store.acquire(&store.key(b"", format!("{name}{i}").as_bytes()), &how(true));
            match lease.and_then(|mut lease| lease.commit(payload, LIFE, Over::Anything)) {
                Ok(outcome) => assert_eq!(outcome, Committed::Stored),
                Err(Error::Full { used, capacity }) => {
                    assert!(used <= capacity, "{used} of {capacity}");
                    return Err(());
                }
                Err(e) => panic!("{e}"),
            }
        }
    }
    Ok(())
}

#[test]
fn before_it_refuses_a_full_store_evicts_what_was_used_twice_and_not_for_the_longest_time() {
    let dir = temporary();
    let store = attach(dir.path(), 8);
    let payload = vec![7u8; 10_000];
    let key = |id: String| store.key(b"", id.as_bytes());
    for i in 0..100u32 {
        // Each used again in its own way, all of them last in the same order.
        put(&store, format!("thrice{i}").as_bytes(), &payload);
        put(&store, format!("twice{i}").as_bytes(), &payload);
        assert!(get(&store, format!("thrice{i}").as_bytes()).is_some());
    }
    for i in (0..100u32).rev() {
        store.clock().skew(i64::from(200 - i), i64::from(200 - i));
        put(&store, format!("thrice{i}").as_bytes(), &payload);
        let mut lease = store.acquire(&key(format!("twice{i}")), &how(true)).expect("acquire");
        let outcome =
            if i % 2 == 0 { lease.touch(&payload, LIFE) } else { lease.commit(&payload, LIFE, Over::Anything) };
        assert_eq!(outcome.expect("no failure"), Committed::Stored);
    }
    let held =
        store.acquire(&key("held".to_owned()), &how(true)).expect("acquire").commit(&payload, LIFE, Over::Anything);
    assert_eq!(held.expect("commit"), Committed::Stored);
    let mut held = store.acquire(&key("held".to_owned()), &how(true)).expect("acquire");
    let there = |i: &u32| store.inspect(&key(format!("twice{i}"))).expect("no failure").is_some();
    // The flood comes back once, too, and it is newer.
    store.clock().skew(300, 300);
    let mut rounds = 0;
    while (0..100).filter(there).count() > 50 {
        assert_eq!(fill(&store, &format!("flood{rounds}-"), 20, 2, &payload), Ok(()), "nothing is refused");
        rounds += 1;
        assert!(rounds < 500, "what was used twice before is not evicted");
    }
    let (stay, gone): (Vec<u32>, Vec<u32>) = (0..100).partition(there);
    let mean = |all: &[u32]| all.iter().sum::<u32>() / all.len() as u32;
    assert!(mean(&stay) + 5 < mean(&gone), "{stay:?} stay, which were used later than {gone:?}");
    assert!(store.stats().expect("stats").evicted >= gone.len() as u64, "evictions are counted");
    assert_eq!(fill(&store, "more", 3000, 2, &payload), Ok(()), "nothing is refused");
    for i in 0..100u32 {
        assert_eq!(
            get(&store, format!("thrice{i}").as_bytes()).as_ref(),
            Some(&payload),
            "session {i} is used again and again"
        );
    }
    assert_eq!(held.commit(b"still there", LIFE, Over::WhatWasRead).expect("commit"), Committed::Stored);
    assert_eq!(store.check().expect("check").problems, Vec::<String>::new());
}

#[test]
fn the_lock_is_handed_over_between_threads() {
    let dir = temporary();
    let store = attach(dir.path(), 16);
    put(&store, b"counter", &0u64.to_le_bytes());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..2000 {
                    let mut lease = store.acquire(&store.key(b"", b"counter"), &how(true)).expect("acquire");
                    let mut bytes = [0; 8];
                    lease.read(&mut Room::over(&mut bytes)).expect("read");
                    let next = u64::from_le_bytes(bytes) + 1;
                    lease.commit(&next.to_le_bytes(), LIFE, Over::Anything).expect("commit");
                }
            });
        }
    });
    assert_eq!(get(&store, b"counter"), Some(8000u64.to_le_bytes().to_vec()));
    assert_eq!(store.check().expect("check").problems, Vec::<String>::new());
}

#[test]
fn expiry_hides_at_once_and_reclaims_only_what_has_aged() {
    let dir = temporary();
    let store = attach(dir.path(), 16);
    put(&store, b"old", b"payload");
    store.clock().skew(3600, 0);
    assert_eq!(get(&store, b"old"), None);
    assert_eq!(store.collect(Effort::All).expect("collect"), 0, "only the wall clock jumped");
    store.clock().skew(0, 0);
    assert_eq!(get(&store, b"old"), Some(b"payload".to_vec()));
    store.clock().skew(3600, 3600);
    assert_eq!(store.collect(Effort::All).expect("collect"), 1);
    store.clock().skew(0, 0);
    assert_eq!(get(&store, b"old"), None);
    assert_eq!(store.check().expect("check").problems, Vec::<String>::new());
}

#[test]
fn destroyed_means_destroyed_for_leases_that_began_before() {
    let dir = temporary();
    let store = attach(dir.path(), 16);
    let key = store.key(b"", b"id");
    put(&store, b"id", b"one");
    let mut slow = store.acquire(&key, &how(false)).expect("acquire");
    let mut fast = store.acquire(&key, &how(true)).expect("acquire");
    assert!(fast.destroy(End::at_once(Duration::from_secs(60))).expect("destroy"));
    assert_eq!(slow.commit(b"zombie", LIFE, Over::Anything).expect("commit"), Committed::Ended);
    assert_eq!(get(&store, b"id"), None);
    let mut again = store.acquire(&key, &how(true)).expect("acquire");
    assert!(again.is_new());
    again.commit(b"two", LIFE, Over::Anything).expect("commit");
    assert_eq!(get(&store, b"id"), Some(b"two".to_vec()));
}

#[test]
fn a_request_that_runs_five_minutes_longer_does_not_undo_a_logout() {
    const TOMBSTONE: Duration = Duration::from_secs(3600);
    let dir = temporary();
    let store = attach(dir.path(), 16);
    let key = store.key(b"", b"id");
    // A store without any session would be removed.
    put(&store, b"another", b"visitor");
    for logs_in_again in [false, true] {
        put(&store, b"id", b"one");
        let (_, read) = store.snapshot(&key).expect("snapshot");
        let mut slow = store.acquire(&key, &how(false)).expect("acquire");
        let mut merging = store.acquire(&key, &how(false)).expect("acquire");
        assert!(store.destroy(&key, End::at_once(TOMBSTONE)).expect("destroy"));
        if logs_in_again {
            put(&store, b"id", b"two");
        }
        store.clock().skew(300, 300);
        store.collect(Effort::All).expect("collect");
        let expected = logs_in_again.then(|| b"two".to_vec());
        assert_eq!(slow.commit(b"zombie", LIFE, Over::Anything).expect("commit"), Committed::Ended);
        assert_eq!(merging.commit(b"zombie", LIFE, Over::WhatWasRead).expect("commit"), Committed::Ended);
        assert_eq!(get(&store, b"id"), expected);
        // One that reads first and locks only to write, as an object of the class does without open().
        for exclusive in [true, false] {
            let late = Acquire { since: Some(read), ..how(exclusive) };
            let mut late = store.acquire(&key, &late).expect("acquire");
            assert_eq!(late.commit(b"zombie", LIFE, Over::Anything).expect("commit"), Committed::Ended);
            drop(late);
            assert_eq!(get(&store, b"id"), expected);
        }
        store.clock().skew(0, 0);
        store.destroy(&key, End::at_once(TOMBSTONE)).expect("destroy");
    }
    assert_eq!(store.check().expect("check").problems, Vec::<String>::new());
}

#[test]
fn a_lease_on_what_ended_since_it_was_read_gives_nothing_and_asks_for_no_room() {
    let dir = temporary();
    let store = attach(dir.path(), 16);
    let key = store.key(b"", b"id");
    put(&store, b"id", b"one");
    let (_, mark) = store.snapshot(&key).expect("snapshot");
    store.destroy(&key, End::at_once(LIFE)).expect("destroy");
    put(&store, b"id", b"another life");
    let mut lease = store.acquire(&key, &Acquire { since: Some(mark), ..how(true) }).expect("acquire");
    let mut memory = vec![MaybeUninit::uninit(); lease.len()];
    let mut room = Room::new(&mut memory);
    lease.read(&mut room).expect("read");
    assert!(room.is_full(), "room is left that a reader would take for a payload");
    assert_eq!(room.filled(), b"");
}
