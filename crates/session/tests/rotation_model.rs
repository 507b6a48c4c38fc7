//! Three requests on sessions that get other ids, in every order of their calls, against a model that knows the rules of
//! docs/design.md only: what each request reads, whether a rotation gives a new id, and what is stored in the end.
//!
//! Each request has a thread of its own, as a lock belongs to a thread, and no call waits: one that would have to wait
//! fails at once, and so it does in the model. The sessions are maps of numbers, so that a merge is the plain one by key.

use std::cell::Cell;
use std::collections::BTreeMap;
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

const HOUR: Duration = Duration::from_secs(3600);
const REQUESTS: usize = 3;
const TERMS: Terms = Terms { end: End { tombstone: HOUR, grace: HOUR }, format: |_| Format::Php, user: UserPath::NONE };

type Data = BTreeMap<u8, u32>;
type Id = u32;

fn encoded(data: &Data) -> Vec<u8> {
    data.iter().map(|(key, value)| format!("k{key}|i:{value};")).collect::<String>().into_bytes()
}

fn decoded(payload: &[u8]) -> Data {
    let text = std::str::from_utf8(payload).expect("numbers");
    let pairs = text.split_terminator(';').map(|pair| pair.split_once("|i:").expect("a pair"));
    pairs.map(|(key, value)| (key[1..].parse().expect("a key"), value.parse().expect("a value"))).collect()
}

/// What of `mine` and `theirs` is kept, which both came from `base`.
fn merged(base: &Data, mine: &Data, theirs: &Data) -> Data {
    let keys = base.keys().chain(mine.keys()).chain(theirs.keys());
    let pick = |key: &u8| if mine.get(key) == base.get(key) { theirs.get(key) } else { mine.get(key) };
    keys.filter_map(|key| pick(key).map(|value| (*key, *value))).collect()
}

fn the_same(old: &Data, new: &Data) -> Data {
    old.iter().filter(|(key, value)| new.get(key) == Some(value)).map(|(key, value)| (*key, *value)).collect()
}

/// A call of a request.
#[derive(Clone, Debug)]
enum Call {
    Start(Id, LockMode),
    Set(u8, u32),
    Unset(u8),
    Rotate(bool),
    Write,
    Destroy,
    Abort,
    Die,
    /// Another request reads the session, without its lock.
    Peek(Id),
}

// ---- the model ----

#[derive(Clone)]
struct Life {
    number: u64,
    data: Data,
    version: u64,
    written: bool,
    successor: Option<(Id, u64)>,
    retired: bool,
}

#[derive(Clone)]
struct Open {
    id: Id,
    life: u64,
    mode: LockMode,
    locked: bool,
    base: Data,
    base_version: u64,
    data: Data,
    entered: Option<Entered>,
}

#[derive(Clone)]
struct Entered {
    from: (Id, u64),
    theirs: Vec<(Data, Data)>,
}

#[derive(Clone, Default)]
struct Model {
    lives: BTreeMap<Id, Life>,
    numbers: u64,
    requests: [Option<Open>; REQUESTS],
    next: Id,
}

/// What a call came to.
#[derive(Debug, PartialEq)]
enum Outcome {
    Done,
    /// What is read.
    Read(Data),
    /// The lock is not to be had.
    Locked,
    /// The id that the request has now.
    Rotated(Id),
    /// The rotation fails.
    Failed,
}

impl Model {
    fn life(&self, (id, number): (Id, u64)) -> Option<&Life> {
        self.lives.get(&id).filter(|life| life.number == number)
    }

    fn reserve(&mut self, id: Id) -> u64 {
        if let Some(life) = self.lives.get(&id) {
            return life.number;
        }
        self.numbers += 1;
        let life = Life {
            number: self.numbers,
            data: Data::new(),
            version: 0,
            written: false,
            successor: None,
            retired: false,
        };
        self.lives.insert(id, life);
        self.numbers
    }

    fn is_locked(&self, id: Id, but: usize) -> bool {
        let others = self.requests.iter().enumerate().filter(|(at, _)| *at != but);
        others.filter_map(|(_, open)| open.as_ref()).any(|open| open.id == id && open.locked)
    }

    /// What is to be seen under an id.
    fn shows(&self, id: (Id, u64)) -> Data {
        let Some(life) = self.life(id) else { return Data::new() };
        let Some(successor) = life.successor else { return life.data.clone() };
        match self.life(successor) {
            Some(next) if !next.written && !life.retired => life.data.clone(),
            Some(next) if next.written => the_same(&life.data, &self.shows(successor)),
            _ => Data::new(),
        }
    }

    /// A session whose successor was never written, and that nobody holds, lives again.
    fn settle(&mut self, id: Id, by: usize) {
        let Some(successor) = self.lives.get(&id).filter(|life| !life.retired).and_then(|life| life.successor) else {
            return;
        };
        let unwritten = self.life(successor).map(|next| !next.written);
        let held = self.is_locked(successor.0, by);
        if let Some(life) = self.lives.get_mut(&id) {
            match unwritten {
                Some(true) if !held => life.successor = None,
                Some(true) => {}
                Some(false) | None => life.retired = true,
            }
        }
    }

    /// [`Model::settle`] by a request that holds this very life of the session.
    fn look(&mut self, open: &Open, by: usize) {
        if self.life((open.id, open.life)).is_some() {
            self.settle(open.id, by);
        }
    }

    fn is_current(&self, open: &Open) -> bool {
        self.life((open.id, open.life)).is_some_and(|life| life.successor.is_none())
    }

    fn store(&mut self, at: usize) -> bool {
        let Some(open) = self.requests[at].clone() else { return false };
        self.look(&open, at);
        if !self.is_current(&open) {
            return false;
        }
        let mut data = open.data.clone();
        for (theirs, base) in open.entered.iter().flat_map(|entered| &entered.theirs) {
            data = merged(base, &data, theirs);
        }
        let life = self.lives.get_mut(&open.id).expect("current");
        if open.mode != LockMode::None && life.version != open.base_version {
            data = merged(&open.base, &data, &life.data);
        }
        life.data = data;
        life.version += 1;
        life.written = true;
        if let Some(Entered { from, .. }) = open.entered {
            self.retire(from);
        }
        true
    }

    fn retire(&mut self, (id, number): (Id, u64)) {
        if let Some(life) = self.lives.get_mut(&id).filter(|life| life.number == number) {
            life.retired = true;
        }
    }

    fn call(&mut self, at: usize, call: &Call) -> Outcome {
        match call {
            Call::Start(id, mode) => {
                let exclusive = *mode == LockMode::Exclusive;
                if exclusive && self.is_locked(*id, at) {
                    return Outcome::Locked;
                }
                let number = self.reserve(*id);
                self.settle(*id, at);
                let life = self.lives[id].clone();
                let pending = life.successor.filter(|_| !life.retired);
                if exclusive && pending.is_some() {
                    return Outcome::Locked;
                }
                let data = self.shows((*id, number));
                let base_version = life.version;
                self.requests[at] = Some(Open {
                    id: *id,
                    life: number,
                    mode: *mode,
                    locked: exclusive,
                    base: data.clone(),
                    base_version,
                    data: data.clone(),
                    entered: None,
                });
                Outcome::Read(data)
            }
            Call::Set(key, value) => {
                self.requests[at].as_mut().expect("open").data.insert(*key, *value);
                Outcome::Done
            }
            Call::Unset(key) => {
                self.requests[at].as_mut().expect("open").data.remove(key);
                Outcome::Done
            }
            Call::Rotate(deletes) => self.rotate(at, *deletes),
            Call::Write => {
                self.store(at);
                self.requests[at] = None;
                Outcome::Done
            }
            Call::Destroy => {
                let open = self.requests[at].take().expect("open");
                if let Some(Entered { from, .. }) = open.entered {
                    self.retire(from);
                }
                if self.life((open.id, open.life)).is_some() {
                    self.lives.remove(&open.id);
                }
                Outcome::Done
            }
            Call::Abort => {
                let open = self.requests[at].take().expect("open");
                let unwritten = self.life((open.id, open.life)).is_some_and(|life| !life.written);
                if let Some(Entered { from: (id, number), .. }) = open.entered.filter(|_| unwritten)
                    && let Some(left) = self.lives.get_mut(&id)
                    && left.number == number
                    && !left.retired
                {
                    left.successor = None;
                }
                Outcome::Done
            }
            Call::Die => {
                self.requests[at] = None;
                Outcome::Done
            }
            Call::Peek(id) => {
                let number = self.reserve(*id);
                let seen = self.shows((*id, number));
                let written = self.lives[id].successor.map(|next| self.life(next).map(|next| !next.written));
                if matches!(written, Some(None | Some(false))) {
                    self.retire((*id, number));
                }
                Outcome::Read(seen)
            }
        }
    }

    fn rotate(&mut self, at: usize, deletes: bool) -> Outcome {
        let open = self.requests[at].clone().expect("open");
        self.look(&open, at);
        if !self.is_current(&open) {
            return Outcome::Rotated(open.id);
        }
        self.next += 1;
        let new = self.next;
        if !deletes {
            self.store(at);
            let life = self.reserve(new);
            let locked = open.mode == LockMode::Exclusive;
            self.requests[at] =
                Some(Open { id: new, life, locked, base: Data::new(), base_version: 0, entered: None, ..open });
            return Outcome::Rotated(new);
        }
        let life = self.reserve(new);
        let left = self.lives[&open.id].clone();
        let entered = match &open.entered {
            Some(entered) if !left.written => {
                self.lives.remove(&open.id);
                entered.clone()
            }
            before => {
                before.iter().for_each(|before| self.retire(before.from));
                let mut theirs = before.as_ref().map_or_else(Vec::new, |before| before.theirs.clone());
                if left.version != open.base_version && open.mode != LockMode::None {
                    theirs.push((left.data.clone(), open.base.clone()));
                }
                Entered { from: (open.id, open.life), theirs }
            }
        };
        if let Some(left) = self.lives.get_mut(&entered.from.0).filter(|left| left.number == entered.from.1) {
            left.successor = Some((new, life));
        }
        self.requests[at] = Some(Open {
            id: new,
            life,
            locked: true,
            base: Data::new(),
            base_version: 0,
            entered: Some(entered),
            ..open
        });
        Outcome::Rotated(new)
    }
}

// ---- the requests themselves ----

/// One request, on a thread of its own.
struct Player {
    calls: Option<Sender<Box<dyn FnOnce(&mut State) + Send>>>,
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
                if !self.request.may_rotate(&name(self.id)) {
                    return Outcome::Rotated(self.id);
                }
                if *deletes {
                    self.request.leave(&name(self.id), Some(&self.read)).expect("leaves");
                } else if self.write() != Committed::Stored {
                    self.request.close();
                    return Outcome::Failed;
                }
                self.request.close();
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
                self.request.close();
                Outcome::Done
            }
            Call::Destroy => {
                self.request.destroy(&name(self.id), End::at_once(HOUR)).expect("destroys");
                self.request.close();
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
        let (calls, received) = channel::<Box<dyn FnOnce(&mut State) + Send>>();
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
