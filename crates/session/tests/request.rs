//! The state machine of one open handler, driven through every order of calls that PHP makes: the requests that the tests
//! share, and what is neither about reads nor writes nor ids.

#[path = "request/faulty_store.rs"]
mod faulty_store;
#[path = "request/ids.rs"]
mod ids;
mod memory_store;
#[path = "request/reads.rs"]
mod reads;
mod shared_store;
#[path = "request/writes.rs"]
mod writes;

use std::sync::Arc;
use std::time::Duration;

use cloakroom_session::merge::Format;
use cloakroom_session::request::{Finished, RequestError};
use cloakroom_session::seam::{Committed, End, Over, Room};
use cloakroom_session::version_changed::Origin;
use cloakroom_session::{Acquire, Effort, Key, LockMode, Namespace, Request, SessionId, StoreError};
use faulty_store::Faulty;
use memory_store::MemoryStore;
use shared_store::{Shared, any};

const ID: &[u8] = b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const OTHER: &[u8] = b"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const HOUR: Duration = Duration::from_secs(3600);

const EXCLUSIVE: Acquire<'static> = Acquire {
    mode: LockMode::Exclusive,
    wait: Duration::ZERO,
    lock_ttl: Duration::from_secs(10),
    max_waiters: 0,
    lifetime: HOUR,
    script: b"test",
    since: None,
    drawn: false,
};
const UNLOCKED: Acquire<'static> = Acquire { mode: LockMode::None, ..EXCLUSIVE };

/// The answer to a write that meets another version of the session than was read.
fn php() -> Origin<'static> {
    Origin { format: Format::Php, read: None }
}

fn opened() -> (Shared, Request) {
    opened_on(Arc::new(MemoryStore::default()))
}

fn opened_on(store: Shared) -> (Shared, Request) {
    let mut request = Request::new();
    request.open(&any(&store), &Namespace::EMPTY);
    (store, request)
}

fn key(store: &Shared, id: &[u8]) -> Key {
    store.key(&Namespace::EMPTY, &SessionId::parse(id).expect("a valid id"))
}

fn stored(store: &Shared, id: &[u8]) -> Option<Vec<u8>> {
    store.snapshot(&key(store, id)).map(|found| found.0).expect("memory does not fail")
}

fn put(store: &Shared, id: &[u8], payload: &[u8]) {
    let mut lease = store.acquire(&key(store, id), &EXCLUSIVE).expect("free");
    assert_eq!(lease.commit(payload, HOUR, Over::Anything).expect("memory does not fail"), Committed::Stored);
}

/// Reads as PHP does: length, allocation, bytes.
fn read(request: &mut Request, id: &[u8], how: &Acquire<'_>) -> Vec<u8> {
    let mut payload = vec![0; request.begin_read(id, how).expect("free")];
    assert_eq!(request.finish_read(&mut Room::over(&mut payload), false).expect("no failure"), Finished::Whole);
    payload
}

fn snapshot(request: &mut Request, id: &[u8]) -> Vec<u8> {
    let mut payload = vec![0; request.begin_snapshot(id, &EXCLUSIVE).expect("never waits")];
    assert_eq!(request.finish_read(&mut Room::over(&mut payload), false).expect("no failure"), Finished::Whole);
    payload
}

/// Whether another request (here: another thread) gets the lock of `id` at once.
fn is_free(store: &Shared, id: &[u8]) -> bool {
    let (store, key) = (Arc::clone(store), key(store, id));
    let other = std::thread::spawn(move || match store.acquire(&key, &EXCLUSIVE) {
        Ok(mut lease) => {
            lease.release();
            true
        }
        Err(StoreError::LockTimeout { .. }) => false,
        Err(error) => panic!("{error}"),
    });
    other.join().expect("answers")
}

#[test]
fn calls_out_of_order_change_nothing() {
    let mut request = Request::new();
    assert!(matches!(request.begin_read(ID, &EXCLUSIVE), Err(RequestError::NotOpen)));
    request.close();
    assert!(matches!(request.write(ID, b"", &EXCLUSIVE, php), Err(RequestError::NotOpen)));
    assert!(matches!(request.destroy(ID, End::at_once(HOUR)), Err(RequestError::NotOpen)));
    assert!(matches!(request.collect(Effort::All), Err(RequestError::NotOpen)));
    assert!(matches!(request.finish_read(&mut Room::over(&mut []), false), Err(RequestError::OutOfOrder)));

    let (store, mut request) = opened();
    put(&store, ID, b"four");
    request.begin_read(ID, &EXCLUSIVE).expect("free");
    assert!(matches!(request.finish_read(&mut Room::over(&mut [0; 3]), false), Err(RequestError::OutOfOrder)));
    assert!(is_free(&store, ID));
    assert_eq!(stored(&store, ID).as_deref(), Some(&b"four"[..]));
}

#[test]
fn what_a_remote_store_has_to_say_is_told_in_the_same_request() {
    for is_remote in [true, false] {
        let faulty = Arc::new(Faulty { is_remote, ..Faulty::default() });
        let (_, mut request) = opened_on(Arc::<Faulty>::clone(&faulty));
        request.begin_read(ID, &EXCLUSIVE).expect("free");
        *faulty.notice.lock().expect("no panic") = Some("the lock needs renewal".to_owned());
        request.finish_read(&mut Room::over(&mut []), false).expect("nothing to read");
        request.write(ID, b"payload", &EXCLUSIVE, php).expect("there is room");
        let told = request.take_notice().map(|notice| notice.to_string());
        assert_eq!(told.as_deref(), is_remote.then_some("the lock needs renewal"));
        assert!(request.take_notice().is_none(), "once");
    }
}

#[test]
fn collect_reports_what_the_store_removed() {
    let (store, mut request) = opened();
    put(&store, ID, b"lives");
    assert_eq!(request.collect(Effort::All).expect("no failure"), 0);
    assert!(request.may_exist(ID, None));
}
