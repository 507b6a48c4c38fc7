//! Values that can only be built valid: [`SessionId`] and [`Namespace`].
//!
//! An id is a bearer secret. Nothing here shows one: `Debug` prints a fingerprint of 16 bits, and errors say what
//! is wrong without quoting it.

use std::fmt;

/// The most bytes an id may have, as in PHP's session module.
pub const MAX_ID: usize = 256;

/// The most bytes a namespace may have.
pub const MAX_NAMESPACE: usize = 64;

/// Whether an id may hold `byte`. Comparisons instead of a table: a loop over them has no loads that depend on data.
const fn is_allowed(byte: u8) -> bool {
    let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    let digit = byte.wrapping_sub(b'0') < 10;
    letter | digit | (byte == b',') | (byte == b'-')
}

/// Why some bytes are not a session id. Never quotes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// No bytes at all.
    #[error("the session id is empty")]
    Empty,
    /// More than [`MAX_ID`] bytes.
    #[error("the session id has {0} characters; an id is 1 to {MAX_ID} characters of A-Z, a-z, 0-9, comma and hyphen")]
    TooLong(usize),
    /// A byte that no id has.
    #[error("the session id holds another character than A-Z, a-z, 0-9, comma and hyphen")]
    Character,
}

/// A session id: 1 to 256 characters of `[A-Za-z0-9,-]`. Borrows the bytes it was parsed from.
#[derive(Clone, Copy)]
pub struct SessionId<'a>(&'a [u8]);

impl<'a> SessionId<'a> {
    /// Takes `bytes` for an id if they are one.
    ///
    /// # Errors
    /// [`InvalidId`] where they are not.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, InvalidId> {
        if bytes.is_empty() {
            return Err(InvalidId::Empty);
        }
        if bytes.len() > MAX_ID {
            return Err(InvalidId::TooLong(bytes.len()));
        }
        // `&` instead of `&&` keeps the loop free of branches, so that it becomes a few vector instructions.
        let valid = bytes.iter().fold(true, |so_far, &byte| so_far & is_allowed(byte));
        if valid { Ok(Self(bytes)) } else { Err(InvalidId::Character) }
    }

    /// The characters of the id.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

impl fmt::Debug for SessionId<'_> {
    /// A fingerprint that tells ids apart in a log: 16 bits say nothing useful about the 128 that an id has.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = self
            .0
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let mixed = (hash ^ (hash >> 29)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        write!(f, "SessionId(#{:04x})", mixed >> 48)
    }
}

/// Why some bytes are not a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNamespace {
    /// More than [`MAX_NAMESPACE`] bytes.
    #[error("a namespace has at most {MAX_NAMESPACE} bytes, not {0}")]
    TooLong(usize),
    /// A byte below space, or DEL.
    #[error("a namespace holds no control characters")]
    ControlCharacter,
}

/// What keeps the sessions of one application apart from those of others in the same store
/// (`cloakroom.namespace`): 0 to 64 bytes without control characters.
#[derive(Clone, Copy)]
pub struct Namespace {
    length: u8,
    bytes: [u8; MAX_NAMESPACE],
}

impl Namespace {
    /// The namespace where none is set.
    pub const EMPTY: Self = Self { length: 0, bytes: [0; MAX_NAMESPACE] };

    /// Takes `bytes` for a namespace if they are one.
    ///
    /// # Errors
    /// [`InvalidNamespace`] where they are not.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidNamespace> {
        let mut namespace = Self::EMPTY;
        let Some(room) = namespace.bytes.get_mut(..bytes.len()) else {
            return Err(InvalidNamespace::TooLong(bytes.len()));
        };
        if bytes.iter().any(u8::is_ascii_control) {
            return Err(InvalidNamespace::ControlCharacter);
        }
        room.copy_from_slice(bytes);
        namespace.length = u8::try_from(bytes.len()).map_err(|_| InvalidNamespace::TooLong(bytes.len()))?;
        Ok(namespace)
    }

    /// The bytes of the namespace.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl PartialEq for Namespace {
    fn eq(&self, other: &Self) -> bool {
        // Nearly always both are empty.
        self.length == other.length && (self.length == 0 || self.as_bytes() == other.as_bytes())
    }
}

impl Eq for Namespace {}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Namespace(\"{}\")", self.as_bytes().escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_alphabet_is_allowed() {
        for byte in 0..=u8::MAX {
            assert_eq!(
                is_allowed(byte),
                b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ,-".contains(&byte),
                "byte {byte}"
            );
        }
    }

    #[test]
    fn ids_are_what_php_allows_and_nothing_else() {
        for good in [&b"a"[..], b"0123456789abcdef", b"A-Z,z", &[b'x'; 256]] {
            assert_eq!(SessionId::parse(good).map(|id| id.as_bytes()), Ok(good));
        }
        assert_eq!(SessionId::parse(b"").err(), Some(InvalidId::Empty));
        assert_eq!(SessionId::parse(&[b'x'; 257]).err(), Some(InvalidId::TooLong(257)));
        assert_eq!(SessionId::parse(&[b'x'; 10_000]).err(), Some(InvalidId::TooLong(10_000)));
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || byte == b',' || byte == b'-';
        for byte in 0..=u8::MAX {
            assert_eq!(SessionId::parse(&[b'a', byte]).is_ok(), valid(byte), "byte {byte}");
        }
    }

    #[test]
    fn debug_and_errors_do_not_show_the_id() {
        let id = SessionId::parse(b"topsecretid").expect("valid");
        let shown = format!("{id:?}");
        assert!(shown.starts_with("SessionId(#") && shown.len() == 16, "{shown}");
        assert_ne!(shown, format!("{:?}", SessionId::parse(b"topsecretie").expect("valid")));
        let error = SessionId::parse(b"top secret id").expect_err("a space is not allowed");
        assert!(!format!("{error} {error:?}").contains("secret"));
    }

    #[test]
    fn namespaces_are_short_and_printable() {
        assert_eq!(Namespace::parse(b"").expect("empty is valid"), Namespace::EMPTY);
        assert_eq!(Namespace::parse("shop-ä".as_bytes()).expect("any text").as_bytes(), "shop-ä".as_bytes());
        assert_eq!(Namespace::parse(&[b'n'; 64]).expect("64 bytes").as_bytes(), &[b'n'; 64]);
        assert_eq!(Namespace::parse(&[b'n'; 65]), Err(InvalidNamespace::TooLong(65)));
        for bad in [&b"a\0b"[..], b"a\nb", b"\x7f"] {
            assert_eq!(Namespace::parse(bad), Err(InvalidNamespace::ControlCharacter));
        }
        assert_ne!(Namespace::parse(b"a").expect("valid"), Namespace::parse(b"b").expect("valid"));
    }
}
