//! The common ground of sources on servers: a session may be on any of several, and a lock carries the token of its
//! holder.

use std::thread;
use std::time::{Duration, Instant};

use rand::TryRng as _;
use rand::rngs::SysRng;

use crate::Error;

/// After so long a lock is free again if a process that took it to read a session vanished. Reading a session and storing it
/// elsewhere takes milliseconds.
pub(crate) const LOCK_EXPIRY: Duration = Duration::from_secs(30);

/// The first pause between two attempts at a lock; each further one is twice as long, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// Asks each server in turn until one has what is looked for. A server that cannot be asked might have had it: that is an
/// error where no other one has it.
pub(crate) fn first<N, T>(
    nodes: &[N],
    mut look: impl FnMut(&N) -> Result<Option<T>, Error>,
) -> Result<Option<T>, Error> {
    let mut failure = None;
    for node in nodes {
        match look(node) {
            Ok(Some(found)) => return Ok(Some(found)),
            Ok(None) => {}
            Err(error @ Error::Unavailable { .. }) => failure = failure.or(Some(error)),
            Err(error) => return Err(error),
        }
    }
    failure.map_or(Ok(None), Err)
}

/// Does something on every server, also where one before it failed; whether any did it.
pub(crate) fn every<N>(nodes: &[N], mut work: impl FnMut(&N) -> Result<bool, Error>) -> Result<bool, Error> {
    let (mut done, mut failure) = (false, None);
    for node in nodes {
        match work(node) {
            Ok(did) => done |= did,
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    failure.map_or(Ok(done), Err)
}

/// Whether an id may be part of a name on a server: those that Cloakroom accepts, and nothing that would be more than a
/// name.
pub(crate) fn is_id(id: &[u8]) -> bool {
    (1..=256).contains(&id.len()) && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b",-".contains(byte))
}

/// A lock's value that no other holder has, in characters that no protocol minds.
pub(crate) fn token() -> Option<Vec<u8>> {
    let mut random = [0; 16];
    SysRng.try_fill_bytes(&mut random).ok()?;
    Some(format!("cloakroom|{:032x}", u128::from_le_bytes(random)).into_bytes())
}

/// How long a lock is waited for.
pub(crate) struct Patience {
    began: Instant,
    wait: Duration,
    pause: Duration,
}

impl Patience {
    pub(crate) fn new(wait: Duration) -> Self {
        Self { began: Instant::now(), wait, pause: FIRST_PAUSE }
    }

    /// Pauses before the next attempt; `false` where the time is over.
    pub(crate) fn pause(&mut self) -> bool {
        let Some(left) = self.wait.checked_sub(self.began.elapsed()).filter(|left| !left.is_zero()) else {
            return false;
        };
        thread::sleep(self.pause.min(left));
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        true
    }

    pub(crate) fn waited(&self) -> Duration {
        self.began.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn down() -> Error {
        Error::Unavailable { location: "here".to_owned(), reason: "down".to_owned() }
    }

    #[test]
    fn a_server_that_cannot_be_asked_is_an_error_unless_another_has_the_session() {
        let look = |node: &i32| match node {
            0 => Ok(None),
            1 => Ok(Some("found")),
            2 => Err(Error::CannotList { location: String::new() }),
            _ => Err(down()),
        };
        assert_eq!(first(&[0, 0], look).expect("asked"), None);
        assert_eq!(first(&[3, 0, 1], look).expect("asked"), Some("found"));
        assert!(matches!(first(&[3, 0], look), Err(Error::Unavailable { .. })));
        // One that has the session, but not to be taken, ends the search.
        assert!(matches!(first(&[2, 1], look), Err(Error::CannotList { .. })));
    }

    #[test]
    fn what_is_done_everywhere_is_done_behind_a_failure_too() {
        let mut asked = Vec::new();
        let done = every(&[3, 1], |node| {
            asked.push(*node);
            if *node == 3 { Err(down()) } else { Ok(true) }
        });
        assert!(matches!(done, Err(Error::Unavailable { .. })));
        assert_eq!(asked, [3, 1]);
        assert!(every(&[0, 1], |node| Ok(*node == 1)).expect("done"));
        assert!(!every(&[0], |_| Ok(false)).expect("done"));
    }

    #[test]
    fn ids_are_of_few_characters() {
        assert!(is_id(b"aZ09,-") && is_id(&[b'a'; 256]));
        for id in [&b""[..], &[b'a'; 257], b"a b", b"a\r\n", b"a*", b"\xe4"] {
            assert!(!is_id(id), "{id:?}");
        }
    }

    #[test]
    fn tokens_differ() {
        let [one, other] = [token(), token()].map(|token| token.expect("random bytes"));
        assert_ne!(one, other);
        assert!(one.iter().all(u8::is_ascii_graphic));
    }

    #[test]
    fn patience_ends() {
        assert!(!Patience::new(Duration::ZERO).pause());
        let mut patience = Patience::new(Duration::from_millis(30));
        let mut attempts = 0;
        while patience.pause() {
            attempts += 1;
        }
        assert!(attempts >= 3, "{attempts} attempts");
        assert!(patience.waited() >= Duration::from_millis(30));
    }
}
