//! [`LocalStore`]: the local store as sessions use it, behind the traits of the seam.
//!
//! It keeps the attachment alive over what happens to the process and the file: a forked child attaches anew, and once a
//! second the path is compared with the attached file, so that workers whose store file was deleted or replaced come
//! together again on one.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use cloakroom_seam as seam;
use cloakroom_seam::Room;
use cloakroom_seam::{
    Acquire, Committed, Destroyed, Effort, End, Entry, Inventory, Key, KeyOrigin, Look, Mark, Named, Namespace, Over,
    Restore, Restored, Sample, SessionId, StoreError, Succession, Successor,
};
use parking_lot::{Mutex, RwLock};

use crate::attach::open::Options;
use crate::attach::relocate::Inheritance;
use crate::core::clock::Clock;
use crate::core::store::Store;
use crate::file::error::Error;
use crate::operations::lease::Lease;

/// A handle of the store at a path, whatever file is there.
pub struct LocalStore {
    /// The store that was attached first, which nearly always stays the only one: no lock, no reference count.
    first: Arc<Store>,
    replaced: AtomicBool,
    later: RwLock<Option<Arc<Store>>>,
    /// Second in which the path was last compared with the attached file.
    looked: AtomicU32,
    news: Mutex<Option<String>>,
}

impl LocalStore {
    /// Attaches the store in `directory`, which takes some 100 µs, and a recovery where the machine was restarted.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] with what is wrong with the directory or file, and what to do.
    pub fn open(directory: &Path, options: Options) -> Result<Self, StoreError> {
        let attached = Store::attach(directory, options).map_err(|e| StoreError::Unavailable(e.to_string()))?;
        Ok(Self::of(attached))
    }

    /// A handle of the store that is attached already.
    #[must_use]
    pub fn of(attached: Arc<Store>) -> Self {
        Self {
            first: attached,
            replaced: AtomicBool::new(false),
            later: RwLock::new(None),
            looked: AtomicU32::new(0),
            news: Mutex::new(None),
        }
    }

    /// Calls `look` with the attached store.
    #[inline(always)]
    fn attached<T>(&self, look: impl FnOnce(&Arc<Store>) -> T) -> T {
        let later;
        let attached = if self.replaced.load(Ordering::Acquire) {
            later = self.later();
            &later
        } else {
            &self.first
        };
        look(attached)
    }

    #[cold]
    fn later(&self) -> Arc<Store> {
        Arc::clone(self.later.read().as_ref().unwrap_or(&self.first))
    }

    /// Does `work` on the attached store, once more after attaching anew where this process is a forked child or the
    /// store was relocated.
    fn with<T>(&self, work: impl Fn(&Arc<Store>) -> Result<T, Error>) -> Result<T, StoreError> {
        let first = self.attached(|attached| match work(attached) {
            Err(Error::Relocated | Error::Forked) => Err(Arc::clone(attached)),
            result => Ok(result),
        });
        let result = match first {
            Ok(result) => result,
            Err(old) => {
                let (next, inheritance) = self.attach_anew(&old)?;
                if inheritance == Inheritance::Other {
                    // The key that this work is about is not that of the session there.
                    return Err(StoreError::Unavailable(format!(
                        "the session store {} was replaced by another process's while in use; PHP goes on with that one",
                        next.path().display()
                    )));
                }
                work(&next)
            }
        };
        result.map_err(|e| self.error(e))
    }

    /// Goes over to the store that is at the path now. Its keys are the same, unless this fails or the answer says that it is
    /// another store.
    #[cold]
    fn attach_anew(&self, old: &Arc<Store>) -> Result<(Arc<Store>, Inheritance), StoreError> {
        let mut later = self.later.write();
        let attached = later.as_ref().unwrap_or(&self.first);
        if !Arc::ptr_eq(attached, old) {
            // Another thread has gone over.
            let inheritance = if attached.keys == old.keys { Inheritance::Kept } else { Inheritance::Other };
            return Ok((Arc::clone(attached), inheritance));
        }
        let deleted = !old.forked();
        let (next, inheritance) = old.attach_relocated().map_err(|e| StoreError::Unavailable(e.to_string()))?;
        *later = Some(Arc::clone(&next));
        self.replaced.store(true, Ordering::Release);
        let path = old.path().display();
        match inheritance {
            Inheritance::Remade | Inheritance::Other => Ok((next, inheritance)),
            // Nor does anybody have to hear more of a file that only said that it had been left.
            Inheritance::Kept if !deleted || Arc::ptr_eq(&next, old) => Ok((next, inheritance)),
            Inheritance::Kept => {
                *self.news.lock() = Some(old.relocated_note());
                Ok((next, inheritance))
            }
            Inheritance::Lost => Err(StoreError::Unavailable(format!(
                "the session store {path} was deleted or replaced while in use; PHP goes on with the file that is there \
                 now, the sessions of the old one are lost; exclude cloakroom-*.store from clean-up jobs"
            ))),
        }
    }

    /// [`seam::Store::notice`] where there may be one, in this second.
    #[inline(never)]
    fn look(&self, second: u32) -> Option<String> {
        self.looked.store(second, Ordering::Relaxed);
        let old = self.attached(Arc::clone);
        if !old.in_place()
            && let Err(e) = self.attach_anew(&old)
        {
            return Some(e.to_string());
        }
        self.attached(|store| {
            store.mend();
            store.settle_capacity();
        });
        let news = self.news.lock().take();
        news.or_else(|| self.attached(|store| store.take_note()))
    }

    /// [`seam::Store::acquire`], with a lease of this store's own type.
    ///
    /// # Errors
    /// As [`seam::Store::acquire`].
    pub fn lease(&self, key: &Key, how: &Acquire<'_>) -> Result<Lease, StoreError> {
        self.with(|store| store.acquire(key, how))
    }

    /// [`LocalStore::lease`] in place of `lease`, which has come to its end: no memory is allocated for it.
    ///
    /// # Errors
    /// As [`seam::Store::acquire`]; the lease stays at its end.
    #[inline]
    pub fn lease_again(&self, lease: &mut Lease, key: &Key, how: &Acquire<'_>) -> Result<(), StoreError> {
        let acquired = self.attached(|store| {
            // Of another file where this one was relocated, or of another handle.
            let fits = Arc::ptr_eq(lease.store(), store);
            if fits { store.acquire_again(lease, key, how) } else { Err(Error::Relocated) }
        });
        match acquired {
            Ok(()) => Ok(()),
            Err(error) => self.lease_otherwise(lease, key, how, error),
        }
    }

    /// What comes of an acquire that failed with `error`.
    #[cold]
    fn lease_otherwise(&self, lease: &mut Lease, key: &Key, how: &Acquire<'_>, error: Error) -> Result<(), StoreError> {
        match error {
            Error::Relocated | Error::Forked => {
                *lease = self.lease(key, how)?;
                Ok(())
            }
            error => Err(self.error(error)),
        }
    }

    fn error(&self, error: Error) -> StoreError {
        self.attached(|store| error.of(store))
    }
}

impl Error {
    /// What a user of `store` is told.
    #[cold]
    fn of(self, store: &Store) -> StoreError {
        let location = store.path().display().to_string();
        match self {
            Error::LockTimeout { waited, holder } => StoreError::LockTimeout { waited, holder },
            Error::TooManyWaiters { waiting, limit, holder } => StoreError::TooManyWaiters { waiting, limit, holder },
            Error::HeldHere => StoreError::HeldHere,
            Error::Full { used, capacity } => StoreError::Full { location, used, capacity },
            Error::TooLarge(found) => StoreError::TooLarge { found: found as u64, limit: seam::MAX_PAYLOAD as u64 },
            Error::Damaged(what) => StoreError::Damaged { location, what: what.to_owned() },
            Error::Changed => StoreError::Changed,
            Error::Forked => StoreError::Forked,
            Error::NoSpace { .. } => StoreError::Unavailable(format!(
                "{location}: {self}; free space there, or put session.save_path elsewhere"
            )),
            other => StoreError::Unavailable(format!("{location}: {other}")),
        }
    }
}

impl seam::Store for LocalStore {
    fn key(&self, namespace: &Namespace, id: &SessionId<'_>) -> Key {
        self.attached(|store| store.key(namespace.as_bytes(), id.as_bytes()))
    }

    fn acquire(&self, key: &Key, how: &Acquire<'_>) -> Result<Box<dyn seam::Lease>, StoreError> {
        Ok(Box::new(self.lease(key, how)?))
    }

    fn look(&self, key: &Key) -> Result<Look, StoreError> {
        self.with(|store| store.look(key))
    }

    fn exists(&self, key: &Key) -> Result<bool, StoreError> {
        self.with(|store| store.exists(key))
    }

    fn destroy(&self, key: &Key, end: End) -> Result<bool, StoreError> {
        self.with(|store| store.destroy(key, end))
    }

    fn destroy_since(&self, key: &Key, since: &Mark, end: End) -> Result<Destroyed, StoreError> {
        self.with(|store| store.destroy_since(key, since, end))
    }

    fn settle(&self, key: &Key, successor: &Successor, end: End) -> Result<(), StoreError> {
        self.with(|store| store.settle(key, successor, end))
    }

    fn reinstate(&self, key: &Key, successor: &Successor) -> Result<bool, StoreError> {
        self.with(|store| store.reinstate(key, successor))
    }

    fn collect(&self, effort: Effort) -> Result<u64, StoreError> {
        self.with(|store| store.collect(effort))
    }

    fn status(&self) -> Result<Vec<(&'static str, u64)>, StoreError> {
        Ok(self.with(Store::stats)?.figures())
    }

    fn sample(&self) -> Result<Option<Sample>, StoreError> {
        self.with(Store::sample).map(Some)
    }

    fn location(&self) -> String {
        self.attached(|store| store.path().display().to_string())
    }

    fn notice(&self) -> Option<String> {
        let second = Clock::coarse_second();
        let nothing_new = self.attached(|store| !store.forked() && !store.relocated() && !store.has_notes())
            && self.looked.load(Ordering::Relaxed) == second;
        if nothing_new { None } else { self.look(second) }
    }

    fn is_outdated(&self) -> bool {
        // Partner: the Release in attach_anew, after which `later` is there.
        self.replaced.load(Ordering::Acquire)
    }

    fn is_vacant(&self, key: &Key) -> Result<bool, StoreError> {
        self.with(|store| store.is_vacant(key))
    }

    fn migrate_in(&self, key: &Key, session: &Restored<'_>) -> Result<Restore, StoreError> {
        self.with(|store| store.migrate_in(key, session))
    }

    fn count_refused(&self) {
        // A figure is no reason for a call to fail.
        let _uncounted = self.with(Store::count_refused);
    }

    fn inventory(&self) -> Option<&dyn Inventory> {
        Some(self)
    }
}

impl Inventory for LocalStore {
    fn walk(&self, visit: &mut dyn FnMut(Entry) -> ControlFlow<()>) -> Result<(), StoreError> {
        // Only before the first session is met can it turn out that the store was relocated, so none is met twice.
        let visit = RefCell::new(visit);
        self.with(|store| store.walk(|entry| (visit.borrow_mut())(entry)))
    }

    fn inspect(&self, key: &Key) -> Result<Option<(Entry, Vec<u8>)>, StoreError> {
        self.with(|store| store.inspect(key))
    }

    fn restore(&self, key: &Key, session: &Restored<'_>) -> Result<Restore, StoreError> {
        self.with(|store| store.restore(key, session))
    }

    fn key_origin(&self) -> KeyOrigin {
        KeyOrigin::LocalSecret(self.attached(|store| store.secret()))
    }
}

impl seam::Lease for Lease {
    fn payload_len(&self) -> usize {
        self.len()
    }

    fn read_payload(&mut self, out: &mut Room<'_>) -> Result<(), StoreError> {
        self.read(out).map_err(|e| e.of(self.store()))
    }

    fn is_new(&self) -> bool {
        Lease::is_new(self)
    }

    fn mark(&self) -> Mark {
        Lease::mark(self)
    }

    fn incarnation(&self) -> u64 {
        Lease::incarnation(self)
    }

    fn succession(&self) -> Succession {
        Lease::succession(self)
    }

    fn is_over(&mut self) -> Result<bool, StoreError> {
        Lease::is_over(self).map_err(|e| e.of(self.store()))
    }

    fn name(&mut self, successor: &Successor, before: Option<&Successor>) -> Result<Named, StoreError> {
        Lease::name(self, successor, before).map_err(|e| e.of(self.store()))
    }

    fn commit(&mut self, payload: &[u8], lifetime: Duration, over: Over) -> Result<Committed, StoreError> {
        Lease::commit(self, payload, lifetime, over).map_err(|e| e.of(self.store()))
    }

    fn touch(&mut self, payload: &[u8], lifetime: Duration) -> Result<Committed, StoreError> {
        Lease::touch(self, payload, lifetime).map_err(|e| e.of(self.store()))
    }

    fn destroy(&mut self, end: End) -> Result<bool, StoreError> {
        Lease::destroy(self, end).map_err(|e| e.of(self.store()))
    }

    fn count_merge(&self, conflicts: Option<u32>) {
        Lease::count_merge(self, conflicts);
    }

    fn release(&mut self) {
        Lease::release(self);
    }
}
