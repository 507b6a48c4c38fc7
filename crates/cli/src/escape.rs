//! Bytes of strangers as text that does nothing to a terminal: control characters, characters that turn the direction of
//! text or are invisible, and bytes that are no UTF-8, are written as escapes.

use std::fmt::Write as _;

use cloakroom_session::seam::printable::write_character;

/// The bytes, harmless, with backslashes and the `quote` escaped.
pub(crate) fn escaped(bytes: &[u8], quote: Option<char>) -> String {
    let mut text = String::with_capacity(bytes.len() + 2);
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                _ if Some(character) == quote => {
                    text.push('\\');
                    text.push(character);
                }
                // Writing to a string cannot fail.
                _ => _ = write_character(&mut text, character),
            }
        }
        chunk.invalid().iter().for_each(|byte| _ = write!(text, "\\x{byte:02x}"));
    }
    text
}

/// The bytes as hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use cloakroom_session::seam::printable::is_harmless;

    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_as_a_command() {
        assert_eq!(escaped(b"\x1b[2J\x07\x9b\x7f", None), "\\u{1b}[2J\\u{7}\\x9b\\u{7f}");
        assert_eq!(escaped("\u{9b}1m\u{202e}cba\u{200b}".as_bytes(), None), "\\u{9b}1m\\u{202e}cba\\u{200b}");
        assert_eq!(escaped(b"a\"b\\c\n", Some('"')), "a\\\"b\\\\c\\n");
        assert_eq!(escaped("Grüße, 世界 🙂".as_bytes(), None), "Grüße, 世界 🙂");
        for byte in 0..=255u8 {
            let shown = escaped(&[byte], None);
            assert!(shown.chars().all(is_harmless), "{byte}");
        }
    }
}
