//! Prefault: what a young process does while most of the pages that it looks at are not in its page tables yet, and each costs a
//! fault, several in a session's first cycle. php-fpm recycles its workers, so this is a part of many requests.
//!
//! A fault on a read maps up to sixteen pages around the one that is asked for, which takes twice as long as a fault on a write,
//! and sessions lie here and there, so their neighbours are of no use. Hence a young process writes to each page, without
//! changing it, before it reads it. Only where the file lies in memory: on a disk the pages would be written back.

use std::hint::black_box;
use std::sync::atomic::Ordering;

use cloakroom_seam::Key;
use twox_hash::XxHash3_64;

use crate::core::clock::boot_id;
use crate::core::key::KeyMaker;
use crate::core::store::{PREFAULTED_SESSIONS, Store};
use crate::file::layout::{SHARD_SIZE, SHARDS_AT, offset};
use crate::file::region::Map;
use crate::file::words::ChunkState;

/// So many of them before it lets the faults of its reads map what lies around a bucket: a store of a million has three thousand
/// pages of buckets, which is so few that the neighbours are soon asked for. It has ten times as many with nodes.
const ALONE: u32 = 128;

/// Finds out what is the same for all processes of a machine. A parent that does so spares its children from it: the
/// instructions that a processor has take a virtual machine some 60 µs to ask for. Opens nothing that stays open.
pub fn prepare() {
    let keys = KeyMaker::new(&[0; 32]);
    black_box(keys.key(b"", black_box(b"id")));
    black_box(XxHash3_64::oneshot(black_box(&[0; 1024])));
    black_box(boot_id());
}

impl Store {
    /// Has the pages that all sessions share mapped, in one system call.
    pub(crate) fn prefault_shards(&self, map: Map<'_>) {
        if self.prefaults() {
            map.prefault_all(SHARDS_AT, u64::from(self.shards) * SHARD_SIZE);
        }
    }

    /// Has the pages of the session's index entry, node and payload mapped. Holds nothing and promises nothing: what it
    /// finds may be another session's a moment later.
    #[cold]
    pub(crate) fn prefault(&self, map: Map<'_>, shard: u32, key: &Key) {
        // Where threads do this at the same time, steps are lost, which does no harm.
        let left = self.prefaults_left.load(Ordering::Relaxed).saturating_sub(1);
        self.prefaults_left.store(left, Ordering::Relaxed);
        self.prefault_index(map, shard, key, left >= PREFAULTED_SESSIONS - ALONE, |place| {
            if !self.within(map, place, 1, ChunkState::Nodes(shard)) {
                return;
            }
            map.prefault(offset(place));
            let Some(node) = self.node(map, shard, place) else { return };
            let block = node.head().block();
            if node.key() == *key && self.within(map, block, 1, ChunkState::Data(shard)) {
                map.prefault(offset(block));
            }
        });
    }
}
