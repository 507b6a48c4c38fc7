//! The local store of Cloakroom: one memory-mapped file in which all processes of a user keep payloads by key.
//!
//! It knows nothing of PHP and nothing of session rules: keys, payloads, leases, lifetimes. `docs/design.md` draws the
//! file byte by byte and says what each lock protects.
//!
//! | module | what it holds |
//! |---|---|
//! | `layout` | offsets, sizes, the packing of words |
//! | `region` | the mapping; the only code that turns offsets into memory |
//! | `process` | telling a process from its forked children |
//! | `byte_lock` | locks on bytes of the file: the proof of life |
//! | `clock` | wall clock, store clock, monotonic clock |
//! | `file` | where the file may lie, who may own it, making and allocating it |
//! | `file_system` | which file systems can hold a store |
//! | `attach` | one store a process and file; recovery by whoever attaches alone |
//! | `former` | reading a file of the format before this one |
//! | `upgrade` | bringing its sessions over to a new file |
//! | `aside` | setting a file with a damaged header aside, saving its sessions |
//! | `fresh` | what a process does while most pages are new to it |
//! | `store` | [`Store`]: what all operations share; growth |
//! | `seats` | how a thread shows that it lives, and what it holds |
//! | `shard` | the shard lock |
//! | `alloc` | space for payloads |
//! | `payload` | a payload's blocks and its checksum |
//! | `node`, `nodes` | a session's node; creating, freeing, evicting, sweeping nodes |
//! | `key` | from namespace and id to a key |
//! | `index` | from keys to nodes |
//! | `queue` | the session lock and its waiters |
//! | `acquire` | taking up a session, with its lock or without |
//! | `session` | snapshot, exists, destroy, collect |
//! | `lease` | [`Lease`]: read, touch, destroy, release |
//! | `commit` | writing a payload |
//! | `gather` | emptying a chunk of one shard for another |
//! | `rebuild` | making a shard anew from its nodes |
//! | `walk` | going through all sessions and looking at one, without leaving a trace |
//! | `restore` | sessions from elsewhere, and a store with the secret of another |
//! | `check` | verifying every invariant |
//! | `succession` | moving to a new file when the present one was deleted |
//! | `stats` | counters |
//! | `sample` | sizes and ages of some sessions |
//! | `error` | what can go wrong |
//!
//! Lock order: session lock, then shard lock, one at a time. The attach byte and the `claim` mutex come before both.

#[cfg(not(all(target_os = "linux", target_endian = "little", target_pointer_width = "64")))]
compile_error!(
    "the store needs 64-bit little-endian Linux: robust liveness is built on open-file-description locks and futexes"
);

mod acquire;
mod alloc;
mod aside;
mod attach;
mod byte_lock;
mod check;
mod clock;
mod commit;
mod error;
mod file;
mod file_system;
mod former;
mod fresh;
mod gather;
mod index;
mod key;
mod layout;
mod lease;
mod node;
mod nodes;
mod payload;
mod process;
mod queue;
mod rebuild;
mod region;
mod restore;
mod sample;
mod seats;
mod session;
mod shard;
mod stats;
mod store;
mod succession;
mod upgrade;
mod walk;

pub use acquire::Acquire;
pub use attach::{MAX_CAPACITY, MIN_CAPACITY, Options};
pub use check::Report;
pub use clock::Clock;
pub use error::{AttachError, Error, Holder};
pub use file_system::{FileSystem, Fitness};
pub use fresh::prepare;
pub use key::Key;
pub use layout::FORMAT;
pub use lease::{Lease, Mark, Outcome, Over};
pub use payload::MAX_PAYLOAD;
pub use restore::{Restore, Restored};
pub use sample::{Sample, Sampled};
pub use stats::Stats;
pub use store::Store;
pub use succession::Inheritance;
pub use walk::Entry;
