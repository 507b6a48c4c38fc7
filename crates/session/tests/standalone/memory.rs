//! What an object remembers of the sessions that it read: how many, and for how long.

use super::*;

fn ids(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|number| format!("id{number}").into_bytes()).collect()
}

fn read_all(object: &mut Standalone, ids: &[Vec<u8>]) {
    for id in ids {
        read(object, id);
    }
}

#[test]
fn however_many_others_are_read_a_change_of_others_stays() {
    for mode in [LockMode::Exclusive, LockMode::Merge] {
        let (_, mut object, mut other) = two();
        write(&mut other, ID, b"a:1:{s:1:\"a\";i:1;}");
        read(&mut object, ID);
        read_all(&mut object, &ids(40));
        write(&mut other, ID, b"a:1:{s:1:\"a\";i:2;}");
        let refused = object.write(ID, b"a:1:{s:1:\"b\";i:3;}", &in_mode(mode), Format::PhpSerialize);
        assert!(matches!(refused, Err(RequestError::VersionChanged)), "{mode:?}");
        assert_eq!(read(&mut other, ID), b"a:1:{s:1:\"a\";i:2;}");
    }
}

#[test]
fn however_many_others_are_read_a_destruction_is_final() {
    for mode in [LockMode::Exclusive, LockMode::Merge, LockMode::None] {
        let (_, mut object, mut logout) = two();
        write(&mut logout, ID, b"logged in");
        read(&mut object, ID);
        read_all(&mut object, &ids(100));
        destroy(&mut logout, ID);
        for payload in [&b"logged in"[..], b"still logged in"] {
            let written = object.write(ID, payload, &in_mode(mode), Format::Php).expect("dropped");
            assert_eq!(written, Written::Ended, "{mode:?}");
        }
        assert!(!logout.may_exist(ID));
    }
}

#[test]
fn the_sessions_used_last_are_merged_and_others_that_did_not_change_are_written() {
    let (_, mut object, mut other) = two();
    let ids = ids(9);
    for id in &ids {
        write(&mut other, id, b"a:1:{s:1:\"a\";i:1;}");
        read(&mut object, id);
    }
    let merge = in_mode(LockMode::Merge);
    let (dropped, kept) = ids.split_first().expect("nine");
    for id in kept {
        write(&mut other, id, b"a:2:{s:1:\"a\";i:1;s:1:\"b\";i:2;}");
        let mine = b"a:2:{s:1:\"a\";i:1;s:1:\"c\";i:3;}";
        assert_eq!(object.write(id, mine, &merge, Format::PhpSerialize).expect("merged"), Written::Stored);
        assert_eq!(read(&mut other, id), b"a:3:{s:1:\"a\";i:1;s:1:\"b\";i:2;s:1:\"c\";i:3;}");
    }
    assert_eq!(object.write(dropped, b"a:0:{}", &merge, Format::PhpSerialize).expect("unchanged"), Written::Stored);
    assert_eq!(read(&mut other, dropped), b"a:0:{}");
}

#[test]
fn without_a_lock_the_last_write_wins_whether_the_payload_is_kept_or_not() {
    let (_, mut object, mut other) = two();
    read(&mut object, ID);
    read_all(&mut object, &ids(10));
    write(&mut other, ID, b"newer");
    assert_eq!(object.write(ID, b"last", &UNLOCKED, Format::Php).expect("no lock"), Written::Stored);
    assert_eq!(read(&mut other, ID), b"last");
}

#[test]
fn a_payload_too_long_for_a_merge_is_replaced_while_it_is_among_the_last() {
    let (_, mut object, mut other) = two();
    let (long, merge) = (vec![b'x'; 300 << 10], in_mode(LockMode::Merge));
    write(&mut other, ID, &long);
    read(&mut object, ID);
    write(&mut other, ID, b"newer");
    assert_eq!(object.write(ID, b"last", &merge, Format::Php).expect("no base"), Written::Stored);
    read(&mut other, ID);
    write(&mut other, ID, &long);
    read(&mut object, ID);
    read_all(&mut object, &ids(8));
    write(&mut other, ID, b"newest");
    assert!(matches!(object.write(ID, b"last", &merge, Format::Php), Err(RequestError::VersionChanged)));
}

#[test]
fn an_object_reads_4096_sessions_and_then_no_further_one() {
    let (_, mut object, mut other) = two();
    let ids = ids(4096);
    read_all(&mut object, &ids);
    write(&mut other, ID, b"stored");
    for _ in 0..2 {
        assert!(matches!(object.begin_read(ID, Duration::ZERO), Err(RequestError::TooManyRead { limit: 4096 })));
        let unread = object.write(ID, b"never seen", &EXCLUSIVE, Format::Php);
        assert!(matches!(unread, Err(RequestError::ReadIncomplete)));
    }
    assert_eq!(read(&mut other, ID), b"stored");
    let [first, second, ..] = &ids[..] else { unreachable!("there are more") };
    assert_eq!(read(&mut object, first), b"");
    write(&mut object, first, b"known");
    write(&mut other, second, b"newer");
    assert!(matches!(object.write(second, b"old", &EXCLUSIVE, Format::Php), Err(RequestError::VersionChanged)));
    // What it never read it may write, but does not remember.
    write(&mut object, b"new", b"one");
    write(&mut other, b"new", b"two");
    write(&mut object, b"new", b"three");
    destroy(&mut object, first);
    assert_eq!(read(&mut object, ID), b"stored", "there is room again");
    write(&mut object, ID, b"changed");
}

#[test]
fn what_was_read_is_forgotten_with_the_php_request() {
    let (_, mut object, mut other) = two();
    write(&mut other, ID, b"stored");
    read(&mut object, ID);
    write(&mut other, ID, b"newer");
    object.begin_read(b"unfinished", Duration::ZERO).expect("memory does not fail");
    object.forget();
    assert!(matches!(object.finish_read(&mut Room::over(&mut [])), Err(RequestError::OutOfOrder)));
    write(&mut object, ID, b"of the next request");
    write(&mut object, b"unfinished", b"of the next request");
}

#[test]
fn what_was_read_is_forgotten_when_an_end_would_be_too() {
    let (_, mut object, mut other) = two();
    object.set_terms(Terms {
        end: End::at_once(Duration::from_secs(1)),
        format: |_| Format::Php,
        user: UserPath::NONE,
        version: 0,
    });
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    read(&mut object, ID);
    write(&mut other, ID, b"newer");
    while !matches!(object.write(ID, b"mine", &EXCLUSIVE, Format::Php), Ok(Written::Stored)) {
        assert!(std::time::Instant::now() < deadline, "it is forgotten");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(read(&mut other, ID), b"mine");
}
