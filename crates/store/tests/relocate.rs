//! A store whose file is deleted while it is in use: its sessions move to a new file at the same path.

mod harness;

use std::sync::{Arc, Barrier};
use std::time::Duration;

use cloakroom_seam::{Acquire, Committed, End, Named, Over, Succession, Successor};
use cloakroom_store::{Error, Inheritance, Store};
use harness::{LIFE, attach, exclusive, unlocked};

fn payload(i: u32) -> Vec<u8> {
    i.to_le_bytes().repeat(1 + (i as usize * 37) % 3000)
}

#[test]
fn sessions_and_leases_move_to_the_new_file() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let old = attach(dir.path(), 64);
    let key = |i: u32| old.key(b"shop", &i.to_le_bytes());
    for i in 0..2000 {
        old.acquire(&key(i), &exclusive())
            .and_then(|mut lease| lease.commit(&payload(i), LIFE, Over::Anything))
            .expect("commit");
    }
    let mut running = old.acquire(&key(7), &exclusive()).expect("acquire");
    let mut touching = old.acquire(&key(8), &exclusive()).expect("acquire");
    let mut leaving = old.acquire(&key(9), &exclusive()).expect("acquire");
    std::fs::remove_file(old.path()).expect("delete");
    assert!(!old.in_place());

    let (new, inheritance) = old.attach_relocated().expect("the relocated store");
    assert_eq!(inheritance, Inheritance::Kept);
    assert!(new.in_place());
    assert!(matches!(old.acquire(&key(1), &exclusive()), Err(Error::Relocated)));
    assert!(matches!(old.snapshot(&key(1)).map(|found| found.0), Err(Error::Relocated)));
    assert_eq!(running.commit(b"committed after the move", LIFE, Over::Anything).expect("commit"), Committed::Stored);
    assert_eq!(touching.touch(&payload(8), LIFE).expect("touch"), Committed::Stored);
    assert!(leaving.destroy(End::at_once(LIFE)).expect("destroy"));
    for i in 0..2000 {
        let expected = match i {
            7 => Some(b"committed after the move".to_vec()),
            9 => None,
            i => Some(payload(i)),
        };
        assert_eq!(new.snapshot(&key(i)).map(|found| found.0).expect("snapshot"), expected, "session {i}");
    }
    assert_eq!(new.check().expect("check").problems, Vec::<String>::new());
    let (again, _) = old.attach_relocated().expect("the relocated store");
    assert!(Arc::ptr_eq(&again, &new), "who notices later joins the first");
    let names: Vec<_> = dir.path().read_dir().expect("directory").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(names.len(), 1, "nothing is left behind: {names:?}");
}

#[test]
fn a_rotation_that_was_under_way_is_given_up_in_the_new_file() {
    for committed in [false, true] {
        let dir = tempfile::tempdir().expect("temporary directory");
        let old = attach(dir.path(), 64);
        let (replaced, replacing) = (old.key(b"", b"replaced"), old.key(b"", b"replacing"));
        let mut leaving = old.acquire(&replaced, &exclusive()).expect("acquire");
        leaving.commit(b"stored", LIFE, Over::Anything).expect("commit");
        let mut leaving = old.acquire(&replaced, &exclusive()).expect("acquire");
        let mut held = old.acquire(&replacing, &Acquire { drawn: true, ..exclusive() }).expect("acquire");
        let successor = Successor { key: replacing, incarnation: held.incarnation() };
        assert_eq!(leaving.name(&successor, None).expect("name"), Named::Unchanged);
        leaving.release();
        if committed {
            held.commit(b"new", LIFE, Over::Reservation).expect("commit");
        }
        std::fs::remove_file(old.path()).expect("delete");
        let (new, inheritance) = old.attach_relocated().expect("the relocated store");
        assert_eq!(inheritance, Inheritance::Kept);

        let found = new.look(&replaced).expect("look");
        assert!(found.succession == Succession::Named(successor));
        assert_eq!(found.payload.as_deref(), Some(&b"stored"[..]));
        let next = new.look(&replacing).expect("look");
        assert!(next.incarnation == successor.incarnation && next.is_written == committed);
        if committed {
            let end = End { tombstone: LIFE, grace: LIFE };
            assert!(matches!(old.settle(&replaced, &successor, end), Err(Error::Relocated)));
            new.settle(&replaced, &successor, end).expect("settle");
            assert!(new.look(&replaced).expect("look").succession == Succession::Retired(successor));
            assert_eq!(new.look(&replacing).expect("look").payload.as_deref(), Some(&b"new"[..]));
        } else {
            // Its lock did not move, so another may have found it given up.
            let free = new.acquire(&replacing, &exclusive()).expect("nobody holds it");
            let refused = held.commit(b"new", LIFE, Over::Reservation);
            assert!(matches!(refused, Err(Error::LockLost)), "{refused:?}");
            assert!(!new.look(&replacing).expect("look").is_written);
            assert!(new.reinstate(&replaced, &successor).expect("reinstate"));
            drop(free);
            let mut back = new.acquire(&replaced, &exclusive()).expect("acquire");
            assert_eq!(back.commit(b"goes on", LIFE, Over::WhatWasRead).expect("commit"), Committed::Stored);
        }
        assert_eq!(new.check().expect("check").problems, Vec::<String>::new());
    }
}

#[test]
fn a_store_made_meanwhile_stays_and_the_loss_is_told() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let old = attach(dir.path(), 64);
    let key = old.key(b"", b"id");
    let mut running = old.acquire(&key, &exclusive()).expect("acquire");
    // As by a process that never had the deleted file.
    let elsewhere = tempfile::tempdir().expect("temporary directory");
    let made = attach(elsewhere.path(), 64).path().to_owned();
    std::fs::rename(made, old.path()).expect("put another store in its place");
    let other = attach(dir.path(), 64);
    let (new, inheritance) = old.attach_relocated().expect("the relocated store");
    assert_eq!(inheritance, Inheritance::Lost);
    assert!(Arc::ptr_eq(&new, &other));
    // Nobody moved the old file, so what runs on it ends there in peace.
    assert_eq!(running.commit(b"x", LIFE, Over::Anything).expect("commit"), Committed::Stored);
    assert_eq!(other.check().expect("check").sessions, 0);
}

#[test]
fn whoever_attaches_anew_in_the_process_brings_the_sessions_along() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let old = attach(dir.path(), 64);
    let key = old.key(b"", b"id");
    old.acquire(&key, &exclusive()).and_then(|mut lease| lease.commit(b"kept", LIFE, Over::Anything)).expect("commit");
    std::fs::remove_file(old.path()).expect("delete");
    let new = attach(dir.path(), 64);
    assert!(new.in_place() && !Arc::ptr_eq(&old, &new));
    assert!(new.take_note().is_some_and(|note| note.contains("its sessions were moved")));
    assert_eq!(new.snapshot(&key).expect("snapshot").0.as_deref(), Some(&b"kept"[..]));
    let (found, inheritance) = old.attach_relocated().expect("the relocated store");
    assert!(Arc::ptr_eq(&found, &new));
    assert_eq!(inheritance, Inheritance::Kept);
}

#[test]
fn a_file_that_comes_back_to_its_path_is_used_again() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let first = attach(dir.path(), 64);
    let key = first.key(b"", b"id");
    first.acquire(&key, &exclusive()).and_then(|mut lease| lease.commit(b"old", LIFE, Over::Anything)).expect("commit");
    let kept = dir.path().join("kept");
    std::fs::rename(first.path(), &kept).expect("move away");
    let (second, _) = first.attach_relocated().expect("the relocated store");
    assert!(first.relocated() && !Arc::ptr_eq(&first, &second));
    std::fs::rename(&kept, second.path()).expect("move back");
    let (third, _) = second.attach_relocated().expect("the relocated store");
    assert!(Arc::ptr_eq(&third, &first) && !third.relocated());
    third.acquire(&key, &exclusive()).and_then(|mut lease| lease.commit(b"new", LIFE, Over::Anything)).expect("commit");
    assert_eq!(third.snapshot(&key).expect("snapshot").0.as_deref(), Some(&b"new"[..]));
}

#[test]
fn threads_that_notice_a_deletion_together_relocate_the_store_once() {
    for round in 0..6 {
        let dir = tempfile::tempdir().expect("temporary directory");
        let old = attach(dir.path(), 64);
        let key = |i: u32| old.key(b"", &i.to_le_bytes());
        for i in 0..3000 {
            old.acquire(&key(i), &exclusive())
                .and_then(|mut lease| lease.commit(&i.to_le_bytes().repeat(1000), LIFE, Over::Anything))
                .expect("commit");
        }
        std::fs::remove_file(old.path()).expect("delete");
        let barrier = Barrier::new(4);
        let found: Vec<_> = std::thread::scope(|scope| {
            let notice = |thread: u64| {
                let (old, barrier) = (&old, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    // Later ones meet the first in the midst of it.
                    std::thread::sleep(Duration::from_millis(thread * round));
                    old.attach_relocated()
                })
            };
            let threads: Vec<_> = (0..4).map(notice).collect();
            threads.into_iter().map(|thread| thread.join().expect("a thread")).collect()
        });
        let new = attach(dir.path(), 64);
        for store in found {
            let (store, inheritance) = store.expect("the relocated store");
            assert!(Arc::ptr_eq(&store, &new), "one store for all threads");
            assert_eq!(inheritance, Inheritance::Kept);
        }
        let lost = (0..3000).filter(|i| new.snapshot(&key(*i)).expect("snapshot").0.is_none()).count();
        assert_eq!(lost, 0, "sessions lost in round {round}");
    }
}

/// Descriptors of this process that are open on files of `dir`, deleted ones too.
fn descriptors(dir: &tempfile::TempDir) -> usize {
    let links = std::fs::read_dir("/proc/self/fd").expect("descriptors").flatten();
    links.filter(|link| std::fs::read_link(link.path()).is_ok_and(|file| file.starts_with(dir.path()))).count()
}

#[test]
fn a_store_that_was_left_is_let_go() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let mut store = attach(dir.path(), 64);
    let key = store.key(b"", b"id");
    let put = |store: &Arc<Store>, payload: &[u8]| {
        store
            .acquire(&key, &exclusive())
            .and_then(|mut lease| lease.commit(payload, LIFE, Over::Anything))
            .expect("commit");
    };
    put(&store, b"0");
    let before = descriptors(&dir);
    for round in 1..=5u8 {
        std::fs::remove_file(store.path()).expect("delete");
        store = store.attach_relocated().expect("the relocated store").0;
        put(&store, &[round]);
        assert_eq!(descriptors(&dir), before, "files held after {round} deletions");
    }
    drop(store);
    // The thread remembers the store that it used last.
    let elsewhere = tempfile::tempdir().expect("temporary directory");
    let other = attach(elsewhere.path(), 64);
    other.acquire(&other.key(b"", b"id"), &exclusive()).expect("acquire").release();
    assert_eq!(descriptors(&dir), 0, "files held after the last handle is gone");
}

#[test]
fn whoever_lets_go_of_a_store_leaves_its_owner_slots_in_order() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let elsewhere = tempfile::tempdir().expect("temporary directory");
    let mut file_bytes = 0;
    for round in 1..=20u64 {
        let store = attach(dir.path(), 64);
        store
            .acquire(&store.key(b"", b"id"), &exclusive())
            .and_then(|mut lease| lease.commit(b"x", LIFE, Over::Anything))
            .expect("commit");
        drop(store);
        let other = attach(elsewhere.path(), 64);
        other.acquire(&other.key(b"", b"id"), &exclusive()).expect("acquire").release();
        let store = attach(dir.path(), 64);
        let stats = store.stats().expect("stats");
        assert_eq!(stats.writes, round, "counters of an owner slot that was left");
        // An owner slot that is not left is a dead one's, and a new one is taken before it is put right.
        if round == 1 {
            file_bytes = stats.file_bytes;
        }
        assert_eq!(stats.file_bytes, file_bytes, "owner slots are added in round {round}");
    }
}

#[test]
fn the_file_stays_when_its_last_session_ends() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let store = attach(dir.path(), 64);
    let key = store.key(b"", b"only");
    let put = |payload: &[u8]| {
        store
            .acquire(&key, &exclusive())
            .and_then(|mut lease| lease.commit(payload, LIFE, Over::Anything))
            .expect("commit");
    };
    put(b"logged in");
    let (_, mark) = store.snapshot(&key).expect("snapshot");
    store.destroy(&key, End::at_once(LIFE)).expect("destroy");
    assert!(store.in_place() && !store.relocated());
    // What had read before the log-out writes nothing, though no session is left.
    let unlocked = Acquire { since: Some(mark), ..unlocked() };
    let mut slow = store.acquire(&key, &unlocked).expect("acquire");
    assert_eq!(slow.commit(b"zombie", LIFE, Over::Anything).expect("commit"), Committed::Ended);
    assert_eq!(store.snapshot(&key).expect("snapshot").0, None);
}
