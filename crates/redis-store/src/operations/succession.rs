//! What becomes of a session whose id is replaced by another: it is settled or reinstated. Also the end by somebody who
//! has read a session and wants to know whether another was faster.

use cloakroom_seam::{Destroyed, End, Key, Mark, Successor};

use crate::core::counters::Counter;
use crate::core::store::{Ended, Ending, Store};
use crate::core::token::Nonce;
use crate::format::record;
use crate::format::script::{REINSTATE, SETTLE, Script, Verdict};
use crate::operations::lease::Point;
use crate::wire::error::Error;
use crate::wire::request::Request;
use crate::wire::resp::{Argument, bytes, milliseconds};

impl Store {
    /// Ends the session without holding its lease, and tells whether another has ended it, or replaced its id, since it was
    /// read at `since`.
    ///
    /// # Errors
    /// Failures of the server.
    pub fn destroy_since(&self, key: &Key, since: &Mark, end: End) -> Result<Destroyed, Error> {
        let Point { incarnation, began, .. } = Point::of(*since);
        let read = incarnation.to_le_bytes();
        let ending = Ending { end, nonce: Nonce::draw()?, read: &read, when: began, ..Ending::WHICHEVER };
        Ok(match self.end(&self.names(key), &ending)? {
            Ended { before: true, .. } => Destroyed::Before,
            Ended { was_there: true, .. } => Destroyed::Now,
            Ended { .. } => Destroyed::Absent,
        })
    }

    /// Ends the session, if it lives and names this successor.
    ///
    /// # Errors
    /// What was found instead of a session, and failures of the server.
    pub fn settle(&self, key: &Key, successor: &Successor, end: End) -> Result<(), Error> {
        let successor = record::named(successor);
        let arguments = [bytes(b""), bytes(&successor), milliseconds(end.tombstone), milliseconds(end.grace)];
        let settled = self.succeed(&SETTLE, key, &arguments)?;
        self.count(Counter::Destroys, u64::from(settled));
        Ok(())
    }

    /// Makes the session name no successor, if it lives and names this one; `true` where it did.
    ///
    /// # Errors
    /// What was found instead of a session, and failures of the server.
    pub fn reinstate(&self, key: &Key, successor: &Successor) -> Result<bool, Error> {
        let successor = record::named(successor);
        self.succeed(&REINSTATE, key, &[bytes(b""), bytes(&successor)])
    }

    /// Runs a script that answers whether it did anything.
    fn succeed(&self, script: &Script, key: &Key, arguments: &[Argument<'_>]) -> Result<bool, Error> {
        let names = self.names(key);
        let mut reply = self.run(Request::script(script, &names, arguments))?;
        match reply.verdict {
            Verdict::Done => Ok(reply.number()? != 0),
            Verdict::Foreign => Err(self.foreign()),
            _ => Err(reply.unexpected()),
        }
    }
}
