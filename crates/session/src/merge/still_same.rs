//! What of one payload is the same in another: what may be shown under a session id that another one has replaced.
//!
//! What is kept is a *unit*: a variable, or one key of a bag. Whoever is shown the result must not learn what has changed,
//! so where anything is in doubt a unit is left out.

use super::bags::is_bag;
use super::compare::{Changes, changes};
use super::document::{Document, Index, ROOT};
use super::plan::{Part, Plan, Span, Step};
use super::{Format, Reason, has_plain_slots, is_readable, scan, write};

/// What of `old` is still the same in `new`, key by key: a payload in the same format with those variables of `old` that
/// `new` has, too, with an equal value, in the order of `old`.
///
/// Of a bag (a variable in which a framework keeps a whole session) that is an array in both, its keys are compared, and
/// those kept that are the same; other values are compared whole. A back-reference is the same where it names the same path,
/// and what stands there is kept. Where a payload cannot be read, for any [`Reason`], and where nothing is the same, the
/// result is the empty payload. Equal bytes are the result themselves, in any format.
///
/// Costs what a merge does, less what lists take there; nothing recurses.
#[must_use]
pub fn still_same(format: Format, old: &[u8], new: &[u8]) -> Vec<u8> {
    if old == new {
        return old.to_vec();
    }
    if old.is_empty() || new.is_empty() {
        return Vec::new();
    }
    same_units(format, old, new).unwrap_or_default()
}

fn same_units(format: Format, old: &[u8], new: &[u8]) -> Result<Vec<u8>, Reason> {
    is_readable(format, &[old, new])?;
    let old = scan::scan(format, old)?;
    let new = scan::scan(format, new)?;
    has_plain_slots(&[&old, &new])?;

    let changes = changes(&new, &old);
    let asked = if old.has_references() { old.entries.len() } else { 0 };
    let mut sieve = Sieve { format, old: &old, changes, kept: vec![false; asked], steps: Vec::new() };
    let len = sieve.variables();
    if len == 0 {
        return Ok(Vec::new());
    }
    let plan = Plan { steps: sieve.steps, len, conflicts: 0 };
    // All that is kept is the one side's; the other is an empty session.
    write::write(format, &plan, &old, &scan::scan(format, b"")?)
}

struct Sieve<'a> {
    format: Format,
    old: &'a Document<'a>,
    changes: Changes,
    /// For each entry of `old` whether it is in the result; empty where no back-reference asks. Never set for the session
    /// itself, nor for a bag of which keys are left out: they are not the arrays that a back-reference has named.
    kept: Vec<bool>,
    steps: Vec<Step<'a>>,
}

impl Sieve<'_> {
    /// Plans the result and returns how many variables it has. Back-references name what stands before them, so whether
    /// their targets are kept is known in one pass.
    fn variables(&mut self) -> u32 {
        let mut len = 0;
        for variable in self.old.children(ROOT) {
            let is_bag = is_bag(self.format, self.old.key(variable));
            len += u32::from(self.keep(variable) || (is_bag && self.keep_keys(variable)));
        }
        len
    }

    /// Keeps those keys of a bag that are the same, and says whether there are any: none unless it is an array in both.
    fn keep_keys(&mut self, bag: Index) -> bool {
        let opening = self.steps.len();
        self.steps.push(Step::Open { key: self.old.key(bag), len: 0 });
        let mut kept = 0;
        for key in self.old.children(bag) {
            kept += u32::from(self.keep(key));
        }
        if let (1.., Some(Step::Open { len, .. })) = (kept, self.steps.get_mut(opening)) {
            *len = kept;
            self.steps.push(Step::Close);
        } else {
            self.steps.truncate(opening);
        }
        kept > 0
    }

    /// Keeps a unit if it is the same, and says whether it is.
    fn keep(&mut self, unit: Index) -> bool {
        let is_same = self.changes.is_unchanged(unit) && self.has_its_targets(unit);
        if is_same {
            let behind = self.old.entry(unit).after;
            if let Some(kept) = self.kept.get_mut(unit as usize..behind as usize) {
                kept.fill(true);
            }
            let one = Span::one(unit);
            let extended = match self.steps.last_mut() {
                Some(Step::Keep(Part::Mine(span))) => span.extend(self.old, one),
                _ => false,
            };
            if !extended {
                self.steps.push(Step::Keep(Part::Mine(one)));
            }
        }
        is_same
    }

    /// Whether all back-references in a unit name values in itself or in what is kept. A value elsewhere that is not kept
    /// may be equal in both and stand in a unit that is not.
    fn has_its_targets(&self, unit: Index) -> bool {
        let entry = self.old.entry(unit);
        self.old.references_in(entry.value, entry.end).iter().all(|reference| {
            let holder = self.old.holder(reference.target);
            (unit..entry.after).contains(&holder) || self.kept.get(holder as usize).copied().unwrap_or(false)
        })
    }
}

#[cfg(test)]
mod tests;
