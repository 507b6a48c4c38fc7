//! Committing a payload: found out under the shard lock is where it may go, if anywhere; publishing it is one store.
//!
//! A payload is written into a block that nobody refers to yet, so what is current is never overwritten. A large one is
//! written between two holds of the shard lock, and until it is published its space is listed as pending in the
//! writer's owner slot, so that a process which finds the writer dead can free it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use cloakroom_seam::{Committed, MAX_PAYLOAD, Over};

use crate::core::owner_slot::SlotView;
use crate::core::stats::{Counter, count};
use crate::file::error::Error;
use crate::file::layout::{Ref, flag, shard, shard_at};
use crate::file::words::{Head, NodeState};
use crate::operations::lease::Lease;
use crate::shard::guard::{Fault, ShardGuard};
use crate::shard::node::Node;
use crate::shard::payload::{self, Binding};
use crate::shard::reclaim::seconds;

/// Payloads up to so many bytes are written under one shard lock; larger ones are written between two.
const INLINE: usize = 4096;

/// Where a lease's write must go.
pub(crate) enum Target<'a> {
    Node(Node<'a>),
    Ended,
    VersionChanged(Head),
    /// Gone without having been ended, or without that being known any more after its time: it is made again.
    Vanished,
}

/// What [`Lease::commit`] came to under the shard lock.
enum Written {
    /// Stored as this version; whether the session lock, if there was one, is given back.
    Version(u32, bool),
    Ended,
    /// This is what is there instead of what was read.
    VersionChanged(Head),
}

impl Lease {
    /// Writes `payload`, extends the lifetime to now + `lifetime`, and unlocks.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Full`], [`Error::NoSpace`], [`Error::Stuck`]: the old payload stays, the lock
    /// is released.
    pub fn commit(&mut self, payload: &[u8], lifetime: Duration, over: Over) -> Result<Committed, Error> {
        loop {
            match self.commit_here(payload, lifetime, over) {
                Ok(Written::Version(version, unlocked)) => {
                    self.base = version;
                    if unlocked {
                        self.forget_entry();
                    }
                    self.release();
                    return Ok(Committed::Stored);
                }
                other => {
                    if let Some(outcome) = self.not_stored(other)? {
                        return Ok(outcome);
                    }
                }
            }
        }
    }

    /// What comes of a commit that stored nothing; `None` where it is to be tried again. The lease goes on only where the
    /// session has another version by now.
    #[cold]
    fn not_stored(&mut self, written: Result<Written, Error>) -> Result<Option<Committed>, Error> {
        let outcome = match written {
            Ok(Written::VersionChanged(head)) => self.set_head(head).map(|()| Some(Committed::VersionChanged)),
            Err(Error::Relocated) => {
                self.follow().and_then(|follows| if follows { Ok(None) } else { Err(Error::Relocated) })
            }
            Ok(_) => self.store.map().map(|map| {
                count(map, self.me, Counter::Ended, 1);
                Some(Committed::Ended)
            }),
            Err(e) => Err(e),
        };
        if !matches!(outcome, Ok(None | Some(Committed::VersionChanged))) {
            self.release();
        }
        outcome
    }

    fn commit_here(&self, payload: &[u8], lifetime: Duration, over: Over) -> Result<Written, Error> {
        if payload.len() > MAX_PAYLOAD {
            return Err(Error::TooLarge(payload.len()));
        }
        if self.ended || !self.open {
            return Ok(Written::Ended);
        }
        // Another process was the last in the shard, as likely as not: its cache line is on the way while the payload is hashed.
        self.store.region.map().fetch(shard_at(self.shard));
        let hash = payload::hash(&self.store, payload);
        if payload.len() <= INLINE {
            self.commit_inline(payload, hash, lifetime, over)
        } else {
            self.commit_large(payload, hash, lifetime, over)
        }
    }

    fn commit_inline(&self, payload: &[u8], hash: u64, lifetime: Duration, over: Over) -> Result<Written, Error> {
        self.store.with_shard(self.me, self.shard, |guard| {
            let node = match self.target(guard, lifetime, over)? {
                Ok(node) => node,
                Err(written) => return Ok(written),
            };
            let block = if payload.is_empty() { 0 } else { guard.alloc_chain(payload.len() as u32)? };
            payload::write_chain(guard.map, block, payload);
            Ok(self.publish(guard, node, block, payload.len() as u32, hash, lifetime))
        })
    }

    #[inline(never)]
    fn commit_large(&self, payload: &[u8], hash: u64, lifetime: Duration, over: Over) -> Result<Written, Error> {
        let store = &self.store;
        let map = store.map()?;
        let view = SlotView::new(map, self.me.index);
        // Without a lock there is no entry yet: one is needed to own the space until it is published.
        let entry = match self.entry {
            Some(entry) => entry,
            None => store.free_entry(map, self.me)?,
        };
        let block = store.with_shard(self.me, self.shard, |guard| {
            let node = match self.target(guard, lifetime, over)? {
                Ok(node) => node,
                Err(written) => return Ok(Err(written)),
            };
            let block = guard.alloc_chain(payload.len() as u32)?;
            view.lease_node(entry).store(node.place, Ordering::Relaxed);
            view.lease_pending(entry).store(block, Ordering::Relaxed);
            Ok(Ok(block))
        });
        let written = match block {
            Ok(Ok(block)) => {
                payload::write_chain(store.map()?, block, payload);
                store.with_shard(self.me, self.shard, |guard| {
                    if view.lease_pending(entry).load(Ordering::Relaxed) != block {
                        return Err(Fault::Error(Error::Damaged(
                            "the space for a payload was lost in a rebuild; try again",
                        )));
                    }
                    let node = match self.target(guard, lifetime, over)? {
                        Ok(node) => node,
                        Err(written) => {
                            view.lease_pending(entry).store(0, Ordering::Relaxed);
                            guard.free_chain(block)?;
                            return Ok(written);
                        }
                    };
                    let written = self.publish(guard, node, block, payload.len() as u32, hash, lifetime);
                    view.lease_pending(entry).store(0, Ordering::Relaxed);
                    Ok(written)
                })
            }
            Ok(Err(written)) => Ok(written),
            Err(e) => Err(e),
        };
        if self.entry.is_none() {
            view.lease_node(entry).store(0, Ordering::Relaxed);
        }
        written
    }

    /// The node to write to, made again where the session vanished; or why nothing is written.
    #[inline(always)]
    fn target<'a>(
        &self,
        guard: &mut ShardGuard<'a>,
        lifetime: Duration,
        over: Over,
    ) -> Result<Result<Node<'a>, Written>, Fault> {
        let node = match self.locate(guard, over)? {
            Target::Node(_) if over == Over::Reservation && self.entry.is_none() => {
                return Err(Fault::Error(Error::LockLost));
            }
            Target::Node(node) => node,
            Target::Ended => return Ok(Err(Written::Ended)),
            Target::VersionChanged(head) => return Ok(Err(Written::VersionChanged(head))),
            Target::Vanished => {
                let wall = guard.store.clock().wall();
                let node = guard.create(&self.key, wall, seconds(lifetime))?;
                self.place.set(node.place);
                self.incarnation.set(node.incarnation().load(Ordering::Relaxed));
                node
            }
        };
        guard.keep = node.place;
        Ok(Ok(node))
    }

    #[inline(always)]
    pub(crate) fn locate<'a>(&self, guard: &ShardGuard<'a>, over: Over) -> Result<Target<'a>, Fault> {
        let node = guard.node(self.place.get())?;
        let same = node.key() == self.key && node.incarnation().load(Ordering::Relaxed) == self.incarnation.get();
        if same && node.is_live() {
            if node.successor_incarnation().load(Ordering::Relaxed) != 0 {
                return Ok(Target::Ended);
            }
            let head = node.head();
            let unmoved = over == Over::Anything || head.version() == self.base;
            return Ok(if unmoved { Target::Node(node) } else { Target::VersionChanged(head) });
        }
        let ended = guard.find(&self.key)?.is_some() || guard.store.has_forgotten(guard.map, self.began);
        Ok(if ended { Target::Ended } else { Target::Vanished })
    }

    /// Makes `block`, with `length` payload bytes, the session's payload by one store, unlocks, frees the old one.
    #[inline(always)]
    fn publish(
        &self,
        guard: &mut ShardGuard<'_>,
        node: Node<'_>,
        block: Ref,
        length: u32,
        hash: u64,
        lifetime: Duration,
    ) -> Written {
        let map = guard.map;
        let (wall, now) = guard.store.wall_and_now(map);
        let old = node.head();
        let new = old.next(block, NodeState::Live);
        if block != 0 {
            let binding = Binding { key: self.key, incarnation: self.incarnation.get(), version: new.version() };
            payload::seal(map, block, hash, binding);
        }
        node.mark_seen(wall, now, seconds(lifetime));
        if block == 0 {
            node.flags().fetch_or(flag::EMPTIED, Ordering::Relaxed);
        }
        node.head_word().store(new.0, Ordering::Release);
        // A waiter for the session is woken before the rest is tidied up, which needs only the shard lock.
        let mut unlocked = true;
        if self.entry.is_some() {
            let result = guard.unlock(node);
            unlocked = guard.put_off(result).is_some();
        }
        guard.shard.add64(shard::PAYLOAD_BYTES, i64::from(length));
        // The payload is published: from here on damage is for the next rebuild, not a reason to do this again.
        let freed = guard.drop_payload(old.block());
        guard.put_off(freed);
        let listed = guard.list_anew(node);
        guard.put_off(listed);
        count(map, self.me, Counter::Writes, 1);
        let swept = guard.sweep_in_passing(wall);
        guard.put_off(swept);
        Written::Version(new.version(), unlocked)
    }
}
