//! [`Store`]: a place that keeps sessions, and what it is asked for.

use std::time::Duration;

use crate::{
    End, Inventory, Key, Lease, Mark, Namespace, Restore, Restored, Sample, ServerInfo, SessionId, StoreError,
    Succession, Successor,
};

/// How overlapping requests of one session behave (`cloakroom.lock`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockMode {
    /// One request at a time, in order of arrival: PHP's own contract.
    Exclusive,
    /// No lock; what others wrote meanwhile is merged with what this request writes.
    Merge,
    /// No lock; the last write wins.
    None,
}

/// What [`Store::acquire`] is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Acquire<'a> {
    /// Take the session's lock, or work without one.
    pub mode: LockMode,
    /// How long to wait for the lock; zero fails at once when it is taken.
    pub wait: Duration,
    /// How long the lock outlives a holder that vanished, where a store cannot find that out otherwise.
    pub lock_ttl: Duration,
    /// Fail at once when this many requests wait already; 0 = no limit.
    pub max_waiters: u32,
    /// Lifetime of the reservation that is made when the session does not exist yet.
    pub lifetime: Duration,
    /// The script that acquires, named to requests that wait in vain. At most 95 bytes are kept.
    pub script: &'a [u8],
    /// The lease shall stand where this was taken: what was ended since stays ended, and what it may replace is what was
    /// current then.
    pub since: Option<Mark>,
    /// Whether the id was drawn for this very request, so that nobody can have known it before. Where the request ends the
    /// session again without having written it, and no other request has met it, nothing needs to be remembered.
    pub drawn: bool,
}

/// How much work [`Store::collect`] may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// A bounded step, for a request that PHP's probability picked.
    Step,
    /// All expired sessions, for `session_gc()` and the command line.
    All,
}

/// A session as [`Store::look`] finds it.
pub struct Look {
    /// The last committed payload; `None` where there is no session.
    pub payload: Option<Vec<u8>>,
    /// For [`Acquire::since`].
    pub mark: Mark,
    /// The number of this life of the session, 0 where there is none.
    pub incarnation: u64,
    /// Whether it was written since it was reserved.
    pub is_written: bool,
    /// Whether another session takes its place.
    pub succession: Succession,
}

/// The outcome of [`Store::destroy_since`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destroyed {
    /// The session lived, and was ended by this call.
    Now,
    /// There was none, and nobody is known to have ended it.
    Absent,
    /// Somebody has ended it, or replaced its id, since it was read.
    Before,
}

/// A place that keeps sessions. A handle of it may belong to one thread.
pub trait Store {
    /// The key of the session `id` in `namespace`. Does not touch the storage.
    fn key(&self, namespace: &Namespace, id: &SessionId) -> Key;

    /// Locks (in [`LockMode::Exclusive`]) and reads the session in one step. A session that does not exist is
    /// reserved with an empty payload, so that its id validates from now on.
    ///
    /// # Errors
    /// Besides failures of the storage: [`StoreError::LockTimeout`], [`StoreError::TooManyWaiters`],
    /// [`StoreError::HeldHere`] where this thread holds the session's lease already.
    fn acquire(&self, key: &Key, how: &Acquire<'_>) -> Result<Box<dyn Lease>, StoreError>;

    /// [`Store::acquire`] of a session that exists; `None` where it does not. Nothing is reserved or locked then.
    ///
    /// # Errors
    /// As [`Store::acquire`].
    fn acquire_existing(&self, key: &Key, how: &Acquire<'_>) -> Result<Option<Box<dyn Lease>>, StoreError> {
        if self.exists(key)? { self.acquire(key, how).map(Some) } else { Ok(None) }
    }

    /// Whether each call is a round trip to another machine, so that fewer calls are worth more than the least work in
    /// each.
    fn is_remote(&self) -> bool {
        false
    }

    /// The session as it was last committed, without any lock.
    ///
    /// # Errors
    /// Only failures of the storage.
    fn look(&self, key: &Key) -> Result<Look, StoreError>;

    /// The last committed payload, without any lock; `None` where the session does not exist. The mark is for
    /// [`Acquire::since`].
    ///
    /// # Errors
    /// Only failures of the storage.
    fn snapshot(&self, key: &Key) -> Result<(Option<Vec<u8>>, Mark), StoreError> {
        let Look { payload, mark, .. } = self.look(key)?;
        Ok((payload, mark))
    }

    /// Whether the session exists (reserved counts). Never waits for a lease.
    ///
    /// # Errors
    /// Only failures of the storage: absence is `Ok(false)` and is proven.
    fn exists(&self, key: &Key) -> Result<bool, StoreError>;

    /// Ends the session without holding its lease; `true` where there was one.
    ///
    /// # Errors
    /// Only failures of the storage.
    fn destroy(&self, key: &Key, end: End) -> Result<bool, StoreError>;

    /// [`Store::destroy`] for somebody who read the session at `since`: also tells whether another has ended it since.
    ///
    /// # Errors
    /// Only failures of the storage.
    fn destroy_since(&self, key: &Key, since: &Mark, end: End) -> Result<Destroyed, StoreError>;

    /// Ends a session whose successor has been written, if it still lives and names that one.
    ///
    /// # Errors
    /// Only failures of the storage.
    fn settle(&self, key: &Key, successor: &Successor, end: End) -> Result<(), StoreError>;

    /// Makes a session that lives and names `successor` name none any more, so that it can be written again; `true` where it
    /// did. The caller holds the lock of the successor and found it unwritten.
    ///
    /// # Errors
    /// Only failures of the storage.
    fn reinstate(&self, key: &Key, successor: &Successor) -> Result<bool, StoreError>;

    /// Removes sessions past their lifetime and answers how many *this call* removed: none where the storage removes
    /// them by itself.
    ///
    /// # Errors
    /// Only failures of the storage.
    fn collect(&self, effort: Effort) -> Result<u64, StoreError>;

    /// The counters and gauges of the store, in a fixed order, names as in `Cloakroom\status()`.
    ///
    /// # Errors
    /// Only failures of the storage.
    fn status(&self) -> Result<Vec<(&'static str, u64)>, StoreError>;

    /// Sizes and ages of the sessions, or of enough of them to judge by, at a cost that does not grow with their number;
    /// `None` where the store cannot tell.
    ///
    /// # Errors
    /// Only failures of the storage.
    fn sample(&self) -> Result<Option<Sample>, StoreError> {
        Ok(None)
    }

    /// The servers that keep the sessions; none where this machine does.
    ///
    /// # Errors
    /// Only failures of the servers.
    fn servers(&self) -> Result<Vec<ServerInfo>, StoreError> {
        Ok(Vec::new())
    }

    /// Where the store is, for people: a path or an address without secrets.
    fn location(&self) -> String;

    /// A message for the operator, once, though nothing failed: the file was replaced under the workers, the store
    /// is nearly full. Asked at the start of every request, so it costs next to nothing when there is no news.
    fn notice(&self) -> Option<String> {
        None
    }

    /// Whether another handle of the same place should be opened in place of this one, which still works: the file that it was
    /// opened on was replaced, and is held for as long as this handle is. Costs one load.
    fn is_outdated(&self) -> bool {
        false
    }

    /// Whether there is room for a session from elsewhere: none is here, or only one that is reserved and that nobody has
    /// written, and none was destroyed lately. A session that was emptied by its script is one.
    ///
    /// # Errors
    /// Only failures of the storage.
    fn is_vacant(&self, key: &Key) -> Result<bool, StoreError>;

    /// Stores a session that another handler kept, where [`Store::is_vacant`], and counts it.
    ///
    /// # Errors
    /// As [`Lease::commit`].
    fn migrate_in(&self, key: &Key, session: &Restored<'_>) -> Result<Restore, StoreError>;

    /// Counts a write that was refused, as the store does itself where a session was ended meanwhile.
    fn count_refused(&self);

    /// The view that tools have of the store, where it can be gone through.
    fn inventory(&self) -> Option<&dyn Inventory> {
        None
    }
}
