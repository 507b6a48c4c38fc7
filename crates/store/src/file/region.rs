//! The mapping of the store file, and the only module that turns offsets into memory.
//!
//! Invariants: a mapping is never unmapped or moved while its [`Region`] lives, so a [`Map`] stays good for as long
//! as the region does; every access is checked against the mapped length. The file below the mapped length may be
//! a hole or end early: callers touch only what the header says is allocated, and growth allocates before it says so.
//! What lies in the mapping is changed by other processes at any time: words are read through atomics, bytes are
//! copied out before they are looked at, and nothing read is trusted before it was checked.
//!
//! What the accesses rely on: a word of the header, of an owner slot, a shard, a table, a directory, an index bucket or a node is
//! accessed as an atomic of one width, always the same, for as long as its chunk is what it is. Two things there are no words:
//! the name of the script in an owner slot, bytes for people, which may be changed while they are read; and the secret of a
//! damaged file, which whoever sets that aside reads, and nobody else has the file then. Units of data chunks, and chunks that
//! change their use, are another matter: what is a block's header now was a payload's bytes before, and who
//! follows a stale reference without a lock may load a word, or [`Map::prefault`] it, while another process or thread
//! copies bytes there. The memory model of the language knows neither those processes nor that mixture. What is relied upon
//! then is the processor: an aligned load gives some bytes, a compare-and-swap that writes what it found loses no other
//! write, as it is one step for all processors, and neither traps. What such a load gives is checked before it is used:
//! against the chunk's state, the head of the node that led there, the checksum.

use std::fs::File;
use std::marker::PhantomData;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering, fence};

use cloakroom_seam::Room;
use parking_lot::Mutex;
use rustix::fs::{Mode, OFlags, Stat, fstat, fstatfs};
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, munmap};

use crate::file::file_system::{FileSystem, Fitness};
use crate::file::layout::{CHUNK, CHUNKS_AT};
use crate::file::limits;

#[derive(Debug)]
struct Mapping {
    base: NonNull<u8>,
    len: u64,
}

/// Opens `file`, which lies at `path`, once more. A mapping keeps its open file description alive, and a forked child inherits
/// mappings: made through the descriptor that bears the proof of life, a child's copy would make its dead parent look
/// alive. `None` where the path names another file by now and /proc is missing; then it does so until the child ends.
fn reopen(file: &File, path: &Path) -> Option<File> {
    let same = |one: &Stat, other: &Stat| (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino);
    let wanted = fstat(file).ok()?;
    let open = |path: &Path, flags| {
        let again = rustix::fs::open(path, OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOCTTY | flags, Mode::empty());
        again.ok().filter(|again| fstat(again).is_ok_and(|found| same(&wanted, &found))).map(File::from)
    };
    // Whatever has come to lie at the path must not make this wait or lead elsewhere.
    open(path, OFlags::NOFOLLOW | OFlags::NONBLOCK)
        .or_else(|| open(Path::new(&format!("/proc/self/fd/{}", file.as_raw_fd())), OFlags::empty()))
}

/// All mappings of one store file in this process; the newest is the longest.
#[derive(Debug)]
pub(crate) struct Region {
    current: AtomicPtr<Mapping>,
    all: Mutex<Vec<*mut Mapping>>,
    /// Whether the file lies in memory alone, so that a page which was written needs no writing back.
    in_memory: bool,
}

// SAFETY: the raw pointers are to boxes that live as long as the region and are not changed once they are in it, and to
// mappings that any thread may access; the list is behind the mutex, `current` is atomic.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Region {
    /// Maps the first `len` bytes of `file`, which lies at `path`, shared. Bytes beyond the end of the file may be mapped, not touched.
    pub(crate) fn new(file: &File, path: &Path, len: u64) -> std::io::Result<Region> {
        let file_system = FileSystem::of_magic(fstatfs(file)?.f_type as u64 & 0xffff_ffff);
        let in_memory = file_system.fitness == Fitness::Memory;
        let first = Region::map_file(file, path, len, in_memory)?;
        Ok(Region { current: AtomicPtr::new(first), all: Mutex::new(vec![first]), in_memory })
    }

    /// Whether the file lies in memory alone.
    pub(crate) fn in_memory(&self) -> bool {
        self.in_memory
    }

    fn map_file(file: &File, path: &Path, len: u64, in_memory: bool) -> std::io::Result<*mut Mapping> {
        let size = usize::try_from(len).map_err(|_| std::io::ErrorKind::OutOfMemory)?;
        let own = reopen(file, path);
        let file = own.as_ref().unwrap_or(file);
        // SAFETY: a fresh address range chosen by the kernel; no Rust object lives there.
        let base =
            unsafe { mmap(std::ptr::null_mut(), size, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, file, 0) }
                .map_err(|e| limits::explain_mapping(len, e.into()))?;
        let base = NonNull::new(base.cast::<u8>()).ok_or(std::io::ErrorKind::OutOfMemory)?;
        if !in_memory {
            // Reading ahead would fill the page cache with folios of up to megabytes, and ext4 goes through all blocks of
            // a folio when one of them is written: 20 to 70 µs instead of 3 for the first write after each write-back.
            // SAFETY: the very range that mmap returned; advice changes nothing that a program can see.
            let _ = unsafe { madvise(base.as_ptr().cast(), size, Advice::Random) };
        }
        Ok(Box::into_raw(Box::new(Mapping { base, len })))
    }

    /// Maps at least `len` bytes, keeping earlier mappings valid.
    pub(crate) fn extend(&self, file: &File, path: &Path, len: u64) -> std::io::Result<()> {
        let mut all = self.all.lock();
        if self.map().len < len {
            let longer = Region::map_file(file, path, len, self.in_memory)?;
            all.push(longer);
            self.current.store(longer, Ordering::Release);
        }
        Ok(())
    }

    /// The longest mapping.
    pub(crate) fn map(&self) -> Map<'_> {
        // SAFETY: `current` always points to a box owned by `all`, which nobody changes and which is freed only in drop. The
        // acquiring load pairs with the releasing store in `extend`.
        let mapping = unsafe { &*self.current.load(Ordering::Acquire) };
        Map { base: mapping.base, len: mapping.len, region: PhantomData }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        for mapping in self.all.get_mut().drain(..) {
            // SAFETY: made by Box::into_raw in map_file, dropped once; no Map outlives the region.
            let mapping = unsafe { Box::from_raw(mapping) };
            // SAFETY: the very range that mmap returned; what was made of it borrows the region, which is being dropped.
            let _ = unsafe { munmap(mapping.base.as_ptr().cast(), mapping.len as usize) };
        }
    }
}

/// A view of the mapped file: offsets in, atomics and copies out. Costs a bounds check an access.
#[derive(Clone, Copy)]
pub(crate) struct Map<'a> {
    base: NonNull<u8>,
    len: u64,
    region: PhantomData<&'a Region>,
}

/// Ends a faulty access. Apart, so that every access pays for one comparison and nothing else.
#[cold]
#[inline(never)]
fn outside(offset: u64, len: u64) -> ! {
    panic!("offset {offset} is misaligned or outside the mapped {len} bytes");
}

impl<'a> Map<'a> {
    /// Bytes that are mapped.
    pub(crate) fn len(self) -> u64 {
        self.len
    }

    /// Whole chunks that are mapped.
    pub(crate) fn chunks(self) -> u32 {
        u32::try_from(self.len.saturating_sub(CHUNKS_AT) / CHUNK).unwrap_or(u32::MAX)
    }

    /// # Panics
    /// Where the range is not mapped: callers check what they read from the file first, so this is a bug. The shard
    /// guard turns the unwinding into a rebuild.
    #[inline]
    fn at(self, offset: u64, bytes: u64, align: u64) -> *mut u8 {
        if !offset.is_multiple_of(align) || offset.checked_add(bytes).is_none_or(|end| end > self.len) {
            outside(offset, self.len);
        }
        // SAFETY: inside the mapping, as just checked, which is one allocation of the kernel's and shorter than isize::MAX.
        unsafe { self.base.as_ptr().add(offset as usize) }
    }

    /// The `N` bytes at `offset`, checked once: what is looked at within them at constant offsets costs nothing more.
    #[inline]
    pub(crate) fn window<const N: u64>(self, offset: u64) -> Window<'a, N> {
        Window { base: self.at(offset, N, 8), region: PhantomData }
    }

    /// The 32-bit word at `offset`.
    #[inline]
    pub(crate) fn u32(self, offset: u64) -> &'a AtomicU32 {
        // SAFETY: in bounds and aligned, as the mapping begins with a page; the mapping outlives 'a. Others access the word
        // as an atomic of this width, save for what the module's documentation says of data chunks.
        unsafe { AtomicU32::from_ptr(self.at(offset, 4, 4).cast()) }
    }

    /// The 64-bit word at `offset`.
    #[inline]
    pub(crate) fn u64(self, offset: u64) -> &'a AtomicU64 {
        // SAFETY: as for `u32`, with this width.
        unsafe { AtomicU64::from_ptr(self.at(offset, 8, 8).cast()) }
    }

    /// Copies bytes out of the file. The source may change meanwhile: the caller checks afterwards, through an
    /// atomic or a checksum, whether what it got is whole.
    #[inline]
    pub(crate) fn read(self, offset: u64, out: &mut [u8]) {
        let from = self.at(offset, out.len() as u64, 1);
        // SAFETY: the source is mapped for out.len() bytes and does not overlap `out`, which is ordinary memory, not the
        // mapping's. Another process or thread may write the source meanwhile: what is relied upon is that a copy then gives
        // some bytes, of which any are a valid u8, and they are validated afterwards.
        unsafe { std::ptr::copy_nonoverlapping(from, out.as_mut_ptr(), out.len()) };
        fence(Ordering::Acquire);
    }

    /// Adds `length` bytes of the file to `room`, or `false` where it has no room for them. As for [`Map::read`], the caller
    /// checks afterwards whether what it got is whole.
    #[inline]
    pub(crate) fn read_into(self, offset: u64, length: usize, room: &mut Room<'_>) -> bool {
        let from = self.at(offset, length as u64, 1);
        // SAFETY: writes all `length` bytes. The source is mapped for as many and does not overlap `room`, which is ordinary
        // memory; another process or thread may write it meanwhile, as in `read`.
        let read = unsafe { room.fill_by(length, |to| std::ptr::copy_nonoverlapping(from, to, length)) };
        fence(Ordering::Acquire);
        read
    }

    /// Copies bytes into the file, into a range that the caller owns.
    #[inline]
    pub(crate) fn write(self, offset: u64, bytes: &[u8]) {
        let to = self.at(offset, bytes.len() as u64, 1);
        // SAFETY: the target is mapped for bytes.len() bytes and does not overlap `bytes`, which is ordinary memory. Nobody
        // else writes there, as the caller owns the range. Readers that still look at an older use of it discard what
        // they read.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len()) };
    }

    /// Has the cache line at `offset` fetched for writing while the processor goes on. Changes nothing.
    #[inline]
    pub(crate) fn fetch(self, offset: u64) {
        let at = self.at(offset, 1, 1);
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a hint to the processor, which reads nothing that a program could see and never faults; processors without
        // it do nothing.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_ET0>(at.cast());
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = at;
    }

    /// Has the page of the 32-bit word at `offset` mapped for writing. Where a page was not met before, that takes half as long
    /// as reading it: a fault on a read maps the pages around it, too, of which a process that looks at sessions here and
    /// there has no use. Changes nothing, and costs some nanoseconds where the page is mapped.
    ///
    /// The word is one that all others access with this width, too, or a payload's bytes: see the module's documentation.
    pub(crate) fn prefault(self, offset: u64) {
        // A comparison that fails writes what is there, in one step; one that succeeds writes zero over zero.
        let _ = self.u32(offset).compare_exchange(0, 0, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// [`Map::prefault`] for the page of a 64-bit word.
    pub(crate) fn prefault_wide(self, offset: u64) {
        let _ = self.u64(offset).compare_exchange(0, 0, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Has the pages of a range mapped for writing in one system call instead of a fault each.
    pub(crate) fn prefault_all(self, offset: u64, bytes: u64) {
        let at = self.at(offset, bytes, 4096);
        // SAFETY: mapped for `bytes` bytes, as `at` checked; the call changes no byte and no mapping. Kernels before 5.14
        // refuse it.
        let _ = unsafe { madvise(at.cast(), bytes as usize, Advice::LinuxPopulateWrite) };
    }

    /// Fills a range that the caller owns with zeros.
    pub(crate) fn zero(self, offset: u64, bytes: u64) {
        let to = self.at(offset, bytes, 1);
        // SAFETY: mapped for `bytes` bytes, as `at` checked; no other thread writes there, as the caller owns the range, and
        // one that still reads an older use of it discards what it reads.
        unsafe { std::ptr::write_bytes(to, 0, bytes as usize) };
    }
}

/// `N` mapped bytes, aligned to 8.
#[derive(Clone, Copy)]
pub(crate) struct Window<'a, const N: u64> {
    base: *mut u8,
    region: PhantomData<&'a Region>,
}

impl<'a, const N: u64> Window<'a, N> {
    /// The `M` bytes at `offset` within the window.
    #[inline(always)]
    pub(crate) fn part<const M: u64>(self, offset: u64) -> Window<'a, M> {
        assert!(offset.is_multiple_of(8) && M <= N && offset <= N - M);
        // SAFETY: inside the window, as just asserted, which is mapped for 'a.
        Window { base: unsafe { self.base.add(offset as usize) }, region: PhantomData }
    }

    /// The 32-bit word at `offset` within the window.
    #[inline(always)]
    pub(crate) fn u32(self, offset: u64) -> &'a AtomicU32 {
        assert!(offset.is_multiple_of(4) && offset < N && N - offset >= 4);
        // SAFETY: inside the window, which is mapped for 'a and aligned to 8; for the rest as for `Map::u32`.
        unsafe { AtomicU32::from_ptr(self.base.add(offset as usize).cast()) }
    }

    /// The 64-bit word at `offset` within the window.
    #[inline(always)]
    pub(crate) fn u64(self, offset: u64) -> &'a AtomicU64 {
        assert!(offset.is_multiple_of(8) && offset < N && N - offset >= 8);
        // SAFETY: inside the window, which is mapped for 'a and aligned to 8; for the rest as for `Map::u32`.
        unsafe { AtomicU64::from_ptr(self.base.add(offset as usize).cast()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meeting_a_page_changes_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        std::fs::write(&path, [7; 8192]).expect("a file");
        let file = File::options().read(true).write(true).open(&path).expect("the file");
        let region = Region::new(&file, &path, 8192).expect("a mapping");
        region.map().u64(4096).store(0, Ordering::Relaxed);
        // Each word alone, with the width that it has.
        for at in [0, 4096, 4100, 8188] {
            region.map().prefault(at);
        }
        for at in [0, 4096, 8184] {
            region.map().prefault_wide(at);
        }
        region.map().prefault_all(0, 8192);
        let mut expected = vec![7; 8192];
        expected.splice(4096..4104, [0; 8]);
        assert_eq!(std::fs::read(&path).expect("the file"), expected);
    }

    #[test]
    fn a_mapping_keeps_the_file_that_it_was_made_of() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("file");
        std::fs::write(&path, [1; 4096]).expect("a file");
        let file = File::options().read(true).write(true).open(&path).expect("the file");
        // Another file has come to lie at the path.
        std::fs::rename(&path, directory.path().join("old")).expect("a rename");
        std::fs::write(&path, [2; 4096]).expect("another file");
        let region = Region::new(&file, &path, 4096).expect("a mapping");
        let mut found = [0; 4];
        region.map().read(0, &mut found);
        assert_eq!(found, [1; 4]);
    }
}
