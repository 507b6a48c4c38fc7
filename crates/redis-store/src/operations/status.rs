//! The figures of a store: what its processes counted, and what the servers say of themselves.

use crate::core::counters::NAMES;
use crate::core::store::Store;
use crate::format::key::TAG;
use crate::wire::bound::Bound;
use crate::wire::error::Error;
use crate::wire::request::Request;
use crate::wire::resp::{self, Argument, bytes};
use crate::wire::value::Value;

/// Keys looked at in one step of counting.
const STEP: u64 = 1000;

/// How many keys of each server are looked at, at most. What there is beyond that is estimated from these: the order in
/// which a server names its keys has nothing to do with what they are.
const SAMPLE: u64 = 20_000;

/// What the servers' own `INFO` calls them, and what they are called here.
const INFO: [(&str, &str); 5] = [
    ("used_memory", "server_memory"),
    ("maxmemory", "server_memory_limit"),
    ("evicted_keys", "evicted_keys"),
    ("expired_keys", "expired_keys"),
    ("connected_clients", "clients"),
];

impl Store {
    /// The figures, in a fixed order. Those of several servers are added up; "sessions" is exact up to some 20,000 keys
    /// a server and an estimate beyond.
    ///
    /// # Errors
    /// Failures of the servers.
    pub fn status(&self) -> Result<Vec<(&'static str, u64)>, Error> {
        self.send_counts()?;
        let mut figures = vec![("sessions", self.count_sessions()?)];
        let name = self.counters_name();
        let mut command = vec![bytes(b"HMGET"), bytes(&name)];
        command.extend(NAMES.iter().map(|name| bytes(name.as_bytes())));
        match self.ask(Request::command(&command, Some(self.counters_slot()), Bound::SHORT))? {
            Value::Array(counts) => {
                figures.extend(NAMES.iter().zip(&counts).map(|(name, count)| (*name, number(count))))
            }
            _ => return Err(self.unexpected()),
        }
        let answers = self.on_all(&[bytes(b"INFO")], Bound::INFO)?;
        for (theirs, ours) in INFO {
            figures.push((ours, answers.iter().map(|info| said(info, theirs)).sum()));
        }
        Ok(figures)
    }

    fn on_all(&self, command: &[Argument<'_>], bound: Bound) -> Result<Vec<Value>, Error> {
        self.with_link(|link| link.ask_all(self.dialer(), command, bound))
    }

    /// The number of sessions on all servers.
    fn count_sessions(&self) -> Result<u64, Error> {
        let sizes = self.on_all(&[bytes(b"DBSIZE")], Bound::SHORT)?;
        let slots = self.with_link(|link| link.slots(self.dialer()))?;
        let mut sessions = 0;
        for (size, slot) in sizes.iter().zip(slots) {
            sessions += self.count_on(slot, number(size))?;
        }
        Ok(sessions)
    }

    /// The number of sessions on the server of `slot`, which has `size` keys.
    fn count_on(&self, slot: Option<u16>, size: u64) -> Result<u64, Error> {
        let prefix = &self.dialer().address.prefix;
        let length = prefix.len() + TAG + 2;
        let (mut cursor, mut seen, mut sessions) = (b"0".to_vec(), 0, 0);
        loop {
            let command = [bytes(b"SCAN"), bytes(&cursor), bytes(b"COUNT"), resp::number(STEP)];
            let Value::Array(answer) = self.ask(Request::command(&command, slot, Bound::NAMES))? else {
                return Err(self.unexpected());
            };
            let (Some(Value::BulkString(next)), Some(Value::Array(keys))) = (answer.first(), answer.get(1)) else {
                return Err(self.unexpected());
            };
            seen += keys.len() as u64;
            let is_session = |key: &&Value| matches!(key, Value::BulkString(name) if name.len() == length && name.starts_with(prefix.as_bytes()) && name.ends_with(b"}"));
            sessions += keys.iter().filter(is_session).count() as u64;
            if next == b"0" {
                return Ok(sessions);
            }
            if seen >= SAMPLE {
                let estimate = u128::from(sessions) * u128::from(size.max(seen)) / u128::from(seen);
                return Ok(u64::try_from(estimate).unwrap_or(u64::MAX));
            }
            cursor.clone_from(next);
        }
    }
}

fn number(value: &Value) -> u64 {
    match value {
        Value::Int(number) => u64::try_from(*number).unwrap_or(0),
        Value::BulkString(text) => std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(0),
        _ => 0,
    }
}

/// What a server says of `what` in its `INFO`.
fn said(info: &Value, what: &str) -> u64 {
    let Value::BulkString(text) = info else { return 0 };
    let text = String::from_utf8_lossy(text);
    let line = text.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(':'));
    line.and_then(|figure| figure.trim().parse().ok()).unwrap_or(0)
}
