//! A payload as JSON.
//!
//! | PHP | JSON |
//! |---|---|
//! | null, booleans, integers, floats, texts, lists | themselves |
//! | other arrays | an object; a key that begins with `$` gets one more |
//! | a text or key that is no UTF-8 | `{"$bytes": "hexadecimal"}`, as a key `"$bytes:hexadecimal"` |
//! | `INF`, `-INF`, `NAN` | `{"$float": "INF"}` |
//! | an object | `{"$object": "Class", "properties": […]}`, each with `name`, `visibility`, `class` if private, and `value` |
//! | an object that encodes itself | `{"$custom": "Class", "data": "hexadecimal"}` |
//! | an enum's case | `{"$enum": "Class::Case"}` |
//! | a reference, an object once more | `{"$reference": 3}`, `{"$same": 3}` |
//! | what these name | `{"$slot": 3, "$value": …}` |

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::tree::{float, visibility};
use super::{Decoded, Key, Node, Value};
use crate::escape::hexadecimal;

impl Serialize for Decoded {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        members(&self.variables, &self.referred, serializer)
    }
}

/// A node among those that references name.
struct Shown<'a>(&'a Node, &'a [u32]);

/// A value whose being referred to is told already.
struct Bare<'a>(&'a Value, &'a [u32]);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Shown(node, referred) = *self;
        // An R: has the number of the value that follows it.
        let named = !matches!(node.value, Value::Reference(_)) && referred.binary_search(&node.slot).is_ok();
        if !named {
            return Bare(&node.value, referred).serialize(serializer);
        }
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("$slot", &node.slot)?;
        map.serialize_entry("$value", &Bare(&node.value, referred))?;
        map.end()
    }
}

impl Serialize for Bare<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Bare(value, referred) = *self;
        match value {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Int(value) => serializer.serialize_i64(*value),
            Value::Float(value) if value.is_finite() => serializer.serialize_f64(*value),
            Value::Float(value) => tagged(serializer, "$float", &float(*value)),
            Value::Text(text) => match std::str::from_utf8(text) {
                Ok(text) => serializer.serialize_str(text),
                Err(_) => tagged(serializer, "$bytes", &hexadecimal(text)),
            },
            Value::Array(list) if is_list(list) => {
                let mut sequence = serializer.serialize_seq(Some(list.len()))?;
                list.iter().try_for_each(|(_, node)| sequence.serialize_element(&Shown(node, referred)))?;
                sequence.end()
            }
            Value::Array(array) => members(array, referred, serializer),
            Value::Object { class, properties } => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("$object", &text(class))?;
                map.serialize_entry("properties", &Properties(properties, referred))?;
                map.end()
            }
            Value::Custom { class, data } => {
                let mut map = serializer.serialize_map(Some(2))?;
                map.serialize_entry("$custom", &text(class))?;
                map.serialize_entry("data", &hexadecimal(data))?;
                map.end()
            }
            Value::Enum(case) => tagged(serializer, "$enum", &text(case).replacen(':', "::", 1)),
            Value::Reference(slot) => tagged(serializer, "$reference", slot),
            Value::Same(slot) => tagged(serializer, "$same", slot),
        }
    }
}

struct Properties<'a>(&'a [(Key, Node)], &'a [u32]);
struct Property<'a>(&'a Key, &'a Node, &'a [u32]);

impl Serialize for Properties<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|(key, node)| Property(key, node, self.1)))
    }
}

impl Serialize for Property<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Property(key, node, referred) = *self;
        let number;
        let (owner, name) = match key {
            Key::Int(key) => {
                number = key.to_string();
                (None, number.as_bytes())
            }
            Key::Text(name) => visibility(name),
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &text(name))?;
        match owner {
            None => map.serialize_entry("visibility", "public")?,
            Some(b"*") => map.serialize_entry("visibility", "protected")?,
            Some(class) => {
                map.serialize_entry("visibility", "private")?;
                map.serialize_entry("class", &text(class))?;
            }
        }
        map.serialize_entry("value", &Shown(node, referred))?;
        map.end()
    }
}

fn members<S: Serializer>(members: &[(Key, Node)], referred: &[u32], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(members.len()))?;
    for (key, node) in members {
        let key = match key {
            Key::Int(key) => key.to_string(),
            Key::Text(key) if key.starts_with(b"$") => format!("${}", text(key)),
            Key::Text(key) => text(key),
        };
        map.serialize_entry(&key, &Shown(node, referred))?;
    }
    map.end()
}

fn is_list(members: &[(Key, Node)]) -> bool {
    (0..).zip(members).all(|(i, (key, _))| *key == Key::Int(i))
}

/// A name, marked where it is no UTF-8.
fn text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => format!("$bytes:{}", hexadecimal(bytes)),
    }
}

fn tagged<S: Serializer>(
    serializer: S,
    tag: &'static str,
    value: &(impl Serialize + ?Sized),
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(tag, value)?;
    map.end()
}
