//! Reading and writing a payload's chain of blocks, and its checksum. Takes no lock: a writer owns an unpublished
//! chain, a reader checks afterwards that the session's head is still the one that led it here.

use std::sync::atomic::Ordering;

use twox_hash::XxHash3_64;

use crate::core::store::Store;
use crate::file::layout::{CHUNK_UNITS, Ref, UNIT, block, offset};
use crate::file::region::Map;
use crate::file::words::ChunkState;
use crate::shard::free_space::units_for;
use cloakroom_seam::Room;
use cloakroom_seam::{Key, MAX_PAYLOAD};

/// The most blocks a chain may have: a payload of the largest size in the smallest fragments.
pub(crate) const MAX_BLOCKS: u32 = (MAX_PAYLOAD / 232) as u32 + 2;

const _: () = assert!(MAX_PAYLOAD < 1 << block::TOTAL_BITS);

/// What a payload's checksum binds it to: torn, stale or foreign bytes do not match.
#[derive(Clone, Copy)]
pub(crate) struct Binding {
    pub(crate) key: Key,
    pub(crate) incarnation: u64,
    pub(crate) version: u32,
}

impl Binding {
    /// Changes the hash of the bytes into one of bytes, session and version.
    #[inline(always)]
    pub(crate) fn bind(self, hash: u64) -> u64 {
        let (a, b) = self.key.to_words();
        let mut bytes = [0u8; 40];
        for (to, word) in bytes.chunks_exact_mut(8).zip([hash, a, b, self.incarnation, u64::from(self.version)]) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        XxHash3_64::oneshot(&bytes)
    }
}

/// Copies `payload` into the chain at `first`, which was allocated for its length and belongs to the caller.
#[inline]
pub(crate) fn write_chain(map: Map<'_>, first: Ref, payload: &[u8]) {
    if first != 0
        && map.window::<UNIT>(offset(first)).u32(block::BYTES).load(Ordering::Relaxed) as usize == payload.len()
    {
        map.write(offset(first) + block::HEADER, payload);
    } else {
        write_blocks(map, first, payload);
    }
}

/// [`write_chain`] of a payload in several blocks, or of none.
#[inline(never)]
fn write_blocks(map: Map<'_>, first: Ref, payload: &[u8]) {
    let (mut place, mut rest) = (first, payload);
    while !rest.is_empty() && place != 0 {
        let bytes = map.window::<UNIT>(offset(place)).u32(block::BYTES).load(Ordering::Relaxed) as usize;
        let (now, later) = rest.split_at(bytes.min(rest.len()));
        map.write(offset(place) + block::HEADER, now);
        place = map.window::<UNIT>(offset(place)).u32(block::NEXT).load(Ordering::Relaxed);
        rest = later;
    }
}

/// XXH3 of a payload, for [`seal`]; about 26 ns for 1 KB where AVX2 is there.
pub(crate) fn hash(store: &Store, payload: &[u8]) -> u64 {
    // The secret has the length that the hash demands, so this cannot fail.
    XxHash3_64::oneshot_with_secret(&store.check_secret, payload).unwrap_or_default()
}

/// Completes the chain at `first`: from here on it verifies as the payload of `binding`.
#[inline]
pub(crate) fn seal(map: Map<'_>, first: Ref, hash: u64, binding: Binding) {
    map.window::<UNIT>(offset(first)).u32(block::VERSION).store(binding.version, Ordering::Relaxed);
    map.window::<UNIT>(offset(first)).u64(block::CHECK).store(binding.bind(hash), Ordering::Relaxed);
}

/// Length of the payload at `first` as its block says, which may be more than a payload may have: see [`block::TOTAL`]. The
/// caller checks it against the head afterwards.
pub(crate) fn total(map: Map<'_>, first: Ref) -> u32 {
    map.window::<UNIT>(offset(first)).u32(block::TOTAL).load(Ordering::Relaxed)
}

/// Why a chain could not be read. Either may be because the chain was freed while it was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The blocks are not what a chain of this length looks like.
    Shape,
    /// The bytes do not match their checksum.
    Checksum,
}

/// Copies the payload at `first` into `out`, which has its length, and verifies it.
pub(crate) fn read_chain(
    store: &Store,
    map: Map<'_>,
    shard: u32,
    first: Ref,
    binding: Binding,
    out: &mut Room<'_>,
) -> Result<(), Broken> {
    let data = ChunkState::Data(shard);
    let length = out.len() as u32;
    if length > 0
        && let Some(unit) = store.unit_in(map, first, data)
        && units_for(length) <= CHUNK_UNITS - unit
    {
        let words = map.window::<UNIT>(offset(first));
        let word = |field| words.u32(field).load(Ordering::Relaxed);
        if word(block::TOTAL) == length && word(block::BYTES) == length && word(block::NEXT) == 0 {
            if !map.read_into(offset(first) + block::HEADER, out.len(), out) {
                return Err(Broken::Shape);
            }
            let check = words.u64(block::CHECK).load(Ordering::Relaxed);
            return if binding.bind(hash(store, out.filled())) == check { Ok(()) } else { Err(Broken::Checksum) };
        }
    }
    read_blocks(store, map, data, first, binding, out)
}

/// [`read_chain`] of a payload in several blocks.
#[inline(never)]
fn read_blocks(
    store: &Store,
    map: Map<'_>,
    data: ChunkState,
    first: Ref,
    binding: Binding,
    out: &mut Room<'_>,
) -> Result<(), Broken> {
    let mut place = first;
    let check = {
        if !store.within(map, first, 1, data) || total(map, first) as usize != out.len() {
            return Err(Broken::Shape);
        }
        map.window::<UNIT>(offset(first)).u64(block::CHECK).load(Ordering::Relaxed)
    };
    for _ in 0..MAX_BLOCKS {
        if !store.within(map, place, 1, data) {
            return Err(Broken::Shape);
        }
        let bytes = map.window::<UNIT>(offset(place)).u32(block::BYTES).load(Ordering::Relaxed);
        let next = map.window::<UNIT>(offset(place)).u32(block::NEXT).load(Ordering::Relaxed);
        if bytes == 0 || !store.within(map, place, units_for(bytes), data) {
            return Err(Broken::Shape);
        }
        if !map.read_into(offset(place) + block::HEADER, bytes as usize, out) {
            return Err(Broken::Shape);
        }
        if out.is_full() {
            let hash = hash(store, out.filled());
            return if next == 0 && binding.bind(hash) == check { Ok(()) } else { Err(Broken::Checksum) };
        }
        place = next;
    }
    Err(Broken::Shape)
}

/// Walks the chain at `first`, calls `block` with each block's place and units, and with `verify` verifies the checksum.
/// The payload's length.
pub(crate) fn walk_chain(
    store: &Store,
    map: Map<'_>,
    shard: u32,
    first: Ref,
    verify: Option<Binding>,
    mut block: impl FnMut(Ref, u32) -> bool,
) -> Result<u32, Broken> {
    let data = ChunkState::Data(shard);
    if !store.within(map, first, 1, data) {
        return Err(Broken::Shape);
    }
    let total = total(map, first);
    if total as usize > MAX_PAYLOAD {
        return Err(Broken::Shape);
    }
    let (mut place, mut done) = (first, 0u32);
    for _ in 0..MAX_BLOCKS {
        if !store.within(map, place, 1, data) {
            return Err(Broken::Shape);
        }
        let bytes = map.window::<UNIT>(offset(place)).u32(block::BYTES).load(Ordering::Relaxed);
        let next = map.window::<UNIT>(offset(place)).u32(block::NEXT).load(Ordering::Relaxed);
        if bytes == 0 || bytes > total - done || !store.within(map, place, units_for(bytes), data) {
            return Err(Broken::Shape);
        }
        if !block(place, units_for(bytes)) {
            return Err(Broken::Shape);
        }
        done += bytes;
        if done == total {
            if next != 0 {
                return Err(Broken::Shape);
            }
            if let Some(binding) = verify {
                read_chain(store, map, shard, first, binding, &mut Room::over(&mut vec![0; total as usize]))?;
            }
            return Ok(total);
        }
        place = next;
    }
    Err(Broken::Shape)
}
