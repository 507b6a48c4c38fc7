//! One connection to one server: introduces itself, sends commands, reads answers.

use std::sync::{Arc, OnceLock};

use rustls::ClientConfig;

use crate::address::{Address, Endpoint, Secret};
use crate::wire::bound::Bound;
use crate::wire::error::{Error, Refusal};
use crate::wire::fault::{Fault, in_words};
use crate::wire::reader::{Inbox, Reader};
use crate::wire::resp::{Commands, bytes, number};
use crate::wire::stream::{Deadline, Stream};
use crate::wire::tls;
use crate::wire::value::{ServerError, Value};

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
        let mut connection = Connection { stream, inbox: Inbox::default(), endpoint: endpoint.clone() };
        connection.introduce(introduction, deadline)?;
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

/// Drops a connection that is of no use any more.
pub(crate) fn drop_stale(kept: &mut Option<Connection>) {
    kept.take_if(|connection| connection.is_stale());
}

/// One connection.
pub(crate) struct Connection {
    stream: Stream,
    inbox: Inbox,
    endpoint: Endpoint,
}

impl Connection {
    /// The server.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Whether the server closed the connection, or said something unasked.
    fn is_stale(&self) -> bool {
        !self.inbox.is_empty() || self.stream.is_stale()
    }

    /// Sends `commands` and reads as many answers, which together keep within `bound`. After a fault the connection is of no
    /// use.
    pub(crate) fn ask(&mut self, commands: &Commands, bound: Bound, deadline: Deadline) -> Result<Vec<Value>, Fault> {
        self.stream.send(commands.as_bytes(), deadline)?;
        let mut incoming = self.inbox.before(self.stream.until(deadline));
        let mut reader = Reader::new(&mut incoming, bound);
        (0..commands.count()).map(|_| reader.answer()).collect()
    }

    /// [`Connection::ask`], of whose answers only the last matters and may be as much as `bound`.
    pub(crate) fn ask_for_last(
        &mut self,
        commands: &Commands,
        bound: Bound,
        deadline: Deadline,
    ) -> Result<Value, Fault> {
        self.stream.send(commands.as_bytes(), deadline)?;
        let mut incoming = self.inbox.before(self.stream.until(deadline));
        for _ in 1..commands.count() {
            Reader::new(&mut incoming, Bound::SHORT).answer()?;
        }
        Reader::new(&mut incoming, bound).answer()
    }

    fn introduce(&mut self, introduction: &Introduction<'_>, deadline: Deadline) -> Result<(), Error> {
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
        let answers = self
            .ask(&commands, Bound::SHORT, deadline)
            .map_err(|fault| fault.into_unreachable(self.endpoint.to_string()))?;
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
        let refusal = Refusal::of(error.code(), error.detail());
        Error::Refused { at: self.endpoint.to_string(), refusal }
    }
}
