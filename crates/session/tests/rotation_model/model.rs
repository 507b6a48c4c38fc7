//! What the rules say: sessions, the requests that hold them, and what each call comes to.

use std::collections::BTreeMap;

use cloakroom_session::LockMode;

use super::REQUESTS;

pub(super) type Data = BTreeMap<u8, u32>;
pub(super) type Id = u32;

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
pub(super) enum Call {
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

#[derive(Clone)]
pub(super) struct Life {
    number: u64,
    data: Data,
    version: u64,
    written: bool,
    successor: Option<(Id, u64)>,
    retired: bool,
}

#[derive(Clone)]
pub(super) struct Open {
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
pub(super) struct Entered {
    from: (Id, u64),
    theirs: Vec<(Data, Data)>,
}

#[derive(Clone, Default)]
pub(super) struct Model {
    pub(super) lives: BTreeMap<Id, Life>,
    pub(super) numbers: u64,
    pub(super) requests: [Option<Open>; REQUESTS],
    pub(super) next: Id,
}

/// What a call came to.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
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

    /// Whether another request is about to write the session that takes the place of this one.
    fn is_pending(&self, open: &Open) -> bool {
        let life = self.life((open.id, open.life)).filter(|life| !life.retired);
        let next = life.and_then(|life| life.successor).and_then(|successor| self.life(successor));
        next.is_some_and(|next| !next.written)
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

    pub(super) fn call(&mut self, at: usize, call: &Call) -> Outcome {
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
                self.abort(at);
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

    fn abort(&mut self, at: usize) {
        let open = self.requests[at].take().expect("open");
        let unwritten = self.life((open.id, open.life)).is_some_and(|life| !life.written);
        if let Some(Entered { from: (id, number), .. }) = open.entered.filter(|_| unwritten)
            && let Some(left) = self.lives.get_mut(&id)
            && left.number == number
            && !left.retired
        {
            left.successor = None;
        }
    }

    fn rotate(&mut self, at: usize, deletes: bool) -> Outcome {
        let open = self.requests[at].clone().expect("open");
        if !open.locked && self.is_locked(open.id, at) && self.lives.contains_key(&open.id) {
            self.abort(at);
            return Outcome::Failed;
        }
        self.look(&open, at);
        if !self.is_current(&open) {
            if self.is_pending(&open) {
                self.abort(at);
                return Outcome::Failed;
            }
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
