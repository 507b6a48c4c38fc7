//! How a round trip is made: connected, encoded, within its time and its bounds, repeated where that is safe.

pub(crate) mod bound;
pub(crate) mod connection;
pub(crate) mod error;
pub(crate) mod fault;
pub(crate) mod link;
mod names;
pub(crate) mod reader;
pub(crate) mod request;
pub(crate) mod resp;
pub mod stream;
pub(crate) mod tls;
pub(crate) mod value;
