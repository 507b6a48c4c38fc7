//! Paths gone step by step, and whose symbolic links are followed.
//!
//! A link is as good as whoever could have planted it. A process with root's rights follows a link of root's in a directory that
//! only root can write to, so `/var/run` leads on and what a user has put in the place of a directory does not. A process of
//! another user follows the links of root and its own: those it could follow to nothing that it may not open anyway.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{
    CWD, FileType, Mode, OFlags, PROC_SUPER_MAGIC, ResolveFlags, Stat, fstat, fstatfs, openat, openat2, readlinkat,
    stat,
};
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::error::Refused;

/// Links on one path, as many as the kernel follows.
const MOST_LINKS: u32 = 40;

/// A descriptor that needs no right to list the directory, as a path through it does not.
const THROUGH: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Whose symbolic links are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// Those of root in directories that only root can write to.
    OfRoot,
    /// Those of root and of this user.
    OfRootAnd(u32),
    /// All of them, as the kernel does: for a process with no more rights than who named the path.
    Any,
}

impl Links {
    /// What this process may rely on by its effective user.
    #[must_use]
    pub fn of_process() -> Self {
        let user = geteuid();
        if user.is_root() { Links::OfRoot } else { Links::OfRootAnd(user.as_raw()) }
    }

    /// For a path that whoever runs this process has named: all count but for root, whom others must not lead.
    #[must_use]
    pub fn for_the_caller() -> Self {
        if geteuid().is_root() { Links::OfRoot } else { Links::Any }
    }

    /// Whose fault a link with this `stat` is that lies in a directory with that; `None` where it is to be followed.
    fn planted_by(self, link: &Stat, directory: &Stat) -> Option<u32> {
        match self {
            Links::Any => None,
            Links::OfRoot if link.st_uid != 0 => Some(link.st_uid),
            Links::OfRoot => (!only_root_writes(directory)).then_some(directory.st_uid),
            // Where root has no number, as in some user namespaces, its files are those of whom "/" belongs to.
            Links::OfRootAnd(user) => {
                let of_root = || link.st_uid == 0 || stat("/").is_ok_and(|root| root.st_uid == link.st_uid);
                (link.st_uid != user && !of_root()).then_some(link.st_uid)
            }
        }
    }
}

/// Whether nobody but root can make or exchange names in this directory. A sticky bit does not keep a user from moving a link of
/// root's there.
fn only_root_writes(directory: &Stat) -> bool {
    let group = directory.st_gid != 0 && directory.st_mode & 0o020 != 0;
    directory.st_uid == 0 && !group && directory.st_mode & 0o002 == 0
}

/// The last step of a path: a name in an opened directory.
#[derive(Debug)]
pub struct End {
    /// The directory.
    pub directory: OwnedFd,
    /// The name in it; "." for the directory itself.
    pub name: OsString,
    /// Whether the name is a link of procfs, which no text describes, and that is to be followed.
    pub magic: bool,
}

/// Goes along `path` to a directory, and opens that to go on from. It need not be listable.
///
/// # Errors
/// [`Refused`], with the step that is.
pub fn directory(path: &Path, links: Links) -> Result<OwnedFd, Refused> {
    // Where no link is on the way, the kernel does it in one step.
    let at_once = rustix::io::retry_on_intr(|| {
        openat2(CWD, path, THROUGH, Mode::empty(), ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS)
    });
    match at_once {
        Ok(found) => return Ok(found),
        Err(Errno::LOOP | Errno::NOSYS | Errno::PERM | Errno::AGAIN | Errno::INVAL | Errno::TOOBIG) => {}
        Err(error) => return Err(Refused::system(path, error)),
    }
    let mut way = Way::new(path, links)?;
    way.go(true)?;
    Ok(way.directory)
}

/// Goes along `path` to its last name, which need not exist. Where that is a link, it is followed as those on the way are.
///
/// # Errors
/// [`Refused`], with the step that is.
pub fn end(path: &Path, links: Links) -> Result<End, Refused> {
    let mut way = Way::new(path, links)?;
    let (name, magic) = way.go(false)?.unwrap_or_else(|| (OsString::from("."), false));
    Ok(End { directory: way.directory, name, magic })
}

/// Whether nobody but root can exchange what `path` leads to, or write to it.
///
/// # Errors
/// [`Refused::Exchangeable`] with what can be, else why it is not known.
pub fn is_of_root(path: &Path) -> Result<(), Refused> {
    let mut way = Way::new(path, Links::OfRoot)?;
    way.only_of_root = true;
    way.judge()?;
    let name = way.go(false)?.map_or_else(|| OsString::from("."), |(name, _)| name);
    let whole = way.so_far.join(&name);
    let failed = |error| Refused::system(&whole, error);
    let found = open(&way.directory, &name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC).map_err(failed)?;
    let found = fstat(&found).map_err(failed)?;
    if only_root_writes(&found) { Ok(()) } else { Err(Refused::Exchangeable { path: whole, owner: found.st_uid }) }
}

/// A path that is being gone along.
struct Way {
    directory: OwnedFd,
    /// The path of `directory`, for people.
    so_far: PathBuf,
    ahead: VecDeque<OsString>,
    links: Links,
    followed: u32,
    /// Directories that others can write to are refused, too.
    only_of_root: bool,
}

impl Way {
    fn new(path: &Path, links: Links) -> Result<Self, Refused> {
        let from = if path.is_absolute() { "/" } else { "." };
        let directory = open(&CWD, OsStr::new(from), THROUGH).map_err(|error| Refused::system(from, error))?;
        let so_far = if path.is_absolute() { PathBuf::from("/") } else { PathBuf::new() };
        Ok(Self { directory, so_far, ahead: names(path), links, followed: 0, only_of_root: false })
    }

    /// Goes on to the end of the path, `whole`, or to before its last name, which is the result.
    fn go(&mut self, whole: bool) -> Result<Option<(OsString, bool)>, Refused> {
        while let Some(name) = self.ahead.pop_front() {
            let is_last = self.ahead.is_empty() && !whole && name != "..";
            if is_last {
                let failed = |error| Refused::system(self.so_far.join(&name), error);
                let link = match open(&self.directory, &name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC) {
                    Ok(found) => found,
                    Err(Errno::NOENT) => return Ok(Some((name, false))),
                    Err(error) => return Err(failed(error)),
                };
                let found = fstat(&link).map_err(failed)?;
                if !is_link(&found) {
                    return Ok(Some((name, false)));
                }
                if self.follow(&name, &link, &found)? {
                    return Ok(Some((name, true)));
                }
                continue;
            }
            match open(&self.directory, &name, THROUGH | OFlags::NOFOLLOW) {
                Ok(next) => {
                    self.directory = next;
                    if name == ".." {
                        self.so_far = self.so_far.join("..")
                    } else {
                        self.so_far.push(&name)
                    }
                    self.judge()?;
                }
                Err(Errno::NOTDIR | Errno::LOOP) => self.through_link(&name)?,
                Err(error) => return Err(Refused::system(self.so_far.join(&name), error)),
            }
        }
        Ok(None)
    }

    /// Goes on through `name`, which is no directory.
    fn through_link(&mut self, name: &OsStr) -> Result<(), Refused> {
        let whole = self.so_far.join(name);
        let failed = |error| Refused::system(&whole, error);
        // What is looked at is what is read: the link itself is open.
        let link = open(&self.directory, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC).map_err(failed)?;
        let found = fstat(&link).map_err(failed)?;
        if !is_link(&found) {
            return Err(failed(Errno::NOTDIR));
        }
        if self.follow(name, &link, &found)? {
            self.directory = open(&self.directory, name, THROUGH).map_err(failed)?;
            self.so_far = whole;
            self.judge()?;
        }
        Ok(())
    }

    /// Puts where the link `name` leads in front of what is ahead; `true` where no text says where, and the kernel has to be asked.
    fn follow(&mut self, name: &OsStr, link: &OwnedFd, found: &Stat) -> Result<bool, Refused> {
        let whole = self.so_far.join(name);
        let failed = |error| Refused::system(&whole, error);
        self.followed += 1;
        if self.followed > MOST_LINKS {
            return Err(failed(Errno::LOOP));
        }
        // What the links of a process lead to is the kernel's word, and theirs who runs the process.
        if fstatfs(link).map_err(failed)?.f_type == PROC_SUPER_MAGIC {
            let mine = [0, geteuid().as_raw()].contains(&found.st_uid);
            return if mine || self.links == Links::Any {
                Ok(true)
            } else {
                Err(Refused::Link { path: whole, owner: found.st_uid })
            };
        }
        let directory = fstat(&self.directory).map_err(failed)?;
        if let Some(owner) = self.links.planted_by(found, &directory) {
            return Err(Refused::Link { path: whole, owner });
        }
        let target = readlinkat(link, "", Vec::new()).map_err(failed)?;
        let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
        if target.is_absolute() {
            self.directory = open(&CWD, OsStr::new("/"), THROUGH).map_err(failed)?;
            self.so_far = PathBuf::from("/");
        }
        for name in names(&target).into_iter().rev() {
            self.ahead.push_front(name);
        }
        Ok(false)
    }

    /// Refuses the directory that was reached, where only root's are wanted. With a sticky bit, what is root's in it stays there.
    fn judge(&self) -> Result<(), Refused> {
        if !self.only_of_root {
            return Ok(());
        }
        let found = fstat(&self.directory).map_err(|error| Refused::system(&self.so_far, error))?;
        if only_root_writes(&found) || (found.st_uid == 0 && found.st_mode & 0o1000 != 0) {
            return Ok(());
        }
        Err(Refused::Exchangeable { path: self.so_far.clone(), owner: found.st_uid })
    }
}

/// The names of a path, one after the other. A slash at its end asks for a directory.
fn names(path: &Path) -> VecDeque<OsString> {
    let bytes = path.as_os_str().as_bytes();
    let parts = bytes.split(|&byte| byte == b'/').filter(|part| !part.is_empty() && *part != b".");
    parts.map(|part| OsStr::from_bytes(part).to_owned()).collect()
}

fn open(directory: &impl AsFd, name: &OsStr, flags: OFlags) -> Result<OwnedFd, Errno> {
    rustix::io::retry_on_intr(|| openat(directory, name, flags, Mode::empty()))
}

fn is_link(found: &Stat) -> bool {
    FileType::from_raw_mode(found.st_mode) == FileType::Symlink
}

#[cfg(test)]
mod tests;
