//! The store file as the file system sees it: where it may lie, who may own it, making it, and growing it.
//! Knows the header page; knows nothing of shards, nodes or sessions.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rand::TryRng;
use rustix::fs::{
    Advice, FallocateFlags, FileType, Mode, OFlags, SeekFrom, Stat, fadvise, fallocate, fstat, fstatfs, ftruncate,
    openat, seek, statat,
};
use twox_hash::XxHash3_64;

use crate::file::error::AttachError;
use crate::file::file_system::{FileSystem, Fitness};
use crate::file::layout::{
    CHUNKS_AT, DERIVED, FORMAT, HEADER_SIZE, MAGIC, MAX_SHARDS, SHARD_SIZE, SHARDS_AT, SLOTS_AT, directory_page,
    fingerprint, header,
};
use crate::file::limits;
use crate::file::process::ProcessFile;

/// Magic of a store that is being made; a process that dies meanwhile leaves it.
pub(crate) const MAKING: u64 = u64::from_le_bytes(*b"CLOAKRM.");

/// Bytes that are read ahead with one call.
const READ_AHEAD: u64 = 256 << 10;

/// What the never-changing part of the header says.
#[derive(Clone, Copy)]
pub(crate) struct Constants {
    pub(crate) shards: u32,
    pub(crate) secret: [u8; 32],
}

/// The opened file.
pub(crate) struct StoreFile {
    pub(crate) file: ProcessFile,
    pub(crate) path: PathBuf,
    pub(crate) device: u64,
    pub(crate) inode: u64,
    /// Whose it is.
    pub(crate) user: u32,
}

pub(crate) fn io_error(path: &Path, what: &'static str, source: impl Into<io::Error>) -> AttachError {
    AttachError::Io { path: path.to_owned(), what, source: source.into() }
}

/// Opens the directory of a store of `user` and checks that nobody else but root can exchange files in it. The second
/// value is a note for the administrator.
pub(crate) fn open_directory(path: &Path, user: u32) -> Result<(OwnedFd, Option<String>), AttachError> {
    let directory = |source: io::Error| AttachError::Directory { path: path.to_owned(), source };
    let dir = rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .or_else(|e| match e {
            // A directory that may be entered but not listed, as Debian's /var/lib/php/sessions.
            rustix::io::Errno::ACCESS => {
                rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            }
            e => Err(e),
        })
        .map_err(|e| directory(e.into()))?;
    let stat = fstat(&dir).map_err(|e| directory(e.into()))?;
    // A symbolic link to the directory is as good as its owner.
    let link = rustix::fs::lstat(path).map_err(|e| directory(e.into()))?;
    for found in [link.st_uid, stat.st_uid] {
        if found != 0 && found != user && found != rustix::process::geteuid().as_raw() {
            return Err(AttachError::ForeignDirectory { path: path.to_owned(), found, expected: user });
        }
    }
    let mode = stat.st_mode;
    let sticky = mode & 0o1000 != 0;
    let foreign_group = mode & 0o020 != 0 && stat.st_gid != 0 && stat.st_gid != rustix::process::getegid().as_raw();
    if !sticky && (mode & 0o002 != 0 || foreign_group) {
        return Err(AttachError::UnsafeDirectory { path: path.to_owned() });
    }
    let magic = fstatfs(&dir).map_err(|e| directory(e.into()))?.f_type as u64 & 0xffff_ffff;
    let FileSystem { name, fitness } = FileSystem::of_magic(magic);
    if fitness == Fitness::Unfit {
        return Err(AttachError::FileSystem { path: path.to_owned(), kind: name });
    }
    let note = (fitness == Fitness::Unsure).then(|| {
        format!(
            "{} is on {name}, which may run out of space under memory that was already allocated and then kills PHP \
             processes with SIGBUS; put session.save_path on tmpfs, ext4 or XFS",
            path.display()
        )
    });
    Ok((dir, note))
}

fn name_for(user: u32) -> String {
    format!("cloakroom-{user}.store")
}

/// The path of the file of `user` in `directory`.
pub(crate) fn path_in(directory: &Path, user: u32) -> PathBuf {
    directory.join(name_for(user))
}

/// Opens, and with `create` makes, the file of `user` in `dir`, and refuses what is not safe to use.
pub(crate) fn open(dir: &OwnedFd, dir_path: &Path, user: u32, create: bool) -> Result<StoreFile, AttachError> {
    let name = name_for(user);
    let path = path_in(dir_path, user);
    let mut flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    if create {
        flags |= OFlags::CREATE;
    }
    let fd = openat(dir, &name, flags, Mode::RUSR | Mode::WUSR).map_err(|e| match e {
        rustix::io::Errno::NOENT => AttachError::Missing { path: path.clone() },
        rustix::io::Errno::LOOP => AttachError::NotAFile { path: path.clone(), found: "a symbolic link" },
        rustix::io::Errno::ISDIR => AttachError::NotAFile { path: path.clone(), found: "a directory" },
        rustix::io::Errno::NXIO => AttachError::NotAFile { path: path.clone(), found: "a socket or device" },
        e => match statat(dir, &name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW) {
            // The owner is the better explanation of "permission denied".
            Ok(stat) if stat.st_uid != user => {
                AttachError::Owner { path: path.clone(), found: stat.st_uid, expected: user }
            }
            _ => AttachError::Open { path: path.clone(), source: e.into() },
        },
    })?;
    let stat = fstat(&fd).map_err(|e| io_error(&path, "examine it", e))?;
    check_owner(&path, &stat, user)?;
    Ok(StoreFile { file: ProcessFile::new(File::from(fd)), path, device: stat.st_dev, inode: stat.st_ino, user })
}

fn check_owner(path: &Path, stat: &Stat, user: u32) -> Result<(), AttachError> {
    let path = path.to_owned();
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {}
        FileType::Fifo => return Err(AttachError::NotAFile { path, found: "a pipe" }),
        _ => return Err(AttachError::NotAFile { path, found: "a special file" }),
    }
    if stat.st_uid != user {
        return Err(AttachError::Owner { path, found: stat.st_uid, expected: user });
    }
    let mode = stat.st_mode & 0o7777;
    if mode & 0o077 != 0 {
        return Err(AttachError::Mode { path, mode });
    }
    Ok(())
}

impl StoreFile {
    /// Whether it belongs to the user that this process runs as.
    pub(crate) fn is_own(&self) -> bool {
        self.user == rustix::process::geteuid().as_raw()
    }

    /// Whether the path still names this very file.
    pub(crate) fn in_place(&self) -> bool {
        rustix::fs::lstat(&self.path).is_ok_and(|stat| (stat.st_dev, stat.st_ino) == (self.device, self.inode))
    }

    /// Whether only its user, and root, can make, rename or remove names in its directory.
    pub(crate) fn is_in_private_directory(&self) -> bool {
        let directory = self.path.parent().and_then(|directory| rustix::fs::stat(directory).ok());
        directory.is_some_and(|stat| stat.st_mode & 0o022 == 0 && (stat.st_uid == self.user || stat.st_uid == 0))
    }

    /// Length in bytes.
    pub(crate) fn len(&self) -> Result<u64, AttachError> {
        let stat = fstat(&*self.file).map_err(|e| io_error(&self.path, "examine it", e))?;
        Ok(u64::try_from(stat.st_size).unwrap_or(0))
    }

    /// Fills `buffer` with what lies at `offset`, and with zeros beyond the end of the file; how much there was.
    pub(crate) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut got = 0;
        while got < buffer.len() {
            let rest = buffer.get_mut(got..).unwrap_or_default();
            match rustix::io::pread(&*self.file, &mut *rest, offset + got as u64) {
                Ok(0) => {
                    rest.fill(0);
                    break;
                }
                Ok(n) => got += n,
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(got)
    }

    /// Bytes that the file takes.
    pub(crate) fn allocated(&self) -> io::Result<u64> {
        Ok(fstat(&*self.file)?.st_blocks as u64 * 512)
    }

    /// Takes a new, empty file beside this one, under `name`, for a store of the same user.
    pub(crate) fn beside(&self, file: OwnedFd, name: &OsStr) -> io::Result<StoreFile> {
        let stat = fstat(&file)?;
        Ok(StoreFile {
            file: ProcessFile::new(File::from(file)),
            path: self.path.with_file_name(name),
            device: stat.st_dev,
            inode: stat.st_ino,
            user: self.user,
        })
    }

    /// Its name in the directory.
    pub(crate) fn name(&self) -> &OsStr {
        self.path.file_name().unwrap_or_default()
    }

    /// Makes a new store in a blank file.
    pub(crate) fn make(&self, capacity: u64) -> Result<Constants, AttachError> {
        let mut secret = [0u8; 32];
        rand::rngs::SysRng
            .try_fill_bytes(&mut secret)
            .map_err(|e| io_error(&self.path, "get random bytes for its key", io::Error::other(e)))?;
        self.make_with(capacity, secret)
    }

    /// Makes a new store with `secret` of whatever the file is.
    pub(crate) fn make_with(&self, capacity: u64, secret: [u8; 32]) -> Result<Constants, AttachError> {
        let shards = shards_for(capacity);
        let no_space = |source: io::Error| AttachError::NoSpace { path: self.path.clone(), source };

        let mut page = [0u8; HEADER_SIZE as usize];
        put(&mut page, header::MAGIC, &MAKING.to_le_bytes());
        limits::allow_length(CHUNKS_AT).map_err(no_space)?;
        self.write_header(&page)?;
        ftruncate(&*self.file, HEADER_SIZE).map_err(|e| no_space(e.into()))?;
        ftruncate(&*self.file, CHUNKS_AT).map_err(|e| no_space(e.into()))?;
        self.allocate(0, HEADER_SIZE).map_err(no_space)?;
        self.allocate(SLOTS_AT, 4096).map_err(no_space)?;
        self.allocate(SHARDS_AT, SHARD_SIZE * u64::from(shards)).map_err(no_space)?;
        for shard in 0..shards {
            self.allocate(directory_page(shard), 4096).map_err(no_space)?;
        }

        let constants = Constants { shards, secret };
        put(&mut page, header::INCARNATION, &1u64.to_le_bytes());
        put(&mut page, header::DERIVED, &DERIVED.to_le_bytes());
        put(&mut page, header::CAPACITY, &capacity.to_le_bytes());
        put(&mut page, header::SLOTS, &8u32.to_le_bytes());
        put_constants(&mut page, &constants);
        self.write_header(&page)?;
        Ok(constants)
    }

    fn write_header(&self, page: &[u8]) -> Result<(), AttachError> {
        let mut done = 0;
        while done < page.len() {
            match rustix::io::pwrite(&*self.file, page.get(done..).unwrap_or_default(), done as u64) {
                Ok(n) => done += n,
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(AttachError::NoSpace { path: self.path.clone(), source: e.into() }),
            }
        }
        Ok(())
    }

    /// Has the system read the first `len` bytes into memory, as far as there is room, while the caller goes on. Mappings of
    /// a store on a disk do not read ahead.
    pub(crate) fn read_ahead(&self, len: u64) {
        // A request for more is cut to what the device takes at once.
        for at in (0..len).step_by(READ_AHEAD as usize) {
            let _ = fadvise(&*self.file, at, NonZeroU64::new(READ_AHEAD), Advice::WillNeed);
        }
    }

    /// Allocates the range for good, extending the file where it ends earlier. Never emulated: a file system that
    /// cannot do it is an error. After a failure nothing beyond the old end is left allocated.
    pub(crate) fn allocate(&self, offset: u64, len: u64) -> io::Result<()> {
        let before = fstat(&*self.file)?.st_size;
        if offset + len > before as u64 {
            limits::allow_length(offset + len)?;
        }
        loop {
            match fallocate(self.file.as_fd(), FallocateFlags::empty(), offset, len) {
                Ok(()) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => {
                    // ext4 keeps what it had allocated before it ran out of space.
                    if offset + len > before as u64 {
                        let _ = ftruncate(&*self.file, before as u64);
                    }
                    return Err(e.into());
                }
            }
        }
    }

    /// Whether anything was written at `from` or behind it.
    pub(crate) fn has_data_from(&self, from: u64) -> io::Result<bool> {
        Ok(next_data(self.file.as_fd(), from)?.is_some())
    }

    /// Makes the bytes from `from` up to `to` zero and gives their space back.
    pub(crate) fn wipe(&self, from: u64, to: u64) -> io::Result<()> {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        if from < to { Ok(fallocate(self.file.as_fd(), flags, from, to - from)?) } else { Ok(()) }
    }

    /// Cuts off what lies behind the first `len` bytes.
    pub(crate) fn cut(&self, len: u64) -> io::Result<()> {
        if fstat(&*self.file)?.st_size as u64 > len { Ok(ftruncate(&*self.file, len)?) } else { Ok(()) }
    }
}

/// Copies what is not a hole to an empty file, and gives it the same length.
pub(crate) fn copy_data(from: BorrowedFd<'_>, to: &OwnedFd) -> io::Result<()> {
    let length = fstat(from)?.st_size as u64;
    limits::allow_length(length)?;
    ftruncate(to, length)?;
    let mut buffer = vec![0; 1 << 20];
    let mut at = 0;
    while let Some(data) = next_data(from, at)? {
        let end = seek(from, SeekFrom::Hole(data))?;
        if end > data {
            // Whole pages, as the kernel reports them: nothing that is allocated at the front stays a hole.
            fallocate(to, FallocateFlags::empty(), data, end - data)?;
        }
        let mut done = data;
        while done < end {
            let part = buffer.get_mut(..(end - done).min(1 << 20) as usize).unwrap_or_default();
            let got = rustix::io::pread(from, &mut *part, done)?;
            if got == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            write_all(to, part.get(..got).unwrap_or_default(), done)?;
            done += got as u64;
        }
        at = end;
    }
    Ok(())
}

/// Allocates the range in a file that is being made, which may make it longer.
pub(crate) fn allocate_in(file: &OwnedFd, at: u64, len: u64) -> io::Result<()> {
    limits::allow_length(at + len)?;
    Ok(fallocate(file, FallocateFlags::empty(), at, len)?)
}

/// Where what is not a hole begins at or after `at`; `None` where only a hole is left. Any other answer than that is a
/// failure: what it hides may be all sessions.
fn next_data(file: BorrowedFd<'_>, at: u64) -> io::Result<Option<u64>> {
    match seek(file, SeekFrom::Data(at)) {
        Ok(data) => Ok(Some(data)),
        Err(rustix::io::Errno::NXIO) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// Writes all of `bytes` at `at`.
pub(crate) fn write_all(file: &OwnedFd, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = rustix::io::pwrite(file, bytes, at)?;
        bytes = bytes.get(written..).unwrap_or_default();
        at += written as u64;
    }
    Ok(())
}

/// Gives a copy of a store a header that says `constants` and belongs to no boot, so that nothing else is believed.
pub(crate) fn mend_header(copy: &OwnedFd, constants: &Constants) -> io::Result<()> {
    let mut page = [0u8; HEADER_SIZE as usize];
    let got = rustix::io::pread(copy, &mut page[..], 0)?;
    if got < page.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    put_constants(&mut page, constants);
    put(&mut page, header::BOOT_ID, &[0; 16]);
    write_all(copy, &page, 0)
}

/// Shards of a new store: enough that cores rarely meet, few enough that each gets a fair share of the space.
pub(crate) fn shards_for(capacity: u64) -> u32 {
    ((capacity >> 26) as u32).next_power_of_two().clamp(4, MAX_SHARDS)
}

/// Chunks that fit in `capacity` bytes besides the fixed parts of a store with `shards` shards.
pub(crate) fn chunks_for(capacity: u64, shards: u32) -> u32 {
    let fixed = (64 << 10) + u64::from(shards) * (SHARD_SIZE + (64 << 10));
    let chunks = capacity.saturating_sub(fixed) / crate::file::layout::CHUNK;
    // First the limit: what a header says may be more than the type holds.
    chunks.min(u64::from(crate::file::layout::MAX_CHUNKS)) as u32
}

/// `len` bytes of a page.
pub(crate) fn bytes(page: &[u8], at: u64, len: usize) -> &[u8] {
    page.get(at as usize..at as usize + len).unwrap_or_default()
}

fn put(page: &mut [u8; HEADER_SIZE as usize], at: u64, value: &[u8]) {
    for (to, from) in page.iter_mut().skip(at as usize).zip(value) {
        *to = *from;
    }
}

/// Writes the part of a header that never changes.
fn put_constants(page: &mut [u8; HEADER_SIZE as usize], constants: &Constants) {
    put(page, header::MAGIC, &MAGIC.to_le_bytes());
    put(page, header::FORMAT, &FORMAT.to_le_bytes());
    put(page, header::FINGERPRINT, &fingerprint().to_le_bytes());
    put(page, header::SHARDS, &constants.shards.to_le_bytes());
    put(page, header::SECRET, &constants.secret);
    let check = checksum(page);
    put(page, header::CHECK, &check.to_le_bytes());
}

/// The words of a header that never change, each with its offset.
pub(crate) fn constant_words(constants: &Constants) -> [(u64, u64); 8] {
    let mut page = [0u8; HEADER_SIZE as usize];
    put_constants(&mut page, constants);
    let secret = header::SECRET;
    [header::MAGIC, header::FORMAT, header::SHARDS, header::CHECK, secret, secret + 8, secret + 16, secret + 24]
        .map(|at| (at, word64(&page, at)))
}

/// The 32-bit word at `at`.
pub(crate) fn word32(page: &[u8], at: u64) -> u32 {
    bytes(page, at, 4).iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte))
}

/// The 64-bit word at `at`.
pub(crate) fn word64(page: &[u8], at: u64) -> u64 {
    bytes(page, at, 8).iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

pub(crate) fn checksum(page: &[u8; HEADER_SIZE as usize]) -> u64 {
    let mut constant = [0u8; 56];
    constant[..24].copy_from_slice(bytes(page, 0, 24));
    constant[24..].copy_from_slice(bytes(page, header::SECRET, 32));
    XxHash3_64::oneshot(&constant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capacity_beyond_all_bounds_is_the_largest() {
        for capacity in [u64::MAX, 1 << 63, (1 << 49) + (1 << 17)] {
            assert_eq!(chunks_for(capacity, 64), crate::file::layout::MAX_CHUNKS, "{capacity}");
        }
        assert_eq!(chunks_for(0, 64), 0);
    }
}
