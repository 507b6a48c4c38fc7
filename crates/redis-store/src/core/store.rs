//! [`Store`]: one address, the connections of this process to it, and what needs no lease.

use std::sync::Arc;
use std::time::Duration;

use cloakroom_seam::{End, Key};
use parking_lot::{Mutex, MutexGuard};

use crate::address::{Address, Servers};
use crate::core::counters::{self, Counter, Counters};
use crate::core::token::Nonce;
use crate::format::key::{self, Names};
use crate::format::record::{Header, Unsound};
use crate::format::script::{DESTROY, Verdict};
use crate::process::forks;
use crate::wire::bound::Bound;
use crate::wire::connection::Dialer;
use crate::wire::error::Error;
use crate::wire::link::Link;
use crate::wire::request::{Reply, Request};
use crate::wire::resp::{bytes, milliseconds, number};
use crate::wire::value::Value;

/// A store on the servers of one address. Nothing is connected before the first request needs it.
pub struct Store {
    dialer: Dialer,
    local: Mutex<Local>,
    /// What the operator has not heard yet.
    notice: Mutex<Option<String>>,
}

/// How a session is to be ended.
pub(crate) struct Ending<'a> {
    /// Token of the lease, empty where it has no lock.
    pub(crate) token: &'a [u8],
    /// The incarnation to end; empty: whichever is stored.
    pub(crate) incarnation: &'a [u8],
    pub(crate) end: End,
    pub(crate) nonce: Nonce,
    /// The number under which the lease has reserved the session; empty where it has not, or where the session's id may be
    /// known from before.
    pub(crate) reservation: &'a [u8],
    /// The incarnation that was read by who wants to know whether another has ended the session since, and when; empty where
    /// nobody does.
    pub(crate) read: &'a [u8],
    pub(crate) when: u64,
}

impl Ending<'_> {
    /// The end of whichever session is stored, without a lease and without a tombstone.
    pub(crate) const WHICHEVER: Self = Self {
        token: b"",
        incarnation: b"",
        end: End::at_once(Duration::ZERO),
        nonce: Nonce::NONE,
        reservation: b"",
        read: b"",
        when: 0,
    };
}

/// What became of a session that was to be ended.
pub(crate) struct Ended {
    /// Whether there was one.
    pub(crate) was_there: bool,
    /// Whether somebody had ended it, or replaced its id, since it was read.
    pub(crate) before: bool,
}

/// What belongs to one process.
struct Local {
    /// Which one: see [`forks::count`].
    forks: u64,
    /// Connections that no thread uses at the moment.
    links: Vec<Link>,
    counters: Counters,
}

impl Local {
    fn new() -> Self {
        Self { forks: forks::count(), links: Vec::new(), counters: Counters::default() }
    }
}

impl Store {
    /// The store at `address`.
    #[must_use]
    pub fn new(address: Address) -> Arc<Self> {
        Arc::new(Self { dialer: Dialer::new(address), local: Mutex::new(Local::new()), notice: Mutex::new(None) })
    }

    /// Where it is, without secrets.
    #[must_use]
    pub fn location(&self) -> String {
        self.dialer.address.location()
    }

    /// What the operator should hear once though nothing failed.
    #[must_use]
    pub fn notice(&self) -> Option<String> {
        self.notice.lock().take()
    }

    /// Keeps what the operator should hear.
    pub(crate) fn report(&self, notice: String) {
        *self.notice.lock() = Some(notice);
    }

    /// The key of the session `id` in `namespace`, the same in every store.
    #[must_use]
    pub fn key(namespace: &[u8], id: &[u8]) -> Key {
        key::make(namespace, id)
    }

    /// Whether the session exists.
    ///
    /// # Errors
    /// Failures of the server.
    pub fn exists(&self, key: &Key) -> Result<bool, Error> {
        let names = self.names(key);
        let command = [bytes(b"EXISTS"), bytes(&names.session)];
        match self.ask(Request::command(&command, Some(names.slot), Bound::SHORT))? {
            Value::Int(found) => Ok(found != 0),
            _ => Err(self.unexpected()),
        }
    }

    /// Ends the session without holding its lease; `true` where there was one.
    ///
    /// # Errors
    /// Failures of the server.
    pub fn destroy(&self, key: &Key, end: End) -> Result<bool, Error> {
        let ended = self.end(&self.names(key), &Ending { end, nonce: Nonce::draw()?, ..Ending::WHICHEVER })?;
        Ok(ended.was_there)
    }

    /// Ends a session and unlocks it.
    pub(crate) fn end(&self, names: &Names, ending: &Ending<'_>) -> Result<Ended, Error> {
        let nonce = ending.nonce.to_bytes();
        let arguments = [
            bytes(ending.token),
            bytes(ending.incarnation),
            milliseconds(ending.end.tombstone),
            milliseconds(ending.end.grace),
            bytes(&nonce),
            bytes(ending.reservation),
            bytes(ending.read),
            number(ending.when),
        ];
        let mut reply = self.run(Request::script(&DESTROY, names, &arguments))?;
        match reply.verdict {
            Verdict::Done => {
                let sum = reply.number()?;
                let ended = Ended { was_there: sum & 1 != 0, before: sum & 2 != 0 };
                self.count(Counter::Destroys, u64::from(ended.was_there));
                Ok(ended)
            }
            Verdict::Foreign => Err(self.foreign()),
            _ => Err(reply.unexpected()),
        }
    }

    /// The names of the session of `key`.
    pub(crate) fn names(&self, key: &Key) -> Names {
        Names::new(&self.dialer.address.prefix, key)
    }

    /// The header of a value that was read, whose payload is what was committed.
    pub(crate) fn verified(&self, key: &Key, value: &[u8]) -> Result<Header, Error> {
        Header::read(key, value).map_err(|unsound| match unsound {
            Unsound::Foreign => self.foreign(),
            Unsound::Damaged => {
                self.count(Counter::Corrupt, 1);
                Error::Damaged
            }
        })
    }

    /// How connections are made.
    pub(crate) fn dialer(&self) -> &Dialer {
        &self.dialer
    }

    /// Runs a script.
    pub(crate) fn run(&self, request: Request<'_>) -> Result<Reply<'_>, Error> {
        Reply::read(self.ask(request)?, &self.dialer)
    }

    /// Carries out a request on a connection that no other thread uses, and tells the server what was counted where it is
    /// time for that.
    pub(crate) fn ask(&self, mut request: Request<'_>) -> Result<Value, Error> {
        let (link, counts) = {
            let mut local = self.local();
            // In a cluster the counters are on another server than most sessions.
            let counts = if self.is_cluster() { None } else { local.counters.take(false) };
            (local.links.pop(), counts)
        };
        if let Some(counts) = &counts {
            let name = self.counters_name();
            counters::commands(&name, counts).for_each(|command| request.after(&command, Duration::ZERO));
        }
        let mut link = link.unwrap_or_else(|| Link::new(&self.dialer));
        let answer = link.ask(&self.dialer, &request);
        let mut local = self.local();
        if let (Some(counts), Err(_)) = (counts, &answer) {
            local.counters.put_back(counts);
        }
        local.links.push(link);
        answer
    }

    /// Tells the server everything that was counted.
    pub(crate) fn send_counts(&self) -> Result<(), Error> {
        let Some(counts) = self.local().counters.take(true) else { return Ok(()) };
        let name = self.counters_name();
        for command in counters::commands(&name, &counts) {
            self.ask(Request::command(&command, Some(self.counters_slot()), Bound::SHORT))?;
        }
        Ok(())
    }

    /// Counts.
    pub fn count(&self, counter: Counter, by: u64) {
        self.local().counters.count(counter, by);
    }

    /// Counts a wait for a lock.
    pub(crate) fn count_wait(&self, waited: Duration) {
        self.local().counters.count_wait(waited);
    }

    /// The name of the hash of counters.
    pub(crate) fn counters_name(&self) -> Vec<u8> {
        format!("{}stats", self.dialer.address.prefix).into_bytes()
    }

    /// Its slot in a cluster.
    pub(crate) fn counters_slot(&self) -> u16 {
        key::slot(&self.counters_name())
    }

    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self.dialer.address.servers, Servers::Cluster(_))
    }

    /// The error for what is stored but no session, which is counted.
    pub(crate) fn foreign(&self) -> Error {
        self.count(Counter::Corrupt, 1);
        Error::Foreign
    }

    pub(crate) fn unexpected(&self) -> Error {
        self.dialer.unexpected()
    }

    /// Takes a link, for requests to several servers.
    pub(crate) fn with_link<T>(&self, work: impl FnOnce(&mut Link) -> T) -> T {
        let mut link = self.local().links.pop().unwrap_or_else(|| Link::new(&self.dialer));
        let result = work(&mut link);
        self.local().links.push(link);
        result
    }

    /// What belongs to this process. A forked child closes its copies of the parent's connections, of which the server
    /// hears nothing, and counts from nothing.
    fn local(&self) -> MutexGuard<'_, Local> {
        let mut local = self.local.lock();
        if local.forks != forks::count() {
            *local = Local::new();
        }
        local
    }
}
