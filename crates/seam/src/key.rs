//! Where a session lives in a store.

/// Where a session lives in a store: a keyed hash of namespace and id, so that ids never reach the storage. Made by
/// [`crate::Store::key`], meaningful to that store only. Two words instead of an array, which compilers pass in memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(u64, u64);

impl Key {
    /// The key of these two words, for a store that computes it.
    #[must_use]
    #[inline]
    pub const fn from_words(first: u64, second: u64) -> Self {
        Self(first, second)
    }

    /// The reverse of [`Key::from_words`].
    #[must_use]
    #[inline]
    pub const fn to_words(self) -> (u64, u64) {
        (self.0, self.1)
    }

    /// The key whose bytes these are.
    #[must_use]
    #[inline]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        let both = u128::from_le_bytes(bytes);
        Self(both as u64, (both >> 64) as u64)
    }

    /// The key as bytes: its words, little-endian.
    #[must_use]
    #[inline]
    pub const fn to_bytes(self) -> [u8; 16] {
        ((self.1 as u128) << 64 | self.0 as u128).to_le_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_bytes_are_the_same_key() {
        let bytes = std::array::from_fn(|at| at as u8);
        let key = Key::from_bytes(bytes);
        assert_eq!(key.to_words(), (0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908));
        let (first, second) = key.to_words();
        assert!(Key::from_words(first, second) == key && Key::from_words(second, first) != key);
        assert_eq!(key.to_bytes(), bytes);
    }
}
