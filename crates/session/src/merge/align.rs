//! The three-way merge of sequences whose elements are numbers: equal elements have equal numbers.
//!
//! Each side is aligned with the base: their common beginning, their common end, and between the two a longest common
//! subsequence, of several the one that matches what comes first. An element of the base that a side did not match was
//! removed by that side; what a side has beside the matched elements was inserted behind the one before it.

/// Most cells of one alignment's table: a thousand elements against a thousand, two bytes each.
const LARGEST_TABLE: usize = 1 << 20;
/// Most cells of all alignments of a merge, so that many lists take no longer than a few milliseconds.
const MOST_CELLS: usize = 1 << 22;

/// An element of the result, by what finds it in the sequences that it is from: its place, unless told otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept<At = usize> {
    Both { mine: At, theirs: At },
    Mine(At),
    Theirs(At),
}

/// What is left of [`MOST_CELLS`].
#[derive(Debug)]
pub(super) struct Cells(usize);

impl Cells {
    pub(super) fn new() -> Self {
        Self(MOST_CELLS)
    }

    fn take(&mut self, cells: usize) -> Option<()> {
        if cells > LARGEST_TABLE {
            return None;
        }
        self.0 = self.0.checked_sub(cells)?;
        Some(())
    }
}

/// The merged sequence, and how many elements both sides replaced by different ones, of which mine is kept. `None` where
/// an alignment needs a larger table than there may be.
pub(super) fn merge(base: &[u32], mine: &[u32], theirs: &[u32], cells: &mut Cells) -> Option<(Vec<Kept>, u32)> {
    if base.len() == mine.len() && base.len() == theirs.len() {
        return Some(place_by_place(base, mine, theirs));
    }
    let mut mine = Side { aligned: align(base, mine, cells)?, at: 0 };
    let mut theirs = Side { aligned: align(base, theirs, cells)?, at: 0 };
    let mut kept = Vec::with_capacity(mine.aligned.len.max(theirs.aligned.len));
    for before in 0..=base.len() {
        // Inserted in the gap before this element of the base.
        kept.extend(theirs.inserted(before).map(Kept::Theirs));
        kept.extend(mine.inserted(before).map(Kept::Mine));
        if let (Some(mine), Some(theirs)) = (mine.matched(before), theirs.matched(before)) {
            kept.push(Kept::Both { mine, theirs });
        }
    }
    Some((kept, 0))
}

fn place_by_place(base: &[u32], mine: &[u32], theirs: &[u32]) -> (Vec<Kept>, u32) {
    let mut conflicts = 0;
    let places = base.iter().zip(mine).zip(theirs).enumerate();
    let kept = places.map(|(at, ((was, my), their))| {
        if my == their {
            Kept::Both { mine: at, theirs: at }
        } else if my == was {
            Kept::Theirs(at)
        } else {
            conflicts += u32::from(their != was);
            Kept::Mine(at)
        }
    });
    (kept.collect(), conflicts)
}

/// How a side's elements correspond with those of the base.
struct Aligned {
    /// For each element of the base, the element of the side that it is matched with; ascending.
    partners: Vec<Option<usize>>,
    /// For each element of the base, the first of the side that is matched with it or one behind it; the side's length
    /// where there is none.
    next: Vec<usize>,
    len: usize,
}

/// A side on the way through the gaps of the base.
struct Side {
    aligned: Aligned,
    /// The first element not yet passed.
    at: usize,
}

impl Side {
    fn inserted(&mut self, before: usize) -> std::ops::Range<usize> {
        let next = self.aligned.next.get(before).copied().unwrap_or(self.aligned.len);
        let from = self.at;
        self.at = next.max(from);
        from..self.at
    }

    /// The partner of an element of the base, which is passed with that.
    fn matched(&mut self, at: usize) -> Option<usize> {
        let partner = self.aligned.partners.get(at).copied().flatten()?;
        self.at = partner + 1;
        Some(partner)
    }
}

fn align(base: &[u32], side: &[u32], cells: &mut Cells) -> Option<Aligned> {
    let most = base.len().min(side.len());
    let beginning = base.iter().zip(side).take_while(|(was, now)| was == now).count();
    let end =
        base.iter().rev().zip(side.iter().rev()).take(most - beginning).take_while(|(was, now)| was == now).count();
    let middle = (base.get(beginning..base.len() - end)?, side.get(beginning..side.len() - end)?);

    let mut partners: Vec<_> = (0..beginning).map(Some).collect();
    partners.extend(common(middle.0, middle.1, cells)?.into_iter().map(|at| at.map(|at| at + beginning)));
    partners.extend((side.len() - end..side.len()).map(Some));

    let mut first = side.len();
    let mut next = vec![first; partners.len()];
    for (next, partner) in next.iter_mut().zip(&partners).rev() {
        first = partner.unwrap_or(first);
        *next = first;
    }
    Some(Aligned { partners, next, len: side.len() })
}

/// A longest common subsequence: for each element of `base` its partner in `side`.
fn common(base: &[u32], side: &[u32], cells: &mut Cells) -> Option<Vec<Option<usize>>> {
    let mut partners = vec![None; base.len()];
    if base.is_empty() || side.is_empty() {
        return Some(partners);
    }
    let (rows, columns) = (base.len() + 1, side.len() + 1);
    cells.take(rows.checked_mul(columns)?)?;
    // Of each pair of places the length of the longest common subsequence from there on. The shorter side of a table that
    // is small enough has at most 1,024 elements.
    let mut table = vec![0_u16; rows * columns];
    let length = |table: &[u16], was: usize, now: usize| table.get(was * columns + now).copied().unwrap_or(0);
    for (was, one) in base.iter().enumerate().rev() {
        for (now, other) in side.iter().enumerate().rev() {
            let longest = if one == other {
                length(&table, was + 1, now + 1) + 1
            } else {
                length(&table, was + 1, now).max(length(&table, was, now + 1))
            };
            if let Some(cell) = table.get_mut(was * columns + now) {
                *cell = longest;
            }
        }
    }
    let (mut was, mut now) = (0, 0);
    while let (Some(one), Some(other)) = (base.get(was), side.get(now)) {
        if one == other {
            if let Some(partner) = partners.get_mut(was) {
                *partner = Some(now);
            }
            (was, now) = (was + 1, now + 1);
        } else if length(&table, was + 1, now) >= length(&table, was, now + 1) {
            was += 1;
        } else {
            now += 1;
        }
    }
    Some(partners)
}
