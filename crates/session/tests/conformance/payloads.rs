//! Payloads of every size and of any bytes, and what is refused.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use cloakroom_session::StoreError;
use cloakroom_session::seam::{Committed, End, MAX_PAYLOAD, Over};

use crate::Open;
use crate::steps::{EXCLUSIVE, LONG, UNLOCKED, key, put, stored, swap};

const SIZES: [usize; 9] = [0, 1, 1 << 10, 100, 4 << 10, 10 << 10, 100 << 10, 5 << 20, MAX_PAYLOAD];

/// Bytes that repeat with no power of two, so that a shifted or swapped block shows.
fn pattern(length: usize, seed: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from((at * 31 + at / 251 + seed) % 256).expect("below 256")).collect()
}

/// `assert_eq!` would print megabytes.
fn assert_same(found: &[u8], expected: &[u8], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let differ = found.iter().zip(expected).position(|(found, expected)| found != expected);
    assert_eq!(differ, None, "{what}");
}

pub(crate) fn every_size_comes_back_whole(open: Open<'_>) {
    let (store, other) = (&*open(), &*open());
    for size in SIZES {
        let key = key(store, &format!("size{size}"));
        let payload = pattern(size, size % 7);
        assert_eq!(swap(store, &key, &EXCLUSIVE, &payload), b"");
        let what = format!("{size} bytes");
        assert_same(&stored(other, &key).expect("it exists"), &payload, &what);
        assert_same(&swap(other, &key, &UNLOCKED, b"gone"), &payload, &what);
        assert!(store.destroy(&key, End::at_once(LONG)).expect("no failure"));
    }
}

pub(crate) fn every_byte_comes_back(open: Open<'_>) {
    let store = &*open();
    let key = key(store, "a");
    let all: Vec<u8> = (0..=u8::MAX).chain((0..=u8::MAX).rev()).collect();
    for payload in [&all[..], b"\0", b"\0\0\0\0", b"a\0b", b"\xff\xfe", "ä€😀".as_bytes()] {
        put(store, &key, payload);
        assert_eq!(stored(store, &key).as_deref(), Some(payload));
    }
}

pub(crate) fn sizes_may_change_in_any_order(open: Open<'_>) {
    let store = &*open();
    let key = key(store, "a");
    let mut before = Vec::new();
    for (turn, size) in [10, 0, 5000, 4999, 5001, 100 << 10, 1, 1, 300 << 10, 1024, 0, 0, 77].into_iter().enumerate() {
        let payload = pattern(size, turn);
        assert_same(&swap(store, &key, &EXCLUSIVE, &payload), &before, &format!("turn {turn}"));
        before = payload;
    }
}

pub(crate) fn too_large_payloads_are_refused_and_the_old_one_stays(open: Open<'_>) {
    let store = &*open();
    let key = key(store, "a");
    put(store, &key, b"kept");
    for how in [EXCLUSIVE, UNLOCKED] {
        let mut lease = store.acquire(&key, &how).expect("free");
        let Err(StoreError::TooLarge { found, limit }) = lease.commit(&vec![1; MAX_PAYLOAD + 1], LONG, Over::Anything)
        else {
            panic!("no store takes more than 16 MiB");
        };
        assert_eq!((found, limit), (MAX_PAYLOAD as u64 + 1, MAX_PAYLOAD as u64));
        assert_eq!(swap(store, &key, &EXCLUSIVE, b"kept"), b"kept");
    }
}

pub(crate) fn readers_see_whole_payloads_only(open: Open<'_>) {
    let store = &*open();
    let key = key(store, "a");
    let payload = |turn: u8| vec![turn; 1 + usize::from(turn) * 97];
    put(store, &key, &payload(0));
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let store = &*open();
            let mut reads = 0_u32;
            while !done.load(Ordering::Acquire) || reads == 0 {
                let found = stored(store, &key).expect("it exists");
                assert_same(&found, &payload(found[0]), "a torn payload");
                reads += 1;
            }
        });
        for turn in (0..=u8::MAX).cycle().take(2000) {
            let mut lease = store.acquire(&key, &EXCLUSIVE).expect("free");
            assert_eq!(lease.commit(&payload(turn), LONG, Over::Anything).expect("there is room"), Committed::Stored);
        }
        done.store(true, Ordering::Release);
        reader.join().expect("every payload was whole");
    });
}
