//! Failures on purpose, for the tests of what must follow from them. Built with the feature `faults` only, which no
//! release has: `php-tests/mutants/run` builds it.
//!
//! `Cloakroom\fault(string $kind, int $after)` arms one fault of this thread. It strikes after so many of the points
//! where it could have struck, so that a test can go through all of them.

use std::cell::Cell;

use ext_php_rs::builders::FunctionBuilder;
use ext_php_rs::ffi::ext_php_rs_zend_bailout;
use ext_php_rs::prelude::*;

/// Where a fault strikes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
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
    static ARMED: Cell<Option<(Point, u32)>> = const { Cell::new(None) };
}

/// Whether the fault that is armed strikes at this `point` now.
fn strikes(point: Point) -> bool {
    match ARMED.get() {
        Some((armed, 0)) if armed == point => {
            ARMED.set(None);
            true
        }
        Some((armed, more)) if armed == point => {
            ARMED.set(Some((armed, more - 1)));
            false
        }
        _ => false,
    }
}

/// Called before and after the work of `guarded`.
#[expect(clippy::panic, reason = "it is what this module is for")]
pub(crate) fn strike(point: Point) {
    if strikes(point) {
        panic!("a test asked for this panic");
    }
}

/// Whether the work of `guarded` is to fail without being done.
pub(crate) fn fails() -> bool {
    strikes(Point::Failure)
}

/// Called before PHP's memory is allocated.
pub(crate) fn allocation() {
    if strikes(Point::Allocation) {
        // SAFETY: jumps where an allocation over memory_limit jumps, which the callers of an allocation allow for.
        unsafe { ext_php_rs_zend_bailout() };
    }
}

/// Arms a fault; answers whether one was armed before that has not struck.
#[php_function]
#[php(name = "Cloakroom\\fault")]
pub(crate) fn fault(kind: &str, after: u32) -> PhpResult<bool> {
    let point = match kind {
        "panic before" => Some(Point::Before),
        "panic after" => Some(Point::After),
        "failure" => Some(Point::Failure),
        "bailout" => Some(Point::Allocation),
        "none" => None,
        _ => return Err("a fault is \"panic before\", \"panic after\", \"failure\", \"bailout\" or \"none\"".into()),
    };
    Ok(ARMED.replace(point.map(|point| (point, after))).is_some())
}

/// The function as PHP registers it.
pub(crate) fn function() -> FunctionBuilder<'static> {
    wrap_function!(fault)
}
