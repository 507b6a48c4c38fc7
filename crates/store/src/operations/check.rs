//! A read-only verification of all invariants of `docs/design.md`, shard by shard under its lock. Used by every crash
//! test and by `cloakroom check`. It changes nothing, save that a shard whose owner died is rebuilt by taking its lock.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::core::owner_slot::SlotView;
use crate::core::store::Store;
use crate::file::error::Error;
use crate::file::layout::{CHUNK_UNITS, Ref, UNIT, chunk_ref, flag, offset, shard, slot};
use crate::file::words::{ChunkState, NodeState, Owner};
use crate::shard::evict::retired_bytes;
use crate::shard::free_space::{BITMAP_UNITS, LARGEST};
use crate::shard::guard::ShardGuard;
use crate::shard::lists::LISTS;
use crate::shard::node::Node;
use crate::shard::nodes::NODES_PER_CHUNK;
use crate::shard::payload::{self, Binding, walk_chain};

/// What a verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Sessions, all whole.
    pub sessions: u64,
    /// Remembered destroyed sessions.
    pub tombstones: u64,
    /// Bytes of all payloads.
    pub payload_bytes: u64,
    /// Session locks that are held.
    pub locked: u64,
    /// Session locks whose owner is dead; the next waiter recovers them.
    pub orphaned: u64,
    /// What contradicts the invariants, at most 100 entries.
    pub problems: Vec<String>,
}

/// Collects what is wrong, with where it is.
struct Problems<'r> {
    report: &'r mut Report,
    shard: u32,
}

impl Problems<'_> {
    fn add(&mut self, what: impl std::fmt::Display) {
        if self.report.problems.len() < 100 {
            self.report.problems.push(format!("shard {}: {what}", self.shard));
        }
    }

    fn equal(&mut self, what: &str, found: u64, said: u32) {
        if found != u64::from(said) {
            self.add(format_args!("{found} {what}, the shard header says {said}"));
        }
    }
}

impl Store {
    /// Verifies the whole store, payload checksums included. Each shard is locked while it is looked at, about a
    /// millisecond for each megabyte of it.
    ///
    /// # Errors
    /// [`Error::Stuck`], [`Error::Forked`]; contradictions are in the report.
    pub fn check(self: &Arc<Store>) -> Result<Report, Error> {
        self.check_with_progress(|_, _| {})
    }

    /// [`Store::check`], calling `progress` before each shard with how many are done, and of how many.
    ///
    /// # Errors
    /// As [`Store::check`].
    pub fn check_with_progress(self: &Arc<Store>, mut progress: impl FnMut(u32, u32)) -> Result<Report, Error> {
        let me = self.slot()?;
        let mut report = Report::default();
        for id in 0..self.shards {
            progress(id, self.shards);
            let guard = self.lock_shard(me, id)?;
            let mut problems = Problems { report: &mut report, shard: id };
            check_shard(&guard, &mut problems);
        }
        Ok(report)
    }
}

/// One bit a unit: what is accounted for.
type Units = HashMap<u32, Vec<bool>>;

fn check_shard(guard: &ShardGuard<'_>, problems: &mut Problems<'_>) {
    let mut units = Units::new();
    let mut node_chunks = 0;
    for chunk in 0..guard.store.chunks(guard.map) {
        match guard.store.chunk_state(guard.map, chunk) {
            Some(ChunkState::Data(id)) if id == guard.shard.id => {
                let mut bits = vec![false; CHUNK_UNITS as usize];
                bits.iter_mut().take(BITMAP_UNITS as usize).for_each(|bit| *bit = true);
                units.insert(chunk, bits);
            }
            Some(ChunkState::Nodes(id)) if id == guard.shard.id => node_chunks += 1,
            Some(ChunkState::Claimed(id)) if id == guard.shard.id => problems.add("a chunk is still being prepared"),
            Some(ChunkState::Nodes(id) | ChunkState::Data(id) | ChunkState::Index(id) | ChunkState::Claimed(id))
                if id >= guard.store.shards =>
            {
                problems.add(format_args!("chunk {chunk} belongs to shard {id}, which there is not"));
            }
            None => problems.add(format_args!("chunk {chunk} has an unknown state")),
            Some(_) => {}
        }
    }
    check_nodes(guard, problems, &mut units, node_chunks);
    check_pending(guard, problems, &mut units);
    check_free_space(guard, problems, &mut units);
    for (chunk, bits) in &units {
        let lost = bits.iter().filter(|bit| !**bit).count();
        if lost > 0 {
            problems.add(format_args!("{lost} units of chunk {chunk} are neither used nor free"));
        }
    }
}

fn claim(units: &mut Units, place: Ref, count: u32) -> Result<(), &'static str> {
    let unit = place.wrapping_sub(chunk_ref(0));
    let bits = units.get_mut(&(unit / CHUNK_UNITS)).ok_or("lies outside the shard's data chunks")?;
    let from = (unit % CHUNK_UNITS) as usize;
    let range = bits.get_mut(from..from + count as usize).ok_or("reaches beyond its chunk")?;
    if range.iter().any(|bit| *bit) {
        return Err("overlaps something else");
    }
    range.fill(true);
    Ok(())
}

fn check_nodes(guard: &ShardGuard<'_>, problems: &mut Problems<'_>, units: &mut Units, node_chunks: u64) {
    let mut all = Vec::new();
    guard.nodes(|node| all.push(node));
    if all.len() as u64 != node_chunks * u64::from(NODES_PER_CHUNK) {
        problems
            .add(format_args!("the list of node chunks has {} nodes, the chunk table {node_chunks} chunks", all.len()));
    }
    let (mut live, mut tombstones, mut free, mut bytes) = (0u64, 0u64, 0u64, 0u64);
    let mut indexed: HashMap<Ref, u32> = HashMap::new();
    if guard.has_index() {
        if let Err(what) = guard.entries(|place| *indexed.entry(place).or_default() += 1) {
            problems.add(what);
        }
    } else if all.iter().any(|node| node.head().state() != NodeState::Free) {
        problems.add("there are sessions but no index");
    }
    for node in &all {
        let head = node.head();
        check_lock(guard, problems, *node);
        if head.state() == NodeState::Free {
            free += 1;
            if indexed.contains_key(&node.place) {
                problems.add("a free node is in the index");
            }
            continue;
        }
        if node.check().load(Ordering::Relaxed) != node.identity(guard.store.check_seed) {
            problems.add("a node's checksum does not match");
        }
        if indexed.get(&node.place) != Some(&1)
            || guard.find(&node.key()).ok().flatten().map(|found| found.place) != Some(node.place)
        {
            problems.add("a session is not found through the index exactly once");
        }
        let flags = node.flags().load(Ordering::Relaxed);
        if flags & !flag::ALL != 0 {
            problems.add("a node has flags that there are not");
        }
        if node.successor_incarnation().load(Ordering::Relaxed) != 0 && !guard.store.names_successor(guard.map, *node) {
            problems.add("a session names a successor that cannot be");
        }
        if head.state() == NodeState::Tombstone {
            tombstones += 1;
            if head.block() != 0 {
                problems.add("a tombstone has a payload");
            }
            continue;
        }
        *if head.state() == NodeState::Retired { &mut tombstones } else { &mut live } += 1;
        if head.block() == 0 {
            continue;
        }
        let binding = Binding {
            key: node.key(),
            incarnation: node.incarnation().load(Ordering::Relaxed),
            version: head.version(),
        };
        let mut clash = None;
        let walked = walk_chain(guard.store, guard.map, guard.shard.id, head.block(), Some(binding), |place, count| {
            clash = claim(units, place, count).err();
            clash.is_none()
        });
        match (walked, clash) {
            (_, Some(what)) => problems.add(format_args!("a payload {what}")),
            (Ok(total), None) => bytes += u64::from(total),
            (Err(broken), None) => problems.add(format_args!("a payload is broken: {broken:?}")),
        }
    }
    problems.equal("live sessions", live, guard.shard.get(shard::LIVE));
    problems.equal("tombstones", tombstones, guard.shard.get(shard::TOMBSTONES));
    problems.equal("free nodes", free, guard.shard.get(shard::FREE_NODE_COUNT));
    let said = guard.shard.word64(shard::PAYLOAD_BYTES).load(Ordering::Relaxed);
    if bytes != said {
        problems.add(format_args!("{bytes} payload bytes, the shard header says {said}"));
    }
    problems.report.sessions += live;
    problems.report.tombstones += tombstones;
    problems.report.payload_bytes += bytes;
    check_lists(guard, problems);
}

fn check_lock(guard: &ShardGuard<'_>, problems: &mut Problems<'_>, node: Node<'_>) {
    let word = Owner(node.lock().load(Ordering::Acquire));
    if word.0 == 0 {
        if node.queue().load(Ordering::Relaxed) != 0 {
            problems.add("somebody is queued for a free session lock");
        }
        return;
    }
    problems.report.locked += 1;
    if guard.store.is_dead(guard.map, word) {
        problems.report.orphaned += 1;
        return;
    }
    let Some(index) = word.slot() else { return };
    let view = SlotView::new(guard.map, index);
    if (0..slot::LEASE_COUNT).all(|i| view.lease_node(i).load(Ordering::Acquire) != node.place)
        && Owner(node.lock().load(Ordering::Acquire)) == word
    {
        problems.add("a session lock's owner does not list the session");
    }
}

fn check_lists(guard: &ShardGuard<'_>, problems: &mut Problems<'_>) {
    for (list, _) in LISTS {
        let name = match list {
            shard::RESERVED => "reserved sessions",
            shard::PROBATION => "sessions on probation",
            shard::TWICE => "sessions that were used twice",
            _ => "tombstones",
        };
        let (mut place, mut last, mut count) = (guard.shard.get(list), 0, 0u64);
        while place != 0 && count <= u64::from(guard.shard.get(list + 8)) {
            let Ok(node) = guard.node(place) else {
                problems.add(format_args!("the list of {name} leads to no node"));
                break;
            };
            if node.prev().load(Ordering::Relaxed) != last || guard.listed(place, list).is_err() {
                problems.add(format_args!("the list of {name} is not linked both ways"));
            }
            last = place;
            place = node.next().load(Ordering::Relaxed);
            count += 1;
        }
        problems.equal(name, count, guard.shard.get(list + 8));
        if guard.shard.get(list + 4) != last {
            problems.add(format_args!("the list of {name} ends elsewhere"));
        }
    }
    problems.equal(
        "tombstones on their list",
        u64::from(guard.shard.get(shard::TOMBSTONE_LIST + 8)),
        guard.shard.get(shard::TOMBSTONES),
    );
    check_retired(guard, problems);
    let (mut place, mut count) = (guard.shard.get(shard::FREE_NODES), 0u64);
    while place != 0 && count <= u64::from(guard.shard.get(shard::FREE_NODE_COUNT)) {
        let Ok(node) = guard.node(place) else {
            problems.add("the list of free nodes leads to no node");
            break;
        };
        if node.head().state() != NodeState::Free {
            problems.add("a node on the free list is in use");
        }
        place = node.next().load(Ordering::Relaxed);
        count += 1;
    }
    problems.equal("nodes on the free list", count, guard.shard.get(shard::FREE_NODE_COUNT));
}

/// The payloads of retired sessions: as many bytes as the shard header says, and none before the first that it names.
fn check_retired(guard: &ShardGuard<'_>, problems: &mut Problems<'_>) {
    let first = guard.shard.get(shard::FIRST_RETIRED);
    let (mut place, mut count, mut bytes, mut passed) = (guard.shard.get(shard::TOMBSTONE_LIST), 0, 0, false);
    while let Ok(node) = guard.listed(place, shard::TOMBSTONE_LIST)
        && count < guard.shard.get(shard::TOMBSTONES)
    {
        passed |= place == first;
        let head = node.head();
        if head.state() == NodeState::Retired && guard.is_data(head.block(), 1) {
            bytes += retired_bytes(payload::total(guard.map, head.block()));
            if !passed {
                problems.add("a retired session lies before the first one");
            }
        }
        place = node.next().load(Ordering::Relaxed);
        count += 1;
    }
    if first != 0 && !passed {
        problems.add("the first retired session is not on the list of tombstones");
    }
    let said = guard.shard.word64(shard::RETIRED_BYTES).load(Ordering::Relaxed);
    if bytes as u64 != said {
        problems.add(format_args!("payloads of retired sessions take {bytes} bytes, the shard header says {said}"));
    }
}

fn check_pending(guard: &ShardGuard<'_>, problems: &mut Problems<'_>, units: &mut Units) {
    for index in 0..guard.store.slots_allocated(guard.map) {
        let view = SlotView::new(guard.map, index);
        for i in 0..slot::LEASE_COUNT {
            let pending = view.lease_pending(i).load(Ordering::Relaxed);
            if pending == 0 || guard.node(view.lease_node(i).load(Ordering::Relaxed)).is_err() {
                continue;
            }
            let mut clash = None;
            let walked = walk_chain(guard.store, guard.map, guard.shard.id, pending, None, |place, count| {
                clash = claim(units, place, count).err();
                clash.is_none()
            });
            if let Some(what) = clash.or(walked.err().map(|_| "is broken")) {
                problems.add(format_args!("an unpublished payload {what}"));
            }
        }
    }
}

/// Walks the bins; what they hold and what the bitmaps say must be the same free units.
fn check_free_space(guard: &ShardGuard<'_>, problems: &mut Problems<'_>, units: &mut Units) {
    let (mut free, mut empty) = (0u64, 0u64);
    for (_, spare, size) in guard.spares() {
        if let Err(what) = claim(units, spare, size) {
            problems.add(format_args!("a spare block {what}"));
        }
    }
    for bin in 0..crate::shard::free_space::BINS {
        let mut place = guard.shard.bin(bin).load(Ordering::Relaxed);
        let mut steps = 0u64;
        while place != 0 {
            let word = |at: u64| guard.map.u32(offset(place) + at).load(Ordering::Relaxed);
            let valid = guard.store.within(guard.map, place, 1, ChunkState::Data(guard.shard.id));
            let count = if valid { word(8) } else { 0 };
            steps += 1;
            if count == 0 || count > LARGEST || steps > 1 << 24 {
                problems.add(format_args!("the list of bin {bin} is broken"));
                break;
            }
            if let Err(what) = claim(units, place, count) {
                problems.add(format_args!("a free block {what}"));
                break;
            }
            let last = offset(place) + (u64::from(count) - 1) * UNIT + UNIT - 4;
            if guard.map.u32(last).load(Ordering::Relaxed) != count {
                problems.add("a free block has two sizes");
            }
            free += u64::from(count);
            empty += u64::from(count == LARGEST);
            place = word(0);
        }
    }
    problems.equal("free units", free, guard.shard.get(shard::FREE_UNITS));
    problems.equal("empty data chunks", empty, guard.shard.get(shard::EMPTY_CHUNKS));
}
