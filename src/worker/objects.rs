//! The state that a thread keeps of the objects of `Cloakroom\SessionHandler`, each known to PHP by its number.

use std::fmt::{self, Display};

use cloakroom_session::request::RequestError;
use cloakroom_session::{Acquire, LockMode, Request, Standalone};

/// One object.
#[derive(Default)]
pub(crate) struct Object {
    /// `$savePath`: where the object's sessions are; `None` for PHP's setting.
    pub(crate) save_path: Option<Box<[u8]>>,
    /// `$lock`: its lock mode; `None` for PHP's setting.
    pub(crate) lock: Option<LockMode>,
    /// `$lifetime` in seconds; `None` for PHP's setting.
    pub(crate) lifetime: Option<i64>,
    /// Between open and close.
    pub(crate) request: Request,
    /// Otherwise.
    pub(crate) standalone: Standalone,
}

/// The objects of a thread. The number of one is its index plus one, as 0 means none.
#[derive(Default)]
pub(crate) struct Objects(Vec<Option<Box<Object>>>);

impl Objects {
    /// Makes an object and answers its number.
    pub(crate) fn make(&mut self) -> usize {
        let index = match self.0.iter().position(Option::is_none) {
            Some(free) => free,
            None => {
                self.0.push(None);
                self.0.len() - 1
            }
        };
        self.0[index] = Some(Box::default());
        index + 1
    }

    /// The object of a number.
    pub(crate) fn of(&mut self, number: usize) -> Result<&mut Object, NoObject> {
        let index = number.checked_sub(1).ok_or(NoObject)?;
        self.0.get_mut(index).and_then(Option::as_deref_mut).ok_or(NoObject)
    }

    /// Ends an object; what it holds is released.
    pub(crate) fn free(&mut self, number: usize) {
        if let Some(object) = number.checked_sub(1).and_then(|index| self.0.get_mut(index)) {
            *object = None;
        }
    }

    /// Whether the script has no object that may remember a session which it read.
    pub(crate) fn are_none(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// Whether a rotation of the session `id` may begin in the objects that are open.
    pub(crate) fn may_rotate(&mut self, id: &[u8], how: &Acquire<'_>) -> Result<bool, RequestError> {
        for object in self.0.iter_mut().flatten() {
            if object.request.is_open() && !object.request.may_rotate(id, how)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Gives up the rotations of those that are open.
    pub(crate) fn give_rotations_up(&mut self) {
        self.0.iter_mut().flatten().for_each(|object| object.request.give_up());
    }

    /// Whether a rotation in one of them failed since the last call because another request was faster.
    pub(crate) fn take_overtaken(&mut self) -> bool {
        let mut any = false;
        for object in self.0.iter_mut().flatten() {
            any |= object.request.take_overtaken();
        }
        any
    }

    /// Makes every object give up what it holds, and refuse to write what it read.
    pub(crate) fn abandon(&mut self) {
        for object in self.0.iter_mut().flatten() {
            if object.request.is_open() {
                object.request.abandon();
            }
        }
    }

    /// Releases what is held by objects that PHP did not free, and has them forget what the request read.
    pub(crate) fn close(&mut self) {
        for object in self.0.iter_mut().flatten() {
            object.request.forget();
            object.standalone.forget();
        }
    }
}

/// There is no object of a number: an internal error came in between when it was made.
pub(crate) struct NoObject;

impl Display for NoObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this object is not usable; make another one")
    }
}
