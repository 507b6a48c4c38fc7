//! Looking at sessions without leaving a trace: going through all of them, and reading one with its payload.
//!
//! Neither takes a lock, waits for anybody, counts as a use, or extends a lifetime. What is read is believed only if the
//! node's head is the same before and after, as every reader without a lock does. Node chunks never become anything else,
//! and a session keeps its node for as long as it lives, so a walk over the nodes meets each session that exists all the
//! while exactly once; one that begins or ends meanwhile it may meet or not.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use crate::core::store::Store;
use crate::file::error::Error;
use crate::file::layout::flag;
use crate::file::region::Map;
use crate::file::words::{ChunkState, NodeState, Owner};
use crate::shard::index::Contended;
use crate::shard::node::Node;
use crate::shard::nodes::{NODES_PER_CHUNK, nth_node};
use crate::shard::payload::{self, Binding};
use cloakroom_seam::Room;
use cloakroom_seam::{Entry, Key, MAX_PAYLOAD};

/// How often a session that changes under the reader's hands is looked at again.
const TRIES: u32 = 1000;

/// What a look at a node came to.
enum Look<T> {
    /// No session that readers see.
    Absent,
    /// It changed meanwhile: look again.
    Changed,
    /// It contradicts itself, though it did not change meanwhile.
    Broken,
    /// The session, as it was at one moment.
    Present(T),
}

impl Store {
    /// Calls `visit` with every session that readers see, until it breaks off. See the module for what is promised while
    /// others work.
    ///
    /// # Errors
    /// [`Error::Forked`], [`Error::Relocated`], [`Error::Changed`] where a session kept changing for a thousand looks. A
    /// damaged session is passed over; [`Error::Damaged`] tells of it when all others were visited.
    pub fn walk(self: &Arc<Store>, mut visit: impl FnMut(Entry) -> ControlFlow<()>) -> Result<(), Error> {
        if self.forked() {
            return Err(Error::Forked);
        }
        if self.is_relocated(self.map()?) {
            return Err(Error::Relocated);
        }
        let wall = self.clock().wall();
        let mut damage = Ok(());
        let mut chunk = 0;
        while chunk < self.chunks(self.map()?) {
            if let Some(ChunkState::Nodes(shard)) = self.chunk_state(self.map()?, chunk) {
                for i in 0..NODES_PER_CHUNK {
                    let place = nth_node(chunk, i);
                    let look = |map| self.entry(map, shard, Node::new(map, place), wall);
                    match self.look_until_unchanged(look) {
                        Ok(None) => {}
                        Ok(Some(entry)) if visit(entry).is_break() => return damage,
                        Ok(Some(_)) => {}
                        Err(error @ Error::Damaged(_)) => damage = Err(error),
                        Err(error) => return Err(error),
                    }
                }
            }
            chunk += 1;
        }
        damage
    }

    /// The session of `key` with its last committed payload; `None` where readers see none.
    ///
    /// # Errors
    /// [`Error::Damaged`] where the bytes do not match their checksum, and as [`Store::walk`].
    pub fn inspect(self: &Arc<Store>, key: &Key) -> Result<Option<(Entry, Vec<u8>)>, Error> {
        if self.forked() {
            return Err(Error::Forked);
        }
        let shard = self.shard_of(key);
        let wall = self.clock().wall();
        let mut broken = false;
        let found = self.look_until_unchanged(|map| {
            let node = match self.lookup(map, shard, key) {
                Ok(Some(node)) => node,
                Ok(None) => return Look::Absent,
                Err(Contended) => {
                    // The thread that changes the index may be dead: its lock, once had, leaves a whole index.
                    let _ = self.slot().and_then(|me| self.with_shard(me, shard, |guard| guard.whole_index(key)));
                    return Look::Changed;
                }
            };
            let head = node.head();
            match self.entry(map, shard, node, wall) {
                Look::Present(entry) if entry.key == *key => {
                    let mut payload = vec![0; entry.size as usize];
                    let binding = Binding { key: *key, incarnation: entry.incarnation, version: head.version() };
                    broken = head.block() != 0
                        && payload::read_chain(self, map, shard, head.block(), binding, &mut Room::over(&mut payload))
                            .is_err();
                    fence(Ordering::Acquire);
                    if node.head() == head { Look::Present((entry, payload)) } else { Look::Changed }
                }
                Look::Present(_) | Look::Changed => Look::Changed,
                Look::Broken => Look::Broken,
                Look::Absent => Look::Absent,
            }
        })?;
        if found.is_some() && broken {
            return Err(Error::Damaged("a session's bytes do not match their checksum"));
        }
        Ok(found)
    }

    /// Calls `look` with the mapping as it is then, until what it sees stays the same while it looks.
    fn look_until_unchanged<'a, T>(&'a self, mut look: impl FnMut(Map<'a>) -> Look<T>) -> Result<Option<T>, Error> {
        let mut broken = false;
        for tried in 0..TRIES {
            match look(self.map()?) {
                Look::Absent => return Ok(None),
                Look::Present(found) => return Ok(Some(found)),
                Look::Changed => broken = false,
                Look::Broken => broken = true,
            }
            // The thread that is in the middle of a change may have been put off its processor.
            if tried % 16 == 15 { std::thread::yield_now() } else { std::hint::spin_loop() }
        }
        Err(if broken { Error::Damaged("a session's entry contradicts itself") } else { Error::Changed })
    }

    /// What `node` of `shard` says of its session.
    fn entry(&self, map: Map<'_>, shard: u32, node: Node<'_>, wall: u32) -> Look<Entry> {
        let head = node.head();
        if !node.is_present(wall) {
            return Look::Absent;
        }
        let key = node.key();
        let (lifetime, expires) = (node.lifetime().load(Ordering::Relaxed), node.expires());
        let retired = head.state() == NodeState::Retired;
        let word = Owner(node.lock().load(Ordering::Relaxed));
        let whole = node.check().load(Ordering::Relaxed) == node.identity(self.check_seed);
        let data = ChunkState::Data(shard);
        let size = match head.block() {
            0 => Some(0),
            // A payload outside the mapping lies where the file has grown since.
            block => self.within(map, block, 1, data).then(|| payload::total(map, block)),
        };
        let entry = Entry {
            key,
            incarnation: node.incarnation().load(Ordering::Relaxed),
            version: head.version().into(),
            created: node.created().load(Ordering::Relaxed).into(),
            used: expires.saturating_sub(lifetime).into(),
            // The node has the last second in which the session exists, or, retired, is read.
            expires: 1 + u64::from(if retired { node.grace().load(Ordering::Relaxed) } else { expires }),
            size: size.unwrap_or(0).into(),
            reserved: size.unwrap_or(0) == 0,
            returned: node.flags().load(Ordering::Relaxed) & flag::RETURNED != 0,
            locked: word.0 != 0 && !self.is_dead(map, word),
            retired: retired || node.successor_incarnation().load(Ordering::Relaxed) != 0,
        };
        fence(Ordering::Acquire);
        let fits = size.is_some_and(|size| size as usize <= MAX_PAYLOAD) && self.shard_of(&key) == shard;
        match (node.head() == head, whole && fits) {
            (true, true) => Look::Present(entry),
            (true, false) => Look::Broken,
            (false, _) => Look::Changed,
        }
    }
}
