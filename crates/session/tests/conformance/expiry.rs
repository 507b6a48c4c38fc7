//! Lifetimes: exact for every reader, extended by commit and touch only, and what collecting removes.

use std::time::{Duration, Instant};

use cloakroom_session::seam::{Committed, End, Over};
use cloakroom_session::{Acquire, Key};

use crate::steps::{BOTH, EXCLUSIVE, LONG, UNLOCKED, exists, key, stored, swap};
use crate::{Open, Shared};

pub(crate) const SHORT: Duration = Duration::from_secs(1);

/// What a lifetime may fall short of, where a store asks a clock that ticks every few milliseconds.
const TICK: Duration = Duration::from_millis(20);

/// How much later than told a session may be gone on a busy machine, with times of whole seconds.
const LATE: Duration = Duration::from_secs(4);

/// Waits until `key` is absent; panics where that is not in time.
pub(crate) fn until_gone(store: &Shared, key: &Key, since: Instant) {
    while exists(store, key) {
        assert!(since.elapsed() < SHORT + LATE, "the session outlived its lifetime");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until everything that was given the lifetime [`SHORT`] before this call has expired, which a session of
/// that lifetime made here tells.
fn until_short_ones_expired(store: &Shared) {
    let (clock, began) = (key(store, "clock"), Instant::now());
    swap(store, &clock, &UNLOCKED.living(SHORT), b"tick");
    until_gone(store, &clock, began);
}

pub(crate) trait Living {
    fn living(self, lifetime: Duration) -> Self;
}

impl Living for Acquire<'_> {
    fn living(self, lifetime: Duration) -> Self {
        Self { lifetime, ..self }
    }
}

pub(crate) fn a_commit_gives_a_lifetime(open: Open<'_>) {
    let (store, other) = (&*open(), &*open());
    for (id, how) in ["a", "b"].iter().zip(BOTH) {
        let key = key(store, id);
        let began = Instant::now();
        swap(store, &key, &how.living(SHORT), b"payload");
        until_gone(store, &key, began);
        let lived = began.elapsed();
        assert!(lived + TICK >= SHORT, "gone after {lived:?}");
        assert!(!exists(other, &key));
        assert_eq!((stored(store, &key), stored(other, &key)), (None, None));
        assert!(!store.destroy(&key, End::at_once(LONG)).expect("no failure"), "there is nothing left to end");
    }
}

pub(crate) fn a_touch_extends_the_lifetime(open: Open<'_>) {
    let store = &*open();
    for (id, how) in ["a", "b"].iter().zip(BOTH) {
        let key = key(store, id);
        swap(store, &key, &how.living(SHORT), b"payload");
        let mut lease = store.acquire(&key, &how.living(SHORT)).expect("free");
        assert_eq!(lease.touch(b"payload", LONG).expect("no failure"), Committed::Stored);
    }
    until_short_ones_expired(store);
    for id in ["a", "b"] {
        assert_eq!(stored(store, &key(store, id)).as_deref(), Some(&b"payload"[..]));
    }
}

pub(crate) fn a_read_does_not_extend_the_lifetime(open: Open<'_>) {
    let store = &*open();
    let (read, acquired, began) = (key(store, "read"), key(store, "acquired"), Instant::now());
    for key in [&read, &acquired] {
        swap(store, key, &EXCLUSIVE.living(SHORT), b"payload");
    }
    // Read all the time with a long lifetime in hand: that is only what a new session would get.
    while stored(store, &read).is_some() && exists(store, &acquired) {
        store.acquire(&acquired, &UNLOCKED.living(SHORT)).expect("no lock").release();
        assert!(began.elapsed() < SHORT + LATE, "reading keeps the session alive");
    }
}

pub(crate) fn a_reservation_expires(open: Open<'_>) {
    let store = &*open();
    let (key, began) = (key(store, "a"), Instant::now());
    store.acquire(&key, &EXCLUSIVE.living(SHORT)).expect("free").release();
    assert!(exists(store, &key) || began.elapsed() > SHORT);
    until_gone(store, &key, began);
    assert!(began.elapsed() + TICK >= SHORT);
}

pub(crate) fn an_expired_session_starts_anew(open: Open<'_>) {
    let store = &*open();
    for (id, how) in ["a", "b"].iter().zip(BOTH) {
        let key = key(store, id);
        let began = Instant::now();
        swap(store, &key, &how.living(SHORT), b"old");
        until_gone(store, &key, began);
        let mut lease = store.acquire(&key, &how).expect("free");
        assert!(lease.is_new());
        assert_eq!(lease.payload_len(), 0);
        assert_eq!(lease.commit(b"new", LONG, Over::Anything).expect("there is room"), Committed::Stored);
        assert_eq!(stored(store, &key).as_deref(), Some(&b"new"[..]));
    }
}

pub(crate) fn a_touch_writes_what_vanished(open: Open<'_>) {
    let store = &*open();
    for (id, how) in ["a", "b"].iter().zip(BOTH) {
        let key = key(store, id);
        let began = Instant::now();
        swap(store, &key, &how.living(SHORT), b"payload");
        let mut lease = store.acquire(&key, &how.living(SHORT)).expect("free");
        // The script runs longer than its session lives.
        until_gone(store, &key, began);
        assert_eq!(lease.touch(b"payload", LONG).expect("there is room"), Committed::Stored);
        assert_eq!(stored(store, &key).as_deref(), Some(&b"payload"[..]));
    }
}
