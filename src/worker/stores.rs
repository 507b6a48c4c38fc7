//! The stores that a thread has attached: each opened once, then found by the bytes of its place.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use cloakroom_session::any_store::Options;
use cloakroom_session::{AnyStore, StoreError};

/// How many stores a thread keeps attached. One that serves more save paths than this attaches some anew each time.
const MOST: usize = 8;

/// The stores that a thread has attached, the one used last in front.
#[derive(Default)]
pub(crate) struct Stores(Vec<Attached>);

struct Attached {
    place: Box<[u8]>,
    store: AnyStore,
}

impl Stores {
    /// The store at `place`: an absolute directory, where one of at most `size` bytes is created if there is none, or the
    /// address of a server.
    pub(crate) fn attach(&mut self, place: &[u8], size: u64) -> Result<&AnyStore, StoreError> {
        if self.0.first().is_none_or(|attached| *attached.place != *place || attached.store.is_outdated()) {
            self.bring_to_front(place, size)?;
        }
        Ok(&self.0[0].store)
    }

    #[inline(never)]
    fn bring_to_front(&mut self, place: &[u8], size: u64) -> Result<(), StoreError> {
        let is_here = |attached: &Attached| *attached.place == *place;
        let known = self.0.iter().position(|attached| is_here(attached) && !attached.store.is_outdated());
        let at = match known {
            Some(at) => at,
            None => {
                let store = open(place, size, true)?;
                // One that was left for a new file holds the old one. It goes when another is open, not before: the new file may
                // be deleted as well by now, and its sessions are only where this process has it.
                self.0.retain(|attached| !is_here(attached));
                self.0.truncate(MOST - 1);
                self.0.push(Attached { place: place.into(), store });
                self.0.len() - 1
            }
        };
        self.0.swap(0, at);
        Ok(())
    }

    /// The store at `place` for a caller that only looks: nothing is created, and a store that was opened for this is not
    /// kept.
    pub(crate) fn look(&self, place: &[u8], size: u64) -> Result<AnyStore, StoreError> {
        match self.0.iter().find(|attached| *attached.place == *place) {
            Some(attached) => Ok(attached.store.clone()),
            None => open(place, size, false),
        }
    }

    /// Where the store that was used last is.
    pub(crate) fn location(&self) -> Option<String> {
        self.0.first().map(|attached| attached.store.location())
    }
}

fn open(place: &[u8], size: u64, create: bool) -> Result<AnyStore, StoreError> {
    if !is_directory(place) {
        return AnyStore::at_address(place);
    }
    AnyStore::in_directory(Path::new(OsStr::from_bytes(place)), &Options { size, create })
}

/// Whether a place is a directory, and not an address.
pub(crate) fn is_directory(place: &[u8]) -> bool {
    place.first() == Some(&b'/')
}
