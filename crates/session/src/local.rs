//! The adapter of the local store: [`cloakroom_store`] behind the [`Store`] and [`Lease`] traits.
//!
//! It also keeps the attachment alive over what happens to the process and the file: a forked child attaches anew, and
//! once a second the path is compared with the attached file, so that workers whose store file was deleted or
//! replaced come together again on one.

use std::any::Any;
use std::cell::RefCell;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use cloakroom_store as store;
use parking_lot::{Mutex, RwLock};

use crate::error::Holder;
use crate::seam::{Committed, End, Mark, Over, Sample, Sampled};
use crate::seam::{Entry, Inventory, KeyOrigin, Restore, Restored};
use crate::{Acquire, Effort, Key, Lease, LockMode, Namespace, SessionId, Store, StoreError};

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
    Ok(adapt(attach(directory, options)?))
}

/// The store that is attached already.
#[must_use]
pub fn adapt(attached: Arc<store::Store>) -> Arc<dyn Store> {
    Arc::new(Local {
        first: attached,
        replaced: AtomicBool::new(false),
        later: RwLock::new(None),
        looked: AtomicU32::new(0),
        news: Mutex::new(None),
    })
}

fn attach(directory: &Path, options: &Options) -> Result<Arc<store::Store>, StoreError> {
    let capacity = options.create.then_some(options.size);
    store::Store::attach(directory, store::Options { capacity, user: None })
        .map_err(|e| StoreError::Unavailable(e.to_string()))
}

struct Local {
    /// The store that was attached first, which nearly always stays the only one: no lock, no reference count.
    first: Arc<store::Store>,
    replaced: AtomicBool,
    later: RwLock<Option<Arc<store::Store>>>,
    /// Second in which the path was last compared with the attached file.
    looked: AtomicU32,
    news: Mutex<Option<String>>,
}

impl Local {
    /// Calls `look` with the attached store.
    #[inline(always)]
    fn attached<T>(&self, look: impl FnOnce(&Arc<store::Store>) -> T) -> T {
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
    fn later(&self) -> Arc<store::Store> {
        Arc::clone(self.later.read().as_ref().unwrap_or(&self.first))
    }

    /// Does `work` on the attached store, once more after attaching anew where this process is a forked child or the
    /// sessions have moved.
    fn with<T>(&self, work: impl Fn(&Arc<store::Store>) -> Result<T, store::Error>) -> Result<T, StoreError> {
        let first = self.attached(|attached| match work(attached) {
            Err(store::Error::Relocated | store::Error::Forked) => Err(Arc::clone(attached)),
            result => Ok(result),
        });
        let result = match first {
            Ok(result) => result,
            Err(old) => work(&self.attach_anew(&old)?),
        };
        result.map_err(|e| self.error(e))
    }

    /// Goes over to the store that is at the path now, whose keys are the same unless this fails.
    #[cold]
    fn attach_anew(&self, old: &Arc<store::Store>) -> Result<Arc<store::Store>, StoreError> {
        let mut later = self.later.write();
        let attached = later.as_ref().unwrap_or(&self.first);
        if !Arc::ptr_eq(attached, old) {
            return Ok(Arc::clone(attached));
        }
        let deleted = !old.forked();
        let (fresh, inheritance) = old.successor().map_err(|e| StoreError::Unavailable(e.to_string()))?;
        *later = Some(Arc::clone(&fresh));
        self.replaced.store(true, Ordering::Release);
        let path = old.path().display();
        match inheritance {
            store::Inheritance::Kept if !deleted => Ok(fresh),
            store::Inheritance::Kept => {
                *self.news.lock() = Some(format!(
                    "the session store {path} was deleted while in use; its sessions were moved to a new file; exclude \
                     cloakroom-*.store from clean-up jobs"
                ));
                Ok(fresh)
            }
            store::Inheritance::Lost => Err(StoreError::Unavailable(format!(
                "the session store {path} was deleted or replaced while in use; PHP goes on with the file that is there \
                 now, the sessions of the old one are lost; exclude cloakroom-*.store from clean-up jobs"
            ))),
        }
    }

    /// [`Store::notice`] where there may be one, in this second.
    #[inline(never)]
    fn look(&self, second: u32) -> Option<String> {
        self.looked.store(second, Ordering::Relaxed);
        let old = self.attached(Arc::clone);
        if !old.in_place()
            && let Err(e) = self.attach_anew(&old)
        {
            return Some(e.to_string());
        }
        self.attached(|store| store.settle_capacity());
        let news = self.news.lock().take();
        news.or_else(|| self.attached(|store| store.take_note()))
    }

    /// What comes of an acquire that failed with `error`.
    #[cold]
    fn acquire_otherwise(
        &self,
        key: &Key,
        request: &store::Acquire<'_>,
        error: store::Error,
    ) -> Result<Box<dyn Lease>, StoreError> {
        match error {
            store::Error::Relocated | store::Error::Forked => {
                let lease = self.with(|store| store.acquire(&local(key), request))?;
                Ok(Box::new(LocalLease(lease)))
            }
            store::Error::TooManyWaiters { waiting, holder } => {
                let limit = request.max_waiters;
                Err(StoreError::TooManyWaiters { waiting, limit, holder: named(holder) })
            }
            error => Err(self.error(error)),
        }
    }

    fn error(&self, error: store::Error) -> StoreError {
        self.attached(|store| translated(store.path(), error))
    }
}

/// The error in terms of the seam; `path` is the store file's.
fn translated(path: &Path, error: store::Error) -> StoreError {
    let location = path.display().to_string();
    match error {
        store::Error::LockTimeout { waited, holder } => StoreError::LockTimeout { waited, holder: named(holder) },
        store::Error::HeldHere => StoreError::HeldHere,
        store::Error::Full { used, capacity } => StoreError::Full { location, used, capacity },
        store::Error::TooLarge(found) => StoreError::TooLarge { found: found as u64, limit: store::MAX_PAYLOAD as u64 },
        store::Error::Damaged(what) => StoreError::Damaged { location, what: what.to_owned() },
        store::Error::Changed => StoreError::Changed,
        store::Error::NoSpace { .. } => StoreError::Unavailable(format!(
            "{location}: {error}; free space there, or put session.save_path elsewhere"
        )),
        other => StoreError::Unavailable(format!("{location}: {other}")),
    }
}

fn named(holder: store::Holder) -> Holder {
    let script = String::from_utf8_lossy(&holder.script).into_owned();
    Holder { pid: holder.pid, host: String::new(), held: holder.held, script }
}

fn local(key: &Key) -> store::Key {
    store::Key::from_bytes(key.to_bytes())
}

fn general(key: store::Key) -> Key {
    Key::from_bytes(key.to_bytes())
}

impl Store for Local {
    fn key(&self, namespace: &Namespace, id: &SessionId<'_>) -> Key {
        if self.replaced.load(Ordering::Acquire) {
            return general(self.later().key(namespace.as_bytes(), id.as_bytes()));
        }
        general(self.first.key(namespace.as_bytes(), id.as_bytes()))
    }

    fn acquire(
        &self,
        key: &Key,
        how: &Acquire<'_>,
        finished: Option<Box<dyn Lease>>,
    ) -> Result<Box<dyn Lease>, StoreError> {
        let request = store::Acquire {
            exclusive: how.mode == LockMode::Exclusive,
            wait: how.wait,
            max_waiters: how.max_waiters,
            lifetime: how.lifetime,
            script: how.script,
            since: how.since.map(|mark| store::Mark::from_words(mark.to_words())),
        };
        let acquired = self.attached(|store| {
            let again = finished
                .and_then(|finished| (finished as Box<dyn Any>).downcast::<LocalLease>().ok())
                .filter(|finished| Arc::ptr_eq(finished.0.store(), store));
            match again {
                Some(mut lease) => store.acquire_again(&mut lease.0, &local(key), &request).map(|()| lease),
                None => store.acquire(&local(key), &request).map(|lease| Box::new(LocalLease(lease))),
            }
        });
        match acquired {
            Ok(lease) => Ok(lease),
            Err(error) => self.acquire_otherwise(key, &request, error),
        }
    }

    fn snapshot(&self, key: &Key) -> Result<(Option<Vec<u8>>, Mark), StoreError> {
        self.with(|store| store.snapshot(&local(key)))
            .map(|(payload, mark)| (payload, Mark::from_words(mark.to_words())))
    }

    fn exists(&self, key: &Key) -> Result<bool, StoreError> {
        self.with(|store| store.exists(&local(key)))
    }

    fn destroy(&self, key: &Key, end: End) -> Result<bool, StoreError> {
        self.with(|store| store.destroy(&local(key), end.tombstone, end.grace))
    }

    fn collect(&self, effort: Effort) -> Result<u64, StoreError> {
        self.with(|store| store.collect(effort == Effort::All))
    }

    fn status(&self) -> Result<Vec<(&'static str, u64)>, StoreError> {
        let stats = self.with(store::Store::stats)?;
        let [w0, w1, w2, w3, w4, w5, w6] = stats.wait_histogram;
        Ok(vec![
            ("sessions", stats.sessions),
            ("reserved", stats.reserved),
            ("tombstones", stats.tombstones),
            ("bytes", stats.payload_bytes),
            ("file_bytes", stats.file_bytes),
            ("free_bytes", stats.free_bytes),
            ("capacity", stats.capacity),
            ("reads", stats.reads),
            ("writes", stats.writes),
            ("touches", stats.touches),
            ("creates", stats.creates),
            ("destroys", stats.destroys),
            ("expired", stats.expired),
            ("evictions", stats.evicted),
            ("recoveries", stats.recoveries),
            ("refused_writes", stats.ended),
            ("merges", stats.merges),
            ("merge_conflicts", stats.conflicts),
            ("merge_fallbacks", stats.merge_fallbacks),
            ("migrated", stats.migrated),
            ("corrupt", stats.corrupt),
            ("waits", stats.waits),
            ("wait_timeouts", stats.timeouts),
            ("wait_microseconds", stats.wait_nanos / 1000),
            ("waits_below_100us", w0),
            ("waits_below_1ms", w1),
            ("waits_below_10ms", w2),
            ("waits_below_100ms", w3),
            ("waits_below_1s", w4),
            ("waits_below_10s", w5),
            ("waits_from_10s", w6),
            ("attached", stats.attached),
            ("locked", stats.locked),
            ("waiting", stats.waiting),
        ])
    }

    fn sample(&self) -> Result<Option<Sample>, StoreError> {
        let store::Sample { sessions, complete, taken } = self.with(store::Store::sample)?;
        let sampled = |session: store::Sampled| Sampled {
            created: session.created.into(),
            used: session.used.into(),
            size: session.size.into(),
            returned: session.returned,
        };
        Ok(Some(Sample { sessions: sessions.into_iter().map(sampled).collect(), complete, taken: taken.into() }))
    }

    fn location(&self) -> String {
        self.attached(|store| store.path().display().to_string())
    }

    fn notice(&self) -> Option<String> {
        let second = store::Clock::coarse_second();
        let nothing_new = self.attached(|store| !store.forked() && !store.superseded() && !store.has_notes())
            && self.looked.load(Ordering::Relaxed) == second;
        if nothing_new { None } else { self.look(second) }
    }

    fn is_vacant(&self, key: &Key) -> Result<bool, StoreError> {
        self.with(|store| store.is_vacant(&local(key)))
    }

    fn migrate_in(&self, key: &Key, session: &Restored<'_>) -> Result<Restore, StoreError> {
        self.with(|store| store.take_over(&local(key), &brought(session))).map(became)
    }

    fn inventory(&self) -> Option<&dyn Inventory> {
        Some(self)
    }
}

fn entry(found: &store::Entry) -> Entry {
    Entry {
        key: general(found.key),
        incarnation: found.incarnation,
        version: u64::from(found.version),
        created: u64::from(found.created),
        used: u64::from(found.used),
        // The store's is the last second in which the session exists.
        expires: u64::from(found.expires) + 1,
        size: u64::from(found.size),
        reserved: found.size == 0,
        returned: found.returned,
        locked: found.locked,
        retired: found.retired,
    }
}

fn brought<'a>(session: &Restored<'a>) -> store::Restored<'a> {
    store::Restored {
        payload: session.payload,
        created: u32::try_from(session.created).unwrap_or(u32::MAX),
        lifetime: session.lifetime,
        returned: session.returned,
    }
}

fn became(restored: store::Restore) -> Restore {
    match restored {
        store::Restore::Stored => Restore::Stored,
        store::Restore::Exists => Restore::Exists,
        store::Restore::Ended => Restore::Ended,
    }
}

impl Inventory for Local {
    fn walk(&self, visit: &mut dyn FnMut(Entry) -> ControlFlow<()>) -> Result<(), StoreError> {
        // Only before the first session is met can it turn out that they have moved, so none is met twice.
        let visit = RefCell::new(visit);
        self.with(|store| store.walk(|found| (visit.borrow_mut())(entry(&found))))
    }

    fn inspect(&self, key: &Key) -> Result<Option<(Entry, Vec<u8>)>, StoreError> {
        self.with(|store| store.inspect(&local(key)))
            .map(|found| found.map(|(found, payload)| (entry(&found), payload)))
    }

    fn restore(&self, key: &Key, session: &Restored<'_>) -> Result<Restore, StoreError> {
        self.with(|store| store.restore(&local(key), &brought(session))).map(became)
    }

    fn key_origin(&self) -> KeyOrigin {
        KeyOrigin::LocalSecret(self.attached(|store| store.secret()))
    }
}

struct LocalLease(store::Lease);

impl LocalLease {
    #[cold]
    fn error(&self, error: store::Error) -> StoreError {
        translated(self.0.store().path(), error)
    }
}

fn committed(outcome: store::Outcome) -> Committed {
    match outcome {
        store::Outcome::Stored => Committed::Stored,
        store::Outcome::Ended => Committed::Ended,
        store::Outcome::VersionChanged => Committed::VersionChanged,
    }
}

impl Lease for LocalLease {
    fn payload_len(&self) -> usize {
        self.0.len()
    }

    fn read_payload(&mut self, out: &mut [u8]) -> Result<(), StoreError> {
        self.0.read(out).map_err(|e| self.error(e))
    }

    fn is_new(&self) -> bool {
        self.0.is_new()
    }

    fn mark(&self) -> Mark {
        Mark::from_words(self.0.mark().to_words())
    }

    fn commit(&mut self, payload: &[u8], lifetime: Duration, over: Over) -> Result<Committed, StoreError> {
        let over = match over {
            Over::Anything => store::Over::Anything,
            Over::WhatWasRead => store::Over::WhatWasRead,
        };
        match self.0.commit(payload, lifetime, over) {
            Ok(outcome) => Ok(committed(outcome)),
            Err(error) => Err(self.error(error)),
        }
    }

    fn touch(&mut self, payload: &[u8], lifetime: Duration) -> Result<Committed, StoreError> {
        self.0.touch(payload, lifetime).map(committed).map_err(|e| self.error(e))
    }

    fn destroy(&mut self, end: End) -> Result<bool, StoreError> {
        self.0.destroy(end.tombstone, end.grace).map_err(|e| self.error(e))
    }

    fn count_merge(&self, conflicts: Option<u32>) {
        self.0.count_merge(conflicts);
    }

    fn release(&mut self) {
        self.0.release();
    }
}
