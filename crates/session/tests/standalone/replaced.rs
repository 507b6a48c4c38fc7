//! Objects and sessions that get another id: those that an object replaces by a destruction and a write, and those that another
//! request replaces beside it.

use super::*;

const NEW: &[u8] = b"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const THIRD: &[u8] = b"cccccccccccccccccccccccccccccccc";
const TERMS: Terms =
    Terms { end: End { tombstone: HOUR, grace: HOUR }, format: |_| Format::Opaque, user: UserPath::NONE, version: 0 };

fn refused(store: &Shared) -> u64 {
    let figures = store.status().expect("memory does not fail");
    figures.iter().find_map(|(name, figure)| (*name == "refused_writes").then_some(*figure)).expect("it is counted")
}

fn attempt(object: &mut Standalone, id: &[u8], payload: &[u8]) -> Written {
    object.write(id, payload, &EXCLUSIVE, Format::Php).expect("no failure")
}

/// A request that is about to replace `ID` by `NEW`: `NEW` is not written yet.
fn rotating(store: &Shared) -> Request {
    let mut request = Request::new();
    request.open(&any(store), &Namespace::EMPTY);
    request.set_terms(TERMS);
    let length = request.begin_read(ID, &EXCLUSIVE).expect("free");
    request.finish_read(&mut Room::over(&mut vec![0; length]), true).expect("in order");
    request.leave(ID, None).expect("held");
    let length = request.begin_successor(NEW, &EXCLUSIVE).expect("free");
    request.finish_read(&mut Room::over(&mut vec![0; length]), true).expect("in order");
    request
}

fn finish(mut request: Request, payload: &[u8]) {
    request.write(NEW, payload, &EXCLUSIVE, || Origin { format: Format::Opaque, read: None }).expect("held");
    request.close();
}

/// A store with a session under `ID`, and an object on it.
fn one() -> (Shared, Standalone) {
    let (store, mut object, mut writer) = two();
    object.set_terms(TERMS);
    write(&mut writer, ID, b"same");
    (store, object)
}

#[test]
fn a_session_that_others_ended_gets_no_new_id() {
    let (store, mut object, mut logout) = two();
    write(&mut logout, ID, b"logged in");
    read(&mut object, ID);
    destroy(&mut logout, ID);
    assert!(!destroy(&mut object, ID));
    assert_eq!(attempt(&mut object, NEW, b"logged in"), Written::Refused);
    assert_eq!(refused(&store), 1);
    assert!(!logout.may_exist(NEW));
    assert_eq!(attempt(&mut object, NEW, b"logged in"), Written::Refused, "a framework may try once more");
    assert_eq!(refused(&store), 2);
    assert_eq!(attempt(&mut object, THIRD, b"another visit"), Written::Stored, "that was one id");
    assert_eq!(refused(&store), 2);
}

#[test]
fn nor_where_another_began_under_the_old_id() {
    let (_, mut object, mut logout) = two();
    write(&mut logout, ID, b"logged in");
    read(&mut object, ID);
    destroy(&mut logout, ID);
    write(&mut logout, ID, b"another visit");
    destroy(&mut object, ID);
    assert_eq!(attempt(&mut object, NEW, b"logged in"), Written::Refused);
}

#[test]
fn only_an_id_that_was_never_read_is_refused() {
    let (store, mut object, mut logout) = two();
    write(&mut logout, THIRD, b"known");
    read(&mut object, THIRD);
    write(&mut logout, ID, b"logged in");
    read(&mut object, ID);
    destroy(&mut logout, ID);
    destroy(&mut object, ID);
    assert_eq!(attempt(&mut object, THIRD, b"changed"), Written::Stored);
    assert_eq!(attempt(&mut object, ID, b"begun again"), Written::Stored, "as it destroyed that itself");
    assert_eq!(attempt(&mut object, NEW, b"logged in"), Written::Refused);
    assert_eq!(refused(&store), 1);
}

#[test]
fn a_touch_is_refused_where_it_would_write() {
    let (store, mut object, mut logout) = two();
    write(&mut logout, ID, b"logged in");
    write(&mut logout, THIRD, b"there");
    read(&mut object, ID);
    destroy(&mut logout, ID);
    destroy(&mut object, ID);
    assert_eq!(object.touch(THIRD, b"there", &EXCLUSIVE).expect("no failure"), Written::Stored);
    assert_eq!(object.touch(NEW, b"logged in", &EXCLUSIVE).expect("no failure"), Written::Refused);
    assert!(!logout.may_exist(NEW));
    assert_eq!(refused(&store), 1);
}

#[test]
fn a_session_that_nobody_ended_gets_a_new_id() {
    let (store, mut object, mut other) = two();
    write(&mut other, ID, b"logged in");
    read(&mut object, ID);
    write(&mut other, ID, b"changed");
    assert!(destroy(&mut object, ID));
    assert_eq!(attempt(&mut object, NEW, b"logged in"), Written::Stored);
    // Also one that does not exist, that it ended before, or that it never read.
    for id in [NEW, NEW, THIRD] {
        destroy(&mut object, id);
        assert_eq!(attempt(&mut object, ID, b"new"), Written::Stored);
    }
    read(&mut object, THIRD);
    destroy(&mut object, THIRD);
    assert_eq!(attempt(&mut object, NEW, b"new"), Written::Stored);
    assert_eq!(refused(&store), 0);
}

#[test]
fn a_refusal_ends_with_the_php_request() {
    let (_, mut object, mut logout) = two();
    write(&mut logout, ID, b"logged in");
    read(&mut object, ID);
    destroy(&mut logout, ID);
    destroy(&mut object, ID);
    object.forget();
    assert_eq!(attempt(&mut object, NEW, b"another visit"), Written::Stored);
}

#[test]
fn an_id_that_was_replaced_shows_what_is_still_the_same_and_is_not_written() {
    for (payload, shown) in [(&b"same"[..], &b"same"[..]), (b"logged in", b"")] {
        let (store, mut object) = one();
        finish(rotating(&store), payload);
        assert_eq!(read(&mut object, ID), shown);
        assert!(object.may_exist(ID));
        assert_eq!(attempt(&mut object, ID, b"changed"), Written::Ended);
        assert_eq!(read(&mut object, ID), shown);
        assert_eq!(read(&mut object, NEW), payload);
    }
}

#[test]
fn an_id_that_was_replaced_gets_no_new_one() {
    // Before the object read it, and since.
    for before in [true, false] {
        let (store, mut object) = one();
        let request = rotating(&store);
        if before {
            finish(request, b"same");
            assert_eq!(read(&mut object, ID), b"same");
        } else {
            assert_eq!(read(&mut object, ID), b"same", "as it is stored");
            finish(request, b"same");
        }
        assert!(!destroy(&mut object, ID));
        assert_eq!(attempt(&mut object, THIRD, b"same"), Written::Refused);
        assert!(!object.may_exist(THIRD));
        assert_eq!(read(&mut object, NEW), b"same");
    }
}

#[test]
fn an_id_that_is_being_replaced_is_read_as_it_is_and_not_written() {
    for mode in [LockMode::Exclusive, LockMode::Merge, LockMode::None] {
        let (store, mut object) = one();
        let request = rotating(&store);
        assert_eq!(read(&mut object, ID), b"same");
        let written = object.write(ID, b"changed", &in_mode(mode), Format::Php).expect("nobody waits");
        assert_eq!(written, Written::Ended, "{mode:?}");
        finish(request, b"logged in");
        assert_eq!(read(&mut object, ID), b"");
    }
}

#[test]
fn an_id_whose_replacement_was_given_up_is_written_again() {
    for mode in [LockMode::Exclusive, LockMode::Merge, LockMode::None] {
        let (store, mut object) = one();
        let request = rotating(&store);
        assert_eq!(read(&mut object, ID), b"same");
        drop(request);
        let written = object.write(ID, b"changed", &in_mode(mode), Format::Php).expect("nobody holds it");
        assert_eq!(written, Written::Stored, "{mode:?}");
        assert_eq!(read(&mut object, ID), b"changed");
    }
}

#[test]
fn an_id_whose_replacement_was_given_up_gets_a_new_one() {
    let (store, mut object) = one();
    let request = rotating(&store);
    assert_eq!(read(&mut object, ID), b"same");
    drop(request);
    assert!(destroy(&mut object, ID));
    assert_eq!(attempt(&mut object, THIRD, b"logged in"), Written::Stored);
}
