//! Which writes and ends of a session follow which reads.

use std::sync::Arc;

use cloakroom_session::request::RequestError;
use cloakroom_session::seam::{Committed, End};
use cloakroom_session::{Namespace, StoreError};

use crate::memory_store::MemoryStore;
use crate::shared_store::{Shared, any};
use crate::{EXCLUSIVE, HOUR, ID, OTHER, UNLOCKED, is_free, key, opened, opened_on, php, put, read, stored};

#[test]
fn a_cycle_reads_writes_and_unlocks() {
    let (store, mut request) = opened();
    assert_eq!(read(&mut request, ID, &EXCLUSIVE), b"");
    assert!(!is_free(&store, ID));
    assert_eq!(request.write(ID, b"one", &EXCLUSIVE, php).expect("stored"), Committed::Stored);
    assert!(is_free(&store, ID), "the write unlocks, before the close");
    request.close();

    request.open(&any(&store), &Namespace::EMPTY);
    assert_eq!(read(&mut request, ID, &EXCLUSIVE), b"one");
    assert_eq!(request.touch(ID, b"one", &EXCLUSIVE).expect("stored"), Committed::Stored);
    assert!(is_free(&store, ID));
    request.close();
    assert_eq!(stored(&store, ID).as_deref(), Some(&b"one"[..]));
}

#[test]
fn a_close_without_a_write_unlocks_and_changes_nothing() {
    let (store, mut request) = opened();
    put(&store, ID, b"before");
    assert_eq!(read(&mut request, ID, &EXCLUSIVE), b"before");
    request.close();
    assert!(is_free(&store, ID));
    request.close();
    assert_eq!(stored(&store, ID).as_deref(), Some(&b"before"[..]));
}

#[test]
fn an_interrupted_read_is_never_followed_by_a_write() {
    let (store, mut request) = opened();
    put(&store, ID, b"precious");
    assert_eq!(request.begin_read(ID, &EXCLUSIVE).expect("free"), 8);
    // PHP's allocation jumped away here; at shutdown it writes what it believes the session to be.
    for id in [ID, OTHER] {
        assert!(matches!(request.write(id, b"", &EXCLUSIVE, php), Err(RequestError::ReadIncomplete)));
        assert!(matches!(request.touch(id, b"", &EXCLUSIVE), Err(RequestError::ReadIncomplete)));
    }
    request.close();
    assert!(is_free(&store, ID));
    assert_eq!(stored(&store, ID).as_deref(), Some(&b"precious"[..]));
}

#[test]
fn an_abandoned_session_stays_as_it_was() {
    let (store, mut request) = opened();
    put(&store, ID, b"precious");
    assert_eq!(read(&mut request, ID, &EXCLUSIVE), b"precious");
    request.abandon();
    assert!(is_free(&store, ID));
    assert!(matches!(request.write(ID, b"", &EXCLUSIVE, php), Err(RequestError::ReadIncomplete)));
    assert_eq!(stored(&store, ID).as_deref(), Some(&b"precious"[..]));
    assert_eq!(read(&mut request, ID, &EXCLUSIVE), b"precious");
    request.write(ID, b"next", &EXCLUSIVE, php).expect("a completed read allows writes again");
    assert_eq!(stored(&store, ID).as_deref(), Some(&b"next"[..]));
}

#[test]
fn a_read_that_had_to_wait_too_long_is_never_followed_by_a_write() {
    let store: Shared = Arc::new(MemoryStore::default());
    put(&store, ID, b"precious");
    let mut lock = store.acquire(&key(&store, ID), &EXCLUSIVE).expect("free");
    let blocked = std::thread::scope(|scope| {
        let store = &store;
        scope
            .spawn(move || {
                let (_, mut request) = opened_on(Arc::clone(store));
                let read = request.begin_read(ID, &EXCLUSIVE);
                assert!(matches!(read, Err(RequestError::Store(StoreError::LockTimeout { .. }))));
                matches!(request.write(ID, b"", &EXCLUSIVE, php), Err(RequestError::ReadIncomplete))
            })
            .join()
    });
    lock.release();
    assert!(blocked.expect("answers"));
    assert_eq!(stored(&store, ID).as_deref(), Some(&b"precious"[..]));
}

#[test]
fn an_id_that_was_not_read_can_be_written() {
    let (store, mut request) = opened();
    request.write(ID, b"unread", &EXCLUSIVE, php).expect("nothing was read that this contradicts");
    assert_eq!(stored(&store, ID).as_deref(), Some(&b"unread"[..]));

    read(&mut request, ID, &EXCLUSIVE);
    request.write(OTHER, b"another", &EXCLUSIVE, php).expect("stored");
    assert!(is_free(&store, ID) && is_free(&store, OTHER));
    assert_eq!(stored(&store, OTHER).as_deref(), Some(&b"another"[..]));
    request.write(OTHER, b"twice", &EXCLUSIVE, php).expect("a second write acquires again");
    assert_eq!(stored(&store, OTHER).as_deref(), Some(&b"twice"[..]));
    request.touch(OTHER, b"", &EXCLUSIVE).expect("stored");
    assert_eq!(stored(&store, OTHER).as_deref(), Some(&b"twice"[..]), "a touch rewrites nothing");
}

#[test]
fn a_write_never_waits_for_one_lock_while_it_holds_another() {
    let (store, mut request) = opened();
    read(&mut request, ID, &EXCLUSIVE);
    std::thread::scope(|scope| {
        let (taken, told) = std::sync::mpsc::channel();
        let (done, finish) = std::sync::mpsc::channel::<()>();
        let store = &store;
        scope.spawn(move || {
            let mut lease = store.acquire(&key(store, OTHER), &EXCLUSIVE).expect("free");
            taken.send(()).expect("heard");
            finish.recv().expect("told to end");
            lease.release();
        });
        told.recv().expect("taken");
        let write = request.write(OTHER, b"x", &EXCLUSIVE, php);
        assert!(matches!(write, Err(RequestError::Store(StoreError::LockTimeout { .. }))));
        assert!(is_free(store, ID));
        done.send(()).expect("heard");
    });
}

#[test]
fn a_touch_of_what_is_not_there_writes_it() {
    let (store, mut request) = opened();
    assert_eq!(request.touch(ID, b"payload", &EXCLUSIVE).expect("free"), Committed::Stored);
    assert_eq!(stored(&store, ID).as_deref(), Some(&b"payload"[..]));
    assert_eq!(request.touch(ID, b"other", &EXCLUSIVE).expect("free"), Committed::Stored);
    assert_eq!(stored(&store, ID).as_deref(), Some(&b"payload"[..]));
}

#[test]
fn a_destroyed_session_is_gone_for_the_slower_request() {
    for how in [EXCLUSIVE, UNLOCKED] {
        let (store, mut slow) = opened();
        put(&store, ID, b"logged in");
        assert_eq!(read(&mut slow, ID, &how), b"logged in");
        assert!(store.destroy(&key(&store, ID), End::at_once(HOUR)).expect("memory does not fail"));
        assert_eq!(slow.write(ID, b"logged in", &how, php).expect("no failure"), Committed::Ended);
        assert_eq!(stored(&store, ID), None);
    }
}

#[test]
fn destroy_ends_what_is_held_and_what_is_not() {
    let (store, mut request) = opened();
    put(&store, ID, b"x");
    put(&store, OTHER, b"y");
    read(&mut request, ID, &EXCLUSIVE);
    assert!(request.destroy(OTHER, End::at_once(HOUR)).expect("no failure"));
    assert!(!is_free(&store, ID), "the lease of another id stays");
    assert!(request.destroy(ID, End::at_once(HOUR)).expect("no failure"));
    assert_eq!((stored(&store, ID), stored(&store, OTHER)), (None, None));
    assert!(!request.destroy(ID, End::at_once(HOUR)).expect("absence is no failure"));
    assert!(is_free(&store, ID));
    assert!(matches!(request.destroy(b"", End::at_once(HOUR)), Err(RequestError::Id(_))));
}
