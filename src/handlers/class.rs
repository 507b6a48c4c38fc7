//! The class `Cloakroom\SessionHandler`: what each method does. `src/handlers/class.c` reads the parameters and calls
//! the functions of [`CALLS`].
//!
//! An object that was opened, by PHP or by a handler that wraps it, works as the native handler does and shares its code. One
//! that was not works on single sessions, without a lock from one call to the next
//! ([`cloakroom_session::standalone`]).
//!
//! A warning may run an error handler of the script, which may use this very object, or end it. So an object is looked up
//! by its number for each step, and nothing of it is borrowed while PHP is called.

use std::convert::Infallible;
use std::ffi::{CStr, c_char, c_int};
use std::mem::MaybeUninit;
use std::ptr;

use cloakroom_session::request::RequestError;
use cloakroom_session::seam::{Committed, End};
use cloakroom_session::standalone::Written;
use cloakroom_session::{Acquire, Effort, Standalone, StoreError, directives};
use ext_php_rs::ffi::{zend_long, zend_string};

use super::native::{self, ENCODED_OUT_OF_MEMORY, FinishOn};
use super::rotation;
use crate::directives::save_path;
use crate::worker::guard::{guarded, guarded_infallible, guarded_object, guarded_object_with_message, guarded_on};
use crate::worker::objects::{NoObject, Object};
use crate::worker::stores::is_directory;
use crate::worker::{WORKER, Which, Worker, warning};
use crate::zend::php::{self, Caller, PathBuffer};

unsafe extern "C" {
    fn cloakroom_register_class(calls: *const Calls);
}

/// The functions that `src/handlers/class.c` calls; the same fields in the same order as `object_calls` there.
#[repr(C)]
struct Calls {
    make: unsafe extern "C" fn() -> usize,
    free: unsafe extern "C" fn(usize),
    construct: unsafe extern "C" fn(usize, *const zend_string, *const zend_string, *const zend_long) -> c_int,
    complaint: unsafe extern "C" fn() -> *const c_char,
    open: unsafe extern "C" fn(usize, *const zend_string) -> bool,
    close: unsafe extern "C" fn(usize) -> bool,
    read: unsafe extern "C" fn(usize, *mut zend_string) -> *mut zend_string,
    write: unsafe extern "C" fn(usize, *mut zend_string, *mut zend_string) -> bool,
    destroy: unsafe extern "C" fn(usize, *mut zend_string) -> bool,
    collect: unsafe extern "C" fn(usize) -> zend_long,
    create_id: unsafe extern "C" fn(usize) -> *mut zend_string,
    validate_id: unsafe extern "C" fn(usize, *mut zend_string) -> bool,
    update_timestamp: unsafe extern "C" fn(usize, *mut zend_string, *mut zend_string) -> bool,
}

/// The methods of the class.
static CALLS: Calls = Calls {
    close,
    collect,
    complaint,
    construct,
    create_id,
    destroy,
    free,
    make,
    open,
    read,
    update_timestamp,
    validate_id,
    write,
};

/// Makes the class known to PHP.
pub(crate) fn register() {
    // SAFETY: called once, from the start of the module, when the session module has made its interfaces known; the
    // functions live as long as the process.
    unsafe { cloakroom_register_class(&CALLS) };
}

/// Makes an object and answers its number, 0 where that fails.
///
/// # Safety
/// As the other functions here, called by the class's methods only: on the thread of the object, with the object's number
/// and with PHP strings that live longer than the call.
unsafe extern "C" fn make() -> usize {
    guarded_infallible(|worker| worker.objects.make()).unwrap_or(0)
}

/// Ends an object; a lock that it holds is free then.
///
/// # Safety
/// As [`make`].
unsafe extern "C" fn free(number: usize) {
    // There is no caller left to hear the message of a panic here.
    let _freed = guarded_infallible(|worker| worker.objects.free(number));
}

/// Takes the arguments of the constructor. Answers 0, or the number of the argument that is wrong, or -1 where it is none
/// of them; [`complaint`] then says what is wrong.
///
/// # Safety
/// As [`make`]; NULL is an argument that was not given.
unsafe extern "C" fn construct(
    number: usize,
    save_path: *const zend_string,
    lock: *const zend_string,
    lifetime: *const zend_long,
) -> c_int {
    // SAFETY: the caller vouches for the strings; NULL has no bytes.
    let (path, mode) = unsafe { (php::string_bytes(save_path), php::string_bytes(lock)) };
    // SAFETY: NULL or a valid number.
    let lifetime = unsafe { lifetime.as_ref() }.copied();
    let constructed = guarded_infallible(|worker| {
        if path.len() >= size_of::<PathBuffer>() {
            worker.message.set("is longer than a path may be");
            return 1;
        }
        let lock = match (!lock.is_null()).then(|| directives::lock(mode)).transpose() {
            Ok(lock) => lock,
            Err(wrong) => {
                worker.message.set(wrong);
                return 2;
            }
        };
        if lifetime.is_some_and(|seconds| seconds < 1) {
            worker.message.set("must be greater than 0");
            return 3;
        }
        match worker.objects.of(number) {
            Ok(object) => {
                let save_path = (!save_path.is_null()).then(|| path.into());
                *object = Object { save_path, lock, lifetime, ..Object::default() };
                0
            }
            Err(NoObject) => {
                worker.message.set("The session handler object could not be made");
                -1
            }
        }
    });
    constructed.unwrap_or(-1)
}

/// What [`construct`] found wrong. It stays until the worker's next message.
///
/// # Safety
/// As [`make`].
unsafe extern "C" fn complaint() -> *const c_char {
    WORKER.get().message.as_ptr()
}

/// Opens an object on the store of its own path, or else of the path that PHP passes.
///
/// # Safety
/// As [`make`].
unsafe extern "C" fn open(number: usize, path: *const zend_string) -> bool {
    let (mut own, mut room) = (MaybeUninit::uninit(), MaybeUninit::uninit());
    // SAFETY: the caller vouches for the string, which holds no NUL byte but the one at its end.
    let (given, is_empty) = unsafe { ((&raw const (*path).val).cast(), (*path).len == 0) };
    // PHP gives an empty path where its setting is empty. A framework's code that gives one means the setting, too.
    let given = if is_empty { php::save_path() } else { given };
    // SAFETY: both buffers stay as they are below.
    let Some(place) = (unsafe { place(number, given, &mut own, &mut room) }) else {
        return false;
    };
    let opened = native::open_on(Which::Object(number), place, lifetime(number));
    // The object's knowledge of single sessions says nothing about those that it now locks.
    let _forgotten = opened.and_then(|_| with(number, |object| object.standalone = Standalone::new()));
    warn_unless_silent(opened)
}

/// Releases what an object holds. It can be opened again.
///
/// # Safety
/// As [`make`].
unsafe extern "C" fn close(number: usize) -> bool {
    or_warning(native::close_on(Which::Object(number))).is_some()
}

/// Reads a session: with its lock where the object is open, the last committed state otherwise.
///
/// # Safety
/// As [`make`].
unsafe extern "C" fn read(number: usize, id: *mut zend_string) -> *mut zend_string {
    let lifetime = lifetime(number);
    if is_open(number) {
        // SAFETY: the caller vouches for the string.
        return unsafe { native::read_on(Which::Object(number), id, lifetime) };
    }
    if !attach(number) {
        return ptr::null_mut();
    }
    // SAFETY: the caller vouches for the string.
    let id = unsafe { php::string_bytes(id) };
    let length = guarded_object(number, |object, settings| {
        let wait = settings.acquire(object.lock, lifetime, b"").wait;
        object.standalone.begin_read(id, wait)
    });
    native::receive(length, |out| guarded_object(number, |object, _| object.standalone.finish_read(out)))
}

/// Stores a session.
///
/// # Safety
/// As [`make`].
unsafe extern "C" fn write(number: usize, id: *mut zend_string, data: *mut zend_string) -> bool {
    // SAFETY: the caller vouches for the strings.
    unsafe {
        finish(number, id, data, native::write_on, |object, id, data, how| {
            object.write(id, data, how, native::format_of(data))
        })
    }
}

/// Extends the lifetime of an unchanged session.
///
/// # Safety
/// As [`make`].
unsafe extern "C" fn update_timestamp(number: usize, id: *mut zend_string, data: *mut zend_string) -> bool {
    // SAFETY: the caller vouches for the strings.
    unsafe { finish(number, id, data, native::touch_on, Standalone::touch) }
}

/// The function that writes or touches a session of an object that is not open.
type FinishStandalone = fn(&mut Standalone, &[u8], &[u8], &Acquire<'_>) -> Result<Written, RequestError>;

/// Writes or touches a session: `opened` where the object is open, `standalone` otherwise. A destruction of the session
/// meanwhile is no failure: it is what the request that destroyed it wanted. Nor is it one where that keeps another session
/// from taking its place, of which the answer tells.
///
/// # Safety
/// As [`make`].
unsafe fn finish(
    number: usize,
    id: *const zend_string,
    data: *const zend_string,
    opened: FinishOn,
    standalone: FinishStandalone,
) -> bool {
    // SAFETY: the caller vouches for the strings.
    let (id, data) = unsafe { (php::string_bytes(id), php::string_bytes(data)) };
    let lifetime = lifetime(number);
    if is_open(number) {
        let finished = opened(Which::Object(number), id, data, lifetime);
        return or_warning(finished.filter(rotation::is_no_late_rotation)).is_some();
    }
    if !attach(number) {
        return false;
    }
    let script = php::script();
    let finished = if php::out_of_memory() {
        guarded(|_| Err(ENCODED_OUT_OF_MEMORY))
    } else {
        guarded_object_with_message(number, |object, settings, message| {
            let finished =
                standalone(&mut object.standalone, id, data, &settings.acquire(object.lock, lifetime, script))?;
            Ok::<_, RequestError>((finished, message.set_notice(object.standalone.take_notice())))
        })
    };
    let written = or_warning(native::with_notice(finished));
    if written == Some(Written::Ended) {
        return or_warning(Some(Committed::Ended).filter(rotation::is_no_late_rotation)).is_some();
    }
    written.is_some_and(|written| written != Written::Refused)
}

/// Ends a session.
///
/// # Safety
/// As [`make`].
unsafe extern "C" fn destroy(number: usize, id: *mut zend_string) -> bool {
    // SAFETY: the caller vouches for the string.
    let id = unsafe { php::string_bytes(id) };
    if is_open(number) {
        return or_warning(native::destroy_on(Which::Object(number), id)).is_some();
    }
    if !attach(number) {
        return false;
    }
    let rotates = php::caller() == Caller::Regenerate;
    let destroyed = guarded_object_with_message(number, |object, settings, message| {
        let destroyed = object.standalone.destroy(id, End::at_once(settings.tombstone))?;
        if rotates && object.standalone.was_over() {
            // PHP draws another id after this, for what is over.
            return Err(RequestError::Overtaken);
        }
        Ok((destroyed, message.set_notice(object.standalone.take_notice())))
    });
    or_warning(native::with_notice(destroyed)).is_some()
}

/// Removes expired sessions and answers how many, -1 where that fails.
///
/// # Safety
/// As [`make`].
unsafe extern "C" fn collect(number: usize) -> zend_long {
    let removed = if is_open(number) {
        let effort = native::effort();
        guarded_on(Which::Object(number), |handler| handler.request.collect(effort))
    } else if attach(number) {
        guarded_object(number, |object, _| object.standalone.collect(Effort::All))
    } else {
        return native::collected(None);
    };
    native::collected(or_warning(removed))
}

/// Draws an id that no session has. An object that has no store yet needs none for this.
///
/// # Safety
/// As [`make`].
unsafe extern "C" fn create_id(number: usize) -> *mut zend_string {
    native::id_drawn_by(|shape, room| {
        guarded_object(number, |object, _| {
            let drawn = if object.request.is_open() {
                object.request.draw_id(shape, room)
            } else {
                object.standalone.draw_id(shape, room)
            };
            drawn.map(|id| id.as_bytes().len())
        })
    })
}

/// Whether an id may be used that came from outside: whether it has a session. Where that cannot be found out the answer
/// is yes, and the read that follows says what is wrong.
///
/// # Safety
/// As [`make`].
unsafe extern "C" fn validate_id(number: usize, id: *mut zend_string) -> bool {
    // SAFETY: the caller vouches for the string.
    let id = unsafe { php::string_bytes(id) };
    if !is_open(number) && !attach(number) {
        return true;
    }
    let may_exist = if is_open(number) {
        native::may_exist_on(Which::Object(number), id, lifetime(number))
    } else {
        with(number, |object| object.standalone.may_exist(id))
    };
    may_exist.unwrap_or(true)
}

/// Raises the warning of a failure.
fn or_warning<T>(answer: Option<T>) -> Option<T> {
    if answer.is_none() {
        warning::raise();
    }
    answer
}

/// Looks at an object, or changes what cannot fail.
fn with<T>(number: usize, look: impl FnOnce(&mut Object) -> T) -> Option<T> {
    guarded_object(number, |object, _| Ok::<_, Infallible>(look(object)))
}

fn is_open(number: usize) -> bool {
    with(number, |object| object.request.is_open()).unwrap_or(false)
}

/// The lifetime of the sessions that an object writes.
fn lifetime(number: usize) -> zend_long {
    with(number, |object| object.lifetime).flatten().unwrap_or_else(php::gc_maxlifetime)
}

/// Attaches an object that is not open to its store, where it is not yet. Where it cannot be, PHP has been told.
fn attach(number: usize) -> bool {
    let attached = guarded(|Worker { objects, settings, message, .. }| {
        let object = objects.of(number)?;
        object.standalone.set_terms(settings.terms(native::format_of));
        Ok::<_, NoObject>(object.standalone.store().map(|store| message.set_news(&**store)))
    });
    let attached = match attached {
        Some(None) => {
            let lifetime = lifetime(number);
            let (mut own, mut room) = (MaybeUninit::uninit(), MaybeUninit::uninit());
            // SAFETY: PHP's own string, which nothing changes during this call, as the buffers stay as they are.
            let Some(place) = (unsafe { place(number, php::save_path(), &mut own, &mut room) }) else {
                return false;
            };
            guarded(|Worker { objects, settings, stores, message, .. }| {
                let store = stores.attach(place, settings.size)?;
                if let Ok(object) = objects.of(number) {
                    object.standalone.attach(store, &settings.namespace);
                    object.standalone.set_migration(settings.migration.of_any_payload(lifetime));
                }
                Ok::<_, StoreError>(message.set_news(&**store))
            })
        }
        Some(Some(has_news)) => Some(has_news),
        None => None,
    };
    warn_unless_silent(attached)
}

/// Ends an attempt to attach, which answers whether the worker's message is news: raises the warning of a failure or of
/// the news.
fn warn_unless_silent(attached: Option<bool>) -> bool {
    if attached != Some(false) {
        warning::raise();
    }
    attached.is_some()
}

/// The place that an object works at: that of its constructor, or else `otherwise`. A script may name only a directory that
/// `open_basedir` lets it use; the value of `session.save_path` was checked when it was set. `None` where the place
/// cannot be used; PHP has then been told why.
///
/// # Safety
/// `otherwise` is a C string that stays as it is as long as the answer is used.
unsafe fn place<'a>(
    number: usize,
    otherwise: *const c_char,
    own: &'a mut PathBuffer,
    room: &'a mut PathBuffer,
) -> Option<&'a [u8]> {
    let own = with(number, |object| object.save_path.as_deref().map(|path| php::c_path(path, own))).flatten();
    // SAFETY: the caller vouches for the string, which is not NULL.
    let path = own.unwrap_or_else(|| unsafe { CStr::from_ptr(otherwise) });
    // SAFETY: as above, and PHP's own setting.
    let is_setting = unsafe { php::c_bytes(php::save_path()) } == path.to_bytes();
    // SAFETY: as above.
    let place = unsafe { save_path::place(path.as_ptr(), room) }?;
    (is_setting || path.is_empty() || !is_directory(place) || php::may_open(path)).then_some(place)
}
