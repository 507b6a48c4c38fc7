//! Files that somebody named by a path: opened to be read, made, and put into the place of others.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, openat, renameat, unlinkat};
use rustix::io::Errno;

use crate::error::Refused;
use crate::walk::{self, End, Links};

/// Names that are tried for a file that is to take another's place.
const TRIED: u32 = 64;

/// Opens the file at `path` to read it. It may be a pipe: whoever named it waits for who writes to it.
///
/// # Errors
/// [`Refused`] where a link that counts for nothing is on the way, or the file cannot be opened.
pub fn open(path: &Path, links: Links) -> Result<File, Refused> {
    let End { directory, name, magic } = walk::end(path, links)?;
    let mut flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY;
    if !magic {
        flags |= OFlags::NOFOLLOW;
    }
    let opened = rustix::io::retry_on_intr(|| openat(&directory, &name, flags, Mode::empty()));
    opened.map(File::from).map_err(|error| Refused::system(path, error))
}

/// A file that is being made. Unless it is [kept](Made::keep), it is removed when this is dropped.
pub struct Made {
    file: File,
    directory: OwnedFd,
    name: OsString,
    /// The name that it is to have in the end, where that is another one.
    place: Option<OsString>,
    path: PathBuf,
    kept: bool,
}

impl Made {
    /// Makes a file at `path`, where there is none, for its owner alone to read.
    ///
    /// # Errors
    /// [`Refused`]; [`Errno::EXIST`] where something is there already.
    pub fn new(path: &Path, links: Links) -> Result<Self, Refused> {
        let failed = |error| Refused::system(path, error);
        let (directory, name) = place(path, links)?;
        let file = create(&directory, &name).map_err(failed)?;
        Ok(Self { file, directory, name, place: None, path: path.to_owned(), kept: false })
    }

    /// Makes a file that takes the place of what is at `path` once it is whole. No link there is followed: it is replaced.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn instead(path: &Path, links: Links) -> Result<Self, Refused> {
        let (directory, place) = place(path, links)?;
        Self::instead_in(directory, place, path)
    }

    /// [`Made::instead`] for `name` in an opened directory; `path` is its path for people.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn instead_in(directory: OwnedFd, name: OsString, path: &Path) -> Result<Self, Refused> {
        for attempt in 0..TRIED {
            let mut other = OsString::from(".");
            other.push(&name);
            other.push(format!(".{}-{attempt}", std::process::id()));
            match create(&directory, &other) {
                Ok(file) => {
                    let path = path.to_owned();
                    return Ok(Self { file, directory, name: other, place: Some(name), path, kept: false });
                }
                Err(Errno::EXIST) => {}
                Err(error) => return Err(Refused::system(path, error)),
            }
        }
        Err(Refused::system(path, Errno::EXIST))
    }

    /// The file, to write to.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Keeps the file under the name that it is to have.
    ///
    /// # Errors
    /// [`Refused`]; the file is then removed.
    pub fn keep(mut self) -> Result<(), Refused> {
        if let Some(place) = &self.place {
            let renamed = renameat(&self.directory, &self.name, &self.directory, place);
            renamed.map_err(|error| Refused::system(&self.path, error))?;
        }
        self.kept = true;
        Ok(())
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        if !self.kept {
            // Half a file is none.
            let _ = unlinkat(&self.directory, &self.name, AtFlags::empty());
        }
    }
}

/// Writes `text` to the file `name` in `directory`, which all may read, in place of what is there. `path` is the
/// directory's, for people.
///
/// # Errors
/// [`Refused`].
pub fn replace(directory: &OwnedFd, name: &str, text: &[u8], path: &Path) -> Result<(), Refused> {
    let whole = path.join(name);
    let failed = |error: std::io::Error| Refused::System { path: whole.clone(), source: error };
    let made = Made::instead_in(directory.try_clone().map_err(failed)?, OsString::from(name), &whole)?;
    made.file().write_all(text).map_err(failed)?;
    let readable = Mode::from_raw_mode(0o644);
    rustix::fs::fchmod(&made.file, readable).map_err(|error| Refused::system(&whole, error))?;
    made.keep()
}

/// The directory and the name of a file that is to be made at `path`. What the name is now does not matter.
fn place(path: &Path, links: Links) -> Result<(OwnedFd, OsString), Refused> {
    let bytes = path.as_os_str().as_bytes();
    let name = path.file_name().filter(|_| !bytes.ends_with(b"/"));
    let name = name.ok_or_else(|| Refused::system(path, Errno::ISDIR))?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((walk::directory(parent, links)?, name.to_owned()))
}

fn create(directory: &OwnedFd, name: &OsStr) -> Result<File, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(directory, name, flags, Mode::RUSR | Mode::WUSR).map(File::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt as _, symlink};

    const ME: fn() -> Links = Links::of_process;

    fn entries(directory: &Path) -> usize {
        directory.read_dir().expect("listed").count()
    }

    #[test]
    fn a_file_is_made_once_and_kept_or_removed() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("made");
        drop(Made::new(&path, ME()).expect("made"));
        assert_eq!(entries(dir.path()), 0, "what is not kept is removed");
        let made = Made::new(&path, ME()).expect("made");
        made.file().write_all(b"whole").expect("written");
        made.keep().expect("kept");
        assert_eq!(std::fs::read(&path).expect("there"), b"whole");
        assert_eq!(path.metadata().expect("there").mode() & 0o777, 0o600);
        let again = Made::new(&path, ME()).err().and_then(|error| error.errno());
        assert_eq!(again, Some(Errno::EXIST));
        assert!(Made::new(&dir.path().join("made/"), ME()).is_err(), "a directory is named");
    }

    #[test]
    fn what_is_replaced_stays_until_the_other_is_whole() {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, target) = (dir.path().join("link"), dir.path().join("target"));
        std::fs::write(&target, b"not to be written").expect("written");
        symlink(&target, &path).expect("linked");
        drop(Made::instead(&path, ME()).expect("made"));
        assert_eq!((std::fs::read_link(&path).expect("a link still"), entries(dir.path())), (target.clone(), 2));
        let made = Made::instead(&path, ME()).expect("made");
        made.file().write_all(b"whole").expect("written");
        made.keep().expect("kept");
        assert!(path.symlink_metadata().expect("there").is_file());
        assert_eq!(std::fs::read(&target).expect("there"), b"not to be written");
        assert_eq!(entries(dir.path()), 2);
    }

    #[test]
    fn a_text_is_put_there_for_all_to_read_and_through_no_link() {
        let dir = tempfile::tempdir().expect("a directory");
        let target = dir.path().join("target");
        std::fs::write(&target, b"not to be written").expect("written");
        symlink(&target, dir.path().join("a.1")).expect("linked");
        let opened = walk::directory(dir.path(), ME()).expect("opened");
        replace(&opened, "a.1", b"text", dir.path()).expect("replaced");
        assert_eq!(std::fs::read(&target).expect("there"), b"not to be written");
        let found = dir.path().join("a.1").symlink_metadata().expect("there");
        assert_eq!((found.is_file(), found.mode() & 0o777), (true, 0o644));
    }

    #[test]
    fn what_another_process_has_open_is_read_through_procfs() {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("ids"), b"id").expect("written");
        let held = File::open(dir.path().join("ids")).expect("opened");
        let number = std::os::fd::AsRawFd::as_raw_fd(&held);
        let mut text = String::new();
        let mut opened = open(Path::new(&format!("/dev/fd/{number}")), ME()).expect("as a shell names a pipe");
        std::io::Read::read_to_string(&mut opened, &mut text).expect("read");
        assert_eq!(text, "id");
    }
}
