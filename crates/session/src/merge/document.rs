//! A scanned payload: the elements of its arrays as spans of its bytes, and its back-references.

use crate::serialized::integer;

/// Where an entry stands in its document. Entries are in the order of the bytes, an array before its elements.
pub(super) type Index = u32;

/// The entry that stands for the whole session.
pub(super) const ROOT: Index = 0;

/// One element of an array that is reached through arrays only: a variable, or what arrays in variables hold.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Entry {
    /// Where its key begins, in the bytes.
    pub(super) key: u32,
    /// Where its value begins: the end of its key.
    pub(super) value: u32,
    /// Where its value ends.
    pub(super) end: u32,
    /// The slot of the value. Of an `R:`, which takes none, the next one that is taken.
    pub(super) slot: u32,
    /// The first entry behind this one and all that is in it.
    pub(super) after: Index,
    /// How many elements it has, if it is an array.
    pub(super) len: u32,
    pub(super) is_array: bool,
    /// An array that a back-reference names, and that is therefore a leaf.
    pub(super) is_bound: bool,
}

impl Entry {
    /// Whether its elements may be merged one by one.
    pub(super) fn is_open_array(&self) -> bool {
        self.is_array && !self.is_bound
    }
}

/// A back-reference: `R:target;` or `r:target;`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reference {
    /// Where it begins, in the bytes.
    pub(super) at: u32,
    /// Where it ends.
    pub(super) end: u32,
    /// The slot that it names; one that was taken before.
    pub(super) target: u32,
}

/// A scanned payload.
#[derive(Debug)]
pub(super) struct Document<'a> {
    pub(super) bytes: &'a [u8],
    /// Never empty: the first is [`ROOT`].
    pub(super) entries: Vec<Entry>,
    /// In the order of the bytes.
    pub(super) references: Vec<Reference>,
    /// The first slot that is not taken.
    pub(super) slots: u32,
    /// There is a `C:` object.
    pub(super) custom: bool,
    /// There is a `C:` object that seems to hold back-references.
    pub(super) custom_references: bool,
}

impl<'a> Document<'a> {
    pub(super) fn has_custom(&self) -> bool {
        self.custom
    }

    pub(super) fn has_references(&self) -> bool {
        self.custom_references || !self.references.is_empty()
    }

    pub(super) fn entry(&self, at: Index) -> Entry {
        let found = self.entries.get(at as usize).copied();
        debug_assert!(found.is_some(), "no entry {at}");
        found.unwrap_or_default()
    }

    pub(super) fn text(&self, from: u32, to: u32) -> &'a [u8] {
        let found = self.bytes.get(from as usize..to as usize);
        debug_assert!(found.is_some(), "no bytes {from}..{to}");
        found.unwrap_or_default()
    }

    /// The bytes of an entry's key, which no other key of the same meaning differs from.
    pub(super) fn key(&self, at: Index) -> &'a [u8] {
        let entry = self.entry(at);
        self.text(entry.key, entry.value)
    }

    /// The elements of an array, in order.
    pub(super) fn children(&self, at: Index) -> impl Iterator<Item = Index> {
        let after = self.entry(at).after;
        let first = Some(at + 1).filter(|&child| child < after);
        std::iter::successors(first, move |&child| Some(self.entry(child).after).filter(|&next| next < after))
    }

    /// Whether an entry's value is a back-reference.
    pub(super) fn is_reference(&self, at: Index) -> bool {
        let entry = self.entry(at);
        matches!(self.text(entry.value, entry.end), [b'R' | b'r', ..])
    }

    /// Whether an array's keys are 0, 1, 2 and so on: what PHP's `array_is_list` says.
    pub(super) fn is_list(&self, at: Index) -> bool {
        self.children(at).zip(0_u32..).all(|(child, place)| {
            let number = self.key(child).strip_prefix(b"i:").and_then(|key| key.strip_suffix(b";"));
            // Keys are in their shortest form, so equal numbers are written alike.
            number.is_some_and(|digits| integer(digits) == Some(i64::from(place)))
        })
    }

    /// The first slot that is taken behind an entry and all that is in it.
    pub(super) fn slot_behind(&self, entry: &Entry) -> u32 {
        self.entries.get(entry.after as usize).map_or(self.slots, |next| next.slot)
    }

    /// The innermost entry that holds the value with this slot.
    pub(super) fn holder(&self, slot: u32) -> Index {
        // An R: has the slot of the value that follows it; the last of equals is the one that takes it.
        let behind = self.entries.partition_point(|entry| entry.slot <= slot);
        Index::try_from(behind.saturating_sub(1)).unwrap_or(ROOT)
    }

    /// The back-references in a part of the bytes.
    pub(super) fn references_in(&self, from: u32, to: u32) -> &[Reference] {
        if self.references.is_empty() {
            return &[];
        }
        let first = self.references.partition_point(|reference| reference.at < from);
        let behind = self.references.partition_point(|reference| reference.at < to);
        self.references.get(first..behind).unwrap_or_default()
    }
}
