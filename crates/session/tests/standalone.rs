//! Handler objects that nobody opened, several of them on one store: whose write counts, whose is refused, whose is
//! dropped.

#[path = "standalone/memory.rs"]
mod memory;
mod memory_store;
#[path = "standalone/replaced.rs"]
mod replaced;
mod shared_store;

use std::sync::Arc;
use std::time::Duration;

use cloakroom_session::id::MAX_ID;
use cloakroom_session::merge::Format;
use cloakroom_session::request::{Finished, RequestError, Terms};
use cloakroom_session::seam::End;
use cloakroom_session::seam::Room;
use cloakroom_session::standalone::Written;
use cloakroom_session::version_changed::Origin;
use cloakroom_session::{Acquire, Effort, IdShape, LockMode, Namespace, Request, Standalone, StoreError, UserPath};
use memory_store::MemoryStore;
use shared_store::{Shared, any};

const ID: &[u8] = b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const HOUR: Duration = Duration::from_secs(3600);

const EXCLUSIVE: Acquire<'static> = in_mode(LockMode::Exclusive);
const UNLOCKED: Acquire<'static> = in_mode(LockMode::None);

const fn in_mode(mode: LockMode) -> Acquire<'static> {
    Acquire {
        mode,
        wait: Duration::ZERO,
        lock_ttl: HOUR,
        max_waiters: 0,
        lifetime: HOUR,
        script: b"test",
        since: None,
        drawn: false,
    }
}

fn object(store: &Shared) -> Standalone {
    let mut object = Standalone::new();
    object.attach(&any(store), &Namespace::EMPTY);
    object
}

/// A store and two objects on it, as two overlapping requests have.
fn two() -> (Shared, Standalone, Standalone) {
    let store: Shared = Arc::new(MemoryStore::default());
    let (one, other) = (object(&store), object(&store));
    (store, one, other)
}

fn read(object: &mut Standalone, id: &[u8]) -> Vec<u8> {
    let mut payload = vec![0; object.begin_read(id, Duration::ZERO).expect("memory does not fail")];
    assert_eq!(object.finish_read(&mut Room::over(&mut payload)).expect("in order"), Finished::Whole);
    payload
}

fn write(object: &mut Standalone, id: &[u8], payload: &[u8]) {
    assert_eq!(object.write(id, payload, &EXCLUSIVE, Format::Php).expect("nothing contradicts it"), Written::Stored);
}

fn destroy(object: &mut Standalone, id: &[u8]) -> bool {
    object.destroy(id, End::at_once(HOUR)).expect("memory does not fail")
}

#[test]
fn without_a_store_nothing_works_but_drawing_ids() {
    let mut object = Standalone::new();
    assert!(matches!(object.begin_read(ID, Duration::ZERO), Err(RequestError::NotOpen)));
    assert!(matches!(object.finish_read(&mut Room::over(&mut [])), Err(RequestError::OutOfOrder)));
    assert!(matches!(object.write(ID, b"x", &EXCLUSIVE, Format::Php), Err(RequestError::NotOpen)));
    assert!(matches!(object.touch(ID, b"x", &EXCLUSIVE), Err(RequestError::NotOpen)));
    assert!(matches!(object.destroy(ID, End::at_once(HOUR)), Err(RequestError::NotOpen)));
    assert!(matches!(object.collect(Effort::All), Err(RequestError::NotOpen)));
    assert!(object.may_exist(ID), "nothing is proven");
    let mut room = [0; MAX_ID];
    assert_eq!(object.draw_id(IdShape::default(), &mut room).expect("random bytes").as_bytes().len(), 32);
}

#[test]
fn what_is_no_id_is_refused() {
    let (_, mut object, _) = two();
    for id in [&b""[..], b"../etc/passwd", &[b'a'; 257]] {
        assert!(matches!(object.begin_read(id, Duration::ZERO), Err(RequestError::Id(_))));
        assert!(matches!(object.write(id, b"x", &EXCLUSIVE, Format::Php), Err(RequestError::Id(_))));
        assert!(matches!(object.destroy(id, End::at_once(HOUR)), Err(RequestError::Id(_))));
        assert!(!object.may_exist(id));
    }
}

#[test]
fn one_object_reads_writes_and_destroys_as_it_likes() {
    let (_, mut object, _) = two();
    assert_eq!(read(&mut object, ID), b"");
    assert!(!object.may_exist(ID), "a read reserves nothing");
    for payload in [&b"first"[..], b"second", b"", b"third"] {
        write(&mut object, ID, payload);
        assert_eq!(read(&mut object, ID), payload);
    }
    assert!(object.may_exist(ID));
    assert!(destroy(&mut object, ID));
    assert!(!destroy(&mut object, ID));
    assert_eq!(read(&mut object, ID), b"");
}

#[test]
fn a_write_does_not_replace_what_its_object_has_not_read() {
    let (_, mut slow, mut fast) = two();
    write(&mut fast, ID, b"before");
    assert_eq!(read(&mut slow, ID), b"before");
    write(&mut fast, ID, b"newer");
    for _ in 0..2 {
        assert!(matches!(slow.write(ID, b"from before", &EXCLUSIVE, Format::Php), Err(RequestError::VersionChanged)));
    }
    assert_eq!(read(&mut fast, ID), b"newer");
    assert_eq!(read(&mut slow, ID), b"newer");
    write(&mut slow, ID, b"from newer");
    assert_eq!(read(&mut fast, ID), b"from newer");
}

#[test]
fn a_session_that_appeared_since_the_read_is_not_replaced() {
    let (_, mut slow, mut fast) = two();
    assert_eq!(read(&mut slow, ID), b"");
    write(&mut fast, ID, b"created");
    assert!(matches!(slow.write(ID, b"created, too", &EXCLUSIVE, Format::Php), Err(RequestError::VersionChanged)));
    assert_eq!(read(&mut fast, ID), b"created");
}

#[test]
fn an_own_write_counts_as_read() {
    let (_, mut one, mut other) = two();
    write(&mut one, ID, b"one");
    write(&mut other, ID, b"unconditional, as it never read");
    assert!(matches!(one.write(ID, b"one again", &EXCLUSIVE, Format::Php), Err(RequestError::VersionChanged)));
    write(&mut other, ID, b"other again");
    assert_eq!(read(&mut one, ID), b"other again");
}

#[test]
fn the_bytes_that_were_read_change_nothing() {
    let (_, mut slow, mut fast) = two();
    write(&mut fast, ID, b"before");
    assert_eq!(read(&mut slow, ID), b"before");
    write(&mut fast, ID, b"newer");
    for how in [&EXCLUSIVE, &UNLOCKED] {
        assert_eq!(slow.write(ID, b"before", how, Format::Php).expect("no change, no conflict"), Written::Stored);
        assert_eq!(read(&mut fast, ID), b"newer");
    }
    // The object still stands where it read.
    assert!(matches!(slow.write(ID, b"a change", &EXCLUSIVE, Format::Php), Err(RequestError::VersionChanged)));
}

#[test]
fn payloads_too_long_to_be_kept_are_written_and_refused_like_others() {
    let (_, mut slow, mut fast) = two();
    let long = vec![b'x'; 300 << 10];
    write(&mut fast, ID, &long);
    assert_eq!(read(&mut slow, ID), long);
    write(&mut slow, ID, &long);
    assert!(
        matches!(fast.write(ID, &long, &EXCLUSIVE, Format::Php), Err(RequestError::VersionChanged)),
        "the same bytes were written anew"
    );
}

#[test]
fn a_read_that_came_to_no_end_is_never_followed_by_a_write() {
    let (_, mut object, mut other) = two();
    write(&mut other, ID, b"stored");
    assert_eq!(object.begin_read(ID, Duration::ZERO).expect("memory does not fail"), 6);
    for how in [&EXCLUSIVE, &UNLOCKED] {
        assert!(matches!(object.write(ID, b"", how, Format::Php), Err(RequestError::ReadIncomplete)));
        assert!(matches!(object.touch(ID, b"", how), Err(RequestError::ReadIncomplete)));
    }
    assert!(matches!(object.finish_read(&mut Room::over(&mut [0; 5])), Err(RequestError::OutOfOrder)));
    assert!(matches!(object.write(ID, b"", &EXCLUSIVE, Format::Php), Err(RequestError::ReadIncomplete)));
    assert_eq!(read(&mut other, ID), b"stored");
    assert_eq!(read(&mut object, ID), b"stored");
    write(&mut object, ID, b"changed");
    object.begin_read(ID, Duration::ZERO).expect("memory does not fail");
    destroy(&mut object, ID);
    write(&mut object, ID, b"new");
}

#[test]
fn without_a_lock_the_last_write_wins() {
    let (_, mut slow, mut fast) = two();
    write(&mut fast, ID, b"before");
    read(&mut slow, ID);
    write(&mut fast, ID, b"newer");
    assert_eq!(slow.write(ID, b"last", &UNLOCKED, Format::Php).expect("no lock"), Written::Stored);
    assert_eq!(read(&mut fast, ID), b"last");
}

#[test]
fn what_another_destroyed_since_the_read_stays_destroyed() {
    for how in [&EXCLUSIVE, &UNLOCKED] {
        let (_, mut slow, mut logout) = two();
        write(&mut logout, ID, b"logged in");
        read(&mut slow, ID);
        destroy(&mut logout, ID);
        assert_eq!(slow.write(ID, b"still logged in", how, Format::Php).expect("dropped"), Written::Ended);
        assert_eq!(slow.touch(ID, b"logged in", how).expect("dropped"), Written::Ended);
        assert_eq!(slow.write(ID, b"logged in", how, Format::Php).expect("dropped"), Written::Ended);
        assert!(!logout.may_exist(ID));
        // Also where another one has begun under the same id.
        write(&mut logout, ID, b"another visit");
        assert_eq!(slow.write(ID, b"still logged in", how, Format::Php).expect("dropped"), Written::Ended);
        assert_eq!(read(&mut logout, ID), b"another visit");
        assert_eq!(read(&mut slow, ID), b"another visit");
        write(&mut slow, ID, b"changed");
        assert_eq!(read(&mut logout, ID), b"changed");
    }
}

#[test]
fn an_object_may_write_what_it_destroyed_itself() {
    let (_, mut object, _) = two();
    write(&mut object, ID, b"old");
    read(&mut object, ID);
    destroy(&mut object, ID);
    write(&mut object, ID, b"new");
    assert_eq!(read(&mut object, ID), b"new");
}

#[test]
fn an_expired_session_contradicts_no_write() {
    let (_, mut object, _) = two();
    let brief = Acquire { lifetime: Duration::from_millis(1), ..EXCLUSIVE };
    object.write(ID, b"old", &brief, Format::Php).expect("free");
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while object.may_exist(ID) {
        assert!(std::time::Instant::now() < deadline, "it expires");
        std::thread::yield_now();
    }
    write(&mut object, ID, b"new");
    assert_eq!(read(&mut object, ID), b"new");
}

#[test]
fn a_touch_writes_only_what_is_missing() {
    let (_, mut one, mut other) = two();
    assert_eq!(one.touch(ID, b"missing", &EXCLUSIVE).expect("free"), Written::Stored);
    assert_eq!(read(&mut other, ID), b"missing");
    assert_eq!(one.touch(ID, b"other bytes", &EXCLUSIVE).expect("free"), Written::Stored);
    assert_eq!(read(&mut other, ID), b"missing");
}

#[test]
fn no_lock_outlives_a_call_and_a_lock_of_others_counts() {
    let (store, mut object, _) = two();
    write(&mut object, ID, b"before");
    read(&mut object, ID);
    let mut holder = Request::new();
    holder.open(&any(&store), &Namespace::EMPTY);
    let length = holder.begin_read(ID, &EXCLUSIVE).expect("no lock was left");
    holder.finish_read(&mut Room::over(&mut vec![0; length]), false).expect("in order");
    assert_eq!(read(&mut object, ID), b"before", "a read does not wait");
    let refused = object.write(ID, b"meanwhile", &EXCLUSIVE, Format::Php);
    assert!(matches!(refused, Err(RequestError::Store(StoreError::HeldHere))));
    holder.write(ID, b"under the lock", &EXCLUSIVE, || Origin { format: Format::Php, read: None }).expect("held");
    assert!(matches!(object.write(ID, b"meanwhile", &EXCLUSIVE, Format::Php), Err(RequestError::VersionChanged)));
    assert!(matches!(holder.begin_read(ID, &EXCLUSIVE), Ok(14)), "a refused write left no lock");
}

#[test]
fn a_new_store_is_a_new_beginning() {
    let (_, mut object, mut other) = two();
    write(&mut object, ID, b"object");
    write(&mut other, ID, b"other");
    let elsewhere: Shared = Arc::new(MemoryStore::default());
    object.attach(&any(&elsewhere), &Namespace::EMPTY);
    assert_eq!(read(&mut object, ID), b"");
    write(&mut object, ID, b"elsewhere");
    assert_eq!(read(&mut other, ID), b"other");
}
