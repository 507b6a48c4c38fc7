//! The native save handler `cloakroom`: the nine functions that PHP's session module calls, each a few lines around
//! one call of [`cloakroom_session::Request`].
//!
//! The order of calls: open; validate_sid where strict mode asks; create_sid where there is no id; read; gc where
//! chance says so; write or update_timestamp, or destroy; close. `session_reset()` opens and reads again without a
//! close. The last write and the close of a request come after this module's request shutdown, without a call frame.
//!
//! Each function first takes what it needs from PHP, then runs its Rust part under
//! [`guarded`], and only then, owning nothing, calls PHP again: to allocate, or to warn.

use std::ffi::{c_char, c_int};
use std::mem::MaybeUninit;

use cloakroom_session::id::MAX_ID;
use cloakroom_session::merge::Format;
use cloakroom_session::request::{Finished, RequestError};
use cloakroom_session::seam::{Committed, End, Room};
use cloakroom_session::version_changed::Origin;
use cloakroom_session::{Acquire, Effort, IdShape, LockMode, Request, StoreError};
use ext_php_rs::ffi::{zend_long, zend_string};

use super::rotation::{close_rotating, is_no_late_rotation};
use crate::directives::save_path;
use crate::worker::guard::{guarded, guarded_infallible, guarded_on};
use crate::worker::{self, Handler, Which, warning};
use crate::zend::php::{self, Caller};
use crate::zend::ps_module::{FAILURE, ModData, PsModule, SUCCESS};

/// The handler as PHP's session module knows it.
pub(crate) static SAVE_HANDLER: PsModule = PsModule {
    name: c"cloakroom".as_ptr(),
    open,
    close,
    read,
    write,
    destroy,
    collect,
    create_id,
    validate_id,
    update_timestamp,
};

/// Why a session is not written that PHP could not encode.
pub(crate) const ENCODED_OUT_OF_MEMORY: &str =
    "memory_limit was reached while the session was encoded, so it was not written; what is stored stays";

/// Ends a callback: with the failure's warning where there is no answer.
fn success_or_warning<T>(answer: Option<T>) -> c_int {
    if answer.is_some() {
        return SUCCESS;
    }
    warning::raise();
    FAILURE
}

/// Attaches the store and opens the handler on it.
///
/// # Safety
/// Called by PHP only, as the other functions here: with valid pointers.
unsafe extern "C" fn open(mod_data: ModData, path: *const c_char, _session_name: *const c_char) -> c_int {
    let mut room = MaybeUninit::uninit();
    // SAFETY: PHP passes a C string that lives longer than this call.
    let Some(place) = (unsafe { save_path::place(path, &mut room) }) else {
        return FAILURE;
    };
    let Some(has_news) = open_on(Which::Native, place, php::gc_maxlifetime()) else {
        warning::raise();
        return FAILURE;
    };
    // SAFETY: PHP passes a valid pointer to its own variable for this.
    unsafe { *mod_data = worker::handle() };
    if has_news {
        warning::raise();
    }
    SUCCESS
}

/// Opens a handler on the store at `place`. Answers whether the worker's message is news, to be raised as a warning.
#[inline(always)]
pub(crate) fn open_on(which: Which, place: &[u8], lifetime: zend_long) -> Option<bool> {
    guarded_on(which, |Handler { settings, request, stores, message, .. }| {
        let store = stores.attach(place, settings.size)?;
        if request.is_rotating() && php::caller() != Caller::Regenerate {
            // PHP's function has failed on the way.
            request.give_up();
        }
        request.open(store, &settings.namespace);
        if !request.has_terms(settings.version) {
            request.set_terms(settings.terms(if matches!(which, Which::Native) {
                |_| php::format()
            } else {
                format_of
            }));
        }
        request.set_migration(settings.migration.of_session(lifetime));
        Ok::<_, StoreError>(message.set_news(&**store))
    })
}

/// Releases what is held. May be called for a handler that is closed.
///
/// # Safety
/// As [`open`].
unsafe extern "C" fn close(mod_data: ModData) -> c_int {
    // SAFETY: PHP passes a valid pointer to its own variable for this.
    unsafe { *mod_data = std::ptr::null_mut() };
    success_or_warning(close_on(Which::Native))
}

/// Closes a handler, as what PHP does asks for.
#[inline(always)]
pub(crate) fn close_on(which: Which) -> Option<()> {
    guarded_on(which, |Handler { request, .. }| {
        if request.is_rotating() {
            return close_rotating(request);
        }
        request.close();
        Ok(())
    })
}

/// Locks and reads, or reads without a lock where the script said `read_and_close`.
///
/// # Safety
/// As [`open`].
unsafe extern "C" fn read(
    _mod_data: ModData,
    key: *mut zend_string,
    value: *mut *mut zend_string,
    lifetime: zend_long,
) -> c_int {
    // SAFETY: PHP passes a valid string that lives longer than this call, and a valid pointer for the answer, which
    // is not set where a read fails.
    let payload = unsafe {
        *value = std::ptr::null_mut();
        if php::exception_pending() {
            // An error handler threw at a warning before this. PHP would decode objects without running their methods,
            // and store what it then has of them.
            return FAILURE;
        }
        read_on(Which::Native, key, lifetime)
    };
    if payload.is_null() {
        return FAILURE;
    }
    // SAFETY: PHP passed a valid pointer for the answer.
    unsafe { *value = payload };
    SUCCESS
}

/// Locks and reads, or reads without a lock where the script said `read_and_close`. NULL where that fails, of which PHP
/// has then been told.
///
/// # Safety
/// `key` is a PHP string that lives longer than this call.
#[inline(always)]
pub(crate) unsafe fn read_on(which: Which, key: *const zend_string, lifetime: zend_long) -> *mut zend_string {
    // SAFETY: the caller vouches for the string.
    let id = unsafe { php::string_bytes(key) };
    let (caller, script) = (php::caller(), php::script());
    let begun = guarded_on(which, |Handler { request, settings, lock, .. }| {
        let how = settings.acquire(lock, lifetime, script);
        let length = match caller {
            Caller::StartAndClose => request.begin_snapshot(id, &how),
            Caller::Regenerate => request.begin_successor(id, &how),
            _ => request.begin_read(id, &how),
        }?;
        Ok::<_, RequestError>((length, request.is_replaced()))
    });
    if let Some((_, true)) = begun {
        // PHP sends one where a request starts its session again. The browser has a better one.
        php::withdraw_cookie(id);
    }
    let begun = begun.map(|(length, _)| length);
    // A payload that PHP keeps need not be kept twice.
    let keep = !matches!(which, Which::Native) || !php::keeps_payload(&SAVE_HANDLER);
    receive(begun, |out| guarded_on(which, |handler| handler.request.finish_read(out, keep)))
}

/// Receives a payload of `length` bytes, which `finish` copies, into PHP's memory. NULL where there is none, of which
/// PHP is then told.
pub(crate) fn receive(length: Option<usize>, finish: impl Fn(&mut Room<'_>) -> Option<Finished>) -> *mut zend_string {
    let Some(mut length) = length else {
        warning::raise();
        return std::ptr::null_mut();
    };
    loop {
        // Where memory_limit is reached this does not return. The handler is then in the stage "reading", and the
        // empty session that PHP writes at shutdown is refused.
        let payload = if length == 0 { php::string_empty() } else { php::string_alloc(length) };
        let finished = if php::out_of_memory() {
            // PHP goes on until its function returns, but the script will not see the payload either.
            guarded(|_| Err("memory_limit was reached while the session was read; what is stored stays"))
        } else {
            // SAFETY: just allocated, and not known to PHP yet. The shared empty string is not touched.
            let bytes = if length == 0 { &mut [] } else { unsafe { php::string_bytes_mut(payload) } };
            finish(&mut Room::new(bytes))
        };
        if finished == Some(Finished::Whole) {
            return payload;
        }
        if length != 0 {
            // SAFETY: allocated above, and known to nobody.
            unsafe { php::string_release(payload) };
        }
        let Some(Finished::Again(now)) = finished else {
            warning::raise();
            return std::ptr::null_mut();
        };
        length = now;
    }
}

/// Stores the session.
///
/// # Safety
/// As [`open`].
unsafe extern "C" fn write(
    _mod_data: ModData,
    key: *mut zend_string,
    value: *mut zend_string,
    lifetime: zend_long,
) -> c_int {
    // SAFETY: as the caller of this function.
    unsafe { finish(key, value, lifetime, write_on) }
}

/// Extends the lifetime of an unchanged session.
///
/// # Safety
/// As [`open`].
unsafe extern "C" fn update_timestamp(
    _mod_data: ModData,
    key: *mut zend_string,
    value: *mut zend_string,
    lifetime: zend_long,
) -> c_int {
    // SAFETY: as the caller of this function.
    unsafe { finish(key, value, lifetime, touch_on) }
}

/// [`write_on`] or [`touch_on`].
pub(crate) type FinishOn = fn(Which, &[u8], &[u8], zend_long) -> Option<Committed>;

/// Ends a request on a session by `how`. A destruction of the session meanwhile is no failure: it is what the
/// request that destroyed it wanted.
///
/// # Safety
/// As [`open`].
unsafe fn finish(key: *const zend_string, value: *const zend_string, lifetime: zend_long, how: FinishOn) -> c_int {
    // SAFETY: PHP passes valid strings that live longer than this call.
    let (id, payload) = unsafe { (php::string_bytes(key), php::string_bytes(value)) };
    let finished = success_or_warning(how(Which::Native, id, payload, lifetime).filter(is_no_late_rotation));
    if finished == FAILURE && php::out_of_memory() {
        php::raise_out_of_memory();
    }
    finished
}

/// How a payload is encoded that an object is given: frameworks that manage sessions themselves store one serialized array,
/// whatever `session.serialize_handler` says.
pub(crate) fn format_of(data: &[u8]) -> Format {
    if data.starts_with(b"a:") { Format::PhpSerialize } else { php::format() }
}

/// Stores a session.
#[inline(always)]
pub(crate) fn write_on(which: Which, id: &[u8], payload: &[u8], lifetime: zend_long) -> Option<Committed> {
    if let Some(reason) = incomplete(which, payload) {
        return guarded_on(which, |Handler { request, .. }| {
            request.give_up();
            Err(reason)
        });
    }
    let origin = || Origin {
        format: if matches!(which, Which::Native) { php::format() } else { format_of(payload) },
        read: if matches!(which, Which::Native) { php::kept_payload(&SAVE_HANDLER) } else { None },
    };
    finish_on(which, lifetime, |request, how| {
        let committed = request.write(id, payload, how, origin)?;
        if matches!(which, Which::Object(_)) && committed == Committed::Stored {
            request.keep_written(payload);
        }
        Ok(committed)
    })
}

/// Why `payload` is not what `$_SESSION` holds; `None` where nothing speaks against it.
fn incomplete(which: Which, payload: &[u8]) -> Option<&'static str> {
    // An object is also given payloads that have nothing to do with $_SESSION.
    let of_the_session = matches!(which, Which::Native) || php::in_save_handler();
    if php::out_of_memory() {
        Some(ENCODED_OUT_OF_MEMORY)
    } else if php::exception_pending() {
        Some("encoding the session was ended by an exception, so it was not written; what is stored stays")
    } else if payload.is_empty() && of_the_session && php::encoding_failed() {
        Some(
            "session.serialize_handler cannot encode $_SESSION (\"php\" allows no | in its keys), so it was not written; \
             what is stored stays",
        )
    } else {
        None
    }
}

/// Extends the lifetime of an unchanged session.
pub(crate) fn touch_on(which: Which, id: &[u8], payload: &[u8], lifetime: zend_long) -> Option<Committed> {
    finish_on(which, lifetime, |request, how| request.touch(id, payload, how))
}

#[inline(always)]
fn finish_on(
    which: Which,
    lifetime: zend_long,
    finish: impl FnOnce(&mut Request, &Acquire<'_>) -> Result<Committed, RequestError>,
) -> Option<Committed> {
    with_notice(guarded_on(which, |Handler { request, settings, lock, message, .. }| {
        // Only the request that acquires tells those that wait for the session what runs.
        let script = if request.is_holding() { &[] } else { php::script() };
        let finished = match finish(request, &settings.acquire(lock, lifetime, script)) {
            // A child that its script forked off leaves the session to its parent; nobody asked it to store anything.
            Err(RequestError::Store(StoreError::Forked)) if php::is_end_of_request() => Committed::Ended,
            finished => finished?,
        };
        Ok::<_, RequestError>((finished, request.may_have_notice() && message.set_notice(request.take_notice())))
    }))
}

/// Ends a session.
///
/// # Safety
/// As [`open`].
unsafe extern "C" fn destroy(_mod_data: ModData, key: *mut zend_string) -> c_int {
    // SAFETY: PHP passes a valid string that lives longer than this call.
    let destroyed = destroy_on(Which::Native, unsafe { php::string_bytes(key) });
    if destroyed.is_some() && php::caller() == Caller::Other {
        // As with `files`, a directory in which a script kept one session can be removed when it has ended. Once in the life
        // of a process: the next session makes a new store, which takes far longer than a session.
        let removed = guarded_infallible(|worker| {
            if worker.objects.are_none() {
                cloakroom_session::remove_empty_stores(false);
            }
        });
        if removed.is_none() {
            warning::raise();
        }
    }
    success_or_warning(destroyed)
}

/// Ends a session; `None` where that fails.
pub(crate) fn destroy_on(which: Which, id: &[u8]) -> Option<bool> {
    if php::bailed_out() || php::out_of_memory() || php::exception_pending() {
        // PHP destroys a session whose decoding ends early: at memory_limit or the time limit, in a class loader that
        // throws. The payload is whole, and the next request may get further.
        let rotates = php::caller() == Caller::Regenerate;
        return guarded_on(which, |handler| {
            handler.request.abandon();
            // What the request holds must not get another id while the old one stays.
            if rotates { Err(RequestError::ReadIncomplete) } else { Ok(false) }
        });
    }
    if php::caller() == Caller::Regenerate {
        let read = if matches!(which, Which::Native) { php::kept_payload(&SAVE_HANDLER) } else { None };
        return guarded_on(which, |handler| handler.request.leave(id, read));
    }
    with_notice(guarded_on(which, |Handler { request, settings, message, .. }| {
        let destroyed = request.destroy(id, End::at_once(settings.tombstone))?;
        Ok::<_, RequestError>((destroyed, message.set_notice(request.take_notice())))
    }))
}

/// The answer of a call that succeeded. Where the worker's message says what failed beside it, that becomes a warning.
pub(crate) fn with_notice<T>(answer: Option<(T, bool)>) -> Option<T> {
    answer.map(|(answer, has_notice)| {
        if has_notice {
            warning::raise();
        }
        answer
    })
}

/// Removes expired sessions: all of them where a script asked for it, a few where chance picked this request. The
/// lifetime is that with which each session was written.
///
/// # Safety
/// As [`open`].
unsafe extern "C" fn collect(_mod_data: ModData, _lifetime: zend_long, removed: *mut zend_long) -> zend_long {
    let count = collected(guarded_on(Which::Native, |handler| handler.request.collect(effort())));
    // SAFETY: PHP passes a valid pointer for the count.
    unsafe { *removed = count };
    if count < 0 {
        warning::raise();
        // Chance collects between the read and the decoding. After an error handler that threw, PHP decodes objects
        // without running their methods, and what it then encodes must not be stored.
        if effort() == Effort::Step && php::exception_pending() {
            let _abandoned = guarded_infallible(|worker| worker.request.abandon());
        }
    }
    count
}

/// How much a collection does that this caller asks for.
pub(crate) fn effort() -> Effort {
    match php::caller() {
        Caller::Gc | Caller::Method => Effort::All,
        Caller::Engine | Caller::Start | Caller::StartAndClose | Caller::Regenerate | Caller::Abort | Caller::Other => {
            Effort::Step
        }
    }
}

/// The count of a collection as PHP gets it: -1 is a failure.
pub(crate) fn collected(count: Option<u64>) -> zend_long {
    count.map_or(zend_long::from(FAILURE), |count| zend_long::try_from(count).unwrap_or(zend_long::MAX))
}

/// Draws an id that no session has.
///
/// # Safety
/// As [`open`].
unsafe extern "C" fn create_id(_mod_data: ModData) -> *mut zend_string {
    id_drawn_by(|shape, room| {
        guarded_on(Which::Native, |handler| handler.request.draw_id(shape, room).map(|id| id.as_bytes().len()))
    })
}

/// The id that `draw` puts into the room it is given, whose length it answers. NULL where there is none, of which PHP is
/// then told.
pub(crate) fn id_drawn_by(draw: impl FnOnce(IdShape, &mut [u8; MAX_ID]) -> Option<usize>) -> *mut zend_string {
    let shape = php::id_shape();
    let mut room = [0; MAX_ID];
    let Some(length) = draw(shape, &mut room) else {
        warning::raise();
        return std::ptr::null_mut();
    };
    let id = php::string_alloc(length);
    // SAFETY: just allocated, and not known to PHP yet.
    let written = Room::new(unsafe { php::string_bytes_mut(id) }).put(&room[..length]);
    debug_assert!(written, "the string has as many bytes");
    id
}

/// Whether strict mode may use the id that the browser sent.
///
/// # Safety
/// As [`open`].
unsafe extern "C" fn validate_id(_mod_data: ModData, key: *mut zend_string) -> c_int {
    // SAFETY: PHP passes a valid string that lives longer than this call.
    let id = unsafe { php::string_bytes(key) };
    match may_exist_on(Which::Native, id, php::gc_maxlifetime()) {
        Some(false) => FAILURE,
        Some(true) => SUCCESS,
        None => {
            // After a panic nothing is proven.
            warning::raise();
            SUCCESS
        }
    }
}

/// Whether an id may be used; `None` after a panic.
pub(crate) fn may_exist_on(which: Which, id: &[u8], lifetime: zend_long) -> Option<bool> {
    let (caller, script) = (php::caller(), php::script());
    guarded_on(which, |Handler { request, settings, lock, .. }| {
        let lock = if caller == Caller::StartAndClose { Some(LockMode::None) } else { lock };
        let how = settings.acquire(lock, lifetime, script);
        // Elsewhere PHP asks about an id that it will not read.
        let reads = matches!(caller, Caller::Start | Caller::StartAndClose | Caller::Engine);
        Ok::<_, RequestError>(request.may_exist(id, reads.then_some(&how)))
    })
}
