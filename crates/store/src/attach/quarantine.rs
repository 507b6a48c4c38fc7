//! A store file whose header is damaged: it is set aside under another name, and where the secret in it is still the one
//! that its sessions were written with, they are carried over to a new file.
//!
//! Called with the file's attach byte locked by whoever attaches alone. Nothing is ever written to the damaged file. A
//! process that dies in this work leaves either the damaged file at the path, and all of this is done again, or the
//! new one. At most [`KEPT`] damaged files of a store are kept.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::Ordering;

use rustix::fs::{AtFlags, Mode, OFlags, fsync, linkat, openat, renameat, statat, unlinkat};

use crate::core::key;
use crate::file::error::AttachError;
use crate::file::layout::{CHUNK, MAX_CHUNKS, MAX_SHARDS, TABLE_AT, file_len, header};
use crate::file::region::Region;
use crate::file::store_file::{self, Constants, StoreFile};
use crate::file::words::{ChunkState, NodeState};
use crate::shard::guard::shard_among;
use crate::shard::node::Node;
use crate::shard::nodes::{NODES_PER_CHUNK, nth_node};

/// Damaged files of one store that are kept; the oldest goes first.
const KEPT: u32 = 3;

/// Sets the damaged file aside and leaves a store with what could be saved, or nothing, at its path. What to tell the
/// administrator; `what` is what is wrong with the header.
pub(crate) fn quarantine(damaged: &StoreFile, dir: &OwnedFd, what: &str) -> Result<String, AttachError> {
    let fail = |doing, source: io::Error| AttachError::Io { path: damaged.path.clone(), what: doing, source };
    let moved = |e: rustix::io::Errno| fail("set it aside as damaged", e.into());
    let name = damaged.path.file_name().map(Path::new).unwrap_or(Path::new(""));
    let saved = readable(damaged).map_err(|e| fail("look for sessions in it", e))?;
    let (aside, linked) = free_name(dir, name, damaged).map_err(moved)?;
    let kept = damaged.path.with_file_name(&aside);
    let (path, kept) = (damaged.path.display(), kept.display());
    let Some((constants, sessions)) = saved else {
        // Renaming a file to another of its names does nothing.
        if linked { unlinkat(dir, name, AtFlags::empty()) } else { renameat(dir, name, dir, &aside) }.map_err(moved)?;
        return Ok(format!(
            "the session store {path} was damaged ({what}); it is kept as {kept}, and a new store was begun: without the secret in its header the sessions in it cannot be read"
        ));
    };
    let mut temporary = name.as_os_str().to_os_string();
    temporary.push(format!(".{}.new", damaged.inode));
    let copied = copy(damaged, dir, Path::new(&temporary), &constants)
        .and_then(|()| if linked { Ok(()) } else { Ok(linkat(dir, name, dir, &aside, AtFlags::empty())?) })
        .and_then(|()| Ok(renameat(dir, &temporary, dir, name)?));
    if let Err(e) = copied {
        let _ = unlinkat(dir, &temporary, AtFlags::empty());
        return Err(fail("copy its sessions to a new file", e));
    }
    Ok(format!(
        "the session store {path} was damaged ({what}); it is kept as {kept}, and what was whole of {sessions} sessions was carried over to a new store"
    ))
}

/// A name beside the store for the damaged file, and whether it has that name already, from one who died in this work.
/// Where as many files as are kept are there, the oldest is removed.
fn free_name(dir: &OwnedFd, name: &Path, damaged: &StoreFile) -> rustix::io::Result<(std::ffi::OsString, bool)> {
    let mut oldest = None;
    for number in 1..=KEPT {
        let mut aside = name.as_os_str().to_os_string();
        aside.push(format!(".damaged-{number}"));
        match statat(dir, &aside, AtFlags::SYMLINK_NOFOLLOW) {
            Err(rustix::io::Errno::NOENT) => return Ok((aside, false)),
            Err(e) => return Err(e),
            Ok(stat) if (stat.st_dev, stat.st_ino) == (damaged.device, damaged.inode) => return Ok((aside, true)),
            Ok(stat) => {
                // The time at which it got this name; a write through a mapping need not show in the other times.
                let age = (stat.st_ctime, stat.st_ctime_nsec);
                if oldest.as_ref().is_none_or(|(other, _)| age < *other) {
                    oldest = Some((age, aside));
                }
            }
        }
    }
    let (_, aside) = oldest.ok_or(rustix::io::Errno::NOENT)?;
    unlinkat(dir, &aside, AtFlags::empty())?;
    Ok((aside, false))
}

/// The constants of the damaged file and how many sessions prove them: the nodes' checksums hold only with the secret
/// that they were made with. `None` where not one does.
fn readable(damaged: &StoreFile) -> io::Result<Option<(Constants, u64)>> {
    let length = damaged.len().map_err(|e| io::Error::other(e.to_string()))?;
    let chunks = (length.saturating_sub(file_len(0)) / CHUNK).min(u64::from(MAX_CHUNKS)) as u32;
    if chunks == 0 {
        return Ok(None);
    }
    let region = Region::new(&damaged.file, &damaged.path, length)?;
    let map = region.map();
    let mut secret = [0; 32];
    map.read(header::SECRET, &mut secret);
    let seed = key::checksum_seed(&secret);
    // For each number of shards, how many whole nodes lie in the shard where it would have put them.
    let mut votes = [0u64; MAX_SHARDS.ilog2() as usize + 1];
    let mut sessions = 0;
    for chunk in 0..chunks {
        let entry = map.u32(TABLE_AT + 4 * u64::from(chunk)).load(Ordering::Relaxed);
        let Some(ChunkState::Nodes(shard)) = ChunkState::decode(entry) else { continue };
        for i in 0..NODES_PER_CHUNK {
            let node = Node::new(map, nth_node(chunk, i));
            let state = node.head().state();
            if state == NodeState::Free || node.check().load(Ordering::Relaxed) != node.identity(seed) {
                continue;
            }
            sessions += u64::from(state == NodeState::Live);
            for (shift, count) in votes.iter_mut().enumerate() {
                *count += u64::from(shard_among(&node.key(), 1 << shift) == shard);
            }
        }
    }
    let most = votes.iter().copied().max().unwrap_or(0);
    let fitting = || votes.iter().enumerate().filter(|(_, count)| **count == most).map(|(shift, _)| 1u32 << shift);
    // Several may fit few sessions; then all of them find these. What the header said is no reason for more shards than the
    // sessions need: each takes chunks of its own, of which a small store has few.
    let shards = fitting().find(|shards| *shards >= store_file::shards_for(0)).or_else(|| fitting().next_back());
    Ok(shards.filter(|_| most > 0).map(|shards| (Constants { shards, secret }, sessions)))
}

/// Copies the damaged file to `name` with a header that says `constants`, to be recovered as after a crash.
fn copy(damaged: &StoreFile, dir: &OwnedFd, name: &Path, constants: &Constants) -> io::Result<()> {
    // Left by a process that died in this very work: the name is the damaged file's.
    let _ = unlinkat(dir, name, AtFlags::empty());
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let copy = openat(dir, name, flags, Mode::RUSR | Mode::WUSR)?;
    store_file::copy_data(damaged.file.as_fd(), &copy)?;
    store_file::mend_header(&copy, constants)?;
    // It takes the place of a file that is on the disk.
    Ok(fsync(&copy)?)
}
