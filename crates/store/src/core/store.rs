//! [`Store`]: an attached store, what all its operations share, and how it grows.
//!
//! There is one `Store` a process and file ([`crate::attach::open`] keeps the registry). It holds no session state: all of
//! that is in the file.

use std::cell::Cell;
use std::ops::Deref;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::core::clock::Clock;
use crate::core::key::{self, Key, KeyMaker};
use crate::file::byte_lock::{self, Byte};
use crate::file::error::Error;
use crate::file::layout::{CHUNK, MAX_CHUNKS, MAX_SLOTS, SHARD_SIZE, TABLE_AT, file_len, header};
use crate::file::region::{Map, Region};
use crate::file::store_file::{StoreFile, chunks_for};
use crate::file::words::ChunkState;

/// An attached store.
pub struct Store {
    pub(crate) file: StoreFile,
    pub(crate) region: Region,
    pub(crate) shards: u32,
    pub(crate) keys: KeyMaker,
    /// Seed of the nodes' checksums, so that payloads cannot be made to look like nodes.
    pub(crate) check_seed: u64,
    /// Secret of the payloads' checksums, ready for use: making it from a seed costs more than hashing 1 KB.
    pub(crate) check_secret: [u8; 192],
    /// Whether this process made the file.
    pub(crate) made: bool,
    /// Token of the process that attached.
    born: u64,
    /// Token of the process that looks.
    token: &'static AtomicU64,
    /// Distinguishes the stores that this process ever attached; never 0.
    pub(crate) number: u64,
    /// Bits of the owner slots that this process owns.
    pub(crate) own: [AtomicU64; MAX_SLOTS as usize / 64],
    /// Leases of this process. Exact only while it has one owner slot, which is all that is asked of it.
    leases: AtomicU32,
    pub(crate) claim: Mutex<()>,
    grow: Mutex<()>,
    clock: Clock,
    notes: Mutex<Vec<String>>,
    has_notes: AtomicBool,
    damaged: AtomicBool,
    warned_at: AtomicU64,
    /// Counts the small collections, to go through the shards in turn.
    pub(crate) collections: AtomicU32,
    /// The second in which no shard could give space to another: see [`crate::shard::rebalance`].
    pub(crate) rebalanced_in_vain: AtomicU32,
    /// How many sessions this process will yet acquire for the first time, as is assumed: see [`crate::attach::prefault`].
    pub(crate) prefaults_left: AtomicU32,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("path", &self.file.path).finish_non_exhaustive()
    }
}

/// Sessions that a process acquires while it is young and prefaults, at some 60 ns more than later where all pages are there
/// already.
pub(crate) const PREFAULTED_SESSIONS: u32 = 1024;

/// Chunks in 2 MiB.
const HUGE_CHUNKS: u32 = (2 << 20) / CHUNK as u32;

/// One thread's reference to a store. Leases count references to this instead of to the store itself, which saves
/// locked instructions.
#[derive(Debug)]
pub(crate) struct Handle(Arc<Store>);

impl Deref for Handle {
    type Target = Arc<Store>;

    fn deref(&self) -> &Arc<Store> {
        &self.0
    }
}

thread_local! {
    /// The store that this thread used last.
    static HANDLE: Cell<Option<Rc<Handle>>> = const { Cell::new(None) };
}

static NUMBERS: AtomicU64 = AtomicU64::new(1);

impl Store {
    /// Wraps an opened and mapped file. The secret gives two keys: one for session keys, one for checksums.
    pub(crate) fn new(file: StoreFile, region: Region, shards: u32, secret: &[u8; 32], made: bool) -> Store {
        let mut check_secret = [0; 192];
        for (counter, part) in (0..).zip(check_secret.chunks_exact_mut(32)) {
            part.copy_from_slice(&key::derive(secret, b"checksum secret", counter));
        }
        let prefaults_left = if region.in_memory() { PREFAULTED_SESSIONS } else { 0 };
        Store {
            file,
            region,
            shards,
            keys: KeyMaker::new(secret),
            check_seed: key::checksum_seed(secret),
            check_secret,
            made,
            born: crate::file::process::token(),
            token: crate::file::process::token_word(),
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            own: [const { AtomicU64::new(0) }; MAX_SLOTS as usize / 64],
            leases: AtomicU32::new(0),
            claim: Mutex::new(()),
            grow: Mutex::new(()),
            clock: Clock::default(),
            notes: Mutex::new(Vec::new()),
            has_notes: AtomicBool::new(false),
            damaged: AtomicBool::new(false),
            warned_at: AtomicU64::new(0),
            collections: AtomicU32::new(0),
            rebalanced_in_vain: AtomicU32::new(0),
            prefaults_left: AtomicU32::new(prefaults_left),
        }
    }

    /// The key of `id` in `namespace`, which has at most 255 bytes; about 50 ns. Without the store's secret neither
    /// the id nor another id with the same key can be found.
    #[must_use]
    pub fn key(&self, namespace: &[u8], id: &[u8]) -> Key {
        self.keys.key(namespace, id)
    }

    /// The path of the store file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// The clocks, for tests that travel in time.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// This thread's handle of the store.
    #[inline]
    pub(crate) fn handle(self: &Arc<Store>) -> Rc<Handle> {
        HANDLE
            .try_with(|last| {
                let handle = match last.take() {
                    Some(handle) if handle.number == self.number => handle,
                    _ => Rc::new(Handle(Arc::clone(self))),
                };
                last.set(Some(Rc::clone(&handle)));
                handle
            })
            .unwrap_or_else(|_| Rc::new(Handle(Arc::clone(self))))
    }

    /// Counts the leases of this process, without a locked instruction.
    pub(crate) fn count_lease(&self, by: i32) {
        self.leases.store(self.leases.load(Ordering::Relaxed).wrapping_add_signed(by), Ordering::Relaxed);
    }

    /// Whether this process has a lease, as far as its only owner slot knows.
    pub(crate) fn has_leases(&self) -> bool {
        self.leases.load(Ordering::Relaxed) != 0
    }

    /// Whether the path still names the file that is attached and this process is the one that attached it. One
    /// system call: ask at most once a second.
    #[must_use]
    pub fn in_place(&self) -> bool {
        !self.forked() && self.file.in_place()
    }

    /// Whether this process inherited the store from its parent and must attach again.
    #[must_use]
    #[inline]
    pub fn forked(&self) -> bool {
        self.token.load(Ordering::Relaxed) != self.born
    }

    /// Whether this process is young: most pages of the file are not in its page tables yet.
    #[inline(always)]
    pub(crate) fn prefaults(&self) -> bool {
        self.prefaults_left.load(Ordering::Relaxed) != 0
    }

    /// Whether this store has been left for a successor, which [`Store::successor`] attaches. Costs one load.
    #[must_use]
    pub fn superseded(&self) -> bool {
        self.is_relocated(self.region.map())
    }

    /// Whether operations on this store must go to its successor.
    #[inline]
    pub(crate) fn is_relocated(&self, map: Map<'_>) -> bool {
        map.u32(header::RELOCATION).load(Ordering::Acquire) != 0
    }

    /// Whether there is something for [`Store::take_note`]. Costs one load.
    #[must_use]
    #[inline]
    pub fn has_notes(&self) -> bool {
        self.has_notes.load(Ordering::Relaxed)
    }

    /// Something an administrator should hear about, once.
    #[must_use]
    pub fn take_note(&self) -> Option<String> {
        if !self.has_notes() {
            return None;
        }
        let mut notes = self.notes.lock();
        let note = notes.pop();
        self.has_notes.store(!notes.is_empty(), Ordering::Relaxed);
        note
    }

    /// Notes that a part of the store contradicted itself, unless that was noted for this attachment before.
    #[cold]
    pub(crate) fn note_damage(&self, what: &str) {
        if !self.damaged.swap(true, Ordering::Relaxed) {
            self.note(format!(
                "the session store {} is damaged ({what}); the part concerned is made anew from the sessions in it that are whole",
                self.file.path.display()
            ));
        }
    }

    pub(crate) fn note(&self, note: String) {
        self.notes.lock().push(note);
        self.has_notes.store(true, Ordering::Relaxed);
    }

    /// The mapping, long enough for all chunks that are allocated now.
    #[inline]
    pub(crate) fn map(&self) -> Result<Map<'_>, Error> {
        let map = self.region.map();
        if self.is_covered(map) { Ok(map) } else { self.longer_map() }
    }

    /// Whether `map` is long enough for all chunks that are allocated now.
    #[inline]
    pub(crate) fn is_covered(&self, map: Map<'_>) -> bool {
        file_len(self.chunks(map)) <= map.len()
    }

    #[cold]
    fn longer_map(&self) -> Result<Map<'_>, Error> {
        let needed = file_len(self.chunks(self.region.map()));
        self.region
            .extend(&self.file.file, &self.file.path, needed)
            .map_err(|source| Error::Io { what: "map the grown store", source })?;
        Ok(self.region.map())
    }

    /// Chunks allocated in the file.
    #[inline]
    pub(crate) fn chunks(&self, map: Map<'_>) -> u32 {
        map.u32(header::CHUNKS).load(Ordering::Acquire).min(MAX_CHUNKS)
    }

    /// What the chunk table says of `chunk`, which is below [`Store::chunks`].
    #[inline]
    pub(crate) fn chunk_state(&self, map: Map<'_>, chunk: u32) -> Option<ChunkState> {
        ChunkState::decode(map.u32(TABLE_AT + 4 * u64::from(chunk)).load(Ordering::Acquire))
    }

    /// Whether the chunk table says that `chunk`, which is below [`Store::chunks`], is in `state`.
    #[inline]
    pub(crate) fn is_chunk(&self, map: Map<'_>, chunk: u32, state: ChunkState) -> bool {
        map.u32(TABLE_AT + 4 * u64::from(chunk)).load(Ordering::Acquire) == state.encode()
    }

    pub(crate) fn set_chunk_state(&self, map: Map<'_>, chunk: u32, state: ChunkState) {
        map.u32(TABLE_AT + 4 * u64::from(chunk)).store(state.encode(), Ordering::Release);
    }

    pub(crate) fn is_free_chunk(&self, map: Map<'_>, chunk: u32) -> bool {
        matches!(self.chunk_state(map, chunk), Some(ChunkState::New | ChunkState::Released))
    }

    /// Takes a free chunk for `shard` in state claimed; the second value is whether it is all zero.
    pub(crate) fn take_chunk(&self, map: Map<'_>, shard: u32) -> Option<(u32, bool)> {
        let hint = map.u32(header::CHUNK_HINT);
        // Growth since the lock was taken may have gone beyond this process's mapping.
        let chunks = self.chunks(map).min(map.chunks());
        // A hint beyond the end leads to nothing: it is lowered to the end, where growth will add chunks.
        hint.fetch_min(chunks, Ordering::AcqRel);
        let from = hint.load(Ordering::Acquire).min(chunks);
        for chunk in from..chunks {
            let entry = map.u32(TABLE_AT + 4 * u64::from(chunk));
            let seen = entry.load(Ordering::Acquire);
            let zero = match ChunkState::decode(seen) {
                Some(ChunkState::New) => true,
                Some(ChunkState::Released) => false,
                _ => continue,
            };
            let claimed = ChunkState::Claimed(shard).encode();
            if entry.compare_exchange(seen, claimed, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                let _ = hint.compare_exchange(from, chunk + 1, Ordering::AcqRel, Ordering::Relaxed);
                return Some((chunk, zero));
            }
        }
        let _ = hint.compare_exchange(from, chunks.max(from), Ordering::AcqRel, Ordering::Relaxed);
        None
    }

    /// Gives a chunk back to all shards.
    pub(crate) fn release_chunk(&self, map: Map<'_>, chunk: u32) {
        self.set_chunk_state(map, chunk, ChunkState::Released);
        map.u32(header::CHUNK_HINT).fetch_min(chunk, Ordering::AcqRel);
    }

    /// Chunks that `cloakroom.size` allows.
    pub(crate) fn capacity_chunks(&self, map: Map<'_>) -> u32 {
        chunks_for(map.u64(header::CAPACITY).load(Ordering::Relaxed), self.shards)
    }

    /// Bytes of the file besides the chunks.
    pub(crate) fn fixed_bytes(&self, map: Map<'_>) -> u64 {
        let slots = u64::from(self.slots_allocated(map)) * crate::file::layout::SLOT_SIZE;
        let table = (u64::from(self.chunks(map)) * 4).next_multiple_of(4096);
        crate::file::layout::HEADER_SIZE + slots + table + u64::from(self.shards) * (SHARD_SIZE + 4096)
    }

    /// Whether the store may still grow.
    pub(crate) fn can_grow(&self, map: Map<'_>) -> bool {
        self.chunks(map) < self.capacity_chunks(map)
    }

    /// Allocates the next step of the file, unless another process has grown it beyond `seen` chunks meanwhile.
    /// `false` where `cloakroom.size` is reached. Call without any shard lock: it may take milliseconds.
    pub(crate) fn grow(&self, seen: u32) -> Result<bool, Error> {
        let io = |source| Error::Io { what: "grow the store", source };
        let limit = Duration::from_secs(5);
        let _threads = self.grow.lock();
        if !byte_lock::exclusive_within(&self.file.file, Byte::Attach, limit).map_err(io)? {
            return Err(Error::Stuck { pid: 0, waited: limit });
        }
        let grown = self.grow_locked(seen);
        byte_lock::unlock(&self.file.file, Byte::Attach);
        grown
    }

    fn grow_locked(&self, seen: u32) -> Result<bool, Error> {
        let map = self.map()?;
        let chunks = self.chunks(map);
        if chunks > seen {
            return Ok(true);
        }
        let limit = self.capacity_chunks(map);
        // To the next huge page: on tmpfs each is cleared here, in somebody's request, which takes half a millisecond.
        // Small stores grow in smaller steps, so that the warning comes in time.
        let step = (limit / 16).clamp(1, HUGE_CHUNKS);
        let mut step = (step - chunks % step).min(limit.saturating_sub(chunks));
        if step == 0 {
            return Ok(false);
        }
        // A disk that is nearly full may still have room for a smaller step.
        let more = loop {
            let more = chunks + step;
            let table = u64::from(chunks) * 4 / 4096 * 4096;
            let done = self
                .file
                .allocate(TABLE_AT + table, u64::from(more) * 4 - table)
                .and_then(|()| self.file.allocate(file_len(chunks), u64::from(step) * CHUNK));
            match done {
                Ok(()) => break more,
                Err(_) if step > 1 => step /= 2,
                Err(source) if matches!(source.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT | libc::EFBIG)) => {
                    return Err(Error::NoSpace { used: self.fixed_bytes(map) + u64::from(chunks) * CHUNK });
                }
                Err(source) => return Err(Error::Io { what: "grow the store", source }),
            }
        };
        map.u32(header::CHUNKS).store(more, Ordering::Release);
        self.warn_when_filling(map, more, limit);
        self.map()?;
        Ok(true)
    }

    /// Notes once a capacity that four fifths of it are taken.
    fn warn_when_filling(&self, map: Map<'_>, chunks: u32, limit: u32) {
        let capacity = map.u64(header::CAPACITY).load(Ordering::Relaxed);
        if u64::from(chunks) * 5 >= u64::from(limit) * 4 && self.warned_at.swap(capacity, Ordering::Relaxed) != capacity
        {
            self.note(format!(
                "the session store {} has taken {} % of the {} MiB it may take; raise cloakroom.size before it is full",
                self.file.path.display(),
                u64::from(chunks) * 100 / u64::from(limit.max(1)),
                capacity >> 20
            ));
        }
    }

    /// Seconds of the store clock: CLOCK_BOOTTIME carried on over reboots.
    pub(crate) fn now(&self, map: Map<'_>) -> u32 {
        self.wall_and_now(map).1
    }

    /// Seconds of the wall clock and of the store clock.
    pub(crate) fn wall_and_now(&self, map: Map<'_>) -> (u32, u32) {
        let base = map.u64(header::CLOCK_BASE).load(Ordering::Relaxed);
        let boot = map.u64(header::CLOCK_BOOT).load(Ordering::Relaxed);
        let (wall, now) = self.clock.wall_and_boot();
        let seconds = base.saturating_add(now.saturating_sub(boot));
        (wall, u32::try_from(seconds).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MIN_CAPACITY, Options};

    #[test]
    fn no_chunk_is_taken_beyond_the_mapping() {
        let directory = tempfile::tempdir().expect("a directory");
        let options = Options { capacity: Some(MIN_CAPACITY), user: None };
        let store = Store::attach(directory.path(), options).expect("a store");
        let short = store.map().expect("a mapping");
        // Somebody else attaches with a larger capacity, and the file grows while this mapping is in use.
        short.u64(header::CAPACITY).store(4 * MIN_CAPACITY, Ordering::Relaxed);
        while store.chunks(short) <= short.chunks() {
            assert!(store.grow(store.chunks(short)).expect("room on the disk"));
        }
        let mut taken = 0;
        while let Some((chunk, _)) = store.take_chunk(short, 0) {
            assert!(chunk < short.chunks(), "chunk {chunk} of {}", short.chunks());
            taken += 1;
        }
        assert!(taken > 0);
    }
}
