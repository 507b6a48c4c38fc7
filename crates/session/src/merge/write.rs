//! Writes a plan as a payload, and gives the back-references in it their new numbers.

use super::document::{Document, Entry};
use super::plan::{Part, Plan, Span, Step};
use super::{Format, Reason};

/// Fails where a back-reference names a value that is not in the result, or not before it.
pub(super) fn write(
    format: Format,
    plan: &Plan<'_>,
    mine: &Document<'_>,
    theirs: &Document<'_>,
) -> Result<Vec<u8>, Reason> {
    let capacity = mine.bytes.len().max(theirs.bytes.len()) + 64;
    let mut writer =
        Writer { payload: Vec::with_capacity(capacity), slots: 1, mine: Side::new(mine), theirs: Side::new(theirs) };
    let is_wrapped = format == Format::PhpSerialize;
    if is_wrapped {
        writer.open(b"", plan.len);
    }
    for step in &plan.steps {
        writer.step(step)?;
    }
    if is_wrapped {
        writer.payload.push(b'}');
    }
    Ok(writer.payload)
}

/// One side, and where its values are in the result.
struct Side<'a> {
    document: &'a Document<'a>,
    /// For each slot of the document, its slot in the result; 0 for a value that the result does not have. Empty where no
    /// back-reference asks.
    slots: Vec<u32>,
}

impl<'a> Side<'a> {
    fn new(document: &'a Document<'a>) -> Self {
        let asked = if document.references.is_empty() { 0 } else { document.slots as usize };
        Self { document, slots: vec![0; asked] }
    }

    /// Notes that elements are the next in the result, and returns how many slots they take.
    fn assign(&mut self, span: Span, slot: u32) -> u32 {
        let first = self.document.entry(span.first).slot;
        let behind = self.document.slot_behind(&self.document.entry(span.last));
        if let Some(assigned) = self.slots.get_mut(first as usize..behind as usize) {
            for (assigned, slot) in assigned.iter_mut().zip(slot..) {
                *assigned = slot;
            }
        }
        behind - first
    }

    fn new_slot(&self, slot: u32) -> Option<u32> {
        self.slots.get(slot as usize).copied().filter(|&slot| slot != 0)
    }

    /// Whether all back-references in these elements name values that are in the result.
    fn is_whole(&self, span: Span) -> bool {
        let (from, to) = (self.document.entry(span.first).key, self.document.entry(span.last).end);
        self.document.references_in(from, to).iter().all(|reference| self.new_slot(reference.target).is_some())
    }

    /// Copies elements, the first from where it is told.
    fn copy(&self, span: Span, from: fn(&Entry) -> u32, payload: &mut Vec<u8>) -> Result<(), Reason> {
        let to = self.document.entry(span.last).end;
        let mut from = from(&self.document.entry(span.first));
        for reference in self.document.references_in(from, to) {
            let slot = self.new_slot(reference.target).ok_or(Reason::CrossingReference)?;
            // The letter and its colon.
            payload.extend_from_slice(self.document.text(from, reference.at + 2));
            push_number(payload, slot);
            payload.push(b';');
            from = reference.end;
        }
        payload.extend_from_slice(self.document.text(from, to));
        Ok(())
    }
}

struct Writer<'a> {
    payload: Vec<u8>,
    /// The first slot that is not taken.
    slots: u32,
    mine: Side<'a>,
    theirs: Side<'a>,
}

impl Writer<'_> {
    fn step(&mut self, step: &Step<'_>) -> Result<(), Reason> {
        match *step {
            Step::Keep(part) => self.part(part, |first| first.key)?,
            Step::Renumber(number, part) => {
                self.payload.extend_from_slice(b"i:");
                push_number(&mut self.payload, number);
                self.payload.push(b';');
                self.part(part, |first| first.value)?;
            }
            Step::Open { key, len } => self.open(key, len),
            Step::Close => self.payload.push(b'}'),
        }
        Ok(())
    }

    /// Writes elements, the first from where `from` says.
    fn part(&mut self, part: Part, from: fn(&Entry) -> u32) -> Result<(), Reason> {
        match part {
            Part::Mine(span) => {
                self.slots += self.mine.assign(span, self.slots);
                self.mine.copy(span, from, &mut self.payload)
            }
            Part::Theirs(span) => {
                self.slots += self.theirs.assign(span, self.slots);
                self.theirs.copy(span, from, &mut self.payload)
            }
            Part::Both { mine, theirs } => {
                self.mine.assign(mine, self.slots);
                self.slots += self.theirs.assign(theirs, self.slots);
                if self.theirs.is_whole(theirs) {
                    self.theirs.copy(theirs, from, &mut self.payload)
                } else {
                    self.mine.copy(mine, from, &mut self.payload)
                }
            }
        }
    }

    fn open(&mut self, key: &[u8], len: u32) {
        self.slots += 1;
        self.payload.extend_from_slice(key);
        self.payload.extend_from_slice(b"a:");
        push_number(&mut self.payload, len);
        self.payload.extend_from_slice(b":{");
    }
}

fn push_number(payload: &mut Vec<u8>, number: u32) {
    let mut digits = [0_u8; 10];
    let mut rest = number;
    let mut from = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
        from -= 1;
        if rest == 0 {
            break;
        }
    }
    payload.extend_from_slice(digits.get(from..).unwrap_or_default());
}
