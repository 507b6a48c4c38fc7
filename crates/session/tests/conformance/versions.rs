//! Versions: a commit over what was read replaces nothing else, whoever holds a lock or none.

use std::thread;

use cloakroom_session::seam::{Committed, End, Over};
use cloakroom_session::{Acquire, Key, Lease, LockMode};

use crate::steps::{BOTH, EXCLUSIVE, LONG, UNLOCKED, exists, is_free, key, key_in, put, read, stored};
use crate::{Open, Shared};

const MERGING: Acquire<'static> = Acquire { mode: LockMode::Merge, ..EXCLUSIVE };

fn commit(lease: &mut dyn Lease, payload: &[u8], over: Over) -> Committed {
    lease.commit(payload, LONG, over).expect("there is room")
}

pub(crate) fn what_was_not_read_is_not_replaced(open: Open<'_>) {
    let (store, other) = (&*open(), &*open());
    let key = key(store, "a");
    for how in [EXCLUSIVE, UNLOCKED, MERGING] {
        put(store, &key, b"read");
        let mut lease = store.acquire(&key, &how).expect("free");
        assert_eq!(read(&mut *lease), b"read");
        put(other, &key, b"newer");
        assert_eq!(commit(&mut *lease, b"mine", Over::WhatWasRead), Committed::VersionChanged);
        assert_eq!(stored(store, &key).as_deref(), Some(&b"newer"[..]));
    }
    let mut lease = store.acquire(&key, &UNLOCKED).expect("no lock");
    assert_eq!(read(&mut *lease), b"newer");
    assert_eq!(commit(&mut *lease, b"mine", Over::WhatWasRead), Committed::Stored, "nobody wrote meanwhile");
    assert_eq!(stored(other, &key).as_deref(), Some(&b"mine"[..]));
}

pub(crate) fn a_lease_whose_version_changed_reads_what_is_there(open: Open<'_>) {
    let store = &*open();
    let key = key(store, "a");
    put(store, &key, b"read");
    let mut lease = store.acquire(&key, &UNLOCKED).expect("no lock");
    assert_eq!(read(&mut *lease), b"read");
    for round in 0..3_u8 {
        let theirs = vec![round; usize::from(round) * 3000 + 5];
        put(store, &key, &theirs);
        assert_eq!(commit(&mut *lease, b"mine", Over::WhatWasRead), Committed::VersionChanged);
        assert_eq!(read(&mut *lease), theirs);
    }
    assert_eq!(commit(&mut *lease, b"merged", Over::WhatWasRead), Committed::Stored);
    assert_eq!(stored(store, &key).as_deref(), Some(&b"merged"[..]));
}

pub(crate) fn a_lease_whose_version_changed_keeps_its_lock(open: Open<'_>) {
    let store = &*open();
    let key = key(store, "a");
    put(store, &key, b"read");
    let mut lease = store.acquire(&key, &EXCLUSIVE).expect("free");
    put(store, &key, b"newer");
    assert_eq!(commit(&mut *lease, b"mine", Over::WhatWasRead), Committed::VersionChanged);
    assert!(!is_free(store, &key));
    assert_eq!(commit(&mut *lease, b"mine", Over::Anything), Committed::Stored);
    assert!(is_free(store, &key));
}

pub(crate) fn a_touch_does_not_move_a_session(open: Open<'_>) {
    let store = &*open();
    let key = key(store, "a");
    put(store, &key, b"read");
    let mut lease = store.acquire(&key, &UNLOCKED).expect("no lock");
    let mut other = store.acquire(&key, &UNLOCKED).expect("no lock");
    assert_eq!(other.touch(b"read", LONG).expect("no failure"), Committed::Stored);
    assert_eq!(commit(&mut *lease, b"mine", Over::WhatWasRead), Committed::Stored);
}

fn since(store: &Shared, key: &Key, how: &Acquire<'static>) -> Acquire<'static> {
    Acquire { since: Some(store.snapshot(key).expect("no failure").1), ..*how }
}

pub(crate) fn a_mark_stands_for_what_was_read(open: Open<'_>) {
    let (store, other) = (&*open(), &*open());
    let key = key(store, "a");
    for how in BOTH {
        put(store, &key, b"read");
        let marked = since(store, &key, &how);
        let mut lease = store.acquire(&key, &marked).expect("free");
        assert_eq!(commit(&mut *lease, b"mine", Over::WhatWasRead), Committed::Stored);
        put(other, &key, b"newer");
        let mut lease = store.acquire(&key, &marked).expect("free");
        assert_eq!(commit(&mut *lease, b"mine again", Over::WhatWasRead), Committed::VersionChanged);
        assert_eq!(read(&mut *lease), b"newer");
        lease.release();
        let mut lease = store.acquire(&key, &marked).expect("free");
        assert_eq!(commit(&mut *lease, b"mine again", Over::Anything), Committed::Stored, "the last write wins");
    }
}

pub(crate) fn a_mark_of_absence_stands_for_absence(open: Open<'_>) {
    let (store, other) = (&*open(), &*open());
    for (id, how) in ["a", "b"].iter().zip(BOTH) {
        let key = key(store, id);
        let marked = since(store, &key, &how);
        let mut lease = store.acquire(&key, &marked).expect("free");
        assert_eq!(commit(&mut *lease, b"first", Over::WhatWasRead), Committed::Stored);
        assert!(other.destroy(&key, End::at_once(LONG)).expect("no failure"));
        let marked = since(store, &key, &how);
        put(other, &key, b"somebody else's");
        let mut lease = store.acquire(&key, &marked).expect("free");
        assert_eq!(commit(&mut *lease, b"mine", Over::WhatWasRead), Committed::VersionChanged);
    }
}

pub(crate) fn a_mark_from_before_a_destroy_writes_nothing(open: Open<'_>) {
    let store = &*open();
    // A store that holds nothing any more may be removed, and with it the memory of what it held.
    put(store, &key_in(store, "other", "a"), b"stays");
    let key = key(store, "a");
    for how in BOTH {
        for absent in [false, true] {
            if !absent {
                put(store, &key, b"logged in");
            }
            let marked = since(store, &key, &how);
            if absent {
                put(store, &key, b"logged in meanwhile");
            }
            assert!(store.destroy(&key, End::at_once(LONG)).expect("no failure"));
            let mut lease = store.acquire(&key, &marked).expect("free");
            assert_eq!(commit(&mut *lease, b"logged in", Over::Anything), Committed::Ended);
            assert!(!exists(store, &key), "not even a reservation is left");
        }
        let marked = since(store, &key, &how);
        put(store, &key, b"successor");
        let mut lease = store.acquire(&key, &Acquire { since: None, ..marked }).expect("free");
        lease.release();
        assert!(store.destroy(&key, End::at_once(LONG)).expect("no failure"));
    }
}

pub(crate) fn a_mark_follows_its_own_writes(open: Open<'_>) {
    let store = &*open();
    let key = key(store, "a");
    put(store, &key, b"0");
    let mut marked = since(store, &key, &UNLOCKED);
    for round in 1..5 {
        let mut lease = store.acquire(&key, &marked).expect("no lock");
        assert_eq!(commit(&mut *lease, &[round], Over::WhatWasRead), Committed::Stored);
        marked.since = Some(lease.mark());
    }
    put(store, &key, b"newer");
    let mut lease = store.acquire(&key, &marked).expect("no lock");
    assert_eq!(commit(&mut *lease, b"mine", Over::WhatWasRead), Committed::VersionChanged);
}

pub(crate) fn without_a_lock_no_increment_is_lost_over_what_was_read(open: Open<'_>) {
    const THREADS: u32 = 4;
    const ROUNDS: u32 = 200;
    let store = open();
    let key = key(&*store, "counter");
    put(&*store, &key, &0_u32.to_le_bytes());
    let number = |bytes: Vec<u8>| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    let mut lease = store.acquire(&key, &MERGING).expect("nobody waits");
                    loop {
                        let next = number(read(&mut *lease)) + 1;
                        match commit(&mut *lease, &next.to_le_bytes(), Over::WhatWasRead) {
                            Committed::VersionChanged => {}
                            Committed::Stored => break,
                            Committed::Ended => panic!("nobody ends it"),
                        }
                    }
                }
            });
        }
    });
    assert_eq!(number(stored(&*store, &key).expect("is there")), THREADS * ROUNDS);
}
