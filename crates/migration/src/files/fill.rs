//! Files made and filled, for the way back to `files`: the only thing that this crate ever writes.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{self, FallocateFlags, Mode, OFlags, Timespec, Timestamps, UTIME_NOW};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use super::Files;
use crate::{Error, Foreign};

/// The outcome of filling a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// It holds the session now.
    Written,
    /// It held it already.
    Unchanged,
    /// It does not exist any more.
    Absent,
}

impl Files {
    /// Leaves an empty file for the session `id`, unless there is one.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn migrate_out(&self, id: &[u8]) -> Result<(), Error> {
        let _as_user = self.with_rights()?;
        let what = "a file for a new session cannot be made";
        let Some(spot) = self.spot(id).map_err(|missed| self.missed(missed, what))? else { return Ok(()) };
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        match fs::openat(&spot.directory, &spot.name, flags, Mode::RUSR | Mode::WUSR) {
            Ok(_) | Err(Errno::EXIST | Errno::NAMETOOLONG) => Ok(()),
            Err(error) => Err(self.of_directory(what, error)),
        }
    }

    /// Puts `payload` into the file of the session `id`, under its lock, as if `files` had written it at `used`. The lock is
    /// waited for at most `wait`.
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Foreign`] and [`Error::Unusable`] for a file that is not the user's alone or not writable, and failures of the file system; the
    /// file then holds what it held, unless the machine fails.
    pub fn fill(&self, id: &[u8], payload: &[u8], used: SystemTime, wait: Duration) -> Result<Filled, Error> {
        let _as_user = self.with_rights()?;
        let Some((file, _)) = self.open(id, Duration::MAX)? else { return Ok(Filled::Absent) };
        self.take(&file, wait)?;
        let stat = self.stat(&file)?;
        if stat.st_nlink == 0 {
            return Ok(Filled::Absent);
        }
        // Root, who writes for another user, writes to nothing but that user's files, whatever names lead to others.
        if self.user.is_some_and(|user| stat.st_uid != user) {
            return Err(self.foreign(Foreign::OtherUser(stat.st_uid)));
        }
        if self.user.is_some() && stat.st_nlink != 1 {
            return Err(self.unusable("its file has more than one name; remove the others"));
        }
        let same = self.payload(&file)? == payload;
        let failed = |error| match error {
            // A file that is only readable could be opened and locked.
            Errno::BADF | Errno::ACCESS | Errno::PERM => self.closed("written", Errno::ACCESS),
            error => self.unavailable("a session cannot be written", error),
        };
        if !same {
            write(&file, payload).map_err(failed)?;
        }
        set_used(&file, used).map_err(failed)?;
        Ok(if same { Filled::Unchanged } else { Filled::Written })
    }
}

/// Replaces what `file` holds. The room is taken first, so that a full disk costs nothing.
fn write(mut file: &File, payload: &[u8]) -> Result<(), Errno> {
    let length = payload.len() as u64;
    // The kernel answers whoever goes beyond the limit with a signal that ends the process.
    if getrlimit(Resource::Fsize).current.is_some_and(|limit| limit < length) {
        return Err(Errno::FBIG);
    }
    if length > 0 {
        match fs::fallocate(file, FallocateFlags::KEEP_SIZE, 0, length) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
            Err(error) => return Err(error),
        }
    }
    let mut write = || {
        file.rewind()?;
        file.write_all(payload)?;
        file.set_len(length)
    };
    write().map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

fn set_used(file: &File, used: SystemTime) -> Result<(), Errno> {
    let since = used.duration_since(UNIX_EPOCH).unwrap_or_default();
    let last_modification =
        Timespec { tv_sec: i64::try_from(since.as_secs()).unwrap_or(i64::MAX), tv_nsec: since.subsec_nanos().into() };
    let last_access = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    fs::futimens(file, &Timestamps { last_access, last_modification })
}
