//! Lists by age: doubly linked through the nodes, the oldest first, each node on one of them at most.
//!
//! | list | what is on it | in the order of |
//! |---|---|---|
//! | reserved | sessions that nobody has written | beginning |
//! | probation | sessions that were written and never came back | first write |
//! | used twice | sessions that came back once | last write, about |
//! | tombstones | ended sessions that are remembered | end |
//!
//! A reader without the shard lock can note that a session came back; the session then stays where it is until a write or an
//! eviction comes by it. All of it is under the shard lock and derived: a rebuild makes the lists anew. Which list a node is
//! on is said by its flags; what the links say is believed only as far as the flags agree.

use std::sync::atomic::Ordering;

use crate::file::layout::{Ref, flag, shard};
use crate::file::words::NodeState;
use crate::shard::guard::{Fault, ShardGuard};
use crate::shard::node::Node;

/// The lists, with the flag of the nodes that are on each.
pub(crate) const LISTS: [(u64, u32); 4] = [
    (shard::RESERVED, flag::ON_RESERVED),
    (shard::PROBATION, flag::ON_PROBATION),
    (shard::TWICE, flag::ON_TWICE),
    (shard::TOMBSTONE_LIST, flag::ON_TOMBSTONES),
];
/// The flags of a live session that is on a list.
const LISTED: u32 = flag::ON_RESERVED | flag::ON_PROBATION | flag::ON_TWICE;

/// The flag of the nodes that are on `list`.
fn flag_of(list: u64) -> u32 {
    LISTS.iter().find(|(other, _)| *other == list).map_or(0, |(_, flag)| *flag)
}

/// The list that a live session belongs on, if any. One without payload counts as reserved until an eviction looks at it.
pub(crate) fn list_for(node: Node<'_>) -> Option<u64> {
    let flags = node.flags().load(Ordering::Relaxed);
    if node.head().block() == 0 {
        Some(shard::RESERVED)
    } else if flags & flag::RETURNED_AGAIN != 0 {
        None
    } else if flags & flag::RETURNED != 0 {
        Some(shard::TWICE)
    } else {
        Some(shard::PROBATION)
    }
}

impl<'a> ShardGuard<'a> {
    /// Appends `node` to a list.
    pub(crate) fn link(&self, node: Node<'_>, list: u64) {
        let tail = self.shard.get(list + 4);
        node.prev().store(tail, Ordering::Relaxed);
        node.next().store(0, Ordering::Relaxed);
        match self.store.node(self.map, self.shard.id, tail) {
            Some(last) => last.next().store(node.place, Ordering::Relaxed),
            None => self.shard.set(list, node.place),
        }
        self.shard.set(list + 4, node.place);
        self.shard.add(list + 8, 1);
        node.flags().fetch_or(flag_of(list), Ordering::Relaxed);
        let is_retired = list == shard::TOMBSTONE_LIST && node.head().state() == NodeState::Retired;
        if is_retired && self.shard.get(shard::FIRST_RETIRED) == 0 {
            self.shard.set(shard::FIRST_RETIRED, node.place);
        }
    }

    /// Takes `node` off the list that it is on, if any.
    pub(crate) fn unlink(&self, node: Node<'_>) -> Result<(), Fault> {
        let flags = node.flags().load(Ordering::Relaxed);
        let Some((list, bit)) = LISTS.into_iter().find(|(_, bit)| flags & bit != 0) else { return Ok(()) };
        let (next, prev) = (node.next().load(Ordering::Relaxed), node.prev().load(Ordering::Relaxed));
        match prev {
            0 if self.shard.get(list) == node.place => self.shard.set(list, next),
            0 => return Err(Fault::Damaged("a session is not the first of its list as it says")),
            prev => self.node(prev)?.next().store(next, Ordering::Relaxed),
        }
        match next {
            0 => self.shard.set(list + 4, prev),
            next => self.node(next)?.prev().store(prev, Ordering::Relaxed),
        }
        self.shard.add(list + 8, -1);
        if list == shard::TOMBSTONE_LIST && self.shard.get(shard::FIRST_RETIRED) == node.place {
            self.shard.set(shard::FIRST_RETIRED, next);
        }
        node.flags().fetch_and(!bit, Ordering::Relaxed);
        Ok(())
    }

    /// The node at `place`, which a list leads to, if it is one that can be on that list.
    pub(crate) fn listed(&self, place: Ref, list: u64) -> Result<Node<'a>, Fault> {
        let node = self.node(place)?;
        let ended = matches!(node.head().state(), NodeState::Tombstone | NodeState::Retired);
        let fits = if list == shard::TOMBSTONE_LIST { ended } else { node.is_live() };
        if fits && node.flags().load(Ordering::Relaxed) & flag_of(list) != 0 {
            Ok(node)
        } else {
            Err(Fault::Damaged("a list of sessions leads to one that is not on it"))
        }
    }

    /// Moves a live session, which was just used, to where it belongs by now. Nothing for one that is on no list, as those are
    /// that are used again and again.
    #[inline(always)]
    pub(crate) fn list_anew(&self, node: Node<'_>) -> Result<(), Fault> {
        if node.flags().load(Ordering::Relaxed) & LISTED == 0 { Ok(()) } else { self.list_otherwise(node) }
    }

    #[cold]
    #[inline(never)]
    fn list_otherwise(&self, node: Node<'_>) -> Result<(), Fault> {
        let flags = node.flags().load(Ordering::Relaxed);
        if flags & flag::RETURNED_AGAIN != 0 {
            return self.unlink(node);
        }
        // One that was emptied stays where it is. Those that were used twice are in the order of their use.
        match list_for(node) {
            Some(shard::TWICE) => {
                self.unlink(node)?;
                self.link(node, shard::TWICE);
            }
            Some(shard::PROBATION) if flags & flag::ON_RESERVED != 0 => {
                self.unlink(node)?;
                self.link(node, shard::PROBATION);
            }
            _ => {}
        }
        Ok(())
    }
}
