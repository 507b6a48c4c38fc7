//! One session file: looked at, read under its lock or without it, removed.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::AsFd;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::fs::{self, AtFlags, FileType, FlockOperation, Mode, OFlags, Stat, StatxFlags};
use rustix::io::Errno;

use super::Files;
use super::names::{Missed, Spot};
use crate::source::MAX_PAYLOAD;
use crate::{Error, Foreign, Held, Source as _};

/// How long the waits between two looks at a lock are, at first and at most: `flock` cannot be waited for with a bound.
const FIRST_NAP: Duration = Duration::from_millis(1);
const LONGEST_NAP: Duration = Duration::from_millis(10);

/// How long a file must have been left alone for what is read of it without its lock to be whole: `files` empties it and
/// then writes, in immediate succession.
const QUIET: Duration = Duration::from_secs(1);

/// How long a reader tries to get a session whole that a request of the old handler goes on writing.
const PATIENCE: Duration = Duration::from_secs(2);

/// A session file under its lock, which its descriptor holds.
pub(super) struct Locked {
    _file: File,
    payload: Vec<u8>,
    used: SystemTime,
    created: Option<SystemTime>,
}

impl Held for Locked {
    fn payload(&self) -> &[u8] {
        &self.payload
    }

    fn used(&self) -> Option<SystemTime> {
        Some(self.used)
    }

    fn created(&self) -> Option<SystemTime> {
        self.created
    }
}

impl Files {
    /// Whether there is an acceptable file for `id` that has not expired.
    pub(super) fn find(&self, id: &[u8], lifetime: Duration) -> Result<bool, Error> {
        let _as_user = self.with_rights()?;
        let Some((_, stat)) = self.look(id)? else { return Ok(false) };
        Ok(lives(&stat, lifetime))
    }

    /// Opens, locks and reads the file of `id`.
    pub(super) fn lock(&self, id: &[u8], wait: Duration, lifetime: Duration) -> Result<Option<Locked>, Error> {
        let _as_user = self.with_rights()?;
        let Some((file, _)) = self.open(id, lifetime)? else { return Ok(None) };
        self.take(&file, wait)?;
        // During the wait the session may have been written, or ended.
        let stat = self.stat(&file)?;
        if stat.st_nlink == 0 || !lives(&stat, lifetime) {
            return Ok(None);
        }
        let payload = self.payload(&file)?;
        let created = birth(&file);
        Ok(Some(Locked { _file: file, payload, used: modified(&stat), created }))
    }

    /// Reads the file of `id` under its lock where that is free, and otherwise once it has not been written for a while.
    /// [`Error::Busy`] where it goes on being written.
    pub(super) fn read_unlocked(&self, id: &[u8], lifetime: Duration) -> Result<Option<Vec<u8>>, Error> {
        let _as_user = self.with_rights()?;
        let began = Instant::now();
        // Its time and payload as first found, and when: the file's time alone says nothing where a clock was set back.
        let mut first: Option<(Instant, SystemTime, Vec<u8>)> = None;
        let mut nap = FIRST_NAP;
        loop {
            let Some((file, before)) = self.open(id, lifetime)? else { return Ok(None) };
            let locked = self.try_take(&file)?;
            let payload = self.payload(&file)?;
            let after = self.stat(&file)?;
            if after.st_nlink == 0 {
                return Ok(None);
            }
            let unchanged = modified(&before) == modified(&after) && payload.len() as u64 == after.st_size as u64;
            let quiet = SystemTime::now().duration_since(modified(&after)).is_ok_and(|age| age >= QUIET);
            if locked || (unchanged && quiet) {
                return Ok(Some(payload));
            }
            match first.take().filter(|(_, at, was)| unchanged && *at == modified(&after) && *was == payload) {
                Some((since, ..)) if since.elapsed() >= QUIET => return Ok(Some(payload)),
                same => first = same.or_else(|| Some((Instant::now(), modified(&after), payload))),
            }
            let waited = began.elapsed();
            if waited >= PATIENCE {
                return Err(Error::Busy { location: self.location(), waited });
            }
            drop(file);
            std::thread::sleep(nap);
            nap = (nap * 2).min(LONGEST_NAP);
        }
    }

    /// Removes the file of `id`.
    pub(super) fn remove(&self, id: &[u8]) -> Result<bool, Error> {
        let _as_user = self.with_rights()?;
        let Some((spot, _)) = self.look(id)? else { return Ok(false) };
        match fs::unlinkat(&spot.directory, &spot.name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(self.unavailable("a session that has ended cannot be removed", error)),
        }
    }

    /// Looks at the file of `id` without opening it, where it is acceptable.
    fn look(&self, id: &[u8]) -> Result<Option<(Spot<'_>, Stat)>, Error> {
        let Some(spot) = self.reach(id)? else { return Ok(None) };
        match fs::statat(&spot.directory, &spot.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => self.accept(&stat).map(|()| Some((spot, stat))),
            Err(error) => self.absent(error).map(|()| None),
        }
    }

    /// Opens the file of `id`, where it is acceptable and has not expired.
    pub(super) fn open(&self, id: &[u8], lifetime: Duration) -> Result<Option<(File, Stat)>, Error> {
        let Some(spot) = self.reach(id)? else { return Ok(None) };
        let file = match open(&spot) {
            Ok(file) => file,
            Err(error @ (Errno::NOENT | Errno::NAMETOOLONG)) => return self.absent(error).map(|()| None),
            Err(error) => {
                // Where it can be looked at, it is what lies there that cannot be opened, and not the directory: a socket, say,
                // or a file that its owner has a lease of.
                let what = "a session cannot be opened";
                let there = fs::statat(&spot.directory, &spot.name, AtFlags::SYMLINK_NOFOLLOW);
                self.accept(&there.map_err(|_| self.of_directory(what, error))?)?;
                return Err(match error {
                    Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::IO => self.unavailable(what, error),
                    error => self.closed("opened", error),
                });
            }
        };
        let stat = self.stat(&file)?;
        self.accept(&stat)?;
        Ok(lives(&stat, lifetime).then_some((file, stat)))
    }

    /// Locks `file`, within `wait`.
    pub(super) fn take(&self, file: &File, wait: Duration) -> Result<(), Error> {
        let began = Instant::now();
        let mut nap = FIRST_NAP;
        loop {
            if self.try_take(file)? {
                return Ok(());
            }
            let waited = began.elapsed();
            let Some(left) = wait.checked_sub(waited).filter(|left| !left.is_zero()) else {
                return Err(Error::Busy { location: self.location(), waited });
            };
            std::thread::sleep(nap.min(left));
            nap = (nap * 2).min(LONGEST_NAP);
        }
    }

    fn try_take(&self, file: &File) -> Result<bool, Error> {
        match rustix::io::retry_on_intr(|| fs::flock(file, FlockOperation::NonBlockingLockExclusive)) {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK) => Ok(false),
            Err(error) => Err(self.unavailable("a session cannot be locked", error)),
        }
    }

    pub(super) fn stat(&self, file: &File) -> Result<Stat, Error> {
        fs::fstat(file).map_err(|error| self.unavailable("a session cannot be looked at", error))
    }

    pub(super) fn payload(&self, file: &File) -> Result<Vec<u8>, Error> {
        let mut payload = Vec::new();
        file.take(MAX_PAYLOAD + 1).read_to_end(&mut payload).map_err(|error| {
            let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
            self.unavailable("a session cannot be read", errno)
        })?;
        if payload.len() as u64 > MAX_PAYLOAD {
            let found = self.stat(file)?.st_size as u64;
            return Err(Error::TooLarge { location: self.location(), found, limit: MAX_PAYLOAD });
        }
        Ok(payload)
    }

    /// Whether `files` itself would accept what `stat` is of.
    fn accept(&self, stat: &Stat) -> Result<(), Error> {
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => None,
            FileType::Symlink => Some("a link"),
            FileType::Directory => Some("a directory"),
            FileType::Fifo => Some("a pipe"),
            FileType::Socket => Some("a socket"),
            _ => Some("a device"),
        };
        if let Some(kind) = kind {
            return Err(self.foreign(Foreign::NotAFile(kind)));
        }
        let ours = match self.user {
            Some(user) => stat.st_uid == user,
            None => {
                let (real, effective) = (rustix::process::getuid(), rustix::process::geteuid());
                real.is_root() || [real, effective].iter().any(|user| user.as_raw() == stat.st_uid)
            }
        };
        if ours || stat.st_uid == 0 { Ok(()) } else { Err(self.foreign(Foreign::OtherUser(stat.st_uid))) }
    }

    /// Where the file of `id` is, or would be; `None` where it cannot exist.
    fn reach(&self, id: &[u8]) -> Result<Option<Spot<'_>>, Error> {
        match self.spot(id) {
            Ok(spot) => Ok(spot),
            Err(Missed::Step(Errno::NOENT)) => Ok(None),
            Err(missed) => Err(self.missed(missed, "a session cannot be opened")),
        }
    }

    /// That one file alone does not allow what is wanted of it.
    pub(super) fn closed(&self, what: &str, error: Errno) -> Error {
        self.unusable(&format!("its file cannot be {what}: {error}; let PHP's user read and write it"))
    }

    /// That there is no session, where `error` says so of its file.
    fn absent(&self, error: Errno) -> Result<(), Error> {
        match error {
            Errno::NOENT | Errno::NAMETOOLONG => Ok(()),
            error => Err(self.of_directory("a session cannot be opened", error)),
        }
    }
}

/// Opens a file without following a link, and without waiting for the other end where it is a pipe.
fn open(spot: &Spot<'_>) -> Result<File, Errno> {
    let flags = OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let open = |access: OFlags| {
        let opened = || fs::openat(&spot.directory, &spot.name, access | flags, Mode::empty());
        rustix::io::retry_on_intr(opened).map(File::from)
    };
    match open(OFlags::RDWR) {
        // Some network file systems lock only what is open for writing; elsewhere reading is enough.
        Err(Errno::ACCESS | Errno::ROFS | Errno::ISDIR | Errno::NXIO) => open(OFlags::RDONLY),
        opened => opened,
    }
}

/// Whether the session has not expired: `files` counts whole seconds.
fn lives(stat: &Stat, lifetime: Duration) -> bool {
    match SystemTime::now().duration_since(modified(stat)) {
        Ok(age) => age.as_secs() <= lifetime.as_secs(),
        // The clock was set back since.
        Err(_) => true,
    }
}

/// When the file was written or touched last.
fn modified(stat: &Stat) -> SystemTime {
    let since =
        Duration::new(u64::try_from(stat.st_mtime).unwrap_or(0), u32::try_from(stat.st_mtime_nsec).unwrap_or(0));
    UNIX_EPOCH + since
}

/// When the file was made, which is when the session began; `None` where the file system does not tell.
fn birth(file: impl AsFd) -> Option<SystemTime> {
    let stat = fs::statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::BTIME).ok()?;
    let known = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::BTIME);
    let since = Duration::new(u64::try_from(stat.stx_btime.tv_sec).ok()?, stat.stx_btime.tv_nsec);
    known.then_some(UNIX_EPOCH + since)
}
