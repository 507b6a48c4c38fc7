//! Reads answers in the servers' protocol (RESP), within a [`Bound`]: room comes with what has arrived, not with what is
//! announced, and a length that goes beyond the bound ends the reading before anything is read for it.
//!
//! ```text
//! +OK  -ERR words  :1  $5 (five bytes follow)  $-1 (nothing)  *2 (two answers follow)  *-1 (nothing)
//! ```
//!
//! Other types come only to clients that have asked for them.

use std::io::{self, BufRead, ErrorKind, Read};

use crate::wire::bound::{Bound, Excess, LONGEST_LINE, Measure};
use crate::wire::fault::Fault;
use crate::wire::value::{ServerError, Value};

/// Bytes that are taken from the socket at once.
const PIECE: usize = 16 << 10;

/// The most room that is made for what has only been announced, in bytes, and in elements.
const ADVANCE: u64 = 4096;
const FEW: u64 = 16;

/// The longest number with its sign.
const DIGITS: u64 = 20;

/// Reads the answers to one question.
pub(crate) struct Reader<'a, R> {
    from: &'a mut R,
    bound: Bound,
    bytes: u64,
    elements: u64,
}

impl<'a, R: BufRead> Reader<'a, R> {
    pub(crate) fn new(from: &'a mut R, bound: Bound) -> Self {
        Self { from, bound, bytes: 0, elements: 0 }
    }

    /// The next answer.
    pub(crate) fn answer(&mut self) -> Result<Value, Fault> {
        self.value(0)
    }

    /// An answer, or an element inside of `depth` arrays.
    fn value(&mut self, depth: u32) -> Result<Value, Fault> {
        let mut sign = [0];
        self.from.read_exact(&mut sign)?;
        match sign {
            [b'+'] => self.line(LONGEST_LINE).map(|_| Value::Status),
            [b'-'] => Ok(Value::ServerError(Box::new(ServerError::of(&self.line(LONGEST_LINE)?)))),
            [b':'] => Ok(Value::Int(self.number()?)),
            [b'$'] => match self.length()? {
                Some(length) => self.text(length).map(Value::BulkString),
                None => Ok(Value::Nil),
            },
            [b'*'] => match self.length()? {
                Some(length) => self.array(length, depth + 1).map(Value::Array),
                None => Ok(Value::Nil),
            },
            _ => Err(Fault::garbage()),
        }
    }

    /// A line of at most `longest` bytes, without its end.
    fn line(&mut self, longest: u64) -> Result<Vec<u8>, Fault> {
        let mut line = Vec::new();
        self.from.by_ref().take(longest + 2).read_until(b'\n', &mut line)?;
        self.spend(line.len() as u64)?;
        match line.strip_suffix(b"\n") {
            Some(text) => {
                let end = text.strip_suffix(b"\r").ok_or_else(Fault::garbage)?.len();
                line.truncate(end);
                Ok(line)
            }
            None if line.len() as u64 == longest + 2 => {
                let announced = longest + 2;
                Err(Fault::Excess(Excess { of: Measure::Line, announced, allowed: longest }))
            }
            None => Err(io::Error::from(ErrorKind::UnexpectedEof).into()),
        }
    }

    fn number(&mut self) -> Result<i64, Fault> {
        let line = self.line(DIGITS)?;
        std::str::from_utf8(&line).ok().and_then(|text| text.parse().ok()).ok_or_else(Fault::garbage)
    }

    /// The length of what follows; `None` for what says that there is nothing.
    fn length(&mut self) -> Result<Option<u64>, Fault> {
        match self.number()? {
            -1 => Ok(None),
            length => u64::try_from(length).map(Some).map_err(|_| Fault::garbage()),
        }
    }

    fn text(&mut self, length: u64) -> Result<Vec<u8>, Fault> {
        self.spend(length)?;
        let mut left = length + 2;
        let mut text = Vec::with_capacity(small(left.min(ADVANCE)));
        while left > 0 {
            let come = match self.from.fill_buf() {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                come => come?,
            };
            let come = come.get(..small(left)).unwrap_or(come);
            if come.is_empty() {
                return Err(io::Error::from(ErrorKind::UnexpectedEof).into());
            }
            if text.capacity() - text.len() < come.len() {
                // Twice as much as there is, and never beyond the end.
                text.reserve_exact(come.len().max(text.len().min(small(left))));
            }
            text.extend_from_slice(come);
            let taken = come.len();
            left -= taken as u64;
            self.from.consume(taken);
        }
        let end = text.strip_suffix(b"\r\n").ok_or_else(Fault::garbage)?.len();
        text.truncate(end);
        Ok(text)
    }

    fn array(&mut self, length: u64, depth: u32) -> Result<Vec<Value>, Fault> {
        self.elements = within(Measure::Elements, self.elements.saturating_add(length), self.bound.elements)?;
        within(Measure::Depth, depth.into(), self.bound.depth.into())?;
        let mut values = Vec::with_capacity(small(length.min(FEW)));
        for _ in 0..length {
            values.push(self.value(depth)?);
        }
        Ok(values)
    }

    /// Counts bytes that have come, or are about to.
    fn spend(&mut self, bytes: u64) -> Result<(), Fault> {
        self.bytes = within(Measure::Bytes, self.bytes.saturating_add(bytes), self.bound.bytes)?;
        Ok(())
    }
}

fn within(of: Measure, announced: u64, allowed: u64) -> Result<u64, Fault> {
    if announced <= allowed { Ok(announced) } else { Err(Fault::Excess(Excess { of, announced, allowed })) }
}

/// A number that is bounded far below what memory can have.
fn small(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// What has come from a server and was not read yet.
#[derive(Default)]
pub(crate) struct Inbox {
    /// [`PIECE`] bytes once something has come, of which those in `read..come` count.
    bytes: Vec<u8>,
    read: usize,
    come: usize,
}

impl Inbox {
    /// Whether everything was read that has come.
    pub(crate) fn is_empty(&self) -> bool {
        self.read == self.come
    }

    /// What is here, and then what comes from `source`.
    pub(crate) fn before<R: Read>(&mut self, source: R) -> Incoming<'_, R> {
        Incoming { inbox: self, source }
    }
}

/// See [`Inbox::before`].
pub(crate) struct Incoming<'a, R> {
    inbox: &'a mut Inbox,
    source: R,
}

impl<R: Read> BufRead for Incoming<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let Inbox { bytes, read, come } = &mut *self.inbox;
        if read == come {
            bytes.resize(PIECE, 0);
            (*read, *come) = (0, 0);
            *come = self.source.read(bytes)?;
        }
        Ok(bytes.get(*read..*come).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.inbox.read = self.inbox.come.min(self.inbox.read + amount);
    }
}

impl<R: Read> Read for Incoming<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(out)?;
        self.consume(read);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUND: Bound = Bound { bytes: 100_000, elements: 20, depth: 3 };

    fn read(bytes: &[u8], bound: Bound) -> Result<Value, Fault> {
        Reader::new(&mut &*bytes, bound).answer()
    }

    fn excess(bytes: &[u8], bound: Bound) -> Excess {
        match read(bytes, bound) {
            Err(Fault::Excess(excess)) => excess,
            other => panic!("{other:?}"),
        }
    }

    /// Gives a few bytes at a time, and counts them.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let length = out.len().min(self.1);
            self.0.read(&mut out[..length])
        }
    }

    #[test]
    fn answers_are_read() {
        let error = |text: &[u8]| Value::ServerError(Box::new(ServerError::of(text)));
        let text = |text: &[u8]| Value::BulkString(text.to_vec());
        for (bytes, value) in [
            (&b"+OK\r\n"[..], Value::Status),
            (b"+\r\n", Value::Status),
            (b":-12\r\n", Value::Int(-12)),
            (b":9223372036854775807\r\n", Value::Int(i64::MAX)),
            (b":-9223372036854775808\r\n", Value::Int(i64::MIN)),
            (b"$0\r\n\r\n", text(b"")),
            (b"$4\r\n\r\n\0x\r\n", text(b"\r\n\0x")),
            (b"$-1\r\n", Value::Nil),
            (b"*-1\r\n", Value::Nil),
            (b"*0\r\n", Value::Array(vec![])),
            (b"*2\r\n:1\r\n*1\r\n$1\r\na\r\n", Value::Array(vec![Value::Int(1), Value::Array(vec![text(b"a")])])),
            (b"-MOVED 7 [::1]:80\r\n", error(b"MOVED 7 [::1]:80")),
            (b"-\r\n", error(b"")),
        ] {
            assert_eq!(read(bytes, BOUND).expect("an answer"), value, "{:?}", String::from_utf8_lossy(bytes));
            for end in 0..bytes.len() {
                assert!(matches!(read(&bytes[..end], BOUND), Err(Fault::Broken(_))), "cut at {end}");
            }
        }
        let Value::ServerError(moved) = error(b"MOVED 7 [::1]:80") else { panic!("an error") };
        assert_eq!((moved.code(), moved.detail()), ("MOVED", "7 [::1]:80"));
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        let digits = [&b":"[..], &[b'1'; 20], b"\r\n"].concat();
        for bytes in [
            &b"$-2\r\n"[..],
            b"*-2\r\n",
            b"*-9223372036854775808\r\n",
            b"$\r\n",
            b"$x\r\n",
            b"$1x\r\n",
            b"$ 1\r\na\r\n",
            b"$1\r\nab\r\n",
            b"$2\r\na\r\n\r",
            b":1\n",
            b":\r\n",
            b"+OK\n",
            b"\r\n",
            b"HTTP/1.1 400 Bad Request\r\n",
            b"%1\r\n+a\r\n+b\r\n",
            b"~1\r\n+a\r\n",
            b">1\r\n+a\r\n",
            b"_\r\n",
            &digits,
        ] {
            assert!(matches!(read(bytes, BOUND), Err(Fault::Broken(_))), "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn more_than_an_answer_can_be_is_refused_when_it_is_announced() {
        let of = |of, announced, allowed| Excess { of, announced, allowed };
        assert_eq!(excess(b"$2000000000\r\n", BOUND), of(Measure::Bytes, 2_000_000_012, 100_000));
        assert_eq!(excess(b"$9223372036854775807\r\n", BOUND), of(Measure::Bytes, (1 << 63) + 20, 100_000));
        assert_eq!(excess(b"*2000000000\r\n", BOUND), of(Measure::Elements, 2_000_000_000, 20));
        assert_eq!(excess(b"*20\r\n*1\r\n", BOUND), of(Measure::Elements, 21, 20));
        assert_eq!(excess(&b"*1\r\n".repeat(10_000), BOUND), of(Measure::Depth, 4, 3));
        assert_eq!(excess(&[b'+'; 10_000], BOUND), of(Measure::Line, LONGEST_LINE + 2, LONGEST_LINE));
        assert_eq!(excess(&[b'-'; 10_000], BOUND), of(Measure::Line, LONGEST_LINE + 2, LONGEST_LINE));
        assert_eq!(excess(&[&b":"[..], &[b'1'; 30]].concat(), BOUND), of(Measure::Line, DIGITS + 2, DIGITS));
        // No single text is too long, but all together are.
        let texts = [&b"*3\r\n"[..], &[&b"$40000\r\n"[..], &[b'x'; 40_000], b"\r\n"].concat().repeat(3)].concat();
        assert_eq!(excess(&texts, BOUND), of(Measure::Bytes, 120_024, 100_000));
    }

    #[test]
    fn the_answers_to_one_question_share_a_bound() {
        let bytes = b"*12\r\n".iter().chain(b":1\r\n".repeat(12).iter()).copied().collect::<Vec<u8>>().repeat(2);
        let mut from = &*bytes;
        let mut reader = Reader::new(&mut from, BOUND);
        reader.answer().expect("the first twelve");
        assert!(matches!(reader.answer(), Err(Fault::Excess(Excess { of: Measure::Elements, announced: 24, .. }))));
    }

    #[test]
    fn room_comes_with_what_has_come() {
        let most = Bound { bytes: 16 << 20, ..BOUND };
        for length in [0, 1, 5000, 100_000, 3 << 20] {
            let bytes = [format!("${length}\r\n").as_bytes(), &vec![7; length], b"\r\n"].concat();
            let Ok(Value::BulkString(text)) = read(&bytes, most) else { panic!("a text") };
            assert_eq!(text.len(), length);
            assert!(text.capacity() <= length + 2, "{} bytes of room for {length}", text.capacity());
        }
    }

    #[test]
    fn what_is_left_over_is_kept_and_seen() {
        let bytes = b"$5\r\nhello\r\n:7\r\n";
        for step in 1..=bytes.len() {
            let mut inbox = Inbox::default();
            let mut source = Drip(bytes, step);
            let hello = Reader::new(&mut inbox.before(&mut source), BOUND).answer().expect("the first");
            assert_eq!(hello, Value::BulkString(b"hello".to_vec()));
            assert_eq!(inbox.is_empty(), step < bytes.len() && 11_usize.is_multiple_of(step));
            let seven = Reader::new(&mut inbox.before(&mut source), BOUND).answer().expect("the second");
            assert_eq!(seven, Value::Int(7));
            assert!(inbox.is_empty());
        }
    }

    fn anything() -> impl Strategy<Value = Vec<u8>> {
        let leaf = prop_oneof![
            Just(b"$-1\r\n".to_vec()),
            any::<i64>().prop_map(|number| format!(":{number}\r\n").into_bytes()),
            "[ -~]{0,30}".prop_map(|line| format!("-{line}\r\n").into_bytes()),
            proptest::collection::vec(any::<u8>(), 0..40).prop_map(|text| [
                format!("${}\r\n", text.len()).as_bytes(),
                &text,
                b"\r\n"
            ]
            .concat()),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            proptest::collection::vec(inner, 0..6)
                .prop_map(|parts| [format!("*{}\r\n", parts.len()).into_bytes(), parts.concat()].concat())
        })
    }

    /// Elements, bytes and depth of a value.
    fn size(value: &Value) -> (u64, u64, u32) {
        match value {
            Value::Array(values) => values
                .iter()
                .map(size)
                .fold((values.len() as u64, 0, 1), |sum, one| (sum.0 + one.0, sum.1 + one.1, sum.2.max(one.2 + 1))),
            Value::BulkString(text) => (0, text.len() as u64, 0),
            Value::ServerError(error) => (0, (error.code().len() + error.detail().len()) as u64, 0),
            _ => (0, 0, 0),
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _any = read(&bytes, BOUND);
        }

        #[test]
        fn what_is_read_keeps_within_the_bound(
            bytes in anything(),
            wrong in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4),
            (most, elements, depth) in (0_u64..300, 0_u64..30, 0_u32..5),
        ) {
            let mut bytes = bytes;
            let whole = read(&bytes, Bound { bytes: 1 << 20, elements: 1 << 10, depth: 9 }).expect("an answer");
            let bound = Bound { bytes: most, elements, depth };
            let (found, text, deep) = size(&whole);
            match read(&bytes, bound) {
                Ok(value) => prop_assert!(found <= elements && text <= most && deep <= depth && value == whole),
                Err(Fault::Excess(_)) => prop_assert!(found > elements || bytes.len() as u64 > most || deep > depth),
                Err(other) => prop_assert!(false, "{other:?}"),
            }
            for (at, byte) in &wrong {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            // Foreign bytes that are no UTF-8 get longer as they are made printable.
            if let Ok(value) = read(&bytes, bound) {
                let (found, text, deep) = size(&value);
                prop_assert!(found <= elements && text <= most * 3 && deep <= depth);
            }
        }
    }
}
