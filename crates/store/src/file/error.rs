//! What the store answers instead of a result. Nothing here holds a key, an id or a payload.

use std::path::PathBuf;
use std::time::Duration;

use cloakroom_seam::Holder;

/// Why an operation on an attached store failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The session lock did not become free in time.
    #[error("locked by process {}", .holder.pid)]
    LockTimeout {
        /// Time waited.
        waited: Duration,
        /// The holder of the lock.
        holder: Holder,
    },
    /// As many requests as allowed wait already.
    #[error("{waiting} requests wait already")]
    TooManyWaiters {
        /// Requests waiting.
        waiting: u32,
        /// The limit asked for.
        limit: u32,
        /// The holder of the lock.
        holder: Holder,
    },
    /// This thread holds the session already.
    #[error("this thread holds the session already")]
    HeldHere,
    /// A session that takes another's place has lost its lock before it was written for the first time.
    #[error(
        "the session has lost its lock before it was written under its new id, as the store's file was replaced; under the \
         old id it is as it was"
    )]
    LockLost,
    /// One thread may hold eight sessions at once.
    #[error("this thread holds {0} sessions of this store already, the most it can")]
    TooManyLeases(u32),
    /// All owner slots are taken.
    #[error("{0} threads have the store attached already, the most it can take")]
    TooManyThreads(u32),
    /// The store has its full size and nothing may be evicted.
    #[error("full: {used} of {capacity} bytes are in use")]
    Full {
        /// Bytes in use.
        used: u64,
        /// Bytes allowed.
        capacity: u64,
    },
    /// The file system has no room for the file to grow.
    #[error("the file system has no room for the store to grow beyond {used} bytes")]
    NoSpace {
        /// Bytes the file takes.
        used: u64,
    },
    /// This process may not make the file as long as it would have to be.
    #[error(
        "the store cannot grow beyond {used} bytes: this process may make no file longer than {limit} (systemd: LimitFSIZE=, shell: ulimit -f)"
    )]
    FileLimit {
        /// Bytes the file takes.
        used: u64,
        /// RLIMIT_FSIZE.
        limit: u64,
    },
    /// The payload is larger than 16 MiB.
    #[error("{0} bytes are more than a session may have")]
    TooLarge(usize),
    /// What is stored is not what was committed.
    #[error("{0}")]
    Damaged(&'static str),
    /// The payload was replaced since the lease was acquired; its length may have changed: ask again.
    #[error("the payload was replaced meanwhile")]
    Changed,
    /// A process was stopped in the middle of an operation and does not go on.
    #[error("process {pid} has been inside the store for {}s without going on (stopped?)", .waited.as_secs())]
    Stuck {
        /// The process.
        pid: u32,
        /// Time waited.
        waited: Duration,
    },
    /// The store file was deleted and its sessions were moved to a new file: attach that one.
    #[error("the store file was deleted while in use")]
    Relocated,
    /// The process forked since it attached: attach again.
    #[error("the process forked since it attached the store")]
    Forked,
    /// The system refused something.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl Error {
    /// Whether the store has no room for what was asked.
    pub(crate) fn is_want_of_room(&self) -> bool {
        matches!(self, Error::Full { .. } | Error::NoSpace { .. } | Error::FileLimit { .. })
    }
}

/// Why a store could not be attached. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The directory does not exist or is not one.
    #[error("{path}: {source}; session.save_path must name an existing directory that the PHP process may write to")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why it cannot be used.
        source: std::io::Error,
    },
    /// Others could replace the store file.
    #[error(
        "{path} can be written by other users and has no sticky bit, so they could replace the store; run chmod +t or chmod go-w on it"
    )]
    UnsafeDirectory {
        /// The directory.
        path: PathBuf,
    },
    /// The directory, or a symbolic link to it, belongs to a user who could exchange the store.
    #[error(
        "{path} belongs to user {found}, who could replace the store; it must belong to user {expected} who runs PHP, or to root"
    )]
    ForeignDirectory {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        found: u32,
        /// The user who would use it.
        expected: u32,
    },
    /// A file system on which memory cannot be shared safely.
    #[error(
        "{path} is on a {kind} file system, where processes cannot share memory reliably; use a local directory, or a redis:// save_path"
    )]
    FileSystem {
        /// The directory.
        path: PathBuf,
        /// Name of the file system.
        kind: String,
    },
    /// The file cannot be opened.
    #[error(
        "cannot open {path}: {source}; let the user who runs PHP write to that directory, or let session.save_path name another one"
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is no store, and the caller did not want one made.
    #[error("there is no store at {path}")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The name is taken by something that is not a plain file, such as a symbolic link.
    #[error("{path} is {found}, not a plain file; remove it")]
    NotAFile {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },
    /// The file belongs to another user.
    #[error("{path} belongs to user {found}, not to user {expected} who runs PHP; remove it or change its owner")]
    Owner {
        /// The file.
        path: PathBuf,
        /// Its owner.
        found: u32,
        /// The user who would use it.
        expected: u32,
    },
    /// The file can be read or written by others.
    #[error("{path} has mode {mode:04o}, so other users could read or change sessions; run chmod 0600 on it")]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The file is not a store.
    #[error("{path} is not a Cloakroom store ({what}); it was left as it is: move it away and a new store is made")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// A store of a later format.
    #[error(
        "{path} has store format {found}, this version reads format {expected}; use the version that wrote it, or move the file away and a new store is made"
    )]
    LaterFormat {
        /// The file.
        path: PathBuf,
        /// Format found.
        found: u32,
        /// Format expected.
        expected: u32,
    },
    /// A store of an earlier format, or of this one laid out otherwise.
    #[error(
        "{path} was written by another version of Cloakroom (format {format}, layout {layout:08x}){}",
        match (.in_use, .upgradable) {
            (true, true) => " and processes of that version still use it; end them, and PHP brings its sessions over to a new file",
            (false, true) => "; the next PHP process that starts a session brings its sessions over to a new file",
            (true, false) => " and processes of that version still use it; end them, and it is set aside and a new store is made",
            (false, false) => "; PHP sets it aside when it makes a new one",
        }
    )]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u32,
        /// Its layout.
        layout: u32,
        /// Whether processes have it attached.
        in_use: bool,
        /// Whether its sessions are brought over once no process has it attached.
        upgradable: bool,
    },
    /// The sessions of a store of an earlier format could not be brought over.
    #[error(
        "{path} has store format {format}, and its sessions could not be brought over to this version's: {source}; the file was left as it is: put that right, or move the file away and a new store without sessions is made"
    )]
    Upgrade {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u32,
        /// Why.
        source: std::io::Error,
    },
    /// A store that makes its keys with another secret than the sessions that were to be brought there.
    #[error(
        "the sessions were kept under another secret than that of {path}, which {}; stop PHP, move that file away, and try again",
        match .sessions {
            Some(sessions) => format!("holds {sessions} sessions"),
            None => "is in use".to_owned(),
        }
    )]
    OtherSecret {
        /// The store's file.
        path: PathBuf,
        /// Sessions in it; `None` where it is in use.
        sessions: Option<u64>,
    },
    /// No room for a new store or owner slot.
    #[error("no room for the store {path}: {source}")]
    NoSpace {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another process is attaching and does not finish.
    #[error("another process has been opening {path} for {}s and does not finish", .waited.as_secs())]
    Busy {
        /// The file.
        path: PathBuf,
        /// Time waited.
        waited: Duration,
    },
    /// Another system call failed.
    #[error("{path}: cannot {what}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was being done.
        what: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
}
