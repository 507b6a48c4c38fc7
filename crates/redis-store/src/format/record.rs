//! The value of a session: a header of 56 bytes, then the payload. All integers are little-endian.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 4 | magic `CLK`, then the format, 1 |
//! | 4 | 1 | 1 live, 2 retired: read until the key expires, never written |
//! | 5 | 1 | 1 where another request than the one that reserved the session has met it while it was unwritten, else 0 |
//! | 6 | 2 | zero: room for flags |
//! | 8 | 8 | incarnation: the server's clock in microseconds when this life began, above that of any remembered end |
//! | 16 | 8 | version: rises with each commit |
//! | 24 | 4 | creation, seconds since 1970 |
//! | 28 | 4 | last use, seconds since 1970 |
//! | 32 | 4 | lifetime in seconds |
//! | 36 | 4 | bytes of the payload |
//! | 40 | 8 | XXH3 of the payload, seeded with key and incarnation; 0 for an empty one |
//! | 48 | 8 | random number of the commit that wrote this, which tells its repetition |

use cloakroom_seam::Key;
use twox_hash::XxHash3_64;

/// Bytes of the header.
pub(crate) const HEADER: usize = 56;

const MAGIC: [u8; 4] = *b"CLK\x01";

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordInfo {
    pub(crate) header: Header,
    /// When it was written or touched last, in seconds since 1970.
    pub(crate) used: u32,
    /// Bytes of the payload.
    pub(crate) size: u32,
    /// Whether another id took its place.
    pub(crate) retired: bool,
}

impl RecordInfo {
    /// Reads a header, with or without what follows it; `None` where it is none.
    pub(crate) fn read(value: &[u8]) -> Option<Self> {
        if value.len() < HEADER || value.first_chunk() != Some(&MAGIC) {
            return None;
        }
        let header = Header::of(value);
        let retired = value.get(4) == Some(&2);
        Some(Self { header, used: half_word(value, 28), size: half_word(value, 36), retired })
    }

    /// Whether the session is only reserved: no request has written it since it began.
    pub(crate) fn is_unwritten(&self) -> bool {
        self.header.version == 0 && !self.retired
    }
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
        let (Some(payload), Some(&MAGIC)) = (value.get(HEADER..), value.first_chunk()) else {
            return Err(Unsound::Foreign);
        };
        let header = Self::of(value);
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
        let mut foreign = value.clone();
        foreign[3] = 2;
        assert_eq!(Header::read(&key, &foreign), Err(Unsound::Foreign));
    }
}
