//! The adapter of the Redis and Valkey store: [`cloakroom_redis_store`] behind the [`Store`] and [`Lease`] traits.

use std::ops::ControlFlow;
use std::sync::{Arc, Weak};
use std::time::Duration;

use cloakroom_redis_store as store;
use parking_lot::Mutex;

use crate::error::Holder;
use crate::seam::{Committed, End, Mark, Over, ServerInfo};
use crate::seam::{Entry, Inventory, KeyOrigin, Restore, Restored};
use crate::{Acquire, Effort, Key, Lease, LockMode, Namespace, SessionId, Store, StoreError};

/// The stores of this process, each by its URL, so that all handles of one address share connections and know of each
/// other's locks.
static OPEN: Mutex<Vec<Open>> = Mutex::new(Vec::new());

struct Open {
    url: Box<[u8]>,
    store: Weak<store::Store>,
}

/// Opens the store of a `session.save_path` URL. Nothing is connected yet.
///
/// # Errors
/// [`StoreError::Unavailable`] with what is wrong with the URL, and where.
pub fn open(url: &[u8]) -> Result<Arc<dyn Store>, StoreError> {
    let mut open = OPEN.lock();
    open.retain(|known| known.store.strong_count() > 0);
    let known = open.iter().find(|known| *known.url == *url).and_then(|known| known.store.upgrade());
    let store = match known {
        Some(store) => store,
        None => {
            let address = store::Address::parse(url)
                .map_err(|error| StoreError::Unavailable(format!("session.save_path cannot be understood: {error}")))?;
            let store = store::Store::new(address);
            open.push(Open { url: url.into(), store: Arc::downgrade(&store) });
            store
        }
    };
    Ok(Arc::new(Remote(store)))
}

struct Remote(Arc<store::Store>);

impl Remote {
    fn error(&self, error: store::Error, limit: u32) -> StoreError {
        translated(&self.0, error, limit)
    }

    fn lease(&self, key: &Key, how: &Acquire<'_>, reserve: bool) -> Result<Option<Box<dyn Lease>>, StoreError> {
        let request = store::Acquire {
            exclusive: how.mode == LockMode::Exclusive,
            lock_ttl: how.lock_ttl,
            wait: how.wait,
            max_waiters: how.max_waiters,
            lifetime: how.lifetime,
            script: how.script,
            since: how.since.map(|mark| {
                let [incarnation, commit, began] = mark.to_words();
                store::Mark { incarnation, commit, began }
            }),
            reserve,
            drawn: how.drawn,
        };
        let lease = self.0.acquire(&remote(key), &request).map_err(|error| self.error(error, how.max_waiters))?;
        let boxed = |lease| Box::new(RemoteLease { lease, lock_ttl: how.lock_ttl }) as Box<dyn Lease>;
        Ok(lease.map(boxed))
    }
}

fn remote(key: &Key) -> store::Key {
    store::Key::from_bytes(key.to_bytes())
}

fn general(key: store::Key) -> Key {
    Key::from_bytes(key.to_bytes())
}

fn words(mark: store::Mark) -> Mark {
    Mark::from_words([mark.incarnation, mark.commit, mark.began])
}

fn named(holder: store::Holder) -> Holder {
    let script = String::from_utf8_lossy(&holder.script).into_owned();
    Holder { pid: holder.pid, host: holder.host, held: holder.held, script }
}

/// The error in terms of the seam.
fn translated(store: &store::Store, error: store::Error, limit: u32) -> StoreError {
    match error {
        store::Error::LockTimeout { waited, holder } => StoreError::LockTimeout { waited, holder: named(holder) },
        store::Error::TooManyWaiters { waiting, holder } => {
            StoreError::TooManyWaiters { waiting, limit, holder: named(holder) }
        }
        store::Error::HeldHere => StoreError::HeldHere,
        store::Error::TooLarge(found) => StoreError::TooLarge { found: found as u64, limit: store::MAX_PAYLOAD as u64 },
        store::Error::Damaged | store::Error::Foreign => {
            StoreError::Damaged { location: store.location(), what: error.to_string() }
        }
        other => StoreError::Unavailable(other.to_string()),
    }
}

impl Store for Remote {
    fn key(&self, namespace: &Namespace, id: &SessionId<'_>) -> Key {
        general(store::Key::new(namespace.as_bytes(), id.as_bytes()))
    }

    fn acquire(
        &self,
        key: &Key,
        how: &Acquire<'_>,
        _finished: Option<Box<dyn Lease>>,
    ) -> Result<Box<dyn Lease>, StoreError> {
        let lease = self.lease(key, how, true)?;
        lease.ok_or_else(|| self.error(store::Error::Unexpected { at: self.location() }, 0))
    }

    fn acquire_existing(&self, key: &Key, how: &Acquire<'_>) -> Result<Option<Box<dyn Lease>>, StoreError> {
        self.lease(key, how, false)
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn snapshot(&self, key: &Key) -> Result<(Option<Vec<u8>>, Mark), StoreError> {
        let (payload, mark) = self.0.snapshot(&remote(key)).map_err(|error| self.error(error, 0))?;
        Ok((payload, words(mark)))
    }

    fn exists(&self, key: &Key) -> Result<bool, StoreError> {
        self.0.exists(&remote(key)).map_err(|error| self.error(error, 0))
    }

    fn destroy(&self, key: &Key, end: End) -> Result<bool, StoreError> {
        self.0.destroy(&remote(key), end.tombstone, end.grace).map_err(|error| self.error(error, 0))
    }

    /// The server removes what is past its lifetime by itself.
    fn collect(&self, _effort: Effort) -> Result<u64, StoreError> {
        Ok(0)
    }

    fn status(&self) -> Result<Vec<(&'static str, u64)>, StoreError> {
        self.0.status().map_err(|error| self.error(error, 0))
    }

    fn servers(&self) -> Result<Vec<ServerInfo>, StoreError> {
        let facts = self.0.servers().map_err(|error| self.error(error, 0))?;
        let server = |facts: store::ServerInfo| ServerInfo {
            name: facts.name,
            version: facts.version,
            role: facts.role,
            memory_limit: facts.memory_limit,
            eviction: facts.eviction,
            appends: facts.appends,
            saving_fails: facts.saving_fails,
            round_trip: facts.round_trip,
        };
        Ok(facts.into_iter().map(server).collect())
    }

    fn location(&self) -> String {
        self.0.location()
    }

    fn notice(&self) -> Option<String> {
        self.0.notice()
    }

    fn is_vacant(&self, key: &Key) -> Result<bool, StoreError> {
        self.0.is_vacant(&remote(key)).map_err(|error| self.error(error, 0))
    }

    fn migrate_in(&self, key: &Key, session: &Restored<'_>) -> Result<Restore, StoreError> {
        let taken = self.0.migrate_in(&remote(key), &brought(session));
        taken.map(became).map_err(|error| self.error(error, 0))
    }

    fn inventory(&self) -> Option<&dyn Inventory> {
        Some(self)
    }
}

fn entry(found: &store::Entry) -> Entry {
    Entry {
        key: general(found.key),
        incarnation: found.incarnation,
        version: found.version,
        created: u64::from(found.created),
        used: u64::from(found.used),
        expires: found.expires,
        size: u64::from(found.size),
        reserved: found.size == 0,
        // Not known, and nothing depends on it: this store evicts none.
        returned: true,
        locked: found.locked,
        retired: found.retired,
    }
}

fn brought<'a>(session: &Restored<'a>) -> store::Restored<'a> {
    let created = u32::try_from(session.created).unwrap_or(u32::MAX);
    store::Restored { payload: session.payload, created, lifetime: session.lifetime }
}

fn became(restored: store::Restore) -> Restore {
    match restored {
        store::Restore::Stored => Restore::Stored,
        store::Restore::Exists => Restore::Exists,
        store::Restore::Ended => Restore::Ended,
    }
}

impl Inventory for Remote {
    fn walk(&self, visit: &mut dyn FnMut(Entry) -> ControlFlow<()>) -> Result<(), StoreError> {
        self.0.walk(|found| visit(entry(&found))).map_err(|error| self.error(error, 0))
    }

    fn inspect(&self, key: &Key) -> Result<Option<(Entry, Vec<u8>)>, StoreError> {
        let found = self.0.inspect(&remote(key)).map_err(|error| self.error(error, 0))?;
        Ok(found.map(|(found, payload)| (entry(&found), payload)))
    }

    fn restore(&self, key: &Key, session: &Restored<'_>) -> Result<Restore, StoreError> {
        self.0.restore(&remote(key), &brought(session)).map(became).map_err(|error| self.error(error, 0))
    }

    fn key_origin(&self) -> KeyOrigin {
        KeyOrigin::RemoteHash
    }
}

struct RemoteLease {
    lease: store::Lease,
    lock_ttl: Duration,
}

impl RemoteLease {
    fn error(&self, error: store::Error) -> StoreError {
        match error {
            store::Error::LockLost => StoreError::LockLost { lock_ttl: self.lock_ttl },
            error => translated(self.lease.store(), error, 0),
        }
    }

    fn committed(&self, outcome: Result<store::Outcome, store::Error>) -> Result<Committed, StoreError> {
        match outcome {
            Ok(store::Outcome::Stored) => Ok(Committed::Stored),
            Ok(store::Outcome::Ended) => Ok(Committed::Ended),
            Ok(store::Outcome::VersionChanged) => Ok(Committed::VersionChanged),
            Err(error) => Err(self.error(error)),
        }
    }
}

impl Lease for RemoteLease {
    fn payload_len(&self) -> usize {
        self.lease.payload().len()
    }

    fn read_payload(&mut self, out: &mut [u8]) -> Result<(), StoreError> {
        out.copy_from_slice(self.lease.payload());
        Ok(())
    }

    fn is_new(&self) -> bool {
        self.lease.is_new()
    }

    fn mark(&self) -> Mark {
        words(self.lease.mark())
    }

    fn commit(&mut self, payload: &[u8], lifetime: Duration, over: Over) -> Result<Committed, StoreError> {
        let over = match over {
            Over::Anything => store::Over::Anything,
            Over::WhatWasRead => store::Over::WhatWasRead,
        };
        let outcome = self.lease.commit(payload, lifetime, over);
        self.committed(outcome)
    }

    fn touch(&mut self, payload: &[u8], lifetime: Duration) -> Result<Committed, StoreError> {
        let outcome = self.lease.touch(payload, lifetime);
        self.committed(outcome)
    }

    fn destroy(&mut self, end: End) -> Result<bool, StoreError> {
        let destroyed = self.lease.destroy(end.tombstone, end.grace);
        destroyed.map_err(|error| self.error(error))
    }

    fn count_merge(&self, conflicts: Option<u32>) {
        let store = self.lease.store();
        match conflicts {
            Some(conflicts) => {
                store.count(store::Counter::Merges, 1);
                store.count(store::Counter::MergeConflicts, conflicts.into());
            }
            None => store.count(store::Counter::MergeFallbacks, 1),
        }
    }

    fn release(&mut self) {
        self.lease.release();
    }
}
