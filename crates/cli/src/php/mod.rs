//! Session payloads as PHP encodes them, taken apart to be shown.
//!
//! | module | what it holds |
//! |---|---|
//! | `scan` | which format a payload is in, and whether it is within the limits: one pass, no recursion, no allocation that the payload decides |
//! | `plain` | decoding plain data, through `serde_php` |
//! | `faithful` | decoding what holds objects, enums, references and numbers that have no literal |
//! | `tree` | a payload as an indented text |
//! | `json` | a payload as JSON |
//!
//! Payloads may be hostile. Nothing is decoded before the scan has gone through all of it, and it refuses what is nested
//! deeper or has more values than [`scan::MOST_NESTED`] and [`scan::MOST_VALUES`].

pub(crate) mod faithful;
pub(crate) mod json;
pub(crate) mod plain;
pub(crate) mod scan;
pub(crate) mod tree;

use scan::{Format, Scanned, Unshown};

/// A value, with the number by which references name it. Values are numbered from 1 as PHP decodes them, through the whole
/// payload; 0 where nothing refers to anything.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) slot: u32,
    pub(crate) value: Value,
}

/// The value as PHP would have it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Vec<u8>),
    Array(Vec<(Key, Node)>),
    Object {
        class: Vec<u8>,
        properties: Vec<(Key, Node)>,
    },
    /// An object that encodes itself (`C:`), whose bytes are its class's own.
    Custom {
        class: Vec<u8>,
        data: Vec<u8>,
    },
    /// `Class:Case`.
    Enum(Vec<u8>),
    /// A PHP reference (`R:`) to the value with this number.
    Reference(u32),
    /// The object with this number once more (`r:`).
    Same(u32),
}

/// A key of an array, or the name of a property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Int(i64),
    Text(Vec<u8>),
}

/// A payload taken apart.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Decoded {
    /// The session's variables, in their order.
    pub(crate) variables: Vec<(Key, Node)>,
    /// Numbers that references name.
    pub(crate) referred: Vec<u32>,
}

/// Takes a payload apart that is in `format`, or says why not.
pub(crate) fn decode(payload: &[u8], format: Format) -> Result<Decoded, Unshown> {
    let Scanned { spans, shapes, plain, .. } = scan::scan(payload, format)?;
    if plain {
        return plain::decode(payload, format, &spans, &shapes);
    }
    faithful::decode(payload, format, &spans)
}

#[cfg(test)]
mod tests;
