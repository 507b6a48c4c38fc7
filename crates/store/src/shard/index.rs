//! The index of a shard: extendible hashing from keys to nodes.
//!
//! A directory of 2^depth bucket references (it doubles in place) leads to buckets of 1 KiB: 16 cache lines of 8
//! entries, the very first entry being the bucket's own depth and count. An entry is 32 bits of the key and the
//! node's reference; a key begins its search in the line its bits name and goes on to the next line while a line
//! has no empty entry. Growing splits one bucket at a time, so no insertion is ever slow.
//!
//! Readers take no lock: a hit is verified against the node's key, a miss counts only if `INDEX_SEQ` was even and
//! unchanged all the while. Writers hold the shard lock and make `INDEX_SEQ` odd whenever entries move. All of it is
//! derived from the nodes.

use std::sync::atomic::{AtomicU64, Ordering, fence};

use crate::core::store::Store;
use crate::file::layout::{
    CHUNK_UNITS, DIRS_AT, MAX_DEPTH, Ref, UNIT, chunk_ref, directory_at, directory_page, offset, shard,
};
use crate::file::region::Map;
use crate::file::words::{ChunkState, NodeState};
use crate::shard::guard::{Fault, Shard, ShardGuard};
use crate::shard::node::Node;
use cloakroom_seam::Key;

/// Bytes of a bucket.
const BUCKET: u64 = 1024;
/// Units of a bucket.
const BUCKET_UNITS: u32 = (BUCKET / UNIT) as u32;
const LINES: u64 = BUCKET / 64;
const LINE: u64 = 8;
/// Entries at which a bucket is split.
const SPLIT_AT: u64 = 112;
const EMPTY: u64 = 0;
/// An entry that was removed from a full line: searches go on behind it.
const REMOVED: u64 = 1;

fn tag(key: &Key) -> u32 {
    let (_, low) = key.to_words();
    low as u32
}

fn home(key: &Key) -> u64 {
    let (high, _) = key.to_words();
    (high >> 32) % LINES
}

fn entry(tag: u32, place: Ref) -> u64 {
    u64::from(tag) << 32 | u64::from(place)
}

fn word(map: Map<'_>, bucket: Ref, cell: u64) -> &AtomicU64 {
    map.u64(offset(bucket) + 8 * cell)
}

const _: () = assert!(CHUNK_UNITS.is_multiple_of(BUCKET_UNITS));

/// Slots of a bucket in the order in which a key that begins at line `home` is searched. Slot 0 is the header.
fn probe(home: u64) -> impl Iterator<Item = u64> {
    (0..LINES).map(move |i| (home + i) % LINES)
}

fn cells(line: u64) -> impl Iterator<Item = u64> {
    (line * LINE).max(1)..(line + 1) * LINE
}

impl Store {
    fn directory_entry(&self, map: Map<'_>, shard: u32, index: u32) -> u64 {
        debug_assert!(index < 1 << MAX_DEPTH && map.len() > DIRS_AT);
        directory_at(shard) + 4 * u64::from(index)
    }

    #[inline(always)]
    fn bucket(&self, map: Map<'_>, shard: u32, hash: u32) -> Option<Ref> {
        let depth = Shard::new(map, shard).word(shard::DEPTH).load(Ordering::Acquire).min(MAX_DEPTH);
        let at = self.directory_entry(map, shard, hash & ((1 << depth) - 1));
        let bucket = map.u32(at).load(Ordering::Acquire);
        // A chunk holds a whole number of buckets.
        let unit = self.unit_in(map, bucket, ChunkState::Index(shard))?;
        unit.is_multiple_of(BUCKET_UNITS).then_some(bucket)
    }

    /// The node of `key`, without any lock. `None` is proven absence.
    #[inline]
    pub(crate) fn lookup<'a>(&self, map: Map<'a>, shard: u32, key: &Key) -> Result<Option<Node<'a>>, Contended> {
        let seq = Shard::new(map, shard).word(shard::INDEX_SEQ);
        for _ in 0..64 {
            let before = seq.load(Ordering::Acquire);
            if let Some(node) = self.find(map, shard, key) {
                return Ok(Some(node));
            }
            let proven = self.is_whole_path(map, shard, key);
            fence(Ordering::Acquire);
            if proven && before.is_multiple_of(2) && seq.load(Ordering::Relaxed) == before {
                return Ok(None);
            }
            std::hint::spin_loop();
        }
        Err(Contended)
    }

    /// The node of `key`, as far as the index shows it at this moment.
    #[inline(always)]
    pub(crate) fn find<'a>(&self, map: Map<'a>, shard: u32, key: &Key) -> Option<Node<'a>> {
        let bucket = self.bucket(map, shard, tag(key))?;
        let bucket = map.window::<BUCKET>(offset(bucket));
        for line in probe(home(key)) {
            let words = bucket.part::<64>(line * 64);
            let mut has_empty = false;
            // The very first cell is the header.
            for cell in u64::from(line == 0)..LINE {
                let found = words.u64(cell * 8).load(Ordering::Acquire);
                if (found >> 32) as u32 == tag(key)
                    && found > REMOVED
                    && let Some(node) = self.node(map, shard, found as u32)
                    && node.key() == *key
                {
                    return Some(node);
                }
                has_empty |= found == EMPTY;
            }
            if has_empty {
                return None;
            }
        }
        None
    }

    /// Whether the way to where `key` would be found is whole, without which its absence is not proven: the directory leads to
    /// a bucket that is for such keys, or there is no index because the shard is empty.
    #[inline]
    fn is_whole_path(&self, map: Map<'_>, shard: u32, key: &Key) -> bool {
        let view = Shard::new(map, shard);
        let Some(bucket) = self.bucket(map, shard, tag(key)) else {
            return view.get(shard::LIVE) == 0 && view.get(shard::TOMBSTONES) == 0;
        };
        // A bucket that is less deep than the directory has several entries there, the first of which names it, too.
        let depth = word(map, bucket, 0).load(Ordering::Relaxed) as u32 & 0xff;
        depth <= view.get(shard::DEPTH).min(MAX_DEPTH)
            && self.bucket(map, shard, tag(key) & ((1 << depth) - 1)) == Some(bucket)
    }

    /// Calls `found` with the places that a search for `key` would look at. With `alone` the index pages that it takes to find them
    /// are met without their neighbours.
    pub(crate) fn prefault_index(&self, map: Map<'_>, shard: u32, key: &Key, alone: bool, mut found: impl FnMut(Ref)) {
        if alone {
            let depth = Shard::new(map, shard).word(shard::DEPTH).load(Ordering::Acquire).min(MAX_DEPTH);
            map.prefault(self.directory_entry(map, shard, tag(key) & ((1 << depth) - 1)));
        }
        let Some(bucket) = self.bucket(map, shard, tag(key)) else { return };
        if alone {
            map.prefault_wide(offset(bucket));
        }
        for line in probe(home(key)) {
            let mut has_empty = false;
            for cell in cells(line) {
                let entry = word(map, bucket, cell).load(Ordering::Acquire);
                has_empty |= entry == EMPTY;
                if (entry >> 32) as u32 == tag(key) && entry > REMOVED {
                    found(entry as u32);
                }
            }
            if has_empty {
                return;
            }
        }
    }
}

/// The index kept changing while it was searched: search under the shard lock.
pub(crate) struct Contended;

impl<'a> ShardGuard<'a> {
    /// Fails where the index is half-changed and no thread died in that, or does not lead to where `key` would be: a thread that
    /// has the shard lock finds a whole one.
    pub(crate) fn whole_index(&self, key: &Key) -> Result<(), Fault> {
        if !self.shard.get(shard::INDEX_SEQ).is_multiple_of(2) {
            return Err(Fault::Damaged("the index says that it is being changed"));
        }
        if !self.store.is_whole_path(self.map, self.shard.id, key) {
            return Err(Fault::Damaged("the index directory leads astray"));
        }
        Ok(())
    }

    /// The node of `key`, which a session or tombstone is in.
    pub(crate) fn find_session(&self, key: &Key) -> Result<Option<Node<'a>>, Fault> {
        match self.find(key)? {
            Some(node) if node.head().state() == NodeState::Free => {
                Err(Fault::Damaged("the index leads to a free node"))
            }
            found => Ok(found),
        }
    }

    /// The node of `key`. `None` is proven absence.
    pub(crate) fn find(&self, key: &Key) -> Result<Option<Node<'a>>, Fault> {
        let found = self.store.find(self.map, self.shard.id, key);
        if found.is_none() {
            self.whole_index(key)?;
        }
        Ok(found)
    }

    /// Runs `change` with the index marked as changing.
    fn moving<T>(&self, change: impl FnOnce() -> T) -> T {
        let seq = self.shard.word(shard::INDEX_SEQ);
        let before = seq.load(Ordering::Relaxed);
        seq.store(before | 1, Ordering::Relaxed);
        fence(Ordering::Release);
        let result = change();
        seq.store((before | 1).wrapping_add(1), Ordering::Release);
        result
    }

    /// Adds `node` under its key, which the index does not hold.
    pub(crate) fn insert(&mut self, node: Node<'_>) -> Result<(), Fault> {
        let key = node.key();
        for _ in 0..=MAX_DEPTH + 1 {
            let Some(bucket) = self.store.bucket(self.map, self.shard.id, tag(&key)) else {
                return Err(Fault::Damaged("the index directory leads to no bucket"));
            };
            let header = word(self.map, bucket, 0).load(Ordering::Relaxed);
            if header >> 32 < SPLIT_AT && self.put(bucket, home(&key), entry(tag(&key), node.place)) {
                return Ok(());
            }
            self.split(bucket, tag(&key))?;
        }
        Err(Fault::Error(self.full()))
    }

    /// Puts an entry into the first usable cell from line `home` on.
    fn put(&self, bucket: Ref, home: u64, entry: u64) -> bool {
        let free =
            probe(home).flat_map(cells).find(|cell| word(self.map, bucket, *cell).load(Ordering::Relaxed) <= REMOVED);
        let Some(cell) = free else { return false };
        word(self.map, bucket, cell).store(entry, Ordering::Release);
        let header = word(self.map, bucket, 0);
        header.store(header.load(Ordering::Relaxed) + (1 << 32), Ordering::Relaxed);
        true
    }

    /// Removes the entry of `node`.
    pub(crate) fn remove(&self, node: Node<'_>) -> Result<(), Fault> {
        let key = node.key();
        let bucket = self.store.bucket(self.map, self.shard.id, tag(&key));
        let bucket = bucket.ok_or(Fault::Damaged("the index directory leads to no bucket"))?;
        let wanted = entry(tag(&key), node.place);
        for line in probe(home(&key)) {
            let values: [u64; LINE as usize] =
                std::array::from_fn(|i| word(self.map, bucket, line * LINE + i as u64).load(Ordering::Relaxed));
            let found = cells(line).find(|cell| word(self.map, bucket, *cell).load(Ordering::Relaxed) == wanted);
            let has_empty = cells(line).any(|cell| values.get((cell - line * LINE) as usize) == Some(&EMPTY));
            if let Some(cell) = found {
                let gone = if has_empty { EMPTY } else { REMOVED };
                word(self.map, bucket, cell).store(gone, Ordering::Release);
                let header = word(self.map, bucket, 0);
                header.store(header.load(Ordering::Relaxed).saturating_sub(1 << 32), Ordering::Relaxed);
                return Ok(());
            }
            if has_empty {
                break;
            }
        }
        Err(Fault::Damaged("a session node is not in the index"))
    }

    /// Divides a bucket by the next bit of its keys; doubles the directory first where that bit is new.
    fn split(&mut self, bucket: Ref, hash: u32) -> Result<(), Fault> {
        let header = word(self.map, bucket, 0).load(Ordering::Relaxed);
        let depth = (header as u32) & 0xff;
        let global = self.shard.get(shard::DEPTH).min(MAX_DEPTH);
        if depth > global {
            return Err(Fault::Damaged("an index bucket is deeper than the directory"));
        }
        if depth == MAX_DEPTH {
            return Err(Fault::Error(self.full()));
        }
        let fresh = self.take_bucket()?;
        if depth == global {
            self.double_directory(global)?;
        }
        let mut entries = [EMPTY; (LINES * LINE) as usize];
        let mut homes = [0u64; (LINES * LINE) as usize];
        let mut count = 0;
        for cell in 1..LINES * LINE {
            let value = word(self.map, bucket, cell).load(Ordering::Relaxed);
            if value > REMOVED {
                let node = self.node(value as u32)?;
                if let (Some(to), Some(line)) = (entries.get_mut(count), homes.get_mut(count)) {
                    (*to, *line) = (value, home(&node.key()));
                    count += 1;
                }
            }
        }
        let (low, bit) = (hash & ((1 << depth) - 1), 1u32 << depth);
        self.moving(|| {
            self.clear_bucket(fresh, depth + 1);
            self.clear_bucket(bucket, depth + 1);
            for (value, line) in entries.iter().zip(homes).take(count) {
                let target = if (value >> 32) as u32 & bit != 0 { fresh } else { bucket };
                self.put(target, line, *value);
            }
            // Every directory entry whose low bits lead here and whose next bit is set now leads to the new bucket.
            let depth_now = self.shard.get(shard::DEPTH).min(MAX_DEPTH);
            let mut index = low | bit;
            while index < 1 << depth_now {
                let at = self.store.directory_entry(self.map, self.shard.id, index);
                self.map.u32(at).store(fresh, Ordering::Release);
                index += bit << 1;
            }
        });
        Ok(())
    }

    fn clear_bucket(&self, bucket: Ref, depth: u32) {
        for cell in 1..LINES * LINE {
            word(self.map, bucket, cell).store(EMPTY, Ordering::Relaxed);
        }
        word(self.map, bucket, 0).store(u64::from(depth), Ordering::Relaxed);
    }

    fn double_directory(&self, depth: u32) -> Result<(), Fault> {
        let (entries, bytes) = (1u32 << depth, 4u64 << depth);
        let start = directory_at(self.shard.id);
        // The first page was allocated when the store was made.
        if start + bytes * 2 > directory_page(self.shard.id) + 4096 {
            self.store.file.allocate(start, bytes * 2).map_err(|_| Fault::Error(self.full()))?;
        }
        for index in 0..entries {
            let from = self.store.directory_entry(self.map, self.shard.id, index);
            let to = self.store.directory_entry(self.map, self.shard.id, index + entries);
            self.map.u32(to).store(self.map.u32(from).load(Ordering::Relaxed), Ordering::Relaxed);
        }
        self.shard.word(shard::DEPTH).store(depth + 1, Ordering::Release);
        Ok(())
    }

    /// A free bucket, from another chunk where there is none.
    fn take_bucket(&mut self) -> Result<Ref, Fault> {
        loop {
            let head = self.shard.get(shard::FREE_BUCKETS);
            if head != 0 {
                if !self.store.within(self.map, head, BUCKET_UNITS, ChunkState::Index(self.shard.id)) {
                    return Err(Fault::Damaged("the list of free index buckets leads elsewhere"));
                }
                self.shard.set(shard::FREE_BUCKETS, word(self.map, head, 1).load(Ordering::Relaxed) as u32);
                return Ok(head);
            }
            if let Some((chunk, _)) = self.store.take_chunk(self.map, self.shard.id) {
                self.store.set_chunk_state(self.map, chunk, ChunkState::Index(self.shard.id));
                self.adopt_index_chunk(chunk);
            } else {
                self.ask_for_growth()?;
                self.ask_other_shards()?;
                return Err(Fault::Error(self.full()));
            }
        }
    }

    /// Puts all buckets of an index chunk on the free list.
    pub(crate) fn adopt_index_chunk(&self, chunk: u32) {
        for i in (0..CHUNK_UNITS / BUCKET_UNITS).rev() {
            let bucket = chunk_ref(chunk) + i * BUCKET_UNITS;
            word(self.map, bucket, 1).store(u64::from(self.shard.get(shard::FREE_BUCKETS)), Ordering::Relaxed);
            self.shard.set(shard::FREE_BUCKETS, bucket);
        }
    }

    /// Begins an empty index.
    pub(crate) fn clear_index(&mut self) -> Result<(), Fault> {
        let first = self.take_bucket()?;
        self.clear_bucket(first, 0);
        self.map.u32(self.store.directory_entry(self.map, self.shard.id, 0)).store(first, Ordering::Release);
        self.shard.word(shard::DEPTH).store(0, Ordering::Release);
        Ok(())
    }

    /// Leaves the shard without an index, as one that never had a session.
    pub(crate) fn forget_index(&self) {
        self.shard.word(shard::DEPTH).store(0, Ordering::Release);
        self.map.u32(self.store.directory_entry(self.map, self.shard.id, 0)).store(0, Ordering::Release);
    }

    /// Whether the shard has an index yet.
    pub(crate) fn has_index(&self) -> bool {
        self.store.bucket(self.map, self.shard.id, 0).is_some()
    }

    /// Entries in the index, each of which `visit` gets; for checks.
    pub(crate) fn entries(&self, mut visit: impl FnMut(Ref)) -> Result<u64, &'static str> {
        let depth = self.shard.get(shard::DEPTH);
        if depth > MAX_DEPTH {
            return Err("the index directory is too deep");
        }
        let mut total = 0;
        for index in 0..1u32 << depth {
            let bucket =
                self.store.bucket(self.map, self.shard.id, index).ok_or("a directory entry leads to no bucket")?;
            let header = word(self.map, bucket, 0).load(Ordering::Relaxed);
            let local = header as u32 & 0xff;
            if local > depth {
                return Err("an index bucket is deeper than the directory");
            }
            if index >= 1 << local {
                let low = self.store.bucket(self.map, self.shard.id, index & ((1 << local) - 1));
                if low != Some(bucket) {
                    return Err("two directory entries of one bucket lead to different buckets");
                }
                continue;
            }
            let mut count = 0;
            for cell in 1..LINES * LINE {
                let value = word(self.map, bucket, cell).load(Ordering::Relaxed);
                if value > REMOVED {
                    count += 1;
                    if (value >> 32) as u32 & ((1 << local) - 1) != index {
                        return Err("an index entry is in the wrong bucket");
                    }
                    visit(value as u32);
                }
            }
            if count != header >> 32 {
                return Err("an index bucket has another number of entries than it says");
            }
            total += count;
        }
        Ok(total)
    }
}
