//! Sessions from elsewhere: they keep their keys and times, displace nothing, and revive nothing.

use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::Duration;

use cloakroom_seam::{Acquire, End, LockMode, Over, Restore, Restored};
use cloakroom_store::{AttachError, Options, Store};

const LIFE: Duration = Duration::from_secs(600);
const HOW: Acquire<'static> = Acquire {
    mode: LockMode::Exclusive,
    wait: Duration::ZERO,
    lock_ttl: Duration::ZERO,
    max_waiters: 0,
    lifetime: LIFE,
    script: b"test",
    since: None,
    drawn: false,
};
const NEW: Options = Options { capacity: Some(16 << 20), user: None };
const SECRET: [u8; 32] = [42; 32];
const SESSION: Restored<'static> =
    Restored { payload: b"payload", created: 1_000_000, lifetime: Duration::from_secs(90), returned: true };

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("temporary directory")
}

fn put(store: &Arc<Store>, id: &[u8], payload: &[u8]) {
    store
        .acquire(&store.key(b"", id), &HOW)
        .and_then(|mut lease| lease.commit(payload, LIFE, Over::Anything))
        .expect("there is room");
}

fn read(store: &Arc<Store>, id: &[u8]) -> Option<Vec<u8>> {
    store.inspect(&store.key(b"", id)).expect("inspect").map(|found| found.1)
}

#[test]
fn a_restored_session_keeps_its_times() {
    let dir = directory();
    let store = Store::attach(dir.path(), NEW).expect("attach");
    for (id, returned) in [(&b"back"[..], true), (b"fresh", false)] {
        let key = store.key(b"", id);
        assert_eq!(store.restore(&key, &Restored { returned, ..SESSION }).expect("restore"), Restore::Stored);
        let (entry, payload) = store.inspect(&key).expect("inspect").expect("it is there");
        assert_eq!((entry.created, entry.expires - entry.used, entry.returned), (1_000_000, 91, returned));
        assert_eq!(payload, b"payload");
        assert!(!entry.locked);
    }
    assert_eq!(store.check().expect("check").problems, Vec::<String>::new());
    // The next request finds an ordinary session.
    let mut lease = store.acquire(&store.key(b"", b"back"), &HOW).expect("acquire");
    assert!(!lease.is_new());
    lease.commit(b"more", LIFE, Over::WhatWasRead).expect("commit");
    assert_eq!(read(&store, b"back").as_deref(), Some(&b"more"[..]));
}

#[test]
fn what_is_there_stays_and_what_was_destroyed_stays_destroyed() {
    let dir = directory();
    let store = Store::attach(dir.path(), NEW).expect("attach");
    put(&store, b"there", b"mine");
    put(&store, b"destroyed", b"gone");
    store.destroy(&store.key(b"", b"destroyed"), End::at_once(LIFE)).expect("destroy");
    let restore = |id: &[u8]| store.restore(&store.key(b"", id), &SESSION).expect("restore");
    assert_eq!(restore(b"there"), Restore::Exists);
    assert_eq!(restore(b"destroyed"), Restore::Ended);
    assert_eq!(read(&store, b"there").as_deref(), Some(&b"mine"[..]));
    assert_eq!(read(&store, b"destroyed"), None);

    let held = store.acquire(&store.key(b"", b"held"), &HOW).expect("acquire");
    std::thread::scope(|scope| {
        scope.spawn(|| assert_eq!(restore(b"held"), Restore::Exists)).join().expect("no panic");
    });
    drop(held);
}

#[test]
fn a_store_is_made_with_the_secret_asked_for() {
    let dir = directory();
    let store = Store::attach_with_secret(dir.path(), NEW, &SECRET).expect("made");
    assert_eq!(store.secret(), SECRET);
    put(&store, b"id", b"payload");
    let again = Store::attach_with_secret(dir.path(), NEW, &SECRET).expect("the secret is the same");
    assert!(Arc::ptr_eq(&store, &again));
    drop((store, again));
    let later = Store::attach(dir.path(), NEW).expect("attach");
    assert_eq!(read(&later, b"id").as_deref(), Some(&b"payload"[..]));
}

/// Leaves a store behind that this thread does not have attached any more.
fn leave_a_store(dir: &tempfile::TempDir, work: impl FnOnce(&Arc<Store>) + Send) {
    std::thread::scope(|scope| {
        scope.spawn(|| work(&Store::attach(dir.path(), NEW).expect("attach"))).join().expect("no panic");
    });
}

#[test]
fn an_empty_store_takes_the_secret_over() {
    let dir = directory();
    leave_a_store(&dir, |store| put(store, b"id", b"payload"));
    // Who made the file would remove it with the last session; what was destroyed and is remembered does not count.
    leave_a_store(&dir, |store| {
        assert!(store.destroy(&store.key(b"", b"id"), End::at_once(LIFE)).expect("destroy"));
    });
    assert!(dir.path().read_dir().expect("readable").count() == 1, "the empty store is there");
    let store = Store::attach_with_secret(dir.path(), NEW, &SECRET).expect("taken over");
    assert_eq!(store.secret(), SECRET);
    let mut met = 0;
    store
        .walk(|_| {
            met += 1;
            ControlFlow::Continue(())
        })
        .expect("walk");
    assert_eq!((met, store.check().expect("check").problems), (0, Vec::new()));
    put(&store, b"id", &[7; 100_000]);
    assert_eq!(store.check().expect("check").problems, Vec::<String>::new());
}

#[test]
fn a_store_with_sessions_or_in_use_keeps_its_secret() {
    let dir = directory();
    leave_a_store(&dir, |store| put(store, b"id", b"payload"));
    let refused = Store::attach_with_secret(dir.path(), NEW, &SECRET);
    assert!(matches!(refused, Err(AttachError::OtherSecret { sessions: Some(1), .. })), "{refused:?}");

    let dir = directory();
    let used = Store::attach(dir.path(), NEW).expect("attach");
    let refused = Store::attach_with_secret(dir.path(), NEW, &SECRET);
    assert!(matches!(refused, Err(AttachError::OtherSecret { sessions: None, .. })), "{refused:?}");
    put(&used, b"id", b"payload");
    assert_eq!(read(&used, b"id").as_deref(), Some(&b"payload"[..]));
}

#[test]
fn root_makes_the_store_of_another_user_for_that_user() {
    let dir = directory();
    let other = 12_345;
    let options = Options { capacity: NEW.capacity, user: Some(other) };
    let made = Store::attach_with_secret(dir.path(), options, &SECRET);
    let path = dir.path().join(format!("cloakroom-{other}.store"));
    match std::fs::metadata(&path) {
        Ok(found) if found.uid() == other => {
            assert_eq!((found.mode() & 0o777, made.expect("made").secret()), (0o600, SECRET));
        }
        // Who is not root cannot give a file away, and says so.
        found => {
            let me = std::fs::metadata(dir.path()).expect("it is there").uid();
            assert!(me != 0 && made.is_err(), "{found:?} {made:?}");
        }
    }
}

/// What carries the sessions of one layout over to another: here the number of shards differs, and with it the place of
/// every session.
#[test]
fn every_session_moves_to_a_store_of_another_layout() {
    let (from, to) = (directory(), directory());
    let old = Store::attach(from.path(), NEW).expect("attach");
    let id = |i: usize| format!("session{i}").into_bytes();
    let content = |i: usize| id(i).repeat(1 + i * i % 700);
    for i in 0..600 {
        put(&old, &id(i), &content(i));
        if i % 2 == 0 {
            put(&old, &id(i), &content(i));
        }
    }
    old.destroy(&old.key(b"", &id(7)), End::at_once(LIFE)).expect("destroy");

    let larger = Options { capacity: Some(1 << 30), user: None };
    let new = Store::attach_with_secret(to.path(), larger, &old.secret()).expect("attach");
    let shards = |store: &Store| {
        let header = std::fs::read(store.path()).expect("the store file");
        header.get(16..20).map(<[u8]>::to_vec)
    };
    assert_ne!(shards(&old), shards(&new), "the layouts are the same");
    old.walk(|entry| {
        let (entry, payload) = old.inspect(&entry.key).expect("inspect").expect("nobody else is at work");
        let lifetime = Duration::from_secs(entry.expires - entry.used - 1);
        let session = Restored { payload: &payload, created: entry.created, lifetime, returned: entry.returned };
        assert_eq!(new.restore(&entry.key, &session).expect("restore"), Restore::Stored);
        ControlFlow::Continue(())
    })
    .expect("walk");

    for i in 0..600 {
        assert_eq!(read(&new, &id(i)), (i != 7).then(|| content(i)), "session {i}");
    }
    let there = |store: &Arc<Store>| {
        let mut entries = Vec::new();
        store
            .walk(|entry| {
                entries.push((entry.key.to_bytes(), entry.created, entry.expires, entry.returned, entry.size));
                ControlFlow::Continue(())
            })
            .expect("walk");
        entries.sort_unstable();
        entries
    };
    let (before, after) = (there(&old), there(&new));
    assert_eq!(before.len(), 599);
    for (before, after) in before.iter().zip(&after) {
        // The lifetime begins anew, a moment later.
        assert_eq!((before.0, before.1, before.3, before.4), (after.0, after.1, after.3, after.4));
        assert!((before.2..before.2 + 60).contains(&after.2), "expires at {} instead of {}", after.2, before.2);
    }
    assert_eq!(new.check().expect("check").problems, Vec::<String>::new());
}

#[test]
fn what_was_emptied_or_ended_is_told_from_what_is_reserved_also_after_a_rebuild() {
    let (dir, copied) = (directory(), directory());
    let store = Store::attach(dir.path(), NEW).expect("attach");
    put(&store, b"emptied", b"payload");
    put(&store, b"emptied", b"");
    put(&store, b"ended", b"payload");
    assert!(store.destroy(&store.key(b"", b"ended"), End::at_once(LIFE)).expect("ended"));
    for id in [&b"reserved"[..], b"ended"] {
        store.acquire(&store.key(b"", id), &HOW).expect("acquire").release();
    }
    // Whoever attaches a copy makes all that is derived anew.
    let name = store.path().file_name().expect("a file");
    std::fs::copy(store.path(), copied.path().join(name)).expect("copied");
    let copy = Store::attach(copied.path(), NEW).expect("attach");
    for store in [&store, &copy] {
        let take = |id: &[u8]| store.migrate_in(&store.key(b"", id), &SESSION).expect("there is room");
        assert!(!store.is_vacant(&store.key(b"", b"emptied")).expect("found out"));
        assert_eq!((take(b"emptied"), read(store, b"emptied")), (Restore::Exists, Some(Vec::new())));
        assert!(!store.is_vacant(&store.key(b"", b"ended")).expect("found out"));
        assert_eq!((take(b"ended"), read(store, b"ended")), (Restore::Ended, Some(Vec::new())));
        assert!(store.is_vacant(&store.key(b"", b"reserved")).expect("found out"));
        assert_eq!((take(b"reserved"), read(store, b"reserved")), (Restore::Stored, Some(b"payload".to_vec())));
        assert_eq!(store.check().expect("check").problems, Vec::<String>::new());
    }
}
