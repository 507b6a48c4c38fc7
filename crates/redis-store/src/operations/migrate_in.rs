//! Taking sessions over that another handler kept: they take the place of nothing, or of a session that is only reserved.

use std::sync::Arc;
use std::time::Duration;

use cloakroom_seam::{Acquire, Committed, Key, LockMode, MAX_PAYLOAD, Over, Restore, Restored};

use crate::core::counters::Counter;
use crate::core::store::Store;
use crate::format::key::{Names, TOMBSTONE};
use crate::format::record::RecordInfo;
use crate::operations::lease::Point;
use crate::operations::walk::{header_of, second_of};
use crate::wire::bound::Bound;
use crate::wire::error::Error;
use crate::wire::request::Request;
use crate::wire::resp::{Argument, bytes};
use crate::wire::value::Value;

/// How long the lock of a session that is migrated in outlives a process that vanished in the middle of it.
const LOCK_TTL: Duration = Duration::from_secs(10);

impl Store {
    /// Whether [`Store::migrate_in`] would store a session.
    ///
    /// # Errors
    /// Failures of the server.
    pub fn is_vacant(&self, key: &Key) -> Result<bool, Error> {
        let names = self.names(key);
        let header = header_of(&names);
        match self.ask(Request::command(&header, Some(names.slot), Bound::SHORT))? {
            Value::BulkString(header) if header.is_empty() => {}
            Value::BulkString(header) if RecordInfo::read(&header).is_some_and(|info| info.is_unwritten()) => {}
            Value::BulkString(_) => return Ok(false),
            _ => return Err(self.unexpected()),
        }
        Ok(!self.remembers_end(&names)?)
    }

    /// Whether the session of these names was destroyed, and that is remembered.
    fn remembers_end(&self, names: &Names) -> Result<bool, Error> {
        let remembered = [bytes(b"EXISTS"), Argument::Joined(&names.session, TOMBSTONE)];
        match self.ask(Request::command(&remembered, Some(names.slot), Bound::SHORT))? {
            Value::Int(remembered) => Ok(remembered != 0),
            _ => Err(self.unexpected()),
        }
    }

    /// [`Store::restore`] that also takes the place of a session which is only reserved, and counts. A session that was
    /// begun again after its end is none of these, empty as it may be.
    ///
    /// # Errors
    /// As [`Store::restore`].
    pub fn migrate_in(self: &Arc<Self>, key: &Key, session: &Restored<'_>) -> Result<Restore, Error> {
        if session.payload.len() > MAX_PAYLOAD {
            return Err(Error::TooLarge(session.payload.len()));
        }
        let how = Acquire {
            mode: LockMode::Exclusive,
            lock_ttl: LOCK_TTL,
            wait: Duration::ZERO,
            max_waiters: 0,
            lifetime: session.lifetime,
            script: b"take-over",
            // Whatever was ended, and is remembered, was ended since.
            since: Some(Point { incarnation: 0, commit: 0, began: 1 }.to_mark()),
            drawn: false,
        };
        let mut lease = match self.acquire(key, &how) {
            Err(Error::LockTimeout { .. } | Error::HeldHere) => return Ok(Restore::Exists),
            acquired => acquired?,
        };
        if lease.is_ended() {
            return Ok(Restore::Ended);
        }
        if !lease.begin_at(second_of(session.created)) {
            return Ok(Restore::Exists);
        }
        // The server has looked for an end only where nothing was there. An end from here on is one of this incarnation.
        if !lease.is_new() && self.remembers_end(&self.names(key))? {
            return Ok(Restore::Ended);
        }
        match lease.commit(session.payload, session.lifetime, Over::WhatWasRead)? {
            Committed::Stored => {
                self.count(Counter::Migrated, 1);
                // This happens once to a session, and operators who watch a migration count what is left.
                let _told_later = self.send_counts();
                Ok(Restore::Stored)
            }
            Committed::VersionChanged => Ok(Restore::Exists),
            Committed::Ended => Ok(Restore::Ended),
        }
    }
}
