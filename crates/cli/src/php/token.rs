//! The tokens of PHP's serialization, read one at a time. A stated length is compared with the bytes that are there before
//! it is believed; nothing is copied.

/// One token. Containers are their beginning; their members and the closing brace follow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Token<'a> {
    Null,
    Bool(bool),
    Int(i64),
    /// As written.
    Float(&'a [u8]),
    Text(&'a [u8]),
    /// With so many elements.
    Array(u64),
    /// With so many properties.
    Object(&'a [u8], u64),
    Custom(&'a [u8], &'a [u8]),
    Enum(&'a [u8]),
    Reference(u32),
    Same(u32),
}

/// Reads tokens from bytes. `None` is always: malformed.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// Bytes up to `delimiter`, which is passed over.
    pub(super) fn until(&mut self, delimiter: u8) -> Option<&'a [u8]> {
        let rest = self.bytes.get(self.at..)?;
        let length = rest.iter().position(|byte| *byte == delimiter)?;
        self.at += length + 1;
        rest.get(..length)
    }

    /// As many bytes as the first one says.
    pub(super) fn counted(&mut self) -> Option<&'a [u8]> {
        let length = *self.bytes.get(self.at)?;
        self.at += 1;
        // The high bit once meant a variable without a value; no PHP that is still used writes it.
        if length > 127 { None } else { self.take(u64::from(length)) }
    }

    pub(super) fn token(&mut self) -> Option<Token<'a>> {
        let letter = *self.bytes.get(self.at)?;
        self.at += 1;
        if letter == b'N' {
            self.expect(b";")?;
            return Some(Token::Null);
        }
        self.expect(b":")?;
        Some(match letter {
            b'b' => Token::Bool(match self.until(b';')? {
                b"0" => false,
                b"1" => true,
                _ => return None,
            }),
            b'i' => Token::Int(std::str::from_utf8(self.until(b';')?).ok()?.parse().ok()?),
            b'd' => Token::Float(self.until(b';').filter(|text| float(text).is_some())?),
            b's' => {
                let text = self.quoted()?;
                self.expect(b";")?;
                Token::Text(text)
            }
            b'E' => {
                let case = self.quoted()?;
                self.expect(b";")?;
                Token::Enum(case)
            }
            b'a' => {
                let count = self.number()?;
                self.expect(b":{")?;
                Token::Array(count)
            }
            b'O' => {
                let class = self.quoted()?;
                self.expect(b":")?;
                let count = self.number()?;
                self.expect(b":{")?;
                Token::Object(class, count)
            }
            b'C' => {
                let class = self.quoted()?;
                self.expect(b":")?;
                let length = self.number()?;
                self.expect(b":{")?;
                let data = self.take(length)?;
                self.expect(b"}")?;
                Token::Custom(class, data)
            }
            b'R' => Token::Reference(self.slot()?),
            b'r' => Token::Same(self.slot()?),
            _ => return None,
        })
    }

    pub(super) fn expect(&mut self, wanted: &[u8]) -> Option<()> {
        let found = self.bytes.get(self.at..)?.starts_with(wanted);
        self.at += wanted.len();
        found.then_some(())
    }

    fn slot(&mut self) -> Option<u32> {
        let slot = u32::try_from(self.number()?).ok()?;
        self.expect(b";")?;
        Some(slot).filter(|slot| *slot > 0)
    }

    /// `length:"bytes"`.
    fn quoted(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.expect(b":\"")?;
        let text = self.take(length)?;
        self.expect(b"\"")?;
        Some(text)
    }

    fn number(&mut self) -> Option<u64> {
        let rest = self.bytes.get(self.at..)?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += digits;
        std::str::from_utf8(rest.get(..digits)?).ok()?.parse().ok()
    }

    fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let end = self.at.checked_add(usize::try_from(length).ok()?)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }
}

/// The number that PHP writes as `text`.
pub(super) fn float(text: &[u8]) -> Option<f64> {
    match text {
        b"INF" => Some(f64::INFINITY),
        b"-INF" => Some(f64::NEG_INFINITY),
        b"NAN" => Some(f64::NAN),
        // Rust's own words for these are no numbers to PHP.
        _ if text.iter().any(|byte| byte.is_ascii_alphabetic() && !matches!(byte, b'e' | b'E')) => None,
        _ => std::str::from_utf8(text).ok()?.parse().ok(),
    }
}
