//! Structured damage to the image of a store file: bytes are read as a list of edits, each of which names a structure
//! of the file, a field of it and a value that is likely to matter there, such as a reference to another node or the
//! name of an owner slot. Whoever can write the file knows its secret, so checksums can be made to match what was written.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};
use twox_hash::XxHash3_64;

use super::harness::image::{Image, PAGE};
use super::layout::{
    CHUNK_UNITS, CHUNKS_AT, Ref, SLOT_SIZE, SLOTS_AT, TABLE_AT, UNIT, block, chunk_ref, directory_at, header, node,
    offset, shard, shard_at, slot,
};
use super::words::{ChunkState, Head, NodeState, Owner};

/// Bytes of one edit.
pub(crate) const EDIT: usize = 12;
/// Most edits of one input.
pub(crate) const MOST_EDITS: usize = 24;

/// Bits of an input's first byte.
pub(crate) mod choice {
    /// Make the header's checksum match.
    pub(crate) const SEAL_HEADER: u8 = 1;
    /// Make the checksums of edited nodes match.
    pub(crate) const SEAL_NODES: u8 = 2;
    /// Make the checksums of the payloads of edited nodes match: any payload may then read.
    pub(crate) const FORGE: u8 = 4;
    /// Attach while another process has the store attached.
    pub(crate) const NOT_ALONE: u8 = 8;
    /// Unless one of these is set, recover the store once more when all is done.
    pub(crate) const ONCE_MORE: u8 = 16 | 32;
}

/// Where the structures lie that are in use in an image.
pub(crate) struct Atlas {
    pub(crate) nodes: Vec<Ref>,
    pub(crate) blocks: Vec<Ref>,
    buckets: Vec<Ref>,
    chunks: u32,
}

/// A damaged image.
pub(crate) struct Damaged {
    pub(crate) image: Image,
    /// Whether payloads were forged.
    pub(crate) forged: bool,
}

fn word32(image: &Image, at: u64) -> u32 {
    let page = image.page(at / PAGE as u64 * PAGE as u64);
    let from = (at % PAGE as u64) as usize;
    page.get(from..from + 4).map_or(0, |bytes| bytes.iter().rev().fold(0, |word, byte| word << 8 | u32::from(*byte)))
}

fn word64(image: &Image, at: u64) -> u64 {
    u64::from(word32(image, at + 4)) << 32 | u64::from(word32(image, at))
}

fn bytes(image: &Image, at: u64, len: u64) -> Vec<u8> {
    (at..at + len).map(|place| image.page(place / PAGE as u64 * PAGE as u64)[place as usize % PAGE]).collect()
}

/// A word at a multiple of 4 within the image; what lies outside is left alone.
fn put(image: &mut Image, at: u64, value: u32) {
    if at + 4 <= image.len {
        image.set(at / 4 * 4, &value.to_le_bytes());
    }
}

impl Atlas {
    pub(crate) fn of(image: &Image) -> Atlas {
        let chunks = word32(image, header::CHUNKS);
        let (mut nodes, mut blocks, mut buckets) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        for chunk in 0..chunks {
            match ChunkState::decode(word32(image, TABLE_AT + 4 * u64::from(chunk))) {
                Some(ChunkState::Nodes(_)) => {
                    for i in 1..CHUNK_UNITS / node::UNITS {
                        let place = chunk_ref(chunk) + i * node::UNITS;
                        let head = Head(word64(image, offset(place) + node::HEAD));
                        if head.state() != NodeState::Free {
                            nodes.push(place);
                            blocks.extend(chain(image, head.block()));
                        }
                    }
                    // And some that are free.
                    nodes.extend((1..4).map(|i| chunk_ref(chunk) + CHUNK_UNITS - i * node::UNITS));
                }
                Some(ChunkState::Data(_)) => _ = blocks.insert(chunk_ref(chunk) + 4),
                _ => {}
            }
        }
        let shards = word32(image, header::SHARDS);
        for id in 0..shards {
            for entry in 0..1u64 << word32(image, shard_at(id) + shard::DEPTH).min(4) {
                buckets.insert(word32(image, directory_at(id) + 4 * entry));
            }
            for bin in 0..104 {
                blocks.insert(word32(image, shard_at(id) + shard::BINS + 4 * bin));
            }
            for spare in 0..u64::from(shard::SPARE_COUNT) {
                blocks.insert(word32(image, shard_at(id) + shard::SPARES + 8 * spare));
            }
        }
        blocks.remove(&0);
        buckets.remove(&0);
        Atlas { nodes, blocks: blocks.into_iter().collect(), buckets: buckets.into_iter().collect(), chunks }
    }
}

/// The blocks of a payload of the undamaged image.
fn chain(image: &Image, first: Ref) -> Vec<Ref> {
    let mut all = Vec::new();
    let mut place = first;
    while place != 0 && all.len() < 1000 {
        all.push(place);
        place = word32(image, offset(place) + block::NEXT);
    }
    all
}

/// The one of `all` that a number from an input chooses.
fn one(all: &[Ref], number: u32) -> Ref {
    all.get(number as usize % all.len().max(1)).copied().unwrap_or(0)
}

/// One edit as an input spells it.
struct Edit {
    operation: u8,
    structure: u8,
    which: u32,
    field: u32,
    kind: u8,
    other: u32,
    literal: u32,
}

impl Edit {
    fn of(bytes: &[u8; EDIT]) -> Edit {
        let [operation, structure, a, b, field, kind, c, d, e, f, g, h] = *bytes;
        Edit {
            operation,
            structure,
            which: u32::from(u16::from_le_bytes([a, b])),
            field: u32::from(field),
            kind,
            other: u32::from(u16::from_le_bytes([c, d])),
            literal: u32::from_le_bytes([e, f, g, h]),
        }
    }

    /// Where the structure begins of which a word is set, and the node that it is, if so.
    fn place(&self, atlas: &Atlas) -> (u64, Option<Ref>) {
        let which = u64::from(self.which);
        let at = match self.structure % 10 {
            0 => 0,
            1 => SLOTS_AT + which % 10 * SLOT_SIZE,
            2 => shard_at(self.which % 5),
            3 => {
                let place = one(&atlas.nodes, self.which);
                return (offset(place), Some(place));
            }
            4 => offset(one(&atlas.blocks, self.which)),
            5 => offset(one(&atlas.buckets, self.which)),
            6 => directory_at(self.which % 5),
            7 => TABLE_AT + which % (u64::from(atlas.chunks) + 2) * 4,
            8 => offset(chunk_ref(self.which % atlas.chunks.max(1))),
            // The last word of a free block.
            _ => offset(one(&atlas.blocks, self.which)) + UNIT - 4,
        };
        (at, None)
    }

    /// Offset of the word within the structure.
    fn word(&self) -> u64 {
        const HEADER: [u64; 24] = [
            header::MAGIC,
            header::MAGIC + 4,
            header::FORMAT,
            header::FINGERPRINT,
            header::SHARDS,
            header::CHECK,
            header::INCARNATION,
            header::INCARNATION + 4,
            header::SECRET,
            header::SECRET + 28,
            header::BOOT_ID,
            header::DEVICE,
            header::INODE,
            header::CLOCK_BASE,
            header::CLOCK_BASE + 4,
            header::CLOCK_BOOT,
            header::CLOCK_BOOT + 4,
            header::RECOVERIES,
            header::CAPACITY,
            header::CAPACITY + 4,
            header::CHUNKS,
            header::RELOCATION,
            header::SLOTS,
            header::CHUNK_HINT,
        ];
        const SLOT: [u64; 14] = [
            slot::STATE,
            slot::GENERATION,
            slot::WAKE,
            slot::WAITING,
            slot::NEXT,
            slot::TICKET,
            slot::TICKET + 4,
            slot::SCRIPT_LEN,
            slot::LEASES,
            slot::LEASES + 4,
            slot::LEASES + 8,
            slot::LEASES + 12,
            slot::SINCE + 4,
            slot::COUNTERS + 4,
        ];
        let field = u64::from(self.field);
        let listed = |all: &[u64]| all.get(self.field as usize % all.len()).copied().unwrap_or(0);
        match self.structure % 10 {
            0 => listed(&HEADER),
            1 => listed(&SLOT),
            // Every word up to the bins, and these; the odd fields are the many words below.
            2 => field % 156 * 4,
            // Every word; the last third, which came later, for the highest numbers.
            3 if field >= 192 => (24 + field % 8) * 4,
            3 => field % 24 * 4,
            4 => field % 6 * 4,
            5 => field % 64 * 4,
            6 => field % 16 * 4,
            8 => field % 64 * 4,
            _ => 0,
        }
    }

    /// The value to be written where `old` stands.
    fn value(&self, image: &Image, atlas: &Atlas, old: u32) -> u32 {
        let small = self.literal % 8;
        match self.kind % 16 {
            0 => self.literal,
            1 => small,
            2 => u32::MAX - small,
            3 => one(&atlas.nodes, self.other),
            4 => one(&atlas.blocks, self.other),
            5 => one(&atlas.buckets, self.other),
            6 => chunk_ref(self.other % (atlas.chunks + 2)) + small,
            7 => one(&atlas.nodes, self.other) + 1,
            8 | 9 => {
                // An owner slot's name: as it is now, or as it will be when it was taken next.
                let slot = self.other % 9;
                let generation = word32(image, SLOTS_AT + u64::from(slot) * SLOT_SIZE + 4).wrapping_add(small);
                let waiters = if self.kind % 16 == 9 { Owner::WAITERS } else { 0 };
                Owner::new(slot, generation).0 | waiters
            }
            10 => old ^ 1 << (self.literal % 32),
            11 => old.wrapping_add(small).wrapping_sub(3),
            12 => match self.other % 6 {
                0 => ChunkState::Released.encode(),
                1 => ChunkState::Claimed(small).encode(),
                2 => ChunkState::Nodes(small).encode(),
                3 => ChunkState::Data(small).encode(),
                4 => ChunkState::Index(small).encode(),
                _ => 7 | small << 8,
            },
            // Both ends of a wait queue.
            13 => (self.other % 9 + 1) | (small + 1) << 16,
            14 => old & !3 | small & 3,
            _ => 0,
        }
    }
}

fn page_at(image: &Image, number: u32) -> u64 {
    image.pages.get(number as usize % image.pages.len().max(1)).map_or(0, |(at, _)| *at)
}

/// Damages `image` as `bytes` say, which are [`MOST_EDITS`] times [`EDIT`] at most.
pub(crate) fn damage(image: &Image, atlas: &Atlas, choices: u8, bytes: &[u8]) -> Damaged {
    let mut image = image.clone();
    let mut edited = BTreeSet::new();
    for spelled in bytes.as_chunks::<EDIT>().0.iter().take(MOST_EDITS) {
        let edit = Edit::of(spelled);
        match edit.operation % 16 {
            0 => {
                let (from, to) = (page_at(&image, edit.which), page_at(&image, edit.other));
                let page = image.page(from);
                image.set(to, &page);
            }
            1 => {
                let (one, two) = (page_at(&image, edit.which), page_at(&image, edit.other));
                let (first, second) = (image.page(one), image.page(two));
                image.set(one, &second);
                image.set(two, &first);
            }
            2 => {
                let at = page_at(&image, edit.which);
                image.set(at, &[0; PAGE]);
            }
            3 => {
                // Mostly near what matters: a few pages less than it should be, or cut in the fixed parts.
                let len = match edit.kind % 4 {
                    0 => image.len.saturating_sub(u64::from(edit.other) % 600 * 1024),
                    1 => u64::from(edit.literal) % CHUNKS_AT,
                    2 => u64::from(edit.other) % 5000,
                    _ => image.len + u64::from(edit.other) * 64,
                };
                image.len = len;
                image.pages.retain(|(at, _)| *at < len);
            }
            4 => {
                let at = page_at(&image, edit.which) + u64::from(edit.other) % PAGE as u64 / 4 * 4;
                let value = word32(&image, at) ^ 1 << (edit.literal % 32);
                put(&mut image, at, value);
            }
            _ => {
                let (at, is_node) = edit.place(atlas);
                let at = at + edit.word();
                let value = edit.value(&image, atlas, word32(&image, at));
                put(&mut image, at, value);
                edited.extend(is_node);
            }
        }
    }
    if choices & choice::FORGE != 0 {
        edited.iter().for_each(|place| seal_payload(&mut image, *place));
    }
    if choices & (choice::SEAL_NODES | choice::FORGE) != 0 {
        edited.iter().for_each(|place| seal_node(&mut image, *place));
    }
    if choices & choice::SEAL_HEADER != 0 {
        seal_header(&mut image);
    }
    Damaged { image, forged: choices & choice::FORGE != 0 }
}

fn write64(image: &mut Image, at: u64, value: u64) {
    put(image, at, value as u32);
    put(image, at + 4, (value >> 32) as u32);
}

/// What only who knows the secret can compute.
fn derive(image: &Image, purpose: &[u8], counter: u8) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(bytes(image, header::SECRET, 32));
    hash.update([counter]);
    hash.update(purpose);
    hash.finalize().into()
}

/// Makes the header's checksum match its constant fields.
pub(crate) fn seal_header(image: &mut Image) {
    let mut constant = bytes(image, 0, header::CHECK);
    constant.extend(bytes(image, header::SECRET, 32));
    write64(image, header::CHECK, XxHash3_64::oneshot(&constant));
}

/// Makes the checksum of the node at `place` match.
pub(crate) fn seal_node(image: &mut Image, place: Ref) {
    let at = offset(place);
    let mut identity = bytes(image, at + node::KEY, 24);
    identity.extend(u64::from(word32(image, at + node::CREATED)).to_le_bytes());
    let [a, b, c, d, e, f, g, h, ..] = derive(image, b"checksum seed", 0);
    let seed = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    write64(image, at + node::CHECK, XxHash3_64::oneshot_with_seed(seed, &identity));
}

/// Makes the checksum of the payload match that the node at `place` names, where it is one block.
fn seal_payload(image: &mut Image, place: Ref) {
    let at = offset(place);
    let head = Head(word64(image, at + node::HEAD));
    let first = offset(head.block());
    let length = u64::from(word32(image, first + block::BYTES));
    if head.block() == 0 || length > 130_000 || first + block::HEADER + length > image.len {
        return;
    }
    put(image, first + block::NEXT, 0);
    put(image, first + block::TOTAL, length as u32);
    let mut secret = Vec::new();
    for counter in 0..6 {
        secret.extend(derive(image, b"checksum secret", counter));
    }
    let payload = bytes(image, first + block::HEADER, length);
    let hash = XxHash3_64::oneshot_with_secret(&secret, &payload).unwrap_or_default();
    let mut bound = hash.to_le_bytes().to_vec();
    bound.extend(bytes(image, at + node::KEY, 24));
    bound.extend(u64::from(head.version()).to_le_bytes());
    write64(image, first + block::CHECK, XxHash3_64::oneshot(&bound));
}
