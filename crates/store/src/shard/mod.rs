//! One part of the sessions with its lock: nodes, index, space, session locks, and making all of it anew. Everything here
//! is done under the shard lock or says why not.

pub(crate) mod alloc;
pub(crate) mod claim;
pub(crate) mod evict;
pub(crate) mod free_space;
pub(crate) mod guard;
pub(crate) mod index;
pub(crate) mod lists;
pub(crate) mod node;
pub(crate) mod nodes;
pub(crate) mod payload;
pub(crate) mod queue;
pub(crate) mod rebalance;
pub(crate) mod rebuild;
pub(crate) mod reclaim;
