//! Drawing ids: [`IdShape`] says how new ones look. What an id and a namespace are is the seam's ([`SessionId`]).
//!
//! An id is a bearer secret. Nothing here shows one: `Debug` prints a fingerprint of 16 bits, and errors say what
//! is wrong without quoting it.

pub use cloakroom_seam::{InvalidId, InvalidNamespace, MAX_ID, MAX_NAMESPACE, Namespace, SessionId};
use rand::TryRng;
use rand::rngs::SysRng;

/// How many ids are drawn before giving up. An id has at least 88 random bits, so a second draw is never needed
/// unless the generator is broken.
pub(crate) const MAX_DRAWS: usize = 4;

/// The characters of an id in PHP's order: 4 bits per character use the first 16, 5 bits the first 32.
const ALPHABET: &[u8; 64] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ,-";

/// The operating system gave no random bytes, so no id can be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system's random generator failed, so no session id can be drawn")]
pub struct NoEntropy;

/// How new ids look: `session.sid_length` and `session.sid_bits_per_character`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdShape {
    length: u16,
    bits: u8,
}

impl IdShape {
    /// PHP's own default: 32 characters of 4 bits each.
    pub const DEFAULT: Self = Self { length: 32, bits: 4 };

    /// `length` characters (22 to 256) of `bits` random bits each (4 to 6); `None` outside these bounds.
    #[must_use]
    pub fn new(length: i64, bits: i64) -> Option<Self> {
        match (length, bits) {
            (22..=256, 4..=6) => Some(Self { length: u16::try_from(length).ok()?, bits: u8::try_from(bits).ok()? }),
            _ => None,
        }
    }

    /// Draws a new id into `out`. Every bit comes from the operating system: a generator that lives in the
    /// process would give forked workers the same ids.
    ///
    /// # Errors
    /// [`NoEntropy`] where the system has no random bytes to give.
    pub fn draw(self, out: &mut [u8; MAX_ID]) -> Result<SessionId<'_>, NoEntropy> {
        let mut random = [0_u8; MAX_ID * 6 / 8];
        let needed = (usize::from(self.length) * usize::from(self.bits)).div_ceil(8);
        let random = random.get_mut(..needed).ok_or(NoEntropy)?;
        SysRng.try_fill_bytes(random).map_err(|_| NoEntropy)?;

        let drawn = out.get_mut(..usize::from(self.length)).ok_or(NoEntropy)?;
        let mut source = random.iter();
        let mask = (1_u32 << self.bits) - 1;
        let (mut pool, mut pooled) = (0_u32, 0_u32);
        for character in drawn.iter_mut() {
            if pooled < u32::from(self.bits) {
                pool |= u32::from(*source.next().ok_or(NoEntropy)?) << pooled;
                pooled += 8;
            }
            *character = *ALPHABET.get((pool & mask) as usize).ok_or(NoEntropy)?;
            pool >>= self.bits;
            pooled -= u32::from(self.bits);
        }
        // Of the alphabet and of a valid length, so this cannot fail.
        SessionId::parse(drawn).map_err(|_| NoEntropy)
    }
}

impl Default for IdShape {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn drawn_ids_have_the_asked_shape_and_differ() {
        let mut buffer = [0; MAX_ID];
        for length in [22, 32, 33, 48, 255, 256] {
            for (bits, characters) in [(4, 16), (5, 32), (6, 64)] {
                let shape = IdShape::new(length, bits).expect("in bounds");
                let mut seen = HashSet::new();
                let mut used = HashSet::new();
                for _ in 0..200 {
                    let id = shape.draw(&mut buffer).expect("the system has random bytes").as_bytes().to_vec();
                    assert_eq!(id.len(), usize::try_from(length).expect("small"));
                    assert!(SessionId::parse(&id).is_ok());
                    used.extend(id.iter().copied());
                    assert!(seen.insert(id), "the same id was drawn twice");
                }
                // 200 ids have at least 4,400 characters: that one of 64 stays unused has odds below 10^-28.
                assert_eq!(used.len(), characters);
                assert!(used.iter().all(|byte| ALPHABET[..characters].contains(byte)));
            }
        }
    }

    #[test]
    fn shapes_outside_php_s_bounds_are_refused() {
        for (length, bits) in [(21, 4), (257, 4), (32, 3), (32, 7), (-1, 5), (i64::MAX, 5)] {
            assert_eq!(IdShape::new(length, bits), None);
        }
    }
}
