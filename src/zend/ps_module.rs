//! A mirror of the session module's C interface for save handlers, which ext-php-rs does not bind. The static
//! asserts of `src/zend/shim.c` hold it to PHP's header.

use std::ffi::{c_char, c_int, c_void};

use ext_php_rs::ffi::{zend_long, zend_string};

/// `SUCCESS` of `zend_result`.
pub(crate) const SUCCESS: c_int = 0;
/// `FAILURE` of `zend_result`.
pub(crate) const FAILURE: c_int = -1;

/// Where a handler keeps a pointer of its own between open and close. PHP calls nothing but open while it is NULL.
pub(crate) type ModData = *mut *mut c_void;

type Open = unsafe extern "C" fn(ModData, save_path: *const c_char, session_name: *const c_char) -> c_int;
type Close = unsafe extern "C" fn(ModData) -> c_int;
type Read =
    unsafe extern "C" fn(ModData, key: *mut zend_string, value: *mut *mut zend_string, lifetime: zend_long) -> c_int;
type Write =
    unsafe extern "C" fn(ModData, key: *mut zend_string, value: *mut zend_string, lifetime: zend_long) -> c_int;
type Destroy = unsafe extern "C" fn(ModData, key: *mut zend_string) -> c_int;
type Collect = unsafe extern "C" fn(ModData, lifetime: zend_long, removed: *mut zend_long) -> zend_long;
type CreateId = unsafe extern "C" fn(ModData) -> *mut zend_string;
type ValidateId = unsafe extern "C" fn(ModData, key: *mut zend_string) -> c_int;

/// `ps_module` of PHP's `ext/session/php_session.h`.
#[repr(C)]
pub(crate) struct PsModule {
    pub(crate) name: *const c_char,
    pub(crate) open: Open,
    pub(crate) close: Close,
    pub(crate) read: Read,
    pub(crate) write: Write,
    pub(crate) destroy: Destroy,
    pub(crate) collect: Collect,
    pub(crate) create_id: CreateId,
    pub(crate) validate_id: ValidateId,
    pub(crate) update_timestamp: Write,
}

// SAFETY: the name is a static C string, and nothing is ever written.
unsafe impl Sync for PsModule {}
