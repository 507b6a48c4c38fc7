//! The Redis and Valkey store: sessions that several machines share. It knows nothing of PHP and nothing of session
//! rules. `docs/redis.md` says what is stored and why.
//!
//! Floors: address < process < format < wire < core < operations < redis_store
//!
//! Each folder is a floor and imports from itself and from those before it only.
//!
//! | floor | module | what it holds |
//! |---|---|---|
//! | [`address`] | | what a `session.save_path` URL says |
//! | `process` | [`forks`], `signals` | what a forked child must not share; what our threads must not be given |
//! | `format` | `key`, `record`, `script`, `scripts/*.lua` | what is on the server, under which names, and the steps that change it |
//! | `wire` | `error` | [`Error`]: what can go wrong, in words for operators |
//! | | `bound`, `reader`, `value`, `fault` | what an answer can be, and how it is read or why it is none |
//! | | `request`, `resp`, `link`, `connection`, [`stream`], `names`, `tls` | how a round trip is made: within its time, repeated where that is safe |
//! | `core` | `store` | [`Store`]: one address and this process's connections to it |
//! | | `token`, `counters` | random numbers; what is counted |
//! | | `server` | [`Server`]: a server that is no store, for programs that speak to it in its own commands |
//! | `operations` | `acquire`, `lease` | lock and read in one round trip, waiting; [`Lease`]: commit, touch, destroy, release |
//! | | `heartbeat` | the thread that renews locks |
//! | | `succession` | sessions whose id is replaced by another |
//! | | `walk`, `migrate_in` | going through all sessions; sessions from elsewhere |
//! | | `status`, `server_info` | the figures, and what the servers say of themselves |
//! | `redis_store` | | [`RedisStore`]: the store behind the traits of the seam; the table of open stores |
#![deny(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

pub mod address;

mod core;
mod format;
mod operations;
mod process;
mod redis_store;
mod wire;

pub use self::address::Address;
pub use self::core::counters::Counter;
pub use self::core::server::Server;
pub use self::core::store::Store;
pub use self::operations::lease::Lease;
pub use self::process::forks;
pub use self::redis_store::RedisStore;
pub use self::wire::bound::{Bound, Excess, Measure};
pub use self::wire::error::{Error, Refusal};
pub use self::wire::stream;
pub use self::wire::value::{ServerError, Value};
