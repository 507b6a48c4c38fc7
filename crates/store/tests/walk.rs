//! Looking at a store while it is used: what a walk meets, that it leaves no trace and waits for nobody.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cloakroom_seam::{Acquire, Committed, End, Entry, LockMode, Over};
use cloakroom_store::{Error, Options, Stats, Store};

const LIFE: Duration = Duration::from_secs(600);
const HOW: Acquire<'static> = Acquire {
    mode: LockMode::Exclusive,
    wait: LIFE,
    lock_ttl: Duration::ZERO,
    max_waiters: 0,
    lifetime: LIFE,
    script: b"test",
    since: None,
    drawn: false,
};

fn store() -> (tempfile::TempDir, Arc<Store>) {
    let dir = tempfile::tempdir().expect("temporary directory");
    let store = Store::attach(dir.path(), Options { capacity: Some(64 << 20), user: None }).expect("attach");
    (dir, store)
}

fn put(store: &Arc<Store>, id: &str, payload: &[u8]) {
    let mut lease = store.acquire(&store.key(b"", id.as_bytes()), &HOW).expect("acquire");
    assert_eq!(lease.commit(payload, LIFE, Over::Anything).expect("commit"), Committed::Stored);
}

fn all(store: &Arc<Store>) -> Vec<Entry> {
    let mut entries = Vec::new();
    let walked = store.walk(|entry| {
        entries.push(entry);
        ControlFlow::Continue(())
    });
    walked.expect("walk");
    entries
}

fn entry(store: &Arc<Store>, id: &str) -> Entry {
    store.inspect(&store.key(b"", id.as_bytes())).expect("inspect").expect("the session exists").0
}

fn wall() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    since.as_secs()
}

/// Ends the writers, also where an assertion fails beside them.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_walk_meets_every_session_once() {
    let (_dir, store) = store();
    for i in 0..5000usize {
        put(&store, &format!("id{i}"), &vec![7; i]);
    }
    let mut sizes: HashMap<[u8; 16], u64> = HashMap::new();
    for entry in all(&store) {
        assert_eq!(sizes.insert(entry.key.to_bytes(), entry.size), None, "met twice");
    }
    assert_eq!(sizes.len(), 5000);
    for i in 0..5000u64 {
        let key = store.key(b"", format!("id{i}").as_bytes());
        assert_eq!(sizes.get(&key.to_bytes()), Some(&i));
    }
    let mut met = 0;
    let broken_off = store.walk(|_| {
        met += 1;
        if met == 10 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    broken_off.expect("walk");
    assert_eq!(met, 10);
}

#[test]
fn an_entry_says_what_the_session_is() {
    let (_dir, store) = store();
    let before = wall();
    put(&store, "plain", b"payload");
    store.acquire(&store.key(b"", b"reserved"), &HOW).expect("acquire").release();
    let mut held = store.acquire(&store.key(b"", b"held"), &HOW).expect("acquire");
    put(&store, "retired", b"old");
    let mut replaced = store.acquire(&store.key(b"", b"retired"), &HOW).expect("acquire");
    replaced.destroy(End { tombstone: LIFE, grace: Duration::from_secs(30) }).expect("destroy");
    put(&store, "ended", b"gone");
    store.destroy(&store.key(b"", b"ended"), End::at_once(LIFE)).expect("destroy");
    let after = wall();

    assert_eq!(all(&store).len(), 4, "what was destroyed is not met");
    let plain = entry(&store, "plain");
    assert!((before..=after).contains(&plain.created) && (before..=after).contains(&plain.used));
    // It exists for the whole of the last second.
    assert_eq!(plain.expires - plain.used, 601);
    assert_eq!((plain.size, plain.returned, plain.locked, plain.retired), (7, false, false, false));
    assert!(entry(&store, "reserved").reserved && !plain.reserved);
    assert!(entry(&store, "held").locked);
    let retired = entry(&store, "retired");
    assert!(retired.retired && (before + 31..=after + 31).contains(&retired.expires));
    held.commit(b"two", LIFE, Over::Anything).expect("commit");
    let version = entry(&store, "held").version;
    put(&store, "held", b"three");
    let held = entry(&store, "held");
    assert!(held.returned && !held.locked && held.version > version);
}

#[test]
fn looking_leaves_no_trace() {
    let (_dir, store) = store();
    put(&store, "id", b"payload");
    let key = store.key(b"", b"id");
    let before = (entry(&store, "id"), store.stats().expect("stats"));
    for _ in 0..10 {
        assert_eq!(all(&store).len(), 1);
        let (_, payload) = store.inspect(&key).expect("inspect").expect("the session exists");
        assert_eq!(payload, b"payload");
    }
    let after = (entry(&store, "id"), store.stats().expect("stats"));
    assert!(before.0 == after.0, "the session is as it was");
    assert_eq!(before.1, Stats { attached: before.1.attached, ..after.1 });
    // A reader, in contrast, makes it one that came back.
    store.snapshot(&key).expect("snapshot");
    assert!(entry(&store, "id").returned);
}

#[test]
fn looking_waits_for_no_lease() {
    let (_dir, store) = store();
    put(&store, "id", b"payload");
    let key = store.key(b"", b"id");
    let lease = store.acquire(&key, &HOW).expect("acquire");
    let looked = std::thread::scope(|scope| {
        scope.spawn(|| (all(&store).len(), store.inspect(&key).expect("inspect").map(|found| found.1))).join()
    });
    assert_eq!(looked.expect("no panic"), (1, Some(b"payload".to_vec())));
    drop(lease);
}

#[test]
fn a_walk_beside_writers_meets_what_stays_exactly_once_and_whole() {
    let (_dir, store) = store();
    let stays = 300u32;
    for i in 0..stays {
        put(&store, &format!("stays{i}"), &[i as u8; 10]);
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..2u32 {
            let (store, done) = (&store, &done);
            scope.spawn(move || {
                let mut round = 0u32;
                while !done.load(Ordering::Relaxed) {
                    round = round.wrapping_add(1);
                    // Sizes that need one block, several, and a growing file; all bytes of a payload are equal.
                    let size = [10, 700, 5000, 150_000][round as usize % 4];
                    put(store, &format!("stays{}", (round * 7 + writer) % stays), &vec![round as u8; size]);
                    put(store, &format!("goes{writer}"), b"x");
                    store
                        .destroy(&store.key(b"", format!("goes{writer}").as_bytes()), End::at_once(Duration::ZERO))
                        .expect("destroy");
                }
            });
        }
        let _stop = Stop(&done);
        let began = Instant::now();
        let mut walks = 0;
        while walks < 50 || began.elapsed() < Duration::from_millis(500) {
            let mut seen: HashMap<[u8; 16], u32> = HashMap::new();
            all(&store).iter().for_each(|entry| *seen.entry(entry.key.to_bytes()).or_default() += 1);
            for i in 0..stays {
                let key = store.key(b"", format!("stays{i}").as_bytes());
                assert_eq!(seen.get(&key.to_bytes()), Some(&1), "walk {walks}");
            }
            let key = store.key(b"", format!("stays{}", walks % stays).as_bytes());
            let (entry, payload) = store.inspect(&key).expect("inspect").expect("it stays");
            assert_eq!(entry.size as usize, payload.len());
            assert!(payload.windows(2).all(|pair| pair[0] == pair[1]), "bytes of two versions");
            walks += 1;
        }
    });
    assert_eq!(store.check().expect("check").problems, Vec::<String>::new());
}

/// A writer makes two sizes in turn, so that the version tells which it must be; what is read of another moment shows.
#[test]
fn an_entry_and_its_payload_are_of_one_moment() {
    let (_dir, store) = store();
    let key = store.key(b"", b"id");
    let size = |version: u64| if version.is_multiple_of(2) { 60 } else { 3000 };
    put(&store, "id", b"first");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut version = entry(&store, "id").version;
            while !done.load(Ordering::Relaxed) {
                version += 1;
                put(&store, "id", &vec![version as u8; size(version)]);
                // Takes the block that was freed just now.
                put(&store, "other", &vec![1; size(version + 1)]);
            }
        });
        let _stop = Stop(&done);
        let began = Instant::now();
        let mut versions = std::collections::HashSet::new();
        while versions.len() < 3000 && began.elapsed() < Duration::from_secs(3) {
            let (entry, payload) = store.inspect(&key).expect("inspect").expect("it stays");
            if payload == b"first" {
                continue;
            }
            versions.insert(entry.version);
            for met in all(&store).iter().filter(|met| met.key == key) {
                assert_eq!(met.size as usize, size(met.version), "in a walk");
            }
            assert_eq!((entry.size as usize, payload.len()), (size(entry.version), size(entry.version)));
            assert!(payload.iter().all(|byte| *byte == entry.version as u8), "the bytes of another version");
        }
        assert!(versions.len() > 100, "{} versions were seen", versions.len());
    });
}

#[test]
fn a_damaged_session_is_told_and_the_others_are_met() {
    let (_dir, store) = store();
    for id in ["a", "b", "c"] {
        put(&store, id, b"payload");
    }
    let key = store.key(b"", b"b");
    let file = std::fs::File::options().read(true).write(true).open(store.path()).expect("open");
    let bytes = std::fs::read(store.path()).expect("read");
    let at = bytes.windows(16).position(|window| window == key.to_bytes()).expect("the node is in the file") as u64;
    // The creation time stands 48 bytes behind the key, and the node's checksum covers it.
    file.write_all_at(&[0xff; 4], at + 48).expect("write");
    let mut met = 0;
    let walked = store.walk(|_| {
        met += 1;
        ControlFlow::Continue(())
    });
    assert!(matches!(walked, Err(Error::Damaged(_))), "{walked:?}");
    assert_eq!(met, 2);
    assert!(matches!(store.inspect(&key), Err(Error::Damaged(_))));
}
