//! The seam between sessions and storage: what a store does ([`Store`]) and what a request holds while it
//! works on one session ([`Lease`]).
//!
//! Invariants every store keeps (the conformance suite checks them):
//! - the lock and the read are one call, the write and the unlock are one call;
//! - a commit, touch or destroy reaches only the *incarnation* of the session that its lease acquired: what was
//!   destroyed stays destroyed;
//! - a commit over what was read ([`Over::WhatWasRead`]) replaces no *version* that its lease has not read;
//! - a reader without a lock ([`Store::snapshot`]) sees a whole, committed payload, and never waits for a lease;
//! - a session past its lifetime is absent for everybody at once.
//!
//! Times are [`Duration`]s with at least second resolution; payloads are bytes of 0 to 16 MiB.

use std::any::Any;
use std::time::Duration;

use crate::inventory::{Restore, Restored};
use crate::{Inventory, Namespace, SessionId, StoreError};

/// The most bytes one payload may have: 16 MiB.
pub const MAX_PAYLOAD: usize = 16 << 20;

/// Where a session lives in a store: a keyed hash of namespace and id, so that ids never reach the storage.
/// Made by [`Store::key`], meaningful to that store only.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key(pub [u8; 32]);

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

/// A point in the life of a session, taken by a reader who wants to write later. Made by [`Store::snapshot`] and
/// [`Lease::mark`], meaningful to that store only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(pub [u64; 3]);

/// What a commit may replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Whatever is there.
    Anything,
    /// Only the version that the lease has read.
    WhatWasRead,
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
    /// The script that acquires, named to those who wait in vain. At most 95 bytes are kept.
    pub script: &'a [u8],
    /// The lease shall stand where this was taken: what was ended since stays ended, and what it may replace is what was
    /// current then.
    pub since: Option<Mark>,
}

/// How much work [`Store::collect`] may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// A bounded step, for a request that PHP's probability picked.
    Step,
    /// All expired sessions, for `session_gc()` and the command line.
    All,
}

/// A place that keeps sessions. Shared by all threads of a process.
pub trait Store: Send + Sync {
    /// The key of the session `id` in `namespace`. Does not touch the storage.
    fn key(&self, namespace: &Namespace, id: &SessionId) -> Key;

    /// Locks (in [`LockMode::Exclusive`]) and reads the session in one step. A session that does not exist is
    /// reserved with an empty payload, so that its id validates from now on. `finished` is a lease of this store that
    /// came to its end, whose memory can be used again.
    ///
    /// # Errors
    /// Besides failures of the storage: [`StoreError::LockTimeout`], [`StoreError::TooManyWaiters`],
    /// [`StoreError::HeldHere`] where this thread holds the session's lease already.
    fn acquire(
        &self,
        key: &Key,
        how: &Acquire<'_>,
        finished: Option<Box<dyn Lease>>,
    ) -> Result<Box<dyn Lease>, StoreError>;

    /// [`Store::acquire`] of a session that exists; `None` where it does not. Nothing is reserved or locked then.
    ///
    /// # Errors
    /// As [`Store::acquire`].
    fn acquire_existing(&self, key: &Key, how: &Acquire<'_>) -> Result<Option<Box<dyn Lease>>, StoreError> {
        if self.exists(key)? { self.acquire(key, how, None).map(Some) } else { Ok(None) }
    }

    /// Whether each call is a round trip to another machine, so that fewer calls are worth more than the least work in
    /// each.
    fn is_remote(&self) -> bool {
        false
    }

    /// The last committed payload, without any lock; `None` where the session does not exist. The mark is for
    /// [`Acquire::since`].
    ///
    /// # Errors
    /// Only failures of the storage.
    fn snapshot(&self, key: &Key) -> Result<(Option<Vec<u8>>, Mark), StoreError>;

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
    fn servers(&self) -> Result<Vec<Server>, StoreError> {
        Ok(Vec::new())
    }

    /// Where the store is, for people: a path or an address without secrets.
    fn location(&self) -> String;

    /// What the operator should hear once though nothing failed: the file was replaced under the workers, the store
    /// is nearly full. Asked at the start of every request, so it costs next to nothing when there is no news.
    fn notice(&self) -> Option<String> {
        None
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
    fn take_over(&self, key: &Key, session: &Restored<'_>) -> Result<Restore, StoreError>;

    /// What tools see of the store, where it can be gone through.
    fn inventory(&self) -> Option<&dyn Inventory> {
        None
    }
}

/// What a server of a store says of itself: see [`Store::servers`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Which program it is.
    pub name: String,
    /// Its version.
    pub version: String,
    /// "master", or what else it is among its like.
    pub role: String,
    /// The most memory that it may use, in bytes; 0 = no limit.
    pub memory_limit: u64,
    /// What it does when that is reached.
    pub eviction: String,
    /// Whether it writes every change to a file.
    pub appends: bool,
    /// Whether it could not write its data to the disk last time.
    pub saving_fails: bool,
    /// How long it takes to answer.
    pub round_trip: Duration,
}

/// What [`Store::sample`] tells of one session. Times are seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sampled {
    /// When the session began.
    pub created: u64,
    /// When it was written or touched last.
    pub used: u64,
    /// Bytes of its payload; 0 where it only holds its id.
    pub size: u64,
    /// Whether it was asked for again after the request that began it.
    pub returned: bool,
}

/// What [`Store::sample`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The sessions, in no order.
    pub sessions: Vec<Sampled>,
    /// Whether these are all, and not only some.
    pub complete: bool,
    /// When the look was taken, in seconds since 1970.
    pub taken: u64,
}

/// How a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// How long its incarnation is remembered, so that leases which began before cannot write it back.
    pub tombstone: Duration,
    /// How long its last payload can still be read, for an id that was replaced by another; zero = not at all. A lease
    /// that is acquired meanwhile reads it and writes nothing.
    pub grace: Duration,
}

impl End {
    /// An end without grace.
    #[must_use]
    pub const fn at_once(tombstone: Duration) -> Self {
        Self { tombstone, grace: Duration::ZERO }
    }
}

/// What became of a [`Lease::commit`] or [`Lease::touch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// The payload is stored, or was there unchanged and lives on.
    Stored,
    /// The session was destroyed after this lease began; nothing was written.
    Ended,
    /// Another version is there than the one that was read, and nothing was written. The lease goes on:
    /// [`Lease::read_payload`] gives that version, which the next commit may then replace.
    Moved,
}

/// One request's hold on one session, from acquire until a commit, touch, destroy or release finishes it. Bound to the
/// thread that acquired it, which may hold eight at a time; dropping it releases it.
pub trait Lease: Any {
    /// Bytes of the payload that was current at [`Store::acquire`].
    fn payload_len(&self) -> usize;

    /// Copies that payload into `out`, which has exactly [`Lease::payload_len`] bytes.
    ///
    /// # Errors
    /// [`StoreError::Changed`] where a writer without a lock replaced the payload since: [`Lease::payload_len`] is
    /// new, and the call is to be made again. [`StoreError::Damaged`] where the stored bytes do not match their
    /// checksum. `out` is then unspecified.
    fn read_payload(&mut self, out: &mut [u8]) -> Result<(), StoreError>;

    /// Whether the session did not exist before this lease reserved it.
    fn is_new(&self) -> bool;

    /// The session as this lease read or wrote it last, for [`Acquire::since`].
    fn mark(&self) -> Mark;

    /// Writes the payload, extends the lifetime and unlocks.
    ///
    /// # Errors
    /// Where the payload could not be stored ([`StoreError::Full`] …) the old one stays and the lock is free.
    fn commit(&mut self, payload: &[u8], lifetime: Duration, over: Over) -> Result<Committed, StoreError>;

    /// Extends the lifetime of the unchanged session and unlocks. `payload` is what the session holds: it is
    /// written where the session vanished without having been destroyed.
    ///
    /// # Errors
    /// As [`Lease::commit`].
    fn touch(&mut self, payload: &[u8], lifetime: Duration) -> Result<Committed, StoreError>;

    /// Ends this incarnation of the session and unlocks.
    ///
    /// # Errors
    /// Only failures of the storage.
    fn destroy(&mut self, end: End) -> Result<bool, StoreError>;

    /// Counts that what this lease wrote was a merge in which `conflicts` values had been changed by both sides, or
    /// (`None`) that it could not be merged and replaced what was there.
    fn count_merge(&self, conflicts: Option<u32>);

    /// Unlocks without a change.
    fn release(&mut self);
}
