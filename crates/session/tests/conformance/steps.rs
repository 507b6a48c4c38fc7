//! What each call does on its own: acquire, commit, touch, destroy, release.

use std::time::{Duration, Instant};

use cloakroom_session::seam::Room;
use cloakroom_session::seam::{Committed, End, Over};
use cloakroom_session::{Acquire, Key, Lease, LockMode, Namespace, SessionId, StoreError};

use crate::{Open, Shared};

/// A lifetime that no test outlives.
pub(crate) const LONG: Duration = Duration::from_secs(3600);

pub(crate) const EXCLUSIVE: Acquire<'static> = Acquire {
    mode: LockMode::Exclusive,
    wait: Duration::from_secs(20),
    lock_ttl: Duration::from_secs(10),
    max_waiters: 0,
    lifetime: LONG,
    script: b"/srv/conformance.php",
    since: None,
    drawn: false,
};

pub(crate) const UNLOCKED: Acquire<'static> = Acquire { mode: LockMode::None, ..EXCLUSIVE };

pub(crate) const BOTH: [Acquire<'static>; 2] = [EXCLUSIVE, UNLOCKED];

pub(crate) fn key(store: &Shared, id: &str) -> Key {
    key_in(store, "", id)
}

pub(crate) fn key_in(store: &Shared, namespace: &str, id: &str) -> Key {
    let namespace = Namespace::parse(namespace.as_bytes()).expect("a valid namespace");
    store.key(&namespace, &SessionId::parse(id.as_bytes()).expect("a valid id"))
}

/// Reads the payload of a lease, again where a writer without a lock was faster.
pub(crate) fn read(lease: &mut dyn Lease) -> Vec<u8> {
    for _ in 0..1000 {
        let mut payload = vec![0xAA; lease.payload_len()];
        match lease.read_payload(&mut Room::over(&mut payload)) {
            Ok(()) => return payload,
            Err(StoreError::Changed) => {}
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the payload never stays for one read");
}

/// Acquires, reads, and commits `payload`; answers what was read.
pub(crate) fn swap(store: &Shared, key: &Key, how: &Acquire<'_>, payload: &[u8]) -> Vec<u8> {
    let mut lease = store.acquire(key, how).expect("the lock is free");
    let before = read(&mut *lease);
    assert_eq!(lease.commit(payload, how.lifetime, Over::Anything).expect("there is room"), Committed::Stored);
    before
}

pub(crate) fn put(store: &Shared, key: &Key, payload: &[u8]) {
    swap(store, key, &UNLOCKED, payload);
}

pub(crate) fn stored(store: &Shared, key: &Key) -> Option<Vec<u8>> {
    store.snapshot(key).map(|found| found.0).expect("the store is there")
}

pub(crate) fn exists(store: &Shared, key: &Key) -> bool {
    store.exists(key).expect("the store is there")
}

/// Whether the lock of `key` is free, asked by a thread that holds nothing and waits for nobody.
pub(crate) fn is_free(store: &Shared, key: &Key) -> bool {
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| match store.acquire(key, &Acquire { wait: Duration::ZERO, ..EXCLUSIVE }) {
            Ok(mut lease) => {
                lease.release();
                true
            }
            Err(StoreError::LockTimeout { .. }) => false,
            Err(error) => panic!("{error}"),
        });
        asked.join().expect("answers")
    })
}

/// Returns when somebody waits for the lock of `key`, which somebody else holds.
pub(crate) fn until_somebody_waits(store: &Shared, key: &Key) {
    let watch = || {
        let began = Instant::now();
        let probe = Acquire { wait: Duration::from_millis(5), max_waiters: 1, ..EXCLUSIVE };
        while !matches!(store.acquire(key, &probe), Err(StoreError::TooManyWaiters { .. })) {
            assert!(began.elapsed() < Duration::from_secs(20), "nobody waits");
        }
    };
    // The thread that holds the lock cannot ask for it.
    std::thread::scope(|scope| scope.spawn(watch).join().expect("somebody waits"));
}

/// Ends the session of `key` while another request waits for its lock: what that one then reads, and what becomes of its
/// write.
pub(crate) fn end_before_a_waiter(store: &Shared, key: &Key, end: End) -> (Vec<u8>, Committed) {
    let mut lease = store.acquire(key, &EXCLUSIVE).expect("free");
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let mut lease = store.acquire(key, &EXCLUSIVE).expect("the holder ends soon");
            let seen = read(&mut *lease);
            (seen, lease.commit(b"late", LONG, Over::Anything).expect("no failure"))
        });
        until_somebody_waits(store, key);
        assert!(lease.destroy(end).expect("no failure"));
        waiter.join().expect("the waiter is woken")
    })
}

pub(crate) fn acquire_reserves_what_does_not_exist(open: Open<'_>) {
    let store = &*open();
    for (id, how) in ["a", "b"].iter().zip(BOTH) {
        let key = key(store, id);
        assert!(!exists(store, &key));
        assert_eq!(stored(store, &key), None);
        let mut lease = store.acquire(&key, &how).expect("free");
        assert!(lease.is_new());
        assert_eq!(lease.payload_len(), 0);
        assert!(exists(store, &key), "the id validates while its first request still runs");
        lease.release();
        assert!(exists(store, &key), "and from then on");
        assert_eq!(stored(store, &key).as_deref(), Some(&b""[..]));
        let mut again = store.acquire(&key, &how).expect("free");
        assert!(!again.is_new());
        again.release();
    }
}

pub(crate) fn acquire_reads_what_was_committed(open: Open<'_>) {
    let (store, other) = (&*open(), &*open());
    for (id, how) in ["a", "b"].iter().zip(BOTH) {
        let key = key(store, id);
        assert_eq!(swap(store, &key, &how, b"first"), b"");
        assert_eq!(swap(other, &key, &how, b"second"), b"first");
        assert_eq!(stored(store, &key).as_deref(), Some(&b"second"[..]));
        assert_eq!(swap(store, &key, &how, b""), b"second");
        assert_eq!(swap(other, &key, &how, b"fourth"), b"");
    }
}

pub(crate) fn a_release_changes_nothing(open: Open<'_>) {
    let store = &*open();
    let key = key(store, "a");
    put(store, &key, b"kept");
    for how in BOTH {
        store.acquire(&key, &how).expect("free").release();
        assert_eq!(stored(store, &key).as_deref(), Some(&b"kept"[..]));
    }
}

pub(crate) fn a_dropped_lease_changes_nothing(open: Open<'_>) {
    let store = &*open();
    let key = key(store, "a");
    put(store, &key, b"kept");
    for how in BOTH {
        drop(store.acquire(&key, &how).expect("free"));
        assert!(is_free(store, &key));
        assert_eq!(stored(store, &key).as_deref(), Some(&b"kept"[..]));
    }
}

pub(crate) fn a_touch_keeps_what_is_stored(open: Open<'_>) {
    let store = &*open();
    let key = key(store, "a");
    put(store, &key, b"kept");
    for how in BOTH {
        let mut lease = store.acquire(&key, &how).expect("free");
        assert_eq!(lease.touch(b"kept", LONG).expect("no failure"), Committed::Stored);
        assert_eq!(stored(store, &key).as_deref(), Some(&b"kept"[..]));
    }
    let mut slow = store.acquire(&key, &UNLOCKED).expect("free");
    put(store, &key, b"newer");
    assert_eq!(slow.touch(b"kept", LONG).expect("no failure"), Committed::Stored);
    assert_eq!(stored(store, &key).as_deref(), Some(&b"newer"[..]), "a touch never takes a payload back");
}

pub(crate) fn the_last_write_wins_without_a_lock(open: Open<'_>) {
    let (store, other) = (&*open(), &*open());
    let key = key(store, "a");
    put(store, &key, b"base");
    let mut first = store.acquire(&key, &UNLOCKED).expect("no lock");
    let mut second = other.acquire(&key, &UNLOCKED).expect("no lock");
    assert_eq!(second.commit(b"second", LONG, Over::Anything).expect("there is room"), Committed::Stored);
    let seen = read(&mut *first);
    assert!(seen == b"base" || seen == b"second", "a lease reads what was current when it began, or what is now");
    assert_eq!(first.commit(b"first", LONG, Over::Anything).expect("there is room"), Committed::Stored);
    assert_eq!(stored(store, &key).as_deref(), Some(&b"first"[..]));
}

pub(crate) fn destroying_tells_whether_there_was_a_session(open: Open<'_>) {
    let store = &*open();
    let (held, unheld) = (key(store, "held"), key(store, "unheld"));
    for key in [&held, &unheld] {
        assert!(!store.destroy(key, End::at_once(LONG)).expect("absence is no failure"));
        put(store, key, b"x");
    }
    for how in BOTH {
        put(store, &held, b"x");
        let mut lease = store.acquire(&held, &how).expect("free");
        assert!(lease.destroy(End::at_once(LONG)).expect("no failure"));
        assert!(!exists(store, &held));
    }
    assert!(store.destroy(&unheld, End::at_once(LONG)).expect("no failure"));
    assert!(!store.destroy(&unheld, End::at_once(LONG)).expect("absence is no failure"));
    assert_eq!(stored(store, &unheld), None);
}

pub(crate) fn keys_are_the_same_for_every_handle(open: Open<'_>) {
    let (store, other) = (&*open(), &*open());
    for id in ["a", "A", "0", "a,b-c", &"z".repeat(256)] {
        assert!(key_in(store, "shop", id) == key_in(other, "shop", id));
    }
}

pub(crate) fn namespaces_never_meet(open: Open<'_>) {
    let store = &*open();
    // Joined end to end these would be the same bytes.
    let pairs = [("", "abc"), ("a", "bc"), ("ab", "c"), ("abc", "abc"), ("b", "abc")];
    let keys = pairs.map(|(namespace, id)| key_in(store, namespace, id));
    for (number, key) in (0..).zip(&keys) {
        assert!(!exists(store, key));
        put(store, key, &[number]);
    }
    for (number, key) in (0..).zip(&keys) {
        assert_eq!(stored(store, key), Some(vec![number]));
    }
    assert!(store.destroy(&keys[0], End::at_once(LONG)).expect("no failure"));
    assert_eq!(keys.iter().filter(|key| exists(store, key)).count(), keys.len() - 1);
}

pub(crate) fn status_counts(open: Open<'_>) {
    let store = &*open();
    let figure = |name: &str| {
        let status = store.status().expect("the store is there");
        let mut found = status.iter().filter(|(named, _)| *named == name);
        let figure = found.next().unwrap_or_else(|| panic!("no figure {name}")).1;
        assert!(found.next().is_none(), "{name} is there twice");
        figure
    };
    let before = ["sessions", "reads", "writes"].map(figure);
    for id in ["a", "b", "c"] {
        put(store, &key(store, id), b"x");
    }
    let after = ["sessions", "reads", "writes"].map(figure);
    assert_eq!(after[0], before[0] + 3);
    assert!(after[1] >= before[1] + 3 && after[2] >= before[2] + 3, "{before:?} {after:?}");
    for (name, _) in store.status().expect("the store is there") {
        assert!(cloakroom_session::figures::find(name).is_some(), "the figure {name} is described nowhere");
    }
}

pub(crate) fn the_location_is_told(open: Open<'_>) {
    let (store, other) = (open(), open());
    assert!(!store.location().is_empty());
    assert_eq!(store.location(), other.location());
}
