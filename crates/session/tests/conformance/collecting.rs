//! What collecting removes: everything past its lifetime, or nothing where the storage has removed it already.

use std::time::{Duration, Instant};

use cloakroom_session::{Effort, Key};

use crate::expiry::{Living as _, SHORT, until_gone};
use crate::steps::{UNLOCKED, exists, key, put, stored, swap};
use crate::{Open, Shared};

/// Makes `count` sessions that expire and five that do not; answers the latter when the former have expired.
fn expired_and_living(store: &Shared, count: u32) -> Vec<Key> {
    let keys: Vec<_> = (0..count).map(|number| key(store, &format!("short{number}"))).collect();
    // Long enough that none expires while the others are made: a store may reclaim it for the next.
    let lifetime = 2 * SHORT;
    let began = Instant::now();
    for key in &keys {
        swap(store, key, &UNLOCKED.living(lifetime), b"payload");
    }
    let living: Vec<_> = (0..5).map(|number| key(store, &format!("long{number}"))).collect();
    for key in &living {
        put(store, key, b"payload");
    }
    for key in &keys {
        until_gone(store, key, began);
    }
    living
}

pub(crate) fn collect_counts_what_it_removes(open: Open<'_>) {
    let store = &*open();
    assert_eq!(store.collect(Effort::All).expect("no failure"), 0);
    let living = expired_and_living(store, 40);
    // For readers they are gone at once; their space is taken when another clock agrees, a second later at most.
    let start = Instant::now();
    let mut removed = 0;
    while removed < 40 && start.elapsed() < Duration::from_secs(5) {
        removed += store.collect(Effort::All).expect("no failure");
    }
    assert_eq!(removed, 40);
    assert_eq!(store.collect(Effort::All).expect("no failure"), 0);
    for key in &living {
        assert_eq!(stored(store, key).as_deref(), Some(&b"payload"[..]));
    }
}

pub(crate) fn small_steps_remove_everything_in_the_end(open: Open<'_>) {
    let store = &*open();
    let living = expired_and_living(store, 40);
    let start = Instant::now();
    let mut removed = 0;
    while removed < 40 && start.elapsed() < Duration::from_secs(20) {
        removed += store.collect(Effort::Step).expect("no failure");
    }
    assert_eq!(removed, 40);
    assert_eq!(store.collect(Effort::All).expect("no failure"), 0);
    for key in &living {
        assert!(exists(store, key));
    }
}

pub(crate) fn nothing_is_left_to_collect(open: Open<'_>) {
    let store = &*open();
    let living = expired_and_living(store, 40);
    for effort in [Effort::Step, Effort::All] {
        assert_eq!(store.collect(effort).expect("no failure"), 0);
    }
    let status = store.status().expect("no failure");
    let sessions = status.iter().find(|(name, _)| *name == "sessions").expect("is told").1;
    assert_eq!(sessions, living.len() as u64, "the expired ones are gone without being collected");
    for key in &living {
        assert_eq!(stored(store, key).as_deref(), Some(&b"payload"[..]));
    }
}
