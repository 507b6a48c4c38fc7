//! Acquiring: lock and read in one round trip; waiting for the lock; and reading without it.
//!
//! A request that does not get the lock is put into the session's queue by the same script. It then sends two commands
//! at once: a blocking pop on a name of its own, and the next attempt. A request that unlocks gives the lock to the first of the
//! queue and pushes to its name; the server then goes on with the attempt that it has already. Where nothing is pushed
//! (the holder died, a waiter before this one died), the pop ends after a second at most, and the attempt finds out.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use cloakroom_seam::{Acquire, Holder, Key, LockMode, Look, Mark, Succession};

use crate::core::counters::Counter;
use crate::core::store::Store;
use crate::core::token::{Nonce, Token};
use crate::format::key::{Names, TAG};
use crate::format::record;
use crate::format::script::{ACQUIRE, Verdict};
use crate::operations::heartbeat::Process;
use crate::operations::lease::{Lease, Point};
use crate::wire::error::Error;
use crate::wire::request::{Reply, Request};
use crate::wire::resp::{Argument, MILLISECOND, bytes, milliseconds, number};

/// The longest sleep of a waiter before it looks at the lock itself.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// How much later than a lock expires, or a wait is over, the waiter looks.
const SLACK: Duration = Duration::from_millis(2);

/// The most bytes of a script's name that are kept.
const SCRIPT: usize = 95;

/// The most bytes of a host's name that are kept.
const HOST: usize = 64;

impl Store {
    /// Locks and reads the session, which is reserved where there is none.
    ///
    /// # Errors
    /// [`Error::LockTimeout`], [`Error::TooManyWaiters`], [`Error::HeldHere`], what was found instead of a session, and
    /// failures of the server.
    pub fn acquire(self: &Arc<Self>, key: &Key, how: &Acquire<'_>) -> Result<Lease, Error> {
        self.take_up(key, how, true)?.ok_or_else(|| self.unexpected())
    }

    /// [`Store::acquire`] of a session that exists; `None` where it does not. Nothing is reserved or locked then.
    ///
    /// # Errors
    /// As [`Store::acquire`].
    pub fn acquire_existing(self: &Arc<Self>, key: &Key, how: &Acquire<'_>) -> Result<Option<Lease>, Error> {
        self.take_up(key, how, false)
    }

    fn take_up(self: &Arc<Self>, key: &Key, how: &Acquire<'_>, reserve: bool) -> Result<Option<Lease>, Error> {
        let names = self.names(key);
        let process = Process::current();
        process.stand_in();
        if is_exclusive(how) && process.holds(self, &names) {
            return Err(Error::HeldHere);
        }
        let (token, nonce) = if is_exclusive(how) { Token::draw()? } else { (Token::NONE, Nonce::draw()?) };
        let Some(Answer { mut reply, clock, began }) = self.obtain(&names, Call::new(how, reserve, &token, nonce))?
        else {
            return Ok(None);
        };
        let value = reply.bytes()?;
        let now = reply.number()?;
        let is_new = reply.number()? != 0;
        let ended = reply.number()? != 0;
        let value = value.unwrap_or_default();
        let mut lease = Lease::new(self, process, *key, names, token, nonce, how.lock_ttl, (now, clock));
        if !ended {
            let header = self.verified(key, &value).inspect_err(|_| lease.release())?;
            lease.found(header, value);
        }
        lease.stand(how.since.map(Point::of), began, is_new, ended);
        if how.drawn {
            lease.was_drawn();
        }
        self.count(Counter::Reads, 1);
        self.count(Counter::Creates, u64::from(is_new));
        Ok(Some(lease))
    }

    /// [`Store::look`] for the payload alone, and where that is in the session's life.
    ///
    /// # Errors
    /// As [`Store::look`].
    pub fn snapshot(&self, key: &Key) -> Result<(Option<Vec<u8>>, Mark), Error> {
        let Look { payload, mark, .. } = self.look(key)?;
        Ok((payload, mark))
    }

    /// The session as it was last committed, without any lock.
    ///
    /// # Errors
    /// What was found instead of a session, and failures of the server.
    pub fn look(&self, key: &Key) -> Result<Look, Error> {
        Process::current().stand_in();
        let names = self.names(key);
        let how = Acquire {
            mode: LockMode::None,
            lock_ttl: Duration::ZERO,
            wait: Duration::ZERO,
            max_waiters: 0,
            lifetime: Duration::ZERO,
            script: b"",
            since: None,
            drawn: false,
        };
        let call = Call::new(&how, false, &Token::NONE, Nonce::NONE);
        let mut reply = self.run(Request::script(&ACQUIRE, &names, &call.arguments()))?;
        match reply.verdict {
            Verdict::Absent => {
                reply.bytes()?;
                let mark = Point { incarnation: 0, commit: 0, began: reply.number()? }.to_mark();
                Ok(Look { payload: None, mark, incarnation: 0, is_written: false, succession: Succession::None })
            }
            Verdict::Done => {
                let value = reply.bytes()?.ok_or_else(|| reply.unexpected())?;
                let now = reply.number()?;
                let header = self.verified(key, &value)?;
                self.count(Counter::Reads, 1);
                let succession = record::succession(&value);
                Ok(Look {
                    mark: Point::found(&header, &succession, now).to_mark(),
                    incarnation: header.incarnation,
                    is_written: header.version > 0,
                    succession,
                    payload: Some(record::into_payload(value)),
                })
            }
            Verdict::Foreign => Err(self.foreign()),
            _ => Err(reply.unexpected()),
        }
    }

    /// Calls the script until it has the lock, or the wait is over.
    fn obtain(&self, names: &Names, mut call: Call<'_>) -> Result<Option<Answer<'_>>, Error> {
        let (how, token) = (call.how, call.token);
        let started = Instant::now();
        let mut sleep: Option<Duration> = None;
        loop {
            let arguments = call.arguments();
            let mut request = Request::script(&ACQUIRE, names, &arguments);
            if let Some(sleep) = sleep {
                let (bell, seconds) = (names.bell(token.as_bytes()), sleep.as_secs_f64().to_string());
                request.after(&[bytes(b"BLPOP"), bytes(&bell), bytes(seconds.as_bytes())], sleep);
            }
            let mut reply = self.run(request)?;
            let clock = Instant::now();
            let waited = started.elapsed();
            match reply.verdict {
                Verdict::Done => {
                    if sleep.is_some() {
                        self.count_wait(waited);
                    }
                    return Ok(Some(Answer { reply, clock, began: call.began }));
                }
                Verdict::Absent => return Ok(None),
                Verdict::Foreign => return Err(self.foreign()),
                Verdict::Waiting => {
                    let _holder = reply.bytes()?;
                    let now = reply.number()?;
                    // What ends after this is ended for this request too.
                    if call.began == 0 {
                        call.began = now;
                    }
                    let expires = Duration::from_millis(reply.number()?);
                    let left = how.wait.saturating_sub(waited);
                    let until_expiry = LONGEST_SLEEP.min(expires);
                    let last = left <= until_expiry;
                    call.attempt = if last { Attempt::Last } else { Attempt::Again };
                    sleep = Some(until_expiry.min(left) + SLACK);
                    Process::current().stand_in();
                }
                Verdict::Busy => {
                    self.count_wait(waited);
                    self.count(Counter::WaitTimeouts, 1);
                    return Err(Error::LockTimeout { waited, holder: holder(&mut reply)? });
                }
                Verdict::Crowded => {
                    let holder = holder(&mut reply)?;
                    let waiting = u32::try_from(reply.number()?).unwrap_or(u32::MAX);
                    return Err(Error::TooManyWaiters { waiting, limit: how.max_waiters, holder });
                }
                Verdict::Ended | Verdict::VersionChanged | Verdict::Lost => return Err(reply.unexpected()),
            }
        }
    }
}

/// The script's last answer, when it came, and since when the request counts as begun (0: then).
struct Answer<'a> {
    reply: Reply<'a>,
    clock: Instant,
    began: u64,
}

#[derive(Clone, Copy)]
enum Attempt {
    /// The only one: a request that does not get the lock gives up.
    Only,
    /// The first one: a request that does not get the lock queues.
    First,
    /// From the queue.
    Again,
    /// From the queue, and out of it in any case.
    Last,
}

/// What changes and what stays from one call of the script to the next.
struct Call<'a> {
    how: &'a Acquire<'a>,
    /// Whether a session that does not exist is reserved.
    reserve: bool,
    token: &'a Token,
    nonce: [u8; 8],
    attempt: Attempt,
    began: u64,
    /// The holder that others are told of; empty without a lock.
    description: Vec<u8>,
}

impl<'a> Call<'a> {
    fn new(how: &'a Acquire<'a>, reserve: bool, token: &'a Token, nonce: Nonce) -> Self {
        let attempt = if how.wait.is_zero() { Attempt::Only } else { Attempt::First };
        let description = if is_exclusive(how) { description(how.script) } else { Vec::new() };
        let began = how.since.map_or(0, |mark| Point::of(mark).began);
        Self { how, reserve, token, nonce: nonce.to_bytes(), attempt, began, description }
    }

    fn arguments(&self) -> [Argument<'_>; 10] {
        let Self { how, reserve, token, nonce, attempt, began, description } = self;
        let attempt: &[u8] = match attempt {
            Attempt::Only => b"only",
            Attempt::First => b"first",
            Attempt::Again => b"again",
            Attempt::Last => b"last",
        };
        [
            bytes(token.as_bytes()),
            bytes(nonce),
            milliseconds(how.lifetime.max(MILLISECOND)),
            number(u32::try_from(how.lifetime.as_secs()).unwrap_or(u32::MAX)),
            if is_exclusive(how) { milliseconds(how.lock_ttl.max(MILLISECOND)) } else { number(0_u64) },
            bytes(attempt),
            number(how.max_waiters),
            number(*began),
            bytes(description),
            number(*reserve),
        ]
    }
}

fn is_exclusive(how: &Acquire<'_>) -> bool {
    how.mode == LockMode::Exclusive
}

/// What others are told of a holder: process id, length of the host's name, that name, the script.
fn description(script: &[u8]) -> Vec<u8> {
    static HOST_NAME: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let name = rustix::system::uname().nodename().to_bytes().to_vec();
        name.into_iter().take(HOST).collect()
    });
    let host = &*HOST_NAME;
    let length = u8::try_from(host.len()).unwrap_or(0);
    // The end of a path tells more than its beginning.
    let script = script.get(script.len().saturating_sub(SCRIPT)..).unwrap_or(script);
    [&std::process::id().to_le_bytes()[..], &[length], host, script].concat()
}

/// The holder that a script answered: token, since when, and its description; then the server's clock.
fn holder(reply: &mut Reply<'_>) -> Result<Holder, Error> {
    let lock = reply.bytes()?.unwrap_or_default();
    let now = reply.number()?;
    let (since, rest) = lock.get(TAG..).and_then(<[u8]>::split_first_chunk).unwrap_or((&[0; 8], &[]));
    let (pid, rest) = rest.split_first_chunk().unwrap_or((&[0; 4], &[]));
    let (length, rest) = rest.split_first().unwrap_or((&0, &[]));
    let (host, script) = rest.split_at_checked(usize::from(*length)).unwrap_or_default();
    Ok(Holder {
        pid: u32::from_le_bytes(*pid),
        host: String::from_utf8_lossy(host).into_owned(),
        held: Duration::from_micros(now.saturating_sub(u64::from_le_bytes(*since))),
        script: String::from_utf8_lossy(script).into_owned(),
    })
}
