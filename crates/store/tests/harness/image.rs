//! Copies of store files, page by page: templates to start from, and what a crash of the machine left of one.

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::FallocateFlags;

/// Bytes of a page.
pub(crate) const PAGE: usize = 4096;
/// Where the header says under which boot, and in which file, its pages were last known to be right.
const BOOT_ID: u64 = 160;
const DEVICE: u64 = 176;
const INODE: u64 = 184;

/// The content of a store file: its length and the pages that are not all zero, in order.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) len: u64,
    pub(crate) pages: Vec<(u64, Arc<[u8; PAGE]>)>,
}

impl Image {
    /// The file of this user's store in `dir`.
    pub(crate) fn take(dir: &Path) -> Image {
        Image::of(&super::store_file(dir))
    }

    /// The file at `path`.
    pub(crate) fn of(path: &Path) -> Image {
        let file = File::open(path).expect("the store file");
        let len = file.metadata().expect("its length").len();
        let mut pages = Vec::new();
        let mut at = 0;
        while let Ok(data) = rustix::fs::seek(&file, rustix::fs::SeekFrom::Data(at)) {
            let hole = rustix::fs::seek(&file, rustix::fs::SeekFrom::Hole(data)).unwrap_or(len);
            let mut place = data / PAGE as u64 * PAGE as u64;
            while place < hole {
                let mut page = [0u8; PAGE];
                let want = (len - place).min(PAGE as u64) as usize;
                file.read_exact_at(&mut page[..want], place).expect("a page of the store file");
                if page.iter().any(|byte| *byte != 0) {
                    pages.push((place, Arc::new(page)));
                }
                place += PAGE as u64;
            }
            at = place.max(hole);
        }
        Image { len, pages }
    }

    /// Writes the file into `dir`, as a file whose pages are known to be right: not as a foreign copy.
    pub(crate) fn write(&self, dir: &Path) -> PathBuf {
        let (path, file) = self.write_copy(dir);
        let stat = file.metadata().expect("the new file");
        file.write_all_at(&stat.dev().to_le_bytes(), DEVICE).expect("a header");
        file.write_all_at(&stat.ino().to_le_bytes(), INODE).expect("a header");
        path
    }

    /// Writes the file into `dir` as it is.
    pub(crate) fn write_copy(&self, dir: &Path) -> (PathBuf, File) {
        let path = super::store_file(dir);
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(true).mode(0o600).open(&path);
        let file = file.expect("a new store file");
        file.set_len(self.len).expect("its length");
        let mut i = 0;
        while let Some((first, _)) = self.pages.get(i) {
            let run = self.pages[i..].iter().enumerate().take_while(|(n, (at, _))| *at == first + (n * PAGE) as u64);
            let mut bytes = Vec::new();
            run.for_each(|(_, (_, page))| bytes.extend_from_slice(page.as_slice()));
            i += bytes.len() / PAGE;
            let end = self.len.saturating_sub(*first).min(bytes.len() as u64) as usize;
            file.write_all_at(&bytes[..end], *first).expect("pages of the store file");
        }
        (path, file)
    }

    /// [`Image::write_copy`] where a similar file may be in `dir` already: writes only what differs, which takes a
    /// fraction of the time.
    pub(crate) fn write_over(&self, dir: &Path) {
        let Ok(file) = File::options().read(true).write(true).open(super::store_file(dir)) else {
            self.write_copy(dir);
            return;
        };
        file.set_len(self.len).expect("its length");
        let punch = |from: u64, to: u64| {
            if to > from {
                let how = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
                rustix::fs::fallocate(&file, how, from, to - from).expect("a hole");
            }
        };
        let mut there = vec![0u8; 64 * PAGE];
        let (mut i, mut end) = (0, 0);
        while let Some((first, _)) = self.pages.get(i) {
            punch(end, *first);
            let run = self.pages[i..].iter().take(64).enumerate();
            let run: Vec<_> = run.take_while(|(n, (at, _))| *at == first + (n * PAGE) as u64).map(|(_, p)| p).collect();
            i += run.len();
            end = first + (run.len() * PAGE) as u64;
            let got = file.read_at(&mut there[..run.len() * PAGE], *first).expect("what is there");
            for ((at, page), old) in run.iter().zip(there.chunks(PAGE)) {
                let size = self.len.saturating_sub(*at).min(PAGE as u64) as usize;
                if (*at - first) as usize + size > got || page[..size] != old[..size] {
                    file.write_all_at(&page[..size], *at).expect("a page of the store file");
                }
            }
        }
        punch(end, self.len);
    }

    /// Says in the header that the pages are those of the file at `path`.
    pub(crate) fn name_file(&mut self, path: &Path) {
        let stat = std::fs::metadata(path).expect("the file");
        self.set(DEVICE, &stat.dev().to_le_bytes());
        self.set(INODE, &stat.ino().to_le_bytes());
    }

    /// Forgets the boot under which the pages were right, as after a crash of the machine.
    pub(crate) fn wipe_boot_id(&mut self) {
        self.set(BOOT_ID, &[0; 16]);
    }

    /// Forgets what lies behind the first `len` bytes, whole pages.
    pub(crate) fn cut(&mut self, len: u64) {
        self.len = self.len.min(len);
        self.pages.retain(|(at, _)| *at < len);
    }

    /// Overwrites bytes within one page.
    pub(crate) fn set(&mut self, at: u64, bytes: &[u8]) {
        let start = at / PAGE as u64 * PAGE as u64;
        let i = match self.pages.binary_search_by_key(&start, |(place, _)| *place) {
            Ok(i) => i,
            Err(i) => {
                self.pages.insert(i, (start, Arc::new([0; PAGE])));
                i
            }
        };
        let from = (at - start) as usize;
        Arc::make_mut(&mut self.pages[i].1)[from..from + bytes.len()].copy_from_slice(bytes);
    }

    /// Whether somebody has the lock of `shard`.
    pub(crate) fn shard_locked(&self, shard: u32) -> bool {
        let at = shard_at(shard as usize);
        self.page((at / PAGE * PAGE) as u64)[at % PAGE..][..4] != [0; 4]
    }

    /// Makes it look as if somebody had died with the lock of `shard`.
    pub(crate) fn lock_shard(&mut self, shard: u32) {
        self.set(shard_at(shard as usize) as u64, &1u32.to_le_bytes());
    }

    /// Whether a lease of owner slot `index` lists space that is allocated and not published.
    pub(crate) fn has_pending(&self, index: u64) -> bool {
        let (page, within) = (self.page(slot_at(index) / PAGE as u64 * PAGE as u64), slot_at(index) as usize % PAGE);
        (0..8).any(|lease| page[within + LEASES + 8 * lease + 4..][..4] != [0; 4])
    }

    /// The page at `at`, zeros where there is none.
    pub(crate) fn page(&self, at: u64) -> [u8; PAGE] {
        self.pages.binary_search_by_key(&at, |(place, _)| *place).map_or([0; PAGE], |i| *self.pages[i].1)
    }
}

/// Offsets of the fixed parts of a store file with four shards, and of its chunks.
const SLOTS: usize = 0x1_0000;
const SHARDS: usize = 0x21_0000;
const TABLE: usize = 0x25_0000;
const DIRECTORIES: usize = 0x46_0000;
const CHUNKS: usize = 0x160_0000;
const CHUNK: usize = 128 << 10;

/// Where the header of one of four shards begins: each at another line of its page.
fn shard_at(shard: usize) -> usize {
    SHARDS + shard * (PAGE + 3 * 64)
}

/// Where the index directory of one of four shards begins.
fn directory_at(shard: usize) -> usize {
    DIRECTORIES + shard * (260 << 10) + (40 + shard) * 64
}

/// Byte ranges in which the state of a small store with four shards changes, payloads left out, in a file of `len`
/// bytes: header, owner slots, shard headers, chunk table, directories and the beginning of each chunk.
pub(crate) fn hot_ranges(len: usize) -> Vec<(usize, usize)> {
    let mut ranges = vec![(0, 1024), (SLOTS, SLOTS + 4096), (TABLE, TABLE + 1024)];
    ranges.extend((0..4).map(|i| (shard_at(i), shard_at(i) + 640)));
    ranges.extend((0..4).map(|i| (directory_at(i), directory_at(i) + 64)));
    ranges.extend((0..16).map(|i| (CHUNKS + i * CHUNK, CHUNKS + i * CHUNK + 4096)));
    // In a store with larger payloads more chunks are in use: their bitmaps and the beginning of their first blocks.
    ranges.extend((16..128).map(|i| (CHUNKS + i * CHUNK, CHUNKS + i * CHUNK + 320)));
    ranges.retain(|(_, to)| *to <= len);
    ranges
}

/// Offset of the number of allocated owner slots in the header, and of owner slot `index`, whose first word is its state.
pub(crate) const SLOT_COUNT: u64 = 268;

/// Offset of the leases within an owner slot: each a node and its pending block.
const LEASES: usize = 48;

/// Offset of owner slot `index`.
pub(crate) fn slot_at(index: u64) -> u64 {
    SLOTS as u64 + index * 512
}

/// Whether somebody has the lock of `shard` in the store file.
pub(crate) fn shard_locked(file: &File, shard: u32) -> bool {
    let mut word = [0; 4];
    file.read_exact_at(&mut word, shard_at(shard as usize) as u64).expect("a shard header");
    word != [0; 4]
}
