//! The state that one thread of PHP keeps: settings, the open handler, the objects of scripts, the stores it has attached, and one
//! message on its way to PHP.
//!
//! | module | what it holds |
//! |---|---|
//! | `message` | the message, in memory that needs no destructor |
//! | `objects` | the objects of `Cloakroom\SessionHandler`, each known to PHP by its number |
//! | `stores` | the stores that the thread has attached |
//! | `guard` | how the worker is borrowed: no borrow of it and no panic reaches PHP |
//! | `warning` | where the message becomes an `E_WARNING` |

pub(crate) mod guard;
pub(crate) mod message;
pub(crate) mod objects;
pub(crate) mod stores;
pub(crate) mod warning;

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

use cloakroom_session::request::RequestError;
use cloakroom_session::{LockMode, Request};
use ext_php_rs::zend::{ModuleGlobal, ModuleGlobals};

use self::message::Message;
use self::objects::{NoObject, Objects};
use self::stores::Stores;
use crate::settings::Settings;

/// The worker of each thread, allocated by PHP.
pub(crate) static WORKER: ModuleGlobals<Worker> = ModuleGlobals::new();

/// The state that one thread of PHP keeps.
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

    /// Whether a rotation of the session `id` may begin: in the handler that has read it, if one has.
    pub(crate) fn may_rotate(&mut self, id: &[u8], script: &[u8]) -> Result<bool, RequestError> {
        let Self { settings, request, objects, .. } = self;
        let how = settings.acquire(None, 0, script);
        Ok(request.may_rotate(id, &how)? && objects.may_rotate(id, &how)?)
    }

    /// Gives up whatever rotation the session is in.
    pub(crate) fn give_rotation_up(&mut self) {
        self.request.give_up();
        self.objects.give_rotations_up();
    }

    /// Whether a rotation failed since the last call because another request was faster.
    pub(crate) fn take_overtaken(&mut self) -> bool {
        let by_object = self.objects.take_overtaken();
        self.request.take_overtaken() || by_object
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

/// A pointer that is never NULL, for PHP to keep while a handler is open. Only its being there has a meaning.
pub(crate) fn handle() -> *mut c_void {
    (&raw const WORKER).cast_mut().cast()
}
