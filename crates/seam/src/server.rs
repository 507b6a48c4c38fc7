//! A server's account of itself.

use std::time::Duration;

/// A server's account of itself: see [`crate::Store::servers`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerInfo {
    /// Which program it is.
    pub name: String,
    /// Its version.
    pub version: String,
    /// "master", or what else it is among its like.
    pub role: String,
    /// The most memory that it may use, in bytes; 0 = no limit.
    pub memory_limit: u64,
    /// Its policy when that is reached.
    pub eviction: String,
    /// Whether it writes every change to a file.
    pub appends: bool,
    /// Whether it could not write its data to the disk last time.
    pub saving_fails: bool,
    /// How long it takes to answer.
    pub round_trip: Duration,
}
