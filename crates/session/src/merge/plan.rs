//! Decides for each path whose element is kept, and counts the conflicts.

use super::align::{Cells, Kept};
use super::bags::is_bag;
use super::compare::{Changes, Links, changes, is_equal, pair};
use super::document::{Document, Index, ROOT};
use super::lists::{Element, merge_lists};
use super::{Format, Reason};

/// The merged payload, as what is to be written one after the other.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub(super) steps: Vec<Step<'a>>,
    /// How many variables there are.
    pub(super) len: u32,
    /// Elements, maps and lists that both changed differently: mine is kept.
    pub(super) conflicts: u32,
}

/// One step of writing the result.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step<'a> {
    /// Elements with their keys.
    Keep(Part),
    /// One element, with this number as its key.
    Renumber(u32, Part),
    /// The beginning of an array that has elements of both.
    Open { key: &'a [u8], len: u32 },
    /// Its end.
    Close,
}

/// Neighbouring elements of one side, or of both where they are equal.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Mine(Span),
    Theirs(Span),
    Both { mine: Span, theirs: Span },
}

/// Neighbouring elements of one array.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) first: Index,
    pub(super) last: Index,
}

impl Span {
    pub(super) fn one(at: Index) -> Self {
        Self { first: at, last: at }
    }

    /// Takes in the next element, if that is what `next` is.
    pub(super) fn extend(&mut self, document: &Document<'_>, next: Span) -> bool {
        let is_next = document.entry(self.last).after == next.first;
        if is_next {
            self.last = next.last;
        }
        is_next
    }
}

/// Plans the merge. Fails only where a reference is bound to the session as a whole.
pub(super) fn plan<'a>(
    format: Format,
    base: &Document<'_>,
    mine: &'a Document<'a>,
    theirs: &'a Document<'a>,
) -> Result<Plan<'a>, Reason> {
    if [mine, theirs].iter().any(|document| document.entry(ROOT).is_bound) {
        return Err(Reason::CrossingReference);
    }
    let mut planner = Planner {
        format,
        base,
        mine,
        theirs,
        my_changes: changes(base, mine),
        their_changes: changes(base, theirs),
        mine_of: Links::new(theirs),
        theirs_of: Links::new(mine),
        has_references: mine.has_references() || theirs.has_references(),
        levels: Vec::new(),
        steps: Vec::new(),
        conflicts: 0,
        cells: Cells::new(),
    };
    let len = planner.run();
    Ok(Plan { steps: planner.steps, len, conflicts: planner.conflicts })
}

/// An array that is being merged element by element.
struct Level {
    mine: Index,
    theirs: Index,
    /// The next element to look at.
    my_next: Index,
    their_next: Index,
    /// Elements kept so far.
    len: u32,
    /// The step that begins it.
    opening: Option<usize>,
    /// Conflicts counted before it began.
    conflicts: u32,
    /// Its keys have nothing to do with each other: a contradiction at one of them says nothing about the others.
    is_bag: bool,
}

struct Planner<'a, 'b> {
    format: Format,
    base: &'b Document<'b>,
    mine: &'a Document<'a>,
    theirs: &'a Document<'a>,
    my_changes: Changes,
    their_changes: Changes,
    /// For the elements of theirs that were looked at, mine with the same path, and the other way round.
    mine_of: Links,
    theirs_of: Links,
    has_references: bool,
    /// Around the element in hand, the outermost first.
    levels: Vec<Level>,
    steps: Vec<Step<'a>>,
    conflicts: u32,
    cells: Cells,
}

impl<'a> Planner<'a, '_> {
    /// Returns the number of variables.
    fn run(&mut self) -> u32 {
        self.enter(ROOT, ROOT, None);
        let mut len = 0;
        while let Some(level) = self.levels.last_mut() {
            let their = level.their_next;
            let my = level.my_next;
            if their < self.theirs.entry(level.theirs).after {
                level.their_next = self.theirs.entry(their).after;
                self.decide(their);
            } else if my < self.mine.entry(level.mine).after {
                level.my_next = self.mine.entry(my).after;
                if self.theirs_of.of(my).is_none() {
                    self.decide_only_mine(my);
                }
            } else {
                len = level.len;
                if let Some(opening) = level.opening {
                    if let Some(Step::Open { len: stated, .. }) = self.steps.get_mut(opening) {
                        *stated = len;
                    }
                    self.steps.push(Step::Close);
                }
                self.levels.pop();
            }
        }
        len
    }

    fn enter(&mut self, mine: Index, theirs: Index, opening: Option<usize>) {
        pair(self.mine, mine, self.theirs, theirs, |my, their| {
            self.mine_of.set(their, my);
            self.theirs_of.set(my, their);
        });
        let is_bag = match self.levels.len() {
            0 => true,
            1 => is_bag(self.format, self.mine.key(mine)),
            _ => false,
        };
        let conflicts = self.conflicts;
        let (my_next, their_next) = (mine + 1, theirs + 1);
        self.levels.push(Level { mine, theirs, my_next, their_next, len: 0, opening, conflicts, is_bag });
    }

    /// An element that theirs has.
    fn decide(&mut self, their: Index) {
        let they_changed = !self.their_changes.is_unchanged(their);
        let Some(my) = self.mine_of.of(their) else {
            if self.their_changes.origin.of(their).is_none() {
                self.keep(Part::Theirs(Span::one(their)));
            } else if they_changed {
                self.merge_with_removed(None, Some(their));
            }
            return;
        };
        match (!self.my_changes.is_unchanged(my), they_changed) {
            (false, false) => self.keep_both(my, their),
            (false, true) => self.keep(Part::Theirs(Span::one(their))),
            (true, false) => self.keep(Part::Mine(Span::one(my))),
            (true, true) if self.are_mergeable(my, their) => self.merge_arrays(my, their),
            (true, true) if self.are_equal(my, their) => self.keep_both(my, their),
            (true, true) => self.contradict(Some(my)),
        }
    }

    /// An element that theirs does not have.
    fn decide_only_mine(&mut self, my: Index) {
        if self.my_changes.is_unchanged(my) {
            return;
        }
        if self.my_changes.origin.of(my).is_some() {
            self.merge_with_removed(Some(my), None);
        } else {
            self.keep(Part::Mine(Span::one(my)));
        }
    }

    /// Both changed one element of the array in hand, differently. Nobody made an array that has some of its elements from
    /// one side and some from the other, so mine is kept as a whole; in a bag, mine of this element, if there is one.
    fn contradict(&mut self, my: Option<Index>) {
        let Some(level) = self.levels.pop_if(|level| !level.is_bag) else {
            self.conflicts += 1;
            if let Some(my) = my {
                self.keep(Part::Mine(Span::one(my)));
            }
            return;
        };
        self.steps.truncate(level.opening.unwrap_or(0));
        self.conflicts = level.conflicts + 1;
        if let Some(around) = self.levels.last_mut() {
            // The array that began is counted again as what is kept.
            around.len -= 1;
        }
        self.keep(Part::Mine(Span::one(level.mine)));
    }

    /// Merges two arrays that both changed: as lists where all are lists that have the value, otherwise key by key.
    fn merge_arrays(&mut self, my: Index, their: Index) {
        let origin = self.my_changes.origin.of(my);
        let base = origin.filter(|&origin| self.base.entry(origin).is_array);
        let are_lists =
            self.mine.is_list(my) && self.theirs.is_list(their) && base.is_none_or(|base| self.base.is_list(base));
        // What the base had there by reference may be the very list that both have now.
        let is_known = base.is_some() || origin.is_none_or(|origin| !self.base.is_reference(origin));
        let merged = if are_lists && is_known { self.merge_lists(base, Some(my), Some(their)) } else { None };
        if !are_lists {
            let opening = self.open(self.theirs.key(their), 0);
            self.enter(my, their, Some(opening));
        } else if let Some((elements, conflicts)) = merged {
            self.conflicts += conflicts;
            self.keep_list(self.theirs.key(their), elements);
        } else if self.are_equal(my, their) {
            self.keep_both(my, their);
        } else {
            self.conflicts += 1;
            self.keep(Part::Mine(Span::one(my)));
        }
    }

    /// One side has changed what the other has removed. Of a list all elements of the base are removed by that. Where the
    /// other side only removed elements, too, the list is gone; where it only inserted some, they stay. Anything else is a
    /// contradiction.
    fn merge_with_removed(&mut self, my: Option<Index>, their: Option<Index>) {
        let list = match (my, their) {
            (Some(my), _) => Some((self.mine, my, self.my_changes.origin.of(my))),
            (None, Some(their)) => Some((self.theirs, their, self.their_changes.origin.of(their))),
            (None, None) => None,
        };
        let merged = list.and_then(|(document, list, base)| {
            let base = base.filter(|&base| self.base.entry(base).is_array && self.base.is_list(base))?;
            let is_list = document.entry(list).is_open_array() && document.is_list(list);
            let (elements, _) = is_list.then(|| self.merge_lists(Some(base), my, their))??;
            let was = self.base.entry(base).len as usize;
            let kept = (document.entry(list).len as usize).checked_sub(elements.len())?;
            (elements.is_empty() || kept == was).then(|| (document.key(list), elements))
        });
        match merged {
            Some((key, elements)) if !elements.is_empty() => self.keep_list(key, elements),
            Some(_) => {}
            None => self.contradict(my),
        }
    }

    fn merge_lists(
        &mut self,
        base: Option<Index>,
        my: Option<Index>,
        their: Option<Index>,
    ) -> Option<(Vec<Element>, u32)> {
        let base = base.map(|list| (self.base, list));
        let my = my.map(|list| (self.mine, list));
        let their = their.map(|list| (self.theirs, list));
        merge_lists(base, my, their, &mut self.cells)
    }

    /// Keeps a list of elements of both.
    fn keep_list(&mut self, key: &'a [u8], elements: Vec<Element>) {
        self.open(key, u32::try_from(elements.len()).unwrap_or(u32::MAX));
        for Element { kept, renumbered } in elements {
            let part = self.part(kept);
            self.push(match renumbered {
                Some(number) => Step::Renumber(number, part),
                None => Step::Keep(part),
            });
        }
        self.steps.push(Step::Close);
    }

    /// Begins an array that has elements of both, and returns the step that does.
    fn open(&mut self, key: &'a [u8], len: u32) -> usize {
        if let Some(level) = self.levels.last_mut() {
            level.len += 1;
        }
        self.steps.push(Step::Open { key, len });
        self.steps.len() - 1
    }

    /// Whether two elements that both changed are merged element by element.
    fn are_mergeable(&self, my: Index, their: Index) -> bool {
        self.mine.entry(my).is_open_array() && self.theirs.entry(their).is_open_array()
    }

    /// Whether two elements that both changed have the same value now.
    fn are_equal(&self, my: Index, their: Index) -> bool {
        let (my_entry, their_entry) = (self.mine.entry(my), self.theirs.entry(their));
        is_equal(self.mine, &my_entry, self.theirs, &their_entry, |my_target, their_target| {
            let (my_holder, their_holder) = (self.mine.holder(my_target), self.theirs.holder(their_target));
            // Where both were in the base, equal ones have one origin.
            self.my_changes.origin.of(my_holder) == self.their_changes.origin.of(their_holder)
                && my_target - self.mine.entry(my_holder).slot == their_target - self.theirs.entry(their_holder).slot
                && self.my_changes.is_unchanged(my_holder)
                && self.their_changes.is_unchanged(their_holder)
        })
    }

    fn keep_both(&mut self, my: Index, their: Index) {
        self.keep(self.part(Kept::Both { mine: my, theirs: their }));
    }

    fn part(&self, kept: Kept<Index>) -> Part {
        match kept {
            Kept::Mine(my) => Part::Mine(Span::one(my)),
            // Which of two equals is written matters only where back-references may name them.
            Kept::Both { mine, theirs } if self.has_references => {
                Part::Both { mine: Span::one(mine), theirs: Span::one(theirs) }
            }
            Kept::Both { theirs, .. } | Kept::Theirs(theirs) => Part::Theirs(Span::one(theirs)),
        }
    }

    /// Keeps an element of the array in hand.
    fn keep(&mut self, part: Part) {
        if let Some(level) = self.levels.last_mut() {
            level.len += 1;
        }
        self.push(Step::Keep(part));
    }

    fn push(&mut self, step: Step<'a>) {
        let extended = match (self.steps.last_mut(), step) {
            (Some(Step::Keep(Part::Mine(span))), Step::Keep(Part::Mine(next))) => span.extend(self.mine, next),
            (Some(Step::Keep(Part::Theirs(span))), Step::Keep(Part::Theirs(next))) => span.extend(self.theirs, next),
            _ => false,
        };
        if !extended {
            self.steps.push(step);
        }
    }
}
