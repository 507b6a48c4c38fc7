//! Under which names a session is on the server. Ids never get there: a name holds the beginning of a SHA-256 hash.
//!
//! The hash has no secret, because all machines must find the same names and share nothing else. A person who can read the
//! server therefore cannot invert it for ids from a good generator, whose at least 88 random bits are too many to try, but can
//! confirm an id that he has already.

use cloakroom_seam::Key;
use sha2::{Digest as _, Sha256};

/// Keeps these hashes apart from those of anything else.
const DOMAIN: &[u8] = b"cloakroom redis session 1\0";

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Characters of 16 bytes in base64url.
pub(crate) const TAG: usize = 22;

/// The key of the session `id` in `namespace`.
pub(crate) fn make(namespace: &[u8], id: &[u8]) -> Key {
    let hash = Sha256::new()
        .chain_update(DOMAIN)
        .chain_update((namespace.len() as u64).to_le_bytes())
        .chain_update(namespace)
        .chain_update(id)
        .finalize();
    let mut key = [0; 16];
    key.iter_mut().zip(hash).for_each(|(byte, hashed)| *byte = hashed);
    Key::from_bytes(key)
}

/// What the name of a session's lock ends in.
pub(crate) const LOCK: &[u8] = b":l";
/// What the name of a session's queue of waiters ends in.
pub(crate) const QUEUE: &[u8] = b":q";
/// What the name of a session's tombstone ends in.
pub(crate) const TOMBSTONE: &[u8] = b":t";

/// The names of what belongs to one session. All have the same hash tag, so that a cluster keeps them in one slot.
#[derive(Clone)]
pub(crate) struct Names {
    /// The session itself. The other names are this one and an ending.
    pub(crate) session: Vec<u8>,
    /// The cluster's slot.
    pub(crate) slot: u16,
}

impl Names {
    /// The names of the session of `key`, which begin with `prefix`.
    pub(crate) fn new(prefix: &str, key: &Key) -> Self {
        let tag = base64url(&key.to_bytes());
        let mut session = Vec::with_capacity(prefix.len() + TAG + 2);
        session.extend_from_slice(prefix.as_bytes());
        session.push(b'{');
        session.extend_from_slice(&tag);
        session.push(b'}');
        Self { slot: slot(&tag), session }
    }

    /// The name on which the waiter with `token` listens.
    pub(crate) fn bell(&self, token: &[u8]) -> Vec<u8> {
        [&self.session, &b":w:"[..], token].concat()
    }
}

/// 16 bytes as text.
pub(crate) fn base64url(bytes: &[u8; 16]) -> [u8; TAG] {
    let mut text = [0; TAG];
    let mut rest = u128::from_be_bytes(*bytes);
    for out in &mut text {
        // Six bits from the top; the last character has two and four zeros, as the shift brings in zeros.
        *out = ALPHABET.get((rest >> 122) as usize).copied().unwrap_or(b'A');
        rest <<= 6;
    }
    text
}

/// The reverse of [`base64url`]; `None` for what it does not write.
pub(crate) fn from_base64url(text: &[u8]) -> Option<[u8; 16]> {
    if text.len() != TAG {
        return None;
    }
    let value = |byte: &u8| ALPHABET.iter().position(|letter| letter == byte).map(|at| at as u128);
    let (head, last) = text.split_at(TAG - 1);
    let bits = head.iter().try_fold(0_u128, |bits, byte| Some(bits << 6 | value(byte)?))?;
    // 21 characters are 126 bits; the last one has two more, and four zeros.
    let last = value(last.first()?)?;
    (last & 0xf == 0).then(|| (bits << 2 | last >> 4).to_be_bytes())
}

/// The slot of a hash tag in a cluster: CRC-16 (XMODEM) modulo 16384.
pub(crate) fn slot(tag: &[u8]) -> u16 {
    let crc = tag.iter().fold(0_u16, |crc, &byte| {
        (0..8)
            .fold(crc ^ (u16::from(byte) << 8), |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 })
    });
    crc % 16384
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_cluster_specification() {
        assert_eq!(slot(b"123456789"), 0x31C3);
        assert_eq!(slot(b"foo"), 12182);
        assert_eq!(slot(b"bar"), 5061);
    }

    #[test]
    fn text_is_that_of_base64url() {
        assert_eq!(&base64url(&[0; 16]), b"AAAAAAAAAAAAAAAAAAAAAA");
        assert_eq!(&base64url(&[0xff; 16]), b"_____________________w");
        assert_eq!(&base64url(b"cloakroom 16 byt"), b"Y2xvYWtyb29tIDE2IGJ5dA");
        for bytes in [[0; 16], [0xff; 16], *b"cloakroom 16 byt"] {
            assert_eq!(from_base64url(&base64url(&bytes)), Some(bytes));
        }
        for wrong in [&b""[..], b"AAAAAAAAAAAAAAAAAAAAA", b"AAAAAAAAAAAAAAAAAAAAA+", b"AAAAAAAAAAAAAAAAAAAAAB"] {
            assert_eq!(from_base64url(wrong), None);
        }
    }

    #[test]
    fn names_share_one_tag_and_hold_no_id() {
        let key = make(b"shop", b"very-secret-id");
        let names = Names::new("app:", &key);
        let text = |name: &[u8]| String::from_utf8(name.to_vec()).expect("text");
        let session = text(&names.session);
        assert!(session.starts_with("app:{") && session.ends_with('}') && session.len() == 28);
        assert!(!session.contains("secret"));
        assert_eq!([LOCK, QUEUE, TOMBSTONE], [b":l", b":q", b":t"]);
    }

    #[test]
    fn namespaces_never_meet() {
        let keys = [make(b"", b"abc"), make(b"a", b"bc"), make(b"ab", b"c"), make(b"abc", b"")];
        for (at, key) in keys.iter().enumerate() {
            assert!(keys.iter().skip(at + 1).all(|other| *other != *key));
        }
    }
}
