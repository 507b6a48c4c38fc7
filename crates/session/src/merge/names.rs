//! The names in keys as payloads write them.

use super::Format;

/// The name of a variable, by its key as the format writes it; of a number in decimal.
pub(super) fn variable_name(format: Format, key: &[u8]) -> Option<&[u8]> {
    match format {
        Format::Php => key.strip_suffix(b"|"),
        Format::PhpBinary => key.get(1..),
        Format::PhpSerialize => element_name(key),
        Format::Opaque => None,
    }
}

/// The name that a serialized key has; of a number in decimal.
pub(super) fn element_name(key: &[u8]) -> Option<&[u8]> {
    match key.strip_prefix(b"i:") {
        Some(number) => number.strip_suffix(b";"),
        // Behind the first quotation mark; the name itself may have others.
        None => key.splitn(2, |&byte| byte == b'"').nth(1).and_then(|name| name.strip_suffix(b"\";")),
    }
}
