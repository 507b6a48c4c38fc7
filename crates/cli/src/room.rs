//! A file that is written from one end to the other, asking first how long it may become: the kernel answers whoever writes
//! beyond that limit (RLIMIT_FSIZE) with a signal that ends the process.

use std::io::{self, Write};
use std::os::fd::AsFd;

use rustix::fs::{FileType, SeekFrom, fstat, seek};
use rustix::process::{Resource, getrlimit};

/// Writes to `out` as far as a file may reach.
pub(crate) struct Roomy<W> {
    out: W,
    /// Bytes that may still be written; `None` is no limit.
    left: Option<u64>,
}

impl<W: Write + AsFd> Roomy<W> {
    /// From where `out` stands now.
    pub(crate) fn new(out: W) -> io::Result<Self> {
        let limit = getrlimit(Resource::Fsize).current;
        let stat = fstat(&out)?;
        // Nothing but files has a length.
        let limit = limit.filter(|_| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
        let left = match limit {
            None => None,
            // What is opened to append to begins at its end, wherever it stands.
            Some(limit) => Some(limit.saturating_sub(seek(&out, SeekFrom::Current(0))?.max(stat.st_size as u64))),
        };
        Ok(Self { out, left })
    }
}

impl<W: Write> Write for Roomy<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.left.is_some_and(|left| left < bytes.len() as u64) {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                "this process may make no longer file; raise the limit of file sizes (systemd: LimitFSIZE=, shell: ulimit -f)",
            ));
        }
        let written = self.out.write(bytes)?;
        self.left = self.left.map(|left| left.saturating_sub(written as u64));
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
