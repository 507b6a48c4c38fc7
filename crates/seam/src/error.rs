//! The failures that a store answers instead of a result. Messages say what failed, where, and what to do; they never hold a session id
//! or a payload.

use std::time::Duration;

use crate::Printable;

/// The most characters that are shown of a machine's name. Its DNS name may have 253.
const MOST_OF_HOST: usize = 80;

/// The most characters that are shown of a script's path. Stores keep its last 96 bytes at most.
const MOST_OF_SCRIPT: usize = 96;

/// The holder of a session's lock, for the warning of a request that waited in vain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// Process id as the holder sees it (another pid namespace may number it differently).
    pub pid: u32,
    /// Its machine; empty where that can only be this one.
    pub host: String,
    /// How long it has held the lock.
    pub held: Duration,
    /// The end of its script's path, at most 96 bytes.
    pub script: String,
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "process {} has held it for {:.1} s", self.pid, self.held.as_secs_f64())?;
        if !self.host.is_empty() {
            write!(f, " on {}", Printable::new(self.host.as_bytes(), MOST_OF_HOST))?;
        }
        if self.script.is_empty() {
            return Ok(());
        }
        write!(f, " running {}", Printable::new(self.script.as_bytes(), MOST_OF_SCRIPT))
    }
}

/// The failures that a store answers instead of a result.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The lock did not become free in time.
    #[error("the session is locked: waited {:.1} s, {holder}; end or shorten that request, or raise cloakroom.lock_wait", .waited.as_secs_f64())]
    LockTimeout {
        /// How long this request waited.
        waited: Duration,
        /// The holder of the lock.
        holder: Holder,
    },
    /// More requests wait for this session than allowed.
    #[error(
        "{waiting} requests wait for this session already (cloakroom.max_waiters = {limit}); {holder}; end or shorten that request, or \
         raise cloakroom.max_waiters"
    )]
    TooManyWaiters {
        /// Requests waiting.
        waiting: u32,
        /// The limit asked for.
        limit: u32,
        /// The holder of the lock.
        holder: Holder,
    },
    /// This very thread holds the session already: waiting would never end.
    #[error("this request holds the session's lock already, through another handler object; close that one first")]
    HeldHere,
    /// The store is at `cloakroom.size` and nothing may be evicted.
    #[error(
        "the store {location} is full: {used} of {capacity} bytes are in use and no session that may be evicted is left; raise cloakroom.size"
    )]
    Full {
        /// Which store.
        location: String,
        /// Bytes in use.
        used: u64,
        /// `cloakroom.size`.
        capacity: u64,
    },
    /// The payload is larger than any store takes.
    #[error(
        "the session holds {found} bytes, more than the {limit} bytes a session may have; keep what is large in a file or a cache, and \
         where it is in the session"
    )]
    TooLarge {
        /// Bytes of the payload.
        found: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The stored bytes are not what was committed.
    #[error("the store {location} is damaged: {what}")]
    Damaged {
        /// Which store.
        location: String,
        /// What was found and where.
        what: String,
    },
    /// The lock was lost and the session's version has changed.
    #[error(
        "the session's lock was lost, as the server heard nothing of this request for {} s or forgot the lock itself, and what \
         is stored is no longer what this request has read; its changes were not stored; if requests stand still for so \
         long, raise cloakroom.lock_ttl",
        .lock_ttl.as_secs()
    )]
    LockLost {
        /// `cloakroom.lock_ttl`.
        lock_ttl: Duration,
    },
    /// The lease is a copy: that of the process which forked this one.
    #[error("this process was forked while the session was open; only the process that opened it can write it")]
    Forked,
    /// A writer without a lock replaced the payload since it was acquired: its length may be another, ask again.
    #[error("the session changed while it was read")]
    Changed,
    /// The store cannot be reached or opened, or the system refused something.
    #[error("{0}")]
    Unavailable(String),
}
