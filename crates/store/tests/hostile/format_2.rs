//! A store file of the format before this one as something to damage: whoever attaches it brings its sessions over first.

use super::edits::Atlas;
use super::stage::{Base, Committed};
use super::{fixture, scene};

/// The kept file of that format and the sessions in it.
pub(crate) fn base() -> Base {
    let image = fixture::image();
    let sessions = scene::SESSIONS.iter().filter(|session| session.namespace.is_empty());
    let committed: Committed = sessions.map(|session| (session.id.to_owned(), vec![scene::content(session)])).collect();
    let ids = committed.keys().cloned().chain(["absent".to_owned()]).collect();
    Base { atlas: Atlas::of(&image), image, committed, ids }
}
