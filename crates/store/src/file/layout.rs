//! Where everything lies in the store file: offsets, sizes and the packing of words. No I/O, no memory access.
//!
//! `docs/design.md` draws the same bytes. All integers are little-endian and naturally aligned; an offset is bytes
//! from the start of the file; a [`Ref`] is an offset in units of 64 bytes. A change of any constant here changes
//! [`FORMAT`] or at least [`fingerprint`].
//!
//! Some room is kept so that sessions can belong to a user and be stored under encryption without another format. What
//! nobody writes yet is zero, which says that there is none:
//!
//! | where | for |
//! |---|---|
//! | node, [`node::LOGIN`], [`node::OWNER`], [`node::CLIENT`] | when the user logged in, who that is, and with which client |
//! | node, bits 16 to 23 of [`node::FLAGS`] | why the session ended: 1 logged out, 2 replaced, 3 revoked, 4 a limit, 5 idle, 6 its lifetime, 7 evicted |
//! | node, bits 24 to 31 of [`node::FLAGS`] | the number of the key under which node and payload are encrypted. [`node::CHECK`] is then a tag of the cipher |
//! | block, the high bits of [`block::TOTAL`] | bytes before the payload: a label, and the key number, nonce and tag of the cipher |
//! | header page, bytes 216 to 255 and 328 to 511 | an index of the sessions by user, and the number of the last revocation |

/// First eight bytes of every store file.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"CLOAKRM\n");
/// Version of the file format; files of another version are never written to.
pub const FORMAT: u32 = 3;

/// Which lists and counts a shard has, all of which a rebuild makes anew. 0 (before there was this number): neither a list
/// of tombstones nor one of sessions that were used twice, and spare blocks that do not say so. Shards of another number
/// are rebuilt by a process that attaches alone.
pub(crate) const DERIVED: u32 = 1;

/// The unit of allocation and of [`Ref`]s, in bytes.
pub(crate) const UNIT: u64 = 64;
/// The unit in which the file grows and shards own space, in bytes.
pub(crate) const CHUNK: u64 = 128 << 10;
/// Units in a chunk.
pub(crate) const CHUNK_UNITS: u32 = (CHUNK / UNIT) as u32;

/// Smallest capacity in bytes.
pub const MIN_CAPACITY: u64 = 8 << 20;
/// Largest capacity in bytes.
pub const MAX_CAPACITY: u64 = 64 << 30;

/// Bytes of the header page.
pub(crate) const HEADER_SIZE: u64 = 4096;
/// The table of owner slots: one per thread that has the store attached.
pub(crate) const SLOTS_AT: u64 = 0x1_0000;
/// Bytes of an owner slot.
pub(crate) const SLOT_SIZE: u64 = 512;
/// Most threads that can be attached at once.
pub(crate) const MAX_SLOTS: u32 = 4096;
/// The shard headers.
pub(crate) const SHARDS_AT: u64 = SLOTS_AT + SLOT_SIZE * MAX_SLOTS as u64;
/// Bytes from one shard header to the next, each of which has a page to itself.
pub(crate) const SHARD_SIZE: u64 = 4096;
/// Bytes of a shard header, which begins somewhere in its page: see [`shard_at`].
pub(crate) const SHARD_BYTES: u64 = 704;
/// Most shards a store can have.
pub(crate) const MAX_SHARDS: u32 = 64;
/// The chunk table: one `u32` for each chunk, see [`ChunkState`](crate::file::words::ChunkState).
pub(crate) const TABLE_AT: u64 = SHARDS_AT + SHARD_SIZE * MAX_SHARDS as u64;
/// Most chunks a store can have: 64 GiB.
pub(crate) const MAX_CHUNKS: u32 = 512 << 10;
/// The index directories, one for each shard.
pub(crate) const DIRS_AT: u64 = 0x46_0000;
/// Bytes of one directory: 65,536 bucket references.
pub(crate) const DIR_SIZE: u64 = 256 << 10;
/// Bytes from one directory to the next: a page more, as each begins somewhere in its first page: see [`directory_at`].
pub(crate) const DIR_STRIDE: u64 = DIR_SIZE + 4096;
/// Deepest directory: log2 of its entries.
pub(crate) const MAX_DEPTH: u32 = 16;
/// The chunks, aligned to 2 MiB so that huge pages can back them.
pub(crate) const CHUNKS_AT: u64 = 0x160_0000;

const _: () = assert!(TABLE_AT + 4 * MAX_CHUNKS as u64 <= DIRS_AT);
const _: () = assert!(DIRS_AT + DIR_STRIDE * MAX_SHARDS as u64 <= CHUNKS_AT);
const _: () = assert!(CHUNKS_AT.is_multiple_of(2 << 20));
const _: () = assert!(DIR_SIZE == 4 << MAX_DEPTH);

/// Bytes of a line of the processor's cache, for what follows.
const LINE: u64 = 64;

/// Where the header of shard `id` begins. Lines at the same offset of their pages share a set of the processor's first
/// cache, which holds eight or twelve; a request touches the first lines of a header, and which shard it meets is chance. So the
/// headers begin at different lines of their pages.
pub(crate) const fn shard_at(id: u32) -> u64 {
    SHARDS_AT + id as u64 * SHARD_SIZE + shard_line(id) * LINE
}

const fn shard_line(id: u32) -> u64 {
    (((id * 3) & 31) + (id & 16)) as u64
}

/// Where the index directory of shard `id` begins: at lines of their pages that few headers use, each at another.
pub(crate) const fn directory_at(id: u32) -> u64 {
    directory_page(id) + directory_line(id) * LINE
}

/// Where the first page of that directory begins.
pub(crate) const fn directory_page(id: u32) -> u64 {
    DIRS_AT + id as u64 * DIR_STRIDE
}

const fn directory_line(id: u32) -> u64 {
    40 + (id & 15) as u64
}

/// Whether the headers stay within their pages and the directories within their space, and no three of the headers that a
/// store of the usual size has begin so close together that their first lines collide.
const fn is_staggered() -> bool {
    let mut id = 0;
    while id < MAX_SHARDS {
        if shard_line(id) * LINE + SHARD_BYTES > SHARD_SIZE || directory_line(id) * LINE >= DIR_STRIDE - DIR_SIZE {
            return false;
        }
        let (mut other, mut near) = (0, 0);
        while other < 16 && id < 16 {
            near += (shard_line(id).abs_diff(shard_line(other)) < 3) as u32;
            other += 1;
        }
        if near > 3 {
            return false;
        }
        id += 1;
    }
    true
}
const _: () = assert!(is_staggered());
const _: () = assert!(shard::BINS + 4 * 104 <= shard::TOMBSTONE_LIST);
const _: () = assert!(shard::TWICE + 12 <= SHARD_BYTES);

/// Offsets within the header page.
pub(crate) mod header {
    /// [`super::MAGIC`]; written last when a store is made.
    pub(crate) const MAGIC: u64 = 0;
    /// [`super::FORMAT`].
    pub(crate) const FORMAT: u64 = 8;
    /// [`super::fingerprint`].
    pub(crate) const FINGERPRINT: u64 = 12;
    /// Number of shards, a power of two.
    pub(crate) const SHARDS: u64 = 16;
    /// Checksum of the fields that never change: everything above, and the secret.
    pub(crate) const CHECK: u64 = 24;
    /// Next incarnation number, on a cache line of its own.
    pub(crate) const INCARNATION: u64 = 64;
    /// Highest number of an end that was forgotten before its time: see [`crate::shard::evict`]. 0 = none was.
    pub(crate) const FORGOTTEN: u64 = 72;
    /// [`super::DERIVED`] of the version that last saw to it that the shards are as that says.
    pub(crate) const DERIVED: u64 = 80;
    /// 32 random bytes: the key of the store's keyed hash.
    pub(crate) const SECRET: u64 = 128;
    /// Boot id of the kernel under which every shard was last known to be coherent.
    pub(crate) const BOOT_ID: u64 = 160;
    /// Device number of this file, to recognise copies.
    pub(crate) const DEVICE: u64 = 176;
    /// Inode number of this file, to recognise copies.
    pub(crate) const INODE: u64 = 184;
    /// Seconds of the store's own clock at [`CLOCK_BOOT`].
    pub(crate) const CLOCK_BASE: u64 = 192;
    /// CLOCK_BOOTTIME seconds at which [`CLOCK_BASE`] was taken.
    pub(crate) const CLOCK_BOOT: u64 = 200;
    /// Full recoveries since the store was made.
    pub(crate) const RECOVERIES: u64 = 208;
    // 216 to 255 are zero.
    /// Capacity in bytes: the most of what the attached processes ask for (`cloakroom.size`). Derived from the owner slots'
    /// [`super::slot::ASKED`].
    pub(crate) const CAPACITY: u64 = 256;
    /// Chunks that are allocated in the file.
    pub(crate) const CHUNKS: u64 = 264;
    /// 0 = in use, 1 = being relocated to a new file, 2 = relocated: see [`crate::attach::relocate`].
    pub(crate) const RELOCATION: u64 = 272;
    /// Slots whose pages are allocated in the file.
    pub(crate) const SLOTS: u64 = 268;
    /// Where the search for a free chunk begins.
    pub(crate) const CHUNK_HINT: u64 = 324;
    // 328 to 511 are zero.
    /// Counters of owner slots that are no longer attached.
    pub(crate) const TOTALS: u64 = 512;
}

/// Offsets within an owner slot.
pub(crate) mod slot {
    /// 0 = free and clean, 1 = in use or left behind by a death.
    pub(crate) const STATE: u64 = 0;
    /// Raised each time the owner slot changes hands.
    pub(crate) const GENERATION: u64 = 4;
    /// The futex word a waiter sleeps on; 1 = the lock was handed over.
    pub(crate) const WAKE: u64 = 8;
    /// Process id, as its own pid namespace numbers it.
    pub(crate) const PID: u64 = 12;
    /// Node whose lock this owner slot waits for; 0 = none.
    pub(crate) const WAITING: u64 = 16;
    /// Next owner slot in that node's queue plus one; 0 = last. Derived.
    pub(crate) const NEXT: u64 = 20;
    /// Arrival number of the wait.
    pub(crate) const TICKET: u64 = 24;
    /// Length of the script name.
    pub(crate) const SCRIPT_LEN: u64 = 32;
    /// Capacity in bytes that the owner's process asks for; 0 = none, as tools and earlier versions leave it.
    pub(crate) const ASKED: u64 = 40;
    /// Leases: pairs of node and pending block.
    pub(crate) const LEASES: u64 = 48;
    /// Wall-clock nanoseconds since which each lease is held.
    pub(crate) const SINCE: u64 = 112;
    /// Name of the script that runs.
    pub(crate) const SCRIPT: u64 = 176;
    /// Most bytes of the script name.
    pub(crate) const SCRIPT_MAX: usize = 96;
    /// Counters of this owner slot.
    pub(crate) const COUNTERS: u64 = 288;
    /// Leases one owner slot can hold.
    pub(crate) const LEASE_COUNT: u32 = 8;
    const _: () = assert!(ASKED + 8 <= LEASES);
    const _: () = assert!(LEASES + 8 * LEASE_COUNT as u64 <= SINCE);
    const _: () = assert!(SINCE + 8 * LEASE_COUNT as u64 <= SCRIPT);
    const _: () = assert!(SCRIPT + SCRIPT_MAX as u64 <= COUNTERS);
}

/// Offsets within a shard header. Everything but the lock word, the index sequence and the depth is read and
/// written under the shard lock only, and everything is derived: a rebuild makes it anew from the nodes.
pub(crate) mod shard {
    /// Lock word, see [`Owner`](crate::file::words::Owner). What nearly every commit changes shares its cache line, so that processes which take
    /// turns pass on one.
    pub(crate) const LOCK: u64 = 0;
    /// 1 = must be rebuilt before use.
    pub(crate) const DIRTY: u64 = 4;
    /// Payload bytes of live sessions.
    pub(crate) const PAYLOAD_BYTES: u64 = 8;
    /// Wall-clock second of the last sweep step.
    pub(crate) const SWEPT: u64 = 16;
    /// Blocks that were freed last, kept out of the free lists for updates of the same size: place and units of each. Slots
    /// share them out, so that each process goes on with memory that it has in its cache.
    pub(crate) const SPARES: u64 = 24;
    /// How many.
    pub(crate) const SPARE_COUNT: u32 = 4;
    /// Odd while the index changes shape; on a cache line of its own with the depth.
    pub(crate) const INDEX_SEQ: u64 = 64;
    /// log2 of the directory's entries.
    pub(crate) const DEPTH: u64 = 68;
    /// Arrival number of the next waiter.
    pub(crate) const TICKET: u64 = 128;
    /// Node chunk at which the sweep for expired sessions goes on.
    pub(crate) const SWEEP_CHUNK: u64 = 136;
    /// Node within that chunk.
    pub(crate) const SWEEP_NODE: u64 = 140;
    /// Nodes in state live.
    pub(crate) const LIVE: u64 = 144;
    /// Nodes in state tombstone.
    pub(crate) const TOMBSTONES: u64 = 148;
    /// First free node.
    pub(crate) const FREE_NODES: u64 = 152;
    /// Number of free nodes.
    pub(crate) const FREE_NODE_COUNT: u64 = 156;
    /// First free index bucket.
    pub(crate) const FREE_BUCKETS: u64 = 160;
    /// First node chunk; each names the next.
    pub(crate) const NODE_CHUNKS: u64 = 164;
    /// Free units in the data chunks.
    pub(crate) const FREE_UNITS: u64 = 168;
    /// Data chunks without any block in use.
    pub(crate) const EMPTY_CHUNKS: u64 = 172;
    /// Lists by age: reserved (no payload yet), then on probation (a payload, never came back). Head, tail, count each.
    pub(crate) const RESERVED: u64 = 176;
    /// See [`RESERVED`].
    pub(crate) const PROBATION: u64 = 188;
    /// Which bins have a free block: two words.
    pub(crate) const BIN_MAP: u64 = 208;
    /// First free block of each bin.
    pub(crate) const BINS: u64 = 224;
    /// Another list by age: the tombstones and retired sessions, in the order in which they ended.
    pub(crate) const TOMBSTONE_LIST: u64 = 640;
    /// First node on that list that may have a payload; 0 where none has one.
    pub(crate) const FIRST_RETIRED: u64 = 652;
    /// Bytes that the payloads of retired sessions take.
    pub(crate) const RETIRED_BYTES: u64 = 656;
    /// Another list by age: sessions that were used twice, about in the order of their last use.
    pub(crate) const TWICE: u64 = 664;
    const _: () = assert!(SPARES + 8 * SPARE_COUNT as u64 <= INDEX_SEQ);
}

/// Offsets within a session node (128 bytes, the only truth about a session besides its block).
pub(crate) mod node {
    /// Bytes of a node.
    pub(crate) const SIZE: u64 = 128;
    /// Units of a node.
    pub(crate) const UNITS: u32 = 2;
    /// Session lock word, see [`Owner`](crate::file::words::Owner).
    pub(crate) const LOCK: u64 = 0;
    /// First waiting owner slot plus one (low 16 bits), last one (high 16 bits). Derived.
    pub(crate) const QUEUE: u64 = 4;
    /// Keyed hash of namespace and id.
    pub(crate) const KEY: u64 = 8;
    /// Number of this life of the session.
    pub(crate) const INCARNATION: u64 = 24;
    /// Block, version and state: see [`Head`](crate::file::words::Head).
    pub(crate) const HEAD: u64 = 32;
    /// Wall-clock second of expiry (high half), store-clock second of the last use (low half).
    pub(crate) const SEEN: u64 = 40;
    /// Checksum of key, incarnation and creation.
    pub(crate) const CHECK: u64 = 48;
    /// Wall-clock second of creation.
    pub(crate) const CREATED: u64 = 56;
    /// Seconds from the last use to expiry.
    pub(crate) const LIFETIME: u64 = 60;
    /// See [`super::flag`].
    pub(crate) const FLAGS: u64 = 64;
    /// Next node of the free list or of an age list. Derived.
    pub(crate) const NEXT: u64 = 72;
    /// Previous node of an age list. Derived.
    pub(crate) const PREV: u64 = 76;
    /// Wall-clock second until which a retired session is read.
    pub(crate) const GRACE: u64 = 80;
    /// Number drawn when this key was last destroyed; leases that began before may not write.
    pub(crate) const ENDED: u64 = 88;
    /// Node of the session that takes this one's place, where [`SUCCESSOR_INCARNATION`] is not 0.
    pub(crate) const SUCCESSOR: u64 = 68;
    /// Incarnation of that session; 0 = this one names none. With the place it names a session, whose key is read from its
    /// node: no two sessions of a store ever have the same number.
    pub(crate) const SUCCESSOR_INCARNATION: u64 = 96;
    /// Wall-clock second in which the user logged in; 0 = when the session was created.
    pub(crate) const LOGIN: u64 = 84;
    /// Keyed hash of namespace and user, 16 bytes; 0 = nobody's.
    pub(crate) const OWNER: u64 = 104;
    /// Keyed hash of the client that the session is bound to, 8 bytes; 0 = to none.
    pub(crate) const CLIENT: u64 = 120;
    const _: () = assert!(CLIENT + 8 == SIZE);
}

/// Bits of a node's flags.
pub(crate) mod flag {
    /// The session was asked for again after the request that created it.
    pub(crate) const RETURNED: u32 = 1;
    /// On the shard's list of reserved sessions.
    pub(crate) const ON_RESERVED: u32 = 2;
    /// On the shard's list of sessions on probation.
    pub(crate) const ON_PROBATION: u32 = 4;
    /// The session was written, and what it held was taken away again: without a payload it is not merely reserved.
    pub(crate) const EMPTIED: u32 = 8;
    /// The session was asked for once more after it had [`RETURNED`].
    pub(crate) const RETURNED_AGAIN: u32 = 16;
    /// On the shard's list of sessions that were used twice.
    pub(crate) const ON_TWICE: u32 = 32;
    /// On the shard's list of tombstones.
    pub(crate) const ON_TOMBSTONES: u32 = 64;
    /// What a node itself says of its session, where the others say on which list it is. Bits that are not listed here are
    /// free up to bit 15; the ones above are told of at the top of this module.
    pub(crate) const KEPT: u32 = RETURNED | EMPTIED | RETURNED_AGAIN;
    /// All that a node may have.
    pub(crate) const ALL: u32 = 0x7f;
}

/// Offsets within a payload block; a payload is a chain of blocks.
pub(crate) mod block {
    /// Bytes of a block's header.
    pub(crate) const HEADER: u64 = 24;
    /// Next block of the chain, 0 = last.
    pub(crate) const NEXT: u64 = 0;
    /// Payload bytes in this block; with the header they give the block's size in units.
    pub(crate) const BYTES: u64 = 4;
    /// Payload bytes of the whole chain, 25 bits; above them, in units of 4 bytes, how much stands in the chain before the
    /// payload, which is nothing yet (first block only). So the word is the length of a payload, and one with other high bits
    /// is longer than any payload may be.
    pub(crate) const TOTAL: u64 = 8;
    /// See [`TOTAL`].
    pub(crate) const TOTAL_BITS: u32 = 25;
    /// Version of the node that this payload belongs to (first block only).
    pub(crate) const VERSION: u64 = 12;
    /// Checksum over payload, key, incarnation and version (first block only).
    pub(crate) const CHECK: u64 = 16;
}

/// A hash of everything that decides whether two builds read the same bytes alike.
pub(crate) const fn fingerprint() -> u32 {
    let parts = [
        UNIT,
        CHUNK,
        SLOTS_AT,
        SLOT_SIZE,
        SHARDS_AT,
        SHARD_SIZE,
        TABLE_AT,
        DIRS_AT,
        DIR_SIZE,
        DIR_STRIDE,
        shard_at(1),
        directory_at(1),
        CHUNKS_AT,
        node::SIZE,
        node::GRACE,
        node::SUCCESSOR,
        node::SUCCESSOR_INCARNATION,
        node::LOGIN,
        node::OWNER,
        node::CLIENT,
        block::HEADER,
        slot::COUNTERS,
        shard::BINS,
        header::TOTALS,
        MAX_SLOTS as u64,
    ];
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut i = 0;
    while i < parts.len() {
        hash = (hash ^ parts[i]).wrapping_mul(0x100_0000_01b3);
        i += 1;
    }
    (hash ^ (hash >> 32)) as u32
}

/// Position of something in the file, in units of 64 bytes; 0 = nothing.
pub(crate) type Ref = u32;

/// Bytes from the start of the file.
pub(crate) const fn offset(r: Ref) -> u64 {
    r as u64 * UNIT
}

/// The first unit of chunk `index`.
pub(crate) const fn chunk_ref(index: u32) -> Ref {
    (CHUNKS_AT / UNIT) as u32 + index * CHUNK_UNITS
}

/// The chunk that holds unit `r`; `None` below the first chunk.
pub(crate) const fn chunk_of(r: Ref) -> Option<u32> {
    match r.checked_sub((CHUNKS_AT / UNIT) as u32) {
        Some(units) => Some(units / CHUNK_UNITS),
        None => None,
    }
}

/// The length a file needs for `chunks` chunks.
pub(crate) const fn file_len(chunks: u32) -> u64 {
    CHUNKS_AT + chunks as u64 * CHUNK
}
