//! The two directives of moving from another session handler, `cloakroom.migrate_from` and `cloakroom.migrate_to`: which
//! places they may name, and how phpinfo() shows them, as an address may hold a password.

use std::ffi::c_int;
use std::mem::MaybeUninit;

use cloakroom_session::directives;
use ext_php_rs::ffi::_zend_ini_entry as IniEntry;

use crate::worker::guard::guarded_infallible;
use crate::zend::php::{self, PathBuffer};

/// `ZEND_INI_DISPLAY_ORIG`: the value of the configuration, not that of this directory or request.
const DISPLAY_ORIGINAL: c_int = 1;

/// Whether `open_basedir` lets a directory's own configuration name this place; where it does not, PHP has warned. An
/// address that is no directory is no concern of `open_basedir`.
pub(crate) fn may_open(value: &[u8]) -> bool {
    let directory = value.iter().position(|&byte| byte == b'/').and_then(|start| value.get(start..));
    let Some(directory) = directory.filter(|_| value.starts_with(b"files:")) else { return true };
    let mut room = MaybeUninit::uninit();
    directory.len() < size_of::<PathBuffer>() && php::may_open(php::c_path(directory, &mut room))
}

/// Prints where a directive points to, without secrets, into phpinfo().
///
/// # Safety
/// Called by PHP only, with a valid entry.
pub(crate) unsafe extern "C" fn display(entry: *mut IniEntry, kind: c_int) {
    // SAFETY: the entry is valid; its values may be NULL, which has no bytes.
    let value = unsafe {
        let original = kind == DISPLAY_ORIGINAL && (*entry).modified != 0;
        php::string_bytes(if original { (*entry).orig_value } else { (*entry).value })
    };
    // Printing may run an output handler of the script, so the text lies in the worker's message.
    let text = guarded_infallible(|worker| {
        match directives::migrate_from(value) {
            Ok(Some(from)) => worker.message.set(from.location()),
            Ok(None) => worker.message.set("no value"),
            // Only a value that was refused gets here, and it may hold a password.
            Err(refused) => worker.message.set(refused),
        }
        worker.message.as_ptr()
    });
    if let Some(text) = text {
        // SAFETY: a C string inside the worker, which lives as long as the thread.
        unsafe { php::print_info(text) };
    }
}
