//! The path of an id's file, and the ids that the files of a directory name. Below the directory no link is followed: a
//! user who may write in it would otherwise lead root, who works for that user, to files elsewhere.

use std::ffi::{OsStr, OsString};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

use cloakroom_paths::{Links, walk};
use rustix::fs::{Dir, Mode, OFlags, openat};
use rustix::io::Errno;

use super::{Files, MAX_DEPTH};
use crate::{Error, Foreign};

/// The beginning of all names of session files.
const PREFIX: &[u8] = b"sess_";

/// How a directory is opened that is listed.
const LISTED: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Whether a directory on the way to a file can have this byte as its name.
fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b',' || byte == b'-'
}

/// An opened directory.
pub(super) enum Directory<'a> {
    /// The one that root has opened once and for all.
    Lent(BorrowedFd<'a>),
    Own(OwnedFd),
}

impl AsFd for Directory<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Directory::Lent(directory) => *directory,
            Directory::Own(directory) => directory.as_fd(),
        }
    }
}

/// Where a session's file is, or would be.
pub(super) struct Spot<'a> {
    /// The directory that it is in.
    pub(super) directory: Directory<'a>,
    /// Its name there.
    pub(super) name: OsString,
}

/// Why there is no way to a session's file.
pub(super) enum Missed {
    /// For none of them: the directory itself.
    Directory(Error),
    /// For those in a one-letter directory: the step into it, or what is done there.
    Step(Errno),
}

impl Files {
    /// The directory, opened. Such a descriptor needs no right to list it, as a path through it does not.
    fn base(&self) -> Result<Directory<'_>, Error> {
        if let Some(charge) = &self.charge {
            return Ok(Directory::Lent(charge.directory.as_fd()));
        }
        let opened = walk::directory(&self.directory, Links::of_process());
        Ok(Directory::Own(opened.map_err(|error| self.not_reached(&error))?))
    }

    /// Where the file of `id` is; `None` for an id that `files` itself refuses. [`Errno::LOOP`] where a link, or no
    /// directory, is on the way to it.
    pub(super) fn spot(&self, id: &[u8]) -> Result<Option<Spot<'_>>, Missed> {
        if id.len() <= self.depth || !id.iter().copied().all(is_letter) {
            return Ok(None);
        }
        let mut directory = self.base().map_err(Missed::Directory)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        for letter in id.chunks(1).take(self.depth) {
            let step = openat(&directory, letter, flags, Mode::empty());
            let step = step.map_err(|error| if error == Errno::NOTDIR { Errno::LOOP } else { error });
            directory = Directory::Own(step.map_err(Missed::Step)?);
        }
        Ok(Some(Spot { directory, name: OsStr::from_bytes(&[PREFIX, id].concat()).to_owned() }))
    }

    /// That the directory in which a file is, or is to be, does not allow `what`. A one-letter directory may be a neighbour's.
    pub(super) fn of_directory(&self, what: &str, error: Errno) -> Error {
        if self.depth > 0 { self.missed(Missed::Step(error), what) } else { self.unavailable(what, error) }
    }

    /// What a failure on the way to the file of one session says of that one.
    pub(super) fn missed(&self, missed: Missed, what: &str) -> Error {
        match missed {
            Missed::Directory(error) => error,
            Missed::Step(Errno::LOOP) => self.foreign(Foreign::OnTheWay),
            // A neighbour may have made the directory.
            Missed::Step(error @ (Errno::ACCESS | Errno::PERM)) => {
                self.unusable(&format!("a directory on the way to it does not allow that: {error}"))
            }
            Missed::Step(error) => self.unavailable(what, error),
        }
    }

    /// Calls `found` with what stands behind `sess_` in the name of each file that lies where `files` would look for it. Root
    /// lists what the user for whom it works may not list, as is usual for a shared directory.
    pub(super) fn walk(&self, found: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> Result<(), Error> {
        let base = self.base()?;
        let listed = openat(&base, ".", LISTED, Mode::empty());
        let listed = listed.map_err(|error| self.unavailable("the directory cannot be listed", error))?;
        self.walk_below(listed, &mut Vec::new(), found).map(drop)
    }

    fn walk_below(
        &self,
        directory: OwnedFd,
        letters: &mut Vec<u8>,
        found: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Error> {
        let failed = |error| self.unavailable("a directory of it cannot be listed", error);
        let mut entries = Dir::read_from(&directory).map_err(failed)?;
        while let Some(entry) = entries.read() {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_bytes();
            let flow = if letters.len() < self.depth {
                let &[letter] = name else { continue };
                if !is_letter(letter) {
                    continue;
                }
                letters.push(letter);
                let flow = match openat(&directory, name, LISTED | OFlags::NOFOLLOW, Mode::empty()) {
                    Ok(below) => self.walk_below(below, letters, found),
                    // A job that tidies up may remove an empty directory meanwhile.
                    Err(Errno::NOENT) => Ok(ControlFlow::Continue(())),
                    // What is behind it is not looked at. The caller learns so from an id that would be in it.
                    Err(Errno::LOOP | Errno::NOTDIR | Errno::ACCESS | Errno::PERM) => {
                        Ok(found(&[letters.as_slice(), &[b'-'; MAX_DEPTH]].concat()))
                    }
                    Err(error) => Err(failed(error)),
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
