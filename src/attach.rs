//! From a `session.save_path` to the store behind it: opened once per thread, then found by the bytes of its path.

use std::ffi::{CStr, OsStr, c_char};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

use cloakroom_session::local::{self, Options};
use cloakroom_session::{SavePath, Store, StoreError};

use crate::php::{self, PathBuffer};
use crate::warning;
use crate::worker::guarded;

/// How many stores a thread keeps attached. One that serves more save paths than this attaches some anew each time.
const MOST: usize = 8;

/// The stores that a thread has attached, the one used last in front.
#[derive(Default)]
pub(crate) struct Stores(Vec<Attached>);

struct Attached {
    directory: Box<[u8]>,
    store: Arc<dyn Store>,
}

impl Stores {
    /// The store in the absolute `directory`, which is created, with at most `size` bytes, where there is none.
    pub(crate) fn attach(&mut self, directory: &[u8], size: u64) -> Result<&Arc<dyn Store>, StoreError> {
        let known = self.0.iter().position(|attached| *attached.directory == *directory);
        let place = match known {
            Some(place) => place,
            None => {
                let store = open(directory, size, true)?;
                self.0.truncate(MOST - 1);
                self.0.push(Attached { directory: directory.into(), store });
                self.0.len() - 1
            }
        };
        self.0.swap(0, place);
        Ok(&self.0[0].store)
    }

    /// The store in the absolute `directory` for somebody who only looks: nothing is created, and a store that was
    /// opened for this is not kept.
    pub(crate) fn look(&self, directory: &[u8], size: u64) -> Result<Arc<dyn Store>, StoreError> {
        match self.0.iter().find(|attached| *attached.directory == *directory) {
            Some(attached) => Ok(Arc::clone(&attached.store)),
            None => open(directory, size, false),
        }
    }

    /// Where the store that was used last is.
    pub(crate) fn location(&self) -> Option<String> {
        self.0.first().map(|attached| attached.store.location())
    }
}

fn open(directory: &[u8], size: u64, create: bool) -> Result<Arc<dyn Store>, StoreError> {
    local::open(Path::new(OsStr::from_bytes(directory)), &Options { size, create })
}

/// The directory that `save_path` means, absolute. `None` where it means none; PHP has then been told why.
///
/// # Safety
/// `save_path` is NULL or a C string that stays as it is as long as the answer is used.
pub(crate) unsafe fn directory(save_path: *const c_char, room: &mut PathBuffer) -> Option<&[u8]> {
    // SAFETY: the caller vouches for the string.
    let value = unsafe { php::c_bytes(save_path) };
    // Nothing but a directory begins with a slash.
    if value.first() == Some(&b'/') {
        return Some(value);
    }
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
