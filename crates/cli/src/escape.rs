//! Bytes of strangers as text that does nothing to a terminal: control characters, characters that turn the direction of
//! text or are invisible, and bytes that are no UTF-8, are written as escapes.

use std::fmt::Write as _;

/// Whether a character is shown as it is.
pub(crate) fn is_harmless(character: char) -> bool {
    let invisible = matches!(u32::from(character),
        0x00ad | 0x0600..=0x0605 | 0x061c | 0x06dd | 0x070f | 0x08e2 | 0x115f | 0x1160 | 0x180b..=0x180f
        | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0x3164 | 0xfe00..=0xfe0f | 0xfeff | 0xffa0
        | 0xfff0..=0xfffb | 0x110bd | 0x110cd | 0x13430..=0x1345f | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a
        | 0xe0000..=0xe0fff);
    !character.is_control() && !invisible
}

/// The bytes, harmless, with backslashes and the `quote` escaped.
pub(crate) fn escaped(bytes: &[u8], quote: Option<char>) -> String {
    let mut text = String::with_capacity(bytes.len() + 2);
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\t' => text.push_str("\\t"),
                _ if Some(character) == quote => {
                    text.push('\\');
                    text.push(character);
                }
                _ if is_harmless(character) => text.push(character),
                // Writing to a string cannot fail.
                _ => _ = write!(text, "\\u{{{:x}}}", u32::from(character)),
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
