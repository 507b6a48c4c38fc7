//! Commands in the servers' protocol (RESP), written straight into the buffer that goes to the socket.
//!
//! A command is an array of byte strings: `*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$5\r\nvalue\r\n`. Each argument is copied once,
//! into that buffer, which gets its whole length at once.

use std::time::Duration;

use redis::Cmd;

/// The most bytes that the sign, the digits and the line end before an argument take.
const FRAME: usize = 1 + DIGITS + 2;

/// The most digits of a number.
const DIGITS: usize = 20;

/// The shortest time that a server knows.
pub(crate) const MILLISECOND: Duration = Duration::from_millis(1);

const LINE_END: &[u8; 2] = b"\r\n";

/// The name of a command, or one of its arguments.
#[derive(Clone, Copy)]
pub(crate) enum Argument<'a> {
    /// These bytes.
    Bytes(&'a [u8]),
    /// Two pieces that follow each other, and need not be put together before.
    Joined(&'a [u8], &'a [u8]),
    /// A number in decimal digits.
    Number(u64),
}

/// An argument that is these bytes.
pub(crate) const fn bytes(bytes: &[u8]) -> Argument<'_> {
    Argument::Bytes(bytes)
}

/// An argument that is this number.
pub(crate) fn number(number: impl Into<u64>) -> Argument<'static> {
    Argument::Number(number.into())
}

/// An argument that is this time in milliseconds.
pub(crate) fn milliseconds(time: Duration) -> Argument<'static> {
    Argument::Number(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

/// Commands that go out together.
#[derive(Clone, Default)]
pub(crate) struct Commands {
    bytes: Vec<u8>,
    count: usize,
}

impl Commands {
    /// One command.
    pub(crate) fn one(arguments: &[Argument<'_>]) -> Self {
        let mut commands = Self::default();
        commands.add(arguments);
        commands
    }

    /// Adds a command.
    pub(crate) fn add(&mut self, arguments: &[Argument<'_>]) {
        self.add_in_parts(&[arguments]);
    }

    /// Adds one command whose arguments are those of all `parts`.
    pub(crate) fn add_in_parts(&mut self, parts: &[&[Argument<'_>]]) {
        let arguments = || parts.iter().copied().flatten();
        self.bytes.reserve(FRAME + arguments().map(Argument::room).sum::<usize>());
        self.frame(b'*', arguments().count());
        for argument in arguments() {
            self.argument(argument);
        }
        self.count += 1;
    }

    /// Adds a command that was put together elsewhere.
    pub(crate) fn add_command(&mut self, command: &Cmd) {
        command.write_packed_command(&mut self.bytes);
        self.count += 1;
    }

    /// Adds commands that are encoded already.
    pub(crate) fn add_all(&mut self, others: &Self) {
        self.bytes.extend_from_slice(&others.bytes);
        self.count += others.count;
    }

    /// Forgets them all and keeps the room.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.count = 0;
    }

    /// What goes to the socket.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many commands, and so how many answers.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    fn argument(&mut self, argument: &Argument<'_>) {
        let mut digits = [0; DIGITS];
        let (first, second): (&[u8], &[u8]) = match argument {
            Argument::Bytes(bytes) => (bytes, &[]),
            Argument::Joined(first, second) => (first, second),
            Argument::Number(number) => (decimal(*number, &mut digits), &[]),
        };
        self.frame(b'$', first.len() + second.len());
        for piece in [first, second, LINE_END] {
            self.bytes.extend_from_slice(piece);
        }
    }

    /// What an array (`*`) or a byte string (`$`) of so many elements begins with.
    fn frame(&mut self, sign: u8, length: usize) {
        let mut digits = [0; DIGITS];
        self.bytes.push(sign);
        self.bytes.extend_from_slice(decimal(length as u64, &mut digits));
        self.bytes.extend_from_slice(LINE_END);
    }
}

impl Argument<'_> {
    /// The most bytes that the encoded argument takes.
    fn room(&self) -> usize {
        let length = match self {
            Argument::Bytes(bytes) => bytes.len(),
            Argument::Joined(first, second) => first.len() + second.len(),
            Argument::Number(_) => DIGITS,
        };
        FRAME + length + LINE_END.len()
    }
}

/// The digits of `number`, written to the end of `digits`.
fn decimal(number: u64, digits: &mut [u8; DIGITS]) -> &[u8] {
    let (mut rest, mut from) = (number, DIGITS);
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
        from -= 1;
        if rest == 0 {
            break;
        }
    }
    digits.get(from..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use redis::cmd;

    use super::*;

    #[test]
    fn encodes_as_the_library_does() {
        let long = vec![b'x'; 100_000];
        for payload in [&b""[..], b"a", b"\r\n$5\r\n\0", &long] {
            for amount in [0, 1, 9, 10, 1_234_567_890, u64::MAX] {
                let mut expected = cmd("EVALSHA");
                expected.arg(payload).arg(amount).arg([payload, b":l"].concat()).arg("");
                let mut commands = Commands::default();
                commands.add_command(&cmd("ASKING"));
                let last = [number(amount), Argument::Joined(payload, b":l"), bytes(b"")];
                commands.add_in_parts(&[&[bytes(b"EVALSHA"), bytes(payload)], &last]);
                let mut all = cmd("ASKING").get_packed_command();
                all.extend(expected.get_packed_command());
                assert_eq!(commands.as_bytes(), all);
                assert_eq!(commands.count(), 2);
            }
        }
    }

    #[test]
    fn gets_its_room_at_once() {
        let arguments = [bytes(b"SET"), Argument::Joined(&[7; 50], &[8; 1000]), number(u64::MAX)];
        let commands = Commands::one(&arguments);
        let room = FRAME + arguments.iter().map(Argument::room).sum::<usize>();
        assert!(commands.as_bytes().len() <= room);
        assert!(commands.bytes.capacity() <= 2 * room, "one allocation has grown to another");
    }
}
