//! A sample of the sessions: how large and how old they are, at a cost that does not grow with the store.
//!
//! Takes no lock, waits for nobody and changes nothing: node chunks never become anything else, and what is read of a node
//! counts only if its head is the same before and after.

use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use cloakroom_seam::{MAX_PAYLOAD, Sample, Sampled};
use rand::TryRng;

use crate::core::store::Store;
use crate::file::error::Error;
use crate::file::layout::flag;
use crate::file::region::Map;
use crate::file::words::{ChunkState, NodeState};
use crate::shard::node::Node;
use crate::shard::nodes::{NODES_PER_CHUNK, nth_node};
use crate::shard::payload;

/// A store with room for at most so many sessions is gone through as a whole; in a larger one no more nodes than this are
/// looked at.
const MOST_NODES: u64 = 16 << 10;
/// So many sessions are enough: a share of them is within three percentage points of the share of all, nearly always.
const ENOUGH: usize = 1024;
/// How often a node that changes while it is looked at is looked at again.
const TRIES: u32 = 8;

impl Store {
    /// Looks at all sessions of a small store and at some 1,000 of a large one, every one as likely as any other.
    ///
    /// # Errors
    /// [`Error::Forked`], [`Error::Relocated`], or where the file cannot be mapped.
    pub fn sample(self: &Arc<Store>) -> Result<Sample, Error> {
        if self.forked() {
            return Err(Error::Forked);
        }
        let map = self.map()?;
        if self.is_relocated(map) {
            return Err(Error::Relocated);
        }
        let taken = self.clock().wall();
        let mut chunks = Vec::new();
        for chunk in 0..self.chunks(map) {
            if let Some(ChunkState::Nodes(shard)) = self.chunk_state(map, chunk) {
                chunks.push((chunk, shard));
            }
        }
        let nodes = chunks.len() as u64 * u64::from(NODES_PER_CHUNK);
        let complete = nodes <= MOST_NODES;
        let enough = if complete { usize::MAX } else { ENOUGH };
        let (start, step) = if complete { (0, 1) } else { walk_of(nodes) };
        let mut sessions = Vec::new();
        for i in 0..nodes.min(MOST_NODES) {
            let at = (start + i * step) % nodes;
            let (of, nth) = (at / u64::from(NODES_PER_CHUNK), at % u64::from(NODES_PER_CHUNK));
            let Some((chunk, shard)) = chunks.get(of as usize) else { break };
            let node = Node::new(map, nth_node(*chunk, nth as u32));
            sessions.extend(self.look_at(map, *shard, node, taken));
            if sessions.len() >= enough {
                break;
            }
        }
        Ok(Sample { sessions, complete, taken: taken.into() })
    }

    /// The session in `node`, if there is one that readers see and it holds still.
    fn look_at(&self, map: Map<'_>, shard: u32, node: Node<'_>, wall: u32) -> Option<Sampled> {
        for _ in 0..TRIES {
            let head = node.head();
            if head.state() != NodeState::Live || node.expired(wall) {
                return None;
            }
            let size = match head.block() {
                0 => Some(0),
                block => self.within(map, block, 1, ChunkState::Data(shard)).then(|| payload::total(map, block)),
            };
            let used = node.expires().saturating_sub(node.lifetime().load(Ordering::Relaxed));
            let created = node.created().load(Ordering::Relaxed);
            let returned = node.flags().load(Ordering::Relaxed) & flag::RETURNED != 0;
            fence(Ordering::Acquire);
            if node.head() == head {
                let size = size.filter(|size| *size as usize <= MAX_PAYLOAD)?;
                return Some(Sampled { created: created.into(), used: used.into(), size: size.into(), returned });
            }
        }
        None
    }
}

/// Where a walk over `nodes` places begins and how far its steps are, so that it meets no place twice, and after any number
/// of steps has been everywhere about equally often.
fn walk_of(nodes: u64) -> (u64, u64) {
    let mut seed = [0; 8];
    // Without the system's random numbers the sample is the same each time, which is not worth an error.
    let _ = rand::rngs::SysRng.try_fill_bytes(&mut seed);
    // The golden section keeps any number of steps evenly spread.
    let golden = (nodes as f64 * 0.618_033_988_749_895) as u64;
    let step = (golden.max(1)..=nodes).find(|step| common_divisor(*step, nodes) == 1).unwrap_or(1);
    (u64::from_le_bytes(seed) % nodes, step)
}

fn common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_walk_meets_no_place_twice_and_is_spread_evenly() {
        for nodes in [16_385, 20_460, 1_000_000, 1_023 * 978] {
            let (start, step) = walk_of(nodes);
            let met: Vec<u64> = (0..MOST_NODES).map(|i| (start + i * step) % nodes).collect();
            assert_eq!(met.iter().collect::<HashSet<_>>().len(), met.len(), "{nodes}");
            for tenth in 0..10 {
                let within = nodes * tenth / 10..nodes * (tenth + 1) / 10;
                let share = met.iter().take(ENOUGH).filter(|at| within.contains(at)).count();
                assert!((95..=112).contains(&share), "{nodes}: {share} of {ENOUGH} in a tenth");
            }
        }
    }
}
