//! How the thread's [`Worker`] is borrowed, under the two rules by which PHP's C stack and Rust's meet. No borrow of the
//! worker lives across a call into PHP: PHP may run a script's error handler, which may open and close sessions, or jump
//! away. And no panic crosses into PHP, where it would end the process: [`guarded`] turns it into a message.

use std::fmt::{self, Display};
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::message::Message;
use super::objects::{NoObject, Object};
use super::{Handler, WORKER, Which, Worker};
#[cfg(feature = "faults")]
use crate::fault;
use crate::settings::Settings;

/// Runs `body`, which calls nothing of PHP, on this thread's worker. Where it fails or panics, the worker holds the
/// message that [`super::warning::raise`] gives to PHP, and the answer is `None`.
pub(crate) fn guarded<T, E: Display>(body: impl FnOnce(&mut Worker) -> Result<T, E>) -> Option<T> {
    // SAFETY: one request runs on a thread at a time; `body` does not call PHP, so nothing else on this thread can
    // ask for the worker until it returns; and no reference is kept from one `guarded` to the next.
    let worker = unsafe { WORKER.get_mut() };
    #[cfg(feature = "faults")]
    if fault::fails() {
        worker.message.set("Cloakroom: a test asked for this failure");
        return None;
    }
    match catch_unwind(AssertUnwindSafe(|| {
        #[cfg(feature = "faults")]
        fault::strike(fault::Point::Before);
        let answer = body(worker);
        #[cfg(feature = "faults")]
        fault::strike(fault::Point::After);
        answer
    })) {
        Ok(Ok(answer)) => Some(answer),
        Ok(Err(failure)) => {
            worker.message.set_failure(&failure);
            None
        }
        Err(_panic) => {
            worker.give_up();
            None
        }
    }
}

/// [`guarded`] on one handler of this thread's worker.
pub(crate) fn guarded_on<T, E: Display>(which: Which, body: impl FnOnce(Handler<'_>) -> Result<T, E>) -> Option<T> {
    guarded(|worker| body(worker.handler(which)?).map_err(Failure::Of))
}

/// [`guarded`] on one object of this thread's worker.
pub(crate) fn guarded_object<T, E: Display>(
    number: usize,
    body: impl FnOnce(&mut Object, &Settings) -> Result<T, E>,
) -> Option<T> {
    guarded(|Worker { objects, settings, .. }| body(objects.of(number)?, settings).map_err(Failure::Of))
}

/// [`guarded_object`] for what may have to tell more than one thing.
pub(crate) fn guarded_object_with_message<T, E: Display>(
    number: usize,
    body: impl FnOnce(&mut Object, &Settings, &mut Message) -> Result<T, E>,
) -> Option<T> {
    guarded(|Worker { objects, settings, message, .. }| {
        body(objects.of(number)?, settings, message).map_err(Failure::Of)
    })
}

/// [`guarded`] for what cannot fail but by a panic.
pub(crate) fn guarded_infallible<T>(body: impl FnOnce(&mut Worker) -> T) -> Option<T> {
    guarded(|worker| Ok::<_, std::convert::Infallible>(body(worker)))
}

/// Why there is no answer.
enum Failure<E> {
    NoObject,
    Of(E),
}

impl<E> From<NoObject> for Failure<E> {
    fn from(NoObject: NoObject) -> Self {
        Self::NoObject
    }
}

impl<E: Display> Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoObject => NoObject.fmt(f),
            Self::Of(error) => error.fmt(f),
        }
    }
}
