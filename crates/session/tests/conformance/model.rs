//! Random sequences of operations against a plain map.

use std::collections::HashMap;

use cloakroom_session::seam::Room;
use cloakroom_session::seam::{Committed, End, Over};
use cloakroom_session::{Acquire, Effort, Key, Lease};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::steps::{EXCLUSIVE, LONG, UNLOCKED, key_in};
use crate::{Open, Shared};

const SESSIONS: [(&str, &str); 6] = [("", "a"), ("", "b"), ("", "ab"), ("a", "b"), ("a", "a"), ("shop", "a")];

/// How many leases may be open beside each other.
const SLOTS: usize = 4;

#[derive(Clone, Debug)]
enum Operation {
    /// Acquires with a lock and ends the lease at once.
    Cycle(usize, Finish),
    /// Acquires without a lock and keeps the lease in a slot; what was there is dropped.
    Begin(usize, usize),
    /// Ends the lease of a slot.
    Finish(usize, Finish),
    Destroy(usize),
    Snapshot(usize),
    Exists(usize),
    Collect,
}

#[derive(Clone, Debug)]
enum Finish {
    Commit(Vec<u8>),
    Touch,
    Destroy,
    Release,
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let session = 0..SESSIONS.len();
    let payload = prop_oneof![4 => vec(any::<u8>(), 0..64), 1 => vec(any::<u8>(), 0..5000)];
    let end = prop_oneof![
        4 => payload.prop_map(Finish::Commit),
        1 => Just(Finish::Touch),
        1 => Just(Finish::Destroy),
        1 => Just(Finish::Release),
    ];
    vec(
        prop_oneof![
            4 => (session.clone(), end.clone()).prop_map(|(session, end)| Operation::Cycle(session, end)),
            3 => (0..SLOTS, session.clone()).prop_map(|(slot, session)| Operation::Begin(slot, session)),
            3 => (0..SLOTS, end).prop_map(|(slot, end)| Operation::Finish(slot, end)),
            1 => session.clone().prop_map(Operation::Destroy),
            1 => session.clone().prop_map(Operation::Snapshot),
            1 => session.prop_map(Operation::Exists),
            1 => Just(Operation::Collect),
        ],
        0..80,
    )
}

/// What a store is, without time: each session with the incarnation that lives.
#[derive(Default)]
struct Model {
    sessions: HashMap<usize, (u64, Vec<u8>)>,
    incarnations: u64,
}

struct Begun {
    session: usize,
    incarnation: u64,
    lease: Box<dyn Lease>,
}

impl Model {
    /// Acquires in the store and here, and compares what both say.
    fn acquire(&mut self, store: &Shared, keys: &[Key], session: usize, how: &Acquire<'_>) -> Begun {
        let mut lease = store.acquire(&keys[session], how).expect("nobody else is there");
        assert_eq!(lease.is_new(), !self.sessions.contains_key(&session));
        let incarnations = &mut self.incarnations;
        let (incarnation, payload) = self.sessions.entry(session).or_insert_with(|| {
            *incarnations += 1;
            (*incarnations, Vec::new())
        });
        let mut read = vec![0; lease.payload_len()];
        lease.read_payload(&mut Room::over(&mut read)).expect("whole");
        assert_eq!(&read, payload);
        Begun { session, incarnation: *incarnation, lease }
    }

    fn end(&mut self, open: Begun, end: Finish) {
        let Begun { session, incarnation, mut lease } = open;
        let current = self.sessions.get(&session).is_some_and(|(lives, _)| *lives == incarnation);
        let expected = if current { Committed::Stored } else { Committed::Ended };
        match end {
            Finish::Commit(payload) => {
                assert_eq!(lease.commit(&payload, LONG, Over::Anything).expect("there is room"), expected);
                if current {
                    self.sessions.insert(session, (incarnation, payload));
                }
            }
            Finish::Touch => {
                // What is passed counts only where the session vanished, which nothing here makes it do.
                assert_eq!(lease.touch(b"not written", LONG).expect("no failure"), expected);
            }
            Finish::Destroy => {
                assert_eq!(lease.destroy(End::at_once(LONG)).expect("no failure"), current);
                if current {
                    self.sessions.remove(&session);
                }
            }
            Finish::Release => lease.release(),
        }
    }
}

fn run(store: &Shared, operations: Vec<Operation>) {
    let keys = SESSIONS.map(|(namespace, id)| key_in(store, namespace, id));
    for key in &keys {
        store.destroy(key, End::at_once(LONG)).expect("no failure");
    }
    let mut model = Model::default();
    let mut slots: [Option<Begun>; SLOTS] = Default::default();
    for operation in operations {
        match operation {
            Operation::Cycle(session, end) => {
                let open = model.acquire(store, &keys, session, &EXCLUSIVE);
                model.end(open, end);
            }
            Operation::Begin(slot, session) => {
                slots[slot] = None;
                slots[slot] = Some(model.acquire(store, &keys, session, &UNLOCKED));
            }
            Operation::Finish(slot, end) => {
                if let Some(open) = slots[slot].take() {
                    model.end(open, end);
                }
            }
            Operation::Destroy(session) => {
                let was_there = store.destroy(&keys[session], End::at_once(LONG)).expect("no failure");
                assert_eq!(was_there, model.sessions.remove(&session).is_some());
            }
            Operation::Snapshot(session) => {
                let found = store.snapshot(&keys[session]).map(|found| found.0).expect("no failure");
                assert_eq!(found.as_ref(), model.sessions.get(&session).map(|(_, payload)| payload));
            }
            Operation::Exists(session) => {
                let exists = store.exists(&keys[session]).expect("no failure");
                assert_eq!(exists, model.sessions.contains_key(&session));
            }
            Operation::Collect => assert_eq!(store.collect(Effort::All).expect("no failure"), 0),
        }
    }
    drop(slots);
    for (session, key) in keys.iter().enumerate() {
        let found = store.snapshot(key).map(|found| found.0).expect("no failure");
        assert_eq!(found.as_ref(), model.sessions.get(&session).map(|(_, payload)| payload));
    }
}

pub(crate) fn sequences_of_operations_match_a_plain_map(open: Open<'_>) {
    let store = open();
    let config = Config { cases: 300, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&operations(), |operations| {
            run(&*store, operations);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}
