//! The failures of a source, and the reasons why an address names none. Messages name the source's location without
//! secrets, the failure and the remedy; they never hold a session id or a payload.

use std::time::Duration;

/// A failure of a source.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be reached or read.
    #[error("the sessions of {location} cannot be read: {reason}")]
    Unavailable {
        /// [`crate::Source::location`].
        location: String,
        /// The failure and its remedy.
        reason: String,
    },
    /// A request of the old handler holds the session's lock.
    #[error(
        "the session is in use by a request of the old session handler ({location}); waited {:.1} s for it to end",
        .waited.as_secs_f64()
    )]
    Busy {
        /// [`crate::Source::location`].
        location: String,
        /// How long was waited for the lock.
        waited: Duration,
    },
    /// The source has the session, but in a form that cannot be migrated.
    #[error("a session of {location} cannot be migrated: {reason}")]
    Unusable {
        /// [`crate::Source::location`].
        location: String,
        /// Why, and what to do.
        reason: String,
    },
    /// What lies under the session's name is nobody's session, or another user's. Anybody who can write to a shared directory can put
    /// such a thing there.
    #[error("a session of {location} cannot be migrated: {found}")]
    Foreign {
        /// [`crate::Source::location`].
        location: String,
        /// What it is.
        found: Foreign,
    },
    /// The session is longer than Cloakroom stores.
    #[error("a session of {location} cannot be migrated: it holds {found} bytes, and Cloakroom stores at most {limit}")]
    TooLarge {
        /// [`crate::Source::location`].
        location: String,
        /// Its length in bytes.
        found: u64,
        /// [`crate::source::MAX_PAYLOAD`].
        limit: u64,
    },
    /// The storage cannot name its sessions.
    #[error("{location} cannot say which sessions it holds")]
    CannotList {
        /// [`crate::Source::location`].
        location: String,
    },
}

/// What lies under a session's name without being one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Foreign {
    /// No plain file.
    #[error("under its name there is no regular file ({0}); remove what is there")]
    NotAFile(&'static str),
    /// No directory on the way to it.
    #[error("under its name or on the way to it there is a link, or no directory; remove that")]
    OnTheWay,
    /// A file of somebody else than the user whose sessions are meant.
    #[error("its file belongs to another user ({0})")]
    OtherUser(u32),
}

/// Why an address names no source. Never quotes the address, which may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// It begins with no known kind.
    #[error(
        "write the old session.save_handler, a colon and its session.save_path, as in \"files:/var/lib/php/sessions\""
    )]
    Kind,
    /// It is none of `files`, where only such a one will do.
    #[error("write \"files:\" and the directory of the session files, as in \"files:/var/lib/php/sessions\"")]
    Files,
    /// The path behind the kind is not understood.
    #[error("{0}")]
    Path(String),
}
