//! What a process has to know of itself: whether it was forked, and what its own threads must not be given.

pub mod forks;
pub(crate) mod signals;
