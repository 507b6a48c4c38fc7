//! Failures of a server in words for an administrator who migrates sessions from phpredis.

use cloakroom_redis_store::{Error as Failure, Refusal};

use crate::Error;

/// The error that `failure` at `location` means.
pub(super) fn error(location: String, failure: &Failure) -> Error {
    let reason = match failure {
        Failure::Unreachable { reason, .. } => {
            format!("the server cannot be reached: {reason}; check that it runs and that its address is right")
        }
        Failure::TimedOut { limit, .. } => format!(
            "the server did not answer within {} s; check that it is not overloaded or stopped, or add read_timeout=… to its path",
            limit.as_secs_f64()
        ),
        Failure::Broken { reason, .. } => {
            format!("the connection to the server broke twice before it answered: {reason}; check the server's log")
        }
        Failure::Refused { refusal: Refusal::WrongType, .. } => {
            let reason = "something else is stored under its name; check the prefix".to_owned();
            return Error::Unusable { location, reason };
        }
        Failure::Refused { refusal, .. } => format!("the server refused: {}", refused(refusal)),
        Failure::Excess { excess, .. } => {
            format!("the server began what can be no answer: {excess}; check that it is a Redis or Valkey server")
        }
        Failure::Unexpected { .. } => {
            "the server answered something unexpected; check that it is a Redis or Valkey server".to_owned()
        }
        other => other.to_string(),
    };
    Error::Unavailable { location, reason }
}

fn refused(refusal: &Refusal) -> String {
    match refusal {
        Refusal::NoAuth => "it asks for a password; add auth=… to its path, as phpredis needs it".to_owned(),
        Refusal::WrongPassword => "user or password is wrong; check auth in its path".to_owned(),
        Refusal::NoPermission(detail) => format!(
            "the user may not do this ({detail}); it needs the commands exists get set strlen pttl del eval, and scan for an import, on the keys of the sessions"
        ),
        Refusal::NoDatabase => "it has no such database; correct database=… in its path".to_owned(),
        Refusal::ReadOnly => "it is a replica, which takes no locks; name the master".to_owned(),
        Refusal::Cluster => "it is part of a cluster, whose sessions cannot be migrated".to_owned(),
        Refusal::OutOfMemory => "it is out of memory, and the lock cannot be taken; raise maxmemory".to_owned(),
        other => other.to_string(),
    }
}
