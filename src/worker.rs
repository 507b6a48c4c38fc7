//! What one thread of PHP keeps: settings, the open handler, the stores it has attached, and one message on its way
//! to PHP.
//!
//! PHP's C stack and Rust's meet here under two rules. No borrow of the worker lives across a call into PHP: PHP may
//! run a script's error handler, which may open and close sessions, or jump away. And no panic crosses into PHP,
//! where it would end the process: [`guarded`] turns it into a message.

use std::ffi::{c_char, c_void};
use std::fmt::{self, Display, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};

use cloakroom_session::error::RequestError;
use cloakroom_session::{LockMode, Request, Store};
use ext_php_rs::zend::{ModuleGlobal, ModuleGlobals};

use crate::attach::Stores;
#[cfg(feature = "faults")]
use crate::fault;
use crate::objects::{Object, Objects};
use crate::settings::Settings;

/// The worker of each thread, allocated by PHP.
pub(crate) static WORKER: ModuleGlobals<Worker> = ModuleGlobals::new();

/// What one thread of PHP keeps.
#[derive(Default)]
pub(crate) struct Worker {
    pub(crate) settings: Settings,
    /// The handler that `session.save_handler` names.
    pub(crate) request: Request,
    /// Those that scripts have made.
    pub(crate) objects: Objects,
    pub(crate) stores: Stores,
    pub(crate) message: Message,
}

impl ModuleGlobal for Worker {}

/// Which of a worker's handlers a call is about.
#[derive(Clone, Copy)]
pub(crate) enum Which {
    /// The one that `session.save_handler` names.
    Native,
    /// The object of this number.
    Object(usize),
}

/// One handler, with what it works with.
pub(crate) struct Handler<'a> {
    pub(crate) request: &'a mut Request,
    /// The lock mode that goes before that of the settings.
    pub(crate) lock: Option<LockMode>,
    pub(crate) settings: &'a Settings,
    pub(crate) stores: &'a mut Stores,
    pub(crate) message: &'a mut Message,
}

impl Worker {
    fn handler(&mut self, which: Which) -> Result<Handler<'_>, NoObject> {
        let Self { settings, request, objects, stores, message } = self;
        let (request, lock) = match which {
            Which::Native => (request, None),
            Which::Object(number) => {
                let object = objects.of(number)?;
                (&mut object.request, object.lock)
            }
        };
        Ok(Handler { request, lock, settings, stores, message })
    }

    /// After a panic: whatever was under way, nothing is written from here on.
    #[cold]
    fn give_up(&mut self) {
        // A lease that panics once more is left behind.
        let _left_behind = catch_unwind(AssertUnwindSafe(|| self.abandon()));
        self.message
            .set("Cloakroom: internal error; what was under way was given up; please report what the error log says");
    }

    /// Gives up all that is held, and refuses to write what was read.
    fn abandon(&mut self) {
        self.request.abandon();
        self.objects.abandon();
    }
}

/// There is no object of a number: an internal error came in between when it was made.
pub(crate) struct NoObject;

impl Display for NoObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this object is not usable; make another one")
    }
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

/// One message in a place that needs no destructor, so that PHP may jump away while it reads it.
pub(crate) struct Message {
    length: usize,
    /// The last byte stays zero.
    bytes: [u8; Message::ROOM + 1],
}

impl Message {
    /// Longer messages lose their end.
    const ROOM: usize = 1023;

    /// Replaces the message.
    pub(crate) fn set(&mut self, message: impl Display) {
        self.length = 0;
        // The only error is that of a full buffer, which cuts the message.
        let _cut = write!(self, "{message}");
        if let Some(end) = self.bytes.get_mut(self.length) {
            *end = 0;
        }
    }

    /// Replaces the message by why something failed.
    #[cold]
    #[inline(never)]
    fn set_failure(&mut self, failure: &dyn Display) {
        self.set(format_args!("Cloakroom: {failure}"));
    }

    /// Replaces the message by what the operator should hear of `store`, and answers whether there is such news.
    pub(crate) fn set_news(&mut self, store: &dyn Store) -> bool {
        let news = store.notice();
        if let Some(news) = &news {
            self.set(format_args!("Cloakroom: {news}"));
        }
        news.is_some()
    }

    /// Replaces the message by what failed beside a call that succeeded, and answers whether there was anything.
    pub(crate) fn set_notice(&mut self, notice: Option<RequestError>) -> bool {
        if let Some(notice) = &notice {
            self.set_failure(notice);
        }
        notice.is_some()
    }

    /// The message as a C string. It stays until the next one.
    pub(crate) fn as_ptr(&self) -> *const c_char {
        self.bytes.as_ptr().cast()
    }
}

impl Default for Message {
    fn default() -> Self {
        Self { length: 0, bytes: [0; Self::ROOM + 1] }
    }
}

impl fmt::Write for Message {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for &byte in text.as_bytes() {
            match self.bytes.get_mut(self.length) {
                Some(place) if self.length < Self::ROOM => *place = if byte == 0 { b'?' } else { byte },
                _ => return Err(fmt::Error),
            }
            self.length += 1;
        }
        Ok(())
    }
}

/// Runs `body`, which calls nothing of PHP, on this thread's worker. Where it fails or panics, the worker holds the
/// message that [`crate::warning::raise`] gives to PHP, and the answer is `None`.
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
        fault::point(fault::Place::Before);
        let answer = body(worker);
        #[cfg(feature = "faults")]
        fault::point(fault::Place::After);
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

/// A pointer that is never NULL, for PHP to keep while a handler is open. Only its being there has a meaning.
pub(crate) fn handle() -> *mut c_void {
    (&raw const WORKER).cast_mut().cast()
}
