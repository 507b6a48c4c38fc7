//! One server that holds something else than a store of ours, spoken to in its own commands, with the connections, times
//! and errors that stores have.

use std::mem;

use parking_lot::Mutex;
use redis::Cmd;

use crate::address::Address;
use crate::process::forks;
use crate::wire::bound::Bound;
use crate::wire::connection::Dialer;
use crate::wire::error::{Error, Refusal};
use crate::wire::link::Link;
use crate::wire::resp::Commands;
use crate::wire::value::Value;

/// A server. Nothing is connected before it is asked something.
pub struct Server {
    dialer: Dialer,
    idle: Mutex<Idle>,
}

/// Connections of one process that no thread uses at the moment.
#[derive(Default)]
struct Idle {
    /// Which process: see [`forks::count`].
    forks: u64,
    links: Vec<Link>,
}

impl Server {
    /// The one server that `address` names; the prefix means nothing here.
    #[must_use]
    pub fn new(address: Address) -> Self {
        Self { dialer: Dialer::new(address), idle: Mutex::default() }
    }

    /// Sends `commands` in one round trip and answers what each did, all together within `bound`. Where the connection breaks they are sent again, once,
    /// on another: they must be such that a repetition changes nothing.
    ///
    /// # Errors
    /// Failures of the connection, and the first refusal among the answers.
    pub fn ask(&self, commands: &[Cmd], bound: Bound) -> Result<Vec<Value>, Error> {
        let mut link = self.idle().pop().unwrap_or_else(|| Link::new(&self.dialer));
        let mut encoded = Commands::default();
        commands.iter().for_each(|command| encoded.add_command(command));
        let answers = link.ask_each(&self.dialer, None, &encoded, bound);
        self.idle().push(link);
        let answers = answers?;
        let refused = answers.iter().find_map(|answer| match answer {
            Value::ServerError(error) => Some(Refusal::of(error.code(), error.detail())),
            _ => None,
        });
        match refused {
            Some(refusal) => Err(Error::Refused { at: self.dialer.address.location(), refusal }),
            None => Ok(answers),
        }
    }

    /// The connections of this process. A forked child closes its copies of its parent's, of which the server hears
    /// nothing.
    fn idle(&self) -> parking_lot::MappedMutexGuard<'_, Vec<Link>> {
        let mut idle = self.idle.lock();
        if mem::replace(&mut idle.forks, forks::count()) != forks::count() {
            idle.links.clear();
        }
        parking_lot::MutexGuard::map(idle, |idle| &mut idle.links)
    }
}
