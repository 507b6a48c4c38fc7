//! Sessions that another handler kept: where there is room for them, and where there is none.

use std::time::{Duration, Instant};

use cloakroom_session::Key;
use cloakroom_session::seam::{Committed, End, Over};
use cloakroom_session::seam::{Restore, Restored};

use crate::steps::{EXCLUSIVE, LONG, UNLOCKED, exists, key, put, read, stored};
use crate::{Open, Shared};

const SESSION: Restored<'static> =
    Restored { payload: b"from there", created: 1_000_000_000, lifetime: LONG, returned: true };

fn take(store: &Shared, key: &Key) -> Restore {
    store.migrate_in(key, &SESSION).expect("no failure")
}

fn is_vacant(store: &Shared, key: &Key) -> bool {
    store.is_vacant(key).expect("no failure")
}

fn migrated(store: &Shared) -> u64 {
    let figures = store.status().expect("no failure");
    figures.iter().find(|(name, _)| *name == "migrated").expect("the store counts them").1
}

pub(crate) fn it_takes_the_place_of_nothing_and_of_a_reservation(open: Open<'_>) {
    let (store, other) = (&*open(), &*open());
    let (absent, reserved, touched) = (key(store, "absent"), key(store, "reserved"), key(store, "touched"));
    other.acquire(&reserved, &EXCLUSIVE).expect("free").release();
    let mut lease = other.acquire(&touched, &EXCLUSIVE).expect("free");
    assert_eq!(lease.touch(b"", LONG).expect("no failure"), Committed::Stored);
    for (taken, key) in [absent, reserved, touched].iter().enumerate() {
        assert_eq!(migrated(store), taken as u64);
        assert!(is_vacant(store, key));
        assert_eq!(take(store, key), Restore::Stored);
        assert!(!is_vacant(other, key));
        assert_eq!(stored(other, key).as_deref(), Some(&b"from there"[..]));
        assert_eq!(take(store, key), Restore::Exists, "once is enough");
        if let Some(inventory) = store.inventory() {
            let (entry, _) = inventory.inspect(key).expect("no failure").expect("it is there");
            assert_eq!((entry.created, entry.returned, entry.locked), (1_000_000_000, true, false));
        }
    }
    assert_eq!(migrated(store), 3);
    let mut lease = other.acquire(&absent, &EXCLUSIVE).expect("free");
    assert!(!lease.is_new());
    assert_eq!(read(&mut *lease), b"from there");
    assert_eq!(lease.commit(b"more", LONG, Over::WhatWasRead).expect("there is room"), Committed::Stored);
    assert_eq!(stored(store, &absent).as_deref(), Some(&b"more"[..]));
}

pub(crate) fn it_replaces_nothing_that_was_written(open: Open<'_>) {
    let store = &*open();
    let key = key(store, "a");
    put(store, &key, b"mine");
    assert!(!is_vacant(store, &key));
    assert_eq!(take(store, &key), Restore::Exists);
    assert_eq!(stored(store, &key).as_deref(), Some(&b"mine"[..]));
    assert_eq!(migrated(store), 0);
}

pub(crate) fn it_replaces_nothing_that_was_emptied(open: Open<'_>) {
    let store = &*open();
    let (emptied, empty) = (key(store, "emptied"), key(store, "empty"));
    put(store, &emptied, b"payload");
    for key in [&emptied, &empty] {
        put(store, key, b"");
        assert!(!is_vacant(store, key));
        assert_eq!(take(store, key), Restore::Exists);
        assert_eq!(stored(store, key).as_deref(), Some(&b""[..]));
    }
}

pub(crate) fn it_revives_nothing(open: Open<'_>) {
    let store = &*open();
    // A store may forget all when the last session in it is destroyed.
    put(store, &key(store, "stays"), b"payload");
    let (ended, replaced) = (key(store, "ended"), key(store, "replaced"));
    for (key, grace) in [(&ended, Duration::ZERO), (&replaced, LONG)] {
        put(store, key, b"payload");
        assert!(store.destroy(key, End { tombstone: LONG, grace }).expect("no failure"));
        assert!(!is_vacant(store, key));
        assert_ne!(take(store, key), Restore::Stored);
    }
    assert!(!exists(store, &ended));
    assert_eq!(stored(store, &replaced).as_deref(), Some(&b"payload"[..]));
    assert_eq!(migrated(store), 0);
}

pub(crate) fn it_revives_nothing_that_was_begun_again(open: Open<'_>) {
    let (store, other) = (&*open(), &*open());
    put(store, &key(store, "stays"), b"payload");
    let (ended, replaced) = (key(store, "ended"), key(store, "replaced"));
    for (key, grace) in [(&ended, Duration::ZERO), (&replaced, Duration::from_secs(1))] {
        put(store, key, b"payload");
        assert!(store.destroy(key, End { tombstone: LONG, grace }).expect("no failure"));
    }
    let began = Instant::now();
    while stored(store, &replaced).is_some() {
        assert!(began.elapsed() < Duration::from_secs(20), "the grace never ends");
        std::thread::sleep(Duration::from_millis(20));
    }
    for (key, how) in [(&ended, EXCLUSIVE), (&replaced, UNLOCKED)] {
        // A fresh session is as empty as one that a migration left half done. It stays what a later request finds.
        for fresh in [true, false] {
            let mut lease = store.acquire(key, &how).expect("free");
            assert_eq!((lease.is_new(), lease.payload_len()), (fresh, 0));
            lease.release();
            assert!(!is_vacant(other, key));
            assert_ne!(take(other, key), Restore::Stored);
            assert_eq!(stored(other, key).as_deref(), Some(&b""[..]));
        }
        put(other, key, b"mine");
        assert_eq!(take(store, key), Restore::Exists);
        assert_eq!(stored(store, key).as_deref(), Some(&b"mine"[..]));
    }
    assert_eq!(migrated(store), 0);
}

pub(crate) fn it_waits_for_no_lease(open: Open<'_>) {
    let (store, other) = (&*open(), &*open());
    let key = key(store, "a");
    let held = store.acquire(&key, &EXCLUSIVE).expect("free");
    std::thread::scope(|scope| {
        scope.spawn(|| assert_eq!(take(other, &key), Restore::Exists)).join().expect("no panic");
    });
    assert_eq!(take(store, &key), Restore::Exists, "its own lease is one as well");
    drop(held);
    assert_eq!(take(other, &key), Restore::Stored);
}

pub(crate) fn a_request_that_reserved_before_writes_after_it(open: Open<'_>) {
    let (store, other) = (&*open(), &*open());
    let key = key(store, "a");
    let mut lease = store.acquire(&key, &UNLOCKED).expect("no lock");
    assert!(lease.is_new());
    assert_eq!(take(other, &key), Restore::Stored);
    assert_eq!(lease.commit(b"mine", LONG, Over::WhatWasRead).expect("no failure"), Committed::VersionChanged);
    assert_eq!(read(&mut *lease), b"from there");
    assert_eq!(lease.commit(b"both", LONG, Over::WhatWasRead).expect("there is room"), Committed::Stored);
    assert_eq!(stored(store, &key).as_deref(), Some(&b"both"[..]));
}

pub(crate) fn a_session_that_expired_gives_way(open: Open<'_>) {
    let store = &*open();
    let key = key(store, "a");
    let mut lease = store.acquire(&key, &EXCLUSIVE).expect("free");
    lease.commit(b"short", Duration::from_secs(1), Over::Anything).expect("there is room");
    while exists(store, &key) {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(is_vacant(store, &key));
    assert_eq!(take(store, &key), Restore::Stored);
    assert_eq!(stored(store, &key).as_deref(), Some(&b"from there"[..]));
}
