//! From a `session.save_path` to the store behind it: opened once per thread, then found by the bytes of its path.

use std::ffi::{CStr, OsStr, c_char};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use cloakroom_session::local::{self, Options};
use cloakroom_session::{SavePath, Store, StoreError, redis};

use crate::php::{self, PathBuffer};
use crate::warning;
use crate::worker::guarded;

/// How many stores a thread keeps attached. One that serves more save paths than this attaches some anew each time.
const MOST: usize = 8;

/// The stores that a thread has attached, the one used last in front.
#[derive(Default)]
pub(crate) struct Stores(Vec<Attached>);

struct Attached {
    place: Box<[u8]>,
    store: Arc<dyn Store>,
}

impl Stores {
    /// The store at `place`: an absolute directory, where one of at most `size` bytes is created if there is none, or the
    /// address of a server.
    pub(crate) fn attach(&mut self, place: &[u8], size: u64) -> Result<&Arc<dyn Store>, StoreError> {
        if self.0.first().is_none_or(|attached| *attached.place != *place) {
            self.bring_to_front(place, size)?;
        }
        Ok(&self.0[0].store)
    }

    #[inline(never)]
    fn bring_to_front(&mut self, place: &[u8], size: u64) -> Result<(), StoreError> {
        let known = self.0.iter().position(|attached| *attached.place == *place);
        let at = match known {
            Some(at) => at,
            None => {
                let store = open(place, size, true)?;
                self.0.truncate(MOST - 1);
                self.0.push(Attached { place: place.into(), store });
                self.0.len() - 1
            }
        };
        self.0.swap(0, at);
        Ok(())
    }

    /// The store at `place` for somebody who only looks: nothing is created, and a store that was opened for this is not
    /// kept.
    pub(crate) fn look(&self, place: &[u8], size: u64) -> Result<Arc<dyn Store>, StoreError> {
        match self.0.iter().find(|attached| *attached.place == *place) {
            Some(attached) => Ok(Arc::clone(&attached.store)),
            None => open(place, size, false),
        }
    }

    /// Where the store that was used last is.
    pub(crate) fn location(&self) -> Option<String> {
        self.0.first().map(|attached| attached.store.location())
    }
}

fn open(place: &[u8], size: u64, create: bool) -> Result<Arc<dyn Store>, StoreError> {
    if !is_directory(place) {
        return redis::open(place);
    }
    local::open(Path::new(OsStr::from_bytes(place)), &Options { size, create })
}

/// Whether a place is a directory, and not an address.
pub(crate) fn is_directory(place: &[u8]) -> bool {
    place.first() == Some(&b'/')
}

/// The place that `save_path` means: an absolute directory or the address of a server. `None` where it means none; PHP
/// has then been told why.
///
/// # Safety
/// `save_path` is NULL or a C string that stays as it is as long as the answer is used.
#[inline]
pub(crate) unsafe fn place(save_path: *const c_char, room: &mut PathBuffer) -> Option<&[u8]> {
    // SAFETY: the caller vouches for the string.
    let value = unsafe { php::c_bytes(save_path) };
    if is_directory(value) {
        return Some(value);
    }
    // SAFETY: as above.
    unsafe { other_place(save_path, value, room) }
}

/// What `save_path`, whose bytes are `value`, means, where that is no absolute path.
///
/// # Safety
/// As [`place`].
#[inline(never)]
unsafe fn other_place<'a>(save_path: *const c_char, value: &'a [u8], room: &'a mut PathBuffer) -> Option<&'a [u8]> {
    let (meant, otherwise) = match guarded(|_| SavePath::parse(value)) {
        Some(SavePath::Default) => (
            php::temporary_directory(),
            "session.save_path is empty, and PHP's temporary directory, which is then meant, is outside open_basedir; \
             set session.save_path to a directory inside",
        ),
        Some(SavePath::Directory(_)) => (
            // SAFETY: the value is not empty here, so the pointer is not NULL; the caller vouches for the string.
            php::expand_path(unsafe { CStr::from_ptr(save_path) }, room),
            "session.save_path is longer than a path may be",
        ),
        Some(SavePath::Redis(_)) => return Some(value),
        None => {
            warning::raise();
            return None;
        }
    };
    if meant.is_none() {
        let _refused = guarded(|_| Err::<(), _>(otherwise));
        warning::raise();
    }
    meant
}
