//! The contract of a source: the storage of another session handler.

use std::ops::ControlFlow;
use std::time::{Duration, SystemTime};

use crate::Error;

/// The most bytes that one session may have: 16 MiB. A larger one is [`Error::TooLarge`].
pub const MAX_PAYLOAD: u64 = 16 << 20;

/// The storage of another session handler. Shared by all threads of a process; what it needs (a connection) it opens
/// when it is first asked, and anew in a forked child.
///
/// Ids are those that Cloakroom accepts: 1 to 256 of `[A-Za-z0-9,-]`. `lifetime` is the time for which a session lives
/// after its last use, for storages that do not expire sessions by themselves: an expired one counts as absent.
///
/// An error never means that the session is absent.
pub trait Source: Send + Sync {
    /// Whether the source has the session. Never waits for its lock.
    ///
    /// # Errors
    /// Failures of the storage.
    fn has(&self, id: &[u8], lifetime: Duration) -> Result<bool, Error>;

    /// Reads the session under the lock of the old handler, so that no request of that handler is in the middle of
    /// it; `None` where the source does not have it. The lock is waited for at most `wait`; zero takes it only where it is free.
    ///
    /// # Errors
    /// [`Error::Busy`] where the lock was not free in time, else failures of the storage.
    fn hold(&self, id: &[u8], wait: Duration, lifetime: Duration) -> Result<Option<Box<dyn Held>>, Error>;

    /// Reads the session as it was last written, whole, without its lock and without waiting for it; `None` where the
    /// source does not have it.
    ///
    /// # Errors
    /// Failures of the storage.
    fn peek(&self, id: &[u8], lifetime: Duration) -> Result<Option<Vec<u8>>, Error>;

    /// Ends the session in the source, whichever request holds its lock; `true` where the source had it.
    ///
    /// # Errors
    /// Failures of the storage.
    fn destroy(&self, id: &[u8]) -> Result<bool, Error>;

    /// Calls `found` with the id of every session, expired ones among them, until that says to stop. An
    /// unacceptable id of an entry that looks like a session is passed on as it is: the caller counts it.
    ///
    /// # Errors
    /// [`Error::CannotList`] where the storage cannot tell, else its failures.
    fn each(&self, found: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> Result<(), Error>;

    /// Where the storage is, for people: without secrets.
    fn location(&self) -> String;
}

/// A session of a source, under the lock of its own handler. Dropping it unlocks the session, which is left as it is.
pub trait Held {
    /// The session's payload, in the format of `session.serialize_handler`.
    fn payload(&self) -> &[u8];

    /// When it was used last, where the storage knows.
    fn used(&self) -> Option<SystemTime> {
        None
    }

    /// When it began, where the storage knows.
    fn created(&self) -> Option<SystemTime> {
        None
    }
}
