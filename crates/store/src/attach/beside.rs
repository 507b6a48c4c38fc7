//! Files beside a store: the one that is made to take its place, and the ones that are kept under another name.
//!
//! A file is *kept* where its header is damaged (then it is in quarantine) or where it is of another format; messages say of
//! it that it was set aside.
//!
//! Other users may write to a sticky directory, and the user who owns a name there keeps it. So a name is one that only the store's
//! owner can foresee: a keyed hash of the store's secret and its inode. Where another user has such a name all the same, the next
//! one is taken. As the names are the same for every process that ever does this work on the file, what was left by a process that
//! died in it is found, and removed, without going through the directory, which may not be readable.
//!
//! Locks: the attach byte of the file whose place is to be taken.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RenameFlags, linkat, openat, renameat, renameat_with, statat, unlinkat,
};
use rustix::io::Errno;

use crate::core::key;
use crate::file::layout::header;
use crate::file::store_file::StoreFile;

/// Names that are tried before this work fails: each that is taken must have been seen in the directory by its taker, in the
/// moment in which a process had it.
const TRIED: u8 = 64;
/// What the hashes in the names of kept files are made for.
const KEPT: &[u8] = b"set aside";
/// Names with a number that a person can read, which are tried first for a file that is kept.
const NUMBERED: u32 = 16;

/// `name` with a dot and `ending`.
fn with_ending(name: &OsStr, ending: impl AsRef<OsStr>) -> OsString {
    let mut whole = name.to_os_string();
    whole.push(".");
    whole.push(ending);
    whole
}

/// Endings that only a user who can read `of` can foresee.
fn unforeseen(of: &StoreFile, purpose: &'static [u8]) -> io::Result<impl Iterator<Item = String> + use<>> {
    let mut secret = [0; 32];
    of.read_at(&mut secret, header::SECRET)?;
    for (byte, part) in secret.iter_mut().zip(of.inode.to_le_bytes()) {
        *byte ^= part;
    }
    Ok((0..TRIED).map(move |attempt| {
        let hash = key::derive(&secret, purpose, attempt);
        hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }))
}

/// A name beside the store for a file that is kept.
struct KeptName {
    name: OsString,
    /// The file has that name already, from a process that died in this work.
    linked: bool,
}

/// What an entry of the directory is to a process that wants its name for `of`.
enum Entry {
    Nothing,
    /// `of` itself.
    This,
    /// A file of the store's user, with the time at which it got this name: a write through a mapping need not show in the
    /// other times.
    Own((i64, i64)),
    Foreign,
}

fn entry(of: &StoreFile, dir: &OwnedFd, name: &OsStr) -> io::Result<Entry> {
    match statat(dir, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if (stat.st_dev, stat.st_ino) == (of.device, of.inode) => Ok(Entry::This),
        Ok(stat) => {
            let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
            let is_own = stat.st_uid == of.user || stat.st_uid == rustix::process::geteuid().as_raw();
            let age = (stat.st_ctime, stat.st_ctime_nsec);
            Ok(if is_file && is_own { Entry::Own(age) } else { Entry::Foreign })
        }
        Err(Errno::NOENT) => Ok(Entry::Nothing),
        Err(error) => Err(error.into()),
    }
}

/// The first free name among the store's own with `ending`, then with a number, and then, where others have some of these, one
/// that nobody foresees.
fn free_name(of: &StoreFile, dir: &OwnedFd, ending: &str) -> io::Result<KeptName> {
    let plain = with_ending(of.name(), ending);
    let mut foreign = false;
    for number in 1..=NUMBERED {
        let name = if number == 1 { plain.clone() } else { with_ending(&plain, number.to_string()) };
        match entry(of, dir, &name)? {
            Entry::Nothing => return Ok(KeptName { name, linked: false }),
            Entry::This => return Ok(KeptName { name, linked: true }),
            Entry::Own(_) => {}
            Entry::Foreign => foreign = true,
        }
    }
    if foreign {
        for ending in unforeseen(of, KEPT)? {
            let name = with_ending(&plain, ending);
            match entry(of, dir, &name)? {
                Entry::Nothing => return Ok(KeptName { name, linked: false }),
                Entry::This => return Ok(KeptName { name, linked: true }),
                Entry::Own(_) | Entry::Foreign => {}
            }
        }
    }
    Err(io::Error::other(format!("{NUMBERED} such files are there already; delete them")))
}

/// A name for a file that is one of the `kept` newest: the oldest goes where so many are there.
fn rotating_name(of: &StoreFile, dir: &OwnedFd, ending: &str, kept: u32) -> io::Result<KeptName> {
    let numbered = (1..=kept).map(|number| format!("{ending}-{number}"));
    let unforeseen = unforeseen(of, KEPT)?.map(|part| format!("{ending}-{part}"));
    let mut own = Vec::new();
    // A name that another user has is made up for by one that nobody foresees.
    for ending in numbered.chain(unforeseen) {
        if own.len() == kept as usize {
            break;
        }
        let name = with_ending(of.name(), ending);
        match entry(of, dir, &name)? {
            Entry::Nothing => return Ok(KeptName { name, linked: false }),
            Entry::This => return Ok(KeptName { name, linked: true }),
            Entry::Own(age) => own.push((age, name)),
            Entry::Foreign => {}
        }
    }
    let oldest = own.into_iter().min().ok_or_else(|| io::Error::other("all names for it are taken by others"))?;
    unlinkat(dir, &oldest.1, AtFlags::empty())?;
    Ok(KeptName { name: oldest.1, linked: false })
}

/// How a name for a file that is kept is found.
#[derive(Clone, Copy)]
pub(crate) enum Keep<'a> {
    /// All files that ever got this ending are kept, up to a number at which that is refused.
    All(&'a str),
    /// Only so many are kept.
    Newest(&'a str, u32),
}

fn kept_name(of: &StoreFile, dir: &OwnedFd, keep: Keep<'_>) -> io::Result<KeptName> {
    match keep {
        Keep::All(ending) => free_name(of, dir, ending),
        Keep::Newest(ending, kept) => rotating_name(of, dir, ending, kept),
    }
}

/// Gives `of` a second name, unless a process that died had done so. The new path.
pub(crate) fn link_as_kept(of: &StoreFile, dir: &OwnedFd, keep: Keep<'_>) -> io::Result<PathBuf> {
    for _ in 0..TRIED {
        let kept = kept_name(of, dir, keep)?;
        if !kept.linked {
            match linkat(dir, of.name(), dir, &kept.name, AtFlags::empty()) {
                Ok(()) => {}
                // Another process was faster.
                Err(Errno::EXIST) => continue,
                Err(error) => return Err(error.into()),
            }
        }
        return Ok(of.path.with_file_name(kept.name));
    }
    Err(Errno::EXIST.into())
}

/// Renames `of`. Nothing of others is overwritten. The new path.
pub(crate) fn rename_to_kept(of: &StoreFile, dir: &OwnedFd, keep: Keep<'_>) -> io::Result<PathBuf> {
    for _ in 0..TRIED {
        let kept = kept_name(of, dir, keep)?;
        // Renaming a file to another of its names does nothing.
        let done = if kept.linked {
            unlinkat(dir, of.name(), AtFlags::empty())
        } else {
            renameat_with(dir, of.name(), dir, &kept.name, RenameFlags::NOREPLACE)
        };
        match done {
            Ok(()) => return Ok(of.path.with_file_name(kept.name)),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Errno::EXIST.into())
}

/// A file that is made to take a store's place. Removed when dropped before it took the place.
pub(crate) struct Replacement<'a> {
    dir: &'a OwnedFd,
    name: OsString,
    store: &'a OsStr,
    placed: bool,
}

impl<'a> Replacement<'a> {
    /// Makes an empty file beside `of`, which is a file of this process's user, and opens it.
    pub(crate) fn create(of: &'a StoreFile, dir: &'a OwnedFd) -> io::Result<(Replacement<'a>, OwnedFd)> {
        let store = of.name();
        for ending in unforeseen(of, b"replacement")? {
            let name = with_ending(store, format!("{ending}.new"));
            if let Entry::Own(_) = entry(of, dir, &name)? {
                // Left by a process that died in this work: nobody else has the attach byte.
                unlinkat(dir, &name, AtFlags::empty())?;
            }
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            match openat(dir, &name, flags, Mode::RUSR | Mode::WUSR) {
                Ok(file) => return Ok((Replacement { dir, name, store, placed: false }, file)),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::Error::other(format!("{TRIED} names for the new file are taken by others")))
    }

    /// Its name.
    pub(crate) fn name(&self) -> &OsStr {
        &self.name
    }

    /// Puts it into the store's place, whatever is there.
    pub(crate) fn replace(mut self) -> io::Result<()> {
        renameat(self.dir, &self.name, self.dir, self.store)?;
        self.placed = true;
        Ok(())
    }

    /// Puts it into the store's place where nothing is. One step, so that no second name stays where this process dies.
    pub(crate) fn fill_gap(mut self) -> io::Result<()> {
        renameat_with(self.dir, &self.name, self.dir, self.store, RenameFlags::NOREPLACE)?;
        self.placed = true;
        Ok(())
    }
}

impl Drop for Replacement<'_> {
    fn drop(&mut self) {
        if !self.placed {
            let _ = unlinkat(self.dir, &self.name, AtFlags::empty());
        }
    }
}
