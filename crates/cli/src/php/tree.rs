//! A payload as an indented text, a line for each value.

use std::fmt::Write as _;

use super::{Decoded, Key, Node, Value};
use crate::escape::{escaped, hexadecimal};

/// Bytes of a text that are shown.
const MOST_BYTES: usize = 400;

/// All variables, a line for each value.
pub(crate) fn render(decoded: &Decoded, whole: bool) -> String {
    let mut tree = Tree { decoded, whole, out: String::new() };
    for (name, node) in &decoded.variables {
        tree.member(&tree.key(name), node, 0);
    }
    tree.out
}

struct Tree<'a> {
    decoded: &'a Decoded,
    /// Whether long texts are shown whole.
    whole: bool,
    out: String,
}

impl Tree<'_> {
    fn member(&mut self, name: &str, node: &Node, depth: usize) {
        let indent = 2 * depth;
        let label = if self.decoded.referred.binary_search(&node.slot).is_ok() && node.slot > 0 {
            format!("#{} ", node.slot)
        } else {
            String::new()
        };
        let shown = self.value(&node.value);
        // Writing to a string cannot fail.
        _ = writeln!(self.out, "{:indent$}{name}: {label}{shown}", "");
        match &node.value {
            Value::Array(members) => {
                members.iter().for_each(|(key, member)| self.member(&self.key(key), member, depth + 1));
            }
            Value::Object { properties, .. } => {
                properties.iter().for_each(|(key, member)| self.member(&property(key), member, depth + 1));
            }
            _ => {}
        }
    }

    /// A value in one line, of a container its head.
    fn value(&self, value: &Value) -> String {
        match value {
            Value::Null => "null".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Int(value) => value.to_string(),
            Value::Float(value) => float(*value),
            Value::Text(text) => self.text(text),
            Value::Array(members) if members.is_empty() => "[]".to_owned(),
            Value::Array(members) => format!("array ({})", members.len()),
            Value::Object { class, .. } => format!("object {}", escaped(class, None)),
            Value::Custom { class, data } => {
                format!("object {}, which encodes itself: {}", escaped(class, None), self.bytes(data))
            }
            Value::Enum(case) => format!("enum {}", escaped(case, None).replacen(':', "::", 1)),
            Value::Reference(slot) => format!("reference to #{slot}"),
            Value::Same(slot) => format!("the same object as #{slot}"),
        }
    }

    fn text(&self, text: &[u8]) -> String {
        if self.whole || text.len() <= MOST_BYTES {
            return format!("\"{}\"", escaped(text, Some('"')));
        }
        let mut end = MOST_BYTES;
        // Not in the middle of a character.
        while end > MOST_BYTES - 4 && text.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
            end -= 1;
        }
        let shown = text.get(..end).unwrap_or_default();
        format!("\"{}\"… ({} bytes)", escaped(shown, Some('"')), text.len())
    }

    fn bytes(&self, data: &[u8]) -> String {
        let shown = if self.whole { data } else { data.get(..MOST_BYTES.min(data.len())).unwrap_or_default() };
        let more = if shown.len() < data.len() { format!("… ({} bytes)", data.len()) } else { String::new() };
        if shown.iter().all(|byte| matches!(byte, b' '..=b'~')) {
            return format!("{}{more}", escaped(shown, None));
        }
        format!("0x{}{more}", hexadecimal(shown))
    }

    fn key(&self, key: &Key) -> String {
        match key {
            Key::Int(key) => key.to_string(),
            Key::Text(key) => match std::str::from_utf8(key) {
                Ok(word) if is_word(word) => word.to_owned(),
                _ => self.text(key),
            },
        }
    }
}

/// Whether a key is shown without quotes: it cannot be taken for a number or for anything else.
fn is_word(key: &str) -> bool {
    key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
        && key.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
}

/// The name of a property with its visibility.
fn property(key: &Key) -> String {
    let name = match key {
        Key::Int(key) => return key.to_string(),
        Key::Text(name) => name,
    };
    match visibility(name) {
        (None, name) => escaped(name, None),
        (Some(b"*"), name) => format!("{} (protected)", escaped(name, None)),
        (Some(class), name) => format!("{} (private to {})", escaped(name, None), escaped(class, None)),
    }
}

/// Splits `\0Class\0name` and `\0*\0name`.
pub(super) fn visibility(name: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let parts = name.strip_prefix(b"\0").and_then(|rest| {
        let end = rest.iter().position(|byte| *byte == 0)?;
        Some((rest.get(..end)?, rest.get(end + 1..)?))
    });
    match parts {
        Some((class, name)) => (Some(class), name),
        None => (None, name),
    }
}

/// A number as PHP prints it.
pub(super) fn float(value: f64) -> String {
    if value.is_nan() {
        "NAN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "INF" } else { "-INF" }.to_owned()
    } else if value != 0.0 && !(1e-5..1e15).contains(&value.abs()) {
        format!("{value:e}").replace('e', "E")
    } else {
        format!("{value:?}")
    }
}
