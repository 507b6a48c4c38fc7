//! What an id shows that is being replaced by another, or was: what is stored under it and is still the same under the id that
//! took its place, key by key, computed when it is read. So neither a log-in made since shows, nor anything that was taken away.
//!
//! A successor that has not been written yet says nothing: while it is on its way, the session is shown as it is stored. One
//! that is gone, for whatever reason, leaves nothing to show. A successor whose own id was replaced counts as what it
//! shows itself, over a few links.

use crate::StoreError;
use crate::merge::{Format, still_same};
use crate::seam::{Look, Store, Succession, Successor};

/// The most successors that are followed, one from another. Rotations within a grace are as many; beyond, nothing is shown.
const MOST_LINKS: u32 = 4;

/// What the successor of a session is by now.
pub(crate) enum Seen {
    /// Reserved, and not written yet.
    Unwritten,
    /// Written: what it shows.
    Shows(Vec<u8>),
    /// Gone.
    Gone,
}

impl Seen {
    /// What is left of the payload of the session that names this successor, which is no longer to be written.
    pub(crate) fn leaves(self, payload: Vec<u8>, format: Format) -> Vec<u8> {
        match self {
            Self::Unwritten => payload,
            Self::Shows(shown) => still_same(format, &payload, &shown),
            Self::Gone => Vec::new(),
        }
    }
}

/// Looks at a successor: one call of the store for each link.
///
/// # Errors
/// Only failures of the storage.
pub(crate) fn see(store: &dyn Store, successor: &Successor, format: Format) -> Result<Seen, StoreError> {
    let mut chain: Vec<Vec<u8>> = Vec::new();
    let mut next = *successor;
    let mut last_is_shown = false;
    for _ in 0..MOST_LINKS {
        let Look { payload, incarnation, is_written, succession, .. } = store.look(&next.key)?;
        let Some(payload) = payload.filter(|_| next.incarnation != 0 && incarnation == next.incarnation) else {
            return Ok(Seen::Gone);
        };
        if !is_written {
            match chain.is_empty() {
                true => return Ok(Seen::Unwritten),
                // The link before this one is as it is stored, unless it is over.
                false if last_is_shown => return Ok(Seen::Shows(fold(chain, format))),
                false => return Ok(Seen::Gone),
            }
        }
        chain.push(payload);
        match succession {
            Succession::None => return Ok(Seen::Shows(fold(chain, format))),
            Succession::Named(successor) => (next, last_is_shown) = (successor, true),
            Succession::Retired(successor) => (next, last_is_shown) = (successor, false),
        }
    }
    Ok(Seen::Gone)
}

/// What the first of a chain of sessions shows, each of which takes the place of the one before it.
fn fold(mut chain: Vec<Vec<u8>>, format: Format) -> Vec<u8> {
    let mut shown = chain.pop().unwrap_or_default();
    while let Some(before) = chain.pop() {
        shown = still_same(format, &before, &shown);
    }
    shown
}
