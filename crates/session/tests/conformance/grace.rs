//! Grace: an id that was replaced is read for a while, and never written.

use std::thread;
use std::time::{Duration, Instant};

use cloakroom_session::Acquire;
use cloakroom_session::seam::{Committed, End, Over};

use crate::Open;
use crate::steps::{BOTH, EXCLUSIVE, LONG, UNLOCKED, end_before_a_waiter, exists, is_free, key, put, read, stored};

const RETIRE: End = End { tombstone: LONG, grace: LONG };
const BRIEFLY: End = End { tombstone: LONG, grace: Duration::from_secs(1) };

pub(crate) fn a_retired_session_is_read_and_not_written(open: Open<'_>) {
    let (store, other) = (&*open(), &*open());
    for (id, how) in ["a", "b"].iter().zip(BOTH) {
        let key = key(store, id);
        put(store, &key, b"last committed");
        let mut lease = store.acquire(&key, &how).expect("free");
        assert!(lease.destroy(RETIRE).expect("no failure"));
        assert!(exists(other, &key), "the old id validates");
        assert_eq!(stored(other, &key).as_deref(), Some(&b"last committed"[..]));
        for how in BOTH {
            for over in [Over::Anything, Over::WhatWasRead] {
                let mut late = other.acquire(&key, &how).expect("free");
                assert!(!late.is_new());
                assert_eq!(read(&mut *late), b"last committed");
                assert_eq!(late.commit(b"late", LONG, over).expect("no failure"), Committed::Ended);
            }
            let mut late = other.acquire(&key, &how).expect("free");
            assert_eq!(late.touch(b"last committed", LONG).expect("no failure"), Committed::Ended);
            assert!(is_free(store, &key));
        }
        assert_eq!(stored(store, &key).as_deref(), Some(&b"last committed"[..]));
        assert!(!store.destroy(&key, RETIRE).expect("no failure"), "it cannot be retired twice");
        assert!(exists(store, &key));
    }
}

pub(crate) fn a_lease_from_before_retirement_writes_nothing(open: Open<'_>) {
    let store = &*open();
    let key = key(store, "a");
    put(store, &key, b"old");
    let mut slow = store.acquire(&key, &UNLOCKED).expect("no lock");
    assert!(store.destroy(&key, RETIRE).expect("no failure"));
    assert_eq!(read(&mut *slow), b"old");
    assert_eq!(slow.commit(b"slow", LONG, Over::Anything).expect("no failure"), Committed::Ended);
    assert_eq!(stored(store, &key).as_deref(), Some(&b"old"[..]));
}

pub(crate) fn a_waiter_from_before_retirement_reads_and_writes_nothing(open: Open<'_>) {
    let store = &*open();
    let key = key(store, "a");
    put(store, &key, b"old");
    let (seen, committed) = end_before_a_waiter(store, &key, RETIRE);
    assert_eq!((&seen[..], committed), (&b"old"[..], Committed::Ended));
}

pub(crate) fn grace_ends_in_time(open: Open<'_>) {
    let store = &*open();
    let key = key(store, "a");
    put(store, &key, b"old");
    let began = Instant::now();
    assert!(store.destroy(&key, BRIEFLY).expect("no failure"));
    assert!(exists(store, &key));
    while exists(store, &key) {
        assert!(began.elapsed() < Duration::from_secs(5), "the grace does not end");
        thread::sleep(Duration::from_millis(5));
    }
    assert!(began.elapsed() + Duration::from_millis(20) >= BRIEFLY.grace, "the grace was cut short");
    assert_eq!(stored(store, &key), None);
}

pub(crate) fn destroying_ends_the_grace(open: Open<'_>) {
    let store = &*open();
    let key = key(store, "a");
    for held in [false, true] {
        put(store, &key, b"old");
        assert!(store.destroy(&key, RETIRE).expect("no failure"));
        if held {
            let mut late = store.acquire(&key, &EXCLUSIVE).expect("free");
            late.destroy(End::at_once(LONG)).expect("no failure");
        } else {
            store.destroy(&key, End::at_once(LONG)).expect("no failure");
        }
        assert!(!exists(store, &key));
        assert_eq!(stored(store, &key), None);
    }
}

pub(crate) fn after_the_grace_a_fresh_session_begins(open: Open<'_>) {
    let store = &*open();
    for (id, how) in ["a", "b"].iter().zip(BOTH) {
        let key = key(store, id);
        put(store, &key, b"old");
        let mut slow = store.acquire(&key, &Acquire { wait: Duration::ZERO, ..UNLOCKED }).expect("no lock");
        assert!(store.destroy(&key, RETIRE).expect("no failure"));
        store.destroy(&key, End::at_once(LONG)).expect("no failure");
        let mut fresh = store.acquire(&key, &how).expect("free");
        assert!(fresh.is_new());
        assert_eq!(read(&mut *fresh), b"");
        assert_eq!(fresh.commit(b"fresh", LONG, Over::WhatWasRead).expect("there is room"), Committed::Stored);
        assert_eq!(slow.commit(b"slow", LONG, Over::Anything).expect("no failure"), Committed::Ended);
        assert_eq!(stored(store, &key).as_deref(), Some(&b"fresh"[..]));
    }
}
