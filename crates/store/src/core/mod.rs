//! What all operations share: the attached store, owner slots, counters, clocks, keys.

pub(crate) mod clock;
pub(crate) mod extent;
pub(crate) mod growth;
pub(crate) mod key;
pub(crate) mod owner_slot;
pub(crate) mod stats;
pub(crate) mod store;
