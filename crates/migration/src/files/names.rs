//! The path of an id's file, and the ids that the files of a directory name. Below the directory no link is followed: a
//! user who may write in it would otherwise lead root, who works for that user, to files elsewhere.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

use super::{Files, MAX_DEPTH};
use crate::Error;

/// The beginning of all names of session files.
const PREFIX: &[u8] = b"sess_";

/// Whether a directory on the way to a file can have this byte as its name.
fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b',' || byte == b'-'
}

/// Where a session's file is, or would be.
pub(super) struct Spot {
    /// The last of the one-letter directories, opened.
    directory: Option<OwnedFd>,
    name: PathBuf,
}

impl Spot {
    /// The directory that [`Spot::name`] starts from.
    pub(super) fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_ref().map_or(CWD, |directory| directory.as_fd())
    }

    /// The file's name, of which only the last step may be a link.
    pub(super) fn name(&self) -> &Path {
        &self.name
    }
}

impl Files {
    /// Where the file of `id` is; `None` for an id that `files` itself refuses. [`Errno::LOOP`] where a link, or no
    /// directory, is on the way to it.
    pub(super) fn spot(&self, id: &[u8]) -> Result<Option<Spot>, Errno> {
        if id.len() <= self.depth || !id.iter().copied().all(is_letter) {
            return Ok(None);
        }
        let file = [PREFIX, id].concat();
        let file = OsStr::from_bytes(&file);
        if self.depth == 0 {
            return Ok(Some(Spot { directory: None, name: self.directory.join(file) }));
        }
        // Such a descriptor needs no right to list the directory, as a path through it does not.
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut directory = openat(CWD, &self.directory, flags, Mode::empty())?;
        for letter in id.chunks(1).take(self.depth) {
            let step = openat(&directory, letter, flags | OFlags::NOFOLLOW, Mode::empty());
            directory = step.map_err(|error| if error == Errno::NOTDIR { Errno::LOOP } else { error })?;
        }
        Ok(Some(Spot { directory: Some(directory), name: PathBuf::from(file) }))
    }

    /// Calls `found` with what stands behind `sess_` in the name of each file that lies where `files` would look for it.
    pub(super) fn walk(&self, found: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> Result<(), Error> {
        self.walk_below(&self.directory, &mut Vec::new(), found).map(drop)
    }

    fn walk_below(
        &self,
        directory: &Path,
        letters: &mut Vec<u8>,
        found: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Error> {
        let failed = |error: std::io::Error| {
            let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
            self.unavailable("a directory of it cannot be listed", errno)
        };
        let entries = match std::fs::read_dir(directory) {
            // A job that tidies up may remove an empty directory meanwhile.
            Err(error) if error.kind() == ErrorKind::NotFound && !letters.is_empty() => {
                return Ok(ControlFlow::Continue(()));
            }
            entries => entries.map_err(failed)?,
        };
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let name = name.as_bytes();
            let flow = if letters.len() < self.depth {
                let &[letter] = name else { continue };
                if !is_letter(letter) {
                    continue;
                }
                letters.push(letter);
                let flow = if entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
                    // The directory behind it is not looked at. The caller learns so from an id that would be in it.
                    Ok(found(&[letters.as_slice(), &[b'-'; MAX_DEPTH]].concat()))
                } else {
                    self.walk_below(&entry.path(), letters, found)
                };
                letters.pop();
                flow?
            } else {
                match name.strip_prefix(PREFIX) {
                    Some(id) if id.starts_with(letters) => found(id),
                    _ => continue,
                }
            };
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}
