//! Where the file of an id is, and which ids the files of a directory name.

use std::ffi::OsStr;
use std::io::ErrorKind;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::Files;
use crate::Error;

/// What the names of session files begin with.
const PREFIX: &[u8] = b"sess_";

/// Whether a directory on the way to a file can have this byte as its name.
fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b',' || byte == b'-'
}

impl Files {
    /// Where the file of `id` is; `None` for an id that `files` itself refuses.
    pub(super) fn path(&self, id: &[u8]) -> Option<PathBuf> {
        if id.len() <= self.depth || !id.iter().copied().all(is_letter) {
            return None;
        }
        let mut path = self.directory.clone();
        for letter in id.chunks(1).take(self.depth) {
            path.push(OsStr::from_bytes(letter));
        }
        path.push(OsStr::from_bytes(&[PREFIX, id].concat()));
        Some(path)
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
            // Whoever tidies up may take an empty directory away meanwhile.
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
                let flow = self.walk_below(&entry.path(), letters, found);
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
