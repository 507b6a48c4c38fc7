//! A process and its store: attaching, re-attaching, recovery, and bringing sessions over from files that cannot be used as
//! they are.

pub(crate) mod beside;
pub(crate) mod content;
pub(crate) mod format_2;
pub(crate) mod mend;
pub(crate) mod open;
pub(crate) mod prefault;
pub(crate) mod quarantine;
pub(crate) mod relocate;
pub(crate) mod upgrade;
