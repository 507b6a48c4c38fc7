//! A store of which a test gives each of its threads a handle: nothing in the seam asks that of a store.

use std::sync::Arc;

use cloakroom_session::{AnyStore, Store};

/// A store that threads may share.
pub(crate) type Shared = Arc<dyn Store + Send + Sync>;

/// The store as requests know it: one that they have only the traits of.
pub(crate) fn any(store: &Shared) -> AnyStore {
    AnyStore::Other(Arc::<dyn Store + Send + Sync>::clone(store))
}
