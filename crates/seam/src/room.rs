//! [`Room`]: where a payload is read to.
//!
//! PHP gives memory that nobody has written yet, so that a payload is copied once. What a store claims to have read must then
//! be there, or whatever that memory held before would become a part of a session. Room is filled from the front, and only
//! bytes that were filled can be looked at. This is the seam's only module with `unsafe`.

use std::fmt;
use std::mem::MaybeUninit;

/// Bytes in memory of the caller, filled from the front.
pub struct Room<'a> {
    bytes: &'a mut [MaybeUninit<u8>],
    /// So many of the first ones were written; at most all.
    filled: usize,
}

impl<'a> Room<'a> {
    /// Empty room of these bytes, which may never have been written.
    pub fn new(bytes: &'a mut [MaybeUninit<u8>]) -> Self {
        Self { bytes, filled: 0 }
    }

    /// Empty room of bytes that hold something, which is overwritten as the room is filled.
    pub fn over(bytes: &'a mut [u8]) -> Self {
        let bytes: *mut [u8] = bytes;
        // SAFETY: the same bytes, borrowed for as long. Room writes none that is not initialised, so they are all still
        // values of u8 when the borrow ends.
        Self::new(unsafe { &mut *(bytes as *mut [MaybeUninit<u8>]) })
    }

    /// How many bytes it takes in all.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it takes none at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Whether nothing of it is left.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.filled == self.bytes.len()
    }

    /// The bytes that it was filled with.
    #[must_use]
    pub fn filled(&self) -> &[u8] {
        let filled = self.bytes.get(..self.filled).unwrap_or_default();
        // SAFETY: these were written, as `filled` says, which only `fill_by` raises.
        unsafe { &*(std::ptr::from_ref(filled) as *const [u8]) }
    }

    /// Begins again with an empty room.
    pub fn clear(&mut self) {
        self.filled = 0;
    }

    /// Adds `bytes`, or `false` and nothing where there is no room for all of them.
    #[must_use]
    pub fn put(&mut self, bytes: &[u8]) -> bool {
        // SAFETY: writes all of them; `bytes` is another borrow, so the two do not overlap.
        unsafe { self.fill_by(bytes.len(), |to| std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len())) }
    }

    /// Has `write` fill the next `length` bytes, or `false`, without calling it, where there is no room for them.
    ///
    /// # Safety
    /// `write` initialises all `length` bytes at the address that it is given, and touches no others.
    #[must_use]
    #[inline]
    pub unsafe fn fill_by(&mut self, length: usize, write: impl FnOnce(*mut u8)) -> bool {
        let Some(next) = self.bytes.get_mut(self.filled..).and_then(|rest| rest.get_mut(..length)) else {
            return false;
        };
        write(next.as_mut_ptr().cast());
        self.filled += length;
        true
    }
}

impl fmt::Debug for Room<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room").field("filled", &self.filled).field("len", &self.bytes.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_filled_from_the_front_and_never_beyond_its_end() {
        let mut memory = [MaybeUninit::uninit(); 5];
        let mut room = Room::new(&mut memory);
        assert_eq!((room.len(), room.filled()), (5, &[][..]));
        assert!(room.put(b"abc") && !room.is_full());
        assert!(!room.put(b"def"), "three where two are left");
        assert_eq!(room.filled(), b"abc");
        assert!(room.put(b"de") && room.is_full());
        assert_eq!(room.filled(), b"abcde");
        room.clear();
        assert_eq!(room.filled(), b"");
    }

    #[test]
    fn what_is_not_filled_stays_as_it_was() {
        let mut bytes = *b"12345";
        assert!(Room::over(&mut bytes).put(b"ab"));
        assert_eq!(&bytes, b"ab345");
        assert!(Room::over(&mut []).is_full());
    }
}
