//! Reading a store file of format 2: the sessions in it, for [`crate::attach::upgrade`] to put into a file of the present format.
//!
//! The file is nobody's any more and untrusted input. It is read with plain bounded reads and never written to: no mapping,
//! no locks, and of all that is derived (shard headers, index, lists) only one figure, as an estimate. A session counts if
//! its node's checksum holds under the store's secret, it lies in the shard of its key, and its payload matches its own
//! checksum. The payload of a retired session is left behind: no session of that format says which other one took its place, so
//! what may still be shown of it cannot be known.
//!
//! Records are laid out as they are now. What this module takes from [`crate::file::layout`] is held to format 2 by the
//! assertions below: where one fails, a later format differs there, and this module needs the old value as a constant of
//! its own.

use std::io;

use crate::core::store::Store;
use crate::file::error::Error;
use crate::file::layout::{
    CHUNK, CHUNK_UNITS, CHUNKS_AT, HEADER_SIZE, MAX_CHUNKS, MAX_SHARDS, Ref, TABLE_AT, UNIT, block, chunk_of,
    chunk_ref, flag, header, node, offset, shard, shard_at,
};
use crate::file::store_file::{StoreFile, bytes, word32, word64};
use crate::file::words::{ChunkState, Head, NodeState};
use crate::shard::guard::shard_among;
use crate::shard::node::identity;
use crate::shard::payload::{self, Binding, MAX_BLOCKS};
use cloakroom_seam::{Key, MAX_PAYLOAD};

/// The format that is read here, and its layout fingerprint. A file of format 2 with another one is a development build's.
pub(crate) const FORMAT: u32 = 2;
/// See [`FORMAT`].
pub(crate) const LAYOUT: u32 = 0xe6ef_42b0;

/// Flags of a session that are not about lists.
const KEPT: u32 = flag::RETURNED | flag::RETURNED_AGAIN | flag::EMPTIED;

const _: () = {
    assert!(UNIT == 64 && CHUNK == 128 << 10 && TABLE_AT == 0x25_0000 && CHUNKS_AT == 0x160_0000);
    assert!(header::SHARDS == 16 && header::INCARNATION == 64 && header::SECRET == 128 && header::BOOT_ID == 160);
    assert!(header::DEVICE == 176 && header::INODE == 184 && header::CLOCK_BASE == 192 && header::CLOCK_BOOT == 200);
    assert!(header::RECOVERIES == 208);
    assert!(node::SIZE == 128 && node::KEY == 8 && node::INCARNATION == 24 && node::HEAD == 32 && node::SEEN == 40);
    assert!(node::CHECK == 48 && node::CREATED == 56 && node::LIFETIME == 60 && node::FLAGS == 64);
    assert!(node::GRACE == 80 && node::ENDED == 88 && KEPT == 0b11001 && flag::RETURNED == 1 && flag::EMPTIED == 8);
    assert!(shard::PAYLOAD_BYTES == 8 && shard_at(0) == 0x21_0000 && shard_at(1) == 0x21_10c0);
    assert!(shard_at(31) == 0x22_fb40 && MAX_SHARDS == 64);
    assert!(block::HEADER == 24 && block::NEXT == 0 && block::BYTES == 4 && block::TOTAL == 8 && block::CHECK == 16);
    assert!(ChunkState::Nodes(1).encode() == 0x103 && ChunkState::Data(1).encode() == 0x104);
    assert!(ChunkState::Index(1).encode() == 0x105);
    assert!(Head::new(1, 1, NodeState::Live).0 == 1 << 32 | 0b101);
    assert!(Head::new(0, 0, NodeState::Tombstone).0 == 2 && Head::new(0, 0, NodeState::Retired).0 == 3);
};

/// What the header of a file of format 2 says.
pub(crate) struct Format2 {
    pub(crate) shards: u32,
    pub(crate) secret: [u8; 32],
    /// The next incarnation number.
    pub(crate) incarnation: u64,
    pub(crate) recoveries: u64,
    pub(crate) clock_base: u64,
    pub(crate) clock_boot: u64,
    /// The boot, the device and the inode under which the pages were last known to be right.
    pub(crate) boot_id: [u64; 2],
    pub(crate) device: u64,
    pub(crate) inode: u64,
}

impl Format2 {
    /// Reads a header page whose checksum holds. `None` where the number of shards cannot be.
    pub(crate) fn parse(page: &[u8]) -> Option<Format2> {
        let word = |at| word64(page, at);
        let mut secret = [0; 32];
        secret.copy_from_slice(bytes(page, header::SECRET, 32));
        let shards = word32(page, header::SHARDS);
        (shards.is_power_of_two() && shards <= MAX_SHARDS).then(|| Format2 {
            shards,
            secret,
            incarnation: word(header::INCARNATION),
            recoveries: word(header::RECOVERIES),
            clock_base: word(header::CLOCK_BASE),
            clock_boot: word(header::CLOCK_BOOT),
            boot_id: [word(header::BOOT_ID), word(header::BOOT_ID + 8)],
            device: word(header::DEVICE),
            inode: word(header::INODE),
        })
    }
}

/// A session, or what is remembered of one.
pub(crate) struct Record<'a> {
    pub(crate) key: Key,
    pub(crate) incarnation: u64,
    pub(crate) version: u32,
    /// Live, tombstone or retired.
    pub(crate) state: NodeState,
    /// Wall-clock second of expiry (high half), store-clock second of the last use (low half).
    pub(crate) seen: u64,
    pub(crate) created: u32,
    pub(crate) lifetime: u32,
    pub(crate) grace: u32,
    /// Returned, returned again, emptied.
    pub(crate) flags: u32,
    pub(crate) ended: u64,
    pub(crate) payload: &'a [u8],
    /// [`payload::hash`] of the payload.
    pub(crate) hash: u64,
}

impl Record<'_> {
    /// The head of a node that holds it with its payload at `block`.
    pub(crate) fn head(&self, block: Ref) -> Head {
        Head::new(block, self.version, self.state)
    }
}

/// Bytes that are read at once of a payload: most payloads are in them whole.
const WINDOW: usize = 4096;

/// Goes through a file of format 2.
pub(crate) struct Reader<'a> {
    file: &'a StoreFile,
    header: &'a Format2,
    /// A store with the same secret, which has the keys of the checksums ready.
    hasher: &'a Store,
    /// The chunk table.
    table: Vec<u32>,
    /// Whether the pages are what the last process left: then a tombstone whose checksum is stale is one all the same, as
    /// it is for a moment whenever a session is begun again in its node.
    trusted: bool,
    /// Bytes of payloads that may still be read. All payloads together are no longer than the file, unless they were made
    /// to share their blocks.
    patience: u64,
    payload: Vec<u8>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(
        file: &'a StoreFile,
        header: &'a Format2,
        hasher: &'a Store,
        trusted: bool,
    ) -> Result<Reader<'a>, Error> {
        let table = chunk_table(file).map_err(unread)?;
        let patience = 2 * (table.len() as u64 + 8) * CHUNK;
        Ok(Reader { file, header, hasher, table, trusted, patience, payload: Vec::new() })
    }

    /// Calls `visit` with everything that is whole, until that fails. How many sessions were not whole.
    pub(crate) fn each(&mut self, mut visit: impl FnMut(&Record<'_>) -> Result<(), Error>) -> Result<u64, Error> {
        let mut broken = 0;
        let mut nodes = vec![0; CHUNK as usize];
        for chunk in 0..self.table.len() as u32 {
            let entry = self.table.get(chunk as usize).copied().unwrap_or(0);
            let Some(ChunkState::Nodes(shard)) = ChunkState::decode(entry) else { continue };
            self.file.read_at(&mut nodes, offset(chunk_ref(chunk))).map_err(unread)?;
            // What would be the first node holds the link to the next chunk.
            for words in nodes.chunks_exact(node::SIZE as usize).skip(1) {
                let head = Head(word64(words, node::HEAD));
                if head.state() == NodeState::Free {
                    continue;
                }
                match self.record(words, head, shard).map_err(unread)? {
                    Some(record) => visit(&record)?,
                    None => broken += u64::from(head.state() != NodeState::Tombstone),
                }
            }
        }
        Ok(broken)
    }

    /// What the node with these bytes holds, if that is whole.
    fn record(&mut self, words: &[u8], head: Head, shard: u32) -> io::Result<Option<Record<'_>>> {
        let word = |at| word64(words, at);
        let key = Key::from_words(word(node::KEY), word(node::KEY + 8));
        let (incarnation, created) = (word(node::INCARNATION), word32(words, node::CREATED));
        let whole = word(node::CHECK) == identity(self.hasher.check_seed, key, incarnation, created);
        let is_tombstone = head.state() == NodeState::Tombstone;
        if !(whole || (self.trusted && is_tombstone)) || shard_among(&key, self.header.shards) != shard {
            return Ok(None);
        }
        let binding = Binding { key, incarnation, version: head.version() };
        self.payload.clear();
        let hash = match head.block() {
            first if first != 0 && head.state() == NodeState::Live => match self.read_payload(shard, first, binding)? {
                Some(hash) => hash,
                None => return Ok(None),
            },
            _ => 0,
        };
        Ok(Some(Record {
            key,
            incarnation,
            version: head.version(),
            state: head.state(),
            seen: word(node::SEEN),
            created,
            lifetime: word32(words, node::LIFETIME),
            grace: word32(words, node::GRACE),
            flags: word32(words, node::FLAGS) & KEPT,
            ended: word(node::ENDED),
            payload: &self.payload,
            hash,
        }))
    }

    /// Reads the payload at `first`; its hash, if it is that of `binding`.
    fn read_payload(&mut self, shard: u32, first: Ref, binding: Binding) -> io::Result<Option<u64>> {
        let mut window = [0; WINDOW];
        let (mut place, mut total, mut check) = (first, 0, 0);
        for _ in 0..MAX_BLOCKS {
            let Some(room) = self.room(place, shard) else { return Ok(None) };
            let at = offset(place);
            let got = room.min(WINDOW);
            self.file.read_at(window.get_mut(..got).unwrap_or_default(), at)?;
            if place == first {
                total = word32(&window, block::TOTAL) as usize;
                check = word64(&window, block::CHECK);
            }
            let length = word32(&window, block::BYTES) as usize;
            let done = self.payload.len();
            let end = block::HEADER as usize + length;
            let left = self.patience.checked_sub(end as u64);
            let fits = length > 0 && end <= room && total <= MAX_PAYLOAD && length <= total.saturating_sub(done);
            let Some(left) = left.filter(|_| fits) else { return Ok(None) };
            self.patience = left;
            self.payload.extend_from_slice(window.get(block::HEADER as usize..end.min(got)).unwrap_or_default());
            if end > got {
                let read = self.payload.len();
                self.payload.resize(done + length, 0);
                self.file.read_at(self.payload.get_mut(read..).unwrap_or_default(), at + got as u64)?;
            }
            place = word32(&window, block::NEXT);
            if self.payload.len() == total {
                let hash = payload::hash(self.hasher, &self.payload);
                return Ok((place == 0 && binding.bind(hash) == check).then_some(hash));
            }
        }
        Ok(None)
    }

    /// Bytes from `place` to the end of its chunk, if that is a data chunk of `shard`.
    fn room(&self, place: Ref, shard: u32) -> Option<usize> {
        let chunk = chunk_of(place)?;
        let is_data = *self.table.get(chunk as usize)? == ChunkState::Data(shard).encode();
        is_data.then(|| ((chunk_ref(chunk) + CHUNK_UNITS - place) as u64 * UNIT) as usize)
    }
}

fn unread(source: io::Error) -> Error {
    Error::Io { what: "read the store's old file", source }
}

/// The entries of the chunks that the file has.
fn chunk_table(file: &StoreFile) -> io::Result<Vec<u32>> {
    let length = file.len().map_err(|e| io::Error::other(e.to_string()))?;
    let chunks = length.saturating_sub(CHUNKS_AT).div_ceil(CHUNK).min(u64::from(MAX_CHUNKS));
    let mut table = vec![0; 4 * chunks as usize];
    file.read_at(&mut table, TABLE_AT)?;
    Ok(table.chunks_exact(4).map(|entry| word32(entry, 0)).collect())
}

/// About how many bytes the sessions take in a new file: the chunks of nodes and of the index, and what the shards say
/// that their payloads have.
pub(crate) fn room_needed(file: &StoreFile, header: &Format2) -> io::Result<u64> {
    let (mut fixed, mut data) = (0, 0);
    for entry in chunk_table(file)? {
        match ChunkState::decode(entry) {
            Some(ChunkState::Nodes(_) | ChunkState::Index(_)) => fixed += CHUNK,
            Some(ChunkState::Data(_)) => data += CHUNK,
            _ => {}
        }
    }
    let mut payloads = 0u64;
    for id in 0..header.shards {
        let mut said = [0; 8];
        file.read_at(&mut said, shard_at(id) + shard::PAYLOAD_BYTES)?;
        payloads = payloads.saturating_add(u64::from_le_bytes(said));
    }
    Ok(HEADER_SIZE + fixed + payloads.min(data))
}
