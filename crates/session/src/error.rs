//! Why a call of PHP cannot be carried out. Messages say what failed, where, and what to do; they never hold a session id or
//! a payload.

pub use cloakroom_seam::{Holder, StoreError};

use crate::id::{InvalidId, NoEntropy};

/// Why a call of PHP could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The id is not one.
    #[error(transparent)]
    Id(#[from] InvalidId),
    /// The store failed or refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No id can be drawn.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
    /// Every id that was drawn exists already.
    #[error("{} session ids in a row exist already: the system's random generator is not random", crate::id::MAX_DRAWS)]
    Collision,
    /// No store is open.
    #[error("the session store is not open")]
    NotOpen,
    /// The read before this write did not complete.
    #[error("nothing was written, because reading the session did not complete; what is stored stays as it was")]
    ReadIncomplete,
    /// Another request wrote the session since it was read without a lock.
    #[error(
        "another request has changed the session since this object read it, so nothing was written and that change stays; \
         read the session again and repeat the change, or choose the lock mode \"merge\", which keeps both changes of \
         the eight sessions that an object used last"
    )]
    VersionChanged,
    /// A handler object that nobody opened has read as many sessions as it remembers.
    #[error(
        "this object has read {limit} sessions and must remember what it read of each, so it reads no further one; use another \
         object for those to come, or destroy() sessions with this one that are over; what it has read is forgotten when the PHP \
         request ends, or cloakroom.tombstone seconds later"
    )]
    TooManyRead {
        /// How many it remembers.
        limit: usize,
    },
    /// A session that was to get another id was ended, or got one, meanwhile.
    #[error(
        "the session was ended, or got another id, by another request in this very moment, so it gets no new id here; \
         nothing of it is stored under the new one"
    )]
    Overtaken,
    /// The handler that was used before cannot be asked, or refuses.
    #[error("{0}; nothing was changed, neither there nor here (cloakroom.migrate_from)")]
    Migration(#[from] cloakroom_migration::Error),
    /// A session there is not in the format of this request.
    #[error(
        "a session of {location} is not in the format of session.serialize_handler: it is compressed, or was written with \
         another handler; nothing was changed; set session.serialize_handler to what it was there, or turn the compression \
         off there and let the sessions be written again"
    )]
    OtherFormat {
        /// Where it is.
        location: String,
    },
    /// News of the store, though nothing failed.
    #[error("{0}")]
    Notice(String),
    /// A read was finished that had not begun, or with room of another size.
    #[error("the session was read out of order; this is a defect of Cloakroom")]
    OutOfOrder,
}
