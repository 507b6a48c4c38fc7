//! [`Printable`]: the words of strangers, as text that does nothing but say something. A path, a host name or an answer of a server may hold
//! line breaks, which forge entries of logs, commands to terminals, and characters that are invisible or turn the direction of text.
//! All of those are written as escapes, and no stranger has more room than it needs.

use std::borrow::Cow;
use std::fmt::{self, Display, Write};

/// Whether a character is shown as it is.
#[must_use]
pub fn is_harmless(character: char) -> bool {
    let invisible = matches!(u32::from(character),
        0x00ad | 0x0600..=0x0605 | 0x061c | 0x06dd | 0x070f | 0x08e2 | 0x115f | 0x1160 | 0x180b..=0x180f
        | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0
        | 0xfff0..=0xfffb | 0x110bd | 0x110cd | 0x13430..=0x1345f | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a
        | 0xe0000..=0xe0fff);
    !character.is_control() && !invisible
}

/// Writes one character, as an escape where it is not harmless.
///
/// # Errors
/// Those of `out`.
#[inline]
pub fn write_character(out: &mut dyn Write, character: char) -> fmt::Result {
    match character {
        '\n' => out.write_str("\\n"),
        '\r' => out.write_str("\\r"),
        '\t' => out.write_str("\\t"),
        _ if is_harmless(character) => out.write_char(character),
        _ => write!(out, "\\u{{{:x}}}", u32::from(character)),
    }
}

/// Text with an escape for each character that is not harmless. Costs a copy only where there is one.
#[must_use]
pub fn harmless(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_harmless) {
        return Cow::Borrowed(text);
    }
    let mut written = String::with_capacity(text.len() + 16);
    // Writing to a string cannot fail.
    text.chars().for_each(|character| _ = write_character(&mut written, character));
    Cow::Owned(written)
}

/// Bytes of a stranger within a sentence of this project's.
#[derive(Clone, Copy, Debug)]
pub struct Printable<'a> {
    bytes: &'a [u8],
    most: usize,
}

impl<'a> Printable<'a> {
    /// At most `most` characters of `bytes`; what is longer ends with "…".
    #[must_use]
    pub const fn new(bytes: &'a [u8], most: usize) -> Self {
        Self { bytes, most }
    }
}

impl Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut left = self.most;
        for chunk in self.bytes.utf8_chunks() {
            let invalid = chunk.invalid().iter().map(|byte| Err(*byte));
            for part in chunk.valid().chars().map(Ok).chain(invalid) {
                let Some(now) = left.checked_sub(1) else { return f.write_char('…') };
                left = now;
                match part {
                    Ok(character) => write_character(f, character)?,
                    Err(byte) => write!(f, "\\x{byte:02x}")?,
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_stranger_is_a_command_or_a_line() {
        let shown = |bytes: &[u8]| Printable::new(bytes, 100).to_string();
        assert_eq!(shown(b"a\nPHP Fatal error:\r\n\tb\0"), "a\\nPHP Fatal error:\\r\\n\\tb\\u{0}");
        assert_eq!(shown("\x1b[2J\u{9b}1m\u{202e}cba\u{200b}".as_bytes()), "\\u{1b}[2J\\u{9b}1m\\u{202e}cba\\u{200b}");
        assert_eq!(shown(b"\xff\x9b"), "\\xff\\x9b");
        assert_eq!(shown("Grüße, 世界 🙂 C:\\".as_bytes()), "Grüße, 世界 🙂 C:\\");
        for byte in 0..=255_u8 {
            assert!(shown(&[byte]).chars().all(is_harmless), "{byte}");
        }
    }

    #[test]
    fn no_stranger_takes_more_room_than_it_has() {
        assert_eq!(Printable::new("äöü".as_bytes(), 3).to_string(), "äöü");
        assert_eq!(Printable::new("äöüß".as_bytes(), 3).to_string(), "äöü…");
        assert_eq!(Printable::new(b"\xff\xff", 1).to_string(), "\\xff…");
        assert_eq!(Printable::new(b"", 0).to_string(), "");
    }

    #[test]
    fn harmless_text_is_not_copied() {
        assert!(matches!(harmless("Grüße"), Cow::Borrowed("Grüße")));
        assert_eq!(harmless("a\nb"), "a\\nb");
    }
}
