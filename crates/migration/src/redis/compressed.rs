//! Tells values that phpredis compressed (`redis.session.compression`) from sessions as PHP encodes them.
//!
//! | compression | how it is told |
//! |---|---|
//! | `zstd` | the four bytes that each of its frames begins with |
//! | `lz4` | phpredis puts five bytes before it: a checksum of the four that follow, and these are the length before compression |
//! | `lzf` | not at all: it begins with whatever the data begin with. The migration finds that it is no session |

/// The first bytes of a frame of Zstandard, as its format defines them.
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// LZ4 makes at best one byte of so many.
const LZ4_BEST: u64 = 255;
/// A stated length above this is no length.
const LARGEST: u64 = 1 << 26;

/// The name of the compression that made `value`, where it can be told.
pub(super) fn compression(value: &[u8]) -> Option<&'static str> {
    if value.starts_with(&ZSTD) {
        return Some("zstd");
    }
    let (checksum, rest) = value.split_first()?;
    let (length, block) = rest.split_first_chunk::<4>()?;
    // In the order of the machine that wrote it, which hardly is of another kind.
    let stated = u64::from(u32::from_ne_bytes(*length));
    let block = u64::try_from(block.len()).ok()?;
    // A block is never longer than what it stands for by more than a 255th and 16 bytes.
    let is_likely = stated > 0
        && stated <= LARGEST
        && block <= stated + stated / LZ4_BEST + 16
        && block.saturating_mul(LZ4_BEST) >= stated;
    (is_likely && *checksum == crc8(length)).then_some("lz4")
}

/// CRC-8 with the polynomial x⁸+x⁵+x⁴+1, beginning with ones.
fn crc8(bytes: &[u8]) -> u8 {
    let mut crc = 0xff_u8;
    for byte in bytes {
        crc ^= byte;
        for _ in 0..8 {
            crc = if crc & 0x80 == 0 { crc << 1 } else { crc << 1 ^ 0x31 };
        }
    }
    crc
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What phpredis 5.3.7 stored for the session `n|s:40:"aaaa…";`.
    const LZ4_VALUE: &[u8] = b"\x98\x32\0\0\0\x9fn|s:40:\"a\x01\0\x11Paaa\";";

    #[test]
    fn compressed_values_are_recognised() {
        assert_eq!(compression(&[0x28, 0xb5, 0x2f, 0xfd, 0x20, 0x01]), Some("zstd"));
        assert_eq!(compression(LZ4_VALUE), Some("lz4"));
        let mut other = LZ4_VALUE.to_vec();
        other[0] ^= 1;
        assert_eq!(compression(&other), None, "the checksum decides");
    }

    #[test]
    fn sessions_are_not_taken_for_compressed() {
        for payload in [
            &b""[..],
            b"n",
            b"n|i:1;",
            b"a:1:{s:1:\"n\";i:1;}",
            b"\x01ni:1;",
            b"\x00\x00\x00\x02\x14\x01\x11\x01n\x06\x01",
            b"\x81\xa1n\x01",
            b"(not zstd",
        ] {
            assert_eq!(compression(payload), None, "{payload:?}");
        }
        // Whatever the first byte is: the stated length must fit.
        for first in 0..=255 {
            let mut payload = b"\x00name|s:5:\"value\";".to_vec();
            payload[0] = first;
            assert_eq!(compression(&payload), None);
        }
    }
}
