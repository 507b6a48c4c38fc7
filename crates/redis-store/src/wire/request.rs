//! What is sent in one round trip, and what comes back.

use std::time::Duration;

use redis::{Cmd, Value, cmd};

use crate::format::key::Names;
use crate::format::script::{Script, Verdict};
use crate::wire::error::Error;

/// Commands that go out together; only the answer of the last one matters. The server has seen them in one round trip
/// whichever they are.
pub(crate) struct Request<'a> {
    /// The cluster's slot of the keys; `None` where any server will do.
    pub(crate) slot: Option<u16>,
    /// Commands before the last.
    before: Vec<u8>,
    before_count: usize,
    last: Last<'a>,
    /// How long the commands before the last may block.
    pub(crate) patience: Duration,
}

enum Last<'a> {
    Command(Cmd),
    Script { script: &'a Script, names: &'a Names, arguments: &'a [&'a [u8]] },
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
    /// One command.
    pub(crate) fn command(command: Cmd, slot: Option<u16>) -> Self {
        Self { slot, before: Vec::new(), before_count: 0, last: Last::Command(command), patience: Duration::ZERO }
    }

    /// One script on one session.
    pub(crate) fn script(script: &'a Script, names: &'a Names, arguments: &'a [&'a [u8]]) -> Self {
        Self {
            slot: Some(names.slot),
            before: Vec::new(),
            before_count: 0,
            last: Last::Script { script, names, arguments },
            patience: Duration::ZERO,
        }
    }

    /// Puts `command`, which may block for `patience`, before the last one.
    pub(crate) fn after(&mut self, command: &Cmd, patience: Duration) {
        command.write_packed_command(&mut self.before);
        self.before_count += 1;
        self.patience += patience;
    }

    /// The bytes to send, and of how many commands.
    pub(crate) fn packed(&self, form: Form) -> (Vec<u8>, usize) {
        let mut packed = self.before.clone();
        self.last_command(form, &mut packed);
        (packed, self.before_count + 1)
    }

    /// The last command alone.
    pub(crate) fn packed_last(&self, form: Form) -> (Vec<u8>, usize) {
        let mut packed = Vec::new();
        self.last_command(form, &mut packed);
        (packed, 1)
    }

    /// The last command alone, told to a server that takes a slot over and does not own it yet.
    pub(crate) fn packed_asking(&self, form: Form) -> (Vec<u8>, usize) {
        let mut packed = Vec::new();
        cmd("ASKING").write_packed_command(&mut packed);
        self.last_command(form, &mut packed);
        (packed, 2)
    }

    fn last_command(&self, form: Form, out: &mut Vec<u8>) {
        match &self.last {
            Last::Command(command) => command.write_packed_command(out),
            Last::Script { script, names, arguments } => {
                let mut command = match form {
                    Form::ByHash => cmd("EVALSHA"),
                    Form::InFull => cmd("EVAL"),
                };
                match form {
                    Form::ByHash => command.arg(&script.hash),
                    Form::InFull => command.arg(script.code),
                };
                command.arg(4).arg(&names.session).arg(&names.lock).arg(&names.queue).arg(&names.tombstone);
                for argument in *arguments {
                    command.arg(argument);
                }
                command.write_packed_command(out);
            }
        }
    }
}

/// What a script answered.
pub(crate) struct Reply {
    pub(crate) verdict: Verdict,
    values: std::vec::IntoIter<Value>,
    at: String,
}

impl Reply {
    /// Reads the answer of a script that ran `at` a store.
    pub(crate) fn read(value: Value, at: &dyn Fn() -> String) -> Result<Self, Error> {
        if let Value::Array(values) = value {
            let mut values = values.into_iter();
            if let Some(Value::Int(number)) = values.next()
                && let Some(verdict) = Verdict::of(number)
            {
                return Ok(Self { verdict, values, at: at() });
            }
        }
        Err(Error::Unexpected { at: at() })
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
        Error::Unexpected { at: self.at.clone() }
    }
}
