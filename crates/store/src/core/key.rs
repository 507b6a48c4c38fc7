//! Session keys: where a session lives in a store, computed so that the file gives no id away.
//!
//! A key is the first 128 bits of SHA-256 (FIPS 180-4) over one block with the store's secret, then the length of the
//! namespace in one byte, the namespace, the id. The state after the secret's block is computed once, so a usual id costs
//! one compression: 45 ns with the processor's SHA instructions, some 200 without. Even who has the secret cannot
//! compute an id from a key or make another id with the same key. The output is cut and never leaves the store's
//! owner, so that the hash can be extended is of no use to anybody.

use cloakroom_seam::Key;
use sha2::block_api::compress256;
use sha2::{Digest, Sha256};

/// Bytes of a SHA-256 block.
const BLOCK: usize = 64;
/// The state before the first block, FIPS 180-4 section 5.3.3.
const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// Makes the keys of one store.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct KeyMaker {
    /// State after the block with the secret.
    state: [u32; 8],
    block: [u8; BLOCK],
}

impl KeyMaker {
    pub(crate) fn new(secret: &[u8; 32]) -> KeyMaker {
        let mut block = [0; BLOCK];
        for (to, from) in block.iter_mut().zip(secret) {
            *to = *from;
        }
        let mut state = INITIAL;
        compress256(&mut state, &[block]);
        KeyMaker { state, block }
    }

    /// The secret that it was made with.
    pub(crate) fn secret(&self) -> [u8; 32] {
        let mut secret = [0; 32];
        for (to, from) in secret.iter_mut().zip(self.block) {
            *to = from;
        }
        secret
    }

    /// The key of `id` in `namespace`, which has at most 255 bytes.
    #[inline]
    pub(crate) fn key(&self, namespace: &[u8], id: &[u8]) -> Key {
        let length = 1 + namespace.len() + id.len();
        // The padding takes a byte and the length of the message eight.
        if length + 9 > BLOCK {
            return self.key_of_long(namespace, id);
        }
        let mut blocks = [[0; BLOCK]];
        let [last] = &mut blocks;
        let (name, rest) = last.split_at_mut(1 + namespace.len());
        let (name_length, name) = name.split_at_mut(1);
        name_length.fill(namespace.len() as u8);
        if !namespace.is_empty() {
            name.copy_from_slice(namespace);
        }
        let (tail, padding) = rest.split_at_mut(id.len());
        tail.copy_from_slice(id);
        if let [first, .., a, b] = padding {
            *first = 0x80;
            [*a, *b] = (((BLOCK + length) * 8) as u16).to_be_bytes();
        }
        let mut state = self.state;
        compress256(&mut state, &blocks);
        let [a, b, c, d, ..] = state;
        Key::from_words(u64::from(a) << 32 | u64::from(b), u64::from(c) << 32 | u64::from(d))
    }

    #[cold]
    fn key_of_long(&self, namespace: &[u8], id: &[u8]) -> Key {
        let mut hash = Sha256::new();
        hash.update(self.block);
        hash.update([namespace.len() as u8]);
        hash.update(namespace);
        hash.update(id);
        let digest = hash.finalize();
        let word = |at: usize| digest.iter().skip(at).take(8).fold(0, |word, byte| word << 8 | u64::from(*byte));
        Key::from_words(word(0), word(8))
    }
}

/// Seed of the nodes' checksums in a store with `secret`.
pub(crate) fn checksum_seed(secret: &[u8; 32]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = derive(secret, b"checksum seed", 0);
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// Bytes that only who has `secret` can compute, for the `purpose` and counter given.
pub(crate) fn derive(secret: &[u8; 32], purpose: &[u8], counter: u8) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(secret);
    hash.update([counter]);
    hash.update(purpose);
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_compute_the_same_hash() {
        let maker = KeyMaker::new(&[7; 32]);
        for namespace in [&b""[..], b"shop", b"twelve bytes"] {
            for length in 1..=42 {
                let id = vec![b'a' + (length % 26) as u8; length];
                assert!(maker.key(namespace, &id) == maker.key_of_long(namespace, &id), "{length} bytes");
            }
        }
    }

    #[test]
    fn secret_namespace_and_id_all_count() {
        let maker = KeyMaker::new(&[7; 32]);
        let key = maker.key(b"ab", b"cdef");
        assert!(key != maker.key(b"abc", b"def"));
        assert!(key != maker.key(b"", b"abcdef"));
        assert!(key != KeyMaker::new(&[8; 32]).key(b"ab", b"cdef"));
        assert!(maker.key(b"", &[b'x'; 256]) != maker.key(b"", &[b'x'; 255]));
    }
}
