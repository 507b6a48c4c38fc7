//! A store file whose header is damaged: it is kept under another name, and where the secret in it is still the one
//! that its sessions were written with, they are copied to a new file.
//!
//! Called with the file's attach byte locked by a process that attaches alone. Nothing is ever written to the damaged file. A
//! process that dies in this work leaves either the damaged file at the path, and all of this is done again, or the
//! new one. At most [`KEPT`] damaged files of a store are kept.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use rustix::fs::fsync;

use crate::attach::beside::{self, Keep, Replacement};
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
    let keep = Keep::Newest("damaged", KEPT);
    let saved = readable(damaged).map_err(|e| fail("look for sessions in it", e))?;
    let path = damaged.path.display();
    let Some((constants, sessions)) = saved else {
        let kept = beside::rename_to_kept(damaged, dir, keep).map_err(|e| fail("set it aside as damaged", e))?;
        return Ok(format!(
            "the session store {path} was damaged ({what}); it is kept as {}, and a new store was begun: without the secret in its header the sessions in it cannot be read",
            kept.display()
        ));
    };
    let kept = replace(damaged, dir, &constants, keep).map_err(|e| fail("copy its sessions to a new file", e))?;
    Ok(format!(
        "the session store {path} was damaged ({what}); it is kept as {}, and what was whole of {sessions} sessions was carried over to a new store",
        kept.display()
    ))
}

/// Puts a copy of the damaged file in its place, with a header that says `constants`, to be recovered as after a crash. Where
/// the damaged one is kept.
fn replace(damaged: &StoreFile, dir: &OwnedFd, constants: &Constants, keep: Keep<'_>) -> io::Result<PathBuf> {
    let (replacement, copy) = Replacement::create(damaged, dir)?;
    store_file::copy_data(damaged.file.as_fd(), &copy)?;
    store_file::mend_header(&copy, constants)?;
    // It takes the place of a file that is on the disk.
    fsync(&copy)?;
    let kept = beside::link_as_kept(damaged, dir, keep)?;
    replacement.replace()?;
    Ok(kept)
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
