//! Looking at sessions without leaving a trace, and taking in sessions from elsewhere.
//!
//! A walk asks each server for its names step by step (`SCAN`, never `KEYS`), a thousand at a time, and for the headers of
//! those that are sessions in one round trip more. The server may name a key twice while it resizes its table; the walk
//! passes over what it has met.

use std::collections::HashSet;
use std::ops::ControlFlow;

use cloakroom_seam::{Entry, Key, MAX_PAYLOAD, Restore, Restored};

use crate::core::store::Store;
use crate::core::token::Nonce;
use crate::format::key::{LOCK, Names, TAG, from_base64url};
use crate::format::record::{self, Commit, HEADER, Header, RecordInfo};
use crate::format::script::{RESTORE, Verdict};
use crate::wire::bound::Bound;
use crate::wire::error::Error;
use crate::wire::request::Request;
use crate::wire::resp::{self, Argument, Commands, bytes, milliseconds};
use crate::wire::value::Value;

/// Names that a server goes through in one step.
const STEP: u32 = 1000;
/// Commands for one session of a step: its header, its expiry, its lock.
const EACH: usize = 3;
/// What these answer for one session: the header and two numbers, or where it stands now, three times.
const EACH_BOUND: Bound = Bound { bytes: 2048, elements: 0, depth: 0 };

impl Store {
    /// Calls `visit` with every session until it breaks off. What stands where a session should, but is none, is passed
    /// over.
    ///
    /// # Errors
    /// Failures of the servers.
    pub fn walk(&self, mut visit: impl FnMut(Entry) -> ControlFlow<()>) -> Result<(), Error> {
        let mut met = HashSet::new();
        for slot in self.with_link(|link| link.slots(self.dialer()))? {
            let mut cursor = b"0".to_vec();
            loop {
                let (next, keys) = self.step(&cursor, slot)?;
                let fresh: Vec<Key> = keys.into_iter().filter(|key| met.insert(*key)).collect();
                for entry in self.entries(&fresh, slot)? {
                    if visit(entry).is_break() {
                        return Ok(());
                    }
                }
                if next == b"0" {
                    break;
                }
                cursor = next;
            }
        }
        Ok(())
    }

    /// The session of `key` with its payload; `None` where there is none.
    ///
    /// # Errors
    /// [`Error::Damaged`] and [`Error::Foreign`] where what stands there is no whole session, and failures of the server.
    pub fn inspect(&self, key: &Key) -> Result<Option<(Entry, Vec<u8>)>, Error> {
        let names = self.names(key);
        let read = [bytes(b"GET"), bytes(&names.session)];
        let value = match self.ask(Request::command(&read, Some(names.slot), Bound::SESSION))? {
            Value::BulkString(value) => value,
            Value::Nil => return Ok(None),
            _ => return Err(self.unexpected()),
        };
        self.verified(key, &value)?;
        let info = RecordInfo::read(&value).ok_or_else(|| self.unexpected())?;
        let expires = self.ask(Request::command(&expiry_of(&names), Some(names.slot), Bound::SHORT))?;
        let locked = self.ask(Request::command(&lock_of(&names), Some(names.slot), Bound::SHORT))?;
        Ok(entry(*key, info, &expires, &locked).map(|entry| (entry, record::into_payload(value))))
    }

    /// Stores a session under `key` where there is none and none was destroyed lately.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Foreign`], failures of the server.
    pub fn restore(&self, key: &Key, session: &Restored<'_>) -> Result<Restore, Error> {
        if session.payload.len() > MAX_PAYLOAD {
            return Err(Error::TooLarge(session.payload.len()));
        }
        let names = self.names(key);
        // The server's clock numbers the lives of sessions.
        let Value::Array(clock) = self.ask(Request::command(&[bytes(b"TIME")], Some(names.slot), Bound::SHORT))? else {
            return Err(self.unexpected());
        };
        let [seconds, micros] = [0, 1].map(|at| clock.get(at).map_or(0, number));
        let nonce = u64::from_le_bytes(Nonce::draw()?.to_bytes());
        let incarnation = seconds * 1_000_000 + micros;
        let commit = Commit {
            header: Header { incarnation, version: 1, created: second_of(session.created), nonce },
            used: u32::try_from(seconds).unwrap_or(u32::MAX),
            lifetime: u32::try_from(session.lifetime.as_secs()).unwrap_or(u32::MAX),
        };
        let header = commit.header(key, session.payload);
        let value = Argument::Joined(&header, session.payload);
        let arguments = [bytes(b""), milliseconds(session.lifetime), value];
        let reply = self.run(Request::script(&RESTORE, &names, &arguments))?;
        match reply.verdict {
            Verdict::Done => Ok(Restore::Stored),
            Verdict::VersionChanged | Verdict::Busy => Ok(Restore::Exists),
            Verdict::Ended => Ok(Restore::Ended),
            Verdict::Foreign => Err(self.foreign()),
            _ => Err(reply.unexpected()),
        }
    }

    /// The next names on the server of `slot`, and where to go on.
    fn step(&self, cursor: &[u8], slot: Option<u16>) -> Result<(Vec<u8>, Vec<Key>), Error> {
        let prefix = &self.dialer().address.prefix;
        let pattern = pattern(prefix);
        let command =
            [bytes(b"SCAN"), bytes(cursor), bytes(b"MATCH"), bytes(&pattern), bytes(b"COUNT"), resp::number(STEP)];
        let Value::Array(answer) = self.ask(Request::command(&command, slot, Bound::NAMES))? else {
            return Err(self.unexpected());
        };
        let (Some(Value::BulkString(next)), Some(Value::Array(names))) = (answer.first(), answer.get(1)) else {
            return Err(self.unexpected());
        };
        let key = |name: &Value| match name {
            Value::BulkString(name) => key_of(prefix, name),
            _ => None,
        };
        Ok((next.clone(), names.iter().filter_map(key).collect()))
    }

    /// What is known of the sessions of `keys`, which are on the server of `slot`.
    fn entries(&self, keys: &[Key], slot: Option<u16>) -> Result<Vec<Entry>, Error> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut commands = Commands::default();
        for names in keys.iter().map(|key| self.names(key)) {
            commands.add(&header_of(&names));
            commands.add(&expiry_of(&names));
            commands.add(&lock_of(&names));
        }
        let answers =
            self.with_link(|link| link.ask_each(self.dialer(), slot, &commands, EACH_BOUND.times(keys.len())))?;
        let mut entries = Vec::with_capacity(keys.len());
        for (key, answers) in keys.iter().zip(answers.chunks_exact(EACH)) {
            match answers {
                [Value::BulkString(header), expires, locked] => {
                    entries.extend(RecordInfo::read(header).and_then(|info| entry(*key, info, expires, locked)));
                }
                // Its slot went to another server meanwhile.
                [Value::ServerError(_), ..] => entries.extend(match self.inspect(key) {
                    Err(Error::Foreign | Error::Damaged) => None,
                    found => found?.map(|(entry, _)| entry),
                }),
                _ => {}
            }
        }
        Ok(entries)
    }
}

/// The command that reads the header of a session.
pub(crate) fn header_of(names: &Names) -> [Argument<'_>; 4] {
    [bytes(b"GETRANGE"), bytes(&names.session), resp::number(0_u64), resp::number(HEADER as u64 - 1)]
}

fn expiry_of(names: &Names) -> [Argument<'_>; 2] {
    [bytes(b"PEXPIRETIME"), bytes(&names.session)]
}

fn lock_of(names: &Names) -> [Argument<'_>; 2] {
    [bytes(b"EXISTS"), Argument::Joined(&names.session, LOCK)]
}

/// `None` where the session has been removed meanwhile.
fn entry(key: Key, info: RecordInfo, expires: &Value, locked: &Value) -> Option<Entry> {
    let Value::Int(expires) = expires else { return None };
    let milliseconds = u64::try_from(*expires).ok()?;
    let RecordInfo { header: Header { incarnation, version, created, .. }, used, size, .. } = info;
    let locked = matches!(locked, Value::Int(1));
    let expires = milliseconds.div_ceil(1000);
    Some(Entry {
        key,
        incarnation,
        version,
        created: created.into(),
        used: used.into(),
        expires,
        size: size.into(),
        reserved: size == 0,
        // Not known, and nothing depends on it: this store evicts none.
        returned: true,
        locked,
        retired: info.is_replaced(),
    })
}

/// A time in seconds since 1970 as it is stored.
pub(crate) fn second_of(time: u64) -> u32 {
    u32::try_from(time).unwrap_or(u32::MAX)
}

/// The key of the session called `name`; `None` for what is no session's name.
fn key_of(prefix: &str, name: &[u8]) -> Option<Key> {
    let tag = name.strip_prefix(prefix.as_bytes())?.strip_prefix(b"{")?.strip_suffix(b"}")?;
    from_base64url(tag).map(Key::from_bytes)
}

/// What the names of sessions look like to the server, nothing in the prefix having a meaning.
fn pattern(prefix: &str) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(prefix.len() + TAG);
    for byte in prefix.bytes() {
        if matches!(byte, b'*' | b'?' | b'[' | b']' | b'^' | b'-' | b'\\') {
            pattern.push(b'\\');
        }
        pattern.push(byte);
    }
    pattern.extend_from_slice(b"{*}");
    pattern
}

fn number(value: &Value) -> u64 {
    match value {
        Value::BulkString(text) => std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(0),
        Value::Int(number) => u64::try_from(*number).unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::key::{self, QUEUE, TOMBSTONE};

    #[test]
    fn names_of_sessions_are_told_from_others() {
        let key = key::make(b"", b"id");
        let names = Names::new("app*[1]:", &key);
        assert!(key_of("app*[1]:", &names.session) == Some(key));
        let beside = [LOCK, QUEUE, TOMBSTONE].map(|ending| [&names.session, ending].concat());
        for other in beside.iter().map(Vec::as_slice).chain([&b"app*[1]:stats"[..]]) {
            assert!(key_of("app*[1]:", other).is_none());
        }
        assert!(key_of("app", &names.session).is_none());
        assert_eq!(pattern("app*[1]:"), b"app\\*\\[1\\]:{*}");
    }
}
