//! The local store of Cloakroom: one memory-mapped file in which all processes of a user keep payloads by key.
//!
//! It knows nothing of PHP and nothing of session rules: keys, payloads, leases, lifetimes. `docs/design.md` draws the
//! file byte by byte and says what each lock protects.
//!
//! Floors: file < core < shard < attach < operations < local_store
//!
//! A folder is a floor and imports only from itself and from floors below it.
//!
//! | floor | module | what it holds |
//! |---|---|---|
//! | `file`, the bytes | `layout`, `words` | offsets and sizes; the packing of words |
//! | | `region` | the mapping; the only code that turns offsets into memory |
//! | | `store_file` | where the file may lie, who may own it, making and allocating it |
//! | | `file_system` | which file systems can hold a store |
//! | | `limits` | how long a file this process may make, how much it may map |
//! | | `byte_lock` | locks on bytes of the file: the proof of life |
//! | | `process` | telling a process from its forked children |
//! | | `error` | what can go wrong |
//! | `core`, what all operations share | `store` | [`Store`]: an attached store |
//! | | `growth` | how much the store may take; growing the file; the right to change it as a whole |
//! | | `extent` | how much of the file is allocated, as far as the file bears it out |
//! | | `owner_slot` | how a thread shows that it lives, and what it holds |
//! | | `stats` | counters |
//! | | `clock` | wall clock, store clock, monotonic clock |
//! | | `key` | from namespace and id to a key |
//! | `shard`, one part of the sessions | `guard` | the shard lock |
//! | | `node`, `nodes` | a session's node; creating, freeing and listing nodes |
//! | | `index` | from keys to nodes |
//! | | `free_space`, `alloc` | free blocks; space for payloads |
//! | | `payload` | a payload's blocks and its checksum |
//! | | `queue`, `claim` | the session lock, its wait queue and its recovery; claiming and leaving owner slots |
//! | | `lists` | lists of nodes by age |
//! | | `reclaim` | ending sessions, expiry |
//! | | `evict` | what is given up when space is short |
//! | | `rebuild` | making a shard anew from its nodes |
//! | | `rebalance` | emptying a chunk of one shard for another |
//! | `attach`, a process and its store | `open` | one store a process and file; recovery by a process that attaches alone |
//! | | `content` | what an opened file is |
//! | | `beside` | files beside the store: the one to take its place, the names of those that are kept |
//! | | `relocate` | relocating the store to a new file when the present one was deleted |
//! | | `mend` | putting right, once a second, what a stray word contradicts |
//! | | `quarantine` | setting a file with a damaged header aside, saving its sessions |
//! | | `format_2`, `upgrade` | reading a file of format 2; bringing its sessions over to a new file |
//! | | `prefault` | what a young process does while most pages are new to it |
//! | `operations`, what one does with sessions | `session` | look, exists, destroy, collect |
//! | | `acquire`, `wait` | taking up a session, with its lock or without; waiting for the lock |
//! | | `succession` | the session that takes another's place when its id is replaced |
//! | | `lease`, `commit` | [`Lease`]: read, touch, destroy, release; writing a payload |
//! | | `walk`, `sample` | going through all sessions without leaving a trace; sizes and ages of some |
//! | | `restore` | sessions from elsewhere, and a store with the secret of another |
//! | | `check` | verifying every invariant |
//! | `local_store` | | [`LocalStore`]: the store behind the traits of the seam, over relocations and forks |
//!
//! Lock order: session lock, then shard lock, one at a time. The attach byte and the `claim` mutex come before both.

#[cfg(not(all(target_os = "linux", target_endian = "little", target_pointer_width = "64")))]
compile_error!(
    "the store needs 64-bit little-endian Linux: robust liveness is built on open-file-description locks and futexes"
);

mod attach;
mod core;
mod file;
mod local_store;
mod operations;
mod shard;

pub use attach::open::{Options, remove_empty_stores};
pub use attach::prefault::prepare;
pub use attach::relocate::Inheritance;
pub use core::clock::Clock;
pub use core::stats::Stats;
pub use core::store::Store;
pub use file::error::{AttachError, Error};
pub use file::file_system::{FileSystem, Fitness};
pub use file::layout::{FORMAT, MAX_CAPACITY, MIN_CAPACITY};
pub use local_store::LocalStore;
pub use operations::check::Report;
pub use operations::lease::Lease;
