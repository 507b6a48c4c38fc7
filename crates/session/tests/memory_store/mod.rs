//! A store that keeps sessions in the memory of one process: the smallest thing that keeps every promise of the
//! seam. The state machine is tested on it, and the conformance suite runs on it to show that the suite asks for
//! nothing contradictory.

mod lease;

use std::collections::{HashMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::ThreadId;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cloakroom_session::error::Holder;
use cloakroom_session::seam::{
    Destroyed, End, Entry, Inventory, KeyOrigin, Look, Mark, Restore, Restored, Succession, Successor,
};
use cloakroom_session::{Acquire, Effort, Key, Lease, LockMode, Namespace, SessionId, Store, StoreError};
use lease::MemoryLease;

/// The successor of a session of whose successor nothing is known.
const NOBODY: Successor = Successor { key: Key::from_words(0, 0), incarnation: 0 };

/// How many expired sessions one step removes.
const STEP: usize = 8;

/// One handle of the store; clones of the inner state are other handles.
#[derive(Clone, Default)]
pub(crate) struct MemoryStore {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    sessions: HashMap<Key, Session>,
    locks: HashMap<Key, Lock>,
    /// Incarnations that were destroyed, and until when that is remembered.
    ended: HashMap<u64, Instant>,
    /// When each key was destroyed last, in incarnation numbers.
    ended_at: HashMap<Key, u64>,
    /// Sessions whose id was replaced, and until when they are read.
    retired: HashMap<Key, (Instant, Session)>,
    incarnations: u64,
    merges: u64,
    migrated: u64,
    refused: u64,
    tickets: u64,
    reads: u64,
    writes: u64,
}

#[derive(Clone)]
struct Session {
    incarnation: u64,
    version: u64,
    payload: Arc<Vec<u8>>,
    expires: Instant,
    /// Seconds since 1970.
    created: u64,
    /// Seconds since 1970.
    used: u64,
    /// Seconds since 1970, for [`Entry`]; of a retired session, when its grace ends.
    expires_at: u64,
    returned: bool,
    /// The session that takes its place.
    successor: Option<Successor>,
}

#[derive(Default)]
struct Lock {
    owner: Option<Owner>,
    /// Tickets in order of arrival.
    queue: VecDeque<u64>,
}

struct Owner {
    thread: ThreadId,
    since: Instant,
    script: String,
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// The second in which `until` falls, or the next one.
fn second_of(until: Instant) -> u64 {
    let left = until.saturating_duration_since(Instant::now());
    now() + left.as_secs() + u64::from(left.subsec_nanos() > 0)
}

impl Session {
    fn new(incarnation: u64, expires: Instant) -> Self {
        let (created, used, expires_at) = (now(), now(), second_of(expires));
        let (payload, returned, successor) = (Arc::default(), false, None);
        Self { incarnation, version: 0, payload, expires, created, used, expires_at, returned, successor }
    }

    fn entry(&self, key: Key, locked: bool, retired: bool) -> Entry {
        Entry {
            key,
            incarnation: self.incarnation,
            version: self.version,
            created: self.created,
            used: self.used,
            expires: self.expires_at,
            size: self.payload.len() as u64,
            reserved: self.payload.is_empty(),
            returned: self.returned,
            locked,
            retired: retired || self.successor.is_some(),
        }
    }
}

impl State {
    fn is_locked(&self, key: &Key) -> bool {
        self.locks.get(key).is_some_and(|lock| lock.owner.is_some())
    }

    /// What readers see, with the payloads.
    fn entries(&self) -> Vec<(Entry, Arc<Vec<u8>>)> {
        let live = self.sessions.iter().map(|(key, session)| (key, session, session.expires, false));
        let retired = self.retired.iter().map(|(key, (until, session))| (key, session, *until, true));
        let seen = live.chain(retired).filter(|(_, _, until, _)| *until > Instant::now());
        seen.map(|(key, session, _, retired)| {
            (session.entry(*key, self.is_locked(key), retired), Arc::clone(&session.payload))
        })
        .collect()
    }

    fn live(&self, key: &Key) -> Option<&Session> {
        self.sessions.get(key).filter(|session| session.expires > Instant::now())
    }

    /// What readers see under `key`: the live session, or a retired one within its grace.
    fn readable(&self, key: &Key) -> Option<&Session> {
        let retired = self.retired.get(key).filter(|(until, _)| *until > Instant::now()).map(|(_, session)| session);
        self.live(key).or(retired)
    }

    /// What readers see of the session under `key`: it, and whether another takes its place.
    fn seen(&self, key: &Key) -> Option<(Session, Succession)> {
        let session = self.readable(key)?;
        let succession = match session.successor {
            successor if self.live(key).is_none() => Succession::Retired(successor.unwrap_or(NOBODY)),
            Some(successor) => Succession::Named(successor),
            None => Succession::None,
        };
        Some((session.clone(), succession))
    }

    /// The mark of this session as it is read now. One that is retired was ended before that, which is to be seen from its
    /// mark when it is gone.
    fn mark(&self, seen: Option<&(Session, Succession)>) -> Mark {
        Mark::from_words(match seen {
            None => [0, 0, self.incarnations],
            Some((session, Succession::Retired(_))) => [session.incarnation, session.version, session.incarnation],
            Some((session, _)) => [session.incarnation, session.version, self.incarnations],
        })
    }

    /// Whether there is no session under `key`, or one that nobody has written and whose place none takes.
    fn is_unwritten(&self, key: &Key) -> bool {
        self.seen(key).is_none_or(|(session, succession)| session.version == 0 && succession == Succession::None)
    }

    /// The live session under `key`, if it names this successor.
    fn naming(&mut self, key: &Key, successor: &Successor) -> Option<&mut Session> {
        self.live(key)?;
        self.sessions.get_mut(key).filter(|session| session.successor.as_ref() == Some(successor))
    }

    /// Stores a session from elsewhere, under the incarnation of the one that is reserved, if one is.
    fn bring_in(&mut self, key: &Key, session: &Restored<'_>) -> Restore {
        if self.ended_at.contains_key(key) {
            return Restore::Ended;
        }
        self.incarnations += 1;
        let incarnation = self.live(key).map_or(self.incarnations, |reserved| reserved.incarnation);
        let fresh = Session::new(incarnation, Instant::now() + session.lifetime);
        let (payload, created, returned) = (Arc::new(session.payload.to_vec()), session.created, session.returned);
        self.sessions.insert(*key, Session { version: 1, payload, created, returned, ..fresh });
        Restore::Stored
    }

    /// The live session under `key`, reserved where there is none; and whether it was reserved just now.
    fn present_or_reserved(&mut self, key: &Key, lifetime: Duration) -> (Session, bool) {
        if let Some(session) = self.readable(key) {
            return (session.clone(), false);
        }
        self.incarnations += 1;
        let expires = Instant::now() + lifetime;
        let session = Session::new(self.incarnations, expires);
        self.sessions.insert(*key, session.clone());
        (session, true)
    }

    /// Whether somebody has ended the session under `key`, or replaced its id, since this was the mark of it.
    fn ended_since(&self, key: &Key, since: &Mark) -> bool {
        let [incarnation, _, began] = since.to_words();
        match self.seen(key) {
            Some((session, succession)) => {
                succession != Succession::None || incarnation != 0 && incarnation != session.incarnation
            }
            None => self.ended_at.get(key).is_some_and(|ended| *ended > began),
        }
    }

    fn end(&mut self, key: &Key, end: End) -> bool {
        let live = self.live(key);
        // An id that is replaced already is not replaced again.
        if live.is_some_and(|session| session.successor.is_some()) && !end.grace.is_zero() {
            return false;
        }
        self.end_in_any_case(key, end)
    }

    fn end_in_any_case(&mut self, key: &Key, end: End) -> bool {
        let alive = self.live(key).is_some();
        let Some(session) = self.sessions.remove(key) else {
            return end.grace.is_zero() && self.retired.remove(key).is_some();
        };
        self.ended.insert(session.incarnation, Instant::now() + end.tombstone);
        self.incarnations += 1;
        self.ended_at.insert(*key, self.incarnations);
        if !end.grace.is_zero() {
            let until = Instant::now() + end.grace;
            self.retired.insert(*key, (until, Session { expires_at: second_of(until), ..session }));
        }
        alive
    }

    fn holder(&self, key: &Key) -> Holder {
        match self.locks.get(key).and_then(|lock| lock.owner.as_ref()) {
            Some(owner) => Holder {
                pid: std::process::id(),
                host: String::new(),
                held: owner.since.elapsed(),
                script: owner.script.clone(),
            },
            None => Holder::default(),
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while it holds the state")
    }

    /// Waits in order of arrival until the lock of `key` is free, and takes it.
    fn lock<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        key: &Key,
        how: &Acquire<'_>,
    ) -> Result<MutexGuard<'a, State>, StoreError> {
        let began = Instant::now();
        let me = std::thread::current().id();
        state.tickets += 1;
        let ticket = state.tickets;
        let lock = state.locks.entry(*key).or_default();
        if lock.owner.as_ref().is_some_and(|owner| owner.thread == me) {
            return Err(StoreError::HeldHere);
        }
        let waiting = u32::try_from(lock.queue.len()).unwrap_or(u32::MAX);
        if lock.owner.is_some() && how.max_waiters > 0 && waiting >= how.max_waiters {
            return Err(StoreError::TooManyWaiters { waiting, limit: how.max_waiters, holder: state.holder(key) });
        }
        lock.queue.push_back(ticket);
        loop {
            let lock = state.locks.entry(*key).or_default();
            if lock.owner.is_none() && lock.queue.front() == Some(&ticket) {
                lock.queue.pop_front();
                let script = String::from_utf8_lossy(how.script).into_owned();
                lock.owner = Some(Owner { thread: me, since: Instant::now(), script });
                return Ok(state);
            }
            let left = how.wait.saturating_sub(began.elapsed());
            if left.is_zero() {
                lock.queue.retain(|&queued| queued != ticket);
                self.changed.notify_all();
                return Err(StoreError::LockTimeout { waited: began.elapsed(), holder: state.holder(key) });
            }
            state = self.changed.wait_timeout(state, left).expect("no test panics while it holds the state").0;
        }
    }
}

impl Store for MemoryStore {
    fn key(&self, namespace: &Namespace, id: &SessionId<'_>) -> Key {
        // Nothing is secret here, so any injective-enough hash will do: two FNV-1a streams.
        let mut key = [0; 16];
        for (lane, out) in key.chunks_exact_mut(8).enumerate() {
            let length =
                [u8::try_from(lane).expect("two lanes"), u8::try_from(namespace.as_bytes().len()).expect("short")];
            let hash = length
                .iter()
                .chain(namespace.as_bytes())
                .chain(id.as_bytes())
                .fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
            out.copy_from_slice(&hash.to_le_bytes());
        }
        Key::from_bytes(key)
    }

    fn acquire(&self, key: &Key, how: &Acquire<'_>) -> Result<Box<dyn Lease>, StoreError> {
        let mut state = self.shared.state();
        let began = how.since.map_or(state.incarnations, |mark| mark.to_words()[2]);
        if how.mode == LockMode::Exclusive {
            state = self.shared.lock(state, key, how)?;
        }
        // A request that began before the session was destroyed cannot bring it back.
        let over = state.ended_at.get(key).is_some_and(|ended| *ended > began);
        let ended = over && state.readable(key).is_none();
        let succession = state.seen(key).map_or(Succession::None, |(_, succession)| succession);
        let (session, is_new) = if ended {
            let expires = Instant::now();
            (Session::new(0, expires), false)
        } else {
            state.present_or_reserved(key, how.lifetime)
        };
        let mut lease = MemoryLease {
            shared: Arc::clone(&self.shared),
            key: *key,
            incarnation: session.incarnation,
            version: session.version,
            payload: session.payload,
            succession,
            is_new,
            ended,
            finished: false,
            locked: how.mode == LockMode::Exclusive,
            lock_ttl: how.lock_ttl,
        };
        if let Some([incarnation, version, _]) = how.since.map(Mark::to_words)
            && !is_new
            && !ended
        {
            lease.version = if incarnation == 0 { u64::MAX } else { version };
            lease.ended = incarnation != 0 && incarnation != lease.incarnation;
        }
        state.reads += 1;
        Ok(Box::new(lease))
    }

    fn look(&self, key: &Key) -> Result<Look, StoreError> {
        let state = self.shared.state();
        let seen = state.seen(key);
        let mark = state.mark(seen.as_ref());
        Ok(match seen {
            None => Look { payload: None, mark, incarnation: 0, is_written: false, succession: Succession::None },
            Some((Session { payload, incarnation, version, .. }, succession)) => {
                Look { payload: Some(payload.to_vec()), mark, incarnation, is_written: version > 0, succession }
            }
        })
    }

    fn exists(&self, key: &Key) -> Result<bool, StoreError> {
        Ok(self.shared.state().readable(key).is_some())
    }

    fn destroy(&self, key: &Key, end: End) -> Result<bool, StoreError> {
        Ok(self.shared.state().end(key, end))
    }

    fn destroy_since(&self, key: &Key, since: &Mark, end: End) -> Result<Destroyed, StoreError> {
        let mut state = self.shared.state();
        let before = state.ended_since(key, since);
        Ok(match state.end(key, end) {
            _ if before => Destroyed::Before,
            true => Destroyed::Now,
            false => Destroyed::Absent,
        })
    }

    fn settle(&self, key: &Key, successor: &Successor, end: End) -> Result<(), StoreError> {
        let mut state = self.shared.state();
        if state.naming(key, successor).is_some() {
            state.end_in_any_case(key, end);
        }
        Ok(())
    }

    fn reinstate(&self, key: &Key, successor: &Successor) -> Result<bool, StoreError> {
        let mut state = self.shared.state();
        Ok(state.naming(key, successor).map(|session| session.successor = None).is_some())
    }

    fn collect(&self, effort: Effort) -> Result<u64, StoreError> {
        let mut state = self.shared.state();
        let now = Instant::now();
        state.ended.retain(|_, until| *until > now);
        let most = if effort == Effort::All { usize::MAX } else { STEP };
        let expired: Vec<_> =
            state.sessions.iter().filter(|(_, s)| s.expires <= now).map(|(key, _)| *key).take(most).collect();
        for key in &expired {
            state.sessions.remove(key);
        }
        Ok(u64::try_from(expired.len()).expect("fits"))
    }

    fn status(&self) -> Result<Vec<(&'static str, u64)>, StoreError> {
        let state = self.shared.state();
        let sessions = u64::try_from(state.sessions.len()).expect("fits");
        let (reads, writes, merges, migrated) = (state.reads, state.writes, state.merges, state.migrated);
        let counters = [("reads", reads), ("writes", writes), ("merges", merges), ("migrated", migrated)];
        let counters = counters.into_iter().chain([("refused_writes", state.refused)]);
        Ok([("sessions", sessions)].into_iter().chain(counters).collect())
    }

    fn location(&self) -> String {
        "memory".to_owned()
    }

    fn is_vacant(&self, key: &Key) -> Result<bool, StoreError> {
        let state = self.shared.state();
        Ok(state.is_unwritten(key) && !state.ended_at.contains_key(key))
    }

    fn migrate_in(&self, key: &Key, session: &Restored<'_>) -> Result<Restore, StoreError> {
        let mut state = self.shared.state();
        if !state.is_unwritten(key) || state.is_locked(key) {
            return Ok(Restore::Exists);
        }
        let taken = state.bring_in(key, session);
        state.migrated += u64::from(taken == Restore::Stored);
        Ok(taken)
    }

    fn count_refused(&self) {
        self.shared.state().refused += 1;
    }

    fn inventory(&self) -> Option<&dyn Inventory> {
        Some(self)
    }
}

impl Inventory for MemoryStore {
    fn walk(&self, visit: &mut dyn FnMut(Entry) -> ControlFlow<()>) -> Result<(), StoreError> {
        let entries = self.shared.state().entries();
        let _ = entries.into_iter().try_for_each(|(entry, _)| visit(entry));
        Ok(())
    }

    fn inspect(&self, key: &Key) -> Result<Option<(Entry, Vec<u8>)>, StoreError> {
        let found = self.shared.state().entries().into_iter().find(|(entry, _)| entry.key == *key);
        Ok(found.map(|(entry, payload)| (entry, payload.to_vec())))
    }

    fn restore(&self, key: &Key, session: &Restored<'_>) -> Result<Restore, StoreError> {
        let mut state = self.shared.state();
        if state.readable(key).is_some() || state.is_locked(key) {
            return Ok(Restore::Exists);
        }
        Ok(state.bring_in(key, session))
    }

    fn key_origin(&self) -> KeyOrigin {
        KeyOrigin::LocalSecret([0; 32])
    }
}
