//! The one place where a failure becomes an `E_WARNING`.

use super::WORKER;
use crate::zend::php;

/// Gives the worker's message to PHP. An error handler of the script may run, throw, or jump away, so the caller
/// owns nothing with a destructor and afterwards only returns.
pub(crate) fn raise() {
    let message = WORKER.get().message.as_ptr();
    // SAFETY: the message is a C string inside the worker, which lives as long as the thread; PHP copies it before
    // it runs anything that could set another.
    unsafe { php::warning(message) };
}
