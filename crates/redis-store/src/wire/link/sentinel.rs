//! Which server is master, as Sentinels say. They are asked for each new connection, and now and then while one is in use: a
//! master that was replaced while it was well takes writes for some seconds more, all of which are lost.

use std::time::{Duration, Instant};

use crate::address::{Address, Endpoint, Servers};
use crate::wire::bound::Bound;
use crate::wire::connection::{Connection, Dialer, Introduction, drop_stale};
use crate::wire::error::{Error, Refusal};
use crate::wire::resp::{Argument, Commands, bytes};
use crate::wire::stream::Deadline;
use crate::wire::value::Value;

/// How long a connection is used without asking whether it still leads to the master.
const INTERVAL: Duration = Duration::from_secs(1);

/// What that question may take. It is a precaution: without an answer the connection is used as before.
const PATIENCE: Duration = Duration::from_millis(50);

/// A connection to the master, and one to the Sentinel that named it.
pub(crate) struct Watched {
    master: Option<Connection>,
    sentinel: Option<Connection>,
    asked: Instant,
}

impl Watched {
    /// No connection yet.
    pub(crate) fn new() -> Self {
        Self { master: None, sentinel: None, asked: Instant::now() }
    }

    /// Gives up the connection to the master.
    pub(crate) fn forget(&mut self) {
        self.master = None;
    }

    /// The connection to the master, a new one where there is none that can be used.
    pub(crate) fn connection(&mut self, dialer: &Dialer, deadline: Deadline) -> Result<&mut Connection, Error> {
        drop_stale(&mut self.master);
        if self.master.is_some() && self.asked.elapsed() >= INTERVAL {
            self.ask_again(dialer, deadline);
        }
        if self.master.is_none() {
            let (master, sentinel) = connect(dialer, deadline)?;
            *self = Self { master: Some(master), sentinel: Some(sentinel), asked: Instant::now() };
        }
        self.master.as_mut().ok_or(dialer.unexpected())
    }

    /// Gives up the connection to a server that is no longer the one that is named.
    fn ask_again(&mut self, dialer: &Dialer, deadline: Deadline) {
        self.asked = Instant::now();
        let Servers::Sentinel { sentinels, service, .. } = &dialer.address.servers else { return };
        let deadline = deadline.or(PATIENCE);
        let mut named = None;
        if let Some(sentinel) = &mut self.sentinel {
            named = self::named(sentinel, service, deadline).ok();
        }
        if named.is_none() {
            // Another one from now on: each is tried in its turn.
            let turn = self.sentinel.as_ref().and_then(|old| sentinels.iter().position(|one| one == old.endpoint()));
            let next = turn.map_or(0, |turn| turn + 1) % sentinels.len().max(1);
            self.sentinel = sentinels.get(next).and_then(|sentinel| introduced(dialer, sentinel, deadline).ok());
            named = self.sentinel.as_mut().and_then(|sentinel| self::named(sentinel, service, deadline).ok());
        }
        if let Some(named) = named {
            self.master.take_if(|master| *master.endpoint() != named);
        }
    }
}

/// A connection to a Sentinel.
fn introduced(dialer: &Dialer, sentinel: &Endpoint, deadline: Deadline) -> Result<Connection, Error> {
    let Servers::Sentinel { user, password, .. } = &dialer.address.servers else {
        return Err(dialer.unexpected());
    };
    let introduction = Introduction { user: user.as_deref(), password: password.as_ref(), database: 0 };
    dialer.connect_as(sentinel, &introduction, deadline)
}

/// Connects to the master that the first Sentinel to answer names, and makes sure that it knows it is one: right
/// after a fail-over a Sentinel may still name the old one. Answers the connection to that Sentinel as well.
fn connect(dialer: &Dialer, deadline: Deadline) -> Result<(Connection, Connection), Error> {
    let Address { servers: Servers::Sentinel { sentinels, service, .. }, timeout, .. } = &dialer.address else {
        return Err(dialer.unexpected());
    };
    let mut failure = dialer.unexpected();
    for sentinel in sentinels {
        // One that is silent must not use up the time that the others need.
        let part = Deadline::after(deadline.left() / u32::try_from(sentinels.len() + 1).unwrap_or(2));
        let found = introduced(dialer, sentinel, part).and_then(|mut sentinel| {
            let endpoint = named(&mut sentinel, service, part.or(*timeout))?;
            Ok((verified(dialer.connect(&endpoint, deadline)?, deadline.or(*timeout))?, sentinel))
        });
        match found {
            Ok(connections) => return Ok(connections),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// The master that a Sentinel names.
fn named(sentinel: &mut Connection, service: &str, deadline: Deadline) -> Result<Endpoint, Error> {
    let words = [bytes(b"SENTINEL"), bytes(b"get-master-addr-by-name"), bytes(service.as_bytes())];
    match one(sentinel, &words, Bound::SHORT, deadline)? {
        Value::Array(parts) => {
            let mut parts = parts.iter().filter_map(|part| match part {
                Value::BulkString(text) => std::str::from_utf8(text).ok(),
                _ => None,
            });
            let (host, port) = (parts.next(), parts.next().and_then(|port| port.parse().ok()));
            let endpoint = host.zip(port).and_then(|(host, port)| Endpoint::tcp(host, port));
            endpoint.ok_or_else(|| Error::Unexpected { at: sentinel.endpoint().to_string() })
        }
        Value::ServerError(error) => Err(sentinel.refused(&error)),
        _ => Err(Error::Refused { at: sentinel.endpoint().to_string(), refusal: Refusal::NoService }),
    }
}

fn verified(mut connection: Connection, deadline: Deadline) -> Result<Connection, Error> {
    match one(&mut connection, &[bytes(b"ROLE")], Bound::ROLE, deadline)? {
        Value::Array(parts) if parts.first() == Some(&Value::BulkString(b"master".to_vec())) => Ok(connection),
        Value::ServerError(error) => Err(connection.refused(&error)),
        _ => Err(Error::Refused { at: connection.endpoint().to_string(), refusal: Refusal::NoMaster }),
    }
}

fn one(
    connection: &mut Connection,
    command: &[Argument<'_>],
    bound: Bound,
    deadline: Deadline,
) -> Result<Value, Error> {
    let at = connection.endpoint().to_string();
    let answer = connection.ask_for_last(&Commands::one(command), bound, deadline);
    answer.map_err(|fault| fault.into_unreachable(at))
}
