//! Relocating a store: to a new file, after its own was deleted while in use, as age-based clean-up jobs do: writes through
//! a mapping do not move a file's times, so a busy store looks old.
//!
//! The deleted file lives on in the processes that have it attached. The first one that notices takes its attach
//! byte, marks it as being relocated, passes through every shard lock once (from then on every operation on it answers
//! [`Error::Relocated`]), and copies it, secret included, to the old path. A request that still holds a lease on the old
//! file commits to the new one: node and incarnation are the same there.
//!
//! A process that never had the deleted file attached may have made a new store at the path before; then that one stays,
//! and the sessions of the deleted file are lost.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, fsync};

use crate::attach::beside::Replacement;
use crate::attach::open::Options;
use crate::core::growth::AttachGuard;
use crate::core::store::Store;
use crate::file::byte_lock::{self, Byte};
use crate::file::error::{AttachError, Error};
use crate::file::layout::{
    CHUNK, CHUNKS_AT, MAX_DEPTH, SHARD_SIZE, SHARDS_AT, SLOT_SIZE, SLOTS_AT, TABLE_AT, directory_at, directory_page,
    header, shard,
};
use crate::file::region::Map;
use crate::file::store_file;
use crate::shard::guard::Shard;
use crate::shard::nodes::has_sessions;

/// States of [`header::RELOCATION`].
const RELOCATING: u32 = 1;
pub(crate) const RELOCATED: u32 = 2;
/// This file was removed from its path with no session in it.
const REMOVED: u32 = 3;
/// How long to wait for another process that relocates the store.
const PATIENCE: Duration = Duration::from_secs(30);

/// What became of the sessions of a deleted file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inheritance {
    /// They are in the new store.
    Kept,
    /// They are lost: the store at the path is another one.
    Lost,
    /// There were none, as the empty file had been removed. What it remembers of ended sessions is in the new one, which makes
    /// the same keys.
    Remade,
    /// There were none, as the empty file had been removed, and the store at the path is another one, with other keys.
    Other,
}

impl Store {
    /// Attaches the store that has taken this one's place at its path, copying the sessions there if nobody did.
    ///
    /// # Errors
    /// [`AttachError`] where no store can be attached at the path; the deleted file is then still in use.
    pub fn attach_relocated(self: &Arc<Store>) -> Result<(Arc<Store>, Inheritance), AttachError> {
        let removed = self.region.map().u32(header::RELOCATION).load(Ordering::Acquire) == REMOVED;
        // A forked child only needs an attachment of its own: its parent's file may well be in place.
        if !self.forked() {
            self.relocate_deleted()?;
        }
        let asked = self.asked.load(Ordering::Relaxed);
        let options = Options { capacity: (asked != 0).then_some(asked), user: Some(self.file.user) };
        let next = Store::attach(&self.directory(), options)?;
        let inheritance = match (next.keys == self.keys, removed) {
            (true, false) => Inheritance::Kept,
            (true, true) => Inheritance::Remade,
            (false, true) => Inheritance::Other,
            (false, false) => Inheritance::Lost,
        };
        if inheritance == Inheritance::Remade && self.made.load(Ordering::Relaxed) {
            next.made.store(true, Ordering::Relaxed);
            next.remade.store(true, Ordering::Relaxed);
        }
        Ok((next, inheritance))
    }

    /// Moves the sessions to the path where nothing is there and nobody has moved them; `true` if so. Only a process of the
    /// store's user does: root would make the file wherever that user lets the path lead meanwhile.
    pub(crate) fn relocate_deleted(self: &Arc<Store>) -> Result<bool, AttachError> {
        if !self.file.is_own() {
            return Ok(false);
        }
        let _guard = self.guarded()?;
        self.relocate_to_path(&self.directory()).map_err(|source| AttachError::Io {
            path: self.file.path.clone(),
            what: "move its sessions to a new file",
            source,
        })
    }

    /// Makes a store that was left for another one a store as any other where its file has come back to its path.
    pub(crate) fn use_again(&self) -> Result<(), AttachError> {
        if self.relocated() {
            let _guard = self.guarded()?;
            self.stay(self.region.map());
        }
        Ok(())
    }

    fn guarded(&self) -> Result<AttachGuard<'_>, AttachError> {
        let path = || self.file.path.clone();
        let guard = self.attach_guard(PATIENCE);
        let guard = guard.map_err(|source| AttachError::Io { path: path(), what: "lock it", source })?;
        guard.ok_or_else(|| AttachError::Busy { path: path(), waited: PATIENCE })
    }

    fn directory(&self) -> PathBuf {
        self.file.path.parent().map_or_else(PathBuf::new, Path::to_owned)
    }

    /// Removes the file where this process made it, no session is left, nobody else has it attached, and nobody but its owner
    /// could put another in its place. With `again`, also where this process has removed the store at this path before.
    pub(crate) fn remove_if_unneeded(&self, again: bool) {
        let map = self.region.map();
        let may_be = self.made.load(Ordering::Relaxed) && (again || !self.remade.load(Ordering::Relaxed));
        if !may_be || self.forked() || self.is_relocated(map) || self.has_leases() || !self.counts_no_session(map) {
            return;
        }
        // One owner slot, this thread's: no other thread of this process is at work, and none can begin.
        let _claim = self.claim.lock();
        if self.own_slots().count() > 1 || !self.file.is_in_private_directory() {
            return;
        }
        let Ok(Some(_guard)) = self.attach_guard(Duration::ZERO) else { return };
        let alone = !byte_lock::held_elsewhere(&self.file.file, Byte::Present).unwrap_or(true);
        if alone && self.file.in_place() && self.counts_no_session(map) && self.has_no_session(map) {
            // Where it fails the file stays, which does no harm.
            if rustix::fs::unlink(&self.file.path).is_ok() {
                map.u32(header::RELOCATION).store(REMOVED, Ordering::Release);
            }
        }
    }

    /// Whether no shard counts a session. Counts are derived: those of a shard that is being made anew say nothing.
    fn counts_no_session(&self, map: Map<'_>) -> bool {
        (0..self.shards).all(|id| {
            let shard = Shard::new(map, id);
            shard.get(shard::LIVE) == 0 && shard.word64(shard::PAYLOAD_BYTES).load(Ordering::Relaxed) == 0
        })
    }

    /// Whether no node has a session, which are the only truth about it, and no process has left a shard while it was at
    /// work there. Only for a process that is alone, with the attach guard: nothing changes meanwhile.
    fn has_no_session(&self, map: Map<'_>) -> bool {
        let at_rest = (0..self.shards).all(|id| {
            let shard = Shard::new(map, id);
            shard.get(shard::DIRTY) == 0 && shard.get(shard::LOCK) == 0
        });
        at_rest && !has_sessions(self, map)
    }

    /// What an administrator hears of sessions that were moved.
    pub(crate) fn relocated_note(&self) -> String {
        format!(
            "the session store {} was deleted while in use; its sessions were moved to a new file; exclude \
             cloakroom-*.store from clean-up jobs",
            self.file.path.display()
        )
    }

    /// Copies the file to its path where nothing is there and nobody has done it; `true` if so. The caller has the attach
    /// guard.
    fn relocate_to_path(self: &Arc<Store>, directory: &Path) -> std::io::Result<bool> {
        let map = self.region.map();
        let state = map.u32(header::RELOCATION);
        let is_elsewhere = rustix::fs::lstat(&self.file.path).is_ok() || state.load(Ordering::Acquire) == RELOCATED;
        if self.stay(map) || is_elsewhere {
            return Ok(false);
        }
        // The mark of a process that died in this work: begin again.
        state.store(0, Ordering::Release);
        let me = self.slot().map_err(|e| std::io::Error::other(e.to_string()))?;
        state.store(RELOCATING, Ordering::Release);
        for shard in 0..self.shards {
            match self.lock_shard(me, shard) {
                Ok(guard) => drop(guard),
                Err(Error::Relocated) => {}
                Err(e) => {
                    state.store(0, Ordering::Release);
                    return Err(std::io::Error::other(e.to_string()));
                }
            }
        }
        let copied = self.copy_into(directory);
        state.store(if copied.is_ok() { RELOCATED } else { 0 }, Ordering::Release);
        copied.map(|()| true)
    }

    fn copy_into(&self, directory: &Path) -> std::io::Result<()> {
        let dir = rustix::fs::open(directory, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let (replacement, copy) = Replacement::create(&self.file, &dir)?;
        self.fill(&copy)?;
        fsync(&copy)?;
        replacement.fill_gap()
    }

    /// Copies what is not a hole, and allocates what this file has allocated.
    fn fill(&self, copy: &OwnedFd) -> std::io::Result<()> {
        let map = self.region.map();
        store_file::copy_data(self.file.file.as_fd(), copy)?;
        let chunks = u64::from(self.chunks(map)) * CHUNK;
        let fallocate = |at, len| store_file::allocate_in(copy, at, len);
        if chunks > 0 {
            fallocate(CHUNKS_AT, chunks)?;
        }
        // What is allocated and still zero counts as a hole, but must not be one in the copy either.
        fallocate(SLOTS_AT, u64::from(self.slots_allocated(map)) * SLOT_SIZE)?;
        fallocate(SHARDS_AT, u64::from(self.shards) * SHARD_SIZE)?;
        fallocate(TABLE_AT, (4 * u64::from(self.chunks(map))).max(1))?;
        for id in 0..self.shards {
            let depth = Shard::new(map, id).get(shard::DEPTH).min(MAX_DEPTH);
            let end = directory_at(id) + (4 << depth);
            fallocate(directory_page(id), (end - directory_page(id)).max(4096))?;
        }
        store_file::write_all(copy, &0u32.to_le_bytes(), header::RELOCATION)
    }
}
