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

/// For how long a living owner that does not list what it holds is believed while there is time to wait: its list may have
/// been lost to a stray word, and then it ends by itself.
const UNLISTED: Duration = Duration::from_secs(1);

/// The outcome of waiting.
pub(crate) enum Waited {
    /// The lock is this thread's.
    Locked,
    /// Time was up; this is the holder of the lock.
    TimedOut(Holder),
}

impl Store {
    /// The holder of the lock of `node`, for people.
    pub(crate) fn holder(&self, map: Map<'_>, node: Node<'_>) -> Holder {
        let index = Owner(node.lock().load(Ordering::Relaxed)).slot();
        index.filter(|index| *index < self.slots_allocated(map)).map_or_else(Holder::default, |index| {
            SlotView::new(map, index).holder(node.place, self.clock().wall_precise().1)
        })
    }

    /// Frees the lock of `node` where the living owner that `word` names does not list it.
    fn recover_unlisted(
        self: &Arc<Store>,
        map: Map<'_>,
        me: Slot,
        shard: u32,
        node: Node<'_>,
        word: Owner,
    ) -> Result<(), Error> {
        let unlisted = |index| SlotView::new(map, index).lease_on(node.place).is_none();
        let named = word.slot().filter(|index| *index < self.slots_allocated(map) && word.bare() != me.owner);
        if named.is_some_and(unlisted) {
            self.with_shard(me, shard, |guard| guard.recover_unlisted(guard.node(node.place)?))?;
        }
        Ok(())
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
            // The thread that hands the lock over first names the new owner and then wakes it.
            let woken = view.wake().load(Ordering::Acquire);
            let word = Owner(node.lock().load(Ordering::Acquire));
            let mine = word.bare() == me.owner;
            if mine && woken == 1 {
                break;
            }
            let over = left.is_zero();
            if over || start.elapsed() >= UNLISTED {
                self.recover_unlisted(map, me, shard, node, word)?;
            }
            if over {
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
            // A waiter is in the queue, so that the holder hands the lock over, and is not woken before. Where that is not so, a
            // thread that has the shard lock is about to make it so; or a stray word is in the way.
            let waits = word.0 & Owner::WAITERS != 0 && view.waiting().load(Ordering::Relaxed) == place && woken == 0;
            if mine || !waits {
                if self.with_shard(me, shard, |guard| guard.wait_again(guard.node(place)?))? {
                    break;
                }
            } else if self.is_dead(map, word) {
                self.with_shard(me, shard, |guard| guard.recover_lock(guard.node(place)?, word))?;
            }
        }
        view.waiting().store(0, Ordering::Relaxed);
        count_wait(map, me, start.elapsed().as_nanos() as u64);
        Ok(Waited::Locked)
    }
}
