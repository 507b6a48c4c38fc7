//! Failures on purpose, for the tests of what must follow from them. Built with the feature `faults` only, which no
//! release has: `php-tests/mutants/run` builds it.
//!
//! `Cloakroom\fault(string $kind, int $after)` arms one fault of this thread. It strikes after so many of the places
//! where it could have struck, so that a test can go through all of them.

use std::cell::Cell;

use ext_php_rs::builders::FunctionBuilder;
use ext_php_rs::ffi::ext_php_rs_zend_bailout;
use ext_php_rs::prelude::*;

/// Where a fault strikes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// A panic in Rust's part of a callback, before it did anything.
    Before,
    /// A panic there after it did everything.
    After,
    /// A failure of that part instead of what it would have done.
    Failure,
    /// A jump out of PHP's allocation of memory, as at `memory_limit`.
    Allocation,
}

thread_local! {
    static ARMED: Cell<Option<(Place, u32)>> = const { Cell::new(None) };
}

/// Whether the fault that is armed strikes at this `place` now.
fn strikes(place: Place) -> bool {
    match ARMED.get() {
        Some((armed, 0)) if armed == place => {
            ARMED.set(None);
            true
        }
        Some((armed, more)) if armed == place => {
            ARMED.set(Some((armed, more - 1)));
            false
        }
        _ => false,
    }
}

/// Called before and after the work of `guarded`.
#[expect(clippy::panic, reason = "it is what this module is for")]
pub(crate) fn point(place: Place) {
    if strikes(place) {
        panic!("a test asked for this panic");
    }
}

/// Whether the work of `guarded` is to fail without being done.
pub(crate) fn fails() -> bool {
    strikes(Place::Failure)
}

/// Called before PHP's memory is allocated.
pub(crate) fn allocation() {
    if strikes(Place::Allocation) {
        // SAFETY: jumps where an allocation over memory_limit jumps, which the callers of an allocation allow for.
        unsafe { ext_php_rs_zend_bailout() };
    }
}

/// Arms a fault; answers whether one was armed before that has not struck.
#[php_function]
#[php(name = "Cloakroom\\fault")]
pub(crate) fn fault(kind: &str, after: u32) -> PhpResult<bool> {
    let place = match kind {
        "panic before" => Some(Place::Before),
        "panic after" => Some(Place::After),
        "failure" => Some(Place::Failure),
        "bailout" => Some(Place::Allocation),
        "none" => None,
        _ => return Err("a fault is \"panic before\", \"panic after\", \"failure\", \"bailout\" or \"none\"".into()),
    };
    Ok(ARMED.replace(place.map(|place| (place, after))).is_some())
}

/// The function as PHP registers it.
pub(crate) fn function() -> FunctionBuilder<'static> {
    wrap_function!(fault)
}
