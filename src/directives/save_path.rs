//! The place that a `session.save_path` means: an absolute directory or the address of a server.

use std::ffi::{CStr, c_char};

use cloakroom_session::SavePath;

use crate::worker::guard::guarded;
use crate::worker::stores::is_directory;
use crate::worker::warning;
use crate::zend::php::{self, PathBuffer};

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
