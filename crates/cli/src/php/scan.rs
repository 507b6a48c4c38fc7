//! Which format a payload is in, and whether it can be decoded: one pass over the bytes, without recursion.

use std::ops::Range;

use cloakroom_session::serialized::{Key, Reader, Token, integer};

/// Containers in containers that are shown. PHP's own limit for decoding is 4,096.
pub(crate) const MOST_NESTED: usize = 200;
/// Values that are shown of one session.
pub(crate) const MOST_VALUES: usize = 1 << 18;

/// How a payload is encoded: `session.serialize_handler`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// `name|value` after `name|value`
    #[value(name = "php")]
    Php,
    /// One serialized array
    #[value(name = "php_serialize")]
    PhpSerialize,
    /// A length byte, the name, the value
    #[value(name = "php_binary")]
    PhpBinary,
}

impl Format {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Format::Php => "php",
            Format::PhpSerialize => "php_serialize",
            Format::PhpBinary => "php_binary",
        }
    }
}

/// Why a payload is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unshown {
    /// It is not in the format; how many bytes of it are.
    Malformed(usize),
    TooDeep,
    TooMany,
    /// igbinary's format, which only that extension reads.
    Igbinary,
    /// It looks like the format of the msgpack extension, which only that reads.
    Msgpack,
    /// It is in no format that this command knows.
    Unknown,
}

impl std::fmt::Display for Unshown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unshown::Malformed(at) => write!(f, "is not in that format: what stands at byte {at} cannot be read"),
            Unshown::TooDeep => write!(f, "is nested deeper than {MOST_NESTED} levels"),
            Unshown::TooMany => write!(f, "has more than {MOST_VALUES} values"),
            Unshown::Igbinary => write!(f, "is in igbinary's format, which is not decoded here"),
            Unshown::Msgpack => write!(f, "seems to be in msgpack's format, which is not decoded here"),
            Unshown::Unknown => write!(f, "is in no format that is known here"),
        }
    }
}

/// The kind of a value, for telling apart two that `serde_php` shows alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Scalar,
    Text,
    Array,
}

/// Where a variable's name and value stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) name: Range<usize>,
    pub(super) value: Range<usize>,
}

/// The findings of the pass.
#[derive(Debug)]
pub(crate) struct Scanned {
    /// The variables; for `php_serialize` one span for the array that holds them.
    pub(super) spans: Vec<Span>,
    /// Of all values in their order, if all is plain.
    pub(super) shapes: Vec<Shape>,
    /// Whether all is what `serde_php` can read.
    pub(super) plain: bool,
}

/// The format that all of the payload is in.
pub(crate) fn detect(payload: &[u8]) -> Result<Format, Unshown> {
    if payload.starts_with(&[0, 0, 0, 1]) || payload.starts_with(&[0, 0, 0, 2]) {
        return Err(Unshown::Igbinary);
    }
    for format in [Format::PhpSerialize, Format::Php, Format::PhpBinary] {
        match scan(payload, format) {
            Ok(_) => return Ok(format),
            Err(Unshown::Malformed(_)) => {}
            Err(limit) => return Err(limit),
        }
    }
    Err(match payload.first() {
        Some(0x80..=0x8f | 0xde | 0xdf) => Unshown::Msgpack,
        _ => Unshown::Unknown,
    })
}

/// Goes through a payload in `format`.
pub(crate) fn scan(payload: &[u8], format: Format) -> Result<Scanned, Unshown> {
    let mut scan = Scan {
        reader: Reader::new(payload),
        frames: Vec::new(),
        found: Scanned { spans: Vec::new(), shapes: Vec::new(), plain: true },
        values: 0,
    };
    if format == Format::PhpSerialize {
        if payload.first() != Some(&b'a') && !payload.is_empty() {
            return Err(Unshown::Malformed(0));
        }
        while scan.reader.left() > 0 {
            if !scan.found.spans.is_empty() {
                return Err(Unshown::Malformed(scan.reader.at()));
            }
            scan.variable(0..0)?;
        }
        return Ok(scan.found);
    }
    while scan.reader.left() > 0 {
        let start = scan.reader.at();
        let name = if format == Format::Php { scan.reader.delimited_name() } else { scan.reader.counted_name() };
        let length = name.ok_or(Unshown::Malformed(start))?.len();
        let name = if format == Format::Php { start..start + length } else { start + 1..start + 1 + length };
        scan.variable(name)?;
    }
    Ok(scan.found)
}

/// A container that has begun and not ended.
struct Frame {
    /// Members still to come.
    left: u64,
    /// The next key of a list; `None` once it is none.
    list: Option<i64>,
    /// Whether all keys so far are texts.
    texts: bool,
}

struct Scan<'a> {
    reader: Reader<'a>,
    frames: Vec<Frame>,
    found: Scanned,
    values: usize,
}

impl Scan<'_> {
    fn variable(&mut self, name: Range<usize>) -> Result<(), Unshown> {
        let start = self.reader.at();
        self.value()?;
        while let Some(frame) = self.frames.last_mut() {
            if frame.left == 0 {
                let uniform = frame.list.is_some() || frame.texts;
                self.found.plain &= uniform;
                self.frames.pop();
                let at = self.reader.at();
                self.reader.end().ok_or(Unshown::Malformed(at))?;
                continue;
            }
            frame.left -= 1;
            let at = self.reader.at();
            match self.reader.key().ok_or(Unshown::Malformed(at))? {
                Key::Int(written) => {
                    let key = integer(written).ok_or(Unshown::Malformed(at))?;
                    frame.texts = false;
                    frame.list = frame.list.filter(|next| *next == key).map(|next| next + 1);
                }
                Key::Text(key) => {
                    frame.list = None;
                    self.found.plain &= std::str::from_utf8(key).is_ok();
                }
            }
            self.value()?;
        }
        self.found.spans.push(Span { name, value: start..self.reader.at() });
        Ok(())
    }

    /// Reads a value, of a container only its beginning.
    fn value(&mut self) -> Result<(), Unshown> {
        let at = self.reader.at();
        let token = self.reader.token().ok_or(Unshown::Malformed(at))?;
        self.values += 1;
        if self.values > MOST_VALUES {
            return Err(Unshown::TooMany);
        }
        let shape = match token {
            Token::Null | Token::Bool(_) => Some(Shape::Scalar),
            Token::Int(written) => integer(written).map(|_| Some(Shape::Scalar)).ok_or(Unshown::Malformed(at))?,
            Token::Float(text) => is_plain_float(text).then_some(Shape::Scalar),
            Token::Text(_) => Some(Shape::Text),
            Token::Array(left) => {
                self.frames.push(Frame { left, list: Some(0), texts: true });
                Some(Shape::Array)
            }
            Token::Object(_, left) => {
                self.frames.push(Frame { left, list: Some(0), texts: true });
                None
            }
            Token::Custom(..) | Token::Enum(_) | Token::Reference(_) | Token::Same(_) => None,
        };
        if self.frames.len() > MOST_NESTED {
            return Err(Unshown::TooDeep);
        }
        match shape {
            Some(shape) if self.found.plain => self.found.shapes.push(shape),
            Some(_) => {}
            None => self.found.plain = false,
        }
        Ok(())
    }
}

/// Whether `serde_php` reads this number: digits, and perhaps a point and more digits.
fn is_plain_float(text: &[u8]) -> bool {
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    let mut parts = unsigned.splitn(2, |byte| *byte == b'.');
    let is_digits =
        |part: Option<&[u8]>| part.is_some_and(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit));
    is_digits(parts.next()) && parts.next().is_none_or(|fraction| is_digits(Some(fraction)))
}
