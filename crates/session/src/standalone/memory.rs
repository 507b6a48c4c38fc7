//! [`Memory`]: what an object remembers of the sessions that it has read or written, so that it replaces nothing that it has
//! not seen, and revives nothing that was ended.
//!
//! An entry ends when it has become so old that the store may have forgotten an end of its session, too. The payloads of the
//! sessions that were used last are kept as bases for merging; entries whose payload was dropped are worth as much but for that.
//!
//! Of a read that did not come to its end an entry says so, also beyond the number of sessions that may be read. Where there
//! are too many of those, the memory no longer knows which ids they were: then every id may be one ([`Memory::is_full`]).
//!
//! No call costs more than a few steps in a tree of the entries, but for those that end meanwhile.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::seam::{Key, Mark, Succession};

/// How many sessions may have been read or written.
pub(crate) const MOST: usize = 4096;

/// How many entries there are at most, those of reads that did not come to their end included.
const MOST_ENTRIES: usize = 2 * MOST;

/// How many payloads are kept.
const MOST_PAYLOADS: usize = 8;

/// Longer payloads are not kept to be compared with what is written: they are always written.
const MOST_KEPT: usize = 256 << 10;

/// The least that an entry lives, so that within a usual request other writers are noticed also where no end is remembered.
const LEAST_LIFETIME: Duration = Duration::from_secs(1);

/// The payload of a session as an object read or wrote it last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Payload {
    /// Empty where the session did not exist.
    Kept(Vec<u8>),
    /// It was too long to be kept.
    TooLong,
    /// It was one, until others were used.
    Dropped,
}

impl Payload {
    fn of(payload: Vec<u8>) -> Self {
        if payload.len() <= MOST_KEPT { Self::Kept(payload) } else { Self::TooLong }
    }

    /// The bytes, where they are kept.
    pub(super) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Kept(payload) => Some(payload),
            Self::TooLong | Self::Dropped => None,
        }
    }
}

/// The knowledge of an object about a session.
pub(super) struct Known {
    /// `None` after a read that did not come to its end.
    pub(super) mark: Option<Mark>,
    pub(super) payload: Payload,
    /// Whether another session took the place of this one when it was read.
    pub(super) succession: Succession,
    /// Its place in [`Memory::ends`].
    end: (Instant, u64),
}

/// The entries of one object.
#[derive(Default)]
pub(super) struct Memory {
    known: HashMap<Key, Known>,
    /// When each entry ends. The number tells entries apart that end at once.
    ends: BTreeMap<(Instant, u64), Key>,
    made: u64,
    /// How many entries have a mark.
    marks: usize,
    /// The entries whose payload is not dropped, the one that was used last at the end.
    recent: VecDeque<Key>,
    /// Until when any id may be one of which a read did not come to its end.
    full_until: Option<Instant>,
}

impl Memory {
    /// Ends the entries that are as old by `now`. To be called before any other look.
    pub(super) fn purge(&mut self, now: Instant) {
        while let Some((&(until, _), &key)) = self.ends.first_key_value()
            && until <= now
        {
            self.forget(&key);
        }
        self.full_until = self.full_until.filter(|until| *until > now);
    }

    pub(super) fn of(&self, key: &Key) -> Option<&Known> {
        self.known.get(key)
    }

    /// Whether an id without an entry may be one of which a read did not come to its end.
    pub(super) fn is_full(&self) -> bool {
        self.full_until.is_some()
    }

    /// Whether a session can be remembered as read or written.
    pub(super) fn has_room(&self, key: &Key) -> bool {
        self.marks < MOST || self.of(key).is_some_and(|known| known.mark.is_some())
    }

    /// Remembers that a read has begun.
    pub(super) fn begin(&mut self, key: Key, now: Instant, lifetime: Duration) {
        let until = now + lifetime.max(LEAST_LIFETIME);
        if self.known.len() < MOST_ENTRIES || self.known.contains_key(&key) {
            self.insert(key, None, Payload::Dropped, Succession::None, until);
        } else {
            self.full_until = self.full_until.max(Some(until));
        }
    }

    /// Remembers a session that was read or written, where there is room.
    pub(super) fn remember(
        &mut self,
        key: Key,
        (mark, payload, succession): (Mark, Vec<u8>, Succession),
        now: Instant,
        lifetime: Duration,
    ) {
        if self.has_room(&key) {
            let until = now + lifetime.max(LEAST_LIFETIME);
            self.insert(key, Some(mark), Payload::of(payload), succession, until);
            self.recent.push_back(key);
            if self.recent.len() > MOST_PAYLOADS
                && let Some(dropped) = self.recent.pop_front()
                && let Some(known) = self.known.get_mut(&dropped)
            {
                known.payload = Payload::Dropped;
            }
        }
    }

    fn insert(&mut self, key: Key, mark: Option<Mark>, payload: Payload, succession: Succession, until: Instant) {
        self.forget(&key);
        self.made += 1;
        let end = (until, self.made);
        self.ends.insert(end, key);
        self.marks += usize::from(mark.is_some());
        self.known.insert(key, Known { mark, payload, succession, end });
    }

    pub(super) fn forget(&mut self, key: &Key) {
        if let Some(known) = self.known.remove(key) {
            self.ends.remove(&known.end);
            self.marks -= usize::from(known.mark.is_some());
            self.recent.retain(|recent| recent != key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn key(number: usize) -> Key {
        Key::from_words(number as u64, 7)
    }

    fn of(byte: u8) -> (Mark, Vec<u8>, Succession) {
        (Mark::from_words([1, 1, 1]), vec![byte], Succession::None)
    }

    impl Memory {
        /// Nothing is counted or listed that is not there.
        fn check(&self) {
            assert_eq!(self.marks, self.known.values().filter(|known| known.mark.is_some()).count());
            assert_eq!(self.ends.len(), self.known.len());
            assert!(self.ends.iter().all(|(end, key)| self.known.get(key).is_some_and(|known| known.end == *end)));
            let kept = |key: &&Key| self.of(key).is_some_and(|known| known.payload != Payload::Dropped);
            assert_eq!(self.recent.iter().filter(kept).count(), self.recent.len());
            assert_eq!(
                self.known.values().filter(|known| known.payload != Payload::Dropped).count(),
                self.recent.len()
            );
            assert!(self.recent.len() <= MOST_PAYLOADS && self.marks <= MOST && self.known.len() <= MOST_ENTRIES);
        }
    }

    #[test]
    fn payloads_are_those_of_the_sessions_used_last() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        for number in (0..9).chain([1]).chain(9..11) {
            memory.remember(key(number), of(b'x'), now, HOUR);
            memory.check();
        }
        let kept = |number: usize| memory.of(&key(number)).expect("remembered").payload != Payload::Dropped;
        assert_eq!((0..11).filter(|number| kept(*number)).collect::<Vec<_>>(), [1, 4, 5, 6, 7, 8, 9, 10]);
        memory.remember(key(0), (Mark::from_words([1, 1, 1]), vec![0; MOST_KEPT + 1], Succession::None), now, HOUR);
        assert_eq!(memory.of(&key(0)).expect("remembered").payload, Payload::TooLong);
        memory.check();
    }

    #[test]
    fn entries_end_in_the_order_in_which_they_were_made_to() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        let after = |seconds| now + Duration::from_secs(seconds);
        memory.remember(key(0), of(0), now, Duration::from_secs(5));
        memory.remember(key(1), of(1), now, Duration::from_secs(3));
        memory.begin(key(2), now, Duration::ZERO);
        memory.remember(key(1), of(1), after(1), Duration::from_secs(3));
        for (second, left) in [(0, vec![0, 1, 2]), (1, vec![0, 1]), (3, vec![0, 1]), (4, vec![0]), (5, vec![])] {
            memory.purge(after(second));
            memory.check();
            assert_eq!((0..3).filter(|number| memory.of(&key(*number)).is_some()).collect::<Vec<_>>(), left);
        }
    }

    #[test]
    fn a_full_memory_renews_what_it_has_and_takes_more_when_entries_have_ended() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        for number in 0..MOST {
            assert!(memory.has_room(&key(number)));
            memory.begin(key(number), now, HOUR);
            memory.remember(key(number), of(0), now, HOUR);
        }
        memory.check();
        memory.remember(key(MOST), of(0), now, HOUR);
        assert!(memory.of(&key(MOST)).is_none() && !memory.has_room(&key(MOST)));
        memory.remember(key(5), of(1), now + HOUR / 2, HOUR);
        memory.check();
        memory.purge(now + HOUR);
        memory.check();
        assert!(memory.of(&key(5)).is_some() && memory.of(&key(4)).is_none() && memory.has_room(&key(MOST)));
    }

    #[test]
    fn reads_that_came_to_no_end_are_known_until_there_are_too_many() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        for number in 0..MOST_ENTRIES {
            memory.begin(key(number), now, HOUR);
        }
        memory.check();
        assert!(!memory.is_full() && memory.has_room(&key(0)));
        memory.begin(key(0), now, HOUR);
        assert!(!memory.is_full(), "it had an entry");
        memory.begin(key(MOST_ENTRIES), now, 2 * HOUR);
        assert!(memory.is_full() && memory.of(&key(MOST_ENTRIES)).is_none());
        memory.purge(now + HOUR);
        assert!(memory.is_full() && memory.of(&key(0)).is_none());
        memory.purge(now + 2 * HOUR);
        assert!(!memory.is_full());
        memory.check();
    }
}
