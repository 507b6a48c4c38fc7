//! Who waits for whom, for how long, and in which order.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use cloakroom_session::seam::Room;
use cloakroom_session::seam::{Committed, End, Over};
use cloakroom_session::{Acquire, Key, StoreError};

use crate::steps::{BOTH, EXCLUSIVE, LONG, UNLOCKED, exists, is_free, key, key_in, put, stored, swap};
use crate::{Open, Shared};

/// The longest any condition is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many sessions every store lets one thread hold at a time.
const LEASES_OF_A_THREAD: u8 = 8;

const NO_WAIT: Acquire<'static> = Acquire { wait: Duration::ZERO, ..EXCLUSIVE };

/// Waits until `waiting` requests queue for the lock of `key`, as a newcomer is told.
fn until_waiting(store: &Shared, key: &Key, waiting: u32) {
    let began = Instant::now();
    let probe = Acquire { wait: Duration::from_millis(5), max_waiters: waiting, ..EXCLUSIVE };
    loop {
        match store.acquire(key, &probe) {
            Err(StoreError::TooManyWaiters { .. }) => return,
            Err(StoreError::LockTimeout { .. }) => {}
            Err(error) => panic!("{error}"),
            Ok(_) => panic!("the lock is held"),
        }
        assert!(began.elapsed() < PATIENCE, "{waiting} requests never waited");
    }
}

/// Runs `body` while another thread holds the lock of `key`, then lets go.
fn while_held(store: &Shared, key: &Key, body: impl FnOnce()) {
    thread::scope(|scope| {
        let (taken, is_taken) = mpsc::channel();
        let (finish, is_finished) = mpsc::channel::<()>();
        scope.spawn(move || {
            let mut lease = store.acquire(key, &EXCLUSIVE).expect("free");
            taken.send(()).expect("heard");
            // An error is as good a sign as a message: the other side is gone.
            is_finished.recv().unwrap_or_default();
            lease.release();
        });
        is_taken.recv().expect("taken");
        body();
        drop(finish);
    });
}

pub(crate) fn one_lease_at_a_time(open: Open<'_>) {
    let (store, other) = (&*open(), &*open());
    let key = key(store, "a");
    let mut lease = store.acquire(&key, &EXCLUSIVE).expect("free");
    assert!(!is_free(store, &key));
    assert!(!is_free(other, &key), "another handle is no way around the lock");
    let entered = AtomicBool::new(false);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let before = swap(other, &key, &EXCLUSIVE, b"second");
            entered.store(true, Ordering::SeqCst);
            before
        });
        until_waiting_from_another_thread(store, &key, 1);
        assert!(!entered.load(Ordering::SeqCst));
        assert_eq!(lease.commit(b"first", LONG, Over::Anything).expect("there is room"), Committed::Stored);
        assert_eq!(waiter.join().expect("gets the lock"), b"first");
    });
    assert_eq!(stored(store, &key).as_deref(), Some(&b"second"[..]));
}

/// [`until_waiting`] for a thread that holds the lock itself.
fn until_waiting_from_another_thread(store: &Shared, key: &Key, waiting: u32) {
    thread::scope(|scope| scope.spawn(|| until_waiting(store, key, waiting)).join().expect("they wait"));
}

pub(crate) fn the_lock_passes_in_order_of_arrival(open: Open<'_>) {
    let store = &*open();
    let key = key(store, "a");
    let mut lease = store.acquire(&key, &EXCLUSIVE).expect("free");
    thread::scope(|scope| {
        for number in 1..=5_u8 {
            let key = &key;
            scope.spawn(move || {
                let mut lease = store.acquire(key, &EXCLUSIVE).expect("in time");
                let mut order = vec![0; lease.payload_len()];
                lease.read_payload(&mut Room::over(&mut order)).expect("whole");
                order.push(number);
                lease.commit(&order, LONG, Over::Anything).expect("there is room");
            });
            until_waiting_from_another_thread(store, key, u32::from(number));
        }
        lease.release();
    });
    assert_eq!(stored(store, &key), Some(vec![1, 2, 3, 4, 5]));
}

pub(crate) fn no_update_is_lost(open: Open<'_>) {
    const EACH: u32 = 200;
    let store = &*open();
    let key = key(store, "counter");
    put(store, &key, &0_u32.to_le_bytes());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let store = &*open();
                for _ in 0..EACH {
                    let mut lease = store.acquire(&key, &EXCLUSIVE).expect("in time");
                    let mut bytes = [0; 4];
                    lease.read_payload(&mut Room::over(&mut bytes)).expect("whole");
                    let next = (u32::from_le_bytes(bytes) + 1).to_le_bytes();
                    assert_eq!(lease.commit(&next, LONG, Over::Anything).expect("there is room"), Committed::Stored);
                }
            });
        }
    });
    assert_eq!(stored(store, &key), Some((4 * EACH).to_le_bytes().to_vec()));
}

pub(crate) fn waiting_in_vain_names_the_holder(open: Open<'_>) {
    let store = &*open();
    let key = key(store, "a");
    while_held(store, &key, || {
        let wait = Duration::from_millis(300);
        let began = Instant::now();
        let Err(StoreError::LockTimeout { waited, holder }) = store.acquire(&key, &Acquire { wait, ..EXCLUSIVE })
        else {
            panic!("the lock is held");
        };
        let took = began.elapsed();
        assert!(took >= wait && took < wait + PATIENCE, "{took:?}");
        assert!(waited >= wait && waited <= took, "{waited:?} of {took:?}");
        assert_eq!(holder.pid, std::process::id());
        assert_eq!(holder.script, "/srv/conformance.php");
        // The clock by which a holder notes its start may tick in milliseconds.
        assert!(holder.held + Duration::from_millis(20) >= wait && holder.held < PATIENCE, "{:?}", holder.held);

        let began = Instant::now();
        assert!(matches!(store.acquire(&key, &NO_WAIT), Err(StoreError::LockTimeout { .. })));
        assert!(began.elapsed() < wait, "zero seconds mean at once");
    });
    assert!(is_free(store, &key));
}

pub(crate) fn too_many_waiters_are_turned_away(open: Open<'_>) {
    let store = &*open();
    let key = key(store, "a");
    let served = AtomicU32::new(0);
    thread::scope(|scope| {
        while_held(store, &key, || {
            for number in 1..=2 {
                scope.spawn(|| {
                    store.acquire(&key, &EXCLUSIVE).expect("in time").release();
                    served.fetch_add(1, Ordering::SeqCst);
                });
                until_waiting(store, &key, number);
            }
            let began = Instant::now();
            let Err(StoreError::TooManyWaiters { waiting, limit, holder }) =
                store.acquire(&key, &Acquire { max_waiters: 2, ..EXCLUSIVE })
            else {
                panic!("two requests wait already");
            };
            assert!(began.elapsed() < PATIENCE, "it does not queue");
            assert_eq!((waiting, limit, holder.pid), (2, 2, std::process::id()));
            assert_eq!(served.load(Ordering::SeqCst), 0);
        });
    });
    assert_eq!(served.into_inner(), 2, "who waited before is served");
}

pub(crate) fn a_second_acquire_of_the_same_thread_fails_at_once(open: Open<'_>) {
    let (store, other) = (&*open(), &*open());
    let (held, free) = (key(store, "held"), key(store, "free"));
    let mut lease = store.acquire(&held, &EXCLUSIVE).expect("free");
    for handle in [store, other] {
        let began = Instant::now();
        assert!(matches!(handle.acquire(&held, &EXCLUSIVE), Err(StoreError::HeldHere)));
        assert!(began.elapsed() < EXCLUSIVE.wait / 2);
    }
    store.acquire(&free, &EXCLUSIVE).expect("another session may be held as well").release();
    lease.commit(b"x", LONG, Over::Anything).expect("the lease is none the worse for it");
    store.acquire(&held, &EXCLUSIVE).expect("free again").release();
}

pub(crate) fn without_a_lock_nobody_waits(open: Open<'_>) {
    let store = &*open();
    let key = key(store, "a");
    while_held(store, &key, || {
        assert_eq!(swap(store, &key, &UNLOCKED, b"written beside the lock"), b"");
    });
    let mut unlocked = store.acquire(&key, &UNLOCKED).expect("no lock");
    assert!(is_free(store, &key), "a lease without a lock keeps nobody out");
    unlocked.release();
}

pub(crate) fn readers_never_wait(open: Open<'_>) {
    let store = &*open();
    let (held, absent) = (key(store, "held"), key(store, "absent"));
    put(store, &held, b"committed");
    while_held(store, &held, || {
        let began = Instant::now();
        for _ in 0..100 {
            assert_eq!(stored(store, &held).as_deref(), Some(&b"committed"[..]));
            assert!(exists(store, &held) && !exists(store, &absent));
            assert_eq!(stored(store, &absent), None);
        }
        assert!(began.elapsed() < PATIENCE);
    });
}

pub(crate) fn every_end_of_a_lease_unlocks(open: Open<'_>) {
    let store = &*open();
    let key = key(store, "a");
    let ends: [fn(Box<dyn cloakroom_session::Lease>); 6] = [
        |mut lease| assert_eq!(lease.commit(b"x", LONG, Over::Anything).expect("there is room"), Committed::Stored),
        |mut lease| assert_eq!(lease.touch(b"x", LONG).expect("no failure"), Committed::Stored),
        |mut lease| assert!(lease.destroy(End::at_once(LONG)).expect("no failure")),
        |mut lease| lease.release(),
        |lease| drop(lease),
        |mut lease| assert!(lease.commit(&vec![0; (16 << 20) + 1], LONG, Over::Anything).is_err()),
    ];
    for end in ends {
        let lease = store.acquire(&key, &NO_WAIT).expect("free");
        assert!(!is_free(store, &key));
        end(lease);
        assert!(is_free(store, &key));
    }
}

pub(crate) fn different_sessions_do_not_wait_for_each_other(open: Open<'_>) {
    let store = &*open();
    let leases: Vec<_> = (0..LEASES_OF_A_THREAD)
        .map(|number| store.acquire(&key(store, &format!("s{number}")), &NO_WAIT).expect("nobody else's"))
        .collect();
    for (number, mut lease) in (0_u8..).zip(leases) {
        lease.commit(&[number], LONG, Over::Anything).expect("there is room");
    }
    assert_eq!(stored(store, &key(store, &format!("s{}", LEASES_OF_A_THREAD - 1))), Some(vec![LEASES_OF_A_THREAD - 1]));
}

pub(crate) fn namespaces_do_not_wait_for_each_other(open: Open<'_>) {
    let store = &*open();
    let (shop, blog) = (key_in(store, "shop", "a"), key_in(store, "blog", "a"));
    while_held(store, &shop, || {
        for how in BOTH {
            swap(store, &blog, &Acquire { wait: Duration::ZERO, ..how }, b"x");
        }
    });
}
