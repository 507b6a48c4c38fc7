//! One memcached server: the few commands of its text protocol that a migration needs. They are understood by every
//! version of memcached that is in use.

use std::io::BufReader;
use std::mem;
use std::time::Duration;

use cloakroom_redis_store::address::Endpoint;
use cloakroom_redis_store::forks;
use cloakroom_redis_store::stream::{Deadline, Stream};
use parking_lot::Mutex;

use super::reply::{Fault, Item, digits, items, line};

/// A server, and this process's connections to it. Nothing is connected before it is asked something.
pub(super) struct Client {
    endpoint: Endpoint,
    timeout: Duration,
    idle: Mutex<Idle>,
}

/// Connections that no thread uses at the moment.
#[derive(Default)]
struct Idle {
    /// Whose they are: see [`forks::count`].
    forks: u64,
    streams: Vec<Stream>,
}

type Answers<'a> = BufReader<cloakroom_redis_store::stream::Until<'a>>;

impl Client {
    pub(super) fn new(endpoint: Endpoint, timeout: Duration) -> Self {
        Self { endpoint, timeout, idle: Mutex::default() }
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The items of these names that exist, with the numbers of their versions.
    pub(super) fn get(&self, names: &[&[u8]]) -> Result<Vec<Item>, Fault> {
        let mut request = b"gets".to_vec();
        for name in names {
            request.push(b' ');
            request.extend(*name);
        }
        request.extend(b"\r\n");
        let found = self.ask(&request, |from| items(from, names.len()))?;
        if found.iter().all(|item| names.contains(&item.name.as_slice())) { Ok(found) } else { Err(Fault::Unexpected) }
    }

    /// For how long an item still exists; `None` where it does not, never expires, or the server cannot tell (before 1.6).
    pub(super) fn left(&self, name: &[u8]) -> Result<Option<Duration>, Fault> {
        let request = [b"mg ", name, b" t\r\n"].concat();
        let answer = match self.command(&request) {
            Err(Fault::Refused(_)) => return Ok(None),
            answer => answer?,
        };
        Ok(answer.strip_prefix(b"HD t").and_then(digits).map(Duration::from_secs))
    }

    /// Stores a value that expires under a name that is free; `false` where it is not.
    pub(super) fn add(&self, name: &[u8], value: &[u8], expiry: Duration) -> Result<bool, Fault> {
        let times = format!(" 0 {} {}\r\n", expiry.as_secs(), value.len());
        let request = [b"add ", name, times.as_bytes(), value, b"\r\n"].concat();
        match self.command(&request)?.as_slice() {
            b"STORED" => Ok(true),
            b"NOT_STORED" => Ok(false),
            _ => Err(Fault::Unexpected),
        }
    }

    /// Deletes the item if it is still this version: it is replaced by an empty one that has expired already, as `delete`
    /// itself compares nothing.
    pub(super) fn delete_version(&self, name: &[u8], version: u64) -> Result<bool, Fault> {
        let rest = format!(" 0 -1 0 {version}\r\n\r\n");
        match self.command(&[b"cas ", name, rest.as_bytes()].concat())?.as_slice() {
            b"STORED" => Ok(true),
            b"EXISTS" | b"NOT_FOUND" => Ok(false),
            _ => Err(Fault::Unexpected),
        }
    }

    /// Deletes whatever is there; whether there was something.
    pub(super) fn delete(&self, name: &[u8]) -> Result<bool, Fault> {
        match self.command(&[b"delete ", name, b"\r\n"].concat())?.as_slice() {
            b"DELETED" => Ok(true),
            b"NOT_FOUND" => Ok(false),
            _ => Err(Fault::Unexpected),
        }
    }

    /// The answer, of one line, to a command.
    fn command(&self, request: &[u8]) -> Result<Vec<u8>, Fault> {
        self.ask(request, |from| line(from))
    }

    /// Sends a request and reads its answer; once more on a new connection where the first one breaks, in the same time.
    fn ask<T>(&self, request: &[u8], read: impl Fn(&mut Answers<'_>) -> Result<T, Fault>) -> Result<T, Fault> {
        let deadline = Deadline::after(self.timeout);
        match self.ask_once(request, deadline, &read) {
            Err(Fault::Broken(_)) if !deadline.left().is_zero() => self.ask_once(request, deadline, &read),
            answer => answer,
        }
    }

    fn ask_once<T>(
        &self,
        request: &[u8],
        deadline: Deadline,
        read: impl Fn(&mut Answers<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let idle = self.with_idle(Vec::pop).filter(|stream| !stream.is_stale());
        let mut stream = match idle {
            Some(stream) => stream,
            None => Stream::connect(&self.endpoint, None, deadline)?,
        };
        stream.send(request, deadline)?;
        let mut answers = BufReader::new(stream.until(deadline));
        let answer = read(&mut answers);
        // What was not asked for, and an answer of which only a part was read, would be taken for the next answer.
        let is_whole = matches!(answer, Ok(_) | Err(Fault::Refused(_))) && answers.buffer().is_empty();
        drop(answers);
        if is_whole {
            self.with_idle(|idle| idle.push(stream));
        }
        answer
    }

    /// Works on the connections of this process. A forked child closes its copies of its parent's, of which the server
    /// hears nothing.
    fn with_idle<T>(&self, work: impl FnOnce(&mut Vec<Stream>) -> T) -> T {
        let mut idle = self.idle.lock();
        if mem::replace(&mut idle.forks, forks::count()) != forks::count() {
            idle.streams.clear();
        }
        work(&mut idle.streams)
    }
}
