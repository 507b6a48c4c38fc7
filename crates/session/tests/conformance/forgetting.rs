//! What a store of a bounded size does about ends that it cannot remember for as long as it was asked to.

use cloakroom_session::Acquire;
use cloakroom_session::seam::{Committed, End, Over};

use crate::Open;
use crate::steps::{BOTH, LONG, UNLOCKED, exists, key, put, stored};

pub(crate) fn an_end_that_was_forgotten_early_still_stops_a_slower_request(open: Open<'_>) {
    let (store, other) = (&*open(), &*open());
    put(store, &key(store, "stays"), b"payload");
    let key = |id: &str| key(store, id);
    let ended = key("a");
    let absent = store.snapshot(&ended).expect("no failure").1;
    put(store, &ended, b"logged in");
    let read = store.snapshot(&ended).expect("no failure").1;
    let [mut commits, mut touches] = [(); 2].map(|()| store.acquire(&ended, &UNLOCKED).expect("no lock"));
    assert!(other.destroy(&ended, End::at_once(LONG)).expect("no failure"));
    let mut ends = 0;
    while !store.is_vacant(&ended).expect("no failure") {
        ends += 1;
        assert!(ends < 100_000, "the store remembers more than it has room for");
        let key = key(&format!("flood{ends}"));
        put(other, &key, b"x");
        assert!(other.destroy(&key, End::at_once(LONG)).expect("no failure"));
    }
    assert_eq!(commits.commit(b"logged in", LONG, Over::Anything).expect("no failure"), Committed::Ended);
    assert_eq!(touches.touch(b"logged in", LONG).expect("no failure"), Committed::Ended);
    for how in BOTH {
        for since in [read, absent] {
            let mut late = store.acquire(&ended, &Acquire { since: Some(since), ..how }).expect("free");
            assert_eq!(late.commit(b"logged in", LONG, Over::Anything).expect("no failure"), Committed::Ended);
            assert!(!exists(store, &ended));
        }
    }
    // Who begins later begins afresh.
    for how in BOTH {
        let mut fresh = store.acquire(&ended, &how).expect("free");
        assert_eq!(fresh.payload_len(), 0);
        assert_eq!(fresh.commit(b"fresh", LONG, Over::Anything).expect("there is room"), Committed::Stored);
        assert_eq!(stored(store, &ended).as_deref(), Some(&b"fresh"[..]));
        assert!(store.destroy(&ended, End::at_once(LONG)).expect("no failure"));
    }
}
