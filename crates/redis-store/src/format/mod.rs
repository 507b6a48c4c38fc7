//! What is on the server, under which names, and the scripts that change it there.

pub(crate) mod key;
pub(crate) mod record;
pub(crate) mod script;
