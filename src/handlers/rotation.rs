//! `session_regenerate_id()` beside PHP's own calls of a handler: whether a rotation may begin, and what a failed one becomes.

use std::ffi::c_char;

use cloakroom_session::Request;
use cloakroom_session::request::RequestError;
use cloakroom_session::seam::Committed;

use crate::worker::guard::{guarded, guarded_infallible};
use crate::worker::warning;
use crate::zend::php::{self, Caller, Rotation};

/// Whether PHP may go on after a write with this outcome. `session_regenerate_id(false)` writes the session before it draws another
/// id; where that was ended meanwhile, what the request holds must not get one.
pub(crate) fn is_no_late_rotation(committed: &Committed) -> bool {
    let is_late = *committed == Committed::Ended && php::caller() == Caller::Regenerate;
    if is_late {
        let _told = guarded(|_| Err::<(), _>(RequestError::Overtaken));
    }
    !is_late
}

/// Whether a rotation of the session that PHP has open may begin.
///
/// # Safety
/// Called by `session_regenerate_id()`, with the session's id.
pub(crate) unsafe extern "C" fn may_rotate(id: *const c_char, length: usize) -> Rotation {
    // SAFETY: PHP's own string, which nothing changes during this call.
    let id = unsafe { std::slice::from_raw_parts(id.cast::<u8>(), length) };
    let script = php::script();
    match guarded(|worker| worker.may_rotate(id, script)) {
        Some(true) => Rotation::IsFree,
        Some(false) => Rotation::ChangesNothing,
        None => {
            warning::raise();
            // PHP closes the handler, as the session stays open for nobody.
            let given_up = guarded_infallible(|worker| worker.give_rotation_up());
            if given_up.is_none() {
                warning::raise();
            }
            Rotation::Fails
        }
    }
}

/// Whether a rotation failed since the last call because another request was faster. PHP throws an error then, as if the new id
/// could not be read.
pub(crate) unsafe extern "C" fn was_overtaken() -> bool {
    let overtaken = guarded_infallible(|worker| worker.take_overtaken());
    if overtaken.is_none() {
        warning::raise();
    }
    overtaken.unwrap_or(false)
}

/// Closes a handler in the middle of a rotation, as what PHP does asks for.
#[cold]
#[inline(never)]
pub(super) fn close_rotating(request: &mut Request) -> Result<(), RequestError> {
    match php::caller() {
        Caller::Regenerate => request.close_between(),
        Caller::Abort => request.close(),
        _ if php::bailed_out() => request.close(),
        _ => request.close_in_order()?,
    }
    Ok(())
}
