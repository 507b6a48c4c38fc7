//! How much an answer may be. Nothing that a server announces is believed: it may be another one than was meant, or in other
//! hands. What the question cannot have for an answer is refused before any room is made for it.

use std::fmt;

use cloakroom_seam::MAX_PAYLOAD;

/// The longest line: a status, or an error in the server's own words.
pub(crate) const LONGEST_LINE: u64 = 4096;

/// The most that the answers to one question may be, together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Bytes of all texts, with their frames.
    pub bytes: u64,
    /// Elements of all arrays.
    pub elements: u64,
    /// Arrays inside of each other.
    pub depth: u32,
}

impl Bound {
    /// Numbers, names, a header.
    pub const SHORT: Self = Self { bytes: 16 << 10, elements: 64, depth: 1 };
    /// A session of any handler, and what a script of ours says beside it.
    pub const SESSION: Self = Self { bytes: MAX_PAYLOAD as u64 + (16 << 10), elements: 16, depth: 1 };
    /// One page of names.
    pub const NAMES: Self = Self { bytes: 16 << 20, elements: 128 << 10, depth: 2 };
    /// `INFO`: some ten thousand bytes, and a line for each database and replica.
    pub(crate) const INFO: Self = Self { bytes: 1 << 20, ..Self::SHORT };
    /// `ROLE`, which names all replicas.
    pub(crate) const ROLE: Self = Self { bytes: 256 << 10, elements: 16 << 10, depth: 3 };
    /// `CLUSTER SLOTS`: each range of slots names its servers, and each of them its addresses.
    pub(crate) const SLOTS: Self = Self { bytes: 8 << 20, elements: 512 << 10, depth: 4 };

    /// So often as much, for so many questions.
    #[must_use]
    pub(crate) fn times(self, count: usize) -> Self {
        let count = count as u64;
        Self { bytes: self.bytes.saturating_mul(count), elements: self.elements.saturating_mul(count), ..self }
    }
}

/// More than an answer may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Excess {
    /// Of what there is too much.
    pub of: Measure,
    /// How much was announced, or has come.
    pub announced: u64,
    /// How much is allowed.
    pub allowed: u64,
}

/// What is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Bytes in all.
    Bytes,
    /// Elements of arrays in all.
    Elements,
    /// Arrays inside of each other.
    Depth,
    /// Bytes of one line.
    Line,
    /// Servers of a cluster.
    Servers,
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { of, announced, allowed } = self;
        match of {
            Measure::Bytes => write!(f, "{announced} bytes were announced, and {allowed} at most can be the answer"),
            Measure::Elements => {
                write!(f, "{announced} elements were announced, and {allowed} at most can be the answer")
            }
            Measure::Depth => {
                write!(f, "lists stand in each other {announced} deep, and {allowed} at most can be the answer")
            }
            Measure::Line => write!(f, "a line does not end within {allowed} bytes"),
            Measure::Servers => write!(f, "{announced} servers were named, and {allowed} at most are used"),
        }
    }
}
