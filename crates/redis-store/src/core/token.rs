//! Random numbers that tell one lease from all others, and one call from its repetition.

use rand::TryRng as _;
use rand::rngs::SysRng;

use crate::format::key::{TAG, base64url};
use crate::wire::error::Error;

/// The right to unlock: a random text of its own for each lease, empty for one without a lock.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token(Option<[u8; TAG]>);

/// A random number that tells a call from its repetition.
#[derive(Clone, Copy)]
pub(crate) struct Nonce(u64);

impl Token {
    /// That of a lease without a lock.
    pub(crate) const NONE: Self = Self(None);

    /// A token that no other lease has, and a nonce.
    pub(crate) fn draw() -> Result<(Self, Nonce), Error> {
        let mut random = [0; 24];
        fill(&mut random)?;
        let (token, nonce) = random.split_first_chunk().unwrap_or((&[0; 16], &[]));
        let nonce = nonce.first_chunk().copied().unwrap_or_default();
        Ok((Self(Some(base64url(token))), Nonce(u64::from_le_bytes(nonce))))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], <[u8; TAG]>::as_slice)
    }
}

impl Nonce {
    /// For a call that changes nothing.
    pub(crate) const NONE: Self = Self(0);

    /// A number that no other call has.
    pub(crate) fn draw() -> Result<Self, Error> {
        let mut random = [0; 8];
        fill(&mut random)?;
        Ok(Self(u64::from_le_bytes(random)))
    }

    /// The number of the next call of the same lease.
    pub(crate) fn next(&mut self) -> Self {
        self.0 = self.0.wrapping_add(1);
        *self
    }

    pub(crate) fn to_bytes(self) -> [u8; 8] {
        self.0.to_le_bytes()
    }
}

fn fill(random: &mut [u8]) -> Result<(), Error> {
    SysRng.try_fill_bytes(random).map_err(|_| Error::NoEntropy)
}
