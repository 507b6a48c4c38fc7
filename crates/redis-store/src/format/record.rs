//! The value of a session: a header of 112 bytes, then the payload. All integers are little-endian.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 4 | magic `CLK`, then the format, 2 |
//! | 4 | 1 | 1 live; 2 retired: read until the key expires, never written; 3 live and naming a successor: not written meanwhile |
//! | 5 | 1 | 1 where another request than the one that reserved the session has met it while it was unwritten, else 0 |
//! | 6 | 1 | zero: room for the reason of an end |
//! | 7 | 1 | zero: room for the number of a key that the payload is sealed with |
//! | 8 | 8 | incarnation: the server's clock in microseconds when this life began, above that of any remembered end |
//! | 16 | 8 | version: rises with each commit |
//! | 24 | 4 | creation, seconds since 1970 |
//! | 28 | 4 | last use, seconds since 1970 |
//! | 32 | 4 | lifetime in seconds |
//! | 36 | 4 | bytes of the payload |
//! | 40 | 8 | XXH3 of the payload, seeded with key and incarnation; 0 for an empty one |
//! | 48 | 8 | random number of the commit that wrote this, which tells its repetition |
//! | 56 | 16 | key of the session that takes the place of this one, zero for none |
//! | 72 | 8 | incarnation of that one, zero for none |
//! | 80 | 16 | zero: room for a keyed hash of the user |
//! | 96 | 8 | zero: room for the client |
//! | 104 | 4 | zero: room for the second of the log-in |
//! | 108 | 4 | zero: room for the length of what may stand between header and payload |
//!
//! Format 1 is the first 56 bytes, and then the payload. Both are read; each write leaves format 2.

use cloakroom_seam::{Key, Succession, Successor};
use twox_hash::XxHash3_64;

/// Bytes of the header.
pub(crate) const HEADER: usize = 112;
/// Bytes of a header of format 1, which a header of format 2 begins with.
const SHORT_HEADER: usize = 56;

const MAGIC: [u8; 4] = *b"CLK\x02";
const MAGIC_1: [u8; 4] = *b"CLK\x01";

/// Bytes in which a header names a successor.
pub(crate) const SUCCESSOR: usize = 24;

/// The fields of a header that a client uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    /// Which life of the session this is.
    pub(crate) incarnation: u64,
    /// Which commit of that life.
    pub(crate) version: u64,
    /// When it began, in seconds since 1970.
    pub(crate) created: u32,
    /// The random number of that commit. After a fail-over to a server that lacked the last commits a version can come
    /// again, with another content.
    pub(crate) nonce: u64,
}

/// What a header says of a session, for walks over many of them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordInfo {
    pub(crate) header: Header,
    /// When it was written or touched last, in seconds since 1970.
    pub(crate) used: u32,
    /// Bytes of the payload.
    pub(crate) size: u32,
    /// Whether another session takes its place.
    pub(crate) succession: Succession,
}

impl RecordInfo {
    /// Reads a header, with or without what follows it; `None` where it is none.
    pub(crate) fn read(value: &[u8]) -> Option<Self> {
        header_length(value)?;
        let (used, size) = (half_word(value, 28), half_word(value, 36));
        Some(Self { header: Header::of(value), used, size, succession: succession(value) })
    }

    /// Whether the session is only reserved: no request has written it since it began.
    pub(crate) fn is_unwritten(&self) -> bool {
        self.header.version == 0 && self.succession == Succession::None
    }

    /// Whether it is never written any more, or not for now: another id takes its place.
    pub(crate) fn is_replaced(&self) -> bool {
        self.succession != Succession::None
    }
}

/// Bytes of the header that a value begins with; `None` where it begins with none that is understood here.
fn header_length(value: &[u8]) -> Option<usize> {
    let (magic, state, sealed) = (value.first_chunk::<4>()?, *value.get(4)?, *value.get(7)?);
    let length = match *magic {
        MAGIC if matches!(state, 1..=3) && sealed == 0 && half_word(value, 108) == 0 => HEADER,
        MAGIC_1 if matches!(state, 1 | 2) => SHORT_HEADER,
        _ => return None,
    };
    (value.len() >= length).then_some(length)
}

/// The payload of a value that begins with a header; nothing else has one.
pub(crate) fn payload(value: &[u8]) -> &[u8] {
    header_length(value).and_then(|length| value.get(length..)).unwrap_or_default()
}

/// Leaves the payload alone of a value that begins with a header.
pub(crate) fn into_payload(mut value: Vec<u8>) -> Vec<u8> {
    value.drain(..value.len() - payload(&value).len());
    value
}

/// What a header says of the session that takes the place of its own. One that was retired in format 1 has a successor
/// that nobody knows any more.
pub(crate) fn succession(value: &[u8]) -> Succession {
    let successor = match header_length(value) {
        Some(HEADER) => {
            let key = value.get(56..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
            Successor { key: Key::from_bytes(key), incarnation: word(value, 72) }
        }
        _ => Successor { key: Key::from_words(0, 0), incarnation: 0 },
    };
    match value.get(4) {
        Some(2) => Succession::Retired(successor),
        Some(3) => Succession::Named(successor),
        _ => Succession::None,
    }
}

/// How a header names a successor.
pub(crate) fn named(successor: &Successor) -> [u8; SUCCESSOR] {
    let mut bytes = [0; SUCCESSOR];
    let fields: [&[u8]; 2] = [&successor.key.to_bytes(), &successor.incarnation.to_le_bytes()];
    bytes.iter_mut().zip(fields.into_iter().flatten()).for_each(|(byte, field)| *byte = *field);
    bytes
}

/// Why a value is not a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsound {
    /// Too short, or another magic.
    Foreign,
    /// The length or the checksum does not match.
    Damaged,
}

/// What a commit writes beside the payload.
pub(crate) struct Commit {
    /// The header that the value gets, version and number included.
    pub(crate) header: Header,
    /// Seconds since 1970.
    pub(crate) used: u32,
    /// Seconds.
    pub(crate) lifetime: u32,
}

impl Header {
    /// The header at the beginning of a value that has one.
    fn of(value: &[u8]) -> Self {
        Self {
            incarnation: word(value, 8),
            version: word(value, 16),
            created: half_word(value, 24),
            nonce: word(value, 48),
        }
    }

    /// Reads and verifies the value stored under `key`.
    pub(crate) fn read(key: &Key, value: &[u8]) -> Result<Self, Unsound> {
        if header_length(value).is_none() {
            return Err(Unsound::Foreign);
        }
        let (header, payload) = (Self::of(value), payload(value));
        let sound = half_word(value, 36) as usize == payload.len()
            && word(value, 40) == checksum(key, header.incarnation, payload);
        if sound { Ok(header) } else { Err(Unsound::Damaged) }
    }
}

impl Commit {
    /// The header of the value that stores `payload` under `key`; the payload follows it.
    pub(crate) fn header(&self, key: &Key, payload: &[u8]) -> [u8; HEADER] {
        let Self { header, used, lifetime } = self;
        let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        let fields: [&[u8]; 10] = [
            &MAGIC,
            &[1, 0, 0, 0],
            &header.incarnation.to_le_bytes(),
            &header.version.to_le_bytes(),
            &header.created.to_le_bytes(),
            &used.to_le_bytes(),
            &lifetime.to_le_bytes(),
            &length.to_le_bytes(),
            &checksum(key, header.incarnation, payload).to_le_bytes(),
            &header.nonce.to_le_bytes(),
        ];
        // What is left of it stays zero: a session that is written names no successor.
        let mut value = [0; HEADER];
        value.iter_mut().zip(fields.into_iter().flatten()).for_each(|(byte, field)| *byte = *field);
        value
    }
}

fn checksum(key: &Key, incarnation: u64, payload: &[u8]) -> u64 {
    // The key binds the checksum to its session.
    let (seed, _) = key.to_words();
    if payload.is_empty() { 0 } else { XxHash3_64::oneshot_with_seed(seed ^ incarnation, payload) }
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let word = bytes.get(at..).and_then(<[u8]>::first_chunk);
    u64::from_le_bytes(word.copied().unwrap_or_default())
}

fn half_word(bytes: &[u8], at: usize) -> u32 {
    let half = bytes.get(at..).and_then(<[u8]>::first_chunk);
    u32::from_le_bytes(half.copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::key;

    fn value(payload: &[u8]) -> (Key, Vec<u8>) {
        let key = key::make(b"", b"id");
        let header = Header { incarnation: 1_700_000_000_000_001, version: 7, created: 1_700_000_000, nonce: 99 };
        let commit = Commit { header, used: 1_700_000_001, lifetime: 1440 };
        (key, [&commit.header(&key, payload)[..], payload].concat())
    }

    #[test]
    fn what_was_written_is_read() {
        for payload in [&b""[..], b"x", &[0; 5000]] {
            let (key, value) = value(payload);
            assert_eq!(value.len(), HEADER + payload.len());
            let header = Header::read(&key, &value).expect("whole");
            assert_eq!((header.incarnation, header.version), (1_700_000_000_000_001, 7));
        }
    }

    #[test]
    fn each_changed_byte_of_the_payload_shows() {
        let (key, value) = value(b"some payload");
        for at in HEADER..value.len() {
            let mut changed = value.clone();
            changed[at] ^= 1;
            assert_eq!(Header::read(&key, &changed), Err(Unsound::Damaged));
        }
        for length in HEADER..value.len() {
            assert_eq!(Header::read(&key, &value[..length]), Err(Unsound::Damaged));
        }
        for length in 0..HEADER {
            assert_eq!(Header::read(&key, &value[..length]), Err(Unsound::Foreign));
        }
        assert_eq!(Header::read(&key::make(b"", b"other"), &value), Err(Unsound::Damaged), "bytes of another session");
    }

    #[test]
    fn what_a_later_version_may_write_is_foreign() {
        let (key, value) = value(b"payload");
        // The format, the state, the key that it is sealed with, what stands before the payload.
        for (at, byte) in [(3, 3), (4, 0), (4, 4), (7, 1), (108, 1), (111, 1)] {
            let mut foreign = value.clone();
            foreign[at] = byte;
            assert_eq!(Header::read(&key, &foreign), Err(Unsound::Foreign), "{at}");
            assert!(RecordInfo::read(&foreign).is_none());
        }
    }

    #[test]
    fn format_1_is_read() {
        let (key, value) = value(b"payload");
        let mut old = [&value[..SHORT_HEADER], &value[HEADER..]].concat();
        old[3] = 1;
        assert_eq!(Header::read(&key, &old), Header::read(&key, &value));
        assert_eq!(payload(&old), b"payload");
        assert_eq!(into_payload(old.clone()), b"payload");
        // Its header alone, and as a walk reads it, with the beginning of the payload.
        for length in SHORT_HEADER..old.len() {
            let info = RecordInfo::read(&old[..length]).expect("a header");
            assert!(info == RecordInfo::read(&value).expect("a header"));
        }
        old[4] = 2;
        let gone = Successor { key: Key::from_words(0, 0), incarnation: 0 };
        assert!(succession(&old) == Succession::Retired(gone));
        old[4] = 3;
        assert_eq!(Header::read(&key, &old), Err(Unsound::Foreign), "no such state in format 1");
        for length in 0..SHORT_HEADER {
            assert_eq!(Header::read(&key, &old[..length]), Err(Unsound::Foreign));
        }
    }

    #[test]
    fn successors_are_read_as_they_are_named() {
        let (_, mut value) = value(b"payload");
        assert!(succession(&value) == Succession::None);
        let successor = Successor { key: key::make(b"", b"next"), incarnation: 1_700_000_000_000_002 };
        value[56..56 + SUCCESSOR].copy_from_slice(&named(&successor));
        value[4] = 3;
        assert!(succession(&value) == Succession::Named(successor));
        value[4] = 2;
        assert!(succession(&value) == Succession::Retired(successor));
        assert!(RecordInfo::read(&value).expect("a header").is_replaced());
    }
}
