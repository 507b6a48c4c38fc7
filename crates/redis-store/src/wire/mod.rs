//! How a round trip is made: connected, encoded, within its time, repeated where that is safe.

pub(crate) mod connection;
pub(crate) mod error;
pub(crate) mod link;
pub(crate) mod request;
pub(crate) mod resp;
pub mod stream;
pub(crate) mod tls;
