//! The session that takes another's place when an id is replaced by another (`session_regenerate_id(true)`).
//!
//! A session whose id is being replaced *names* its successor, with [`crate::Lease::name`], as soon as that is held: from then on
//! nobody writes it. It lives on until the successor is written, which *settles* it ([`crate::Store::settle`]): then it is retired, or
//! ended. Where the successor was given up without having been written, whoever finds that out *reinstates* it
//! ([`crate::Store::reinstate`]). Who holds a successor has its lock in every lock mode, so that whether it was given up can be found out.

use crate::Key;

/// The session that takes another's place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Successor {
    /// Where it lives. A key that no session has, where the store knows that this one is gone.
    pub key: Key,
    /// The number of its life, 0 for none.
    pub incarnation: u64,
}

/// Whether another session takes the place of this one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Succession {
    /// None does.
    None,
    /// This one does, or will when it is written: the session lives, and cannot be written.
    Named(Successor),
    /// This one did: the session is over, and may still be read for a while.
    Retired(Successor),
}

/// The outcome of [`crate::Lease::name`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// The session names its successor, and holds what the lease has read.
    Unchanged,
    /// It names its successor, and holds another version than the lease has read: [`crate::Lease::read_payload`] gives that.
    VersionChanged,
    /// There is no session any more, though nobody ended it.
    Vanished,
    /// Somebody has ended it or replaced its id: nothing was changed.
    Over,
}
