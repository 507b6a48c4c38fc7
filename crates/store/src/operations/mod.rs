//! What one does with sessions of an attached store.

pub(crate) mod acquire;
pub(crate) mod check;
pub(crate) mod commit;
pub(crate) mod lease;
pub(crate) mod restore;
pub(crate) mod sample;
pub(crate) mod session;
pub(crate) mod succession;
pub(crate) mod wait;
pub(crate) mod walk;
