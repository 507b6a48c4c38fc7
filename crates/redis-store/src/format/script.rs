//! The scripts that run on the server: each is one step of a session's life, whole or not at all.

use std::sync::LazyLock;

/// A script, and the hash by which servers know it.
pub(crate) struct Script {
    pub(crate) code: &'static str,
    pub(crate) hash: String,
}

impl Script {
    fn new(code: &'static str) -> Self {
        Self { code, hash: redis::Script::new(code).get_hash().to_owned() }
    }
}

// What may come before the common part needs none of it, and is done with in half the time.
macro_rules! scripts {
    ($($(#[$doc:meta])* $name:ident: $($before:literal,)? then $file:literal;)*) => {$(
        $(#[$doc])*
        pub(crate) static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(concat!($(include_str!($before),)? include_str!("scripts/common.lua"), include_str!($file)))
        });
    )*};
}

scripts! {
    /// Lock, read, reserve; or queue.
    ACQUIRE: "scripts/acquire_at_once.lua", then "scripts/acquire.lua";
    /// Write and unlock.
    COMMIT: "scripts/commit_at_once.lua", then "scripts/commit.lua";
    /// Extend the lifetime and unlock.
    TOUCH: then "scripts/touch.lua";
    /// End and unlock.
    DESTROY: then "scripts/destroy.lua";
    /// Unlock.
    RELEASE: then "scripts/release.lua";
    /// Extend the lock.
    RENEW: then "scripts/renew.lua";
    /// Store a session from elsewhere.
    RESTORE: then "scripts/restore.lua";
    /// Name the session that takes this one's place.
    NAME: then "scripts/name.lua";
    /// Tell whether a life of the session is over.
    IS_OVER: then "scripts/is_over.lua";
    /// End a session whose successor was written.
    SETTLE: then "scripts/settle.lua";
    /// Let a session live on whose successor was given up.
    REINSTATE: then "scripts/reinstate.lua";
}

/// What a script's answer begins with, as `common.lua` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Done.
    Done,
    /// In the queue for the lock.
    Waiting,
    /// Another lease has the lock.
    Busy,
    /// Too many wait.
    Crowded,
    /// There is no such session.
    Absent,
    /// The session was ended after the lease began.
    Ended,
    /// Something else stands in the place of the session.
    Foreign,
    /// Another version is there.
    VersionChanged,
    /// Another version is there, and the lock is lost.
    Lost,
}

impl Verdict {
    /// The verdict of a number.
    pub(crate) fn of(number: i64) -> Option<Self> {
        Some(match number {
            0 => Self::Done,
            1 => Self::Waiting,
            2 => Self::Busy,
            3 => Self::Crowded,
            4 => Self::Absent,
            5 => Self::Ended,
            6 => Self::Foreign,
            7 => Self::VersionChanged,
            8 => Self::Lost,
            _ => return None,
        })
    }
}
