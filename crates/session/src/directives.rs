//! The values of the `cloakroom.*` directives: text of a configuration in, typed values out.
//!
//! Every refusal names what is accepted; the caller adds the name of the directive.

use std::sync::Arc;
use std::time::Duration;

use cloakroom_migration::files::Files;
use cloakroom_migration::{ParseError, Source};

use crate::seam::LockMode;

/// The bounds of `cloakroom.size`, in bytes.
pub const SIZE_BOUNDS: std::ops::RangeInclusive<u64> = 8 << 20..=64 << 30;

/// The most seconds `cloakroom.lock_wait` may say: a day.
const MAX_WAIT: u64 = 86_400;

/// The most seconds `cloakroom.tombstone` may say: a year.
const MAX_TOMBSTONE: u64 = 31_536_000;

/// The most seconds `cloakroom.grace` may say: an hour. An id that was replaced because it may be known to others
/// should not be good for long.
const MAX_GRACE: u64 = 3600;

/// The most seconds `cloakroom.lock_ttl` may say: an hour. A lock is renewed while its request runs, so this only keeps
/// others from a session whose request vanished.
const MAX_LOCK_TTL: u64 = 3600;

/// The fault of a directive's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidValue {
    /// Not a lock mode.
    #[error("must be \"exclusive\", \"merge\" or \"none\"")]
    Lock,
    /// Not a size.
    #[error("must be a number of bytes, with K, M or G if you like, between 8M and 64G")]
    Size,
    /// Not a number of seconds, or too many.
    #[error("must be a whole number of seconds between 0 and {0}")]
    Seconds(u64),
    /// Not a number of seconds, none, or too many.
    #[error("must be a whole number of seconds between 1 and {MAX_LOCK_TTL}")]
    LockTtl,
    /// Not a number of requests.
    #[error("must be a whole number between 0 (no limit) and {}", u32::MAX)]
    Waiters,
}

/// Reads `cloakroom.lock`.
///
/// # Errors
/// [`InvalidValue::Lock`] for any other word.
pub fn lock(value: &[u8]) -> Result<LockMode, InvalidValue> {
    match value {
        b"exclusive" => Ok(LockMode::Exclusive),
        b"none" => Ok(LockMode::None),
        b"merge" => Ok(LockMode::Merge),
        _ => Err(InvalidValue::Lock),
    }
}

/// Reads `cloakroom.size` into bytes.
///
/// # Errors
/// [`InvalidValue::Size`] for anything that is not a size within [`SIZE_BOUNDS`].
pub fn size(value: &[u8]) -> Result<u64, InvalidValue> {
    let (digits, shift) = match value.split_last() {
        Some((b'k' | b'K', digits)) => (digits, 10),
        Some((b'm' | b'M', digits)) => (digits, 20),
        Some((b'g' | b'G', digits)) => (digits, 30),
        _ => (value, 0),
    };
    number(digits)
        .and_then(|units| units.checked_mul(1 << shift))
        .filter(|bytes| SIZE_BOUNDS.contains(bytes))
        .ok_or(InvalidValue::Size)
}

/// Reads `cloakroom.lock_wait`.
///
/// # Errors
/// [`InvalidValue::Seconds`] for anything but whole seconds up to a day.
pub fn lock_wait(value: &[u8]) -> Result<Duration, InvalidValue> {
    seconds(value, MAX_WAIT)
}

/// Reads `cloakroom.lock_ttl`.
///
/// # Errors
/// [`InvalidValue::LockTtl`] for anything but whole seconds from one to an hour.
pub fn lock_ttl(value: &[u8]) -> Result<Duration, InvalidValue> {
    match seconds(value, MAX_LOCK_TTL) {
        Ok(ttl) if !ttl.is_zero() => Ok(ttl),
        _ => Err(InvalidValue::LockTtl),
    }
}

/// Reads `cloakroom.tombstone`.
///
/// # Errors
/// [`InvalidValue::Seconds`] for anything but whole seconds up to a year.
pub fn tombstone(value: &[u8]) -> Result<Duration, InvalidValue> {
    seconds(value, MAX_TOMBSTONE)
}

/// Reads `cloakroom.migrate_from`: nothing, or where the sessions of the handler are that was used before.
///
/// # Errors
/// [`ParseError`], which does not quote the value.
pub fn migrate_from(value: &[u8]) -> Result<Option<Arc<dyn Source>>, ParseError> {
    if value.is_empty() { Ok(None) } else { cloakroom_migration::parse(value, None).map(Some) }
}

/// Reads `cloakroom.migrate_to`: nothing, or the directory of a handler `files`.
///
/// # Errors
/// [`ParseError`], which does not quote the value.
pub fn migrate_to(value: &[u8]) -> Result<Option<Arc<Files>>, ParseError> {
    if value.is_empty() {
        return Ok(None);
    }
    cloakroom_migration::address::parse_files(value, None).map(|files| Some(Arc::new(files)))
}

/// Reads `cloakroom.grace`.
///
/// # Errors
/// [`InvalidValue::Seconds`] for anything but whole seconds up to an hour.
pub fn grace(value: &[u8]) -> Result<Duration, InvalidValue> {
    seconds(value, MAX_GRACE)
}

/// Reads `cloakroom.max_waiters`.
///
/// # Errors
/// [`InvalidValue::Waiters`] for anything but a whole number of 32 bits.
pub fn max_waiters(value: &[u8]) -> Result<u32, InvalidValue> {
    number(value).and_then(|count| u32::try_from(count).ok()).ok_or(InvalidValue::Waiters)
}

fn seconds(value: &[u8], most: u64) -> Result<Duration, InvalidValue> {
    number(value).filter(|&seconds| seconds <= most).map(Duration::from_secs).ok_or(InvalidValue::Seconds(most))
}

/// A whole number in decimal digits and nothing else: no sign, no space, no fraction.
fn number(digits: &[u8]) -> Option<u64> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// The lifetime of a session from `session.gc_maxlifetime`. PHP calls a session garbage once it is *older* than
/// that many seconds, so zero (and anything below) means one second; no store needs more than 136 years.
#[must_use]
pub fn lifetime(gc_maxlifetime: i64) -> Duration {
    Duration::from_secs(u64::try_from(gc_maxlifetime).unwrap_or(0).clamp(1, u64::from(u32::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_modes() {
        assert_eq!(lock(b"exclusive"), Ok(LockMode::Exclusive));
        assert_eq!(lock(b"none"), Ok(LockMode::None));
        assert_eq!(lock(b"merge"), Ok(LockMode::Merge));
        for bad in [&b""[..], b"Exclusive", b"exclusive ", b"1", b"off"] {
            assert_eq!(lock(bad), Err(InvalidValue::Lock));
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(size(b"8M"), Ok(8 << 20));
        assert_eq!(size(b"8388608"), Ok(8 << 20));
        assert_eq!(size(b"8192k"), Ok(8 << 20));
        assert_eq!(size(b"1G"), Ok(1 << 30));
        assert_eq!(size(b"64g"), Ok(64 << 30));
        for bad in [
            &b""[..],
            b"M",
            b"7M",
            b"8388607",
            b"65G",
            b"-1",
            b"1.5G",
            b"1 G",
            b"1T",
            b"18446744073709551616",
            b"99999999999G",
        ] {
            assert_eq!(size(bad), Err(InvalidValue::Size), "{}", bad.escape_ascii());
        }
    }

    #[test]
    fn seconds_and_counts() {
        assert_eq!(lock_wait(b"0"), Ok(Duration::ZERO));
        assert_eq!(lock_wait(b"86400"), Ok(Duration::from_secs(86_400)));
        assert_eq!(lock_wait(b"86401"), Err(InvalidValue::Seconds(86_400)));
        assert_eq!(tombstone(b"31536000"), Ok(Duration::from_secs(31_536_000)));
        assert_eq!(grace(b"0"), Ok(Duration::ZERO));
        assert_eq!(lock_ttl(b"1"), Ok(Duration::from_secs(1)));
        assert_eq!(lock_ttl(b"3600"), Ok(Duration::from_secs(3600)));
        for bad in [&b"0"[..], b"3601", b"", b"1.5", b"-1"] {
            assert_eq!(lock_ttl(bad), Err(InvalidValue::LockTtl));
        }
        assert_eq!(grace(b"3601"), Err(InvalidValue::Seconds(3600)));
        assert_eq!(max_waiters(b"4294967295"), Ok(u32::MAX));
        assert_eq!(max_waiters(b"4294967296"), Err(InvalidValue::Waiters));
        for bad in [&b""[..], b"-1", b"+1", b"1s", b" 1", b"0x10", b"1.0"] {
            let refused = [lock_wait(bad).is_err(), tombstone(bad).is_err(), grace(bad).is_err()];
            assert!(refused == [true; 3] && max_waiters(bad).is_err());
        }
    }

    #[test]
    fn lifetimes_are_at_least_a_second() {
        assert_eq!(lifetime(1440), Duration::from_secs(1440));
        for short in [1, 0, -1, i64::MIN] {
            assert_eq!(lifetime(short), Duration::from_secs(1));
        }
        assert_eq!(lifetime(i64::MAX), Duration::from_secs(u64::from(u32::MAX)));
    }
}
