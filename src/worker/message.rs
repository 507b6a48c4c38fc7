//! One message on its way to PHP: why a call failed, or what the operator should hear. Here the words of strangers in it, such as
//! another request's script or a server's answer, become text that forges no line of a log.

use std::ffi::c_char;
use std::fmt::{self, Display, Write as _};

use cloakroom_session::Store;
use cloakroom_session::error::RequestError;
use cloakroom_session::seam::printable::write_character;

/// One message in a buffer that needs no destructor, so that PHP may jump away while it reads it.
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
    pub(crate) fn set_failure(&mut self, failure: &dyn Display) {
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

/// The rest of the message, for text that is harmless.
struct Room<'a>(&'a mut Message);

impl fmt::Write for Room<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let Message { length, bytes } = &mut *self.0;
        // A character is there whole or not at all.
        let free =
            bytes.get_mut(*length..Message::ROOM).and_then(|free| free.get_mut(..text.len())).ok_or(fmt::Error)?;
        free.copy_from_slice(text.as_bytes());
        *length += text.len();
        Ok(())
    }
}

impl fmt::Write for Message {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|character| write_character(&mut Room(self), character))
    }
}
