//! The name by which people and tools call a session.

use sha2::{Digest, Sha256};

use crate::Key;

/// Hexadecimal digits of a [`Name`] that people are shown.
pub const SHORT: usize = 8;

/// Hashed behind a key, which had 32 bytes when names were first shown: they stay what they were.
const PADDING: [u8; 16] = [0; 16];

/// The name by which people and tools call a session: a hash of its key, which leads neither to its id nor to its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name([u8; 16]);

impl Name {
    /// The name of the session that lives under `key`.
    #[must_use]
    pub fn of(key: &Key) -> Self {
        let digest = Sha256::new_with_prefix(b"cloakroom session name")
            .chain_update(key.to_bytes())
            .chain_update(PADDING)
            .finalize();
        let mut name = [0; 16];
        for (to, from) in name.iter_mut().zip(digest) {
            *to = from;
        }
        Self(name)
    }

    /// The first [`SHORT`] digits: enough to tell some ten thousand sessions apart.
    #[must_use]
    pub fn short(&self) -> String {
        let mut digits = self.to_string();
        digits.truncate(SHORT);
        digits
    }
}

impl std::fmt::Display for Name {
    /// All 32 digits.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_hash_of_the_whole_key() {
        let name = Name::of(&Key::from_bytes([7; 16]));
        assert_eq!(name.to_string().len(), 32);
        assert!(name.to_string().starts_with(&name.short()));
        assert_eq!(name.short().len(), SHORT);
        let mut other = [7; 16];
        other[15] = 8;
        assert_ne!(name, Name::of(&Key::from_bytes(other)));
        assert!(!name.to_string().contains("0707"));
    }
}
