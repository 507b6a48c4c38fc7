//! The store that a `session.save_path` names: its kind and its place. Pure parsing; nothing is opened.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use cloakroom_redis_store::address::SCHEMES;

/// Where sessions are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SavePath<'a> {
    /// Nothing was set: PHP's temporary directory.
    Default,
    /// The local store in this directory, which may be relative.
    Directory(&'a Path),
    /// The Redis or Valkey store at this address, which is not looked at yet.
    Redis(&'a [u8]),
}

/// Why a `session.save_path` cannot be used. Says what to write instead; never quotes the path, which may hold a
/// password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSavePath {
    /// A NUL byte.
    #[error("session.save_path holds a NUL byte")]
    Nul,
    /// An address with an unknown scheme.
    #[error(
        "session.save_path has a scheme that Cloakroom does not know; set it to a directory, or to an address of a Redis or \
         Valkey server: {}",
        SCHEMES.map(|scheme| format!("{scheme}://")).join(" ")
    )]
    Scheme,
    /// The `N;MODE;/path` form of the handler `files`.
    #[error(
        "session.save_path has the form \"N;MODE;/path\", which only the handler \"files\" knows; \
         write the directory alone, without a depth or a mode"
    )]
    Depth,
}

impl<'a> SavePath<'a> {
    /// Reads the value of `session.save_path`.
    ///
    /// # Errors
    /// [`InvalidSavePath`] where no store of this version can be meant.
    pub fn parse(value: &'a [u8]) -> Result<Self, InvalidSavePath> {
        if value.is_empty() {
            return Ok(Self::Default);
        }
        if value.contains(&0) {
            return Err(InvalidSavePath::Nul);
        }
        if let Some(scheme) = scheme(value) {
            let known = SCHEMES.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(scheme));
            return if known { Ok(Self::Redis(value)) } else { Err(InvalidSavePath::Scheme) };
        }
        // A directory may have a semicolon in its name; what `files` takes for a depth is a number before the first.
        let before = value.split(|&byte| byte == b';').next().unwrap_or_default();
        if before.len() < value.len() && before.iter().all(u8::is_ascii_digit) {
            return Err(InvalidSavePath::Depth);
        }
        Ok(Self::Directory(Path::new(OsStr::from_bytes(value))))
    }
}

/// The text before `://`, where that can be a scheme.
fn scheme(value: &[u8]) -> Option<&[u8]> {
    let end = value.windows(3).position(|window| window == b"://")?;
    let scheme = value.get(..end)?;
    let can_be = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    (scheme.first().is_some_and(u8::is_ascii_alphabetic) && scheme.iter().all(can_be)).then_some(scheme)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_the_local_store() {
        for path in ["/var/lib/php/sessions", "relative/dir", ".", "/odd; name", "/a/redis://b", "/tmp/ä"] {
            assert_eq!(SavePath::parse(path.as_bytes()), Ok(SavePath::Directory(Path::new(path))));
        }
        assert_eq!(SavePath::parse(b""), Ok(SavePath::Default));
    }

    #[test]
    fn redis_addresses_are_recognised() {
        for scheme in SCHEMES {
            for address in [format!("{scheme}://localhost:6379"), format!("{}://h", scheme.to_uppercase())] {
                assert_eq!(SavePath::parse(address.as_bytes()), Ok(SavePath::Redis(address.as_bytes())), "{address}");
            }
        }
        assert_eq!(SavePath::parse(b"tcp://localhost:6379"), Err(InvalidSavePath::Scheme));
    }

    #[test]
    fn what_cannot_be_meant_is_refused_without_quoting_it() {
        assert_eq!(SavePath::parse(b"/tmp/a\0b"), Err(InvalidSavePath::Nul));
        for path in [&b"2;/tmp"[..], b"2;0600;/tmp", b";/tmp", b"99999999999999999999;/tmp"] {
            assert_eq!(SavePath::parse(path), Err(InvalidSavePath::Depth));
        }
        let error = SavePath::parse(b"memcached://user:hunter2@host").expect_err("refused");
        assert!(!error.to_string().contains("hunter2"));
    }
}
