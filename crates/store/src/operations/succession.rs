//! The session that takes another's place: naming it, and what becomes of the one that names it.
//!
//! A node names the successor by the place of its node and its incarnation. Incarnations are unique in a store and nodes stay
//! nodes, so a node with another incarnation is not the successor's any more, and the key is read there. Both words are written under the
//! shard lock of the node that names; readers take no lock. A writer clears the incarnation, writes the place, and writes the
//! incarnation: a reader who finds the same incarnation before and after the place has a pair that belongs together.
//!
//! The successor counts as used as often as the session whose place it takes: were it evicted before it was written, nobody could
//! tell that it never was.
//!
//! A live node that names a successor is written by nobody (`Lease::locate`). All of this concerns one shard at a
//! time: the successor's node is only looked at, without a lock.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::core::store::Store;
use crate::file::error::Error;
use crate::file::layout::Ref;
use crate::file::region::Map;
use crate::file::words::NodeState;
use crate::operations::commit::Target;
use crate::operations::lease::{Lease, Point};
use crate::shard::node::Node;
use cloakroom_seam::{Destroyed, End, Key, Mark, Named, Over, Succession, Successor};

/// How often a pair of words is read that changes meanwhile. Each change is a rotation of this very session.
const TRIES: u32 = 8;

/// The successor of a session that names none, or one that is gone: no session has this key.
const GONE: Key = Key::from_words(0, 0);

impl Lease {
    /// Whether another session took, or was to take, the place of this one when it was acquired. Costs nothing.
    #[must_use]
    #[inline(always)]
    pub const fn is_replaced(&self) -> bool {
        self.replaced && !self.ended
    }

    /// Which session takes the place of this one. Costs nothing where none did when it was acquired.
    #[must_use]
    pub fn succession(&self) -> Succession {
        if !self.is_replaced() {
            return Succession::None;
        }
        let Ok(map) = self.store.map() else { return Succession::None };
        let node = Node::new(map, self.place.get());
        let found = self.store.succession(map, node);
        let same = node.key() == self.key && node.incarnation().load(Ordering::Relaxed) == self.incarnation.get();
        if same { found } else { Succession::Retired(Successor { key: GONE, incarnation: 0 }) }
    }

    /// Whether the session was ended, or its id replaced, since this lease acquired it.
    ///
    /// # Errors
    /// [`Error::Stuck`], [`Error::Damaged`].
    pub fn is_over(&mut self) -> Result<bool, Error> {
        self.wherever(|lease| {
            if lease.ended || !lease.open {
                return Ok(true);
            }
            lease.store.with_shard(lease.me, lease.shard, |guard| {
                Ok(matches!(lease.locate(guard, Over::Anything)?, Target::Ended))
            })
        })
    }

    /// Makes the session name its successor, which this process holds, in place of `before`.
    ///
    /// # Errors
    /// [`Error::Stuck`], [`Error::Damaged`].
    pub fn name(&mut self, successor: &Successor, before: Option<&Successor>) -> Result<Named, Error> {
        self.wherever(|lease| lease.name_here(successor, before))
    }

    fn name_here(&mut self, successor: &Successor, before: Option<&Successor>) -> Result<Named, Error> {
        if self.ended || !self.open {
            return Ok(Named::Over);
        }
        let map = self.store.map()?;
        if self.store.is_relocated(map) {
            // The successor is in the new file.
            return Err(Error::Relocated);
        }
        let found = self.store.find(map, self.store.shard_of(&successor.key), &successor.key);
        let Some(next) = found.filter(|node| node.incarnation().load(Ordering::Relaxed) == successor.incarnation)
        else {
            return Ok(Named::Over);
        };
        let head = self.store.with_shard(self.me, self.shard, |guard| {
            let node = guard.node(self.place.get())?;
            let same = node.key() == self.key && node.incarnation().load(Ordering::Relaxed) == self.incarnation.get();
            if same && node.is_live() {
                let named = node.successor_incarnation().load(Ordering::Relaxed);
                let may = named == before.map_or(0, |before| before.incarnation) || named == successor.incarnation;
                if may {
                    next.mark_returned_as(node);
                    write(node, next.place, successor.incarnation);
                }
                return Ok(may.then(|| node.head()).ok_or(Named::Over));
            }
            let ended = guard.find(&self.key)?.is_some() || guard.store.has_forgotten(guard.map, self.began);
            Ok(Err(if ended { Named::Over } else { Named::Vanished }))
        })?;
        match head {
            Ok(head) if head.version() == self.base => Ok(Named::Unchanged),
            Ok(head) => self.set_head(head).map(|()| Named::VersionChanged),
            Err(named) => Ok(named),
        }
    }

    /// Does `work` in the file that the store is in now.
    fn wherever<T>(&mut self, work: impl Fn(&mut Lease) -> Result<T, Error>) -> Result<T, Error> {
        loop {
            match work(self) {
                Err(Error::Relocated) if self.follow()? => {}
                result => return result,
            }
        }
    }
}

impl Store {
    /// Whether another session takes the place of the one in `node`, as far as that can be told without a lock.
    pub(crate) fn succession(&self, map: Map<'_>, node: Node<'_>) -> Succession {
        let retired = node.head().state() == NodeState::Retired;
        match self.successor(map, node) {
            Some(successor) if retired => Succession::Retired(successor),
            Some(successor) => Succession::Named(successor),
            None if retired => Succession::Retired(Successor { key: GONE, incarnation: 0 }),
            None => Succession::None,
        }
    }

    fn successor(&self, map: Map<'_>, node: Node<'_>) -> Option<Successor> {
        let mut named = (0, 0);
        for _ in 0..TRIES {
            // Partners of the three stores in `write`.
            let incarnation = node.successor_incarnation().load(Ordering::Acquire);
            let place = node.successor_place().load(Ordering::Acquire);
            named = (incarnation, place);
            if node.successor_incarnation().load(Ordering::Relaxed) == incarnation {
                break;
            }
        }
        let (incarnation, place) = named;
        (incarnation != 0).then(|| {
            let key = self.node_anywhere(map, place).and_then(|node| {
                let key = node.key();
                (node.incarnation().load(Ordering::Acquire) == incarnation).then_some(key)
            });
            Successor { key: key.unwrap_or(GONE), incarnation }
        })
    }

    /// Ends the session of `key` by `end`, where it lives and names `successor`, which was written.
    ///
    /// # Errors
    /// [`Error::Stuck`], [`Error::Damaged`], [`Error::Forked`].
    pub fn settle(self: &Arc<Store>, key: &Key, successor: &Successor, end: End) -> Result<(), Error> {
        let me = self.slot()?;
        self.with_shard(me, self.shard_of(key), |guard| match guard.find(key)? {
            Some(node) if names(node, successor) => guard.end(node, end),
            _ => Ok(()),
        })
    }

    /// Makes the session of `key`, where it lives and names `successor`, name none.
    ///
    /// # Errors
    /// As [`Store::settle`].
    pub fn reinstate(self: &Arc<Store>, key: &Key, successor: &Successor) -> Result<bool, Error> {
        let me = self.slot()?;
        self.with_shard(me, self.shard_of(key), |guard| match guard.find(key)? {
            Some(node) if names(node, successor) => {
                write(node, 0, 0);
                Ok(true)
            }
            _ => Ok(false),
        })
    }

    /// [`Store::destroy`] for somebody who read the session at `since`.
    ///
    /// # Errors
    /// As [`Store::destroy`].
    pub fn destroy_since(self: &Arc<Store>, key: &Key, since: &Mark, end: End) -> Result<Destroyed, Error> {
        let me = self.slot()?;
        let wall = self.clock().wall();
        let since = Point::of(*since);
        self.with_shard(me, self.shard_of(key), |guard| {
            let ended = |node: Node<'_>| guard.store.was_ended_since(guard.map, node, since.began);
            let Some(node) = guard.find(key)? else {
                let forgotten = since.stood().is_some_and(|stood| guard.store.has_forgotten(guard.map, stood));
                return Ok(if forgotten { Destroyed::Before } else { Destroyed::Absent });
            };
            if !node.is_live() {
                let before = ended(node);
                if end.grace.is_zero() {
                    guard.end_grace(node)?;
                }
                return Ok(if before { Destroyed::Before } else { Destroyed::Absent });
            }
            let same = since.incarnation == 0 || node.incarnation().load(Ordering::Relaxed) == since.incarnation;
            let before = node.successor_incarnation().load(Ordering::Relaxed) != 0 || (!same && ended(node));
            let present = node.is_present(wall);
            guard.end(node, end)?;
            Ok(match (before, present) {
                (true, _) => Destroyed::Before,
                (false, true) => Destroyed::Now,
                (false, false) => Destroyed::Absent,
            })
        })
    }
}

/// Whether a node is that of a live session which names `successor`.
fn names(node: Node<'_>, successor: &Successor) -> bool {
    node.is_live()
        && successor.incarnation != 0
        && node.successor_incarnation().load(Ordering::Relaxed) == successor.incarnation
}

/// Makes a node name the session at `place`. Under the shard lock.
fn write(node: Node<'_>, place: Ref, incarnation: u64) {
    // Partners of the loads in `Store::successor`: who reads the new place reads no incarnation from before this.
    node.successor_incarnation().store(0, Ordering::Relaxed);
    node.successor_place().store(place, Ordering::Release);
    node.successor_incarnation().store(incarnation, Ordering::Release);
}
