//! Three requests on sessions that get other ids, in every order of their calls, against a model that knows the rules of
//! docs/design.md only: what each request reads, whether a rotation gives a new id, and what is stored in the end.
//!
//! Each request has a thread of its own, as a lock belongs to a thread, and no call waits: one that would have to wait
//! fails at once, and so it does in the model. The sessions are maps of numbers, so that a merge is the plain one by key.

mod model;

use std::cell::Cell;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use cloakroom_session::UserPath;
use cloakroom_session::any_store::Options;
use cloakroom_session::merge::Format;
use cloakroom_session::request::{Finished, RequestError, Terms};
use cloakroom_session::seam::{Committed, End, Room};
use cloakroom_session::version_changed::Origin;
use cloakroom_session::{Acquire, AnyStore, LockMode, Namespace, Request, StoreError};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestCaseError, TestRng, TestRunner};

use model::{Call, Data, Id, Model, Outcome};

const HOUR: Duration = Duration::from_secs(3600);
const REQUESTS: usize = 3;
const TERMS: Terms =
    Terms { end: End { tombstone: HOUR, grace: HOUR }, format: |_| Format::Php, user: UserPath::NONE, version: 0 };

fn encoded(data: &Data) -> Vec<u8> {
    data.iter().map(|(key, value)| format!("k{key}|i:{value};")).collect::<String>().into_bytes()
}

fn decoded(payload: &[u8]) -> Data {
    let text = std::str::from_utf8(payload).expect("numbers");
    let pairs = text.split_terminator(';').map(|pair| pair.split_once("|i:").expect("a pair"));
    pairs.map(|(key, value)| (key[1..].parse().expect("a key"), value.parse().expect("a value"))).collect()
}

/// What a player is asked to do.
type Work = Box<dyn FnOnce(&mut State) + Send>;

/// One request, on a thread of its own.
struct Player {
    calls: Option<Sender<Work>>,
    thread: Option<JoinHandle<()>>,
}

struct State {
    store: AnyStore,
    request: Request,
    id: Id,
    mode: LockMode,
    data: Data,
    read: Vec<u8>,
}

fn name(id: Id) -> Vec<u8> {
    format!("id{id}").into_bytes()
}

fn how(mode: LockMode) -> Acquire<'static> {
    Acquire {
        mode,
        wait: Duration::ZERO,
        lock_ttl: HOUR,
        max_waiters: 0,
        lifetime: HOUR,
        script: b"",
        since: None,
        drawn: false,
    }
}

impl State {
    fn open(&mut self) {
        self.request.open(&self.store, &Namespace::EMPTY);
        self.request.set_terms(TERMS);
    }

    fn finish(&mut self, begun: Result<usize, RequestError>) -> Result<Vec<u8>, RequestError> {
        let mut length = begun?;
        loop {
            let mut out = vec![0; length];
            match self.request.finish_read(&mut Room::over(&mut out), true)? {
                Finished::Whole => return Ok(out),
                Finished::Again(now) => length = now,
            }
        }
    }

    fn write(&mut self) -> Committed {
        let payload = encoded(&self.data);
        let origin = || Origin { format: Format::Php, read: None };
        self.request.write(&name(self.id), &payload, &how(self.mode), origin).expect("there is room")
    }

    fn call(&mut self, call: &Call, new: Id) -> Outcome {
        match call {
            Call::Start(id, mode) => {
                self.open();
                let begun = self.request.begin_read(&name(*id), &how(*mode));
                match self.finish(begun) {
                    Ok(payload) => {
                        (self.id, self.mode, self.data) = (*id, *mode, decoded(&payload));
                        self.read = payload;
                        Outcome::Read(self.data.clone())
                    }
                    Err(RequestError::Store(StoreError::LockTimeout { .. })) => {
                        self.request.close();
                        Outcome::Locked
                    }
                    Err(error) => panic!("start: {error}"),
                }
            }
            Call::Set(key, value) => {
                self.data.insert(*key, *value);
                Outcome::Done
            }
            Call::Unset(key) => {
                self.data.remove(key);
                Outcome::Done
            }
            Call::Rotate(deletes) => {
                match self.request.may_rotate(&name(self.id), &how(self.mode)) {
                    Ok(true) => {}
                    Ok(false) => return Outcome::Rotated(self.id),
                    Err(RequestError::Store(StoreError::LockTimeout { .. })) => {
                        self.request.close();
                        return Outcome::Failed;
                    }
                    Err(error) => panic!("rotate: {error}"),
                }
                if *deletes {
                    self.request.leave(&name(self.id), Some(&self.read)).expect("leaves");
                } else if self.write() != Committed::Stored {
                    self.request.close();
                    return Outcome::Failed;
                }
                self.request.close_between();
                self.open();
                let begun = self.request.begin_successor(&name(new), &how(self.mode));
                match self.finish(begun) {
                    Ok(payload) => {
                        self.id = new;
                        self.read = payload;
                        Outcome::Rotated(new)
                    }
                    Err(RequestError::Overtaken) => Outcome::Failed,
                    Err(error) => panic!("rotate: {error}"),
                }
            }
            Call::Write => {
                self.write();
                self.request.close_in_order().expect("closes");
                Outcome::Done
            }
            Call::Destroy => {
                self.request.destroy(&name(self.id), End::at_once(HOUR)).expect("destroys");
                self.request.close_in_order().expect("closes");
                Outcome::Done
            }
            Call::Abort => {
                self.request.close();
                Outcome::Done
            }
            Call::Die => {
                self.request = Request::new();
                Outcome::Done
            }
            Call::Peek(id) => {
                let mut peeker = Request::new();
                peeker.open(&self.store, &Namespace::EMPTY);
                peeker.set_terms(TERMS);
                let length = peeker.begin_snapshot(&name(*id), &how(LockMode::None)).expect("reads");
                let mut out = vec![0; length];
                peeker.finish_read(&mut Room::over(&mut out), false).expect("reads");
                peeker.close();
                Outcome::Read(decoded(&out))
            }
        }
    }
}

impl Player {
    fn new(directory: &std::path::Path) -> Self {
        let (calls, received) = channel::<Work>();
        let directory = directory.to_owned();
        let thread = std::thread::spawn(move || {
            let options = Options { size: 16 << 20, create: true };
            let store = AnyStore::in_directory(&directory, &options).unwrap_or_else(|error| panic!("{error}"));
            let (request, data) = (Request::new(), Data::new());
            let mut state = State { store, request, id: 0, mode: LockMode::Merge, data, read: Vec::new() };
            for call in received {
                call(&mut state);
            }
        });
        Self { calls: Some(calls), thread: Some(thread) }
    }

    fn call(&self, call: Call, new: Id) -> Outcome {
        let (answer, answered) = channel();
        let work = move |state: &mut State| {
            let _gone = answer.send(state.call(&call, new));
        };
        self.calls.as_ref().expect("until it is dropped").send(Box::new(work)).expect("the thread lives");
        answered.recv().expect("the call comes to its end")
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        drop(self.calls.take());
        if let Some(thread) = self.thread.take() {
            let _reported_by_the_call = thread.join();
        }
    }
}

/// Numbers out of which a call is made, whatever state its request is in.
type Draw = (usize, u32, u8, u8);

fn made((at, kind, one, other): Draw, model: &Model, first: Id, modes: &[LockMode]) -> Call {
    let id = first + Id::from(one) % (model.next - first + 1);
    if model.requests[at].is_none() {
        return if kind < 3 { Call::Peek(id) } else { Call::Start(id, modes[usize::from(other) % modes.len()]) };
    }
    match kind {
        0..4 => Call::Set(one % 3, u32::from(other % 3)),
        4..7 => Call::Unset(one % 3),
        7..12 => Call::Rotate(true),
        12 => Call::Rotate(false),
        13..16 => Call::Write,
        16 => Call::Destroy,
        17 => Call::Abort,
        18 => Call::Die,
        _ => Call::Peek(id),
    }
}

/// Plays what is drawn and compares each answer with the model's.
fn play(players: &[Player; REQUESTS], first: Id, draws: &[Draw], modes: &[LockMode]) -> Result<Id, String> {
    let mut model = Model { next: first, ..Model::default() };
    let mut trace = Vec::new();
    let mut step = |model: &mut Model, at: usize, call: Call| {
        let new = model.next + 1;
        let expected = model.call(at, &call);
        trace.push(format!("{at}: {call:?} -> {expected:?}"));
        let found = players[at].call(call, new);
        if found == expected { Ok(()) } else { Err(format!("found {found:?} at the end of\n{}", trace.join("\n"))) }
    };
    for call in [Call::Start(first, LockMode::Merge), Call::Set(0, 7), Call::Set(1, 8), Call::Write] {
        step(&mut model, 0, call)?;
    }
    for draw in draws {
        let call = made(*draw, &model, first, modes);
        step(&mut model, draw.0, call)?;
    }
    for at in 0..REQUESTS {
        if model.requests[at].is_some() {
            step(&mut model, at, Call::Write)?;
        }
    }
    for id in first..=model.next {
        step(&mut model, 0, Call::Peek(id))?;
    }
    Ok(model.next)
}

/// How many sequences are played: the same ones each time. `CLOAKROOM_ROTATIONS` asks for more.
fn cases() -> u32 {
    std::env::var("CLOAKROOM_ROTATIONS").map_or(1500, |cases| cases.parse().expect("a number"))
}

/// Generated sequences, made as short as they can be where one fails.
fn sequences(modes: &[LockMode]) {
    let directory = tempfile::tempdir().expect("room for temporary files");
    let players: [Player; REQUESTS] = std::array::from_fn(|_| Player::new(directory.path()));
    let next = Cell::new(1);
    let draws = prop::collection::vec((0..REQUESTS, 0..20_u32, any::<u8>(), any::<u8>()), 1..24);
    let config = ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() };
    let numbers = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let played = TestRunner::new_with_rng(config, numbers).run(&draws, |draws| {
        // Each sequence has sessions of its own.
        let first = next.get();
        next.set(first + 100);
        let played = play(&players, first, &draws, modes);
        for player in &players {
            player.call(Call::Die, 0);
        }
        played.map(drop).map_err(TestCaseError::fail)
    });
    played.unwrap_or_else(|failed| panic!("{failed}"));
}

#[test]
fn without_locks() {
    sequences(&[LockMode::Merge]);
}

#[test]
fn with_the_last_write_winning() {
    sequences(&[LockMode::None]);
}

#[test]
fn with_locks() {
    sequences(&[LockMode::Exclusive]);
}

#[test]
fn in_all_modes() {
    sequences(&[LockMode::Exclusive, LockMode::Merge, LockMode::None]);
}
