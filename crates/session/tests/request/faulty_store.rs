//! [`Faulty`]: a store that fails on demand.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use cloakroom_session::seam::{
    Committed, Destroyed, End, Look, Mark, Named, Over, Restore, Restored, Room, Succession, Successor,
};
use cloakroom_session::{Acquire, Effort, Key, Lease, Namespace, SessionId, Store, StoreError};

use crate::memory_store::MemoryStore;

/// A memory store that fails on demand.
#[derive(Default)]
pub(crate) struct Faulty {
    pub(crate) inner: MemoryStore,
    pub(crate) unreachable: AtomicBool,
    pub(crate) damaged: AtomicBool,
    /// How many reads of a payload find it changed.
    pub(crate) restless: AtomicU32,
    pub(crate) everything_exists: bool,
    pub(crate) is_remote: bool,
    pub(crate) notice: Mutex<Option<String>>,
    /// Of each session that was acquired, whether its id was said to be drawn for it.
    pub(crate) drawn: Mutex<Vec<bool>>,
}

impl Store for Faulty {
    fn key(&self, namespace: &Namespace, id: &SessionId<'_>) -> Key {
        self.inner.key(namespace, id)
    }

    fn acquire(&self, key: &Key, how: &Acquire<'_>) -> Result<Box<dyn Lease>, StoreError> {
        self.drawn.lock().expect("no panic").push(how.drawn);
        let lease = self.inner.acquire(key, how)?;
        let (damaged, restless) = (self.damaged.load(Ordering::Relaxed), self.restless.load(Ordering::Relaxed));
        Ok(if damaged || restless > 0 { Box::new(FaultyLease { lease, damaged, restless }) } else { lease })
    }

    fn is_remote(&self) -> bool {
        self.is_remote
    }

    fn notice(&self) -> Option<String> {
        self.notice.lock().expect("no panic").take()
    }

    fn look(&self, key: &Key) -> Result<Look, StoreError> {
        self.inner.look(key)
    }

    fn exists(&self, key: &Key) -> Result<bool, StoreError> {
        if self.unreachable.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("out of reach".to_owned()));
        }
        Ok(self.everything_exists || self.inner.exists(key)?)
    }

    fn destroy(&self, key: &Key, end: End) -> Result<bool, StoreError> {
        self.inner.destroy(key, end)
    }

    fn destroy_since(&self, key: &Key, since: &Mark, end: End) -> Result<Destroyed, StoreError> {
        self.inner.destroy_since(key, since, end)
    }

    fn settle(&self, key: &Key, successor: &Successor, end: End) -> Result<(), StoreError> {
        self.inner.settle(key, successor, end)
    }

    fn reinstate(&self, key: &Key, successor: &Successor) -> Result<bool, StoreError> {
        self.inner.reinstate(key, successor)
    }

    fn collect(&self, effort: Effort) -> Result<u64, StoreError> {
        self.inner.collect(effort)
    }

    fn status(&self) -> Result<Vec<(&'static str, u64)>, StoreError> {
        self.inner.status()
    }

    fn location(&self) -> String {
        self.inner.location()
    }

    fn is_vacant(&self, key: &Key) -> Result<bool, StoreError> {
        self.inner.is_vacant(key)
    }

    fn count_refused(&self) {
        self.inner.count_refused();
    }

    fn migrate_in(&self, key: &Key, session: &Restored<'_>) -> Result<Restore, StoreError> {
        self.inner.migrate_in(key, session)
    }
}

struct FaultyLease {
    lease: Box<dyn Lease>,
    damaged: bool,
    restless: u32,
}

impl Lease for FaultyLease {
    fn payload_len(&self) -> usize {
        self.lease.payload_len()
    }

    fn read_payload(&mut self, out: &mut Room<'_>) -> Result<(), StoreError> {
        if self.damaged {
            return Err(StoreError::Damaged { location: "memory".to_owned(), what: "a checksum".to_owned() });
        }
        if self.restless > 0 {
            self.restless -= 1;
            return Err(StoreError::Changed);
        }
        self.lease.read_payload(out)
    }

    fn is_new(&self) -> bool {
        self.lease.is_new()
    }

    fn mark(&self) -> Mark {
        self.lease.mark()
    }

    fn incarnation(&self) -> u64 {
        self.lease.incarnation()
    }

    fn succession(&self) -> Succession {
        self.lease.succession()
    }

    fn is_over(&mut self) -> Result<bool, StoreError> {
        self.lease.is_over()
    }

    fn name(&mut self, successor: &Successor, before: Option<&Successor>) -> Result<Named, StoreError> {
        self.lease.name(successor, before)
    }

    fn commit(&mut self, payload: &[u8], lifetime: Duration, over: Over) -> Result<Committed, StoreError> {
        self.lease.commit(payload, lifetime, over)
    }

    fn touch(&mut self, payload: &[u8], lifetime: Duration) -> Result<Committed, StoreError> {
        self.lease.touch(payload, lifetime)
    }

    fn destroy(&mut self, end: End) -> Result<bool, StoreError> {
        self.lease.destroy(end)
    }

    fn count_merge(&self, conflicts: Option<u32>) {
        self.lease.count_merge(conflicts);
    }

    fn release(&mut self) {
        self.lease.release();
    }
}
