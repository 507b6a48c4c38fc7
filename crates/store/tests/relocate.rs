//! A store whose file is deleted while it is in use: its sessions move to a new file at the same path.

use std::sync::Arc;
use std::time::Duration;

use cloakroom_store::{Acquire, Error, Inheritance, Options, Outcome, Over, Store};

const LIFE: Duration = Duration::from_secs(600);

fn attach(dir: &tempfile::TempDir) -> Arc<Store> {
    Store::attach(dir.path(), Options { capacity: Some(64 << 20), user: None }).expect("attach")
}

fn how() -> Acquire<'static> {
    Acquire { exclusive: true, wait: Duration::from_secs(5), max_waiters: 0, lifetime: LIFE, script: b"", since: None }
}

fn payload(i: u32) -> Vec<u8> {
    i.to_le_bytes().repeat(1 + (i as usize * 37) % 3000)
}

#[test]
fn sessions_and_leases_move_to_the_new_file() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let old = attach(&dir);
    let key = |i: u32| old.key(b"shop", &i.to_le_bytes());
    for i in 0..2000 {
        old.acquire(&key(i), &how())
            .and_then(|mut lease| lease.commit(&payload(i), LIFE, Over::Anything))
            .expect("commit");
    }
    let mut running = old.acquire(&key(7), &how()).expect("acquire");
    let mut touching = old.acquire(&key(8), &how()).expect("acquire");
    let mut leaving = old.acquire(&key(9), &how()).expect("acquire");
    std::fs::remove_file(old.path()).expect("delete");
    assert!(!old.in_place());

    let (new, inheritance) = old.successor().expect("successor");
    assert_eq!(inheritance, Inheritance::Kept);
    assert!(new.in_place());
    assert!(matches!(old.acquire(&key(1), &how()), Err(Error::Relocated)));
    assert!(matches!(old.snapshot(&key(1)).map(|found| found.0), Err(Error::Relocated)));
    assert_eq!(running.commit(b"committed after the move", LIFE, Over::Anything).expect("commit"), Outcome::Stored);
    assert_eq!(touching.touch(&payload(8), LIFE).expect("touch"), Outcome::Stored);
    assert!(leaving.destroy(LIFE, Duration::ZERO).expect("destroy"));
    for i in 0..2000 {
        let expected = match i {
            7 => Some(b"committed after the move".to_vec()),
            9 => None,
            i => Some(payload(i)),
        };
        assert_eq!(new.snapshot(&key(i)).map(|found| found.0).expect("snapshot"), expected, "session {i}");
    }
    assert_eq!(new.check().expect("check").problems, Vec::<String>::new());
    let (again, _) = old.successor().expect("successor");
    assert!(Arc::ptr_eq(&again, &new), "who notices later joins the first");
    let names: Vec<_> = dir.path().read_dir().expect("directory").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(names.len(), 1, "nothing is left behind: {names:?}");
}

#[test]
fn a_store_made_meanwhile_stays_and_the_loss_is_told() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let old = attach(&dir);
    let key = old.key(b"", b"id");
    let mut running = old.acquire(&key, &how()).expect("acquire");
    std::fs::remove_file(old.path()).expect("delete");
    let other = attach(&dir);
    let (new, inheritance) = old.successor().expect("successor");
    assert_eq!(inheritance, Inheritance::Lost);
    assert!(Arc::ptr_eq(&new, &other));
    // Nobody moved the old file, so what runs on it ends there in peace.
    assert_eq!(running.commit(b"x", LIFE, Over::Anything).expect("commit"), Outcome::Stored);
    assert_eq!(other.check().expect("check").sessions, 0);
}

#[test]
fn the_last_destroyed_session_takes_an_own_empty_store_with_it() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let store = attach(&dir);
    let key = store.key(b"", b"only");
    let mut slow = store.acquire(&key, &Acquire { exclusive: false, ..how() }).expect("acquire");
    store.acquire(&key, &how()).expect("acquire").destroy(LIFE, Duration::ZERO).expect("destroy");
    assert!(store.in_place(), "a lease is left, which the tombstone must stop");
    assert_eq!(slow.commit(b"zombie", LIFE, Over::Anything).expect("commit"), Outcome::Ended);
    store.acquire(&key, &how()).expect("acquire").destroy(LIFE, Duration::ZERO).expect("destroy");
    assert!(!store.path().exists());
    assert!(store.superseded());
    assert!(matches!(store.acquire(&key, &how()), Err(Error::Relocated)));
    let (next, inheritance) = store.successor().expect("successor");
    assert_eq!(inheritance, Inheritance::Nothing);
    let key = next.key(b"", b"only");
    next.acquire(&key, &how()).and_then(|mut lease| lease.commit(b"back", LIFE, Over::Anything)).expect("commit");
    assert_eq!(next.snapshot(&key).map(|found| found.0).expect("snapshot"), Some(b"back".to_vec()));
}
