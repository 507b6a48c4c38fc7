//! Reads what memcached answers in its text protocol. Nothing that it says is believed: lines and values are bounded, and
//! what is not exactly an answer to what was asked is no answer.

use std::io::{self, BufRead, ErrorKind, Read as _};

use crate::source::MAX_PAYLOAD;

/// The longest line. A name has at most 250 bytes, the rest of a line is numbers.
const LONGEST_LINE: u64 = 1024;

/// A value under its name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) name: Vec<u8>,
    pub(super) flags: u32,
    /// The number of this version of the item, where it was asked for.
    pub(super) version: Option<u64>,
    pub(super) value: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// The connection is at its end.
    Broken(String),
    /// Nothing came in time.
    TimedOut,
    /// Something came that is no answer.
    Unexpected,
    /// The server says that it cannot, in its own words.
    Refused(String),
    /// A value of so many bytes.
    TooLarge(u64),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // What has words of its own says what there was no time for.
            ErrorKind::TimedOut if error.get_ref().is_none() => Self::TimedOut,
            ErrorKind::UnexpectedEof => Self::Broken("it closed the connection".to_owned()),
            _ => Self::Broken(error.to_string()),
        }
    }
}

/// Reads the answer to `get` or `gets`: the items that exist, of at most `most` that were asked for.
pub(super) fn items(from: &mut impl BufRead, most: usize) -> Result<Vec<Item>, Fault> {
    let mut items = Vec::new();
    loop {
        let line = line(from)?;
        if line == b"END" {
            return Ok(items);
        }
        if items.len() == most {
            return Err(Fault::Unexpected);
        }
        let mut words = line.split(|byte| *byte == b' ');
        let is_value = words.next() == Some(b"VALUE");
        let name = words.next().filter(|name| is_value && !name.is_empty()).ok_or(Fault::Unexpected)?.to_vec();
        let mut number = || words.next().map(|word| digits(word).ok_or(Fault::Unexpected)).transpose();
        let flags = number()?.and_then(|flags| u32::try_from(flags).ok()).ok_or(Fault::Unexpected)?;
        let length = number()?.ok_or(Fault::Unexpected)?;
        let version = number()?;
        if words.next().is_some() {
            return Err(Fault::Unexpected);
        }
        if length > MAX_PAYLOAD {
            return Err(Fault::TooLarge(length));
        }
        // Room comes with the bytes, not with what the line promises.
        let mut value = Vec::new();
        from.by_ref().take(length + 2).read_to_end(&mut value)?;
        if value.len() as u64 != length + 2 {
            return Err(io::Error::from(ErrorKind::UnexpectedEof).into());
        }
        if value.split_off(value.len() - 2) != b"\r\n" {
            return Err(Fault::Unexpected);
        }
        items.push(Item { name, flags, version, value });
    }
}

/// Reads an answer of one line, without its end.
pub(super) fn line(from: &mut impl BufRead) -> Result<Vec<u8>, Fault> {
    let mut line = Vec::new();
    from.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line)?;
    if line.last() != Some(&b'\n') {
        let cut = if line.len() as u64 == LONGEST_LINE { Fault::Unexpected } else { ended() };
        return Err(cut);
    }
    let Some(text) = line.strip_suffix(b"\r\n") else { return Err(Fault::Unexpected) };
    let words = |text: &[u8]| String::from_utf8_lossy(text).chars().filter(|c| !c.is_control()).take(160).collect();
    match text.split(|byte| *byte == b' ').next() {
        Some(b"ERROR" | b"CLIENT_ERROR" | b"SERVER_ERROR") => Err(Fault::Refused(words(text))),
        _ => Ok(text.to_vec()),
    }
}

fn ended() -> Fault {
    io::Error::from(ErrorKind::UnexpectedEof).into()
}

/// Decimal digits only: the standard parser would take a sign.
pub(super) fn digits(word: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(word).ok()?;
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<Item>, Fault> {
        items(&mut &*bytes, 2)
    }

    fn item(name: &str, flags: u32, version: Option<u64>, value: &[u8]) -> Item {
        Item { name: name.into(), flags, version, value: value.to_vec() }
    }

    #[test]
    fn items_are_read() {
        assert_eq!(read(b"END\r\n").expect("nothing"), []);
        assert_eq!(read(b"VALUE a 0 5\r\nx\r\ny\0\r\nEND\r\n").expect("one"), [item("a", 0, None, b"x\r\ny\0")]);
        let two = read(b"VALUE a 4294967295 0 7\r\n\r\nVALUE b 1 1 18446744073709551615\r\n1\r\nEND\r\nrest");
        assert_eq!(two.expect("two"), [item("a", u32::MAX, Some(7), b""), item("b", 1, Some(u64::MAX), b"1")]);
    }

    #[test]
    fn what_is_no_answer_is_refused() {
        for bytes in [
            &b"VALUE a 0 1\r\nxyEND\r\n"[..],
            b"VALUE a 0 1\r\nxyzEND\r\n",
            b"VALUE a 0 2\r\nx\r\nEND\r\n",
            b"VALUE a 0\r\nEND\r\n",
            b"VALUE a 0 -1\r\n",
            b"VALUE a 0 +1\r\nx\r\nEND\r\n",
            b"VALUE a 4294967296 1\r\nx\r\nEND\r\n",
            b"VALUE a 0 1 2 3\r\nx\r\nEND\r\n",
            b"VALUE  0 1\r\nx\r\nEND\r\n",
            b"VALUE a 0 99999999999999999999\r\n",
            b"END\n",
            b"STORED\r\n",
            b"\r\n",
            &[b'x'; 5000],
            b"VALUE a 0 0\r\n\r\nVALUE b 0 0\r\n\r\nVALUE c 0 0\r\n\r\nEND\r\n",
        ] {
            assert!(matches!(read(bytes), Err(Fault::Unexpected)), "{:?}", String::from_utf8_lossy(bytes));
        }
        for bytes in [&b""[..], b"EN", b"VALUE a 0 5\r\nx", b"VALUE a 0 1\r\nx\r\n", b"VALUE a 0 16777216\r\nx"] {
            assert!(matches!(read(bytes), Err(Fault::Broken(_))), "{:?}", String::from_utf8_lossy(bytes));
        }
        assert!(matches!(read(b"VALUE a 0 16777217\r\n"), Err(Fault::TooLarge(16_777_217))));
        match read(b"CLIENT_ERROR unauthenti\x07cated\r\n") {
            Err(Fault::Refused(text)) => assert_eq!(text, "CLIENT_ERROR unauthenticated"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_value_that_is_cut_anywhere_is_none() {
        let whole = b"VALUE memc.sess.key.a 0 6 12\r\nn|i:1;\r\nEND\r\n";
        assert_eq!(read(whole).map(|items| items.len()).expect("whole"), 1);
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_err(), "cut at {end}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic_and_within_bounds(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Ok(items) = read(&bytes) {
                prop_assert!(items.iter().map(|item| item.value.len()).sum::<usize>() <= bytes.len());
            }
        }

        #[test]
        fn answers_with_a_few_wrong_bytes_are_read_without_a_panic(
            value in proptest::collection::vec(any::<u8>(), 0..60),
            wrong in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..4),
        ) {
            let mut bytes = format!("VALUE name 0 {} 5\r\n", value.len()).into_bytes();
            bytes.extend(&value);
            bytes.extend(b"\r\nEND\r\n");
            for (at, byte) in &wrong {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            let found = read(&bytes);
            if wrong.is_empty() {
                prop_assert_eq!(found.expect("an answer"), [item("name", 0, Some(5), &value)]);
            }
        }
    }
}
