//! [`RedisStore`]: a store on servers as sessions use it, behind the traits of the seam.

use std::ops::ControlFlow;
use std::sync::{Arc, Weak};
use std::time::Duration;

use cloakroom_seam as seam;
use cloakroom_seam::Room;
use cloakroom_seam::{
    Acquire, Committed, Destroyed, Effort, End, Entry, Inventory, Key, KeyOrigin, Look, Mark, Named, Namespace, Over,
    Restore, Restored, ServerInfo, SessionId, StoreError, Succession, Successor,
};
use parking_lot::Mutex;

use crate::address::Address;
use crate::core::counters::Counter;
use crate::core::store::Store;
use crate::operations::lease::Lease;
use crate::wire::error::Error;

/// The stores of this process, each by its URL, so that all handles of one address share connections and know of each
/// other's locks.
static OPEN: Mutex<Vec<Open>> = Mutex::new(Vec::new());

struct Open {
    url: Box<[u8]>,
    store: Weak<Store>,
}

/// A handle of the store at an address.
pub struct RedisStore(Arc<Store>);

impl RedisStore {
    /// Opens the store of a `session.save_path` URL. Nothing is connected yet.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] with what is wrong with the URL, and where.
    pub fn open(url: &[u8]) -> Result<Self, StoreError> {
        let mut open = OPEN.lock();
        open.retain(|known| known.store.strong_count() > 0);
        let known = open.iter().find(|known| *known.url == *url).and_then(|known| known.store.upgrade());
        if let Some(store) = known {
            return Ok(Self(store));
        }
        let address = Address::parse(url)
            .map_err(|error| StoreError::Unavailable(format!("session.save_path cannot be understood: {error}")))?;
        let store = Store::new(address);
        open.push(Open { url: url.into(), store: Arc::downgrade(&store) });
        Ok(Self(store))
    }

    /// What a user of this store gets of a result.
    fn told<T>(&self, result: Result<T, Error>) -> Result<T, StoreError> {
        result.map_err(|error| error.of(&self.0))
    }
}

impl Error {
    /// What a user of `store` is told.
    fn of(self, store: &Store) -> StoreError {
        match self {
            Self::LockTimeout { waited, holder } => StoreError::LockTimeout { waited, holder },
            Self::TooManyWaiters { waiting, limit, holder } => StoreError::TooManyWaiters { waiting, limit, holder },
            Self::HeldHere => StoreError::HeldHere,
            Self::Forked => StoreError::Forked,
            Self::LockLost { lock_ttl } => StoreError::LockLost { lock_ttl },
            Self::TooLarge(found) => StoreError::TooLarge { found: found as u64, limit: seam::MAX_PAYLOAD as u64 },
            Self::Damaged | Self::Foreign => StoreError::Damaged { location: store.location(), what: self.to_string() },
            other => StoreError::Unavailable(other.to_string()),
        }
    }
}

impl seam::Store for RedisStore {
    fn key(&self, namespace: &Namespace, id: &SessionId<'_>) -> Key {
        Store::key(namespace.as_bytes(), id.as_bytes())
    }

    fn acquire(&self, key: &Key, how: &Acquire<'_>) -> Result<Box<dyn seam::Lease>, StoreError> {
        let lease = self.told(self.0.acquire(key, how))?;
        Ok(Box::new(lease))
    }

    fn acquire_existing(&self, key: &Key, how: &Acquire<'_>) -> Result<Option<Box<dyn seam::Lease>>, StoreError> {
        let lease = self.told(self.0.acquire_existing(key, how))?;
        Ok(lease.map(|lease| Box::new(lease) as Box<dyn seam::Lease>))
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn look(&self, key: &Key) -> Result<Look, StoreError> {
        self.told(self.0.look(key))
    }

    fn exists(&self, key: &Key) -> Result<bool, StoreError> {
        self.told(self.0.exists(key))
    }

    fn destroy(&self, key: &Key, end: End) -> Result<bool, StoreError> {
        self.told(self.0.destroy(key, end))
    }

    fn destroy_since(&self, key: &Key, since: &Mark, end: End) -> Result<Destroyed, StoreError> {
        self.told(self.0.destroy_since(key, since, end))
    }

    fn settle(&self, key: &Key, successor: &Successor, end: End) -> Result<(), StoreError> {
        self.told(self.0.settle(key, successor, end))
    }

    fn reinstate(&self, key: &Key, successor: &Successor) -> Result<bool, StoreError> {
        self.told(self.0.reinstate(key, successor))
    }

    /// The server removes what is past its lifetime by itself.
    fn collect(&self, _effort: Effort) -> Result<u64, StoreError> {
        Ok(0)
    }

    fn status(&self) -> Result<Vec<(&'static str, u64)>, StoreError> {
        self.told(self.0.status())
    }

    fn servers(&self) -> Result<Vec<ServerInfo>, StoreError> {
        self.told(self.0.servers())
    }

    fn location(&self) -> String {
        self.0.location()
    }

    fn notice(&self) -> Option<String> {
        self.0.notice()
    }

    fn is_vacant(&self, key: &Key) -> Result<bool, StoreError> {
        self.told(self.0.is_vacant(key))
    }

    fn migrate_in(&self, key: &Key, session: &Restored<'_>) -> Result<Restore, StoreError> {
        self.told(self.0.migrate_in(key, session))
    }

    fn count_refused(&self) {
        self.0.count(Counter::RefusedWrites, 1);
    }

    fn inventory(&self) -> Option<&dyn Inventory> {
        Some(self)
    }
}

impl Inventory for RedisStore {
    fn walk(&self, visit: &mut dyn FnMut(Entry) -> ControlFlow<()>) -> Result<(), StoreError> {
        self.told(self.0.walk(visit))
    }

    fn inspect(&self, key: &Key) -> Result<Option<(Entry, Vec<u8>)>, StoreError> {
        self.told(self.0.inspect(key))
    }

    fn restore(&self, key: &Key, session: &Restored<'_>) -> Result<Restore, StoreError> {
        self.told(self.0.restore(key, session))
    }

    fn key_origin(&self) -> KeyOrigin {
        KeyOrigin::RemoteHash
    }
}

impl seam::Lease for Lease {
    fn payload_len(&self) -> usize {
        self.payload().len()
    }

    fn read_payload(&mut self, out: &mut Room<'_>) -> Result<(), StoreError> {
        if out.put(self.payload()) { Ok(()) } else { Err(StoreError::Changed) }
    }

    fn is_new(&self) -> bool {
        Self::is_new(self)
    }

    fn mark(&self) -> Mark {
        Self::mark(self)
    }

    fn incarnation(&self) -> u64 {
        Self::incarnation(self)
    }

    fn succession(&self) -> Succession {
        Self::succession(self)
    }

    fn is_over(&mut self) -> Result<bool, StoreError> {
        Self::is_over(self).map_err(|error| error.of(self.store()))
    }

    fn name(&mut self, successor: &Successor, before: Option<&Successor>) -> Result<Named, StoreError> {
        Self::name(self, successor, before).map_err(|error| error.of(self.store()))
    }

    fn commit(&mut self, payload: &[u8], lifetime: Duration, over: Over) -> Result<Committed, StoreError> {
        Self::commit(self, payload, lifetime, over).map_err(|error| error.of(self.store()))
    }

    fn touch(&mut self, payload: &[u8], lifetime: Duration) -> Result<Committed, StoreError> {
        Self::touch(self, payload, lifetime).map_err(|error| error.of(self.store()))
    }

    fn destroy(&mut self, end: End) -> Result<bool, StoreError> {
        Self::destroy(self, end).map_err(|error| error.of(self.store()))
    }

    fn count_merge(&self, conflicts: Option<u32>) {
        let store = self.store();
        match conflicts {
            Some(conflicts) => {
                store.count(Counter::Merges, 1);
                store.count(Counter::MergeConflicts, conflicts.into());
            }
            None => store.count(Counter::MergeFallbacks, 1),
        }
    }

    fn release(&mut self) {
        Self::release(self);
    }
}
