//! What a store does: acquiring and what a lease does then, walking, restoring, migrating in, figures.

pub(crate) mod acquire;
pub(crate) mod heartbeat;
pub(crate) mod lease;
pub(crate) mod migrate_in;
pub(crate) mod server_info;
pub(crate) mod status;
pub(crate) mod succession;
pub(crate) mod walk;
