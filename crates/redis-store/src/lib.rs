//! The Redis and Valkey store: sessions that several machines share. It knows nothing of PHP and nothing of session rules.
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing))]

pub mod address;
