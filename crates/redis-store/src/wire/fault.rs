//! Why there is no answer, whatever was asked.

use std::io::{self, ErrorKind};

use crate::wire::bound::Excess;
use crate::wire::error::Error;

/// Why there is no answer. The connection is of no use after it.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The connection is at its end.
    Broken(String),
    /// Nothing came in time.
    TimedOut,
    /// More was about to come than an answer can be.
    Excess(Excess),
}

impl Fault {
    /// What came is no answer. It is not quoted: it may be anybody's.
    pub(crate) fn garbage() -> Self {
        Self::Broken("it does not speak the protocol of Redis".to_owned())
    }

    /// The error of a server with which nothing has been begun.
    pub(crate) fn into_unreachable(self, at: String) -> Error {
        match self {
            Self::Broken(reason) => Error::Unreachable { at, reason },
            Self::TimedOut => Error::Unreachable { at, reason: in_words(&ErrorKind::TimedOut.into()) },
            Self::Excess(excess) => Error::Excess { at, excess },
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        if error.kind() == ErrorKind::TimedOut { Self::TimedOut } else { Self::Broken(in_words(&error)) }
    }
}

/// An error of the system in words for operators.
pub(crate) fn in_words(error: &io::Error) -> String {
    match error.kind() {
        // One of ours says more.
        ErrorKind::TimedOut if error.get_ref().is_none() => "it did not answer in time".to_owned(),
        ErrorKind::UnexpectedEof => "it closed the connection".to_owned(),
        _ => error.to_string(),
    }
}
