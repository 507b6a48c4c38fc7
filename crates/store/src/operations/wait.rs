//! Waiting for the session lock: a queued thread sleeps on its owner slot until it is named the owner, and looks every 20 ms
//! whether the present holder lives, which also covers a waiter that died before the lock was handed to it.
//!
//! Locks: none while it sleeps; the shard lock for a moment to recover a dead holder's lock or to leave the queue.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use cloakroom_seam::Holder;
use rustix::thread::futex;

use crate::core::owner_slot::{Slot, SlotView};
use crate::core::stats::{Counter, count, count_wait};
use crate::core::store::Store;
use crate::file::error::Error;
use crate::file::layout::Ref;
use crate::file::region::Map;
use crate::file::words::Owner;
use crate::shard::guard::assert_no_shard_held;
use crate::shard::node::Node;
use crate::shard::queue::LOOK;

/// What came of waiting.
pub(crate) enum Waited {
    /// The lock is this thread's.
    Locked,
    /// Time was up; this is who holds the lock.
    TimedOut(Holder),
}

impl Store {
    /// Who holds the lock of `node`, for people.
    pub(crate) fn holder(&self, map: Map<'_>, node: Node<'_>) -> Holder {
        let index = Owner(node.lock().load(Ordering::Relaxed)).slot();
        index.filter(|index| *index < self.slots_allocated(map)).map_or_else(Holder::default, |index| {
            SlotView::new(map, index).holder(node.place, self.clock().wall_precise().1)
        })
    }

    /// Sleeps until the queued thread gets the lock of the node at `place`, or until `wait` is over.
    pub(crate) fn wait_for_session(
        self: &Arc<Store>,
        me: Slot,
        shard: u32,
        place: Ref,
        start: Instant,
        wait: Duration,
    ) -> Result<Waited, Error> {
        assert_no_shard_held();
        let map = self.map()?;
        let view = SlotView::new(map, me.index);
        let node = Node::new(map, place);
        loop {
            let left = wait.saturating_sub(start.elapsed());
            let slice = left.min(LOOK);
            let timeout = rustix::time::Timespec { tv_sec: 0, tv_nsec: i64::from(slice.subsec_nanos()) };
            let _ = futex::wait(view.wake(), futex::Flags::empty(), 0, Some(&timeout));
            if view.wake().load(Ordering::Acquire) == 1 {
                break;
            }
            if left.is_zero() {
                let holder = self.holder(map, node);
                let locked = self.with_shard(me, shard, |guard| {
                    let mine = Owner(node.lock().load(Ordering::Acquire)).bare() == me.owner;
                    if !mine {
                        guard.dequeue(guard.node(place)?, me.index)?;
                        view.waiting().store(0, Ordering::Relaxed);
                    }
                    Ok(mine)
                })?;
                count_wait(map, me, start.elapsed().as_nanos() as u64);
                if locked {
                    view.waiting().store(0, Ordering::Relaxed);
                    return Ok(Waited::Locked);
                }
                count(map, me, Counter::Timeouts, 1);
                return Ok(Waited::TimedOut(holder));
            }
            let word = Owner(node.lock().load(Ordering::Acquire));
            if word.bare() == me.owner {
                // Handed over, but not woken yet. Who does that has the shard lock; had it died, taking that lock
                // rebuilds the queues and wakes this thread.
                self.with_shard(me, shard, |_| Ok(()))?;
            } else if word.0 != 0 && self.is_dead(map, word) {
                self.with_shard(me, shard, |guard| guard.recover_lock(guard.node(place)?, word))?;
            }
        }
        view.waiting().store(0, Ordering::Relaxed);
        count_wait(map, me, start.elapsed().as_nanos() as u64);
        Ok(Waited::Locked)
    }
}
