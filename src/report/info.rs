//! The section of phpinfo(). It shows no secrets: where the store is, and the directives.

use std::ptr;

use ext_php_rs::ffi::{php_info_print_table_end, php_info_print_table_row, php_info_print_table_start};
use ext_php_rs::zend::ModuleEntry;

use crate::worker::guard::guarded_infallible;
use crate::zend::php;

const VERSION: &std::ffi::CStr =
    match std::ffi::CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => panic!("a version holds no NUL byte"),
    };

/// Prints the section.
///
/// # Safety
/// Called by PHP only, with this module's entry.
pub(crate) unsafe extern "C" fn print(module: *mut ModuleEntry) {
    // Printing may run an output handler of the script, so the text lies in the worker's message.
    let location = guarded_infallible(|worker| {
        match worker.stores.location() {
            Some(location) => worker.message.set(location),
            None => worker.message.set("none opened yet"),
        }
        worker.message.as_ptr()
    });
    let location = location.unwrap_or(ptr::null());
    // SAFETY: each row takes as many C strings as it says; a NULL one prints nothing.
    unsafe {
        php_info_print_table_start();
        php_info_print_table_row(2, c"Cloakroom".as_ptr(), VERSION.as_ptr());
        php_info_print_table_row(2, c"Save handler".as_ptr(), c"cloakroom".as_ptr());
        php_info_print_table_row(2, c"Store of this process".as_ptr(), location);
        php_info_print_table_end();
        php::print_ini_table(module);
    }
}
