//! Finds the elements and back-references of a payload in one pass over its bytes.
//!
//! What nests is kept on a stack of our own, at most one frame for each container that has begun. A stated length or
//! count is never believed: it is compared with the bytes that are there, or counted down as elements are found.

use super::document::{Document, Entry, Index, ROOT, Reference};
use super::{Format, Reason};

/// Scans a payload of at most [`super::LARGEST`] bytes. What is not wholly and exactly of the format is malformed.
pub(super) fn scan(format: Format, bytes: &[u8]) -> Result<Document<'_>, Reason> {
    let mut scanner = Scanner::new(bytes);
    let done = match format {
        Format::Php => scanner.variables(Scanner::delimited_name),
        Format::PhpBinary => scanner.variables(Scanner::counted_name),
        Format::PhpSerialize => scanner.serialized_array(),
        Format::Opaque => return Err(Reason::OpaqueFormat),
    };
    done.ok_or(Reason::Malformed)?;
    Ok(scanner.document)
}

/// The least number of bytes that an element takes: `i:0;N;`.
const SMALLEST_ELEMENT: usize = 6;

/// Arrays of at most so many elements are searched for equal keys without a hash table.
const FEW: u32 = 24;

/// A container that has begun and not ended.
struct Frame {
    /// Members still to come.
    left: u32,
    /// The entry that ends with this container.
    owner: Option<Index>,
    /// The members are entries: all containers around them are arrays.
    has_entries: bool,
    /// The last integer key if there was one, as long as they are ascending, as in lists: no two of them are equal.
    ascending: Option<Option<i64>>,
    /// How many keys are strings.
    texts: u32,
}

struct Scanner<'a> {
    document: Document<'a>,
    at: usize,
    frames: Vec<Frame>,
}

/// `None` is always: malformed.
impl<'a> Scanner<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let mut entries = Vec::with_capacity(bytes.len() / 32 + 8);
        entries.push(Entry { is_array: true, after: 1, ..Entry::default() });
        let references = Vec::new();
        let document = Document { bytes, entries, references, slots: 1, custom: false, custom_references: false };
        Self { document, at: 0, frames: Vec::new() }
    }

    fn serialized_array(&mut self) -> Option<()> {
        if self.document.bytes.is_empty() {
            // Its slot is taken in whatever payload the result is.
            self.document.slots = 2;
            return Some(());
        }
        self.document.entries.clear();
        if self.peek()? != b'a' {
            return None;
        }
        self.value(0, true)?;
        self.members()?;
        (self.at == self.document.bytes.len()).then_some(())
    }

    fn variables(&mut self, name: fn(&mut Self) -> Option<()>) -> Option<()> {
        let mut count = 0_u32;
        while self.at < self.document.bytes.len() {
            let key = self.at;
            name(self)?;
            self.value(key, true)?;
            self.members()?;
            count += 1;
        }
        let after = self.next_index()?;
        let end = position(self.at)?;
        *self.document.entries.get_mut(ROOT as usize)? =
            Entry { end, after, len: count, is_array: true, ..Entry::default() };
        self.has_distinct_keys(ROOT, count, |_| true).then_some(())
    }

    fn delimited_name(&mut self) -> Option<()> {
        let rest = self.document.bytes.get(self.at..)?;
        self.at += rest.iter().position(|&byte| byte == b'|')? + 1;
        Some(())
    }

    /// The high bit of the length once meant a variable without a value; no PHP that we run in writes it.
    fn counted_name(&mut self) -> Option<()> {
        let length = self.take()?;
        if length > 127 {
            return None;
        }
        self.skip(u64::from(length))
    }

    /// Reads the members of all containers that have begun, and their ends.
    fn members(&mut self) -> Option<()> {
        while let Some(frame) = self.frames.last_mut() {
            let has_entries = frame.has_entries;
            if frame.left > 0 {
                frame.left -= 1;
                let key = self.at;
                if has_entries {
                    self.element_key()?
                } else {
                    self.property_key()?
                }
                self.value(key, has_entries)?;
                continue;
            }
            let (owner, ascending, texts) = (frame.owner, frame.ascending.is_some(), frame.texts);
            self.expect(b"}")?;
            self.frames.pop();
            if let Some(owner) = owner {
                self.finish(owner)?;
                let is_distinct = match ascending {
                    true if texts < 2 => true,
                    true => self.has_distinct_keys(owner, texts, |key| key.starts_with(b"s")),
                    false => self.has_distinct_keys(owner, self.document.entry(owner).len, |_| true),
                };
                if has_entries && !is_distinct {
                    return None;
                }
            }
        }
        Some(())
    }

    /// Reads a value, of a container only its beginning. Its key began at `key`.
    fn value(&mut self, key: usize, is_entry: bool) -> Option<()> {
        let start = self.at;
        let slot = self.document.slots;
        let letter = self.take()?;
        if letter != b'R' {
            self.document.slots += 1;
        }
        let owner = is_entry.then(|| self.next_index()).flatten();
        if is_entry {
            let (key, value) = (position(key)?, position(start)?);
            self.document.entries.push(Entry { key, value, slot, is_array: letter == b'a', ..Entry::default() });
        }
        match letter {
            b'N' => self.expect(b";")?,
            b'b' => self.boolean()?,
            b'i' => self.integer()?,
            b'd' => self.float()?,
            b's' => {
                self.expect(b":")?;
                self.quoted()?;
                self.expect(b";")?;
            }
            b'E' => self.enum_case()?,
            b'C' => self.custom_object()?,
            b'R' | b'r' => self.reference(start, slot)?,
            b'a' => {
                self.expect(b":")?;
                return self.begin(owner, is_entry);
            }
            b'O' => {
                self.class_name()?;
                return self.begin(owner, false);
            }
            _ => return None,
        }
        owner.map_or(Some(()), |owner| self.finish(owner))
    }

    /// `count:{` of an array or object.
    fn begin(&mut self, owner: Option<Index>, has_entries: bool) -> Option<()> {
        let count = self.number()?;
        self.expect(b":{")?;
        let most = (self.document.bytes.len() - self.at) / SMALLEST_ELEMENT;
        let left = u32::try_from(count).ok().filter(|&count| count as usize <= most)?;
        if let (true, Some(owner)) = (has_entries, owner) {
            self.document.entries.get_mut(owner as usize)?.len = left;
        }
        self.frames.push(Frame { left, owner, has_entries, ascending: Some(None), texts: 0 });
        Some(())
    }

    /// Notes that an entry ends here.
    fn finish(&mut self, owner: Index) -> Option<()> {
        let (end, after) = (position(self.at)?, self.next_index()?);
        let entry = self.document.entries.get_mut(owner as usize)?;
        entry.end = end;
        entry.after = after;
        Some(())
    }

    /// A key of an array whose elements are entries, in the one form in which PHP writes it.
    fn element_key(&mut self) -> Option<()> {
        match self.take()? {
            b'i' => {
                self.expect(b":")?;
                let start = self.at;
                self.signed_digits()?;
                let number = canonical_integer(self.document.bytes.get(start..self.at)?)?;
                let frame = self.frames.last_mut()?;
                frame.ascending = frame.ascending.filter(|&last| last < Some(number)).map(|_| Some(number));
            }
            b's' => {
                self.expect(b":")?;
                if canonical_integer(self.quoted()?).is_some() {
                    return None;
                }
                self.frames.last_mut()?.texts += 1;
            }
            _ => return None,
        }
        self.expect(b";")
    }

    /// A key of a container within a leaf.
    fn property_key(&mut self) -> Option<()> {
        match self.take()? {
            b'i' => self.integer(),
            b's' => {
                self.expect(b":")?;
                self.quoted()?;
                self.expect(b";")
            }
            _ => None,
        }
    }

    /// Whether no two of those keys of an array are equal of which equality is in question, `count` in number.
    fn has_distinct_keys(&self, array: Index, count: u32, is_in_question: fn(&[u8]) -> bool) -> bool {
        let document = &self.document;
        let mut keys = document.children(array).map(|child| document.key(child)).filter(|key| is_in_question(key));
        if count <= FEW {
            let mut seen = [&[][..]; FEW as usize];
            for (count, key) in keys.enumerate() {
                if seen.iter().take(count).any(|&other| other == key) {
                    return false;
                }
                if let Some(place) = seen.get_mut(count) {
                    *place = key;
                }
            }
            return true;
        }
        let mut seen = std::collections::HashSet::with_capacity(count as usize);
        keys.all(|key| seen.insert(key))
    }

    fn boolean(&mut self) -> Option<()> {
        self.expect(b":")?;
        if !matches!(self.take()?, b'0' | b'1') {
            return None;
        }
        self.expect(b";")
    }

    fn integer(&mut self) -> Option<()> {
        self.expect(b":")?;
        self.signed_digits()?;
        self.expect(b";")
    }

    fn float(&mut self) -> Option<()> {
        self.expect(b":")?;
        let rest = self.document.bytes.get(self.at..)?;
        for word in [&b"NAN;"[..], b"INF;", b"-INF;"] {
            if rest.starts_with(word) {
                self.at += word.len();
                return Some(());
            }
        }
        self.sign();
        let whole = self.digits();
        let mut fraction = 0;
        if self.peek()? == b'.' {
            self.at += 1;
            fraction = self.digits();
        }
        if whole + fraction == 0 {
            return None;
        }
        if matches!(self.peek()?, b'e' | b'E') {
            self.at += 1;
            self.signed_digits()?;
        }
        self.expect(b";")
    }

    fn enum_case(&mut self) -> Option<()> {
        self.expect(b":")?;
        if !self.quoted()?.contains(&b':') {
            return None;
        }
        self.expect(b";")
    }

    fn class_name(&mut self) -> Option<()> {
        self.expect(b":")?;
        if self.quoted()?.is_empty() {
            return None;
        }
        self.expect(b":")
    }

    fn custom_object(&mut self) -> Option<()> {
        self.class_name()?;
        let length = self.number()?;
        self.expect(b":{")?;
        let start = self.at;
        self.skip(length)?;
        let content = self.document.bytes.get(start..self.at)?;
        self.document.custom = true;
        let is_reference = |window: &[u8]| matches!(window, [b'R' | b'r', b':', b'0'..=b'9']);
        self.document.custom_references |= content.windows(3).any(is_reference);
        self.expect(b"}")
    }

    /// A back-reference whose letter is at `start`. It must name a slot below its own, as far as that is known: how
    /// many a `C:` object has taken is not.
    fn reference(&mut self, start: usize, slot: u32) -> Option<()> {
        self.expect(b":")?;
        let target = u32::try_from(self.number()?).ok()?;
        self.expect(b";")?;
        if target == 0 || (target >= slot && !self.document.custom) {
            return None;
        }
        let holder = self.document.holder(target);
        if let Some(holder) = self.document.entries.get_mut(holder as usize) {
            holder.is_bound |= holder.is_array && holder.slot == target;
        }
        let (at, end) = (position(start)?, position(self.at)?);
        self.document.references.push(Reference { at, end, target });
        Some(())
    }

    /// `length:"bytes"`.
    fn quoted(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.expect(b":\"")?;
        let start = self.at;
        self.skip(length)?;
        let found = self.document.bytes.get(start..self.at)?;
        self.expect(b"\"")?;
        Some(found)
    }

    fn signed_digits(&mut self) -> Option<()> {
        self.sign();
        (self.digits() > 0).then_some(())
    }

    fn sign(&mut self) {
        if matches!(self.peek(), Some(b'+' | b'-')) {
            self.at += 1;
        }
    }

    /// Skips digits and says how many.
    fn digits(&mut self) -> usize {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Option<u64> {
        let start = self.at;
        let mut number = 0_u64;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            number = number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
            self.at += 1;
        }
        (self.at > start).then_some(number)
    }

    fn skip(&mut self, length: u64) -> Option<()> {
        let behind = self.at.checked_add(usize::try_from(length).ok()?)?;
        if behind > self.document.bytes.len() {
            return None;
        }
        self.at = behind;
        Some(())
    }

    fn expect(&mut self, wanted: &[u8]) -> Option<()> {
        if !self.document.bytes.get(self.at..)?.starts_with(wanted) {
            return None;
        }
        self.at += wanted.len();
        Some(())
    }

    fn take(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn peek(&self) -> Option<u8> {
        self.document.bytes.get(self.at).copied()
    }

    fn next_index(&self) -> Option<Index> {
        position(self.document.entries.len())
    }
}

/// A place in a payload, none of which is too large for the type.
fn position(at: usize) -> Option<u32> {
    u32::try_from(at).ok()
}

/// The integer that PHP's arrays take such a key for: decimal, in its shortest form, within 64 bits.
fn canonical_integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    match digits {
        [b'0'] if digits.len() == text.len() => {}
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}
