//! How much the store may take, and how its file grows: the capacity that its processes ask for, and the right to change the
//! file as a whole.
//!
//! Locks: the [`AttachGuard`], which comes before session and shard locks; never wait for it with a shard lock in hand.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use parking_lot::MutexGuard;

use crate::core::owner_slot::SlotView;
use crate::core::store::Store;
use crate::file::byte_lock::{self, Byte};
use crate::file::error::Error;
use crate::file::layout::{CHUNK, SHARD_SIZE, TABLE_AT, file_len, header};
use crate::file::limits;
use crate::file::region::Map;
use crate::file::store_file::chunks_for;
use crate::file::words::Owner;

/// Chunks in 2 MiB.
const HUGE_CHUNKS: u32 = (2 << 20) / CHUNK as u32;

/// The right to change the file as a whole: to make it larger, to relocate it, to remove it. The lock on the attach byte keeps
/// other processes away, and as locks of one process do not conflict with each other, a mutex keeps its threads apart.
pub(crate) struct AttachGuard<'a> {
    store: &'a Store,
    _threads: MutexGuard<'a, ()>,
}

impl Drop for AttachGuard<'_> {
    fn drop(&mut self) {
        // Before the mutex is given back: the next thread may lock the byte at once.
        byte_lock::unlock(&self.store.file.file, Byte::Attach);
    }
}

impl Store {
    /// Has this process ask for `capacity` bytes from now on.
    pub(crate) fn ask_for(&self, capacity: u64) {
        self.asked.store(capacity, Ordering::Relaxed);
        let map = self.region.map();
        for index in self.own_slots() {
            self.announce_capacity(map, SlotView::new(map, index));
        }
        self.settle_capacity();
    }

    /// Writes what this process asks for into its owner slot, and raises the capacity where that is more.
    pub(crate) fn announce_capacity(&self, map: Map<'_>, view: SlotView<'_>) {
        let asked = self.asked.load(Ordering::Relaxed);
        view.asked().store(asked, Ordering::Relaxed);
        map.u64(header::CAPACITY).fetch_max(asked, Ordering::AcqRel);
    }

    /// Lowers the capacity to the most of what living processes ask for, where that is less than it is: a smaller
    /// `cloakroom.size` takes effect when the last process that asks for more has gone. Some system calls at most where another
    /// process asks for more than this one, else nothing. A process that asks for nothing changes nothing.
    pub fn settle_capacity(&self) {
        let map = self.region.map();
        let mine = self.asked.load(Ordering::Relaxed);
        let capacity = map.u64(header::CAPACITY);
        let seen = capacity.load(Ordering::Acquire);
        if mine == 0 || seen == mine || self.forked() || self.is_relocated(map) {
            return;
        }
        let mut most = mine;
        for index in 0..self.slots_allocated(map) {
            let view = SlotView::new(map, index);
            // A stray value is no reason to take a disk for larger than any store can be.
            let asked = view.asked().load(Ordering::Relaxed).min(crate::file::layout::MAX_CAPACITY);
            if asked > most && view.state().load(Ordering::Acquire) != 0 {
                let owner = Owner::new(index, view.generation().load(Ordering::Acquire));
                if !self.is_dead(map, owner) {
                    most = asked;
                }
            }
        }
        if most != seen {
            // Where another process was faster, its answer is as good, and the next look comes in a second.
            let _ = capacity.compare_exchange(seen, most, Ordering::AcqRel, Ordering::Relaxed);
        }
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

    /// The right to change the file as a whole, waited for no longer than `limit`; `None` when that is over.
    pub(crate) fn attach_guard(&self, limit: Duration) -> std::io::Result<Option<AttachGuard<'_>>> {
        let begun = Instant::now();
        let Some(threads) = self.attach.try_lock_for(limit) else { return Ok(None) };
        let left = limit.saturating_sub(begun.elapsed());
        if !byte_lock::exclusive_within(&self.file.file, Byte::Attach, left)? {
            return Ok(None);
        }
        Ok(Some(AttachGuard { store: self, _threads: threads }))
    }

    /// Allocates the next step of the file, unless another process has grown it beyond `seen` chunks meanwhile.
    /// `false` where `cloakroom.size` is reached. Call without any shard lock: it may take milliseconds.
    pub(crate) fn grow(&self, seen: u32) -> Result<bool, Error> {
        let io = |source| Error::Io { what: "grow the store", source };
        let limit = Duration::from_secs(5);
        let Some(_guard) = self.attach_guard(limit).map_err(io)? else {
            // A process that relocates the store has the guard for as long as copying takes.
            let relocated = self.is_relocated(self.region.map());
            return Err(if relocated { Error::Relocated } else { Error::Stuck { pid: 0, waited: limit } });
        };
        self.grow_locked(seen)
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
                Err(source) if is_no_space(&source) => return Err(self.no_space(map)),
                Err(source) => return Err(Error::Io { what: "grow the store", source }),
            }
        };
        map.u32(header::CHUNKS).store(more, Ordering::Release);
        self.warn_when_filling(map, more, limit);
        self.map()?;
        Ok(true)
    }

    /// Why the file cannot grow, where `cloakroom.size` lets it.
    pub(crate) fn no_space(&self, map: Map<'_>) -> Error {
        let chunks = self.chunks(map);
        let used = self.fixed_bytes(map) + u64::from(chunks) * CHUNK;
        match limits::longest_file() {
            Some(limit) if limit < file_len(chunks + 1) => Error::FileLimit { used, limit },
            _ => Error::NoSpace { used },
        }
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
}

/// Whether a file could not be made longer for want of room, and not for a failure.
fn is_no_space(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}
