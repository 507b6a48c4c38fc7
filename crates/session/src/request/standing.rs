//! Where the sessions stood that a request has read or written last, and what it then knew of them: so that a write to one that it has
//! let go of replaces nothing that others have stored since, and revives nothing that they have ended.

use super::Request;
use crate::seam::{Key, LockMode, Mark, Over};

/// Of how many sessions a request remembers where they stood: its own, and some that a script reads beside it.
pub(super) const REMEMBERED: usize = 4;

/// What a request remembers of a session.
pub(super) struct Standing {
    key: Key,
    mark: Mark,
    /// The payload that was read or written, where it was to be kept.
    base: Option<Vec<u8>>,
}

/// The sessions that were used last, the last one first.
pub(super) struct Standings([Option<Standing>; REMEMBERED]);

impl Standings {
    pub(super) const NONE: Self = Self([const { None }; REMEMBERED]);

    /// Remembers a session.
    #[inline]
    pub(super) fn note(&mut self, key: Key, mark: Mark, base: Option<Vec<u8>>) {
        let [first, ..] = &self.0;
        if first.as_ref().is_none_or(|first| first.key != key) {
            let known = self.0.iter().position(|standing| standing.as_ref().is_some_and(|known| known.key == key));
            let until = known.unwrap_or(REMEMBERED - 1);
            if let Some(moved) = self.0.get_mut(..=until) {
                moved.rotate_right(1);
            }
        }
        let [first, ..] = &mut self.0;
        *first = Some(Standing { key, mark, base });
    }

    fn of(&self, key: &Key) -> Option<&Standing> {
        self.0.iter().flatten().find(|standing| standing.key == *key)
    }

    /// Where a session stood.
    pub(super) fn mark(&self, key: &Key) -> Option<Mark> {
        self.of(key).map(|standing| standing.mark)
    }

    /// What was kept of a session.
    pub(super) fn base(&self, key: &Key) -> Option<&[u8]> {
        self.of(key)?.base.as_deref()
    }

    /// Takes what was kept of a session.
    pub(super) fn take_base(&mut self, key: &Key) -> Option<Vec<u8>> {
        self.0.iter_mut().flatten().find(|standing| standing.key == *key)?.base.take()
    }

    fn rebase(&mut self, key: &Key, base: Vec<u8>) {
        if let Some(standing) = self.0.iter_mut().flatten().find(|standing| standing.key == *key) {
            standing.base = Some(base);
        }
    }

    pub(super) fn forget(&mut self, key: &Key) {
        for standing in &mut self.0 {
            standing.take_if(|standing| standing.key == *key);
        }
    }
}

impl Request {
    /// Where the session of the current key stood when this request read or wrote it, if it did.
    pub(super) fn stood_at(&self) -> Option<Mark> {
        self.stood.mark(&self.keyed.key)
    }

    /// After a write of `payload` by an object that may write the session again before it is closed: that write is then to
    /// replace, or to be merged with, what others have written since.
    pub fn keep_written(&mut self, payload: &[u8]) {
        let key = self.keyed.key;
        match &self.lease {
            Some(lease) if !self.merged => self.stood.note(key, lease.mark(), Some(payload.to_vec())),
            // What is stored is more than the object knows: its next write is merged with that again.
            _ => self.stood.rebase(&key, payload.to_vec()),
        }
    }

    /// What a write replaces of a session that is not held: where it was read or written before, only what was stored then.
    pub(super) fn over_what_was_known(&self, mode: LockMode) -> Over {
        let is_known = self.stood.base(&self.keyed.key).is_some();
        if is_known && mode != LockMode::None { Over::WhatWasRead } else { Over::Anything }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> Key {
        Key::from_words(number, 7)
    }

    #[test]
    fn the_sessions_that_were_used_last_are_known_once() {
        let mut stood = Standings::NONE;
        let mark = |number| Mark::from_words([number, number, number]);
        for number in [1, 2, 3, 2, 4, 1, 1, 5] {
            stood.note(key(number), mark(number), Some(vec![number as u8]));
        }
        let known = |stood: &Standings| (1..6).filter(|number| stood.mark(&key(*number)).is_some()).collect::<Vec<_>>();
        assert_eq!(known(&stood), [1, 2, 4, 5]);
        assert_eq!((stood.mark(&key(4)), stood.base(&key(4))), (Some(mark(4)), Some(&[4][..])));
        stood.rebase(&key(4), vec![9]);
        assert_eq!((stood.mark(&key(4)), stood.take_base(&key(4))), (Some(mark(4)), Some(vec![9])));
        assert_eq!((stood.mark(&key(4)), stood.base(&key(4))), (Some(mark(4)), None));
        stood.forget(&key(2));
        assert_eq!(known(&stood), [1, 4, 5]);
    }
}
