//! What is sent in one round trip, and what comes back.

use std::time::Duration;

use crate::format::key::{LOCK, Names, QUEUE, TOMBSTONE};
use crate::format::script::{Script, Verdict};
use crate::wire::bound::Bound;
use crate::wire::connection::Dialer;
use crate::wire::error::Error;
use crate::wire::resp::{Argument, Commands, bytes, number};
use crate::wire::value::Value;

/// Commands that go out together, in one round trip; only the answer of the last one matters.
pub(crate) struct Request<'a> {
    /// The cluster's slot of the keys; `None` where any server will do.
    pub(crate) slot: Option<u16>,
    /// Commands before the last.
    before: Commands,
    last: Last<'a>,
    /// What the answer of the last can be.
    pub(crate) bound: Bound,
    /// How long the commands before the last may block.
    pub(crate) patience: Duration,
}

enum Last<'a> {
    Command(&'a [Argument<'a>]),
    Script { script: &'a Script, names: &'a Names, arguments: &'a [Argument<'a>] },
}

/// How a script is named.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// By its hash.
    ByHash,
    /// In full, for a server that does not know it, and does from then on.
    InFull,
}

impl<'a> Request<'a> {
    /// One command, whose answer can be as much as `bound`.
    pub(crate) fn command(arguments: &'a [Argument<'a>], slot: Option<u16>, bound: Bound) -> Self {
        Self { slot, before: Commands::default(), last: Last::Command(arguments), bound, patience: Duration::ZERO }
    }

    /// One script on one session.
    pub(crate) fn script(script: &'a Script, names: &'a Names, arguments: &'a [Argument<'a>]) -> Self {
        Self {
            slot: Some(names.slot),
            before: Commands::default(),
            last: Last::Script { script, names, arguments },
            bound: Bound::SESSION,
            patience: Duration::ZERO,
        }
    }

    /// Puts a command, which may block for `patience`, before the last one.
    pub(crate) fn after(&mut self, command: &[Argument<'_>], patience: Duration) {
        self.before.add(command);
        self.patience += patience;
    }

    /// Writes all commands to `out`.
    pub(crate) fn encode(&self, form: Form, out: &mut Commands) {
        out.add_all(&self.before);
        self.encode_last(form, out);
    }

    /// Writes the last command alone.
    pub(crate) fn encode_last(&self, form: Form, out: &mut Commands) {
        match &self.last {
            Last::Command(arguments) => out.add(arguments),
            Last::Script { script, names, arguments } => {
                let (command, script): (&[u8], &[u8]) = match form {
                    Form::ByHash => (b"EVALSHA", script.hash.as_bytes()),
                    Form::InFull => (b"EVAL", script.code.as_bytes()),
                };
                let session = &names.session;
                let beginning = [
                    bytes(command),
                    bytes(script),
                    number(4_u64),
                    bytes(session),
                    Argument::Joined(session, LOCK),
                    Argument::Joined(session, QUEUE),
                    Argument::Joined(session, TOMBSTONE),
                ];
                out.add_in_parts(&[&beginning, arguments]);
            }
        }
    }

    /// Writes the last command alone, for a server that takes a slot over and does not own it yet.
    pub(crate) fn encode_asking(&self, form: Form, out: &mut Commands) {
        out.add(&[bytes(b"ASKING")]);
        self.encode_last(form, out);
    }
}

/// What a script answered.
pub(crate) struct Reply<'a> {
    pub(crate) verdict: Verdict,
    values: std::vec::IntoIter<Value>,
    dialer: &'a Dialer,
}

impl<'a> Reply<'a> {
    /// Reads the answer of a script that ran at the store of `dialer`.
    pub(crate) fn read(value: Value, dialer: &'a Dialer) -> Result<Self, Error> {
        if let Value::Array(values) = value {
            let mut values = values.into_iter();
            if let Some(Value::Int(number)) = values.next()
                && let Some(verdict) = Verdict::of(number)
            {
                return Ok(Self { verdict, values, dialer });
            }
        }
        Err(dialer.unexpected())
    }

    /// The next value, as bytes; `None` where the script answered none.
    pub(crate) fn bytes(&mut self) -> Result<Option<Vec<u8>>, Error> {
        match self.values.next() {
            Some(Value::BulkString(bytes)) => Ok(Some(bytes)),
            Some(Value::Nil) => Ok(None),
            _ => Err(self.unexpected()),
        }
    }

    /// The next value, as a number; below zero counts as zero.
    pub(crate) fn number(&mut self) -> Result<u64, Error> {
        match self.values.next() {
            Some(Value::Int(number)) => Ok(u64::try_from(number).unwrap_or(0)),
            _ => Err(self.unexpected()),
        }
    }

    /// This answer fits no question.
    pub(crate) fn unexpected(&self) -> Error {
        self.dialer.unexpected()
    }
}

#[cfg(test)]
mod tests {
    use redis::cmd;

    use super::*;
    use crate::format::script::COMMIT;

    #[test]
    fn a_script_goes_out_with_the_names_of_its_session() {
        let names = Names::new("app:", &crate::format::key::make(b"", b"id"));
        let session = String::from_utf8(names.session.clone()).expect("text");
        let arguments = [bytes(b"token"), Argument::Joined(b"header", b"payload"), number(7_u64)];
        let mut request = Request::script(&COMMIT, &names, &arguments);
        request.after(&[bytes(b"PING")], Duration::ZERO);
        for (form, word, script) in
            [(Form::ByHash, "EVALSHA", COMMIT.hash.as_str()), (Form::InFull, "EVAL", COMMIT.code)]
        {
            let mut last = cmd(word);
            last.arg(script).arg(4).arg(&session);
            for ending in [":l", ":q", ":t"] {
                last.arg(format!("{session}{ending}"));
            }
            let last = last.arg("token").arg("headerpayload").arg(7).get_packed_command();
            let mut commands = Commands::default();
            request.encode_last(form, &mut commands);
            assert_eq!((commands.as_bytes(), commands.count()), (&last[..], 1));
            commands.clear();
            request.encode(form, &mut commands);
            assert_eq!(commands.as_bytes(), [&cmd("PING").get_packed_command()[..], &last].concat());
            commands.clear();
            request.encode_asking(form, &mut commands);
            assert_eq!(commands.as_bytes(), [&cmd("ASKING").get_packed_command()[..], &last].concat());
            assert_eq!(commands.count(), 2);
        }
    }
}
