//! `cloakroom.user`: where in `$_SESSION` the user's id stands.
//!
//! A path is the keys on the way, with dots between: `auth.id`. Several, with commas between, are tried in their order: `_auth.User.id,
//! user_id`. In a name, `*` is any run of bytes, dots and commas too: `login_web_*`. Whose id a payload has is found by
//! [`crate::merge`](mod@crate::merge).

use std::sync::Arc;

/// The most bytes of a value of `cloakroom.user`.
const MOST_BYTES: usize = 1024;

/// The most paths in it.
const MOST_PATHS: usize = 16;

/// The most names in a path. It is also how deep payloads are walked into.
const MOST_NAMES: usize = 16;

/// The fault of a value of `cloakroom.user`. Paths and bytes are counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    /// Longer than is read.
    #[error("it is {0} bytes long; name at most {MOST_BYTES}")]
    TooLong(usize),
    /// More paths than are tried.
    #[error("it has {0} paths with commas between; name at most {MOST_PATHS}")]
    TooManyPaths(usize),
    /// A path that leads deeper than payloads are walked into.
    #[error("its path {path} has {names} names; name at most {MOST_NAMES} keys with dots between")]
    TooDeep {
        /// Which path.
        path: usize,
        /// How many names it has.
        names: usize,
    },
    /// Nothing between two separators, or before the first, or behind the last one.
    #[error(
        "its path {path} has an empty name at byte {at}; write keys with dots between, and paths with commas between, as in auth.id, user_id"
    )]
    EmptyName {
        /// Which path.
        path: usize,
        /// Where the name should begin.
        at: usize,
    },
}

/// Paths to the user's id, to be tried in their order; none where nothing was set. A clone is another handle on the same paths and
/// allocates nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserPath(Option<Arc<[Vec<Name>]>>);

impl UserPath {
    /// No path: whose a session is, is not known.
    pub const NONE: Self = Self(None);

    /// Reads `cloakroom.user`. Blanks around paths do not count; a value of nothing else is [`UserPath::NONE`].
    ///
    /// # Errors
    /// [`InvalidPath`], which does not quote the value.
    pub fn parse(value: &[u8]) -> Result<Self, InvalidPath> {
        if value.len() > MOST_BYTES {
            return Err(InvalidPath::TooLong(value.len()));
        }
        if value.trim_ascii().is_empty() {
            return Ok(Self::NONE);
        }
        let count = value.split(|&byte| byte == b',').count();
        if count > MOST_PATHS {
            return Err(InvalidPath::TooManyPaths(count));
        }
        let mut paths = Vec::with_capacity(count);
        let mut begin = 0;
        for (path, text) in (1..).zip(value.split(|&byte| byte == b',')) {
            let blanks = text.len() - text.trim_ascii_start().len();
            paths.push(names(path, begin + blanks, text.trim_ascii())?);
            begin += text.len() + 1;
        }
        Ok(Self(Some(paths.into())))
    }

    /// Whether there is no path.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// The paths, each as the names on it, of which there is at least one.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &[Name]> {
        self.0.iter().flat_map(|paths| paths.iter().map(Vec::as_slice))
    }
}

/// The names of a path that begins at the byte `begin` of the value.
fn names(path: usize, begin: usize, text: &[u8]) -> Result<Vec<Name>, InvalidPath> {
    let count = text.split(|&byte| byte == b'.').count();
    if count > MOST_NAMES {
        return Err(InvalidPath::TooDeep { path, names: count });
    }
    let mut at = begin + 1;
    let mut names = Vec::with_capacity(count);
    for name in text.split(|&byte| byte == b'.') {
        if name.is_empty() {
            return Err(InvalidPath::EmptyName { path, at });
        }
        at += name.len() + 1;
        names.push(Name { parts: name.split(|&byte| byte == b'*').map(<[u8]>::to_vec).collect() });
    }
    Ok(names)
}

/// One name on a path: which keys it means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Name {
    /// What stands before, between and behind its stars.
    parts: Vec<Vec<u8>>,
}

impl Name {
    /// Whether this key is meant; a number is given in decimal. Costs the key's length, times that of the longest part between
    /// two stars at worst.
    pub(crate) fn matches(&self, key: &[u8]) -> bool {
        let [first, between @ .., last] = &self.parts[..] else {
            return self.parts.first().is_some_and(|only| only == key);
        };
        let Some(mut rest) = key.strip_prefix(&first[..]).and_then(|rest| rest.strip_suffix(&last[..])) else {
            return false;
        };
        for part in between.iter().filter(|part| !part.is_empty()) {
            let found = rest.windows(part.len()).position(|window| window == part);
            let Some(behind) = found.and_then(|found| rest.get(found + part.len()..)) else { return false };
            rest = behind;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first name of a value.
    fn matches(value: &str, key: &str) -> bool {
        let path = UserPath::parse(value.as_bytes()).expect("is valid");
        path.paths().next().expect("there is one")[0].matches(key.as_bytes())
    }

    #[test]
    fn paths_are_split_into_names() {
        let path = UserPath::parse(b" _auth.User.id ,user_id\t,*").expect("is valid");
        let counts: Vec<usize> = path.paths().map(<[Name]>::len).collect();
        assert_eq!(counts, [3, 1, 1]);
        assert!(matches(" a b ,c", "a b") && !matches(" a b ,c", " a b "));
        for empty in [&b""[..], b" ", b"\t "] {
            assert_eq!(UserPath::parse(empty), Ok(UserPath::NONE));
        }
        assert_eq!(UserPath::NONE.paths().count(), 0);
    }

    #[test]
    fn stars_match_any_run() {
        for (value, key, expected) in [
            ("id", "id", true),
            ("id", "ids", false),
            ("id", "i", false),
            ("login_web_*", "login_web_59ba36", true),
            ("login_web_*", "login_web_", true),
            ("login_web_*", "login_we", false),
            ("login_web_*", "a login_web_1", false),
            ("*_id", "user_id", true),
            ("*_id", "user_ids", false),
            ("a*b", "a.,b", true),
            ("a*a", "a", false),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a*bb*bc", "abbc", false),
            ("a*bb*bc", "abbbc", true),
            ("*", "", true),
            ("**", "x", true),
            ("5", "5", true),
        ] {
            assert_eq!(matches(value, key), expected, "{value} and {key}");
        }
    }

    #[test]
    fn refusals_say_what_and_where() {
        let names = |count: usize| vec!["n"; count].join(".");
        let paths = |count: usize| vec!["p"; count].join(",");
        for (value, expected) in [
            ("x".repeat(1025), InvalidPath::TooLong(1025)),
            (paths(17), InvalidPath::TooManyPaths(17)),
            (format!("a,{}", names(17)), InvalidPath::TooDeep { path: 2, names: 17 }),
            (",".to_owned(), InvalidPath::EmptyName { path: 1, at: 1 }),
            ("a,".to_owned(), InvalidPath::EmptyName { path: 2, at: 3 }),
            ("a, ,b".to_owned(), InvalidPath::EmptyName { path: 2, at: 4 }),
            ("a, b..c".to_owned(), InvalidPath::EmptyName { path: 2, at: 6 }),
            (".a".to_owned(), InvalidPath::EmptyName { path: 1, at: 1 }),
            ("a.".to_owned(), InvalidPath::EmptyName { path: 1, at: 3 }),
        ] {
            assert_eq!(UserPath::parse(value.as_bytes()), Err(expected), "{value}");
        }
        assert!(UserPath::parse("x".repeat(1024).as_bytes()).is_ok());
        assert!(UserPath::parse(vec![names(16); 16].join(",").as_bytes()).is_ok());
        let said = InvalidPath::EmptyName { path: 2, at: 6 }.to_string();
        assert!(said.contains("path 2") && said.contains("byte 6"), "{said}");
    }
}
