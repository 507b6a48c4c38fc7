//! [`Lease`]: what a request holds while it works on one session.

use std::time::Duration;

use crate::{Named, Room, StoreError, Succession, Successor};

/// The most bytes one payload may have: 16 MiB.
pub const MAX_PAYLOAD: usize = 16 << 20;

/// A point in the life of a session, taken by a reader who wants to write later. Made by [`crate::Store::snapshot`] and
/// [`Lease::mark`], meaningful to that store only: three words, of which nobody else knows what they say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark([u64; 3]);

impl Mark {
    /// The mark that says this to the store which makes it.
    #[must_use]
    #[inline]
    pub const fn from_words(words: [u64; 3]) -> Self {
        Self(words)
    }

    /// The reverse of [`Mark::from_words`].
    #[must_use]
    #[inline]
    pub const fn to_words(self) -> [u64; 3] {
        self.0
    }
}

/// The version that a commit may replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Any version.
    Anything,
    /// Only the version that the lease has read.
    WhatWasRead,
    /// Only the reservation that the lease has made, and only while it has its lock: the first write of a session that takes
    /// another's place. Where nobody holds the lock, another request may have found the session given up.
    Reservation,
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

/// The outcome of a [`Lease::commit`] or [`Lease::touch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    /// The payload is stored, or was there unchanged and lives on.
    Stored,
    /// The session was destroyed after this lease began; nothing was written.
    Ended,
    /// Another version is there than the one that was read, and nothing was written. The lease goes on:
    /// [`Lease::read_payload`] gives that version, which the next commit may then replace.
    VersionChanged,
}

/// One request's hold on one session, from acquire until a commit, touch, destroy or release finishes it. Bound to the
/// thread that acquired it, which may hold eight at a time; dropping it releases it.
pub trait Lease {
    /// Bytes of the payload that was current at [`crate::Store::acquire`].
    fn payload_len(&self) -> usize;

    /// Copies that payload into `out`, which is empty and takes exactly [`Lease::payload_len`] bytes. Where it succeeds `out` is
    /// full: callers check that, as the rest of it may be memory that was never written.
    ///
    /// # Errors
    /// [`StoreError::Changed`] where a writer without a lock replaced the payload since: [`Lease::payload_len`] is
    /// new, and the call is to be made again. [`StoreError::Damaged`] where the stored bytes do not match their
    /// checksum. What `out` was filled with is then unspecified.
    fn read_payload(&mut self, out: &mut Room<'_>) -> Result<(), StoreError>;

    /// Whether the session did not exist before this lease reserved it.
    fn is_new(&self) -> bool;

    /// The session as this lease read or wrote it last, for [`crate::Acquire::since`].
    fn mark(&self) -> Mark;

    /// The number of this life of the session, 0 where it ended before the lease began.
    fn incarnation(&self) -> u64;

    /// Whether another session was to take the place of this one when this lease was acquired. Costs nothing where none was.
    fn succession(&self) -> Succession;

    /// Whether the session is over by now for those who acquired it: somebody ended it, or its id was replaced. One that
    /// vanished without having been ended is not.
    ///
    /// # Errors
    /// Only failures of the storage.
    fn is_over(&mut self) -> Result<bool, StoreError>;

    /// Makes the session name the one that takes its place, where it names `before` or, without that, none. From here on nobody
    /// can write it. The lease goes on.
    ///
    /// # Errors
    /// Only failures of the storage.
    fn name(&mut self, successor: &Successor, before: Option<&Successor>) -> Result<Named, StoreError>;

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
