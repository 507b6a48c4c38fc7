//! [`Lease`]: one request's hold on one session. Its token decides whether it may unlock; incarnation and version decide, on the
//! server, what a commit may replace.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cloakroom_seam::{Committed, End, Key, MAX_PAYLOAD, Mark, Named, Over, Succession, Successor};

use crate::core::counters::Counter;
use crate::core::store::{Ending, Store};
use crate::core::token::{Nonce, Token};
use crate::format::key::Names;
use crate::format::record::{self, Commit, Header, RecordInfo};
use crate::format::script::{COMMIT, IS_OVER, NAME, RELEASE, TOUCH, Verdict};
use crate::operations::heartbeat::Process;
use crate::wire::error::Error;
use crate::wire::request::Request;
use crate::wire::resp::{Argument, MILLISECOND, bytes, milliseconds, number};

/// What a [`Mark`] of this store says.
#[derive(Clone, Copy)]
pub(crate) struct Point {
    /// 0 where there was no session.
    pub(crate) incarnation: u64,
    /// The random number of the commit that made it what it was. A version would not do: after a fail-over it can come
    /// again, with another content.
    pub(crate) commit: u64,
    /// The server's clock in microseconds: what was ended since has a greater number.
    pub(crate) began: u64,
}

impl Point {
    /// Where a session was found at `now`, by the server's clock. One that is retired was ended before that, which is to be
    /// seen from its mark when it is gone: what it stands for is from before the end.
    pub(crate) fn found(header: &Header, succession: &Succession, now: u64) -> Self {
        let retired = matches!(succession, Succession::Retired(_));
        let began = if retired { header.incarnation.saturating_sub(1) } else { now };
        Self { incarnation: header.incarnation, commit: header.nonce, began }
    }

    pub(crate) fn to_mark(self) -> Mark {
        Mark::from_words([self.incarnation, self.commit, self.began])
    }

    pub(crate) fn of(mark: Mark) -> Self {
        let [incarnation, commit, began] = mark.to_words();
        Self { incarnation, commit, began }
    }
}

/// A version that no session gets to: what is there is not what was read.
const NOT_READ: u64 = u64::MAX - 1;

/// One request's hold on one session. Dropping it releases it.
pub struct Lease {
    store: Arc<Store>,
    process: Arc<Process>,
    key: Key,
    names: Names,
    token: Token,
    lock_ttl: Duration,
    nonce: Nonce,
    /// The server's clock in microseconds, and when it said so.
    clock: (u64, Instant),
    header: Header,
    /// The whole value as it was read, header included.
    value: Vec<u8>,
    point: Point,
    /// As it was when the lease was acquired.
    succession: Succession,
    is_new: bool,
    /// This lease has reserved the session, under an id that no other request can have known before.
    is_first: bool,
    /// The session was ended after this lease's request began: nothing will be written.
    ended: bool,
    finished: bool,
}

impl Lease {
    #[expect(clippy::too_many_arguments, reason = "each is a field, and there is one caller")]
    pub(crate) fn new(
        store: &Arc<Store>,
        process: Arc<Process>,
        key: Key,
        names: Names,
        token: Token,
        nonce: Nonce,
        lock_ttl: Duration,
        clock: (u64, Instant),
    ) -> Self {
        if token != Token::NONE {
            process.hold(store, &names, token, lock_ttl);
        }
        Self {
            store: Arc::clone(store),
            process,
            key,
            names,
            token,
            lock_ttl,
            nonce,
            clock,
            header: Header::default(),
            value: Vec::new(),
            point: Point { incarnation: 0, commit: 0, began: clock.0 },
            succession: Succession::None,
            is_new: false,
            is_first: false,
            ended: false,
            finished: false,
        }
    }

    /// Takes what is stored for what this lease has read.
    pub(crate) fn found(&mut self, header: Header, value: Vec<u8>) {
        self.point = Point::found(&header, &record::succession(&value), self.point.began);
        self.header = header;
        self.value = value;
    }

    /// Puts the lease where its request stands in the life of the session: at `since`, or where it was found.
    pub(crate) fn stand(&mut self, since: Option<Point>, began: u64, is_new: bool, ended: bool) {
        self.is_new = is_new;
        self.ended = ended;
        self.succession = record::succession(&self.value);
        if began != 0 && !is_new {
            self.point = Point { began, ..self.point };
            if !ended {
                self.point = Point::found(&self.header, &self.succession, began);
            }
        }
        if let Some(since) = since
            && !is_new
            && !ended
        {
            if since.incarnation == 0 || since.commit != self.header.nonce {
                self.header.version = NOT_READ;
            }
            self.ended = since.incarnation != 0 && since.incarnation != self.header.incarnation;
        }
    }

    /// The session's id was drawn for this lease.
    pub(crate) fn was_drawn(&mut self) {
        self.is_first = self.is_new;
    }

    /// Makes a session that no request has written one that began at `created`, in seconds since 1970; `false` where one
    /// has written it.
    pub(crate) fn begin_at(&mut self, created: u32) -> bool {
        let unwritten = RecordInfo::read(&self.value).filter(RecordInfo::is_unwritten);
        if let Some(RecordInfo { header, .. }) = unwritten {
            self.header = Header { created, ..header };
        }
        unwritten.is_some()
    }

    /// Whether the session was ended before this lease could begin.
    pub(crate) fn is_ended(&self) -> bool {
        self.ended
    }

    /// The payload that was current when the lease was acquired.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        record::payload(&self.value)
    }

    /// The number of this life of the session, 0 where it ended before the lease began.
    #[must_use]
    pub fn incarnation(&self) -> u64 {
        if self.ended { 0 } else { self.header.incarnation }
    }

    /// Whether another session was to take the place of this one when the lease was acquired.
    #[must_use]
    pub fn succession(&self) -> Succession {
        if self.ended { Succession::None } else { self.succession }
    }

    /// Whether the session did not exist before this lease reserved it.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// The session as this lease read or wrote it last.
    #[must_use]
    pub fn mark(&self) -> Mark {
        self.point.to_mark()
    }

    /// How many commits this life of the session had when this lease read or wrote it last.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.header.version
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Writes the payload, extends the lifetime and unlocks.
    ///
    /// # Errors
    /// [`Error::LockLost`], [`Error::TooLarge`], [`Error::Forked`], and failures of the server.
    pub fn commit(&mut self, payload: &[u8], lifetime: Duration, over: Over) -> Result<Committed, Error> {
        if payload.len() > MAX_PAYLOAD {
            self.release();
            return Err(Error::TooLarge(payload.len()));
        }
        if !self.may_write()? {
            return Ok(Committed::Ended);
        }
        let outcome = self.write(payload, lifetime, over);
        if !matches!(outcome, Ok(Committed::VersionChanged)) {
            self.end_after(&outcome);
        }
        outcome
    }

    /// Extends the lifetime of the unchanged session and unlocks; writes `payload` where it vanished.
    ///
    /// # Errors
    /// As [`Lease::commit`].
    pub fn touch(&mut self, payload: &[u8], lifetime: Duration) -> Result<Committed, Error> {
        if !self.may_write()? {
            return Ok(Committed::Ended);
        }
        let outcome = self.extend(payload, lifetime);
        self.end_after(&outcome);
        outcome
    }

    /// Ends this incarnation of the session and unlocks; `true` where it lived. A session that this lease reserved under a
    /// drawn id, and that no request has written or met since, leaves no tombstone.
    ///
    /// # Errors
    /// [`Error::Forked`], and failures of the server.
    pub fn destroy(&mut self, end: End) -> Result<bool, Error> {
        if self.finished {
            return Ok(false);
        }
        self.of_this_process()?;
        if self.ended {
            self.release();
            return Ok(false);
        }
        let nonce = self.nonce.next();
        let incarnation = self.header.incarnation.to_le_bytes();
        let reservation = self.header.nonce.to_le_bytes();
        let ending = Ending {
            token: self.token.as_bytes(),
            incarnation: &incarnation,
            end,
            nonce,
            reservation: if self.is_first { &reservation } else { &[] },
            ..Ending::WHICHEVER
        };
        let destroyed = self.store.end(&self.names, &ending).map(|ended| ended.was_there);
        self.end_after(&destroyed);
        destroyed
    }

    /// Whether this life of the session is over by now.
    ///
    /// # Errors
    /// [`Error::Forked`], and failures of the server.
    pub fn is_over(&mut self) -> Result<bool, Error> {
        if self.ended {
            return Ok(true);
        }
        self.of_this_process()?;
        let incarnation = self.header.incarnation.to_le_bytes();
        let arguments = [bytes(b""), bytes(&incarnation)];
        let mut reply = self.store.run(Request::script(&IS_OVER, &self.names, &arguments))?;
        match reply.verdict {
            Verdict::Done => Ok(reply.number()? != 0),
            Verdict::Foreign => Err(self.store.foreign()),
            _ => Err(reply.unexpected()),
        }
    }

    /// Makes the session name the one that takes its place, or another one than it named (`before`). The lease goes on.
    ///
    /// # Errors
    /// [`Error::Forked`], what was found instead of a session, and failures of the server.
    pub fn name(&mut self, successor: &Successor, before: Option<&Successor>) -> Result<Named, Error> {
        if self.finished || self.ended {
            return Ok(Named::Over);
        }
        self.of_this_process()?;
        self.process.stand_in();
        let incarnation = self.header.incarnation.to_le_bytes();
        let (successor, before) = (record::named(successor), before.map(record::named));
        let commit = self.header.nonce.to_le_bytes();
        let arguments = [
            bytes(self.token.as_bytes()),
            bytes(&incarnation),
            bytes(&successor),
            bytes(before.as_ref().map_or(&[], |before| before)),
            // Where the request has read another version at its mark, it knows none that may be there.
            bytes(if self.header.version == NOT_READ { &[] } else { &commit }),
        ];
        let mut reply = self.store.run(Request::script(&NAME, &self.names, &arguments))?;
        match reply.verdict {
            Verdict::Done => Ok(Named::Unchanged),
            Verdict::VersionChanged => {
                let value = reply.bytes()?.unwrap_or_default();
                let header = self.store.verified(&self.key, &value)?;
                self.found(header, value);
                Ok(Named::VersionChanged)
            }
            Verdict::Absent => Ok(Named::Vanished),
            Verdict::Ended => Ok(Named::Over),
            Verdict::Foreign => Err(self.store.foreign()),
            _ => Err(reply.unexpected()),
        }
    }

    /// Unlocks without a change. Where the server cannot be reached the lock expires by itself.
    pub fn release(&mut self) {
        if std::mem::replace(&mut self.finished, true) || !self.process.is_current() {
            return;
        }
        if self.token != Token::NONE {
            self.process.let_go(&self.token);
            let arguments = [bytes(self.token.as_bytes())];
            let _expires_otherwise = self.store.run(Request::script(&RELEASE, &self.names, &arguments));
        }
    }

    /// Whether there is anything that this lease may write.
    fn may_write(&mut self) -> Result<bool, Error> {
        if self.finished {
            return Ok(false);
        }
        self.of_this_process()?;
        self.process.stand_in();
        if self.ended {
            self.store.count(Counter::RefusedWrites, 1);
            self.release();
        }
        Ok(!self.ended)
    }

    /// A forked child has a copy of its parent's lease, which it must not end.
    fn of_this_process(&self) -> Result<(), Error> {
        if self.process.is_current() { Ok(()) } else { Err(Error::Forked) }
    }

    /// The lease is at its end, and the lock is free, unless something failed on the way.
    fn end_after<T>(&mut self, result: &Result<T, Error>) {
        match result {
            // A server that refused has not unlocked either. One that takes no writes at the moment would refuse that as
            // well, and a fail-over that was waited for in vain is not waited for twice.
            Err(Error::Refused { refusal, .. }) if !refusal.passes() => self.release(),
            Err(Error::Unexpected { .. }) => self.release(),
            _ => {
                self.process.let_go(&self.token);
                self.finished = true;
            }
        }
    }

    fn write(&mut self, payload: &[u8], lifetime: Duration, over: Over) -> Result<Committed, Error> {
        let nonce = u64::from_le_bytes(self.nonce.next().to_bytes());
        let version = self.header.version + 1;
        let commit = Commit {
            header: Header { version, nonce, ..self.header },
            used: self.second(),
            lifetime: seconds(lifetime),
        };
        let header = commit.header(&self.key, payload);
        let read = self.header.nonce.to_le_bytes();
        let arguments = [
            bytes(self.token.as_bytes()),
            number(self.token != Token::NONE),
            bytes(match over {
                Over::Anything => b"anything",
                Over::WhatWasRead => b"read",
                Over::Reservation => b"reservation",
            }),
            milliseconds(lifetime.max(MILLISECOND)),
            Argument::Joined(&header, payload),
            bytes(&read),
        ];
        let mut reply = self.store.run(Request::script(&COMMIT, &self.names, &arguments))?;
        match reply.verdict {
            Verdict::Done => {
                let (version, rewritten) = (reply.number()?, reply.number()?);
                self.header.nonce = nonce;
                self.stored(version, rewritten);
                self.store.count(Counter::Writes, 1);
                Ok(Committed::Stored)
            }
            Verdict::Ended => Ok(self.refused()),
            Verdict::VersionChanged => {
                let value = reply.bytes()?.unwrap_or_default();
                let header = self.store.verified(&self.key, &value).inspect_err(|_| self.release())?;
                self.found(header, value);
                Ok(Committed::VersionChanged)
            }
            Verdict::Lost => {
                self.store.count(Counter::LocksLost, 1);
                Err(Error::LockLost { lock_ttl: self.lock_ttl })
            }
            Verdict::Foreign => Err(self.store.foreign()),
            _ => Err(reply.unexpected()),
        }
    }

    fn extend(&mut self, payload: &[u8], lifetime: Duration) -> Result<Committed, Error> {
        let incarnation = self.header.incarnation.to_le_bytes();
        let arguments = [
            bytes(self.token.as_bytes()),
            bytes(&incarnation),
            milliseconds(lifetime.max(MILLISECOND)),
            number(seconds(lifetime)),
        ];
        let mut reply = self.store.run(Request::script(&TOUCH, &self.names, &arguments))?;
        match reply.verdict {
            Verdict::Done => {
                let (version, rewritten) = (reply.number()?, reply.number()?);
                self.stored(version, rewritten);
                self.store.count(Counter::Touches, 1);
                Ok(Committed::Stored)
            }
            Verdict::Absent => self.write(payload, lifetime, Over::Anything),
            Verdict::Ended => Ok(self.refused()),
            Verdict::Foreign => Err(self.store.foreign()),
            _ => Err(reply.unexpected()),
        }
    }

    /// Takes what the server says of a session that is stored.
    fn stored(&mut self, version: u64, rewritten: u64) {
        self.store.count(Counter::Rewritten, rewritten);
        self.header.version = version;
        // This incarnation lived when the lease was acquired, whatever its request began with.
        self.point = Point { incarnation: self.header.incarnation, commit: self.header.nonce, began: self.clock.0 };
    }

    fn refused(&self) -> Committed {
        self.store.count(Counter::RefusedWrites, 1);
        Committed::Ended
    }

    /// The server's clock, in seconds since 1970.
    fn second(&self) -> u32 {
        let (microseconds, then) = self.clock;
        let now = Duration::from_micros(microseconds) + then.elapsed();
        u32::try_from(now.as_secs()).unwrap_or(u32::MAX)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.release();
    }
}

fn seconds(lifetime: Duration) -> u32 {
    u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX)
}
