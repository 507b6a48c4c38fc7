//! Which entries of two documents have the same path, and which of those have equal values.
//!
//! Each entry is compared once with its partner; an array is equal when its elements are, in the same order, so no
//! byte is looked at again for each array around it.

use std::collections::HashMap;

use super::document::{Document, Entry, Index, Reference};

/// For each entry of one document, the entry of another that has the same path, as far as that was asked.
#[derive(Debug)]
pub(super) struct Links(Vec<Index>);

impl Links {
    /// No partner: no document has so many entries.
    const NONE: Index = Index::MAX;

    pub(super) fn new(document: &Document<'_>) -> Self {
        Self(vec![Self::NONE; document.entries.len()])
    }

    pub(super) fn of(&self, at: Index) -> Option<Index> {
        self.0.get(at as usize).copied().filter(|&partner| partner != Self::NONE)
    }

    pub(super) fn set(&mut self, at: Index, partner: Index) {
        if let Some(link) = self.0.get_mut(at as usize) {
            *link = partner;
        }
    }
}

/// How a document relates to the one that it was made from.
#[derive(Debug)]
pub(super) struct Changes {
    /// For each entry, where it was in the base.
    pub(super) origin: Links,
    unchanged: Vec<bool>,
}

impl Changes {
    /// Whether an entry was in the base, with an equal value.
    pub(super) fn is_unchanged(&self, at: Index) -> bool {
        self.unchanged.get(at as usize).copied().unwrap_or(false)
    }

    fn note(&mut self, at: Index, unchanged: bool) {
        if let Some(noted) = self.unchanged.get_mut(at as usize) {
            *noted = unchanged;
        }
    }
}

/// Compares all of `document` with `base`.
pub(super) fn changes(base: &Document<'_>, document: &Document<'_>) -> Changes {
    let count = document.entries.len();
    let mut changes = Changes { origin: Links::new(document), unchanged: vec![false; count] };
    changes.origin.set(super::document::ROOT, super::document::ROOT);
    // The arrays around the entry in hand. Each counts as unchanged until one of its elements is not.
    let mut around: Vec<(Index, Entry)> = Vec::new();
    let mut at = 0;
    while (at as usize) < count {
        while let Some(&(array, entry)) = around.last()
            && entry.after <= at
        {
            around.pop();
            let unchanged = changes.is_unchanged(array);
            note_in_array(&mut changes, &around, unchanged);
        }
        let entry = document.entry(at);
        let origin = changes.origin.of(at).map(|origin| (origin, base.entry(origin)));
        let unchanged = match origin {
            None => false,
            Some((origin, was)) if was.is_array && entry.is_array => {
                let links = &mut changes.origin;
                let in_step = pair(base, origin, document, at, |from, to| links.set(to, from));
                changes.note(at, in_step);
                around.push((at, entry));
                at += 1;
                continue;
            }
            Some((_, was)) if was.is_array || entry.is_array => false,
            Some((_, was)) => is_equal(base, &was, document, &entry, |before, now| {
                let holder = document.holder(now);
                let names_same = changes.origin.of(holder) == Some(base.holder(before))
                    && now - document.entry(holder).slot == before - base.entry(base.holder(before)).slot;
                names_same && changes.is_unchanged(holder)
            }),
        };
        changes.note(at, unchanged);
        note_in_array(&mut changes, &around, unchanged);
        // The elements of an array that has no partner have none either.
        at = entry.after;
    }
    while let Some((array, _)) = around.pop() {
        let unchanged = changes.is_unchanged(array);
        note_in_array(&mut changes, &around, unchanged);
    }
    changes
}

fn note_in_array(changes: &mut Changes, around: &[(Index, Entry)], unchanged: bool) {
    if let (false, Some(&(array, _))) = (unchanged, around.last()) {
        changes.note(array, false);
    }
}

/// Calls `each` for the elements of two arrays that have the same key, in the order of the second, and says whether the
/// arrays have the same keys in the same order.
pub(super) fn pair(
    first: &Document<'_>,
    first_array: Index,
    second: &Document<'_>,
    second_array: Index,
    mut each: impl FnMut(Index, Index),
) -> bool {
    let (behind, count) = (first.entry(first_array).after, first.entry(first_array).len);
    let following = |at: Index| Some(first.entry(at).after).filter(|&next| next < behind);
    // Usually the keys are the same, with some added at the end or one left out, so the next element is tried first.
    let mut expected = Some(first_array + 1).filter(|&child| child < behind);
    // Those before the first that was passed over have their partners.
    let mut passed: Option<Index> = None;
    let mut found = 0;
    let mut in_step = count == second.entry(second_array).len;
    let mut by_key: Option<HashMap<&[u8], Index>> = None;
    for child in second.children(second_array) {
        if found == count {
            break;
        }
        let key = second.key(child);
        let mut partner = expected.filter(|&next| first.key(next) == key);
        if partner.is_none() {
            in_step = false;
            passed = passed.or(expected);
            partner = expected.and_then(following).filter(|&next| first.key(next) == key);
        }
        if partner.is_none() {
            let by_key = by_key.get_or_insert_with(|| {
                std::iter::successors(passed, |&left| following(left)).map(|left| (first.key(left), left)).collect()
            });
            partner = by_key.get(key).copied();
        }
        if let Some(partner) = partner {
            each(partner, child);
            found += 1;
            expected = following(partner);
        }
    }
    in_step
}

/// Whether two values are written alike, with back-references compared by what they mean: those that stay within the
/// value by their distance from its beginning, the others by `corresponds`, which gets both targets.
pub(super) fn is_equal(
    first: &Document<'_>,
    first_entry: &Entry,
    second: &Document<'_>,
    second_entry: &Entry,
    corresponds: impl Fn(u32, u32) -> bool,
) -> bool {
    let first_references = first.references_in(first_entry.value, first_entry.end);
    let second_references = second.references_in(second_entry.value, second_entry.end);
    if first_references.len() != second_references.len() {
        return false;
    }
    let (mut first_at, mut second_at) = (first_entry.value, second_entry.value);
    for (reference, other) in first_references.iter().zip(second_references) {
        // The letter is part of the text before the number.
        let alike = first.text(first_at, reference.at + 1) == second.text(second_at, other.at + 1);
        let same_target = match (inner(reference, first_entry), inner(other, second_entry)) {
            (Some(distance), Some(other_distance)) => distance == other_distance,
            (None, None) => corresponds(reference.target, other.target),
            _ => false,
        };
        if !alike || !same_target {
            return false;
        }
        (first_at, second_at) = (reference.end, other.end);
    }
    first.text(first_at, first_entry.end) == second.text(second_at, second_entry.end)
}

/// How far behind the beginning of the value a back-reference in it points, unless it points out of it.
fn inner(reference: &Reference, entry: &Entry) -> Option<u32> {
    reference.target.checked_sub(entry.slot)
}
