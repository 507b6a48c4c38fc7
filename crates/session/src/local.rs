//! The adapter of the local store: [`cloakroom_store`] behind the [`Store`] and [`Lease`] traits.
//!
//! It also keeps the attachment alive over what happens to the process and the file: a forked child attaches anew, and
//! once a second the path is compared with the attached file, so that workers whose store file was deleted or
//! replaced come together again on one.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cloakroom_store as store;
use parking_lot::{Mutex, RwLock};

use crate::error::Holder;
use crate::seam::Committed;
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
    let attached = attach(directory, options)?;
    Ok(Arc::new(Local {
        directory: directory.to_owned(),
        options: *options,
        attached: RwLock::new(attached),
        looked: AtomicU32::new(0),
        news: Mutex::new(None),
    }))
}

fn attach(directory: &Path, options: &Options) -> Result<Arc<store::Store>, StoreError> {
    let capacity = options.create.then_some(options.size);
    store::Store::attach(directory, store::Options { capacity, user: None })
        .map_err(|e| StoreError::Unavailable(e.to_string()))
}

struct Local {
    directory: PathBuf,
    options: Options,
    attached: RwLock<Arc<store::Store>>,
    /// Second in which the path was last compared with the attached file.
    looked: AtomicU32,
    news: Mutex<Option<String>>,
}

impl Local {
    /// The attached store, attached anew where this process is a forked child or the file was replaced.
    fn current(&self) -> Result<Arc<store::Store>, StoreError> {
        let current = Arc::clone(&self.attached.read());
        let second = store::Clock::coarse_second();
        if !current.forked() && self.looked.swap(second, Ordering::Relaxed) == second {
            return Ok(current);
        }
        if current.in_place() { Ok(current) } else { self.attach_anew(&current) }
    }

    #[cold]
    fn attach_anew(&self, old: &Arc<store::Store>) -> Result<Arc<store::Store>, StoreError> {
        let mut attached = self.attached.write();
        if !Arc::ptr_eq(&attached, old) {
            return Ok(Arc::clone(&attached));
        }
        let fresh = attach(&self.directory, &self.options)?;
        if !old.forked() {
            *self.news.lock() = Some(format!(
                "the session store {} was deleted or replaced while in use; PHP goes on with the file that is there \
                 now, the sessions of the old one are lost; exclude cloakroom-*.store from clean-up jobs",
                old.path().display()
            ));
        }
        *attached = Arc::clone(&fresh);
        Ok(fresh)
    }

    fn error(&self, error: store::Error) -> StoreError {
        translated(self.attached.read().path(), error)
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
    Holder { pid: holder.pid, held: holder.held, script }
}

fn local(key: &Key) -> store::Key {
    let mut half = [0; 16];
    half.copy_from_slice(key.0.split_at(16).0);
    store::Key::from_bytes(half)
}

impl Store for Local {
    fn key(&self, namespace: &Namespace, id: &SessionId<'_>) -> Key {
        let key = self.attached.read().key(namespace.as_bytes(), id.as_bytes());
        let mut bytes = [0; 32];
        bytes.split_at_mut(16).0.copy_from_slice(&key.to_bytes());
        Key(bytes)
    }

    fn acquire(&self, key: &Key, how: &Acquire<'_>) -> Result<Box<dyn Lease>, StoreError> {
        let store = self.current()?;
        let request = store::Acquire {
            exclusive: how.mode == LockMode::Exclusive,
            wait: how.wait,
            max_waiters: how.max_waiters,
            lifetime: how.lifetime,
            script: how.script,
        };
        match store.acquire(&local(key), &request) {
            Ok(lease) => Ok(Box::new(LocalLease { lease, store })),
            Err(store::Error::TooManyWaiters { waiting, holder }) => {
                Err(StoreError::TooManyWaiters { waiting, limit: how.max_waiters, holder: named(holder) })
            }
            Err(e) => Err(self.error(e)),
        }
    }

    fn snapshot(&self, key: &Key) -> Result<Option<Vec<u8>>, StoreError> {
        self.current()?.snapshot(&local(key)).map_err(|e| self.error(e))
    }

    fn exists(&self, key: &Key) -> Result<bool, StoreError> {
        self.current()?.exists(&local(key)).map_err(|e| self.error(e))
    }

    fn destroy(&self, key: &Key, tombstone: Duration) -> Result<bool, StoreError> {
        self.current()?.destroy(&local(key), tombstone).map_err(|e| self.error(e))
    }

    fn collect(&self, effort: Effort) -> Result<u64, StoreError> {
        self.current()?.collect(effort == Effort::All).map_err(|e| self.error(e))
    }

    fn status(&self) -> Result<Vec<(&'static str, u64)>, StoreError> {
        let stats = self.current()?.stats().map_err(|e| self.error(e))?;
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
        ])
    }

    fn location(&self) -> String {
        self.attached.read().path().display().to_string()
    }

    fn notice(&self) -> Option<String> {
        let note = self.attached.read().take_note();
        note.or_else(|| self.news.try_lock()?.take())
    }
}

struct LocalLease {
    lease: store::Lease,
    store: Arc<store::Store>,
}

fn committed(outcome: store::Outcome) -> Committed {
    match outcome {
        store::Outcome::Stored => Committed::Stored,
        store::Outcome::Ended => Committed::Ended,
    }
}

impl Lease for LocalLease {
    fn payload_len(&self) -> usize {
        self.lease.len()
    }

    fn read_payload(&mut self, out: &mut [u8]) -> Result<(), StoreError> {
        self.lease.read(out).map_err(|e| translated(self.store.path(), e))
    }

    fn is_new(&self) -> bool {
        self.lease.is_new()
    }

    fn commit(self: Box<Self>, payload: &[u8], lifetime: Duration) -> Result<Committed, StoreError> {
        let LocalLease { lease, store } = *self;
        lease.commit(payload, lifetime).map(committed).map_err(|e| translated(store.path(), e))
    }

    fn touch(self: Box<Self>, payload: &[u8], lifetime: Duration) -> Result<Committed, StoreError> {
        let LocalLease { lease, store } = *self;
        lease.touch(payload, lifetime).map(committed).map_err(|e| translated(store.path(), e))
    }

    fn destroy(self: Box<Self>, tombstone: Duration) -> Result<bool, StoreError> {
        let LocalLease { lease, store } = *self;
        lease.destroy(tombstone).map_err(|e| translated(store.path(), e))
    }

    fn release(self: Box<Self>) {
        self.lease.release();
    }
}
