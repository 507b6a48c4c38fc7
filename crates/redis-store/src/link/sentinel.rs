//! Who is master, as Sentinels say. They are asked anew for each connection, which is how a fail-over is followed.

use redis::{Value, cmd};

use crate::address::Endpoint;
use crate::address::{Address, Servers};
use crate::connection::{Connection, Dialer, Fault, Introduction};
use crate::error::{Error, Refusal};
use crate::stream::Deadline;

/// Connects to the master that the first Sentinel to answer names, and makes sure that it knows it is one: right
/// after a fail-over a Sentinel may still name the old one.
pub(crate) fn master(dialer: &Dialer, deadline: Deadline) -> Result<Connection, Error> {
    let Address { servers: Servers::Sentinel { sentinels, service, user, password }, timeout, .. } = &dialer.address
    else {
        return Err(Error::Unexpected { at: dialer.address.location() });
    };
    let introduction = Introduction { user: user.as_deref(), password: password.as_ref(), database: 0 };
    let mut failure = Error::Unexpected { at: dialer.address.location() };
    for sentinel in sentinels {
        // One that is silent must not use up the time that the others need.
        let part = Deadline::after(deadline.left() / u32::try_from(sentinels.len() + 1).unwrap_or(2));
        let found = dialer.connect_as(sentinel, &introduction, part).and_then(|mut connection| {
            let endpoint = named(&mut connection, service, part.or(*timeout))?;
            verified(dialer.connect(&endpoint, deadline)?, deadline.or(*timeout))
        });
        match found {
            Ok(connection) => return Ok(connection),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// The master that a Sentinel names.
fn named(sentinel: &mut Connection, service: &str, deadline: Deadline) -> Result<Endpoint, Error> {
    let question = cmd("SENTINEL").arg("get-master-addr-by-name").arg(service).get_packed_command();
    match one(sentinel, &question, deadline)? {
        Value::Array(parts) => {
            let mut parts = parts.iter().filter_map(|part| match part {
                Value::BulkString(text) => std::str::from_utf8(text).ok(),
                _ => None,
            });
            match (parts.next(), parts.next().and_then(|port| port.parse().ok())) {
                (Some(host), Some(port)) => Ok(Endpoint::Tcp { host: host.to_owned(), port }),
                _ => Err(Error::Unexpected { at: sentinel.endpoint().to_string() }),
            }
        }
        Value::ServerError(error) => Err(sentinel.refused(&error)),
        _ => Err(Error::Refused { at: sentinel.endpoint().to_string(), refusal: Refusal::NoService }),
    }
}

fn verified(mut connection: Connection, deadline: Deadline) -> Result<Connection, Error> {
    match one(&mut connection, &cmd("ROLE").get_packed_command(), deadline)? {
        Value::Array(parts) if parts.first() == Some(&Value::BulkString(b"master".to_vec())) => Ok(connection),
        Value::ServerError(error) => Err(connection.refused(&error)),
        _ => Err(Error::Refused { at: connection.endpoint().to_string(), refusal: Refusal::NoMaster }),
    }
}

fn one(connection: &mut Connection, question: &[u8], deadline: Deadline) -> Result<Value, Error> {
    let at = connection.endpoint().to_string();
    let unreachable = |reason: String| Error::Unreachable { at, reason };
    match connection.ask(question, 1, deadline) {
        Ok(mut answers) => Ok(answers.pop().unwrap_or(Value::Nil)),
        Err(Fault::Broken(reason)) => Err(unreachable(reason)),
        Err(Fault::TimedOut) => Err(unreachable("it did not answer in time".to_owned())),
    }
}
