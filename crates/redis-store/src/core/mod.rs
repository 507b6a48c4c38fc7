//! What all operations share: the store and its connections, counters, random numbers; and the server that is no store.

pub(crate) mod counters;
pub(crate) mod server;
pub(crate) mod store;
pub(crate) mod token;
