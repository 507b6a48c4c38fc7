//! A store that keeps sessions in the memory of one process: the smallest thing that keeps every promise of the
//! seam. The state machine is tested on it, and the conformance suite runs on it to show that the suite asks for
//! nothing contradictory.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use cloakroom_session::error::Holder;
use cloakroom_session::seam::{Committed, MAX_PAYLOAD};
use cloakroom_session::{Acquire, Effort, Key, Lease, LockMode, Namespace, SessionId, Store, StoreError};

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
    sessions: HashMap<[u8; 32], Session>,
    locks: HashMap<[u8; 32], Lock>,
    /// Incarnations that were destroyed, and until when that is remembered.
    ended: HashMap<u64, Instant>,
    incarnations: u64,
    tickets: u64,
    reads: u64,
    writes: u64,
}

struct Session {
    incarnation: u64,
    payload: Arc<Vec<u8>>,
    expires: Instant,
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

impl State {
    fn live(&self, key: &Key) -> Option<&Session> {
        self.sessions.get(&key.0).filter(|session| session.expires > Instant::now())
    }

    /// The live session under `key`, reserved where there is none; and whether it was reserved just now.
    fn live_or_reserved(&mut self, key: &Key, lifetime: Duration) -> (u64, Arc<Vec<u8>>, bool) {
        if let Some(session) = self.live(key) {
            return (session.incarnation, Arc::clone(&session.payload), false);
        }
        self.incarnations += 1;
        let (incarnation, payload) = (self.incarnations, Arc::<Vec<u8>>::default());
        let session = Session { incarnation, payload: Arc::clone(&payload), expires: Instant::now() + lifetime };
        self.sessions.insert(key.0, session);
        (incarnation, payload, true)
    }

    fn end(&mut self, key: &Key, tombstone: Duration) -> bool {
        let alive = self.live(key).is_some();
        if let Some(session) = self.sessions.remove(&key.0) {
            self.ended.insert(session.incarnation, Instant::now() + tombstone);
        }
        alive
    }

    fn holder(&self, key: &Key) -> Holder {
        match self.locks.get(&key.0).and_then(|lock| lock.owner.as_ref()) {
            Some(owner) => {
                Holder { pid: std::process::id(), held: owner.since.elapsed(), script: owner.script.clone() }
            }
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
        let lock = state.locks.entry(key.0).or_default();
        if lock.owner.as_ref().is_some_and(|owner| owner.thread == me) {
            return Err(StoreError::HeldHere);
        }
        let waiting = u32::try_from(lock.queue.len()).unwrap_or(u32::MAX);
        if lock.owner.is_some() && how.max_waiters > 0 && waiting >= how.max_waiters {
            return Err(StoreError::TooManyWaiters { waiting, limit: how.max_waiters, holder: state.holder(key) });
        }
        lock.queue.push_back(ticket);
        loop {
            let lock = state.locks.entry(key.0).or_default();
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
        // Nothing is kept from anybody here, so any injective-enough hash will do: four FNV-1a streams.
        let mut key = [0; 32];
        for (lane, out) in key.chunks_exact_mut(8).enumerate() {
            let length =
                [u8::try_from(lane).expect("four lanes"), u8::try_from(namespace.as_bytes().len()).expect("short")];
            let hash = length
                .iter()
                .chain(namespace.as_bytes())
                .chain(id.as_bytes())
                .fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
            out.copy_from_slice(&hash.to_le_bytes());
        }
        Key(key)
    }

    fn acquire(&self, key: &Key, how: &Acquire<'_>) -> Result<Box<dyn Lease>, StoreError> {
        let mut state = self.shared.state();
        // Who queues for a session that is destroyed meanwhile began before that and cannot bring it back.
        let (began_on, _, reserved) = state.live_or_reserved(key, how.lifetime);
        if how.mode == LockMode::Exclusive {
            state = self.shared.lock(state, key, how)?;
        }
        let (incarnation, payload, is_new) = if state.ended.contains_key(&began_on) {
            (began_on, Arc::default(), false)
        } else {
            let (incarnation, payload, anew) = state.live_or_reserved(key, how.lifetime);
            (incarnation, payload, anew || reserved)
        };
        state.reads += 1;
        Ok(Box::new(MemoryLease {
            shared: Arc::clone(&self.shared),
            key: *key,
            incarnation,
            payload,
            is_new,
            locked: how.mode == LockMode::Exclusive,
        }))
    }

    fn snapshot(&self, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.shared.state().live(key).map(|session| session.payload.to_vec()))
    }

    fn exists(&self, key: &Key) -> Result<bool, StoreError> {
        Ok(self.shared.state().live(key).is_some())
    }

    fn destroy(&self, key: &Key, tombstone: Duration) -> Result<bool, StoreError> {
        Ok(self.shared.state().end(key, tombstone))
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
        Ok(vec![("sessions", sessions), ("reads", state.reads), ("writes", state.writes)])
    }

    fn location(&self) -> String {
        "memory".to_owned()
    }
}

struct MemoryLease {
    shared: Arc<Shared>,
    key: Key,
    incarnation: u64,
    payload: Arc<Vec<u8>>,
    is_new: bool,
    locked: bool,
}

impl MemoryLease {
    /// Stores what `payload` makes of the stored one (`None` where the session vanished without being destroyed),
    /// unless this lease's incarnation was destroyed or another took its place.
    fn store(&self, lifetime: Duration, payload: impl FnOnce(Option<Arc<Vec<u8>>>) -> Arc<Vec<u8>>) -> Committed {
        let mut state = self.shared.state();
        let stored = match state.live(&self.key) {
            Some(session) if session.incarnation == self.incarnation => Some(Arc::clone(&session.payload)),
            Some(_) => return Committed::Ended,
            None if state.ended.contains_key(&self.incarnation) => return Committed::Ended,
            None => None,
        };
        let expires = Instant::now() + lifetime;
        let session = Session { incarnation: self.incarnation, payload: payload(stored), expires };
        state.sessions.insert(self.key.0, session);
        state.writes += 1;
        Committed::Stored
    }
}

impl Drop for MemoryLease {
    fn drop(&mut self) {
        if self.locked {
            let mut state = self.shared.state();
            if let Some(lock) = state.locks.get_mut(&self.key.0) {
                lock.owner = None;
            }
            self.shared.changed.notify_all();
        }
    }
}

impl Lease for MemoryLease {
    fn payload_len(&self) -> usize {
        self.payload.len()
    }

    fn read_payload(&mut self, out: &mut [u8]) -> Result<(), StoreError> {
        out.copy_from_slice(&self.payload);
        Ok(())
    }

    fn is_new(&self) -> bool {
        self.is_new
    }

    fn commit(self: Box<Self>, payload: &[u8], lifetime: Duration) -> Result<Committed, StoreError> {
        if payload.len() > MAX_PAYLOAD {
            let (found, limit) = (payload.len() as u64, MAX_PAYLOAD as u64);
            return Err(StoreError::TooLarge { found, limit });
        }
        Ok(self.store(lifetime, |_| Arc::new(payload.to_vec())))
    }

    fn touch(self: Box<Self>, payload: &[u8], lifetime: Duration) -> Result<Committed, StoreError> {
        Ok(self.store(lifetime, |stored| stored.unwrap_or_else(|| Arc::new(payload.to_vec()))))
    }

    fn destroy(self: Box<Self>, tombstone: Duration) -> Result<bool, StoreError> {
        let mut state = self.shared.state();
        let mine = state.live(&self.key).is_some_and(|session| session.incarnation == self.incarnation);
        Ok(mine && state.end(&self.key, tombstone))
    }

    fn release(self: Box<Self>) {}
}
