//! What keeps sessions from being safe, fast or kept at all, found before it happens: `Cloakroom\doctor()` and
//! `cloakroom doctor`.
//!
//! | module | what it examines |
//! |---|---|
//! | [`place`] | the directory of a local store: its owner, its file system, its room |
//! | [`store`] | a store that could be opened, and what its figures say; why one could not be |
//! | [`servers`] | those that keep sessions for several machines |
//! | [`limits`] | what the system allows this process |
//! | [`settings`] | PHP's `session.*` and `cloakroom.*` settings |
//!
//! Nothing is created and nothing is changed. Findings hold no id, no payload and no password.

use crate::{AnyStore, StoreError};

pub mod limits;
pub mod place;
pub mod servers;
pub mod settings;
pub mod store;

pub use cloakroom_store::FORMAT as STORE_FORMAT;

/// How a [`Finding`] is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Ok,
    /// It works, but is not what it could be, or will not work for ever.
    Warn,
    /// It does not work, or is not safe.
    Bad,
}

impl Level {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How it is to be taken.
    pub level: Level,
    /// The subject that was examined, in a few words.
    pub subject: &'static str,
    /// The finding.
    pub found: String,
    /// The remedy; empty where nothing is to be done.
    pub advice: String,
}

impl Finding {
    /// A finding with nothing to do.
    pub fn ok(subject: &'static str, found: impl Into<String>) -> Self {
        Self { level: Level::Ok, subject, found: found.into(), advice: String::new() }
    }

    /// Something that could be better.
    pub fn warn(subject: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { level: Level::Warn, subject, found: found.into(), advice: advice.into() }
    }

    /// Something that does not work or is not safe.
    pub fn bad(subject: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { level: Level::Bad, subject, found: found.into(), advice: advice.into() }
    }

    /// A failure whose message says after a semicolon what to do, as all messages of stores do.
    pub fn failure(subject: &'static str, message: &str) -> Self {
        let (found, advice) = message.split_once("; ").unwrap_or((message, "see docs/operations.md"));
        Self::bad(subject, found, advice)
    }
}

/// Examines a local store: its directory, then the store that `open` opens without creating one, then the limits of this
/// process.
pub fn local(place: &place::Place<'_>, open: impl FnOnce() -> Result<AnyStore, StoreError>) -> Vec<Finding> {
    let mut findings = place::examine(place);
    if findings.iter().any(|finding| finding.level == Level::Bad) {
        return findings;
    }
    if place.has_file() {
        let opened = open();
        findings.extend(store::examine(opened.as_deref(), place.size));
    } else {
        findings.push(Finding::ok("store", "there is none yet; the first session makes it"));
    }
    findings.extend(limits::examine(place));
    findings
}

/// Examines a store on servers: whether they answer, and whether they keep what they are given.
pub fn remote(open: impl FnOnce() -> Result<AnyStore, StoreError>) -> Vec<Finding> {
    const SUBJECT: &str = "session servers";
    let asked = open().and_then(|store| Ok((store.location(), store.status()?, store.servers()?)));
    let (location, figures, servers) = match asked {
        Ok(answers) => answers,
        Err(error) => return vec![Finding::failure(SUBJECT, &error.to_string())],
    };
    let figure = |name: &str| figures.iter().find(|(named, _)| *named == name).map_or(0, |(_, figure)| *figure);
    let mut findings = vec![Finding::ok(SUBJECT, format!("{location} answers"))];
    let evicted = figure("evicted_keys");
    if evicted > 0 {
        findings.push(Finding::warn(
            SUBJECT,
            format!("{evicted} keys were dropped for want of memory since the servers started, which may be sessions and locks"),
            "raise maxmemory, or set maxmemory-policy to noeviction",
        ));
    }
    findings.extend(servers::examine(&servers));
    findings
}

/// Bytes as people read them.
fn size(bytes: u64) -> String {
    let mut amount = bytes as f64;
    for unit in ["bytes", "KiB", "MiB", "GiB"] {
        if amount < 1024.0 {
            return if unit == "bytes" { format!("{bytes} bytes") } else { format!("{amount:.1} {unit}") };
        }
        amount /= 1024.0;
    }
    format!("{amount:.1} TiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_readable() {
        let read = [0, 1023, 1024, 1 << 20, 3 << 29, 1 << 40].map(size);
        assert_eq!(read, ["0 bytes", "1023 bytes", "1.0 KiB", "1.0 MiB", "1.5 GiB", "1.0 TiB"]);
    }

    #[test]
    fn a_message_is_split_into_what_was_found_and_what_to_do() {
        let finding = Finding::failure("store", "/a is no store; move it away");
        assert_eq!((finding.found.as_str(), finding.advice.as_str()), ("/a is no store", "move it away"));
        assert_eq!(finding.level, Level::Bad);
        assert!(!Finding::failure("store", "no").advice.is_empty());
    }
}
