//! Which server of a cluster serves which slot, and a connection to each server that was needed so far.
//!
//! The map is asked for when it is first needed, corrected by what servers answer (MOVED), and thrown away when a server
//! cannot be used: another one that is known, or one that the address names, is then asked for the map.

use crate::address::Endpoint;
use crate::wire::bound::{Bound, Excess, Measure};
use crate::wire::connection::{Connection, Dialer};
use crate::wire::error::{Error, Refusal};
use crate::wire::resp::{Commands, bytes};
use crate::wire::stream::Deadline;
use crate::wire::value::Value;

const SLOTS: usize = 16384;

/// The most servers that are known at a time. A cluster has a thousand at most.
const MOST_SERVERS: usize = 1024;

/// The servers of a cluster.
pub(crate) struct Nodes {
    nodes: Vec<Node>,
    /// For each slot the index of its server in `nodes`; empty while not known.
    slots: Vec<u16>,
    /// So many of `nodes`, the first ones, are those that the address names.
    seeds: usize,
}

struct Node {
    endpoint: Endpoint,
    connection: Option<Connection>,
}

/// In the place of an index for a slot that no server serves.
const UNSERVED: u16 = u16::MAX;

impl Nodes {
    /// A cluster of which only `seeds` are known.
    pub(crate) fn new(seeds: &[Endpoint]) -> Self {
        let nodes = seeds.iter().map(|endpoint| Node { endpoint: endpoint.clone(), connection: None }).collect();
        Self { nodes, slots: Vec::new(), seeds: seeds.len() }
    }

    /// A connection to the server of `slot` (any server for `None`), or to `asking`.
    pub(crate) fn connection(
        &mut self,
        dialer: &Dialer,
        slot: Option<u16>,
        asking: Option<&Endpoint>,
        deadline: Deadline,
    ) -> Result<&mut Connection, Error> {
        if self.slots.is_empty() {
            self.learn(dialer, deadline)?;
        }
        let index = match asking {
            Some(endpoint) => self.index_of(endpoint)?,
            None => {
                let index = self.slots.get(usize::from(slot.unwrap_or(0))).copied().unwrap_or(UNSERVED);
                if index == UNSERVED {
                    let at = dialer.address.location();
                    return Err(Error::Refused { at, refusal: Refusal::ClusterDown });
                }
                usize::from(index)
            }
        };
        self.connected(dialer, index, deadline)
    }

    fn connected(&mut self, dialer: &Dialer, index: usize, deadline: Deadline) -> Result<&mut Connection, Error> {
        match self.nodes.get_mut(index) {
            Some(Node { endpoint, connection }) => dialer.connected(connection, endpoint, deadline),
            None => Err(dialer.unexpected()),
        }
    }

    /// Asks one server after the other for the map.
    fn learn(&mut self, dialer: &Dialer, deadline: Deadline) -> Result<(), Error> {
        let mut failure = dialer.unexpected();
        // The servers met last come first: the ones that the address names may be long gone.
        for index in (0..self.nodes.len()).rev() {
            let part = Deadline::after(deadline.left() / u32::try_from(index + 2).unwrap_or(2));
            let learned = self.ask_for_slots(dialer, index, part).and_then(|ranges| self.take(ranges));
            match learned {
                Ok(()) => return Ok(()),
                Err(error) => {
                    if let Some(node) = self.nodes.get_mut(index) {
                        node.connection = None;
                    }
                    failure = error;
                }
            }
        }
        Err(failure)
    }

    fn ask_for_slots(
        &mut self,
        dialer: &Dialer,
        index: usize,
        deadline: Deadline,
    ) -> Result<Vec<(usize, usize, Endpoint)>, Error> {
        let connection = self.connected(dialer, index, deadline)?;
        let at = connection.endpoint().to_string();
        let question = Commands::one(&[bytes(b"CLUSTER"), bytes(b"SLOTS")]);
        let answer = match connection.ask_for_last(&question, Bound::SLOTS, deadline.or(dialer.address.timeout)) {
            Ok(answer) => answer,
            Err(fault) => return Err(fault.into_unreachable(at)),
        };
        match answer {
            Value::Array(ranges) if (1..=SLOTS).contains(&ranges.len()) => {
                let ranges = ranges.iter().map(|range| read_range(range, connection.endpoint()));
                ranges.collect::<Option<_>>().ok_or(Error::Unexpected { at })
            }
            Value::Array(ranges) if ranges.is_empty() => Err(Error::Refused { at, refusal: Refusal::ClusterDown }),
            Value::ServerError(error) => Err(connection.refused(&error)),
            _ => Err(Error::Unexpected { at }),
        }
    }

    fn take(&mut self, ranges: Vec<(usize, usize, Endpoint)>) -> Result<(), Error> {
        let mut slots = vec![UNSERVED; SLOTS];
        for (first, last, endpoint) in ranges {
            let index = u16::try_from(self.index_of(&endpoint)?).unwrap_or(UNSERVED);
            if let Some(range) = slots.get_mut(first..=last) {
                range.fill(index);
            }
        }
        self.slots = slots;
        Ok(())
    }

    /// The index of a server in `nodes`, which it gets where it has none.
    fn index_of(&mut self, endpoint: &Endpoint) -> Result<usize, Error> {
        if let Some(index) = self.nodes.iter().position(|node| node.endpoint == *endpoint) {
            return Ok(index);
        }
        let index = self.nodes.len();
        let most = MOST_SERVERS.max(self.seeds);
        if index >= most {
            // Those without a connection are forgotten, for the next request.
            self.forget(None);
            let excess = Excess { of: Measure::Servers, announced: index as u64 + 1, allowed: most as u64 };
            return Err(Error::Excess { at: endpoint.to_string(), excess });
        }
        self.nodes.push(Node { endpoint: endpoint.clone(), connection: None });
        Ok(index)
    }

    /// Notes that the server at `endpoint` serves `slot`; `false` while no map is known.
    pub(crate) fn redirect(&mut self, slot: u16, endpoint: &Endpoint) -> Result<bool, Error> {
        let index = u16::try_from(self.index_of(endpoint)?).unwrap_or(UNSERVED);
        Ok(self.slots.get_mut(usize::from(slot)).map(|known| *known = index).is_some())
    }

    /// Gives up the connection to the server of `slot`, and the map. Servers that are no longer needed go with it.
    pub(crate) fn forget(&mut self, slot: Option<u16>) {
        let index = self.slots.get(usize::from(slot.unwrap_or(0))).copied().unwrap_or(UNSERVED);
        if let Some(node) = self.nodes.get_mut(usize::from(index)) {
            node.connection = None;
        }
        let seeds = self.seeds;
        let mut at = 0;
        self.nodes.retain(|node| {
            at += 1;
            at <= seeds || node.connection.is_some()
        });
        self.slots.clear();
    }

    /// A slot of each server that serves any.
    pub(crate) fn slot_of_each(&mut self, dialer: &Dialer, deadline: Deadline) -> Result<Vec<u16>, Error> {
        if self.slots.is_empty() {
            self.learn(dialer, deadline)?;
        }
        let mut found: Vec<(u16, u16)> = Vec::new();
        for (slot, index) in (0..).zip(&self.slots) {
            if *index != UNSERVED && found.iter().all(|(known, _)| known != index) {
                found.push((*index, slot));
            }
        }
        Ok(found.into_iter().map(|(_, slot)| slot).collect())
    }
}

/// A range of slots and their master, from an answer of the server at `asked`.
fn read_range(range: &Value, asked: &Endpoint) -> Option<(usize, usize, Endpoint)> {
    let Value::Array(range) = range else { return None };
    let (Value::Int(first), Value::Int(last), Value::Array(master)) = (range.first()?, range.get(1)?, range.get(2)?)
    else {
        return None;
    };
    let host = match (master.first()?, asked) {
        (Value::BulkString(host), _) if !host.is_empty() && host != b"?" => std::str::from_utf8(host).ok()?,
        // It does not know its own name: the one under which it was reached will do.
        (_, Endpoint::Tcp { host, .. }) => host,
        (_, Endpoint::Unix(_)) => return None,
    };
    let Value::Int(port) = master.get(1)? else { return None };
    let endpoint = Endpoint::tcp(host, u16::try_from(*port).ok()?)?;
    Some((usize::try_from(*first).ok()?, usize::try_from(*last).ok()?, endpoint))
}
