//! Other session handlers' storages, read so that their sessions can be migrated.
//!
//! Floors: error < source, servers < files, redis, memcached < address
//!
//! | module | what it holds |
//! |---|---|
//! | [`source`] | the [`Source`] and [`Held`] traits: the contract of a source |
//! | [`address`] | [`parse`]: from `KIND:WHERE` to the storage that it names |
//! | [`error`] | [`Error`]: the failures of a source; [`ParseError`]: why an address names none |
//! | [`files`] | PHP's own handler `files` |
//! | [`redis`] | phpredis |
//! | [`memcached`] | php-memcached |
//! | `servers` | what storages on servers have in common |
//!
//! A source is only read, locked as its own handler locks it, and told of sessions that have ended. Nothing is ever
//! written into a session of it. The crate knows nothing of PHP, nor of the stores that sessions are migrated to.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

pub mod address;
pub mod error;
pub mod files;
pub mod memcached;
pub mod redis;
pub mod source;

mod servers;

pub use address::parse;
pub use error::{Error, Foreign, ParseError};
pub use source::{Held, Source};
