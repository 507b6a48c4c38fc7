//! Bringing the sessions of a store file of an earlier format over to a file of the present one, with the same secret and
//! under the same path.
//!
//! Called with the attach byte of the old file locked by a process that attaches alone: no other is at work in it, and
//! none can begin to be. The old file is only read. The new one is made under a name of its own and takes the path when it is
//! complete and on the disk, so that a death at any instruction, or a crash of the machine, leaves one of the two there,
//! whole; the process that attaches next begins again and removes what was left half-made. The old file stays under another name.
//!
//! A record is copied as it is: key, incarnation, version, times, and what is remembered of ended sessions. So an
//! id that was destroyed stays destroyed, and a session is as old and as near to its end as it was.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::fs::fsync;

use crate::attach::beside::{self, Keep, Replacement};
use crate::attach::format_2::{self, Format2, Reader, Record};
use crate::attach::open::{attach_locked, clamped};
use crate::core::clock::boot_id;
use crate::core::owner_slot::Slot;
use crate::core::store::Store;
use crate::file::error::{AttachError, Error};
use crate::file::layout::{MAX_CAPACITY, header, shard};
use crate::file::store_file::StoreFile;
use crate::file::words::NodeState;
use crate::shard::evict::retired_bytes;
use crate::shard::guard::{Fault, Reach, ShardGuard};
use crate::shard::lists::list_for;
use crate::shard::nodes::newest_use;
use crate::shard::payload::{self, Binding};

/// What was copied.
#[derive(Default)]
struct Tally {
    sessions: u64,
    broken: u64,
}

/// Puts a store of the present format with the sessions of `old` in its place. What to tell the administrator.
pub(crate) fn upgrade(
    old: &StoreFile,
    dir: &OwnedFd,
    old_header: &Format2,
    capacity: u64,
) -> Result<String, AttachError> {
    let fail = |source: io::Error| AttachError::Upgrade { path: old.path.clone(), format: format_2::FORMAT, source };
    ask_for_room(old, old_header).map_err(fail)?;
    let (tally, kept) = upgrade_file(old, dir, old_header, capacity).map_err(fail)?;
    let lost = match tally.broken {
        0 => String::new(),
        broken => format!(", {broken} more were damaged and could not be read"),
    };
    let kept = match kept {
        Some(kept) => format!(
            "the old file is kept as {} ({} MiB): delete it when you do not need it any more",
            kept.display(),
            old.allocated().map_err(fail)? >> 20
        ),
        None => "the old file was deleted meanwhile".to_owned(),
    };
    Ok(format!(
        "the session store {} was written by an earlier version of Cloakroom (format {}); its {} sessions were brought over \
         to a new file{lost}; {kept}",
        old.path.display(),
        format_2::FORMAT,
        tally.sessions,
    ))
}

/// Makes the new file and puts it into the old one's place. Where the old one is kept; `None` where another process deleted it
/// meanwhile.
fn upgrade_file(
    old: &StoreFile,
    dir: &OwnedFd,
    old_header: &Format2,
    capacity: u64,
) -> io::Result<(Tally, Option<PathBuf>)> {
    let (replacement, file) = Replacement::create(old, dir)?;
    let tally = fill(old.beside(file, replacement.name())?, old, old_header, capacity)?;
    let kept = if old.in_place() {
        let ending = format!("format-{}-{:08x}", format_2::FORMAT, format_2::LAYOUT);
        let kept = beside::link_as_kept(old, dir, Keep::All(&ending))?;
        replacement.replace()?;
        Some(kept)
    } else {
        // What has come to lie in its place since is another store.
        replacement.fill_gap()?;
        None
    };
    // Or a crash of the machine may bring the old name back; a directory that cannot be read cannot be asked either.
    let _ = fsync(dir);
    Ok((tally, kept))
}

/// Fails at once where the sessions have no room beside the old file, before a file system that others use is filled up.
fn ask_for_room(old: &StoreFile, old_header: &Format2) -> io::Result<()> {
    let needed = format_2::room_needed(old, old_header)?;
    let stat = rustix::fs::fstatvfs(old.file.as_fd())?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    // A tmpfs without a limit says that it has no blocks at all.
    if stat.f_blocks == 0 || free >= needed {
        return Ok(());
    }
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    Err(io::Error::other(format!("{} MiB are needed beside it, and {} MiB are free", mib(needed), free >> 20)))
}

/// Fills the new file, complete and on the disk.
fn fill(new: StoreFile, old: &StoreFile, old_header: &Format2, capacity: u64) -> io::Result<Tally> {
    let other = |e: AttachError| io::Error::other(e.to_string());
    // Made for what it is to hold, where the capacity was lowered, so that it is mapped once.
    let room = clamped(capacity.max(old.len().map_err(other)?));
    let constants = new.make_with(room, old_header.secret).map_err(other)?;
    let store = attach_locked(new, Some(constants), Some(room), true).map_err(other)?;
    let tally = copy_sessions(&store, old, old_header).map_err(|e| io::Error::other(e.to_string()))?;
    let map = store.region.map();
    map.u64(header::CAPACITY).store(capacity, Ordering::Relaxed);
    map.u64(header::RECOVERIES).store(old_header.recoveries, Ordering::Relaxed);
    fsync(store.file.file.as_fd())?;
    Ok(tally)
}

fn copy_sessions(store: &Arc<Store>, old: &StoreFile, old_header: &Format2) -> Result<Tally, Error> {
    let map = store.map()?;
    // No session is evicted or refused for want of capacity: an administrator who lowers it keeps the sessions.
    map.u64(header::CAPACITY).store(MAX_CAPACITY, Ordering::Relaxed);
    let trusted = set_clock(store, old, old_header)?;
    let (wall, now) = store.wall_and_now(map);
    let me = store.claim_slot()?;
    let mut tally = Tally::default();
    let mut next = old_header.incarnation;
    tally.broken = Reader::new(old, old_header, store, trusted)?.each(|record| {
        next = next.max(record.incarnation.saturating_add(1)).max(record.ended.saturating_add(1));
        if !is_past(record, wall, now) && copy_record(store, me, record)? {
            tally.sessions += u64::from(record.state == NodeState::Live);
        }
        Ok(())
    })?;
    store.leave(me);
    let map = store.map()?;
    map.u64(header::INCARNATION).fetch_max(next, Ordering::Relaxed);
    if !trusted {
        let newest = most_seconds(store).min(u64::from(newest_use(store, map)));
        map.u64(header::CLOCK_BASE).fetch_max(newest, Ordering::Relaxed);
    }
    Ok(tally)
}

/// No machine has been running for longer than since 1970, whatever a file says.
fn most_seconds(store: &Store) -> u64 {
    store.clock().boot().max(u64::from(store.clock().wall()))
}

/// Lets the store clock of the old file go on: from now, where the machine still runs that it was last used on, else from
/// where it stopped. Whether the machine still runs: then the pages are what the last process left.
fn set_clock(store: &Store, old: &StoreFile, old_header: &Format2) -> Result<bool, Error> {
    let boot = store.clock().boot();
    let trusted = old_header.boot_id != [0, 0]
        && old_header.boot_id == boot_id()
        && (old_header.device, old_header.inode) == (old.device, old.inode)
        && old_header.clock_boot <= boot;
    let passed = if trusted { boot - old_header.clock_boot } else { 0 };
    let base = old_header.clock_base.saturating_add(passed).min(most_seconds(store));
    let map = store.map()?;
    map.u64(header::CLOCK_BASE).store(base, Ordering::Relaxed);
    map.u64(header::CLOCK_BOOT).store(boot, Ordering::Relaxed);
    Ok(trusted)
}

/// Whether a sweep would reclaim it: expired, and the store clock agrees that its lifetime has passed.
fn is_past(record: &Record<'_>, wall: u32, now: u32) -> bool {
    let (expires, used) = ((record.seen >> 32) as u32, record.seen as u32);
    wall > expires && now.saturating_sub(used) > record.lifetime
}

/// Puts a record into the new store, which grows for it. `false` where another of its key is there: two nodes of one key
/// can only come from pages of different age.
fn copy_record(store: &Arc<Store>, me: Slot, record: &Record<'_>) -> Result<bool, Error> {
    loop {
        let mut guard = store.lock_shard(me, store.shard_of(&record.key))?;
        // Growth comes before eviction, and where it fails, all of this does.
        guard.reach = Reach::Growth;
        let seen = match guard.add_record(record) {
            Ok(added) => return Ok(added),
            Err(Fault::Grow(seen)) => seen,
            Err(Fault::Error(error)) => return Err(error),
            Err(Fault::Damaged(what)) => return Err(Error::Damaged(what)),
            Err(Fault::Rebalance) => return Err(guard.full()),
        };
        drop(guard);
        if !store.grow(seen)? {
            return Err(store.lock_shard(me, 0)?.full());
        }
    }
}

impl ShardGuard<'_> {
    /// Makes a node for `record`, if its key has none, and undoes that where the file must grow first.
    fn add_record(&mut self, record: &Record<'_>) -> Result<bool, Fault> {
        if self.find(&record.key)?.is_some() {
            return Ok(false);
        }
        let length = record.payload.len() as u32;
        let block = if length == 0 { 0 } else { self.alloc_chain(length)? };
        let node = match self.add_node(&record.key) {
            Ok(node) => node,
            Err(fault) => {
                if block != 0 {
                    self.free_chain(block)?;
                }
                return Err(fault);
            }
        };
        let binding = Binding { key: record.key, incarnation: record.incarnation, version: record.version };
        if block != 0 {
            payload::write_chain(self.map, block, record.payload);
            payload::seal(self.map, block, record.hash, binding);
        }
        node.incarnation().store(record.incarnation, Ordering::Relaxed);
        node.ended().store(record.ended, Ordering::Relaxed);
        node.seen().store(record.seen, Ordering::Relaxed);
        node.created().store(record.created, Ordering::Relaxed);
        node.lifetime().store(record.lifetime, Ordering::Relaxed);
        node.grace().store(record.grace, Ordering::Relaxed);
        node.clear_life();
        node.flags().store(record.flags, Ordering::Relaxed);
        node.check().store(node.identity(self.store.check_seed), Ordering::Relaxed);
        node.head_word().store(record.head(block).0, Ordering::Release);
        self.shard.add64(shard::PAYLOAD_BYTES, i64::from(length));
        if record.state == NodeState::Live {
            self.shard.add(shard::LIVE, 1);
            if let Some(list) = list_for(node) {
                self.link(node, list);
            }
            return Ok(true);
        }
        self.shard.add(shard::TOMBSTONES, 1);
        if block != 0 {
            self.shard.add64(shard::RETIRED_BYTES, retired_bytes(length));
        }
        self.link(node, shard::TOMBSTONE_LIST);
        Ok(true)
    }
}
