//! Destroyed means destroyed: what began before the end of a session cannot bring it back, in any lock mode.

use cloakroom_session::seam::{Committed, End, Over};

use crate::Open;
use crate::steps::{BOTH, LONG, UNLOCKED, end_before_a_waiter, exists, key, put, stored};

pub(crate) fn a_lease_from_before_a_destroy_cannot_write(open: Open<'_>) {
    let (store, other) = (&*open(), &*open());
    for how in BOTH {
        let key = key(store, "a");
        put(store, &key, b"logged in");
        let mut lease = store.acquire(&key, &how).expect("free");
        assert!(other.destroy(&key, End::at_once(LONG)).expect("no failure"));
        assert_eq!(stored(store, &key), None);
        assert_eq!(lease.commit(b"logged in", LONG, Over::Anything).expect("no failure"), Committed::Ended);
        assert!(!exists(store, &key));
    }
}

pub(crate) fn a_lease_from_before_a_destroy_cannot_touch(open: Open<'_>) {
    let store = &*open();
    for how in BOTH {
        let key = key(store, "a");
        put(store, &key, b"logged in");
        let mut lease = store.acquire(&key, &how).expect("free");
        assert!(store.destroy(&key, End::at_once(LONG)).expect("no failure"));
        assert_eq!(lease.touch(b"logged in", LONG).expect("no failure"), Committed::Ended);
        assert!(!exists(store, &key));
    }
}

pub(crate) fn a_lease_from_before_a_destroy_cannot_destroy_its_successor(open: Open<'_>) {
    let store = &*open();
    let key = key(store, "a");
    put(store, &key, b"old");
    let mut lease = store.acquire(&key, &UNLOCKED).expect("no lock");
    assert!(store.destroy(&key, End::at_once(LONG)).expect("no failure"));
    put(store, &key, b"new");
    assert!(!lease.destroy(End::at_once(LONG)).expect("no failure"));
    assert_eq!(stored(store, &key).as_deref(), Some(&b"new"[..]));
}

pub(crate) fn a_later_acquire_gets_a_fresh_session(open: Open<'_>) {
    let (store, other) = (&*open(), &*open());
    for how in BOTH {
        let key = key(store, "a");
        put(store, &key, b"old");
        let mut slow = store.acquire(&key, &UNLOCKED).expect("no lock");
        assert!(other.destroy(&key, End::at_once(LONG)).expect("no failure"));
        let mut fresh = other.acquire(&key, &how).expect("free");
        assert!(fresh.is_new());
        assert_eq!(fresh.payload_len(), 0);
        assert_eq!(fresh.commit(b"new", LONG, Over::Anything).expect("there is room"), Committed::Stored);
        assert_eq!(slow.commit(b"old", LONG, Over::Anything).expect("no failure"), Committed::Ended);
        assert_eq!(stored(store, &key).as_deref(), Some(&b"new"[..]));
    }
}

pub(crate) fn a_waiter_from_before_a_destroy_cannot_write(open: Open<'_>) {
    let store = &*open();
    let key = key(store, "a");
    put(store, &key, b"logged in");
    let (seen, committed) = end_before_a_waiter(store, &key, End::at_once(LONG));
    assert_eq!(seen, b"", "what was destroyed is not read either");
    assert_eq!(committed, Committed::Ended);
    assert!(!exists(store, &key));
}

pub(crate) fn a_destroyed_session_stays_destroyed_while_nobody_returns(open: Open<'_>) {
    let store = &*open();
    let key = key(store, "a");
    put(store, &key, b"x");
    let leases: Vec<_> = (0..3).map(|_| store.acquire(&key, &UNLOCKED).expect("no lock")).collect();
    assert!(store.destroy(&key, End::at_once(LONG)).expect("no failure"));
    for mut lease in leases {
        assert_eq!(lease.commit(b"x", LONG, Over::Anything).expect("no failure"), Committed::Ended);
        assert!(!exists(store, &key));
        assert_eq!(stored(store, &key), None);
    }
    assert!(!store.destroy(&key, End::at_once(LONG)).expect("no failure"));
}
