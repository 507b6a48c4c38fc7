//! PHP's own handler `files`: a file `sess_<id>` for each session, below as many one-letter directories as its depth says,
//! under `flock` for as long as a request uses it. What the handler does is what PHP's `ext/session/mod_files.c` does.
//!
//! A session counts for what `files` itself would accept: a regular file, not reached through a link as its last step, that
//! belongs to the user or to root (or to any user, where the process is root's). Anything else under such a name is an error
//! and not an absent session, as it is for `files`. Unlike `files`, no link among the one-letter directories is followed, and on
//! the way to the directory none that a neighbour planted ([`cloakroom_paths::walk`]).

mod charge;
mod entry;
mod fill;
mod names;

pub use fill::Filled;

use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{Error, Foreign, Held, ParseError, Source};
use charge::Charge;

/// The most directories that lead to a file. PHP takes any number, but an id of the usual length has no more characters.
const MAX_DEPTH: usize = 32;

/// The directory of a handler `files`.
#[derive(Debug)]
pub struct Files {
    directory: PathBuf,
    /// How many one-letter directories lead to a file.
    depth: usize,
    /// Whose sessions are meant, instead of those of this process.
    user: Option<u32>,
    /// What root has opened to work for that user.
    charge: Option<Charge>,
}

impl Files {
    /// The directory that a `session.save_path` of `files` names: `DIR`, `N;DIR` or `N;MODE;DIR`. `user` is whose sessions are meant;
    /// without one, those of the process.
    ///
    /// # Errors
    /// [`ParseError::Path`] where it names no absolute directory.
    pub fn parse(save_path: &[u8], user: Option<u32>) -> Result<Self, ParseError> {
        let refused = |reason: &str| ParseError::Path(format!("files: {reason}"));
        let mut parts = save_path.splitn(3, |&byte| byte == b';');
        let first = parts.next().unwrap_or_default();
        let (depth, directory) = match (parts.next(), parts.next()) {
            (None, _) => (None, first),
            (Some(directory), None) => (Some(first), directory),
            (Some(mode), Some(directory)) => {
                let octal = !mode.is_empty() && mode.iter().all(|byte| (b'0'..=b'7').contains(byte));
                if !octal {
                    return Err(refused("the mode, between the semicolons, is not an octal number"));
                }
                (Some(first), directory)
            }
        };
        let depth = depth.map_or(Some(0), |digits| str::from_utf8(digits).ok()?.parse().ok());
        let depth = depth
            .filter(|depth| *depth <= MAX_DEPTH)
            .ok_or_else(|| refused("the depth, before the semicolon, is not a number up to 32"))?;
        if directory.contains(&0) {
            return Err(refused("the directory holds a NUL byte"));
        }
        if directory.first() != Some(&b'/') {
            return Err(refused(
                "write the directory with its whole path, from \"/\" on, after a depth and a semicolon if it has one",
            ));
        }
        Ok(Self { directory: Path::new(OsStr::from_bytes(directory)).to_path_buf(), depth, user, charge: None })
    }

    /// The directory, without its depth.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn unavailable(&self, what: &str, error: rustix::io::Errno) -> Error {
        let advice = match error {
            rustix::io::Errno::ACCESS | rustix::io::Errno::PERM => "; let PHP's user read and write the files there",
            _ => "",
        };
        Error::Unavailable { location: self.location(), reason: format!("{what}: {error}{advice}") }
    }

    fn unusable(&self, reason: &str) -> Error {
        Error::Unusable { location: self.location(), reason: reason.to_owned() }
    }

    fn foreign(&self, found: Foreign) -> Error {
        Error::Foreign { location: self.location(), found }
    }
}

impl Source for Files {
    fn has(&self, id: &[u8], lifetime: Duration) -> Result<bool, Error> {
        self.find(id, lifetime)
    }

    fn hold(&self, id: &[u8], wait: Duration, lifetime: Duration) -> Result<Option<Box<dyn Held>>, Error> {
        Ok(self.lock(id, wait, lifetime)?.map(|held| Box::new(held) as Box<dyn Held>))
    }

    fn peek(&self, id: &[u8], lifetime: Duration) -> Result<Option<Vec<u8>>, Error> {
        self.read_unlocked(id, lifetime)
    }

    fn destroy(&self, id: &[u8]) -> Result<bool, Error> {
        self.remove(id)
    }

    fn each(&self, found: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> Result<(), Error> {
        self.walk(found)
    }

    fn location(&self) -> String {
        match self.depth {
            0 => format!("files:{}", self.directory.display()),
            depth => format!("files:{depth};{}", self.directory.display()),
        }
    }
}

#[cfg(test)]
mod tests;
