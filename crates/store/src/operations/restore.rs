//! Bringing sessions in from elsewhere: a store with the secret of another one, and sessions with the keys and times that
//! they had there.
//!
//! Keys are made with the store's secret, and an id cannot be computed from its key, so sessions can only be moved to a
//! store of the same secret. The secret of a store never changes, as all processes that have it attached made their keys with it;
//! a store that is not in use and holds no session may be begun anew with another one.

use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::fs::{Mode, OFlags, Uid, fchown, openat};
use rustix::io::Errno;

use crate::attach::content::Content;
use crate::attach::open::{Options, attach_locked, clamped};
use crate::core::stats::{Counter, count};
use crate::core::store::Store;
use crate::file::byte_lock::{self, Byte};
use crate::file::error::{AttachError, Error};
use crate::file::store_file;
use crate::file::words::NodeState;
use crate::operations::lease::{Lease, Point};
use crate::shard::index::Contended;
use crate::shard::node::Node;
use cloakroom_seam::{Acquire, Committed, Key, LockMode, Over, Restore, Restored, Succession};

/// How long to wait for a process that is attaching.
const PATIENCE: Duration = Duration::from_secs(5);
/// Capacity of a new store where none is asked for, as PHP's default: the first worker that attaches sets its own.
const CAPACITY: u64 = 1 << 30;

impl Store {
    /// The secret that keys are made with. Its holder still cannot compute an id from a key, but can make the key of
    /// an id: for moving sessions, not for showing.
    #[must_use]
    pub fn secret(&self) -> [u8; 32] {
        self.keys.secret()
    }

    /// Stores a session under `key` where there is none and none was destroyed lately.
    ///
    /// # Errors
    /// As [`Lease::commit`].
    pub fn restore(self: &Arc<Store>, key: &Key, session: &Restored<'_>) -> Result<Restore, Error> {
        self.bring_in(key, session, false)
    }

    /// [`Store::restore`] that also takes the place of a session which is only reserved, and counts. A session that was
    /// begun again after its end is none of these, empty as it may be.
    ///
    /// # Errors
    /// As [`Lease::commit`].
    pub fn migrate_in(self: &Arc<Store>, key: &Key, session: &Restored<'_>) -> Result<Restore, Error> {
        let taken = self.bring_in(key, session, true)?;
        if taken == Restore::Stored {
            count(self.map()?, self.slot()?, Counter::Migrated, 1);
        }
        Ok(taken)
    }

    /// Whether [`Store::migrate_in`] would store a session, without any lock.
    ///
    /// # Errors
    /// [`Error::Forked`], or where the index could not be searched.
    pub fn is_vacant(self: &Arc<Store>, key: &Key) -> Result<bool, Error> {
        let me = self.slot()?;
        let (shard, wall) = (self.shard_of(key), self.clock().wall());
        let is_vacant = |node: Node<'_>| match node.head().state() {
            NodeState::Free => true,
            NodeState::Live => {
                let names = node.successor_incarnation().load(Ordering::Relaxed) != 0;
                !node.was_ended() && (node.expired(wall) || (node.is_unwritten() && !names))
            }
            NodeState::Tombstone | NodeState::Retired => false,
        };
        match self.lookup(self.map()?, shard, key) {
            Ok(node) => Ok(node.is_none_or(|node| is_vacant(node) || node.key() != *key)),
            Err(Contended) => self.with_shard(me, shard, |guard| Ok(guard.find_session(key)?.is_none_or(is_vacant))),
        }
    }

    fn bring_in(self: &Arc<Store>, key: &Key, session: &Restored<'_>, over_reserved: bool) -> Result<Restore, Error> {
        // A request that has been waiting since the store was made may not write a session that was destroyed since.
        let since = Some(Point::BEGINNING.to_mark());
        let (wait, lock_ttl, lifetime) = (Duration::ZERO, Duration::ZERO, session.lifetime);
        let mode = LockMode::Exclusive;
        let how = Acquire { mode, wait, lock_ttl, max_waiters: 0, lifetime, script: b"import", since, drawn: false };
        let mut lease = match self.acquire(key, &how) {
            Err(Error::LockTimeout { .. } | Error::HeldHere) => return Ok(Restore::Exists),
            acquired => acquired?,
        };
        if lease.ended {
            return Ok(Restore::Ended);
        }
        if !lease.is_new() {
            if !(over_reserved && lease.is_unwritten()? && lease.succession() == Succession::None) {
                return Ok(Restore::Exists);
            }
            // Reserved by a request that came after the end. A request that ends it from here on ends this incarnation.
            if lease.was_ended()? {
                return Ok(Restore::Ended);
            }
        }
        let created = u32::try_from(session.created).unwrap_or(u32::MAX);
        // Of one that comes with its visitor it is known that it is used again and again; of others no more than that they came
        // back.
        lease.backdate(created, u32::from(session.returned) << u32::from(over_reserved))?;
        let over = if lease.is_new() { Over::Anything } else { Over::WhatWasRead };
        match lease.commit(session.payload, session.lifetime, over)? {
            Committed::Stored => Ok(Restore::Stored),
            Committed::VersionChanged => Ok(Restore::Exists),
            Committed::Ended => Ok(Restore::Ended),
        }
    }

    /// Attaches the store of a user in `directory` whose secret is `secret`: the one that is there, or a new one that is
    /// made where there is none, or only one that holds no session and is not in use. `options.capacity` is the new one's.
    ///
    /// # Errors
    /// [`AttachError::OtherSecret`] where the store that is there holds sessions or is in use, and as [`Store::attach`].
    pub fn attach_with_secret(
        directory: &Path,
        options: Options,
        secret: &[u8; 32],
    ) -> Result<Arc<Store>, AttachError> {
        let there = Options { capacity: None, user: options.user };
        match Store::attach(directory, there) {
            Ok(store) if store.secret() == *secret => return Ok(store),
            Ok(_) | Err(AttachError::Missing { .. }) => {}
            Err(error) => return Err(error),
        }
        begin_anew(directory, options, secret)?;
        Store::attach(directory, there)
    }
}

/// Makes an empty store with `secret` in place of none or of one that is empty and not in use.
fn begin_anew(directory: &Path, options: Options, secret: &[u8; 32]) -> Result<(), AttachError> {
    let user = options.user.unwrap_or_else(|| rustix::process::geteuid().as_raw());
    let (dir, _) = store_file::open_directory(directory, user)?;
    make_blank(&dir, directory, user)?;
    let opened = store_file::open(&dir, directory, user, false)?;
    let path = opened.path.clone();
    let io = |source| AttachError::Io { path: path.clone(), what: "lock it", source };
    if !byte_lock::exclusive_within(&opened.file, Byte::Attach, PATIENCE).map_err(io)? {
        return Err(AttachError::Busy { path, waited: PATIENCE });
    }
    if !opened.in_place() || byte_lock::held_elsewhere(&opened.file, Byte::Present).map_err(io)? {
        return Err(AttachError::OtherSecret { path, sessions: None });
    }
    let capacity = clamped(options.capacity.unwrap_or(CAPACITY));
    let content = match opened.content()? {
        Content::Blank => return opened.make_with(capacity, *secret).map(drop),
        Content::Store(constants) => constants,
        Content::OtherFormat { format, layout, header } => {
            let upgradable = header.is_some();
            return Err(AttachError::OtherFormat { path, format, layout, in_use: false, upgradable });
        }
        Content::Damaged(what) => return Err(AttachError::Foreign { path, what }),
    };
    // Attached by no other process until this is dropped.
    let store = attach_locked(opened, Some(content), None, true)?;
    let mut sessions = 0;
    let walked = store.walk(|_| {
        sessions += 1;
        ControlFlow::Continue(())
    });
    if sessions > 0 || walked.is_err() {
        return Err(AttachError::OtherSecret { path, sessions: Some(sessions) });
    }
    store.file.make_with(capacity, *secret).map(drop)
}

/// Makes an empty file at the place of the store of `user`, where nothing is.
fn make_blank(dir: &OwnedFd, directory: &Path, user: u32) -> Result<(), AttachError> {
    let name = format!("cloakroom-{user}.store");
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = match openat(dir, &name, flags, Mode::RUSR | Mode::WUSR) {
        Err(Errno::EXIST) => return Ok(()),
        made => made.and_then(|file| fchown(&file, Some(Uid::from_raw(user)), None)),
    };
    made.map_err(|source| AttachError::Open { path: directory.join(name), source: source.into() })
}

impl Lease {
    /// Whether no request has written the session, and what this lease has read is what is there.
    fn is_unwritten(&mut self) -> Result<bool, Error> {
        let node = Node::new(self.store.map()?, self.place.get());
        let (head, unwritten) = (node.head(), node.is_unwritten());
        // As this lease stands where the store was made, it has read nothing yet.
        self.set_head(head)?;
        Ok(unwritten)
    }

    /// Whether the session was destroyed before this incarnation of it began.
    fn was_ended(&self) -> Result<bool, Error> {
        Ok(Node::new(self.store.map()?, self.place.get()).was_ended())
    }

    /// Makes the session that this lease has just begun one that began at `created` and came back `times` times.
    fn backdate(&self, created: u32, times: u32) -> Result<(), Error> {
        self.store.with_shard(self.me, self.shard, |guard| {
            let node = guard.node(self.place.get())?;
            let is_it = node.key() == self.key && node.incarnation().load(Ordering::Relaxed) == self.incarnation.get();
            // One that was written is not to be without a valid checksum for a moment.
            if is_it && node.is_unwritten() {
                node.created().store(created, Ordering::Relaxed);
                node.check().store(node.identity(guard.store.check_seed), Ordering::Relaxed);
                (0..times).for_each(|_| node.mark_returned());
            }
            Ok(())
        })
    }
}
