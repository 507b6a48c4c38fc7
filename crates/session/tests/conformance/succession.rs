//! An id that is replaced by another: which session takes the other's place, when that happens, and when it does not.

use std::thread;
use std::time::Duration;

use cloakroom_session::seam::{Committed, Destroyed, End, Look, Named, Over, Restore, Restored, Succession, Successor};
use cloakroom_session::{Acquire, Effort, Key, Lease, LockMode};

use crate::steps::{BOTH, EXCLUSIVE, LONG, UNLOCKED, exists, is_free, key, put, read, stored};
use crate::{Open, Shared};

const RETIRE: End = End { tombstone: LONG, grace: LONG };
const AT_ONCE: End = End::at_once(LONG);
const OVERS: [Over; 3] = [Over::Anything, Over::WhatWasRead, Over::Reservation];

/// A session that holds "stored", and the session that is to take its place, with its lock and unwritten.
struct Replaced {
    old: Key,
    new: Key,
    replaced: Box<dyn Lease>,
    replacing: Box<dyn Lease>,
    successor: Successor,
}

/// The session of `id` that names none yet, and its successor.
fn rotation(store: &Shared, id: &str, how: &Acquire<'_>) -> Replaced {
    // A store that holds nothing any more may be removed, and with it the memory of what it held.
    put(store, &key(store, "stays"), b"payload");
    let old = key(store, id);
    put(store, &old, b"stored");
    let replaced = store.acquire(&old, how).expect("free");
    let (new, replacing, successor) = next(store, &format!("{id}-next"));
    Replaced { old, new, replaced, replacing, successor }
}

/// The session of `id`, reserved.
fn next(store: &Shared, id: &str) -> (Key, Box<dyn Lease>, Successor) {
    let key = key(store, id);
    let lease = store.acquire(&key, &Acquire { drawn: true, ..EXCLUSIVE }).expect("nobody knows the id");
    assert!(lease.is_new());
    let successor = Successor { key, incarnation: lease.incarnation() };
    (key, lease, successor)
}

/// [`rotation`], and the session names its successor.
fn named(store: &Shared, id: &str, how: &Acquire<'_>) -> Replaced {
    let mut rotation = rotation(store, id, how);
    assert_eq!(rotation.replaced.name(&rotation.successor, None).expect("no failure"), Named::Unchanged);
    rotation
}

fn look(store: &Shared, key: &Key) -> Look {
    store.look(key).expect("the store is there")
}

fn commit(lease: &mut dyn Lease, payload: &[u8]) -> Committed {
    lease.commit(payload, LONG, Over::Anything).expect("there is room")
}

/// What becomes of the write of a request that comes now.
fn write(store: &Shared, key: &Key, payload: &[u8]) -> Committed {
    commit(&mut *store.acquire(key, &UNLOCKED).expect("no lock"), payload)
}

pub(crate) fn a_session_that_names_another_lives_and_is_read(open: Open<'_>) {
    let (store, other) = (&*open(), &*open());
    for (id, how) in ["a", "b"].iter().zip(BOTH) {
        let mut rotation = named(store, id, &how);
        assert!(rotation.replaced.succession() == Succession::None, "there was none when it was acquired");
        assert!(exists(other, &rotation.old));
        let found = look(other, &rotation.old);
        assert_eq!(found.payload.as_deref(), Some(&b"stored"[..]));
        assert!(found.succession == Succession::Named(rotation.successor));
        assert!(found.is_written && found.incarnation == rotation.replaced.incarnation());
        rotation.replaced.release();
        for how in BOTH {
            let mut later = other.acquire(&rotation.old, &how).expect("free");
            assert!(!later.is_new());
            assert!(later.succession() == Succession::Named(rotation.successor));
            assert!(later.incarnation() == found.incarnation);
            assert_eq!(read(&mut *later), b"stored");
        }
    }
}

pub(crate) fn nobody_writes_a_session_that_names_another(open: Open<'_>) {
    let (store, other) = (&*open(), &*open());
    for (id, how) in ["a", "b"].iter().zip(BOTH) {
        let mut rotation = rotation(store, id, &how);
        let mut before: Vec<_> = (0..4).map(|_| other.acquire(&rotation.old, &UNLOCKED).expect("no lock")).collect();
        assert_eq!(rotation.replaced.name(&rotation.successor, None).expect("no failure"), Named::Unchanged);
        for (lease, over) in before.iter_mut().zip(OVERS) {
            assert_eq!(lease.commit(b"late", LONG, over).expect("no failure"), Committed::Ended);
        }
        assert_eq!(before[3].touch(b"stored", LONG).expect("no failure"), Committed::Ended);
        assert_eq!(commit(&mut *rotation.replaced, b"mine"), Committed::Ended, "not even who made it name one");
        assert!(is_free(store, &rotation.old), "a refused commit unlocks");
        for how in BOTH {
            let mut later = other.acquire(&rotation.old, &how).expect("free");
            assert_eq!(commit(&mut *later, b"later"), Committed::Ended);
            let mut later = other.acquire(&rotation.old, &how).expect("free");
            assert_eq!(later.touch(b"stored", LONG).expect("no failure"), Committed::Ended);
        }
        assert_eq!(stored(store, &rotation.old).as_deref(), Some(&b"stored"[..]));
    }
}

pub(crate) fn naming_unlocks_nothing(open: Open<'_>) {
    let store = &*open();
    let mut rotation = named(store, "a", &EXCLUSIVE);
    assert!(!is_free(store, &rotation.old) && !is_free(store, &rotation.new));
    rotation.replaced.release();
    assert!(is_free(store, &rotation.old) && !is_free(store, &rotation.new));
    assert!(
        look(store, &rotation.old).succession == Succession::Named(rotation.successor),
        "a release changes nothing"
    );
}

pub(crate) fn naming_tells_what_the_session_holds(open: Open<'_>) {
    let (store, other) = (&*open(), &*open());
    for (id, how) in ["a", "b"].iter().zip(BOTH) {
        let mut rotation = rotation(store, id, &how);
        let newer = vec![b'n'; 5000];
        put(other, &rotation.old, &newer);
        for _ in 0..2 {
            assert_eq!(rotation.replaced.name(&rotation.successor, None).expect("no failure"), Named::VersionChanged);
            assert_eq!(read(&mut *rotation.replaced), newer, "what is there");
            // That was read now. A second call changes nothing.
            assert_eq!(rotation.replaced.name(&rotation.successor, None).expect("no failure"), Named::Unchanged);
            rotation.replaced.release();
            assert!(store.reinstate(&rotation.old, &rotation.successor).expect("no failure"));
            let since = Some(look(store, &rotation.old).mark);
            put(other, &rotation.old, &newer);
            // The same for who has read the session at a mark.
            rotation.replaced = store.acquire(&rotation.old, &Acquire { since, ..how }).expect("free");
        }
    }
}

pub(crate) fn a_session_that_vanished_names_none(open: Open<'_>) {
    let store = &*open();
    let mut rotation = rotation(store, "a", &UNLOCKED);
    let mut brief = store.acquire(&rotation.old, &UNLOCKED).expect("no lock");
    brief.commit(b"stored", Duration::from_secs(1), Over::Anything).expect("there is room");
    thread::sleep(Duration::from_millis(2100));
    store.collect(Effort::All).expect("no failure");
    assert!(!rotation.replaced.is_over().expect("no failure"), "nobody ended it");
    assert_eq!(rotation.replaced.name(&rotation.successor, None).expect("no failure"), Named::Vanished);
    assert!(!exists(store, &rotation.old));
}

pub(crate) fn a_session_that_is_over_names_none(open: Open<'_>) {
    let (store, other) = (&*open(), &*open());
    for (id, how) in ["a", "b"].iter().zip(BOTH) {
        for again in [false, true] {
            let mut rotation = rotation(store, &format!("{id}{again}"), &how);
            assert!(other.destroy(&rotation.old, AT_ONCE).expect("no failure"));
            if again {
                put(other, &rotation.old, b"next life");
            }
            assert_eq!(rotation.replaced.name(&rotation.successor, None).expect("no failure"), Named::Over);
            let left = look(store, &rotation.old);
            assert_eq!(left.payload.as_deref(), again.then_some(&b"next life"[..]));
            assert!(left.succession == Succession::None);
        }
        let mut rotation = rotation(store, id, &UNLOCKED);
        assert!(other.destroy(&rotation.old, RETIRE).expect("no failure"));
        let mut late = other.acquire(&rotation.old, &how).expect("free");
        for lease in [&mut rotation.replaced, &mut late] {
            assert_eq!(lease.name(&rotation.successor, None).expect("no failure"), Named::Over);
        }
    }
}

pub(crate) fn who_names_another_successor_says_which_it_replaces(open: Open<'_>) {
    let store = &*open();
    let mut rotation = named(store, "a", &EXCLUSIVE);
    let (_, _held, third) = next(store, "third");
    for before in [None, Some(third)] {
        let mut slow = store.acquire(&rotation.old, &UNLOCKED).expect("no lock");
        let renamed = slow.name(&third, before.as_ref()).expect("no failure");
        assert_eq!(renamed, Named::Over, "somebody else has replaced the id");
        assert!(look(store, &rotation.old).succession == Succession::Named(rotation.successor));
    }
    let renamed = rotation.replaced.name(&third, Some(&rotation.successor)).expect("no failure");
    assert_eq!(renamed, Named::Unchanged);
    assert!(look(store, &rotation.old).succession == Succession::Named(third));
    store.settle(&rotation.old, &rotation.successor, RETIRE).expect("no failure");
    assert!(look(store, &rotation.old).succession == Succession::Named(third), "it is not that one any more");
    // The first successor can go, and is forgotten: it was reserved under a drawn id.
    assert!(rotation.replacing.destroy(AT_ONCE).expect("no failure"));
    assert!(!exists(store, &rotation.new));
}

pub(crate) fn a_settled_session_is_retired(open: Open<'_>) {
    let (store, other) = (&*open(), &*open());
    for (id, how) in ["a", "b"].iter().zip(BOTH) {
        let mut rotation = named(store, id, &how);
        let written = rotation.replacing.commit(b"new", LONG, Over::Reservation).expect("there is room");
        assert_eq!(written, Committed::Stored);
        for _ in 0..2 {
            // A second call changes nothing.
            store.settle(&rotation.old, &rotation.successor, RETIRE).expect("no failure");
        }
        let found = look(other, &rotation.old);
        assert_eq!(found.payload.as_deref(), Some(&b"stored"[..]));
        assert!(found.succession == Succession::Retired(rotation.successor));
        assert!(found.is_written && exists(other, &rotation.old));
        assert_eq!(commit(&mut *rotation.replaced, b"mine"), Committed::Ended);
        let mut late = other.acquire(&rotation.old, &how).expect("free");
        assert!(late.succession() == Succession::Retired(rotation.successor));
        assert!(late.is_over().expect("no failure"));
        assert_eq!(read(&mut *late), b"stored");
        assert_eq!(commit(&mut *late, b"late"), Committed::Ended);
        assert_eq!(stored(store, &rotation.new).as_deref(), Some(&b"new"[..]));
        assert!(look(store, &rotation.new).succession == Succession::None);
    }
}

pub(crate) fn settling_without_a_grace_ends_a_session(open: Open<'_>) {
    let (store, other) = (&*open(), &*open());
    for (id, how) in ["a", "b"].iter().zip(BOTH) {
        let mut rotation = named(store, id, &how);
        let mut slow = other.acquire(&rotation.old, &UNLOCKED).expect("no lock");
        store.settle(&rotation.old, &rotation.successor, AT_ONCE).expect("no failure");
        assert!(!exists(other, &rotation.old));
        assert_eq!(stored(other, &rotation.old), None);
        assert!(rotation.replaced.is_over().expect("no failure"));
        assert_eq!(commit(&mut *slow, b"slow"), Committed::Ended);
        assert_eq!(commit(&mut *rotation.replaced, b"mine"), Committed::Ended);
        assert!(!exists(other, &rotation.old));
        let fresh = other.acquire(&rotation.old, &how).expect("free");
        assert!(fresh.is_new() && fresh.succession() == Succession::None);
    }
}

pub(crate) fn a_settled_session_has_its_grace(open: Open<'_>) {
    let store = &*open();
    let rotation = named(store, "a", &UNLOCKED);
    let grace = Duration::from_secs(1);
    store.settle(&rotation.old, &rotation.successor, End { tombstone: LONG, grace }).expect("no failure");
    thread::sleep(Duration::from_millis(2100));
    assert!(!exists(store, &rotation.old));
    let late = store.acquire(&rotation.old, &UNLOCKED).expect("no lock");
    assert!(late.is_new() && late.succession() == Succession::None);
}

pub(crate) fn only_what_names_that_successor_is_settled_or_reinstated(open: Open<'_>) {
    let store = &*open();
    let (_, _held, stranger) = next(store, "stranger");
    // It names none.
    let mut rotation = rotation(store, "a", &UNLOCKED);
    store.settle(&rotation.old, &rotation.successor, AT_ONCE).expect("no failure");
    assert!(!store.reinstate(&rotation.old, &rotation.successor).expect("no failure"));
    assert!(look(store, &rotation.old).succession == Succession::None);
    // It names another.
    assert_eq!(rotation.replaced.name(&rotation.successor, None).expect("no failure"), Named::Unchanged);
    store.settle(&rotation.old, &stranger, AT_ONCE).expect("no failure");
    assert!(!store.reinstate(&rotation.old, &stranger).expect("no failure"));
    let another = Successor { incarnation: rotation.successor.incarnation + 1_000_000, ..rotation.successor };
    store.settle(&rotation.old, &another, AT_ONCE).expect("no failure");
    assert!(!store.reinstate(&rotation.old, &another).expect("no failure"), "another life of it is another session");
    assert!(look(store, &rotation.old).succession == Succession::Named(rotation.successor));
    // It does not live any more.
    store.settle(&rotation.old, &rotation.successor, RETIRE).expect("no failure");
    assert!(!store.reinstate(&rotation.old, &rotation.successor).expect("no failure"));
    store.settle(&rotation.old, &rotation.successor, AT_ONCE).expect("no failure");
    assert!(look(store, &rotation.old).succession == Succession::Retired(rotation.successor));
    // It is not there.
    store.destroy(&rotation.old, AT_ONCE).expect("no failure");
    store.settle(&rotation.old, &rotation.successor, RETIRE).expect("no failure");
    assert!(!store.reinstate(&rotation.old, &rotation.successor).expect("no failure"));
    assert!(!exists(store, &rotation.old));
}

pub(crate) fn a_reinstated_session_is_written_again(open: Open<'_>) {
    let (store, other) = (&*open(), &*open());
    for (id, how) in ["a", "b"].iter().zip(BOTH) {
        let mut rotation = rotation(store, id, &how);
        let mut slow = other.acquire(&rotation.old, &UNLOCKED).expect("no lock");
        assert_eq!(rotation.replaced.name(&rotation.successor, None).expect("no failure"), Named::Unchanged);
        assert!(slow.is_over().expect("no failure"));
        drop(rotation.replacing);
        assert!(store.reinstate(&rotation.old, &rotation.successor).expect("no failure"));
        let found = look(other, &rotation.old);
        assert_eq!(found.payload.as_deref(), Some(&b"stored"[..]));
        assert!(found.succession == Succession::None);
        assert!(found.incarnation == rotation.replaced.incarnation(), "it is the same life");
        assert!(!slow.is_over().expect("no failure"));
        let written = slow.commit(b"slow", LONG, Over::WhatWasRead).expect("there is room");
        assert_eq!(written, Committed::Stored, "and the same version");
        assert_eq!(commit(&mut *rotation.replaced, b"mine"), Committed::Stored);
        assert_eq!(write(other, &rotation.old, b"later"), Committed::Stored);
        // Its id can be replaced again.
        let mut again = store.acquire(&rotation.old, &how).expect("free");
        let (_, _held, third) = next(store, &format!("{id}-third"));
        assert_eq!(again.name(&third, None).expect("no failure"), Named::Unchanged);
    }
}

pub(crate) fn a_lease_tells_which_life_it_has_and_whether_it_is_over(open: Open<'_>) {
    let (store, other) = (&*open(), &*open());
    for (id, how) in ["a", "b"].iter().zip(BOTH) {
        let mut rotation = rotation(store, id, &how);
        let first = rotation.replaced.incarnation();
        assert!(first != 0 && first != rotation.successor.incarnation);
        assert!(look(store, &rotation.old).incarnation == first && look(store, &rotation.new).incarnation != first);
        put(other, &rotation.old, b"newer");
        assert!(!rotation.replaced.is_over().expect("no failure"));
        let since = Some(look(store, &rotation.old).mark);
        assert!(other.destroy(&rotation.old, AT_ONCE).expect("no failure"));
        assert!(rotation.replaced.is_over().expect("no failure"));
        let mut late = other.acquire(&rotation.old, &Acquire { since, ..UNLOCKED }).expect("no lock");
        assert_eq!(late.incarnation(), 0, "it had ended before");
        assert!(late.is_over().expect("no failure") && late.succession() == Succession::None);
        assert_eq!(look(store, &rotation.old).incarnation, 0);
        put(other, &rotation.old, b"next life");
        assert!(rotation.replaced.is_over().expect("no failure"));
        assert!(look(store, &rotation.old).incarnation != first);
        let mut late = other.acquire(&rotation.old, &UNLOCKED).expect("no lock");
        assert!(late.incarnation() == look(store, &rotation.old).incarnation);
        assert!(!late.is_over().expect("no failure"));
    }
}

pub(crate) fn looking_tells_whether_a_session_was_written(open: Open<'_>) {
    let store = &*open();
    let key = key(store, "a");
    let absent = look(store, &key);
    assert!(absent.payload.is_none() && !absent.is_written && absent.incarnation == 0);
    assert!(absent.succession == Succession::None);
    let mut lease = store.acquire(&key, &EXCLUSIVE).expect("free");
    let reserved = look(store, &key);
    assert!(reserved.payload.as_deref() == Some(&b""[..]) && !reserved.is_written);
    assert_eq!(commit(&mut *lease, b""), Committed::Stored);
    let emptied = look(store, &key);
    assert!(emptied.payload.as_deref() == Some(&b""[..]) && emptied.is_written);
}

pub(crate) fn a_reservation_is_written_by_who_has_its_lock(open: Open<'_>) {
    let store = &*open();
    let (new, mut lease, _) = next(store, "locked");
    assert_eq!(lease.commit(b"first", LONG, Over::Reservation).expect("there is room"), Committed::Stored);
    assert_eq!(stored(store, &new).as_deref(), Some(&b"first"[..]));
    // Somebody else has written it.
    let (new, mut lease, _) = next(store, "written");
    put(store, &new, b"theirs");
    assert_eq!(lease.commit(b"mine", LONG, Over::Reservation).expect("no failure"), Committed::VersionChanged);
    assert_eq!(read(&mut *lease), b"theirs");
    assert_eq!(lease.commit(b"both", LONG, Over::Reservation).expect("there is room"), Committed::Stored);
    // Somebody has ended it.
    let (new, mut lease, _) = next(store, "ended");
    assert!(store.destroy(&new, AT_ONCE).expect("no failure"));
    assert_eq!(lease.commit(b"mine", LONG, Over::Reservation).expect("no failure"), Committed::Ended);
}

pub(crate) fn a_reservation_is_not_written_without_its_lock(open: Open<'_>) {
    let store = &*open();
    let key = key(store, "a");
    let mut lease = store.acquire(&key, &Acquire { mode: LockMode::Merge, ..EXCLUSIVE }).expect("no lock");
    assert!(lease.is_new());
    let refused = lease.commit(b"mine", LONG, Over::Reservation);
    assert!(refused.is_err(), "{refused:?}");
    assert!(!look(store, &key).is_written);
}

pub(crate) fn a_session_that_names_another_can_be_ended(open: Open<'_>) {
    let (store, other) = (&*open(), &*open());
    for (id, how) in ["a", "b"].iter().zip(BOTH) {
        for by_lease in [false, true] {
            let mut rotation = named(store, &format!("{id}{by_lease}"), &how);
            let mut slow = other.acquire(&rotation.old, &UNLOCKED).expect("no lock");
            if by_lease {
                rotation.replaced.destroy(AT_ONCE).expect("no failure");
            } else {
                assert!(other.destroy(&rotation.old, AT_ONCE).expect("no failure"));
            }
            assert!(!exists(store, &rotation.old));
            assert!(!store.reinstate(&rotation.old, &rotation.successor).expect("no failure"));
            assert_eq!(commit(&mut *slow, b"slow"), Committed::Ended);
            assert!(!exists(store, &rotation.old));
            // Its successor is another session.
            assert_eq!(commit(&mut *rotation.replacing, b"new"), Committed::Stored);
        }
    }
}

fn destroy_since(store: &Shared, key: &Key, found: &Look) -> Destroyed {
    let destroyed = store.destroy_since(key, &found.mark, AT_ONCE).expect("no failure");
    assert!(!exists(store, key));
    destroyed
}

pub(crate) fn destroying_tells_whether_it_was_the_first(open: Open<'_>) {
    let (store, other) = (&*open(), &*open());
    put(store, &key(store, "stays"), b"payload");
    let absent = key(store, "absent");
    assert_eq!(destroy_since(store, &absent, &look(store, &absent)), Destroyed::Absent);
    let key = key(store, "a");
    let before = look(store, &key);
    put(store, &key, b"begun since");
    assert_eq!(destroy_since(store, &key, &before), Destroyed::Now, "who saw none ends what there is");
    put(store, &key, b"read");
    let found = look(store, &key);
    put(other, &key, b"newer");
    let mut lease = other.acquire(&key, &UNLOCKED).expect("no lock");
    assert_eq!(destroy_since(store, &key, &found), Destroyed::Now, "as whatever was written since");
    assert_eq!(destroy_since(other, &key, &found), Destroyed::Before);
    assert_eq!(commit(&mut *lease, b"back again"), Committed::Ended, "an end is an end");
    assert!(!exists(store, &key));
    put(store, &key, b"next life");
    assert_eq!(destroy_since(store, &key, &found), Destroyed::Before, "what was read is another life");
    put(store, &key, b"read");
    let mark = store.acquire(&key, &UNLOCKED).expect("no lock").mark();
    assert_eq!(store.destroy_since(&key, &mark, AT_ONCE).expect("no failure"), Destroyed::Now);
    assert_eq!(store.destroy_since(&key, &mark, AT_ONCE).expect("no failure"), Destroyed::Before);
}

pub(crate) fn who_destroys_an_id_that_was_replaced_was_not_the_first(open: Open<'_>) {
    let store = &*open();
    // Read before it was replaced, then while it named another, then in its grace.
    let rotation = rotation(store, "a", &UNLOCKED);
    let (old, successor) = (rotation.old, rotation.successor);
    let (mut replaced, mut replacing) = (rotation.replaced, rotation.replacing);
    let live = look(store, &old);
    assert_eq!(replaced.name(&successor, None).expect("no failure"), Named::Unchanged);
    assert_eq!(commit(&mut *replacing, b"new"), Committed::Stored);
    assert_eq!(destroy_since(store, &old, &live), Destroyed::Before);

    let named = named(store, "b", &UNLOCKED);
    let found = look(store, &named.old);
    store.settle(&named.old, &named.successor, RETIRE).expect("no failure");
    let retired = look(store, &named.old);
    let mark = store.acquire(&named.old, &UNLOCKED).expect("no lock").mark();
    assert_eq!(destroy_since(store, &named.old, &found), Destroyed::Before);
    for since in [retired.mark, mark] {
        let destroyed = store.destroy_since(&named.old, &since, AT_ONCE).expect("no failure");
        assert_eq!(destroyed, Destroyed::Before, "its grace is over, and it was retired when it was read");
    }
    assert_eq!(stored(store, &rotation.new).as_deref(), Some(&b"new"[..]), "the successor stays");
}

pub(crate) fn a_mark_of_a_retired_session_writes_nothing(open: Open<'_>) {
    let store = &*open();
    for (id, how) in ["a", "b"].iter().zip(BOTH) {
        let rotation = named(store, id, &UNLOCKED);
        store.settle(&rotation.old, &rotation.successor, RETIRE).expect("no failure");
        let since = Some(look(store, &rotation.old).mark);
        for _ in 0..2 {
            // In its grace, and when that is over.
            let mut late = store.acquire(&rotation.old, &Acquire { since, ..how }).expect("free");
            assert_eq!(commit(&mut *late, b"late"), Committed::Ended);
            store.destroy(&rotation.old, AT_ONCE).expect("no failure");
        }
        assert!(!exists(store, &rotation.old));
    }
}

pub(crate) fn nothing_is_brought_in_over_a_session_that_names_another(open: Open<'_>) {
    const SESSION: Restored<'static> =
        Restored { payload: b"elsewhere", created: 1_000_000_000, lifetime: Duration::from_secs(90), returned: true };
    let store = &*open();
    // Not even where nobody has written it.
    let (old, mut lease, _) = next(store, "a");
    let (_, _held, successor) = next(store, "b");
    assert!(store.is_vacant(&old).expect("no failure"));
    assert_eq!(lease.name(&successor, None).expect("no failure"), Named::Unchanged);
    lease.release();
    assert!(!store.is_vacant(&old).expect("no failure"));
    assert_eq!(store.migrate_in(&old, &SESSION).expect("no failure"), Restore::Exists);
    let inventory = store.inventory().expect("all stores here have one");
    assert_eq!(inventory.restore(&old, &SESSION).expect("no failure"), Restore::Exists);
    let (entry, _) = inventory.inspect(&old).expect("no failure").expect("it lives");
    assert!(entry.retired, "it cannot be written");
    assert!(!look(store, &old).is_written);
}
