//! A commit that meets another version of its session than was read: other requests wrote meanwhile, without a lock or
//! under one that was not waited for.
//!
//! The three payloads are merged ([`crate::merge`]) and the result is committed over what was read for the merge. Where
//! another request was faster once more, the merge is done again from the version that it stored: each round that is lost
//! is another request's commit, so all of them together go on, and no request waits for a process that sleeps.

use std::time::Duration;

use crate::StoreError;
use crate::merge::{self, Format, Merged};
use crate::seam::{Committed, Lease, Over};
use crate::user_path::UserPath;
use cloakroom_seam::Room;

/// How often a payload that was replaced while it was read is read again.
pub(crate) const MAX_READS: u32 = 16;

/// The payload that the script was given, as far as a merge needs it.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// How payloads are encoded.
    pub format: Format,
    /// The payload as it was read, where the caller has it; else the one that [`crate::Request::finish_read`] kept.
    pub read: Option<&'a [u8]>,
}

/// Commits through `lease`, whose session has another version now than was `read`, the merge of `mine` with that version.
/// Where they cannot be merged, or `read` is not known, the last write wins. `user` is where the user's id stands.
pub(crate) fn commit_merged(
    lease: &mut dyn Lease,
    format: Format,
    user: &UserPath,
    read: Option<&[u8]>,
    mine: &[u8],
    lifetime: Duration,
) -> Result<Committed, StoreError> {
    loop {
        let theirs = match read_whole(lease) {
            Err(StoreError::Changed) => continue,
            theirs => theirs?,
        };
        let merged = match read.map(|read| merge::merge_with_user(format, user, read, mine, &theirs)) {
            Some(Merged::Merged { payload, conflicts }) => Some((payload, conflicts)),
            Some(Merged::Fallback(_)) | None => None,
        };
        let payload = merged.as_ref().map_or(mine, |(payload, _)| payload);
        let committed = lease.commit(payload, lifetime, Over::WhatWasRead)?;
        if committed == Committed::Stored {
            lease.count_merge(merged.map(|(_, conflicts)| conflicts));
        }
        if committed != Committed::VersionChanged {
            return Ok(committed);
        }
    }
}

/// The payload that `lease` reads.
pub(crate) fn read_whole(lease: &mut dyn Lease) -> Result<Vec<u8>, StoreError> {
    let mut payload = Vec::new();
    for _ in 0..=MAX_READS {
        payload.resize(lease.payload_len(), 0);
        let mut room = Room::over(&mut payload);
        match lease.read_payload(&mut room) {
            Err(StoreError::Changed) => {}
            Ok(()) if !room.is_full() => {}
            read => return read.map(|()| payload),
        }
    }
    Err(StoreError::Changed)
}

/// Ends `lease` by a touch of the session that holds `payload`. One that was not there when it was acquired holds
/// nothing yet and is written.
pub(crate) fn touch_or_write(
    lease: &mut dyn Lease,
    payload: &[u8],
    lifetime: Duration,
) -> Result<Committed, StoreError> {
    if lease.is_new() && !payload.is_empty() {
        return lease.commit(payload, lifetime, Over::Anything);
    }
    lease.touch(payload, lifetime)
}
