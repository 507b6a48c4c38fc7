//! What a read sees, and which lock is held after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use cloakroom_session::request::{Finished, RequestError};
use cloakroom_session::seam::Room;
use cloakroom_session::{Namespace, StoreError};

use crate::faulty_store::Faulty;
use crate::memory_store::MemoryStore;
use crate::shared_store::{Shared, any};
use crate::{EXCLUSIVE, ID, OTHER, UNLOCKED, is_free, key, opened, opened_on, php, put, read, snapshot, stored};

#[test]
fn a_second_open_and_read_keep_the_lock() {
    let (store, mut request) = opened();
    put(&store, ID, b"before");
    assert_eq!(read(&mut request, ID, &EXCLUSIVE), b"before");
    request.open(&any(&store), &Namespace::EMPTY);
    assert!(!is_free(&store, ID), "session_reset() does not let anybody in");
    assert_eq!(read(&mut request, ID, &EXCLUSIVE), b"before");
    request.write(ID, b"after", &EXCLUSIVE, php).expect("stored");
    assert!(is_free(&store, ID));
    assert_eq!(stored(&store, ID).as_deref(), Some(&b"after"[..]));
}

#[test]
fn without_a_lock_a_second_read_sees_what_others_wrote() {
    let (store, mut request) = opened();
    put(&store, ID, b"before");
    assert_eq!(read(&mut request, ID, &UNLOCKED), b"before");
    put(&store, ID, b"by another request");
    request.open(&any(&store), &Namespace::EMPTY);
    assert_eq!(read(&mut request, ID, &UNLOCKED), b"by another request");
}

#[test]
fn an_open_elsewhere_releases_the_lease() {
    let (store, mut request) = opened();
    read(&mut request, ID, &EXCLUSIVE);
    request.open(&any(&store), &Namespace::parse(b"shop").expect("valid"));
    assert!(is_free(&store, ID));
    assert_eq!(read(&mut request, ID, &EXCLUSIVE), b"");
    request.write(ID, b"of the shop", &EXCLUSIVE, php).expect("stored");
    assert_eq!(stored(&store, ID).as_deref(), Some(&b""[..]), "another namespace, another session");
    let elsewhere: Shared = Arc::new(MemoryStore::default());
    read(&mut request, ID, &EXCLUSIVE);
    request.open(&any(&elsewhere), &Namespace::EMPTY);
    assert!(is_free(&store, ID));
    assert!(!request.may_exist(ID, None));
}

#[test]
fn reading_another_id_releases_the_first() {
    let (store, mut request) = opened();
    read(&mut request, ID, &EXCLUSIVE);
    read(&mut request, OTHER, &EXCLUSIVE);
    assert!(is_free(&store, ID));
    assert!(!is_free(&store, OTHER));
    assert!(request.begin_read(b"not an id", &EXCLUSIVE).is_err());
    assert!(is_free(&store, OTHER), "a failed read holds nothing");
}

#[test]
fn a_snapshot_takes_no_lock_and_reserves_what_is_absent() {
    let (store, mut request) = opened();
    put(&store, ID, b"payload");
    let mut lock = store.acquire(&key(&store, ID), &EXCLUSIVE).expect("free");
    assert_eq!(snapshot(&mut request, ID), b"payload");
    lock.release();
    request.close();
    assert!(is_free(&store, ID));

    request.open(&any(&store), &Namespace::EMPTY);
    assert!(!request.may_exist(OTHER, None));
    assert_eq!(snapshot(&mut request, OTHER), b"");
    assert!(request.may_exist(OTHER, None), "strict mode keeps the id from now on");
    assert!(is_free(&store, OTHER));
}

#[test]
fn a_snapshot_of_what_is_held_reads_the_lease_and_keeps_it() {
    let (store, mut request) = opened();
    put(&store, ID, b"payload");
    read(&mut request, ID, &EXCLUSIVE);
    assert_eq!(snapshot(&mut request, ID), b"payload");
    assert!(!is_free(&store, ID));
    assert_eq!(snapshot(&mut request, OTHER), b"");
    assert!(is_free(&store, ID));
}

#[test]
fn a_damaged_payload_fails_the_read_and_stays() {
    let faulty = Arc::new(Faulty::default());
    let (store, mut request) = opened_on(Arc::<Faulty>::clone(&faulty));
    put(&store, ID, b"damaged soon");
    faulty.damaged.store(true, Ordering::Relaxed);
    let mut payload = vec![0; request.begin_read(ID, &EXCLUSIVE).expect("free")];
    let finished = request.finish_read(&mut Room::over(&mut payload), false);
    assert!(matches!(finished, Err(RequestError::Store(StoreError::Damaged { .. }))));
    assert!(is_free(&store, ID));
    assert!(matches!(request.write(ID, b"", &EXCLUSIVE, php), Err(RequestError::ReadIncomplete)));
}

#[test]
fn a_payload_that_changes_while_it_is_read_is_read_again() {
    let faulty = Arc::new(Faulty { restless: AtomicU32::new(3), ..Faulty::default() });
    let (store, mut request) = opened_on(Arc::<Faulty>::clone(&faulty));
    put(&store, ID, b"payload");
    let mut length = request.begin_read(ID, &UNLOCKED).expect("no lock");
    let mut tries = 0;
    let payload = loop {
        let mut payload = vec![0; length];
        match request.finish_read(&mut Room::over(&mut payload), false).expect("no failure") {
            Finished::Whole => break payload,
            Finished::Again(longer) => {
                assert!(matches!(request.write(ID, b"", &UNLOCKED, php), Err(RequestError::ReadIncomplete)));
                length = longer;
                tries += 1;
            }
        }
    };
    assert_eq!((payload.as_slice(), tries), (&b"payload"[..], 3));
    request.write(ID, b"after", &UNLOCKED, php).expect("the read completed");
    request.close();

    faulty.restless.store(u32::MAX, Ordering::Relaxed);
    request.open(&any(&store), &Namespace::EMPTY);
    let mut length = request.begin_read(ID, &UNLOCKED).expect("no lock");
    let gave_up = loop {
        match request.finish_read(&mut Room::over(&mut vec![0; length]), false) {
            Ok(Finished::Again(longer)) => length = longer,
            other => break other,
        }
    };
    assert!(matches!(gave_up, Err(RequestError::Store(StoreError::Changed))));
    assert!(matches!(request.write(ID, b"", &UNLOCKED, php), Err(RequestError::ReadIncomplete)));
    assert_eq!(stored(&store, ID).as_deref(), Some(&b"after"[..]));
}
