//! Opening the local store ([`cloakroom_store`]) as `cloakroom.size` says.

use std::path::Path;
use std::sync::Arc;

use cloakroom_store::LocalStore;

use crate::{Store, StoreError};

/// How a local store is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// `cloakroom.size` in bytes.
    pub size: u64,
    /// Whether a store that is not there is created.
    pub create: bool,
}

/// Opens the store in `directory`; attaching takes some 100 µs, and a recovery where the machine was restarted.
///
/// # Errors
/// [`StoreError::Unavailable`] with what is wrong with the directory or file, and what to do.
pub fn open(directory: &Path, options: &Options) -> Result<Arc<dyn Store>, StoreError> {
    let capacity = options.create.then_some(options.size);
    let store = LocalStore::open(directory, cloakroom_store::Options { capacity, user: None })?;
    Ok(Arc::new(store))
}

/// The store that is attached already.
#[must_use]
pub fn adapt(attached: Arc<cloakroom_store::Store>) -> Arc<dyn Store> {
    Arc::new(LocalStore::of(attached))
}
