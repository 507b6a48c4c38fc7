//! The tokens of PHP's serialization, read one at a time from bytes that may be hostile.
//!
//! A stated length is compared with the bytes that are left before it is believed, nothing is copied, and nothing nests:
//! a container is the token of its beginning, and the code that reads its members counts them.

/// One value, or of a container only its beginning: its members and the closing brace follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// `N`
    Null,
    /// `b`
    Bool(bool),
    /// `i`, as it is written: see [`integer`].
    Int(&'a [u8]),
    /// `d`, as it is written: see [`float`].
    Float(&'a [u8]),
    /// `s`
    Text(&'a [u8]),
    /// `a`, with so many elements.
    Array(u64),
    /// `O`, of this class and with so many properties.
    Object(&'a [u8], u64),
    /// `C`: an object of this class that encodes itself, and what it wrote.
    Custom(&'a [u8], &'a [u8]),
    /// `E`: `Class:Case`
    Enum(&'a [u8]),
    /// `R`: a PHP reference to the value with this number, which is not 0.
    Reference(u32),
    /// `r`: the object with this number, which is not 0, once more.
    Same(u32),
}

/// A key of an array, or the name of a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key<'a> {
    /// As it is written: see [`integer`].
    Int(&'a [u8]),
    /// Its bytes.
    Text(&'a [u8]),
}

/// Reads tokens from bytes. `None` is always: malformed. Where the reader then stands is not said.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the beginning of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many bytes have been read.
    #[inline]
    #[must_use]
    pub fn at(&self) -> usize {
        self.at
    }

    /// How many bytes are left.
    #[inline]
    #[must_use]
    pub fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    /// The next byte, which is not read.
    #[inline]
    #[must_use]
    pub fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// A value, or the beginning of a container.
    #[inline]
    pub fn token(&mut self) -> Option<Token<'a>> {
        let letter = self.byte()?;
        if letter == b'N' {
            self.expect(b";")?;
            return Some(Token::Null);
        }
        self.expect(b":")?;
        Some(match letter {
            b'b' => {
                let value = match self.byte()? {
                    b'0' => false,
                    b'1' => true,
                    _ => return None,
                };
                self.expect(b";")?;
                Token::Bool(value)
            }
            b'i' => Token::Int(self.digits_with_sign()?),
            b'd' => Token::Float(self.float()?),
            b's' => Token::Text(self.text()?),
            b'E' => Token::Enum(self.text()?),
            b'a' => Token::Array(self.count()?),
            b'O' => {
                let class = self.class()?;
                Token::Object(class, self.count()?)
            }
            b'C' => {
                let class = self.class()?;
                let length = self.count()?;
                let data = self.take(length)?;
                self.end()?;
                Token::Custom(class, data)
            }
            b'R' => Token::Reference(self.slot()?),
            b'r' => Token::Same(self.slot()?),
            _ => return None,
        })
    }

    /// The key of a member.
    #[inline]
    pub fn key(&mut self) -> Option<Key<'a>> {
        let letter = self.byte()?;
        self.expect(b":")?;
        match letter {
            b'i' => self.digits_with_sign().map(Key::Int),
            b's' => self.text().map(Key::Text),
            _ => None,
        }
    }

    /// The closing brace of a container.
    #[inline]
    pub fn end(&mut self) -> Option<()> {
        self.expect(b"}")
    }

    /// The name of a variable in the format `php`, which a vertical bar ends.
    #[inline]
    pub fn delimited_name(&mut self) -> Option<&'a [u8]> {
        let rest = self.bytes.get(self.at..)?;
        let length = rest.iter().position(|&byte| byte == b'|')?;
        self.at += length + 1;
        rest.get(..length)
    }

    /// The name of a variable in the format `php_binary`, behind a byte that says how long it is. Its high bit once meant a
    /// variable without a value; no PHP that is still used writes it.
    #[inline]
    pub fn counted_name(&mut self) -> Option<&'a [u8]> {
        let length = self.byte().filter(|&length| length <= 127)?;
        self.take(u64::from(length))
    }

    /// `length:"class":`
    fn class(&mut self) -> Option<&'a [u8]> {
        let class = self.quoted()?;
        self.expect(b":")?;
        Some(class)
    }

    /// `count:{`
    fn count(&mut self) -> Option<u64> {
        let count = self.number()?;
        self.expect(b":{")?;
        Some(count)
    }

    /// `number;`
    fn slot(&mut self) -> Option<u32> {
        let slot = u32::try_from(self.number()?).ok().filter(|&slot| slot > 0)?;
        self.expect(b";")?;
        Some(slot)
    }

    /// `length:"bytes";`
    #[inline]
    fn text(&mut self) -> Option<&'a [u8]> {
        let text = self.quoted()?;
        self.expect(b";")?;
        Some(text)
    }

    /// `length:"bytes"`
    #[inline]
    fn quoted(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.expect(b":\"")?;
        let text = self.take(length)?;
        self.expect(b"\"")?;
        Some(text)
    }

    /// Digits with or without a sign, and a semicolon, which is not part of the answer.
    #[inline]
    fn digits_with_sign(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        self.sign();
        if self.digits() == 0 {
            return None;
        }
        self.ended_by_semicolon(start)
    }

    /// A number with or without a fraction and an exponent, or a word for one, and a semicolon, which is not part of the
    /// answer.
    fn float(&mut self) -> Option<&'a [u8]> {
        let start = self.at;
        for word in [&b"NAN"[..], b"INF", b"-INF"] {
            if self.expect(word).is_some() {
                return self.ended_by_semicolon(start);
            }
        }
        self.sign();
        let mut digits = self.digits();
        if self.expect(b".").is_some() {
            digits += self.digits();
        }
        if digits == 0 {
            return None;
        }
        if matches!(self.peek()?, b'e' | b'E') {
            self.at += 1;
            self.sign();
            if self.digits() == 0 {
                return None;
            }
        }
        self.ended_by_semicolon(start)
    }

    #[inline]
    fn ended_by_semicolon(&mut self, start: usize) -> Option<&'a [u8]> {
        let written = self.bytes.get(start..self.at)?;
        self.expect(b";")?;
        Some(written)
    }

    #[inline]
    fn sign(&mut self) {
        if matches!(self.peek(), Some(b'+' | b'-')) {
            self.at += 1;
        }
    }

    /// Passes over digits and answers how many.
    #[inline]
    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - start
    }

    #[inline]
    fn number(&mut self) -> Option<u64> {
        let start = self.at;
        let mut number = 0_u64;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            number = number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
            self.at += 1;
        }
        (self.at > start).then_some(number)
    }

    #[inline]
    fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let behind = self.at.checked_add(usize::try_from(length).ok()?)?;
        let taken = self.bytes.get(self.at..behind)?;
        self.at = behind;
        Some(taken)
    }

    #[inline]
    fn expect(&mut self, wanted: &[u8]) -> Option<()> {
        if !self.bytes.get(self.at..)?.starts_with(wanted) {
            return None;
        }
        self.at += wanted.len();
        Some(())
    }

    #[inline]
    fn byte(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }
}

/// The integer that is written so, where it is one of 64 bits.
#[must_use]
pub fn integer(written: &[u8]) -> Option<i64> {
    std::str::from_utf8(written).ok()?.parse().ok()
}

/// The number that PHP writes so.
#[must_use]
pub fn float(written: &[u8]) -> Option<f64> {
    match written {
        b"INF" => Some(f64::INFINITY),
        b"-INF" => Some(f64::NEG_INFINITY),
        b"NAN" => Some(f64::NAN),
        // Rust's own words for these are no numbers to PHP.
        _ if written.iter().any(|byte| byte.is_ascii_alphabetic() && !matches!(byte, b'e' | b'E')) => None,
        _ => std::str::from_utf8(written).ok()?.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(bytes: &[u8]) -> Option<Token<'_>> {
        let mut reader = Reader::new(bytes);
        reader.token().filter(|_| reader.left() == 0)
    }

    #[test]
    fn each_letter_is_a_token() {
        for (bytes, expected) in [
            (&b"N;"[..], Token::Null),
            (b"b:0;", Token::Bool(false)),
            (b"b:1;", Token::Bool(true)),
            (b"i:-7;", Token::Int(b"-7")),
            (b"i:99999999999999999999;", Token::Int(b"99999999999999999999")),
            (b"d:-0.5E+25;", Token::Float(b"-0.5E+25")),
            (b"d:NAN;", Token::Float(b"NAN")),
            (b"d:-INF;", Token::Float(b"-INF")),
            (b"d:.5;", Token::Float(b".5")),
            (b"s:3:\"a\";\";", Token::Text(b"a\";")),
            (b"a:2:{", Token::Array(2)),
            (b"O:1:\"A\":3:{", Token::Object(b"A", 3)),
            (b"C:1:\"A\":2:{}}}", Token::Custom(b"A", b"}}")),
            (b"E:3:\"E:C\";", Token::Enum(b"E:C")),
            (b"R:1;", Token::Reference(1)),
            (b"r:4294967295;", Token::Same(u32::MAX)),
        ] {
            assert_eq!(token(bytes), Some(expected), "{}", bytes.escape_ascii());
            // Cut anywhere, it is none.
            for length in 0..bytes.len() {
                assert_eq!(token(&bytes[..length]), None, "{}", bytes[..length].escape_ascii());
            }
        }
    }

    #[test]
    fn what_php_never_writes_is_malformed() {
        for bytes in [
            &b"N:;"[..],
            b"b:2;",
            b"b:;",
            b"i:;",
            b"i:- 1;",
            b"i:1.0;",
            b"d:;",
            b"d:.;",
            b"d:e5;",
            b"d:1e;",
            b"d:+INF;",
            b"d:infinity;",
            b"d:NANA;",
            b"s:-1:\"\";",
            b"s:18446744073709551615:\"x\";",
            b"s:18446744073709551616:\"\";",
            b"s:2:\"abc\";",
            b"S:1:\"\\41\";",
            b"a:-1:{",
            b"R:0;",
            b"r:4294967296;",
            b"C:1:\"A\":3:{}}",
        ] {
            assert_eq!(token(bytes), None, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn names_and_keys_are_read_to_their_ends() {
        let mut reader = Reader::new(b"a|i:5;s:1:\"k\";}\x03namx");
        assert_eq!(reader.delimited_name(), Some(&b"a"[..]));
        assert_eq!(reader.key(), Some(Key::Int(b"5")));
        assert_eq!(reader.key(), Some(Key::Text(b"k")));
        assert_eq!(reader.end(), Some(()));
        assert_eq!(reader.counted_name(), Some(&b"nam"[..]));
        assert_eq!((reader.at(), reader.left(), reader.peek()), (19, 1, Some(b'x')));
        assert_eq!((Reader::new(b"b:1;").key(), Reader::new(b"no bar").delimited_name()), (None, None));
        assert_eq!((Reader::new(b"\x80").counted_name(), Reader::new(b"\x02a").counted_name()), (None, None));
    }

    #[test]
    fn numbers_are_what_php_reads() {
        assert_eq!((integer(b"-9223372036854775808"), integer(b"9223372036854775808")), (Some(i64::MIN), None));
        assert_eq!((float(b"1.5E+25"), float(b"-INF")), (Some(1.5e25), Some(f64::NEG_INFINITY)));
        assert_eq!((float(b"infinity"), float(b"nan")), (None, None));
    }
}
