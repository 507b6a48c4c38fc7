//! Plain data through `serde_php`: booleans, integers, floats, texts, lists, and arrays whose keys are all texts in UTF-8.
//!
//! The crate shows a text as a sequence of bytes, so an empty text and an empty array look alike; the scan tells which
//! of them it is. It believes stated lengths and recurses, so it only gets what the scan has gone through.

use std::slice::Iter;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::scan::{Format, Shape, Span, Unshown};
use super::{Decoded, Key, Node, Value};

/// Decodes the variables at `spans`.
pub(super) fn decode(payload: &[u8], format: Format, spans: &[Span], shapes: &[Shape]) -> Result<Decoded, Unshown> {
    let mut shapes = shapes.iter();
    let mut variables = Vec::new();
    for span in spans {
        let malformed = Unshown::Malformed(span.value.start);
        let bytes = payload.get(span.value.clone()).ok_or(malformed)?;
        let shown: Shown = serde_php::from_bytes(bytes).map_err(|_| malformed)?;
        let node = shown.told_apart(&mut shapes).ok_or(malformed)?;
        match node.value {
            Value::Array(members) if format == Format::PhpSerialize => variables = members,
            value => {
                let name = payload.get(span.name.clone()).unwrap_or_default().to_vec();
                variables.push((Key::Text(name), Node { slot: 0, value }));
            }
        }
    }
    Ok(Decoded { variables, referred: Vec::new() })
}

/// A value as `serde_php` shows it.
enum Shown {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// One byte of a text.
    Byte(u8),
    Text(Vec<u8>),
    /// A text or an array without members.
    Nothing,
    List(Vec<Shown>),
    Map(Vec<(String, Shown)>),
}

impl Shown {
    /// The value that it is, whose shape is the next one.
    fn told_apart(self, shapes: &mut Iter<'_, Shape>) -> Option<Node> {
        let shape = *shapes.next()?;
        let value = match self {
            Shown::Null => Value::Null,
            Shown::Bool(value) => Value::Bool(value),
            Shown::Int(value) => Value::Int(value),
            Shown::Float(value) => Value::Float(value),
            Shown::Byte(_) => return None,
            Shown::Text(text) => Value::Text(text),
            Shown::Nothing if shape == Shape::Text => Value::Text(Vec::new()),
            Shown::Nothing => Value::Array(Vec::new()),
            Shown::List(members) => Value::Array(
                (0..)
                    .zip(members)
                    .map(|(i, member)| Some((Key::Int(i), member.told_apart(shapes)?)))
                    .collect::<Option<_>>()?,
            ),
            Shown::Map(members) => Value::Array(
                members
                    .into_iter()
                    .map(|(key, member)| Some((Key::Text(key.into_bytes()), member.told_apart(shapes)?)))
                    .collect::<Option<_>>()?,
            ),
        };
        Some(Node { slot: 0, value })
    }
}

impl<'de> Deserialize<'de> for Shown {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Shown, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Shown;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a plain value")
    }

    fn visit_unit<E: Error>(self) -> Result<Shown, E> {
        Ok(Shown::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Shown, E> {
        Ok(Shown::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Shown, E> {
        Ok(Shown::Int(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Shown, E> {
        Ok(Shown::Float(value))
    }

    fn visit_u8<E: Error>(self, value: u8) -> Result<Shown, E> {
        Ok(Shown::Byte(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<Shown, A::Error> {
        match members.next_element()? {
            None => Ok(Shown::Nothing),
            Some(Shown::Byte(first)) => {
                let mut text = vec![first];
                while let Some(byte) = members.next_element()? {
                    text.push(byte);
                }
                Ok(Shown::Text(text))
            }
            Some(first) => {
                let mut list = vec![first];
                while let Some(member) = members.next_element()? {
                    list.push(member);
                }
                Ok(Shown::List(list))
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Shown, A::Error> {
        let mut map = Vec::new();
        while let Some(member) = members.next_entry()? {
            map.push(member);
        }
        Ok(Shown::Map(map))
    }
}
