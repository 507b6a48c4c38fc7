//! The sessions of phpredis' handler `redis`.
//!
//! | name | value | lives |
//! |---|---|---|
//! | `prefix` id | the session as PHP encoded it, perhaps compressed | `session.gc_maxlifetime` after the last use |
//! | `prefix` id `_LOCK` | the lock: a token of its holder | `redis.session.lock_expire`, or as long as a script may run |
//!
//! The lock exists where `redis.session.locking_enabled` is on; this crate takes it in any case, as phpredis takes it: set
//! where there is none, and deleted by a script that compares the token. Of several servers phpredis chooses by the id and
//! their weights; this crate asks each in turn, which finds sessions from before a change of weights too.

mod compressed;
mod refusal;
mod save_path;

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use cloakroom_redis_store::address::{Endpoint, Servers};
use cloakroom_redis_store::{Bound, Server, Value};
use redis::{Cmd, cmd};

use crate::servers::{LOCK_EXPIRY, Patience, every, first, is_id, token};
use crate::source::MAX_PAYLOAD;
use crate::{Error, Held, ParseError, Source};

/// Deletes a lock if it carries the token.
const UNLOCK: &str = "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end return redis.call('DEL', KEYS[1])";
/// The end of a lock's name. No id has such a character.
const LOCK_SUFFIX: &[u8] = b"_LOCK";
/// Names that a server goes through in one step of a walk.
const STEP: u32 = 1000;

/// The sessions of phpredis on the servers of one path.
pub struct PhpRedis {
    nodes: Vec<Arc<Node>>,
}

/// One server.
struct Node {
    server: Server,
    prefix: Vec<u8>,
    location: String,
}

/// A session and when it was used last.
struct Found {
    payload: Vec<u8>,
    used: Option<SystemTime>,
}

impl PhpRedis {
    /// The servers that `save_path` of phpredis names.
    ///
    /// # Errors
    /// [`ParseError`] says what is wrong with which server, and quotes nothing.
    pub fn parse(save_path: &[u8]) -> Result<Self, ParseError> {
        let nodes = save_path::parse(save_path)?.into_iter().map(|server| {
            let save_path::NamedServer { address, prefix } = server;
            let scheme = if address.tls.is_some() { "tls" } else { "tcp" };
            let mut location = match &address.servers {
                Servers::One(endpoint @ Endpoint::Tcp { .. }) => format!("{scheme}://{endpoint}"),
                Servers::One(Endpoint::Unix(path)) => format!("unix://{}", path.display()),
                Servers::Cluster(_) | Servers::Sentinel { .. } => address.location(),
            };
            if address.database != 0 {
                location.push_str(&format!("?database={}", address.database));
            }
            Arc::new(Node { server: Server::new(address), prefix, location: format!("redis:{location}") })
        });
        Ok(Self { nodes: nodes.collect() })
    }
}

impl Source for PhpRedis {
    fn has(&self, id: &[u8], _lifetime: Duration) -> Result<bool, Error> {
        if !is_id(id) {
            return Ok(false);
        }
        Ok(first(&self.nodes, |node| Ok((node.count(&[node.session(id)])? > 0).then_some(())))?.is_some())
    }

    fn hold(&self, id: &[u8], wait: Duration, lifetime: Duration) -> Result<Option<Box<dyn Held>>, Error> {
        if !is_id(id) {
            return Ok(None);
        }
        let mut patience = Patience::new(wait);
        first(&self.nodes, |node| {
            // Where only the lock exists, a request of phpredis is about to write the session.
            if node.count(&[node.session(id), node.lock(id)])? == 0 {
                return Ok(None);
            }
            let lock = Lock::take(node, id, &mut patience)?;
            let found = node.read(id, lifetime)?;
            Ok(found.map(|found| Box::new(Session { found, _lock: lock }) as Box<dyn Held>))
        })
    }

    fn peek(&self, id: &[u8], lifetime: Duration) -> Result<Option<Vec<u8>>, Error> {
        if !is_id(id) {
            return Ok(None);
        }
        first(&self.nodes, |node| Ok(node.read(id, lifetime)?.map(|found| found.payload)))
    }

    fn destroy(&self, id: &[u8]) -> Result<bool, Error> {
        if !is_id(id) {
            return Ok(false);
        }
        every(&self.nodes, |node| {
            let mut delete = cmd("DEL");
            delete.arg(node.session(id));
            node.number(&[delete]).map(|deleted| deleted > 0)
        })
    }

    fn each(&self, found: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> Result<(), Error> {
        let mut flow = ControlFlow::Continue(());
        every(&self.nodes, |node| {
            if flow.is_continue() {
                flow = node.walk(found)?;
            }
            Ok(true)
        })?;
        Ok(())
    }

    fn location(&self) -> String {
        let locations = self.nodes.iter().map(|node| node.location.as_str());
        let servers: Vec<&str> =
            locations.map(|location| location.strip_prefix("redis:").unwrap_or(location)).collect();
        format!("redis:{}", servers.join(","))
    }
}

impl Node {
    fn session(&self, id: &[u8]) -> Vec<u8> {
        [&self.prefix, id].concat()
    }

    fn lock(&self, id: &[u8]) -> Vec<u8> {
        [&self.prefix, id, LOCK_SUFFIX].concat()
    }

    fn ask(&self, commands: &[Cmd], bound: Bound) -> Result<std::vec::IntoIter<Value>, Error> {
        match self.server.ask(commands, bound) {
            Ok(answers) => Ok(answers.into_iter()),
            Err(error) => Err(refusal::error(self.location.clone(), &error)),
        }
    }

    /// The answer to the last of `commands`, a number.
    fn number(&self, commands: &[Cmd]) -> Result<i64, Error> {
        match self.ask(commands, Bound::SHORT)?.next_back() {
            Some(Value::Int(number)) => Ok(number),
            _ => Err(self.unexpected()),
        }
    }

    /// How many of these names there are.
    fn count(&self, names: &[Vec<u8>]) -> Result<i64, Error> {
        let mut exists = cmd("EXISTS");
        exists.arg(names);
        self.number(&[exists])
    }

    /// Reads a session; its length is asked for first, so that a huge value is not sent.
    fn read(&self, id: &[u8], lifetime: Duration) -> Result<Option<Found>, Error> {
        let name = self.session(id);
        let [length, expiry, value] = ["STRLEN", "PTTL", "GET"].map(|word| {
            let mut command = cmd(word);
            command.arg(&name);
            command
        });
        let mut answers = self.ask(&[length, expiry], Bound::SHORT)?;
        let (Some(Value::Int(length)), Some(Value::Int(left))) = (answers.next(), answers.next()) else {
            return Err(self.unexpected());
        };
        let length = u64::try_from(length).unwrap_or(0);
        if length > MAX_PAYLOAD {
            return Err(Error::TooLarge { location: self.location.clone(), found: length, limit: MAX_PAYLOAD });
        }
        let payload = match self.ask(&[value], Bound::SESSION)?.next() {
            Some(Value::BulkString(payload)) => payload,
            Some(Value::Nil) => return Ok(None),
            _ => return Err(self.unexpected()),
        };
        if let Some(compression) = compressed::compression(&payload) {
            let reason = format!(
                "phpredis compressed it ({compression}); set redis.session.compression = none where phpredis still runs, \
                 and each session can be migrated once it was written without"
            );
            return Err(Error::Unusable { location: self.location.clone(), reason });
        }
        // Each use sets the expiry to the lifetime; where the old handler has another lifetime, nothing is known.
        let left = u64::try_from(left).ok().map(Duration::from_millis);
        let used = left.and_then(|left| SystemTime::now().checked_sub(lifetime.checked_sub(left)?));
        Ok(Some(Found { payload, used }))
    }

    fn walk(&self, found: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> Result<ControlFlow<()>, Error> {
        let pattern = [literally(&self.prefix), b"*".to_vec()].concat();
        // The server may name a key twice while it resizes its table.
        let mut met = HashSet::new();
        let mut cursor = b"0".to_vec();
        loop {
            let mut scan = cmd("SCAN");
            scan.arg(&cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(STEP);
            let Some(Value::Array(answer)) = self.ask(&[scan], Bound::NAMES)?.next() else {
                return Err(self.unexpected());
            };
            let Ok([Value::BulkString(next), Value::Array(names)]) = <[Value; 2]>::try_from(answer) else {
                return Err(self.unexpected());
            };
            for name in names {
                let Value::BulkString(name) = name else { return Err(self.unexpected()) };
                let Some(id) = name.strip_prefix(self.prefix.as_slice()) else { continue };
                if !id.ends_with(LOCK_SUFFIX) && met.insert(id.to_vec()) && found(id).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            if next == b"0" {
                return Ok(ControlFlow::Continue(()));
            }
            cursor = next;
        }
    }

    fn unexpected(&self) -> Error {
        let reason = "the server answered something unexpected; check that it is a Redis or Valkey server".to_owned();
        Error::Unavailable { location: self.location.clone(), reason }
    }
}

/// A pattern that matches only `text`.
fn literally(text: &[u8]) -> Vec<u8> {
    let escaped = text.iter().flat_map(|byte| {
        let escape = b"*?[]\\".contains(byte).then_some(b'\\');
        escape.into_iter().chain([*byte])
    });
    escaped.collect()
}

/// A lock as phpredis takes it. Dropping it deletes it, if it is still this one.
struct Lock {
    node: Arc<Node>,
    name: Vec<u8>,
    token: Vec<u8>,
}

impl Lock {
    fn take(node: &Arc<Node>, id: &[u8], patience: &mut Patience) -> Result<Self, Error> {
        let no_token = || Error::Unavailable {
            location: node.location.clone(),
            reason: "the system's random generator gives no bytes".to_owned(),
        };
        // Before the first attempt: one whose answer got lost may have succeeded, and is undone with this.
        let lock = Self { node: Arc::clone(node), name: node.lock(id), token: token().ok_or_else(no_token)? };
        loop {
            let (mut set, mut get) = (cmd("SET"), cmd("GET"));
            let expiry = u64::try_from(LOCK_EXPIRY.as_millis()).unwrap_or(u64::MAX);
            set.arg(&lock.name).arg(&lock.token).arg("NX").arg("PX").arg(expiry);
            get.arg(&lock.name);
            // The token of the holder decides, not whether it was set just now: a repetition finds what the first attempt set.
            if let Some(Value::BulkString(holder)) = node.ask(&[set, get], Bound::SHORT)?.next_back()
                && holder == lock.token
            {
                return Ok(lock);
            }
            if !patience.pause() {
                return Err(Error::Busy { location: node.location.clone(), waited: patience.waited() });
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let mut unlock = cmd("EVAL");
        unlock.arg(UNLOCK).arg(1).arg(&self.name).arg(&self.token);
        // A lock that cannot be deleted now expires.
        let _ = self.node.ask(&[unlock], Bound::SHORT);
    }
}

/// A session under its lock.
struct Session {
    found: Found,
    _lock: Lock,
}

impl Held for Session {
    fn payload(&self) -> &[u8] {
        &self.found.payload
    }

    fn used(&self) -> Option<SystemTime> {
        self.found.used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_location_has_no_secrets() {
        let path = "tcp://a:1?auth=secret&database=3&prefix=x:,unix:///run/s?auth[]=u&auth[]=secret tls://[::1]";
        let redis = PhpRedis::parse(path.as_bytes()).expect("a path");
        assert_eq!(redis.location(), "redis:tcp://a:1?database=3,unix:///run/s,tls://[::1]:6379");
    }

    #[test]
    fn a_prefix_is_no_pattern() {
        assert_eq!(literally(b"a*[b]?\\:"), b"a\\*\\[b\\]\\?\\\\:");
    }

    #[test]
    fn what_is_no_id_reaches_no_server() {
        // Nothing listens there, so that any question would be an error.
        let redis = PhpRedis::parse(b"unix:///nowhere/at/all").expect("a path");
        for id in [&b""[..], b"a b", b"a_LOCK"] {
            assert!(!redis.has(id, Duration::ZERO).expect("no question"));
            assert!(redis.hold(id, Duration::ZERO, Duration::ZERO).expect("no question").is_none());
            assert!(redis.peek(id, Duration::ZERO).expect("no question").is_none());
            assert!(!redis.destroy(id).expect("no question"));
        }
        assert!(matches!(redis.has(b"a", Duration::ZERO), Err(Error::Unavailable { .. })));
    }
}
