//! A request on a store of which it knows the type, and on one of which it knows the traits alone: leases that have come to
//! their end are used again, and hold nothing of what they held.

mod memory_store;

use std::sync::Arc;
use std::time::Duration;

use cloakroom_session::any_store::Options;
use cloakroom_session::merge::Format;
use cloakroom_session::request::{Finished, RequestError};
use cloakroom_session::seam::{Committed, End, Room, StoreError};
use cloakroom_session::version_changed::Origin;
use cloakroom_session::{Acquire, AnyStore, LockMode, Namespace, Request, SessionId};
use memory_store::MemoryStore;

const EXCLUSIVE: Acquire<'static> = Acquire {
    mode: LockMode::Exclusive,
    wait: Duration::ZERO,
    lock_ttl: Duration::from_secs(10),
    max_waiters: 0,
    lifetime: Duration::from_secs(3600),
    script: b"test.php",
    since: None,
    drawn: false,
};

fn in_directory(directory: &tempfile::TempDir) -> AnyStore {
    let options = Options { size: 8 << 20, create: true };
    AnyStore::in_directory(directory.path(), &options).unwrap_or_else(|error| panic!("{error}"))
}

fn read(request: &mut Request, id: &str, how: &Acquire<'_>) -> Vec<u8> {
    let mut payload = vec![0; request.begin_read(id.as_bytes(), how).expect("free")];
    assert_eq!(request.finish_read(&mut Room::over(&mut payload), false).expect("no failure"), Finished::Whole);
    payload
}

fn write(request: &mut Request, id: &str, payload: &[u8], how: &Acquire<'_>) {
    let origin = || Origin { format: Format::Php, read: None };
    let committed = request.write(id.as_bytes(), payload, how, origin).expect("no failure");
    assert_eq!(committed, Committed::Stored);
}

/// Many requests one after the other, each with the lease of the one before.
fn requests_use_leases_again(store: &AnyStore) {
    let mut request = Request::new();
    for round in 0..40_u8 {
        let mode = if round % 3 == 0 { LockMode::None } else { LockMode::Exclusive };
        let how = Acquire { mode, ..EXCLUSIVE };
        let id = if round % 2 == 0 { "even" } else { "odd" };
        request.open(store, &Namespace::EMPTY);
        let expected = if round < 2 { vec![] } else { vec![round - 2; usize::from(round)] };
        assert_eq!(read(&mut request, id, &how), expected, "round {round}");
        write(&mut request, id, &vec![round; usize::from(round) + 2], &how);
        // A second write in the same request acquires again.
        write(&mut request, id, &vec![round; usize::from(round) + 2], &how);
        request.close();
        let key = store.key(&Namespace::EMPTY, &SessionId::parse(id.as_bytes()).expect("an id"));
        store.acquire(&key, &EXCLUSIVE).expect("unlocked").release();
    }
}

#[test]
fn leases_are_used_again() {
    let directory = tempfile::tempdir().expect("room");
    requests_use_leases_again(&in_directory(&directory));
    requests_use_leases_again(&AnyStore::Other(Arc::new(MemoryStore::default())));
}

#[test]
fn an_acquire_that_failed_leaves_nothing_held() {
    let directory = tempfile::tempdir().expect("room");
    let (store, beside) = (in_directory(&directory), in_directory(&directory));
    let key = store.key(&Namespace::EMPTY, &SessionId::parse(b"held").expect("an id"));
    let mut request = Request::new();
    request.open(&store, &Namespace::EMPTY);
    assert_eq!(read(&mut request, "before", &EXCLUSIVE), b"");
    write(&mut request, "before", b"payload", &EXCLUSIVE);
    let mut lease = beside.acquire(&key, &EXCLUSIVE).expect("free");
    let refused = request.begin_read(b"held", &EXCLUSIVE);
    assert!(matches!(refused, Err(RequestError::Store(StoreError::HeldHere))));
    assert!(!request.is_holding());
    assert_eq!(lease.destroy(End::at_once(Duration::ZERO)).ok(), Some(true));
    assert_eq!(read(&mut request, "before", &EXCLUSIVE), b"payload");
}

/// The lease of the request before is of the deleted file.
#[test]
fn a_lease_follows_to_a_new_file() {
    let directory = tempfile::tempdir().expect("room");
    let store = in_directory(&directory);
    let mut request = Request::new();
    for round in 0..3_u8 {
        request.open(&store, &Namespace::EMPTY);
        assert_eq!(read(&mut request, "id", &EXCLUSIVE), vec![7; usize::from(round)]);
        write(&mut request, "id", &vec![7; usize::from(round) + 1], &EXCLUSIVE);
        request.close();
        // A handle looks at its file when it is first asked.
        let beside = in_directory(&directory);
        std::fs::remove_file(store.location()).expect("the store file");
        let told = beside.notice().expect("the file was deleted");
        assert!(told.contains("moved to a new file"), "{told}");
    }
}

/// The lease of the request before is of another store.
#[test]
fn a_request_goes_from_store_to_store() {
    let directories = [(); 2].map(|()| tempfile::tempdir().expect("room"));
    let [one, two] = [&directories[0], &directories[1]].map(in_directory);
    let stores = [one, AnyStore::Other(Arc::new(MemoryStore::default())), two];
    let mut request = Request::new();
    for round in 0..9_u8 {
        let store = &stores[usize::from(round) % 3];
        request.open(store, &Namespace::EMPTY);
        assert_eq!(read(&mut request, "id", &EXCLUSIVE), if round < 3 { vec![] } else { vec![round - 3] });
        write(&mut request, "id", &[round], &EXCLUSIVE);
    }
}
