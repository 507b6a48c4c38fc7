//! All that PHP writes: objects, enums, references, arrays with keys of any kind, numbers without a literal.
//!
//! Only gets what the scan has gone through, so the recursion is as deep as the scan allows at most.

use cloakroom_session::serialized::{self, Reader, Token, float, integer};

use super::scan::{Format, Span, Unshown};
use super::{Decoded, Key, Node, Value};

/// Decodes the variables at `spans`.
pub(super) fn decode(payload: &[u8], format: Format, spans: &[Span]) -> Result<Decoded, Unshown> {
    let mut decoder = Decoder { slots: 1, referred: Vec::new() };
    let mut variables = Vec::new();
    for span in spans {
        let malformed = Unshown::Malformed(span.value.start);
        let mut reader = Reader::new(payload.get(span.value.clone()).ok_or(malformed)?);
        let node = decoder.node(&mut reader).ok_or(malformed)?;
        match node.value {
            Value::Array(members) if format == Format::PhpSerialize => variables = members,
            _ => variables.push((Key::Text(payload.get(span.name.clone()).unwrap_or_default().to_vec()), node)),
        }
    }
    decoder.referred.sort_unstable();
    decoder.referred.dedup();
    Ok(Decoded { variables, referred: decoder.referred })
}

struct Decoder {
    /// The next number that a value takes.
    slots: u32,
    referred: Vec<u32>,
}

impl Decoder {
    fn node(&mut self, reader: &mut Reader<'_>) -> Option<Node> {
        let token = reader.token()?;
        let slot = self.slots;
        // A reference is the value that it names and takes no number of its own.
        if !matches!(token, Token::Reference(_)) {
            self.slots += 1;
        }
        let value = match token {
            Token::Null => Value::Null,
            Token::Bool(value) => Value::Bool(value),
            Token::Int(written) => Value::Int(integer(written)?),
            Token::Float(text) => Value::Float(float(text)?),
            Token::Text(text) => Value::Text(text.to_vec()),
            Token::Array(count) => Value::Array(self.members(reader, count)?),
            Token::Object(class, count) => {
                Value::Object { class: class.to_vec(), properties: self.members(reader, count)? }
            }
            Token::Custom(class, data) => Value::Custom { class: class.to_vec(), data: data.to_vec() },
            Token::Enum(case) => Value::Enum(case.to_vec()),
            Token::Reference(target) => {
                self.referred.push(target);
                Value::Reference(target)
            }
            Token::Same(target) => {
                self.referred.push(target);
                Value::Same(target)
            }
        };
        Some(Node { slot, value })
    }

    fn members(&mut self, reader: &mut Reader<'_>, count: u64) -> Option<Vec<(Key, Node)>> {
        let mut members = Vec::new();
        for _ in 0..count {
            let key = match reader.key()? {
                serialized::Key::Int(written) => Key::Int(integer(written)?),
                serialized::Key::Text(key) => Key::Text(key.to_vec()),
            };
            members.push((key, self.node(reader)?));
        }
        reader.end()?;
        Some(members)
    }
}
