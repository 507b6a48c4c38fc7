//! One session's node: typed access to its words, and the checksum that tells a whole one from a torn one.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use twox_hash::XxHash3_64;

use crate::file::layout::{Ref, flag, node, offset};
use crate::file::region::{Map, Window};
use crate::file::words::{Head, NodeState};
use cloakroom_seam::Key;

/// A node at a place that was checked to be one.
#[derive(Clone, Copy)]
pub(crate) struct Node<'a> {
    words: Window<'a, { node::SIZE }>,
    pub(crate) place: Ref,
}

impl<'a> Node<'a> {
    /// `place` lies in a node chunk and is aligned to a node.
    pub(crate) fn new(map: Map<'a>, place: Ref) -> Node<'a> {
        Node { words: map.window(offset(place)), place }
    }

    pub(crate) fn lock(self) -> &'a AtomicU32 {
        self.words.u32(node::LOCK)
    }

    pub(crate) fn queue(self) -> &'a AtomicU32 {
        self.words.u32(node::QUEUE)
    }

    pub(crate) fn head_word(self) -> &'a AtomicU64 {
        self.words.u64(node::HEAD)
    }

    pub(crate) fn head(self) -> Head {
        Head(self.head_word().load(Ordering::Acquire))
    }

    pub(crate) fn key(self) -> Key {
        let word = |i: u64| self.words.u64(node::KEY + 8 * i).load(Ordering::Relaxed);
        Key::from_words(word(0), word(1))
    }

    pub(crate) fn set_key(self, key: &Key) {
        let (a, b) = key.to_words();
        self.words.u64(node::KEY).store(a, Ordering::Relaxed);
        self.words.u64(node::KEY + 8).store(b, Ordering::Relaxed);
    }

    pub(crate) fn incarnation(self) -> &'a AtomicU64 {
        self.words.u64(node::INCARNATION)
    }

    pub(crate) fn ended(self) -> &'a AtomicU64 {
        self.words.u64(node::ENDED)
    }

    pub(crate) fn check(self) -> &'a AtomicU64 {
        self.words.u64(node::CHECK)
    }

    pub(crate) fn created(self) -> &'a AtomicU32 {
        self.words.u32(node::CREATED)
    }

    pub(crate) fn lifetime(self) -> &'a AtomicU32 {
        self.words.u32(node::LIFETIME)
    }

    pub(crate) fn grace(self) -> &'a AtomicU32 {
        self.words.u32(node::GRACE)
    }

    pub(crate) fn flags(self) -> &'a AtomicU32 {
        self.words.u32(node::FLAGS)
    }

    pub(crate) fn next(self) -> &'a AtomicU32 {
        self.words.u32(node::NEXT)
    }

    pub(crate) fn prev(self) -> &'a AtomicU32 {
        self.words.u32(node::PREV)
    }

    /// See [`node::SUCCESSOR`].
    pub(crate) fn successor_place(self) -> &'a AtomicU32 {
        self.words.u32(node::SUCCESSOR)
    }

    /// See [`node::SUCCESSOR_INCARNATION`].
    pub(crate) fn successor_incarnation(self) -> &'a AtomicU64 {
        self.words.u64(node::SUCCESSOR_INCARNATION)
    }

    /// Lets the session name no successor.
    pub(crate) fn forget_successor(self) {
        self.successor_place().store(0, Ordering::Relaxed);
        self.successor_incarnation().store(0, Ordering::Relaxed);
    }

    /// Begins a life of the session: without flags, a successor, a log-in, an owner or a client.
    pub(crate) fn clear_life(self) {
        self.flags().store(0, Ordering::Relaxed);
        self.successor_place().store(0, Ordering::Relaxed);
        self.words.u32(node::LOGIN).store(0, Ordering::Relaxed);
        for at in [node::SUCCESSOR_INCARNATION, node::OWNER, node::OWNER + 8, node::CLIENT] {
            self.words.u64(at).store(0, Ordering::Relaxed);
        }
    }

    /// Wall-clock second of expiry (high half), store-clock second of the last use (low half).
    pub(crate) fn seen(self) -> &'a AtomicU64 {
        self.words.u64(node::SEEN)
    }

    /// Sets wall-clock expiry and store-clock last use in one store.
    pub(crate) fn mark_seen(self, wall: u32, now: u32, lifetime: u32) {
        self.lifetime().store(lifetime, Ordering::Relaxed);
        let expires = wall.saturating_add(lifetime);
        self.seen().store(u64::from(expires) << 32 | u64::from(now), Ordering::Release);
    }

    /// Store-clock second of the last use.
    pub(crate) fn last_use(self) -> u32 {
        self.words.u64(node::SEEN).load(Ordering::Relaxed) as u32
    }

    /// Whether readers no longer see the session. It lives through the whole second in which it expires, so it
    /// never ends early.
    pub(crate) fn expired(self, wall: u32) -> bool {
        wall > self.expires()
    }

    /// The last wall-clock second in which readers see the session.
    pub(crate) fn expires(self) -> u32 {
        (self.words.u64(node::SEEN).load(Ordering::Relaxed) >> 32) as u32
    }

    /// Whether the session may be reclaimed: expired, and the store clock agrees that its lifetime has passed.
    pub(crate) fn reclaimable(self, wall: u32, now: u32) -> bool {
        let seen = self.words.u64(node::SEEN).load(Ordering::Relaxed) as u32;
        self.expired(wall) && now.saturating_sub(seen) > self.lifetime().load(Ordering::Relaxed)
    }

    /// The checksum that [`Node::check`] must hold: over what stays the same for one incarnation.
    pub(crate) fn identity(self, seed: u64) -> u64 {
        let created = self.created().load(Ordering::Relaxed);
        identity(seed, self.key(), self.incarnation().load(Ordering::Relaxed), created)
    }

    /// Whether readers see a session here: one that is live and not expired, or retired and within its grace.
    #[inline]
    pub(crate) fn is_present(self, wall: u32) -> bool {
        let state = self.head().state();
        if state == NodeState::Live {
            return !self.expired(wall);
        }
        state == NodeState::Retired && wall <= self.grace().load(Ordering::Relaxed)
    }

    /// Whether nobody has written the session, which is live, in this incarnation.
    pub(crate) fn is_unwritten(self) -> bool {
        self.head().block() == 0 && self.flags().load(Ordering::Relaxed) & flag::EMPTIED == 0
    }

    /// Whether an earlier incarnation of the session is known to have been destroyed. A later one takes the place of the
    /// tombstone, so for how long that was to be remembered cannot be known any more: it is remembered while the node is this key's.
    pub(crate) fn was_ended(self) -> bool {
        self.ended().load(Ordering::Relaxed) != 0
    }

    /// Remembers that the session is asked for again. A reader without a lock calls this before it makes sure, by the head,
    /// that the session was still there: then whoever ends it knows of the reader, or the reader finds it ended.
    #[inline(always)]
    pub(crate) fn mark_returned(self) {
        // Acquire, as the flag may be another reader's. Pairs with [`crate::shard::guard::ShardGuard::end_unwritten`].
        let flags = self.flags().load(Ordering::Acquire);
        if flags & flag::RETURNED_AGAIN == 0 {
            self.mark_more(flags);
        }
    }

    /// Remembers that the session is asked for as often as `other`, whose place it takes: it is not to be evicted before that
    /// would be. As by a reader, without a lock.
    pub(crate) fn mark_returned_as(self, other: Node<'_>) {
        let returned = other.flags().load(Ordering::Acquire) & (flag::RETURNED | flag::RETURNED_AGAIN);
        self.flags().fetch_or(returned, Ordering::AcqRel);
    }

    /// [`Node::mark_returned`] of a session that has not come back twice, which happens to each twice.
    #[cold]
    fn mark_more(self, flags: u32) {
        let more = if flags & flag::RETURNED == 0 { flag::RETURNED } else { flag::RETURNED_AGAIN };
        self.flags().fetch_or(more, Ordering::AcqRel);
    }

    pub(crate) fn is_live(self) -> bool {
        self.head().state() == NodeState::Live
    }
}

/// [`Node::identity`] of a node with these words.
pub(crate) fn identity(seed: u64, key: Key, incarnation: u64, created: u32) -> u64 {
    let (a, b) = key.to_words();
    let mut bytes = [0u8; 32];
    for (to, word) in bytes.chunks_exact_mut(8).zip([a, b, incarnation, u64::from(created)]) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    XxHash3_64::oneshot_with_seed(seed, &bytes)
}
