//! What one does with a session without a lease: look at it, destroy it; and collecting the expired ones.

use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use crate::core::stats::{Counter, count};
use crate::core::store::Store;
use crate::file::error::Error;
use crate::file::layout::header;
use crate::file::words::{ChunkState, NodeState};
use crate::operations::lease::Point;
use crate::shard::nodes::NODES_PER_CHUNK;
use crate::shard::payload::{self, Binding};
use cloakroom_seam::Room;
use cloakroom_seam::{Effort, End, Key, Look, MAX_PAYLOAD, Mark, Succession};

/// Nodes that one locked step of a collection looks at.
const STEP: u32 = 256;
/// How often a reader without a lock tries again when the session changes under its hands.
const READ_TRIES: u32 = 1000;

impl Store {
    /// The last committed payload, without any lock; `None` where there is no session. About 100 ns and a copy. The mark
    /// is for [`cloakroom_seam::Acquire::since`].
    ///
    /// # Errors
    /// [`Error::Damaged`] where the bytes do not match their checksum, [`Error::Forked`].
    pub fn snapshot(self: &Arc<Store>, key: &Key) -> Result<(Option<Vec<u8>>, Mark), Error> {
        let Look { payload, mark, .. } = self.look(key)?;
        Ok((payload, mark))
    }

    /// [`Store::snapshot`], and what else is to be known of the session.
    ///
    /// # Errors
    /// As [`Store::snapshot`].
    pub fn look(self: &Arc<Store>, key: &Key) -> Result<Look, Error> {
        let me = self.slot()?;
        let shard = self.shard_of(key);
        if self.prefaults() {
            self.prefault(self.map()?, shard, key);
        }
        for _ in 0..READ_TRIES {
            let map = self.map()?;
            let began = map.u64(header::INCARNATION).load(Ordering::Relaxed);
            let absent = || Look {
                payload: None,
                mark: Point { incarnation: 0, version: 0, began }.to_mark(),
                incarnation: 0,
                is_written: false,
                succession: Succession::None,
            };
            let node = match self.lookup(map, shard, key) {
                Ok(Some(node)) => node,
                Ok(None) => return Ok(absent()),
                Err(crate::shard::index::Contended) => {
                    // The thread that changes the index may be dead: its lock, once had, leaves a whole index.
                    self.with_shard(me, shard, |guard| guard.whole_index(key))?;
                    continue;
                }
            };
            let head = node.head();
            let binding = Binding {
                key: node.key(),
                incarnation: node.incarnation().load(Ordering::Relaxed),
                version: head.version(),
            };
            let present = node.is_present(self.clock().wall());
            let block = head.block();
            let data = ChunkState::Data(shard);
            let mut out = Vec::new();
            let mut result = Ok(());
            if present && block != 0 {
                let total = if self.within(map, block, 1, data) { payload::total(map, block) as usize } else { 0 };
                out.resize(if total <= MAX_PAYLOAD { total } else { 0 }, 0);
                result = payload::read_chain(self, map, shard, block, binding, &mut Room::over(&mut out));
            }
            // The number of its end is the mark's where a retired session is read: its end is past, and what stands here may not
            // write it back once that is forgotten.
            let ended = node.ended().load(Ordering::Relaxed);
            let began = if head.state() == NodeState::Retired { ended } else { began };
            let is_written = !node.is_unwritten();
            let succession = self.succession(map, node);
            if present && binding.key == *key {
                node.mark_returned();
            }
            fence(Ordering::Acquire);
            if node.head() != head || binding.key != *key {
                continue;
            }
            if !present {
                return Ok(absent());
            }
            count(map, me, Counter::Reads, 1);
            return match result {
                Ok(()) => {
                    let read = Point { incarnation: binding.incarnation, version: binding.version, began };
                    let (mark, incarnation) = (read.to_mark(), binding.incarnation);
                    Ok(Look { payload: Some(out), mark, incarnation, is_written, succession })
                }
                // The payload lies where the file has grown since.
                Err(_) if self.map()?.len() > map.len() => continue,
                Err(_) => {
                    count(map, me, Counter::Corrupt, 1);
                    Err(Error::Damaged("a session's bytes do not match their checksum"))
                }
            };
        }
        Err(Error::Changed)
    }

    /// Whether there is a session. About 50 ns.
    ///
    /// # Errors
    /// [`Error::Forked`], or where the index could not be searched; never for mere absence.
    pub fn exists(self: &Arc<Store>, key: &Key) -> Result<bool, Error> {
        let me = self.slot()?;
        let shard = self.shard_of(key);
        let wall = self.clock().wall();
        match self.lookup(self.map()?, shard, key) {
            Ok(Some(node)) => Ok(node.is_present(wall) && node.key() == *key),
            Ok(None) => Ok(false),
            Err(crate::shard::index::Contended) => self
                .with_shard(me, shard, |guard| Ok(guard.find_session(key)?.is_some_and(|node| node.is_present(wall)))),
        }
    }

    /// Ends the session without taking its lock; `false` where there was none. Leases on it write nothing any more.
    ///
    /// # Errors
    /// [`Error::Stuck`], [`Error::Damaged`], [`Error::Forked`].
    pub fn destroy(self: &Arc<Store>, key: &Key, end: End) -> Result<bool, Error> {
        let me = self.slot()?;
        let wall = self.clock().wall();
        self.with_shard(me, self.shard_of(key), |guard| match guard.find(key)? {
            Some(node) if node.is_live() => {
                let present = node.is_present(wall);
                guard.end(node, end)?;
                Ok(present)
            }
            Some(node) if end.grace.is_zero() => {
                let present = node.is_present(wall);
                guard.end_grace(node)?;
                Ok(present)
            }
            _ => Ok(false),
        })
    }

    /// Removes expired sessions and says how many: all of them, or what a bounded step of one shard finds. No step
    /// holds a shard lock for more than a few microseconds.
    ///
    /// # Errors
    /// [`Error::Stuck`], [`Error::Damaged`], [`Error::Forked`].
    pub fn collect(self: &Arc<Store>, effort: Effort) -> Result<u64, Error> {
        let me = self.slot()?;
        if effort == Effort::Step {
            let shard = self.collections.fetch_add(1, Ordering::Relaxed) % self.shards;
            return self.with_shard(me, shard, |guard| guard.sweep(4 * STEP));
        }
        self.clear_all_dead_slots()?;
        let mut removed = 0;
        for shard in 0..self.shards {
            let map = self.map()?;
            let chunks =
                (0..self.chunks(map)).filter(|c| self.chunk_state(map, *c) == Some(ChunkState::Nodes(shard))).count();
            let steps = (chunks as u32 * NODES_PER_CHUNK).div_ceil(STEP) + 1;
            for _ in 0..steps {
                removed += self.with_shard(me, shard, |guard| guard.sweep(STEP))?;
            }
            // The last step of a thorough collection: all that is free can merge.
            self.with_shard(me, shard, |guard| guard.give_spares())?;
        }
        Ok(removed)
    }
}
