//! [`Aftermath`]: what follows where a request ends a session that others have ended, or replaced, before it did. A framework that manages
//! sessions itself gives a session another id by ending it and writing what it held under an id that it never read. That write would bring
//! back what is over, so it is refused; and again, where the framework tries to store it once more.

use std::collections::VecDeque;

use crate::seam::Key;

/// How many ids are remembered to which it was refused to write.
const MOST_REFUSED: usize = 8;

/// Of one handler object.
pub(crate) struct Aftermath {
    /// The session that was ended last of those that were over already: the next write under an id that was never read is refused.
    over: Option<Key>,
    /// The ids to which such writes were refused; the last ones.
    refused: VecDeque<Key>,
}

impl Aftermath {
    pub(crate) const NONE: Self = Self { over: None, refused: VecDeque::new() };

    /// Notes that the session of `key` was over already when it was ended.
    pub(crate) fn note(&mut self, key: Key) {
        self.over = Some(key);
    }

    /// Whether [`Aftermath::refuses`] has to be asked.
    #[inline(always)]
    pub(crate) fn may_refuse(&self) -> bool {
        self.over.is_some() || !self.refused.is_empty()
    }

    /// Whether the next write is refused that takes the place of a session.
    pub(crate) fn is_pending(&self) -> bool {
        self.over.is_some()
    }

    /// Whether a write to the session of `key` is refused, which was never read.
    pub(crate) fn refuses(&self, key: &Key) -> bool {
        self.over.is_some_and(|over| over != *key) || self.refused.contains(key)
    }

    /// Notes that a write to the session of `key` was refused.
    pub(crate) fn note_refused(&mut self, key: Key) {
        self.over = None;
        if !self.refused.contains(&key) {
            self.refused.truncate(MOST_REFUSED - 1);
            self.refused.push_front(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> Key {
        Key::from_words(number, 7)
    }

    #[test]
    fn one_id_is_refused_for_each_session_that_was_over() {
        let mut aftermath = Aftermath::NONE;
        assert!(!aftermath.may_refuse() && !aftermath.refuses(&key(1)));
        aftermath.note(key(0));
        assert!(aftermath.is_pending() && aftermath.refuses(&key(1)) && !aftermath.refuses(&key(0)));
        aftermath.note_refused(key(1));
        assert!(!aftermath.is_pending() && aftermath.may_refuse());
        assert!(aftermath.refuses(&key(1)) && !aftermath.refuses(&key(2)), "once more, and nothing else");
        for number in 10..18 {
            aftermath.note_refused(key(number));
        }
        assert!(!aftermath.refuses(&key(1)) && aftermath.refuses(&key(10)) && aftermath.refuses(&key(17)));
    }
}
