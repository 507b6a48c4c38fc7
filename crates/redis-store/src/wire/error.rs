//! What can go wrong, in words that say where and what to do. None of them holds a password, an id or a payload.

use std::time::Duration;

use cloakroom_seam::{Holder, MAX_PAYLOAD};

use crate::address::SecretError;
use crate::wire::bound::Excess;

/// What a store answers instead of a result. `at` is a server, or the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The lock did not become free in time.
    #[error("the session is locked")]
    LockTimeout {
        /// How long this request waited.
        waited: Duration,
        /// The request that holds the lock.
        holder: Holder,
    },
    /// More requests wait than allowed.
    #[error("too many requests wait for the session")]
    TooManyWaiters {
        /// Requests waiting.
        waiting: u32,
        /// The limit asked for.
        limit: u32,
        /// The request that holds the lock.
        holder: Holder,
    },
    /// The calling thread holds the lock.
    #[error("this thread holds the session's lock already")]
    HeldHere,
    /// The lock was lost and the session has moved on.
    #[error("the session's lock was lost, and what is stored is no longer what was read")]
    LockLost {
        /// How long the lock outlives a holder of which the server hears nothing.
        lock_ttl: Duration,
    },
    /// The payload is too large.
    #[error("a session may have at most {} bytes", MAX_PAYLOAD)]
    TooLarge(usize),
    /// The stored bytes are not what was committed.
    #[error("the bytes of a session do not match their length or checksum; what is stored was left as it is")]
    Damaged,
    /// Something else is stored under the name of a session.
    #[error(
        "something that is not a session of this version of Cloakroom is stored under the name of one; it was left as it is; \
         give each application a prefix of its own (prefix=… in session.save_path)"
    )]
    Foreign,
    /// The lease was acquired by the parent of this process.
    #[error("this process was forked since then")]
    Forked,
    /// The system's random generator failed.
    #[error("the system's random generator gives no bytes")]
    NoEntropy,
    /// No connection.
    #[error(
        "the session server {at} cannot be reached: {reason}; check that it runs and that session.save_path names it"
    )]
    Unreachable {
        /// Where.
        at: String,
        /// Why.
        reason: String,
    },
    /// No answer in time.
    #[error(
        "the session server {at} did not answer within {} s; check that it is not overloaded or stopped, or raise timeout=… in session.save_path",
        .limit.as_secs_f64()
    )]
    TimedOut {
        /// Where.
        at: String,
        /// How long it had.
        limit: Duration,
    },
    /// The connection broke while an answer was awaited, again after the one repetition.
    #[error(
        "the connection to the session server {at} broke twice before it answered: {reason}; check the server's log"
    )]
    Broken {
        /// Where.
        at: String,
        /// How.
        reason: String,
    },
    /// More was about to come than an answer can be.
    #[error(
        "the session server {at} began what can be no answer: {excess}; the connection was dropped. Check that it is your Redis \
         or Valkey server, and that no other application stores anything under the prefix of session.save_path"
    )]
    Excess {
        /// Where.
        at: String,
        /// How much.
        excess: Excess,
    },
    /// The password cannot be had.
    #[error("the password of the session server cannot be used: {0}")]
    Secret(#[from] SecretError),
    /// The server refused.
    #[error("the session server {at} refused: {refusal}")]
    Refused {
        /// Where.
        at: String,
        /// Why, and what to do.
        refusal: Refusal,
    },
    /// The server answered what no script of ours answers.
    #[error(
        "the server {at} answered something unexpected; check that it is a Redis or Valkey server of version 7 or later"
    )]
    Unexpected {
        /// Where.
        at: String,
    },
}

/// Why a server refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// READONLY
    #[error(
        "it is a replica, which takes no writes; name the master in session.save_path, or use redis-sentinel:// or redis-cluster://, which follow a fail-over"
    )]
    ReadOnly,
    /// LOADING
    #[error("it is still loading its data after a start; it will answer when that is done")]
    Loading,
    /// CLUSTERDOWN
    #[error("the cluster is down: not all of its slots are served; check its nodes with CLUSTER INFO")]
    ClusterDown,
    /// TRYAGAIN
    #[error("the cluster moves this slot at the moment; try again")]
    TryAgain,
    /// MASTERDOWN
    #[error("it is a replica that has lost its master")]
    MasterDown,
    /// NOREPLICAS
    #[error("it takes no writes because fewer replicas follow it than min-replicas-to-write asks for")]
    NoReplicas,
    /// OOM
    #[error(
        "it is out of memory and evicts nothing (maxmemory-policy noeviction); raise maxmemory, or shorten session.gc_maxlifetime"
    )]
    OutOfMemory,
    /// MISCONF
    #[error("it takes no writes because it cannot save its data to disk; see its log")]
    CannotSave,
    /// WRONGTYPE
    #[error(
        "a key of this store is of another type; give each application a prefix of its own (prefix=… in session.save_path)"
    )]
    WrongType,
    /// NOAUTH
    #[error("it asks for a password; add password_env=… or password_file=… to session.save_path")]
    NoAuth,
    /// WRONGPASS
    #[error("user or password is wrong; check them in session.save_path and in the server's ACL")]
    WrongPassword,
    /// NOPERM
    #[error(
        "the user may not do this ({0}); it needs the commands eval evalsha get set getrange setrange exists del time pexpire pttl lpop lpos lrem lindex llen rpush blpop hincrby hmget info dbsize scan, on the keys of this store"
    )]
    NoPermission(String),
    /// MOVED or ASK, again and again
    #[error("the servers of the cluster send the request from one to the other and none of them carries it out")]
    Circle,
    /// MOVED or ASK, from a server that was named as the only one
    #[error("it is part of a cluster; write redis-cluster:// in session.save_path")]
    Cluster,
    /// A database that is not there
    #[error("it has no such database; correct the number in session.save_path")]
    NoDatabase,
    /// Sentinel knows no such service
    #[error("it knows no service of this name; correct the name after the slash in session.save_path")]
    NoService,
    /// What Sentinel names is no master
    #[error("what the Sentinels name as master is none at the moment")]
    NoMaster,
    /// Anything else
    #[error("{0}")]
    Other(String),
}

impl Refusal {
    /// The refusal of an error's code and text.
    pub(crate) fn of(code: &str, detail: &str) -> Self {
        // A script that fails puts the code of the command's error first; older servers put it behind their own text.
        let says = |word: &str| {
            code == word || code == "ERR" && detail.split_whitespace().any(|part| part.trim_matches(['-', ':']) == word)
        };
        match () {
            () if says("READONLY") => Self::ReadOnly,
            () if says("LOADING") => Self::Loading,
            () if says("CLUSTERDOWN") => Self::ClusterDown,
            () if says("TRYAGAIN") => Self::TryAgain,
            () if says("MASTERDOWN") => Self::MasterDown,
            () if says("NOREPLICAS") => Self::NoReplicas,
            () if says("OOM") => Self::OutOfMemory,
            () if says("MISCONF") => Self::CannotSave,
            () if says("WRONGTYPE") => Self::WrongType,
            // What has many arguments is refused by its form already, before there is a password.
            () if says("NOAUTH") || detail.contains("unauthenticated") => Self::NoAuth,
            () if says("WRONGPASS")
                || detail.contains("without any password configured")
                || detail.contains("invalid password") =>
            {
                Self::WrongPassword
            }
            () if says("NOPERM") => Self::NoPermission(shortened(detail)),
            () if says("MOVED") || says("ASK") => Self::Cluster,
            () if detail.contains("DB index is out of range") => Self::NoDatabase,
            () => Self::Other(shortened(&format!("{code} {detail}"))),
        }
    }

    /// Whether the same may succeed in a moment, here or on another server.
    pub(crate) fn passes(&self) -> bool {
        matches!(
            self,
            Self::ReadOnly
                | Self::Loading
                | Self::ClusterDown
                | Self::TryAgain
                | Self::MasterDown
                | Self::NoMaster
                | Self::NoReplicas
        )
    }
}

/// The server's own words, for a message that holds other things too.
fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(160).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_by_their_code() {
        let of = |text: &str| {
            let (code, detail) = text.split_once(' ').expect("two words");
            Refusal::of(code, detail)
        };
        assert_eq!(of("READONLY You can't write against a read only replica."), Refusal::ReadOnly);
        assert_eq!(
            of("ERR Error running script (call to f_x): @user_script:3: -READONLY You can't write"),
            Refusal::ReadOnly
        );
        assert_eq!(of("OOM command not allowed when used memory > 'maxmemory'."), Refusal::OutOfMemory);
        assert_eq!(of("WRONGPASS invalid username-password pair or user is disabled."), Refusal::WrongPassword);
        assert_eq!(
            of("ERR AUTH <password> called without any password configured for the default user."),
            Refusal::WrongPassword
        );
        assert_eq!(of("ERR Protocol error: unauthenticated multibulk length"), Refusal::NoAuth);
        assert_eq!(of("ERR DB index is out of range"), Refusal::NoDatabase);
        assert_eq!(of("ERR something else"), Refusal::Other("ERR something else".to_owned()));
    }
}
