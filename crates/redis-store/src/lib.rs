//! The Redis and Valkey store: sessions that several machines share. It knows nothing of PHP and nothing of session
//! rules. `docs/redis.md` says what is stored and why.
//!
//! | module | what it holds |
//! |---|---|
//! | [`address`] | what a `session.save_path` URL says |
//! | [`error`] | [`Error`]: what can go wrong, in words for operators |
//! | [`store`] | [`Store`]: one address and this process's connections to it |
//! | `acquire` | lock and read in one round trip; waiting |
//! | [`lease`] | [`Lease`]: commit, touch, destroy, release |
//! | `key`, `record`, `script`, `scripts/*.lua` | what is on the server, under which names, and the steps that change it |
//! | `request`, `link`, `connection`, [`stream`], `tls` | how a round trip is made: within its time, repeated where that is safe |
//! | `heartbeat`, `signals`, [`forks`] | the thread that renews locks; what a forked child must not share |
//! | `walk`, `take_over` | going through all sessions; sessions from elsewhere |
//! | `counters`, `status` | what is counted, and the figures |
//! | [`server`] | [`Server`]: a server that is no store, for who speaks to it in its own commands |
#![deny(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

pub mod address;
pub mod error;
pub mod forks;
pub mod lease;
pub mod server;
pub mod store;
pub mod stream;

mod acquire;
mod connection;
mod counters;
mod facts;
mod heartbeat;
mod key;
mod link;
mod record;
mod request;
mod script;
mod signals;
mod status;
mod take_over;
mod tls;
mod walk;

pub use acquire::{Acquire, Mark};
pub use address::Address;
pub use counters::Counter;
pub use error::{Error, Holder, Refusal};
pub use facts::Facts;
pub use key::Key;
pub use lease::{Lease, MAX_PAYLOAD, Outcome, Over};
pub use server::Server;
pub use store::Store;
pub use walk::{Entry, Restore, Restored};
