//! [`Store`]: an attached store, and what all its operations share.
//!
//! There is one `Store` a process and file ([`crate::attach::open`] keeps the registry). It holds no session state: all of
//! that is in the file.

use std::cell::Cell;
use std::ops::Deref;
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use cloakroom_seam::Key;
use parking_lot::Mutex;

use crate::core::clock::Clock;
use crate::core::extent::SLOTS_PER_PAGE;
use crate::core::key::{self, KeyMaker};
use crate::core::owner_slot::SlotView;
use crate::file::error::Error;
use crate::file::layout::{MAX_SLOTS, TABLE_AT, file_len, header};
use crate::file::region::{Map, Region};
use crate::file::store_file::StoreFile;
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
    pub(crate) made: AtomicBool,
    /// Whether it is in the place of one that this process removed because it was empty.
    pub(crate) remade: AtomicBool,
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
    /// The part of the [`crate::core::growth::AttachGuard`] that keeps the threads of this process apart.
    pub(crate) attach: Mutex<()>,
    /// Capacity in bytes that this process asks for; 0 = it takes what is there.
    pub(crate) asked: AtomicU64,
    /// What the header says of what nobody changes: see [`crate::attach::mend`].
    pub(crate) header: OnceLock<Vec<(u64, u64)>>,
    /// Chunks and owner slots that this process knows to be allocated: see [`crate::core::extent`].
    pub(crate) known_chunks: AtomicU32,
    pub(crate) known_slots: AtomicU32,
    clock: Clock,
    notes: Mutex<Vec<String>>,
    has_notes: AtomicBool,
    damaged: AtomicBool,
    pub(crate) warned_at: AtomicU64,
    /// Counts the small collections, to go through the shards in turn.
    pub(crate) collections: AtomicU32,
    /// The second in which the search for a free chunk last began anew.
    searched_anew: AtomicU32,
    /// The second in which a shard was last rebuilt because it had no room.
    pub(crate) rebuilt_for_room: AtomicU32,
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

impl Drop for Store {
    /// The thread that lets go of a store last leaves all owner slots of the process in order. There is no lease any more: each has a
    /// reference to the store.
    fn drop(&mut self) {
        let map = self.region.map();
        if self.forked() || self.is_relocated(map) {
            return;
        }
        for index in self.own_slots() {
            self.clear_slot(map, SlotView::new(map, index));
        }
    }
}

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
            made: AtomicBool::new(made),
            remade: AtomicBool::new(false),
            born: crate::file::process::token(),
            token: crate::file::process::token_word(),
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            own: [const { AtomicU64::new(0) }; MAX_SLOTS as usize / 64],
            leases: AtomicU32::new(0),
            claim: Mutex::new(()),
            attach: Mutex::new(()),
            asked: AtomicU64::new(0),
            header: OnceLock::new(),
            known_chunks: AtomicU32::new(0),
            // The first page is allocated when the store is made.
            known_slots: AtomicU32::new(SLOTS_PER_PAGE),
            clock: Clock::default(),
            notes: Mutex::new(Vec::new()),
            has_notes: AtomicBool::new(false),
            damaged: AtomicBool::new(false),
            warned_at: AtomicU64::new(0),
            collections: AtomicU32::new(0),
            searched_anew: AtomicU32::new(0),
            rebuilt_for_room: AtomicU32::new(0),
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

    /// Whether this store was relocated: [`Store::attach_relocated`] attaches its new file. Costs one load.
    #[must_use]
    pub fn relocated(&self) -> bool {
        self.is_relocated(self.region.map())
    }

    /// Whether operations on this store must go to its new file.
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

    /// Has the search for a free chunk begin with the first one, if it passes one over; at most once a second.
    pub(crate) fn search_anew(&self, map: Map<'_>) -> bool {
        let second = Clock::coarse_second();
        if self.searched_anew.swap(second, Ordering::Relaxed) == second {
            return false;
        }
        let chunks = self.chunks(map).min(map.chunks());
        let first = (0..chunks).find(|chunk| self.is_free_chunk(map, *chunk));
        first.is_some_and(|first| map.u32(header::CHUNK_HINT).fetch_min(first, Ordering::AcqRel) > first)
    }

    /// Gives a chunk back to all shards.
    pub(crate) fn release_chunk(&self, map: Map<'_>, chunk: u32) {
        self.set_chunk_state(map, chunk, ChunkState::Released);
        map.u32(header::CHUNK_HINT).fetch_min(chunk, Ordering::AcqRel);
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
        // Another process attaches with a larger capacity, and the file grows while this mapping is in use.
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
