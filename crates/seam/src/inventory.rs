//! The view that tools have of a store: all sessions in it, one of them with its payload, and sessions brought in from elsewhere.
//!
//! None of it is part of a request. A store that offers an [`Inventory`] promises for it:
//! - looking neither waits for a lease nor holds one up, counts as no use and extends no lifetime;
//! - a walk meets every session that readers see and that exists all the while exactly once, as it was at one moment;
//!   one that begins or ends meanwhile may be met or not;
//! - restoring neither replaces a session nor revives one that was destroyed and is remembered.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::{Key, StoreError};

/// A store's record of one session, its payload apart. Times are seconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Where the session lives.
    pub key: Key,
    /// The number of this life of the session.
    pub incarnation: u64,
    /// Rises with each commit.
    pub version: u64,
    /// When the session began.
    pub created: u64,
    /// When it was written or touched last.
    pub used: u64,
    /// The second from which on it is absent; for a retired session, from which on it is not read any more.
    pub expires: u64,
    /// Bytes of its payload.
    pub size: u64,
    /// Whether it only holds its id, without a payload.
    pub reserved: bool,
    /// Whether it was asked for again after the request that began it.
    pub returned: bool,
    /// Whether a request holds its lock.
    pub locked: bool,
    /// Whether another id took its place: it can be read for a while, not written.
    pub retired: bool,
}

/// A session from elsewhere.
#[derive(Clone, Copy)]
pub struct Restored<'a> {
    /// Its payload.
    pub payload: &'a [u8],
    /// When it began, in seconds since 1970.
    pub created: u64,
    /// How long it is to live from now on.
    pub lifetime: Duration,
    /// Whether it was asked for again after the request that began it.
    pub returned: bool,
}

/// The fate of a session that was to be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restore {
    /// It is here now.
    Stored,
    /// A session of this key is here, or is being made; it was left as it is.
    Exists,
    /// A session of this key was destroyed here and is still remembered: it stays destroyed.
    Ended,
}

/// How a store makes keys of ids. Sessions can only be moved between stores that make them alike, as ids cannot be computed
/// from keys.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum KeyOrigin {
    /// As the local store does, with this secret.
    LocalSecret([u8; 32]),
    /// As the Redis store does, by a hash without a secret.
    RemoteHash,
}

/// All sessions of a store, for tools.
pub trait Inventory {
    /// Calls `visit` with every session that readers see, until it breaks off.
    ///
    /// # Errors
    /// Failures of the storage. Where single sessions are damaged, the others are visited before that is told.
    fn walk(&self, visit: &mut dyn FnMut(Entry) -> ControlFlow<()>) -> Result<(), StoreError>;

    /// One session with its last committed payload; `None` where readers see none.
    ///
    /// # Errors
    /// Only failures of the storage.
    fn inspect(&self, key: &Key) -> Result<Option<(Entry, Vec<u8>)>, StoreError>;

    /// Stores a session under `key` where there is none and none was destroyed lately.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::TooLarge`] and other failures of the storage.
    fn restore(&self, key: &Key, session: &Restored<'_>) -> Result<Restore, StoreError>;

    /// How the keys come about.
    fn key_origin(&self) -> KeyOrigin;
}
