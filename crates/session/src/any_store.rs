//! [`AnyStore`]: an open store, whichever it is.
//!
//! The local store, whose cycles take less than a microsecond, is known by its type: a lease of it is kept in place and used
//! again ([`AnyLease`]). Every other store is known by the traits of the seam alone; there a lease is one allocation.

use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::Arc;

use cloakroom_redis_store::RedisStore;
use cloakroom_store::LocalStore;

use crate::seam::{Acquire, Key, Lease, Mark, Store, StoreError, Succession};

/// How a local store is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// `cloakroom.size` in bytes.
    pub size: u64,
    /// Whether a store that is not there is created.
    pub create: bool,
}

/// A handle of an open store. Clones are the same handle.
#[derive(Clone)]
pub enum AnyStore {
    /// The local store.
    Local(Arc<LocalStore>),
    /// Another one.
    Other(Arc<dyn Store>),
}

impl AnyStore {
    /// Opens the local store in `directory`; attaching takes some 100 µs, and a recovery where the machine was restarted.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] with what is wrong with the directory or file, and what to do.
    pub fn in_directory(directory: &Path, options: &Options) -> Result<Self, StoreError> {
        let capacity = options.create.then_some(options.size);
        let store = LocalStore::open(directory, cloakroom_store::Options { capacity, user: None })?;
        Ok(Self::Local(Arc::new(store)))
    }

    /// Opens the store at an address, as [`crate::SavePath`] knows it. A further kind of store is one more line here: its scheme
    /// chooses it. Nothing is connected yet.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] with what is wrong with the address, and where.
    pub fn at_address(address: &[u8]) -> Result<Self, StoreError> {
        Ok(Self::Other(Arc::new(RedisStore::open(address)?)))
    }

    /// The local store that is attached already.
    #[must_use]
    pub fn attached(store: Arc<cloakroom_store::Store>) -> Self {
        Self::Local(Arc::new(LocalStore::of(store)))
    }

    /// Whether both are the same handle.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Local(one), Self::Local(other)) => Arc::ptr_eq(one, other),
            (Self::Other(one), Self::Other(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }

    /// [`Store::acquire`] into `lease`, where a lease that has come to its end may be kept to be used again. Nothing is kept
    /// where this fails.
    ///
    /// # Errors
    /// As [`Store::acquire`].
    #[inline(always)]
    pub(crate) fn acquire_into(
        &self,
        lease: &mut Option<AnyLease>,
        key: &Key,
        how: &Acquire<'_>,
    ) -> Result<(), StoreError> {
        let acquired = match (self, &mut *lease) {
            (Self::Local(store), Some(AnyLease::Local(finished))) => store.lease_again(finished, key, how),
            _ => return self.acquire_afresh(lease, key, how),
        };
        if acquired.is_err() {
            *lease = None;
        }
        acquired
    }

    #[inline(never)]
    fn acquire_afresh(&self, lease: &mut Option<AnyLease>, key: &Key, how: &Acquire<'_>) -> Result<(), StoreError> {
        *lease = None;
        *lease = Some(match self {
            Self::Local(store) => AnyLease::Local(store.lease(key, how)?),
            Self::Other(store) => AnyLease::Other(store.acquire(key, how)?),
        });
        Ok(())
    }
}

impl Deref for AnyStore {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Local(store) => &**store,
            Self::Other(store) => &**store,
        }
    }
}

/// A lease of an [`AnyStore`].
pub enum AnyLease {
    /// Of the local store.
    Local(cloakroom_store::Lease),
    /// Of whichever store.
    Other(Box<dyn Lease>),
}

impl AnyLease {
    /// Whether [`Lease::succession`] answers another one than [`Succession::None`].
    #[inline(always)]
    pub(crate) fn is_replaced(&self) -> bool {
        match self {
            Self::Local(lease) => lease.is_replaced(),
            Self::Other(lease) => lease.succession() != Succession::None,
        }
    }

    /// [`Lease::mark`].
    #[inline(always)]
    pub(crate) fn mark(&self) -> Mark {
        match self {
            Self::Local(lease) => lease.mark(),
            Self::Other(lease) => lease.mark(),
        }
    }
}

impl Deref for AnyLease {
    type Target = dyn Lease;

    fn deref(&self) -> &Self::Target {
        match self {
            Self::Local(lease) => lease,
            Self::Other(lease) => &**lease,
        }
    }
}

impl DerefMut for AnyLease {
    fn deref_mut(&mut self) -> &mut Self::Target {
        match self {
            Self::Local(lease) => lease,
            Self::Other(lease) => &mut **lease,
        }
    }
}
