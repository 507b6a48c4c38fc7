//! Decides for each path whose element is kept, and counts the conflicts.

use super::Reason;
use super::compare::{Changes, Links, changes, is_equal, pair};
use super::document::{Document, Index, ROOT};

/// The merged payload, as what is to be written one after the other.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub(super) steps: Vec<Step<'a>>,
    /// How many variables there are.
    pub(super) len: u32,
    /// Leaves and keys that both changed, to different values.
    pub(super) conflicts: u32,
}

/// One step of writing the result, keys included.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step<'a> {
    /// Neighbouring elements of mine.
    Mine(Span),
    /// Neighbouring elements of theirs.
    Theirs(Span),
    /// Neighbouring elements that are equal in both.
    Both { mine: Span, theirs: Span },
    /// The beginning of an array that has elements of both.
    Open { key: &'a [u8], len: u32 },
    /// Its end.
    Close,
}

/// Neighbouring elements of one array.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) first: Index,
    pub(super) last: Index,
}

impl Span {
    fn one(at: Index) -> Self {
        Self { first: at, last: at }
    }

    /// Takes in the next element, if that is what `next` is.
    fn extend(&mut self, document: &Document<'_>, next: Span) -> bool {
        let is_next = document.entry(self.last).after == next.first;
        if is_next {
            self.last = next.last;
        }
        is_next
    }
}

/// Plans the merge. Fails only where a reference is bound to the session as a whole.
pub(super) fn plan<'a>(
    base: &Document<'_>,
    mine: &'a Document<'a>,
    theirs: &'a Document<'a>,
) -> Result<Plan<'a>, Reason> {
    if [mine, theirs].iter().any(|document| document.entry(ROOT).is_bound) {
        return Err(Reason::CrossingReference);
    }
    let mut planner = Planner {
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
}

struct Planner<'a> {
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
}

impl<'a> Planner<'a> {
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
        self.levels.push(Level { mine, theirs, my_next: mine + 1, their_next: theirs + 1, len: 0, opening });
    }

    /// An element that theirs has.
    fn decide(&mut self, their: Index) {
        let they_changed = !self.their_changes.is_unchanged(their);
        let Some(my) = self.mine_of.of(their) else {
            if self.their_changes.origin.of(their).is_none() {
                self.keep(Step::Theirs(Span::one(their)));
            } else if they_changed {
                self.conflicts += 1;
            }
            return;
        };
        match (!self.my_changes.is_unchanged(my), they_changed) {
            (false, false) => self.keep_both(my, their),
            (false, true) => self.keep(Step::Theirs(Span::one(their))),
            (true, false) => self.keep(Step::Mine(Span::one(my))),
            (true, true) if self.are_mergeable(my, their) => {
                let opening = self.steps.len();
                self.keep(Step::Open { key: self.theirs.key(their), len: 0 });
                self.enter(my, their, Some(opening));
            }
            (true, true) if self.are_equal(my, their) => self.keep_both(my, their),
            (true, true) => {
                self.conflicts += 1;
                self.keep(Step::Mine(Span::one(my)));
            }
        }
    }

    /// An element that theirs does not have.
    fn decide_only_mine(&mut self, my: Index) {
        if self.my_changes.is_unchanged(my) {
            return;
        }
        if self.my_changes.origin.of(my).is_some() {
            self.conflicts += 1;
        }
        self.keep(Step::Mine(Span::one(my)));
    }

    /// Whether two elements that both changed are merged key by key.
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
        // Which of two equals is written matters only where back-references may name them.
        let theirs = Span::one(their);
        self.keep(if self.has_references { Step::Both { mine: Span::one(my), theirs } } else { Step::Theirs(theirs) });
    }

    fn keep(&mut self, step: Step<'a>) {
        if let Some(level) = self.levels.last_mut() {
            level.len += 1;
        }
        let extended = match (self.steps.last_mut(), step) {
            (Some(Step::Mine(span)), Step::Mine(next)) => span.extend(self.mine, next),
            (Some(Step::Theirs(span)), Step::Theirs(next)) => span.extend(self.theirs, next),
            _ => false,
        };
        if !extended {
            self.steps.push(step);
        }
    }
}
