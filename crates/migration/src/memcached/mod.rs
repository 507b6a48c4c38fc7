//! The sessions of php-memcached.
//!
//! | name | value | lives |
//! |---|---|---|
//! | `prefix` id | the session as PHP encoded it, with the flags 0 | `session.gc_maxlifetime` after the last use |
//! | `prefix` `lock.` id | the lock, `1` | `memcached.sess_lock_expire`, or as long as a script may run |
//!
//! php-memcached adds the lock and deletes it when it is done, whichever request holds it by then. It chooses a server for each
//! of the two names by a hash of the name, the weights and settings of its own. Here each server is asked for the
//! session, and the lock is taken on all of them, in their order: so it is taken wherever php-memcached looks for it.
//!
//! The text protocol is spoken, which any server understands that was not started otherwise (`-B binary`, or SASL, which
//! only the binary protocol has).

mod client;
mod reply;
mod save_path;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use self::client::Client;
use self::reply::Fault;
use self::save_path::{LONGEST_NAME, SavePath};
use crate::servers::{LOCK_EXPIRY, Patience, every, first, is_id, token};
use crate::source::MAX_PAYLOAD;
use crate::{Error, Held, ParseError, Source};

/// The part of a lock's name between prefix and id.
const LOCK: &[u8] = b"lock.";

/// The sessions of php-memcached on the servers of one path.
pub struct PhpMemcached {
    nodes: Vec<Arc<Node>>,
    prefix: Vec<u8>,
}

/// One server.
struct Node {
    client: Client,
    location: String,
}

/// The two names of a session.
struct Names {
    session: Vec<u8>,
    lock: Vec<u8>,
}

impl PhpMemcached {
    /// The servers that `save_path` of php-memcached names.
    ///
    /// # Errors
    /// [`ParseError`] says what is wrong with which server.
    pub fn parse(save_path: &[u8]) -> Result<Self, ParseError> {
        let SavePath { servers, prefix, timeout } = save_path::parse(save_path)?;
        let nodes = servers.into_iter().map(|endpoint| {
            let location = format!("memcached:{endpoint}");
            Arc::new(Node { client: Client::new(endpoint, timeout), location })
        });
        Ok(Self { nodes: nodes.collect(), prefix })
    }

    /// The names of a session; `None` where php-memcached has none for such an id.
    fn names(&self, id: &[u8]) -> Option<Names> {
        let names = Names { session: [&self.prefix, id].concat(), lock: [&self.prefix, LOCK, id].concat() };
        (is_id(id) && names.lock.len() <= LONGEST_NAME).then_some(names)
    }
}

impl Source for PhpMemcached {
    fn has(&self, id: &[u8], _lifetime: Duration) -> Result<bool, Error> {
        let Some(names) = self.names(id) else { return Ok(false) };
        Ok(first(&self.nodes, |node| Ok((node.count(&[&names.session])? > 0).then_some(())))?.is_some())
    }

    fn hold(&self, id: &[u8], wait: Duration, lifetime: Duration) -> Result<Option<Box<dyn Held>>, Error> {
        let Some(names) = self.names(id) else { return Ok(None) };
        // Where only the lock exists, a request of php-memcached is about to write the session.
        let either: [&[u8]; 2] = [&names.session, &names.lock];
        if first(&self.nodes, |node| Ok((node.count(&either)? > 0).then_some(())))?.is_none() {
            return Ok(None);
        }
        let mut patience = Patience::new(wait);
        let locks: Vec<Lock> =
            self.nodes.iter().map(|node| Lock::take(node, &names.lock, &mut patience)).collect::<Result<_, _>>()?;
        let found = first(&self.nodes, |node| match node.read(&names.session)? {
            Some(payload) => Ok(Some((payload, node.used(&names.session, lifetime)?))),
            None => Ok(None),
        })?;
        Ok(found.map(|(payload, used)| Box::new(Session { payload, used, _locks: locks }) as Box<dyn Held>))
    }

    fn peek(&self, id: &[u8], _lifetime: Duration) -> Result<Option<Vec<u8>>, Error> {
        let Some(names) = self.names(id) else { return Ok(None) };
        first(&self.nodes, |node| node.read(&names.session))
    }

    fn destroy(&self, id: &[u8]) -> Result<bool, Error> {
        let Some(names) = self.names(id) else { return Ok(false) };
        every(&self.nodes, |node| node.client.delete(&names.session).map_err(|fault| node.error(fault)))
    }

    fn each(&self, _found: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> Result<(), Error> {
        Err(Error::CannotList { location: self.location() })
    }

    fn location(&self) -> String {
        let servers: Vec<String> = self.nodes.iter().map(|node| node.client.endpoint().to_string()).collect();
        format!("memcached:{}", servers.join(","))
    }
}

impl Node {
    fn count(&self, names: &[&[u8]]) -> Result<usize, Error> {
        match self.client.get(names) {
            Ok(found) => Ok(found.len()),
            // It exists, whatever becomes of it.
            Err(Fault::TooLarge(_)) => Ok(1),
            Err(fault) => Err(self.error(fault)),
        }
    }

    fn read(&self, name: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let Some(item) = self.client.get(&[name]).map_err(|fault| self.error(fault))?.pop() else { return Ok(None) };
        if item.flags != 0 {
            let reason = "php-memcached compressed it, as versions before 3 do, or something else stored it; turn that \
                          compression off (memcached.compression_type) where the old handler runs, and each session can be \
                          migrated once it was written without"
                .to_owned();
            return Err(Error::Unusable { location: self.location.clone(), reason });
        }
        Ok(Some(item.value))
    }

    /// When a session was used last: each use sets its expiry to the lifetime. Where the old handler has another lifetime, nothing is known.
    fn used(&self, name: &[u8], lifetime: Duration) -> Result<Option<SystemTime>, Error> {
        let left = self.client.left(name).map_err(|fault| self.error(fault))?;
        Ok(left.and_then(|left| SystemTime::now().checked_sub(lifetime.checked_sub(left)?)))
    }

    fn error(&self, fault: Fault) -> Error {
        let reason = match fault {
            Fault::Broken(reason) => format!(
                "the server cannot be reached, or breaks off: {reason}; check that it runs, that its address is right, and that it \
                 speaks the text protocol (neither -B binary nor SASL)"
            ),
            Fault::TimedOut => format!(
                "the server did not answer within {} s; check that it is not overloaded or stopped and that it speaks the text \
                 protocol (neither -B binary nor SASL), or add ?timeout=… to the path",
                self.client.timeout().as_secs_f64()
            ),
            Fault::Unexpected => {
                "the server answered something unexpected; check that it is a memcached server".to_owned()
            }
            Fault::Refused(words) if words.contains("unauthenticated") => {
                "the server asks for a user and a password (SASL), and sessions cannot be migrated from such a server"
                    .to_owned()
            }
            Fault::Refused(words) => format!("the server refused: {words}"),
            Fault::TooLarge(found) => {
                return Error::TooLarge { location: self.location.clone(), found, limit: MAX_PAYLOAD };
            }
        };
        Error::Unavailable { location: self.location.clone(), reason }
    }
}

/// A lock as php-memcached takes it. Dropping it deletes it, if it is still this one.
struct Lock {
    node: Arc<Node>,
    name: Vec<u8>,
    token: Vec<u8>,
}

impl Lock {
    fn take(node: &Arc<Node>, name: &[u8], patience: &mut Patience) -> Result<Self, Error> {
        let no_token = || Error::Unavailable {
            location: node.location.clone(),
            reason: "the system's random generator gives no bytes".to_owned(),
        };
        // Before the first attempt: one whose answer got lost may have succeeded, and is undone with this.
        let lock = Self { node: Arc::clone(node), name: name.to_vec(), token: token().ok_or_else(no_token)? };
        loop {
            let added = node.client.add(name, &lock.token, LOCK_EXPIRY).map_err(|fault| node.error(fault))?;
            // A repetition after a broken connection finds what the first attempt added.
            if added || lock.version().is_some() {
                return Ok(lock);
            }
            if !patience.pause() {
                return Err(Error::Busy { location: node.location.clone(), waited: patience.waited() });
            }
        }
    }

    /// The number of the lock on the server, while it is this one.
    fn version(&self) -> Option<u64> {
        let found = self.node.client.get(&[&self.name]).ok()?.pop()?;
        found.version.filter(|_| found.value == self.token)
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A lock that cannot be deleted now expires.
        if let Some(version) = self.version() {
            let _ = self.node.client.delete_version(&self.name, version);
        }
    }
}

/// A session under its locks.
struct Session {
    payload: Vec<u8>,
    used: Option<SystemTime>,
    _locks: Vec<Lock>,
}

impl Held for Session {
    fn payload(&self) -> &[u8] {
        &self.payload
    }

    fn used(&self) -> Option<SystemTime> {
        self.used
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_location_names_the_servers() {
        let memcached = PhpMemcached::parse(b"a:1:5, /run/m:0,[::1]?prefix=x.").expect("a path");
        assert_eq!(memcached.location(), "memcached:a:1,/run/m,[::1]:11211");
    }

    #[test]
    fn what_has_no_name_there_reaches_no_server() {
        // Nothing listens there, so that any question would be an error.
        let memcached = PhpMemcached::parse(b"/nowhere/at/all").expect("a path");
        // With the prefix and "lock.", 231 bytes are too many for memcached.
        let (longest, longer) = ([b'a'; 231], [b'a'; 232]);
        for id in [&b""[..], b"a b", b"a\r\nflush_all", &longer] {
            assert!(!memcached.has(id, Duration::ZERO).expect("no question"));
            assert!(memcached.hold(id, Duration::ZERO, Duration::ZERO).expect("no question").is_none());
            assert!(memcached.peek(id, Duration::ZERO).expect("no question").is_none());
            assert!(!memcached.destroy(id).expect("no question"));
        }
        assert!(matches!(memcached.has(&longest, Duration::ZERO), Err(Error::Unavailable { .. })));
    }

    #[test]
    fn it_cannot_list() {
        let memcached = PhpMemcached::parse(b"/nowhere/at/all").expect("a path");
        let listed = memcached.each(&mut |_| ControlFlow::Continue(()));
        assert!(matches!(listed, Err(Error::CannotList { .. })));
    }
}
