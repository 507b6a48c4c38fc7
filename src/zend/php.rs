//! PHP's side in Rust signatures: `src/zend/shim.c`, and the few functions of PHP that ext-php-rs does not bind.
//!
//! Every call here may run PHP code or leave by a jump over the Rust frames above it, unless its documentation says
//! that it does not. So its callers own nothing with a destructor and hold no borrow of the thread's worker.

use std::ffi::{CStr, c_char, c_int};
use std::mem::MaybeUninit;

use cloakroom_session::IdShape;
use cloakroom_session::merge::Format;
use ext_php_rs::ffi::{ext_php_rs_zend_string_release, php_error_docref, zend_long, zend_string};
use ext_php_rs::zend::ModuleEntry;

use super::ps_module::PsModule;

/// Longest path that [`expand_path`] gives, with its NUL byte.
const MAX_PATH: usize = 4096;

const E_CORE_WARNING: c_int = ext_php_rs::ffi::E_CORE_WARNING.cast_signed();
const E_WARNING: c_int = ext_php_rs::ffi::E_WARNING.cast_signed();

unsafe extern "C" {
    static cloakroom_max_path: usize;
    fn cloakroom_string_alloc(length: usize) -> *mut zend_string;
    fn cloakroom_string_empty() -> *mut zend_string;
    fn cloakroom_has_session_module() -> bool;
    fn cloakroom_register_save_handler(module: *const PsModule) -> bool;
    fn cloakroom_id_shape(length: *mut zend_long, bits: *mut zend_long);
    fn cloakroom_build() -> *const c_char;
    fn cloakroom_setting(name: *const c_char, length: usize) -> *const c_char;
    fn cloakroom_save_path() -> *const c_char;
    fn cloakroom_gc_maxlifetime() -> zend_long;
    fn cloakroom_script() -> *const c_char;
    fn cloakroom_temporary_directory() -> *const c_char;
    fn cloakroom_may_open(path: *const c_char) -> bool;
    fn cloakroom_expand_path(path: *const c_char, out: *mut c_char) -> bool;
    fn cloakroom_bailed_out() -> bool;
    fn cloakroom_out_of_memory() -> bool;
    fn cloakroom_raise_out_of_memory();
    fn cloakroom_exception_pending() -> bool;
    fn cloakroom_in_save_handler() -> bool;
    fn cloakroom_is_end_of_request() -> bool;
    fn cloakroom_encoding_failed() -> bool;
    fn cloakroom_caller() -> c_int;
    fn cloakroom_precede_regenerate_id(decide: Option<DecideRotation>, overtaken: Option<WasOvertaken>) -> bool;
    fn cloakroom_withdraw_cookie(id: *const c_char, length: usize);
    fn cloakroom_kept_payload(module: *const PsModule) -> *const zend_string;
    fn cloakroom_keeps_payload(module: *const PsModule) -> bool;
    fn cloakroom_serializer() -> *const c_char;
    fn cloakroom_unregister_ini(kind: c_int, module_number: c_int);

    fn cloakroom_print_info(text: *const c_char);

    fn display_ini_entries(module: *mut ModuleEntry);
}

/// The PHP that this was built for: its version, and what kind of build it is. Runs no PHP code.
pub(crate) fn build() -> &'static str {
    // SAFETY: a C string that is part of the extension.
    std::str::from_utf8(unsafe { c_bytes(cloakroom_build()) }).unwrap_or_default()
}

/// The value of a setting as scripts see it now, where there is one of that name; valid until it is changed. Runs no PHP
/// code.
pub(crate) fn setting<'a>(name: &str) -> Option<&'a [u8]> {
    // SAFETY: the name is passed with its length, and looked up in the table of settings.
    let value = unsafe { cloakroom_setting(name.as_ptr().cast(), name.len()) };
    // SAFETY: a C string that belongs to the setting.
    (!value.is_null()).then(|| unsafe { c_bytes(value) })
}

/// Which function of PHP's session module runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// None: auto_start, upload progress, the end of the request.
    Engine,
    /// `session_start()`.
    Start,
    /// `session_start(['read_and_close' => true])`.
    StartAndClose,
    /// `session_gc()`.
    Gc,
    /// `session_regenerate_id()`.
    Regenerate,
    /// `session_abort()`.
    Abort,
    /// Another `session_…` function.
    Other,
    /// A method of SessionHandler, PHP's or ours, that the script called itself.
    Method,
}

/// Which function of the session module runs. Runs no PHP code.
pub(crate) fn caller() -> Caller {
    // SAFETY: walks the call frames of this thread and changes nothing.
    match unsafe { cloakroom_caller() } {
        1 => Caller::Start,
        2 => Caller::StartAndClose,
        3 => Caller::Gc,
        4 => Caller::Regenerate,
        5 => Caller::Other,
        6 => Caller::Method,
        7 => Caller::Abort,
        _ => Caller::Engine,
    }
}

/// Whether PHP itself ends the session, as the script has ended without doing so: by the handler directly, or by a method of a class.
pub(crate) fn is_end_of_request() -> bool {
    // SAFETY: walks the call frames of this thread and changes nothing.
    unsafe { cloakroom_is_end_of_request() }
}

/// Whether `session_regenerate_id()` may give the session another id.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rotation {
    /// PHP's function does its work.
    IsFree,
    /// The session has another id already, or is over: nothing is changed, and the answer is true.
    ChangesNothing,
    /// That could not be found out: PHP was told, and the answer is false.
    Fails,
}

/// Decides that about the session with an id of so many bytes.
pub(crate) type DecideRotation = unsafe extern "C" fn(*const c_char, usize) -> Rotation;

/// Whether the new id could not be read because another request was faster.
pub(crate) type WasOvertaken = unsafe extern "C" fn() -> bool;

/// Has `decide` asked before each `session_regenerate_id()`, and `overtaken` after it. Runs no PHP code.
pub(crate) fn precede_regenerate_id(decide: DecideRotation, overtaken: WasOvertaken) -> bool {
    // SAFETY: called from the start of the module, when the table of functions is there; the function lives as long as the
    // process.
    unsafe { cloakroom_precede_regenerate_id(Some(decide), Some(overtaken)) }
}

/// The reverse of [`precede_regenerate_id`]. Runs no PHP code.
pub(crate) fn restore_regenerate_id() {
    // SAFETY: called from the end of the module, when the table of functions is still there.
    unsafe { cloakroom_precede_regenerate_id(None, None) };
}

/// Whether a fatal error ended the script and PHP itself calls the handler since. Runs no PHP code.
pub(crate) fn bailed_out() -> bool {
    // SAFETY: reads a field of this thread's globals and walks its call frames.
    unsafe { cloakroom_bailed_out() }
}

/// Whether `memory_limit` was reached inside the function of PHP that runs now, so that what it decodes or encodes may
/// be incomplete. Runs no PHP code.
pub(crate) fn out_of_memory() -> bool {
    // SAFETY: reads one field of this thread's globals.
    unsafe { cloakroom_out_of_memory() }
}

/// Raises the fatal error of [`out_of_memory`] where PHP itself would not any more. Then it does not return.
pub(crate) fn raise_out_of_memory() {
    // SAFETY: called only while that error is held back.
    unsafe { cloakroom_raise_out_of_memory() };
}

/// Whether an exception, or `exit`, is on its way up to the script: PHP then runs no method of the objects that it
/// decodes or encodes. Runs no PHP code.
pub(crate) fn exception_pending() -> bool {
    // SAFETY: reads one field of this thread's globals.
    unsafe { cloakroom_exception_pending() }
}

/// Whether PHP's session module runs a method of a save handler that is an object. Runs no PHP code.
pub(crate) fn in_save_handler() -> bool {
    // SAFETY: reads one field of this thread's globals.
    unsafe { cloakroom_in_save_handler() }
}

/// Whether an empty payload that PHP writes now stands for a `$_SESSION` that could not be encoded. Runs no PHP code.
pub(crate) fn encoding_failed() -> bool {
    // SAFETY: looks at the keys of `$_SESSION` and changes nothing.
    unsafe { cloakroom_encoding_failed() }
}

/// The path of the script as the server names it, empty where there is none; valid until the request ends. Runs no
/// PHP code.
pub(crate) fn script<'a>() -> &'a [u8] {
    // SAFETY: NULL or a C string of the server interface that lives as long as the request.
    unsafe { c_bytes(cloakroom_script()) }
}

/// How new session ids look. Runs no PHP code.
pub(crate) fn id_shape() -> IdShape {
    let (mut length, mut bits) = (0, 0);
    // SAFETY: both pointers are valid for a write.
    unsafe { cloakroom_id_shape(&raw mut length, &raw mut bits) };
    IdShape::new(length, bits).unwrap_or_default()
}

/// The payload as PHP got it from `module`, where it keeps that to see whether the session was changed; valid until the
/// next read. Runs no PHP code.
pub(crate) fn kept_payload<'a>(module: &'static PsModule) -> Option<&'a [u8]> {
    // SAFETY: reads the session module's globals of this thread, whose string PHP frees in no case before the next read.
    unsafe {
        let payload = cloakroom_kept_payload(module);
        (!payload.is_null()).then(|| string_bytes(payload))
    }
}

/// Whether PHP will keep what `module` reads now. Runs no PHP code.
pub(crate) fn keeps_payload(module: &'static PsModule) -> bool {
    // SAFETY: reads the session module's globals of this thread.
    unsafe { cloakroom_keeps_payload(module) }
}

/// How PHP encodes sessions. Runs no PHP code.
pub(crate) fn format() -> Format {
    // SAFETY: the name of a serialize handler is a C string for the life of the process.
    let name = unsafe { c_bytes(cloakroom_serializer()) };
    std::str::from_utf8(name).map_or(Format::Opaque, Format::of_handler)
}

/// Takes the cookies with this id from the headers that are still to be sent. Runs no PHP code.
pub(crate) fn withdraw_cookie(id: &[u8]) {
    // SAFETY: the id is passed with its length; the headers are this thread's request's.
    unsafe { cloakroom_withdraw_cookie(id.as_ptr().cast(), id.len()) };
}

/// `session.save_path` of this request; valid until it is changed. Runs no PHP code.
pub(crate) fn save_path() -> *const c_char {
    // SAFETY: reads one field of this thread's globals.
    unsafe { cloakroom_save_path() }
}

/// `session.gc_maxlifetime` of this request. Runs no PHP code.
pub(crate) fn gc_maxlifetime() -> zend_long {
    // SAFETY: reads one field of this thread's globals.
    unsafe { cloakroom_gc_maxlifetime() }
}

/// Whether `open_basedir` lets the script use `path`; where it does not, PHP has warned.
pub(crate) fn may_open(path: &CStr) -> bool {
    // SAFETY: a C string.
    unsafe { cloakroom_may_open(path.as_ptr()) }
}

/// PHP's directory for temporary files; `None` where `open_basedir` forbids it, of which PHP has then warned.
pub(crate) fn temporary_directory<'a>() -> Option<&'a [u8]> {
    // SAFETY: NULL or a C string that PHP keeps for the life of the process.
    let directory = unsafe { c_bytes(cloakroom_temporary_directory()) };
    (!directory.is_empty()).then_some(directory)
}

/// Room for a path.
pub(crate) type PathBuffer = MaybeUninit<[u8; MAX_PATH]>;

/// Copies `path`, which holds no NUL byte, into `room` as a C string; what does not fit is lost.
pub(crate) fn c_path<'a>(path: &[u8], room: &'a mut PathBuffer) -> &'a CStr {
    let room = room.write([0; MAX_PATH]);
    for (free, &byte) in room[..MAX_PATH - 1].iter_mut().zip(path) {
        *free = byte;
    }
    CStr::from_bytes_until_nul(room).unwrap_or_default()
}

/// Makes `path` absolute, relative to the directory in which this request works; `None` where it is too long.
pub(crate) fn expand_path<'a>(path: &CStr, room: &'a mut PathBuffer) -> Option<&'a [u8]> {
    // SAFETY: the static is a constant of the shim.
    if unsafe { cloakroom_max_path } > MAX_PATH {
        return None;
    }
    let out = room.as_mut_ptr().cast::<c_char>();
    // SAFETY: `out` has room for the longest path that PHP knows, checked above, and holds a C string on success.
    unsafe { cloakroom_expand_path(path.as_ptr(), out).then(|| c_bytes(out)) }
}

/// The bytes of a C string; NULL has none.
///
/// # Safety
/// `string` is NULL or a C string that stays as it is for `'a`.
pub(crate) unsafe fn c_bytes<'a>(string: *const c_char) -> &'a [u8] {
    // SAFETY: the caller vouches for the string.
    if string.is_null() { &[] } else { unsafe { CStr::from_ptr(string) }.to_bytes() }
}

/// The bytes of a PHP string; NULL has none.
///
/// # Safety
/// `string` is NULL or a PHP string that is neither freed nor written during `'a`.
pub(crate) unsafe fn string_bytes<'a>(string: *const zend_string) -> &'a [u8] {
    if string.is_null() {
        return &[];
    }
    // SAFETY: the caller vouches for the string, whose bytes begin at `val` and are `len` many.
    unsafe { std::slice::from_raw_parts((&raw const (*string).val).cast(), (*string).len) }
}

/// The bytes of a PHP string that was just allocated.
///
/// # Safety
/// `string` comes from [`string_alloc`] and nobody else knows of it during `'a`.
pub(crate) unsafe fn string_bytes_mut<'a>(string: *mut zend_string) -> &'a mut [MaybeUninit<u8>] {
    // SAFETY: as above. The bytes are allocated memory, which nobody has written yet.
    unsafe { std::slice::from_raw_parts_mut((&raw mut (*string).val).cast(), (*string).len) }
}

/// A string of `length` bytes in PHP's request memory, its bytes not yet written. Jumps away where `memory_limit`
/// is reached.
pub(crate) fn string_alloc(length: usize) -> *mut zend_string {
    #[cfg(feature = "faults")]
    crate::fault::allocation();
    // SAFETY: allocates or does not return.
    unsafe { cloakroom_string_alloc(length) }
}

/// PHP's empty string. Runs no PHP code.
pub(crate) fn string_empty() -> *mut zend_string {
    // SAFETY: gives the address of a string that is never freed.
    unsafe { cloakroom_string_empty() }
}

/// Frees a string. Runs no PHP code.
///
/// # Safety
/// `string` comes from [`string_alloc`] and is not used afterwards.
pub(crate) unsafe fn string_release(string: *mut zend_string) {
    // SAFETY: the caller vouches for the string.
    unsafe { ext_php_rs_zend_string_release(string) };
}

/// Raises an `E_WARNING` in the name of the PHP function that runs. PHP copies the message before anything else,
/// then may run an error handler, throw, or jump away.
///
/// # Safety
/// `message` is a C string.
pub(crate) unsafe fn warning(message: *const c_char) {
    // SAFETY: the format takes one C string, which the caller vouches for.
    unsafe { php_error_docref(std::ptr::null(), E_WARNING, c"%s".as_ptr(), message) };
}

/// Whether the session module was there when this extension was loaded. Runs no PHP code.
pub(crate) fn has_session_module() -> bool {
    // SAFETY: compares an address.
    unsafe { cloakroom_has_session_module() }
}

/// Raises an `E_CORE_WARNING`, as what starts and stops PHP does.
///
/// # Safety
/// As [`warning`].
pub(crate) unsafe fn core_warning(message: *const c_char) {
    // SAFETY: the format takes one C string, which the caller vouches for.
    unsafe { php_error_docref(std::ptr::null(), E_CORE_WARNING, c"%s".as_ptr(), message) };
}

/// Makes a save handler known to the session module; `false` where it has no room for another.
pub(crate) fn register_save_handler(module: &'static PsModule) -> bool {
    // SAFETY: the module lives as long as the process, and the code it points to is never unloaded (build.rs).
    unsafe { cloakroom_register_save_handler(module) }
}

/// Takes back the ini directives of this module.
pub(crate) fn unregister_ini(kind: c_int, module_number: c_int) {
    // SAFETY: called from the module's shutdown with what PHP passed there.
    unsafe { cloakroom_unregister_ini(kind, module_number) };
}

/// Prints a text into phpinfo().
///
/// # Safety
/// `text` is a C string that stays as it is during this call.
pub(crate) unsafe fn print_info(text: *const c_char) {
    // SAFETY: the caller vouches for the string.
    unsafe { cloakroom_print_info(text) };
}

/// Prints the table of ini directives into phpinfo().
///
/// # Safety
/// `module` is this module's entry as PHP passed it.
pub(crate) unsafe fn print_ini_table(module: *mut ModuleEntry) {
    // SAFETY: the caller vouches for the entry.
    unsafe { display_ini_entries(module) };
}
