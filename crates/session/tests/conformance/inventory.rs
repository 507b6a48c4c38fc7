//! What tools see of a store that can be gone through, and what they bring into it.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cloakroom_session::seam::{Committed, End, Over};
use cloakroom_session::seam::{Entry, Inventory, Restore, Restored};
use cloakroom_session::{Acquire, Key};

use crate::steps::{EXCLUSIVE, LONG, UNLOCKED, exists, key, key_in, put, read, stored};
use crate::{Open, Shared};

fn inventory(store: &Shared) -> &dyn Inventory {
    store.inventory().expect("this suite is for stores that can be gone through")
}

fn all(store: &Shared) -> Vec<Entry> {
    let mut entries = Vec::new();
    let walked = inventory(store).walk(&mut |entry| {
        entries.push(entry);
        ControlFlow::Continue(())
    });
    walked.expect("the store is there");
    entries
}

fn entry(store: &Shared, key: &Key) -> Entry {
    inventory(store).inspect(key).expect("the store is there").expect("the session exists").0
}

/// The key of `id`, beside a session that stays: a store may forget all when the last session in it is destroyed.
fn kept_beside(store: &Shared, id: &str) -> Key {
    put(store, &key(store, "stays"), b"payload");
    key(store, id)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

pub(crate) fn a_walk_meets_every_session_once(open: Open<'_>) {
    let (store, other) = (&*open(), &*open());
    let mut sizes = HashMap::new();
    for i in 0..200usize {
        let key = key_in(store, ["", "shop"][i % 2], &format!("id{i}"));
        put(store, &key, &vec![b'x'; i + 1]);
        sizes.insert(key.to_bytes(), i as u64 + 1);
    }
    let ended = key(store, "ended");
    put(store, &ended, b"payload");
    store.destroy(&ended, End::at_once(LONG)).expect("no failure");
    for store in [store, other] {
        let entries = all(store);
        assert_eq!(entries.len(), 200);
        let met: HashMap<_, _> = entries.iter().map(|entry| (entry.key.to_bytes(), entry.size)).collect();
        assert_eq!(met, sizes);
    }
}

pub(crate) fn a_walk_can_be_broken_off(open: Open<'_>) {
    let store = &*open();
    for i in 0..20 {
        put(store, &key(store, &format!("id{i}")), b"payload");
    }
    let mut met = 0;
    let walked = inventory(store).walk(&mut |_| {
        met += 1;
        if met == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    walked.expect("the store is there");
    assert_eq!(met, 3);
}

pub(crate) fn an_entry_tells_what_the_session_is(open: Open<'_>) {
    let store = &*open();
    let (plain, reserved, held) = (key(store, "plain"), key(store, "reserved"), key(store, "held"));
    let before = now();
    put(store, &plain, b"payload");
    store.acquire(&reserved, &EXCLUSIVE).expect("free").release();
    let mut lease = store.acquire(&held, &EXCLUSIVE).expect("free");
    let after = now();

    let found = entry(store, &plain);
    assert!((before..=after).contains(&found.created) && (before..=after).contains(&found.used));
    let lives = found.expires - found.used;
    // Whole seconds, rounded so that no session ends too early.
    assert!((LONG.as_secs()..=LONG.as_secs() + 1).contains(&lives), "{lives} s");
    assert_eq!((found.size, found.reserved, found.locked, found.retired), (7, false, false, false));
    let found = entry(store, &reserved);
    assert_eq!((found.size, found.reserved, found.locked), (0, true, false));
    assert!(entry(store, &held).locked);
    lease.commit(b"payload", LONG, Over::Anything).expect("there is room");
    assert!(!entry(store, &held).locked);
    let met = all(store);
    for key in [&plain, &reserved, &held] {
        assert!(met.iter().any(|met| met.key == *key && *met == entry(store, key)));
    }
}

pub(crate) fn an_entry_tells_incarnation_and_version(open: Open<'_>) {
    let store = &*open();
    let key = kept_beside(store, "a");
    put(store, &key, b"one");
    let one = entry(store, &key);
    put(store, &key, b"two");
    let two = entry(store, &key);
    assert!(two.incarnation == one.incarnation && two.version > one.version);
    store.destroy(&key, End::at_once(LONG)).expect("no failure");
    put(store, &key, b"three");
    assert!(entry(store, &key).incarnation > one.incarnation);
}

pub(crate) fn looking_reads_what_was_committed(open: Open<'_>) {
    let (store, other) = (&*open(), &*open());
    let (there, absent) = (key(store, "there"), key(store, "absent"));
    let payload: Vec<u8> = (0..100_000u32).map(|i| (i % 251) as u8).collect();
    put(store, &there, &payload);
    let (found, read) = inventory(other).inspect(&there).expect("the store is there").expect("it exists");
    assert!(read == payload);
    assert_eq!(found.size, 100_000);
    assert!(inventory(other).inspect(&absent).expect("the store is there").is_none());
    assert!(!exists(store, &absent), "looking reserves nothing");
}

pub(crate) fn looking_leaves_no_trace(open: Open<'_>) {
    let store = &*open();
    let key = key(store, "a");
    put(store, &key, b"payload");
    let before = entry(store, &key);
    for _ in 0..5 {
        assert!(all(store) == [before]);
        assert!(entry(store, &key) == before);
    }
}

pub(crate) fn looking_waits_for_no_lease(open: Open<'_>) {
    let store = &*open();
    let key = key(store, "a");
    put(store, &key, b"payload");
    let mut lease = store.acquire(&key, &EXCLUSIVE).expect("free");
    assert_eq!(all(store).len(), 1);
    let payload = inventory(store).inspect(&key).expect("the store is there").map(|found| found.1);
    assert_eq!(payload.as_deref(), Some(&b"payload"[..]));
    assert_eq!(lease.commit(b"later", LONG, Over::WhatWasRead).expect("there is room"), Committed::Stored);
}

pub(crate) fn a_retired_session_is_met_as_one(open: Open<'_>) {
    let store = &*open();
    let key = key(store, "a");
    put(store, &key, b"payload");
    let grace = Duration::from_secs(30);
    let before = now();
    assert!(store.destroy(&key, End { tombstone: LONG, grace }).expect("no failure"));
    let found = entry(store, &key);
    assert!(found.retired);
    assert!((before + 30..=now() + 31).contains(&found.expires), "{} s", found.expires - before);
    assert!(all(store) == [found]);
    store.destroy(&key, End::at_once(LONG)).expect("no failure");
    assert!(all(store).is_empty());
}

const SESSION: Restored<'static> =
    Restored { payload: b"payload", created: 1_000_000_000, lifetime: Duration::from_secs(90), returned: true };

pub(crate) fn a_restored_session_is_one_like_others(open: Open<'_>) {
    let (store, other) = (&*open(), &*open());
    let key = key(store, "a");
    assert_eq!(inventory(store).restore(&key, &SESSION).expect("there is room"), Restore::Stored);
    let found = entry(other, &key);
    assert_eq!((found.created, found.size, found.locked), (1_000_000_000, 7, false));
    let lives = found.expires - found.used;
    assert!((90..=91).contains(&lives), "{lives} s");
    let mut lease = other.acquire(&key, &EXCLUSIVE).expect("free");
    assert!(!lease.is_new());
    assert_eq!(read(&mut *lease), b"payload");
    assert_eq!(lease.commit(b"more", LONG, Over::WhatWasRead).expect("there is room"), Committed::Stored);
    assert_eq!(stored(store, &key).as_deref(), Some(&b"more"[..]));
    assert_eq!(entry(store, &key).created, 1_000_000_000);
}

pub(crate) fn restoring_replaces_nothing(open: Open<'_>) {
    let store = &*open();
    let (there, reserved) = (key(store, "there"), key(store, "reserved"));
    put(store, &there, b"mine");
    store.acquire(&reserved, &UNLOCKED).expect("no lock").release();
    for key in [&there, &reserved] {
        let before = entry(store, key);
        assert_eq!(inventory(store).restore(key, &SESSION).expect("no failure"), Restore::Exists);
        let after = entry(store, key);
        assert_eq!((after.size, after.created, after.expires), (before.size, before.created, before.expires));
    }
    assert_eq!(stored(store, &there).as_deref(), Some(&b"mine"[..]));
}

pub(crate) fn restoring_revives_nothing(open: Open<'_>) {
    let store = &*open();
    let key = kept_beside(store, "a");
    put(store, &key, b"payload");
    store.destroy(&key, End::at_once(LONG)).expect("no failure");
    assert_eq!(inventory(store).restore(&key, &SESSION).expect("no failure"), Restore::Ended);
    assert!(!exists(store, &key));
    // A request that comes later begins anew, as ever.
    let mut lease = store.acquire(&key, &Acquire { lifetime: LONG, ..EXCLUSIVE }).expect("free");
    assert!(lease.is_new());
    lease.release();
}
