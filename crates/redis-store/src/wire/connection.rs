//! One connection to one server: introduces itself, sends commands, reads answers.

use std::io::{self, ErrorKind};
use std::sync::{Arc, OnceLock};

use redis::{Parser, RedisError, ServerError, Value};
use rustls::ClientConfig;

use crate::address::{Address, Endpoint, Secret};
use crate::wire::error::{Error, Refusal};
use crate::wire::resp::{Commands, bytes, number};
use crate::wire::stream::{Deadline, Stream};
use crate::wire::tls;

/// How to introduce oneself to a server.
pub(crate) struct Introduction<'a> {
    pub(crate) user: Option<&'a str>,
    pub(crate) password: Option<&'a Secret>,
    pub(crate) database: u32,
}

/// What all connections of one store share.
pub(crate) struct Dialer {
    pub(crate) address: Address,
    /// Read from its files with the first connection.
    tls: OnceLock<Arc<ClientConfig>>,
}

impl Dialer {
    pub(crate) fn new(address: Address) -> Self {
        Self { address, tls: OnceLock::new() }
    }

    /// The error for an answer that fits no question.
    pub(crate) fn unexpected(&self) -> Error {
        Error::Unexpected { at: self.address.location() }
    }

    /// Connects to a server that keeps sessions.
    pub(crate) fn connect(&self, endpoint: &Endpoint, deadline: Deadline) -> Result<Connection, Error> {
        let Address { user, password, database, .. } = &self.address;
        let introduction = Introduction { user: user.as_deref(), password: password.as_ref(), database: *database };
        self.connect_as(endpoint, &introduction, deadline)
    }

    /// The connection that is kept, or a new one where none is kept or it is stale.
    pub(crate) fn connected<'a>(
        &self,
        kept: &'a mut Option<Connection>,
        endpoint: &Endpoint,
        deadline: Deadline,
    ) -> Result<&'a mut Connection, Error> {
        drop_stale(kept);
        match kept {
            Some(connection) => Ok(connection),
            None => Ok(kept.insert(self.connect(endpoint, deadline)?)),
        }
    }

    /// Connects to any server.
    pub(crate) fn connect_as(
        &self,
        endpoint: &Endpoint,
        introduction: &Introduction<'_>,
        deadline: Deadline,
    ) -> Result<Connection, Error> {
        let at = endpoint.to_string();
        let deadline = deadline.or(self.address.connect_timeout);
        let unreachable = |reason: String| Error::Unreachable { at: at.clone(), reason };
        let tls = self.tls_for(endpoint).map_err(|error| unreachable(error.to_string()))?;
        let stream = Stream::connect(endpoint, tls, deadline).map_err(|error| unreachable(in_words(&error)))?;
        let mut connection = Connection { stream, parser: Parser::new(), endpoint: endpoint.clone() };
        connection.introduce(introduction, deadline, &unreachable)?;
        Ok(connection)
    }

    fn tls_for(&self, endpoint: &Endpoint) -> Result<Option<rustls::ClientConnection>, tls::TlsError> {
        let (Some(tls), Endpoint::Tcp { host, .. }) = (&self.address.tls, endpoint) else { return Ok(None) };
        let configuration = match self.tls.get() {
            Some(configuration) => Arc::clone(configuration),
            None => {
                let fresh = tls::configuration(tls)?;
                Arc::clone(self.tls.get_or_init(|| fresh))
            }
        };
        tls::connection(&configuration, host).map(Some)
    }
}

/// Why there is no answer, whatever was asked.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The connection is at its end.
    Broken(String),
    /// Nothing came in time.
    TimedOut,
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        if error.kind() == ErrorKind::TimedOut { Self::TimedOut } else { Self::Broken(in_words(&error)) }
    }
}

impl From<RedisError> for Fault {
    fn from(error: RedisError) -> Self {
        if error.is_timeout() {
            Self::TimedOut
        } else if error.is_io_error() {
            Self::Broken(error.to_string())
        } else {
            // The parser quotes what it read, which may be anybody's.
            Self::Broken("it does not speak the protocol of Redis".to_owned())
        }
    }
}

/// An error of the system in words for operators.
fn in_words(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::TimedOut => "it did not answer in time".to_owned(),
        ErrorKind::UnexpectedEof => "it closed the connection".to_owned(),
        _ => error.to_string(),
    }
}

/// Drops a connection that is of no use any more.
pub(crate) fn drop_stale(kept: &mut Option<Connection>) {
    kept.take_if(|connection| connection.stream.is_stale());
}

/// One connection.
pub(crate) struct Connection {
    stream: Stream,
    parser: Parser,
    endpoint: Endpoint,
}

impl Connection {
    /// The server.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Sends `commands` and reads as many answers. After a fault the connection is of no use.
    pub(crate) fn ask(&mut self, commands: &Commands, deadline: Deadline) -> Result<Vec<Value>, Fault> {
        self.stream.send(commands.as_bytes(), deadline)?;
        (0..commands.count()).map(|_| self.answer(deadline)).collect()
    }

    /// [`Connection::ask`], of whose answers only the last matters.
    pub(crate) fn ask_for_last(&mut self, commands: &Commands, deadline: Deadline) -> Result<Value, Fault> {
        self.stream.send(commands.as_bytes(), deadline)?;
        let mut last = Value::Nil;
        for _ in 0..commands.count() {
            last = self.answer(deadline)?;
        }
        Ok(last)
    }

    fn answer(&mut self, deadline: Deadline) -> Result<Value, Fault> {
        Ok(self.parser.parse_value(self.stream.until(deadline))?)
    }

    fn introduce(
        &mut self,
        introduction: &Introduction<'_>,
        deadline: Deadline,
        unreachable: &dyn Fn(String) -> Error,
    ) -> Result<(), Error> {
        let mut commands = Commands::default();
        if let Some(password) = introduction.password {
            let password = password.reveal()?;
            match introduction.user {
                Some(user) => commands.add(&[bytes(b"AUTH"), bytes(user.as_bytes()), bytes(password.as_bytes())]),
                None => commands.add(&[bytes(b"AUTH"), bytes(password.as_bytes())]),
            }
        }
        if introduction.database != 0 {
            commands.add(&[bytes(b"SELECT"), number(introduction.database)]);
        }
        // Shows operators whose connection it is. Servers before 7.2 do not know it, which does no harm.
        commands.add(&[bytes(b"CLIENT"), bytes(b"SETINFO"), bytes(b"LIB-NAME"), bytes(b"cloakroom")]);
        let answers = self.ask(&commands, deadline).map_err(|fault| match fault {
            Fault::Broken(reason) => unreachable(reason),
            Fault::TimedOut => unreachable("it did not answer in time".to_owned()),
        })?;
        for answer in answers.iter().take(commands.count() - 1) {
            if let Value::ServerError(error) = answer {
                return Err(self.refused(error));
            }
        }
        match answers.last() {
            // Without a password a server that asks for one refuses everything. That may come with the first command.
            Some(Value::ServerError(error)) if error.code() == "NOAUTH" => Err(self.refused(error)),
            _ => Ok(()),
        }
    }

    /// The refusal that `error` means.
    pub(crate) fn refused(&self, error: &ServerError) -> Error {
        let refusal = Refusal::of(error.code(), error.details().unwrap_or_default());
        Error::Refused { at: self.endpoint.to_string(), refusal }
    }
}
