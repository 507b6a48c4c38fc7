//! The three-way merge of lists: which of their elements there are in the result, and in which order.
//!
//! Elements are kept whole, and compared by their bytes, with the back-references that stay within an element by their
//! distance from its beginning. What a back-reference to a value elsewhere names changes with the places of elements, so
//! lists with one are not merged.

use std::borrow::Cow;
use std::collections::HashMap;

use super::align::{Cells, Kept, merge};
use super::document::{Document, Index};

/// An element of the result and where its number in the result is not the one that it has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Element {
    pub(super) kept: Kept<Index>,
    /// Its number where it differs from the one it is written with.
    pub(super) renumbered: Option<u32>,
}

/// A list and its document; without one it is an empty list.
type List<'a> = Option<(&'a Document<'a>, Index)>;

/// Merges what both have made of a list of the base. Also says how many elements both replaced by different ones. `None`
/// where they cannot be merged.
pub(super) fn merge_lists(
    base: List<'_>,
    mine: List<'_>,
    theirs: List<'_>,
    cells: &mut Cells,
) -> Option<(Vec<Element>, u32)> {
    let mut numbers = HashMap::new();
    let base = numbered(base, &mut numbers)?;
    let my = numbered(mine, &mut numbers)?;
    let their = numbered(theirs, &mut numbers)?;
    let (kept, conflicts) = merge(&base, &my, &their, cells)?;

    let elements =
        |list: List<'_>| -> Vec<_> { list.into_iter().flat_map(|(document, at)| document.children(at)).collect() };
    let (mine, theirs) = (elements(mine), elements(theirs));
    let elements = kept.into_iter().zip(0_usize..).map(|(kept, at)| {
        let stays = match kept {
            Kept::Both { mine, theirs } => mine == at && theirs == at,
            Kept::Mine(from) | Kept::Theirs(from) => from == at,
        };
        let kept = match kept {
            Kept::Both { mine: my, theirs: their } => Kept::Both { mine: *mine.get(my)?, theirs: *theirs.get(their)? },
            Kept::Mine(my) => Kept::Mine(*mine.get(my)?),
            Kept::Theirs(their) => Kept::Theirs(*theirs.get(their)?),
        };
        Some(Element { kept, renumbered: if stays { None } else { Some(u32::try_from(at).ok()?) } })
    });
    Some((elements.collect::<Option<_>>()?, conflicts))
}

/// The elements of a list as numbers, equal ones as the same.
fn numbered<'a>(list: List<'a>, numbers: &mut HashMap<Cow<'a, [u8]>, u32>) -> Option<Vec<u32>> {
    let Some((document, list)) = list else { return Some(Vec::new()) };
    let number = |child| {
        let next = u32::try_from(numbers.len()).ok()?;
        Some(*numbers.entry(text(document, child)?).or_insert(next))
    };
    document.children(list).map(number).collect()
}

/// What tells an element from others; `None` where it has a back-reference to a value elsewhere.
fn text<'a>(document: &Document<'a>, at: Index) -> Option<Cow<'a, [u8]>> {
    let entry = document.entry(at);
    let references = document.references_in(entry.value, entry.end);
    if references.is_empty() {
        return Some(Cow::Borrowed(document.text(entry.value, entry.end)));
    }
    let mut text = Vec::with_capacity((entry.end - entry.value) as usize);
    let mut from = entry.value;
    for reference in references {
        // The letter and its colon tell where a distance stands for a number.
        text.extend_from_slice(document.text(from, reference.at + 2));
        let distance = reference.target.checked_sub(entry.slot)?;
        text.extend_from_slice(&distance.to_le_bytes());
        from = reference.end;
    }
    text.extend_from_slice(document.text(from, entry.end));
    Some(Cow::Owned(text))
}
