//! A thread's way to the servers: connects, sends, and decides what may be sent again.
//!
//! | what happened | what follows |
//! |---|---|
//! | the server refused without doing anything, and that passes (fail-over, loading) | again until the time is over, where there are other servers to find |
//! | it does not know the script | again, with the script |
//! | the connection broke | again, once: every request is made so that a repetition changes nothing |
//! | another server is to be asked | again, there: some times at once, then with pauses until the time is over |
//! | no answer in time | an error: the server may be at it still |
//! | more is announced than the answer can be | an error, and the connection is dropped |
//!
//! All tries of one request together take no longer than the time to connect and the time of a command.

mod cluster;
mod sentinel;

use std::thread;
use std::time::Duration;

use self::cluster::Nodes;
use self::sentinel::Watched;
use crate::address::{Endpoint, Servers};
use crate::wire::bound::Bound;
use crate::wire::connection::{Connection, Dialer};
use crate::wire::error::{Error, Refusal};
use crate::wire::fault::Fault;
use crate::wire::request::{Form, Request};
use crate::wire::resp::{Argument, Commands};
use crate::wire::stream::Deadline;
use crate::wire::value::Value;

/// How long to wait before asking again which server to use.
const PAUSE: Duration = Duration::from_millis(50);

/// How often a request follows the servers of a cluster to another one before it pauses each time.
const STRAIGHT: u32 = 5;

/// The connections of one thread at a time.
pub(crate) enum Link {
    /// To the one server.
    Single(Endpoint, Option<Connection>),
    /// To the one that Sentinels name.
    Watched(Box<Watched>),
    /// To those of a cluster.
    Cluster(Nodes),
}

/// What follows from an answer.
enum Next {
    Take(Value),
    /// The script is not known.
    InFull,
    /// Another server serves the slot.
    Redirect(u16, Endpoint),
    /// The slot moves to another server, this key perhaps already did.
    Asking(Endpoint),
    Refused(Error),
}

impl Link {
    /// A link that has no connection yet.
    pub(crate) fn new(dialer: &Dialer) -> Self {
        match &dialer.address.servers {
            Servers::One(server) => Self::Single(server.clone(), None),
            Servers::Sentinel { .. } => Self::Watched(Box::new(Watched::new())),
            Servers::Cluster(seeds) => Self::Cluster(Nodes::new(seeds)),
        }
    }

    /// Carries out `request` and answers what its last command did.
    pub(crate) fn ask(&mut self, dialer: &Dialer, request: &Request<'_>) -> Result<Value, Error> {
        let (connect_timeout, timeout) = (dialer.address.connect_timeout, dialer.address.timeout);
        let deadline = Deadline::after(connect_timeout + timeout + request.patience);
        let changes_place = !matches!(dialer.address.servers, Servers::One(_));
        let (mut form, mut asking, mut sent, mut repeated, mut followed) = (Form::ByHash, None, false, false, 0);
        // What failed before the time was over explains more than that it was.
        let mut said = None;
        let mut commands = Commands::default();
        loop {
            let connection = match self.connection(dialer, request.slot, asking.as_ref(), deadline) {
                Ok(connection) => connection,
                Err(error) if changes_place && passes(&error) && deadline.left() > PAUSE => {
                    self.forget(request.slot);
                    said.get_or_insert(error);
                    asking = None;
                    thread::sleep(PAUSE);
                    continue;
                }
                Err(error) => return Err(said.unwrap_or(error)),
            };
            commands.clear();
            match (&asking, sent) {
                (Some(_), _) => request.encode_asking(form, &mut commands),
                // What goes before the last command is not repeated: it would be counted, or waited for, twice.
                (None, true) => request.encode_last(form, &mut commands),
                (None, false) => request.encode(form, &mut commands),
            }
            sent = true;
            let outcome =
                match connection.ask_for_last(&commands, request.bound, deadline.or(timeout + request.patience)) {
                    Ok(answer) => Ok(next(answer, connection)),
                    Err(fault) => Err((fault, connection.endpoint().to_string())),
                };
            if let Ok(Next::Redirect(..) | Next::Asking(_)) = &outcome {
                followed += 1;
                if followed > STRAIGHT && matches!(self, Self::Cluster(_)) {
                    let circle = Error::Refused { at: dialer.address.location(), refusal: Refusal::Circle };
                    if deadline.left() <= PAUSE {
                        return Err(said.unwrap_or(circle));
                    }
                    said.get_or_insert(circle);
                    thread::sleep(PAUSE);
                }
            }
            match outcome {
                Ok(Next::Take(value)) => return Ok(value),
                Ok(Next::InFull) if form == Form::ByHash => form = Form::InFull,
                Ok(Next::Redirect(slot, endpoint)) if self.redirect(slot, &endpoint)? => asking = None,
                Ok(Next::Asking(endpoint)) if matches!(self, Self::Cluster(_)) => asking = Some(endpoint),
                Ok(Next::Refused(error)) => {
                    if !(changes_place && passes(&error) && deadline.left() > PAUSE) {
                        return Err(error);
                    }
                    // A slot on its way needs time, not another server.
                    if !matches!(error, Error::Refused { refusal: Refusal::TryAgain, .. }) {
                        self.forget(request.slot);
                    }
                    said = Some(error);
                    asking = None;
                    thread::sleep(PAUSE);
                }
                Ok(Next::InFull | Next::Redirect(..) | Next::Asking(_)) => {
                    return Err(Error::Refused { at: dialer.address.location(), refusal: Refusal::Cluster });
                }
                Err((Fault::Broken(_), _)) if !repeated && !deadline.left().is_zero() => {
                    repeated = true;
                    asking = None;
                    self.forget(request.slot);
                }
                Err((fault, at)) => {
                    self.forget(request.slot);
                    let failure = failure(fault, at, timeout);
                    return Err(if let Error::Excess { .. } = failure { failure } else { said.unwrap_or(failure) });
                }
            }
        }
    }

    /// Does `command` on every server that keeps sessions, and answers what each of them did.
    pub(crate) fn ask_all(
        &mut self,
        dialer: &Dialer,
        command: &[Argument<'_>],
        bound: Bound,
    ) -> Result<Vec<Value>, Error> {
        self.slots(dialer)?.into_iter().map(|slot| self.ask(dialer, &Request::command(command, slot, bound))).collect()
    }

    /// Sends commands that only read to the server of `slot`, all at once, and answers what each did; an error of one is
    /// its answer. Together the answers keep within `bound`.
    pub(crate) fn ask_each(
        &mut self,
        dialer: &Dialer,
        slot: Option<u16>,
        commands: &Commands,
        bound: Bound,
    ) -> Result<Vec<Value>, Error> {
        let (connect_timeout, timeout) = (dialer.address.connect_timeout, dialer.address.timeout);
        let deadline = Deadline::after(connect_timeout + timeout);
        let mut repeated = false;
        loop {
            let connection = self.connection(dialer, slot, None, deadline)?;
            let at = connection.endpoint().to_string();
            match connection.ask(commands, bound, deadline.or(timeout)) {
                Ok(answers) => return Ok(answers),
                Err(fault) => {
                    self.forget(slot);
                    match fault {
                        Fault::Broken(_) if !repeated => repeated = true,
                        fault => return Err(failure(fault, at, timeout)),
                    }
                }
            }
        }
    }

    /// One slot of each server that keeps sessions, in a fixed order; `None` for the only one.
    pub(crate) fn slots(&mut self, dialer: &Dialer) -> Result<Vec<Option<u16>>, Error> {
        match self {
            Self::Single(..) | Self::Watched(_) => Ok(vec![None]),
            Self::Cluster(nodes) => {
                let deadline = Deadline::after(dialer.address.connect_timeout + dialer.address.timeout);
                Ok(nodes.slot_of_each(dialer, deadline)?.into_iter().map(Some).collect())
            }
        }
    }

    /// A connection to the server of `slot`, a new one where none can be used.
    fn connection(
        &mut self,
        dialer: &Dialer,
        slot: Option<u16>,
        asking: Option<&Endpoint>,
        deadline: Deadline,
    ) -> Result<&mut Connection, Error> {
        match self {
            Self::Cluster(nodes) => nodes.connection(dialer, slot, asking, deadline),
            Self::Watched(watched) => watched.connection(dialer, deadline),
            Self::Single(server, connection) => dialer.connected(connection, server, deadline),
        }
    }

    /// Gives up the connection to the server of `slot`, and what is known about which server that is.
    fn forget(&mut self, slot: Option<u16>) {
        match self {
            Self::Single(_, connection) => *connection = None,
            Self::Watched(watched) => watched.forget(),
            Self::Cluster(nodes) => nodes.forget(slot),
        }
    }

    /// Notes that the server at `endpoint` serves `slot`; `false` where that means nothing.
    fn redirect(&mut self, slot: u16, endpoint: &Endpoint) -> Result<bool, Error> {
        match self {
            Self::Single(..) | Self::Watched(_) => Ok(false),
            Self::Cluster(nodes) => nodes.redirect(slot, endpoint),
        }
    }
}

/// Whether the same may succeed in a moment, on the server that has taken over by then.
fn passes(error: &Error) -> bool {
    match error {
        Error::Refused { refusal, .. } => refusal.passes(),
        Error::Unreachable { .. } => true,
        _ => false,
    }
}

/// The error that `fault` means in the end.
fn failure(fault: Fault, at: String, limit: Duration) -> Error {
    match fault {
        Fault::Broken(reason) => Error::Broken { at, reason },
        Fault::TimedOut => Error::TimedOut { at, limit },
        Fault::Excess(excess) => Error::Excess { at, excess },
    }
}

fn next(answer: Value, connection: &Connection) -> Next {
    let error = match answer {
        Value::ServerError(error) => error,
        answer => return Next::Take(answer),
    };
    let to = |detail: &str| -> Option<(u16, Endpoint)> {
        let (slot, to) = detail.split_once(' ')?;
        let (host, port) = to.rsplit_once(':')?;
        // Without a host it is the one that was asked, at another port.
        let host = match (host.trim_matches(['[', ']']), connection.endpoint()) {
            ("", Endpoint::Tcp { host, .. }) => host,
            (host, _) => host,
        };
        Some((slot.parse().ok()?, Endpoint::tcp(host, port.parse().ok()?)?))
    };
    match (error.code(), to(error.detail())) {
        ("NOSCRIPT", _) => Next::InFull,
        ("MOVED", Some((slot, endpoint))) => Next::Redirect(slot, endpoint),
        ("ASK", Some((_, endpoint))) => Next::Asking(endpoint),
        _ => Next::Refused(connection.refused(&error)),
    }
}
