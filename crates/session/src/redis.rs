//! Opening the Redis and Valkey store ([`cloakroom_redis_store`]).

use std::sync::Arc;

use cloakroom_redis_store::RedisStore;

use crate::{Store, StoreError};

/// Opens the store of a `session.save_path` URL. Nothing is connected yet.
///
/// # Errors
/// [`StoreError::Unavailable`] with what is wrong with the URL, and where.
pub fn open(url: &[u8]) -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(RedisStore::open(url)?))
}
