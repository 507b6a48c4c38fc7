//! Finds the elements and back-references of a payload in one pass over its bytes.
//!
//! Containers that nest are kept on a stack of our own, at most one frame for each container that has begun. A stated count is never
//! believed: it is compared with the bytes that are left, and counted down as elements are found.

use super::document::{Document, Entry, Index, ROOT, Reference};
use super::{Format, Reason};
use crate::serialized::{Key, Reader, Token, integer};

/// Scans a payload of at most [`super::LARGEST`] bytes. What is not wholly and exactly of the format is malformed.
pub(super) fn scan(format: Format, bytes: &[u8]) -> Result<Document<'_>, Reason> {
    let mut scanner = Scanner::new(bytes);
    let done = match format {
        Format::Php => scanner.variables(Reader::delimited_name),
        Format::PhpBinary => scanner.variables(Reader::counted_name),
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
    reader: Reader<'a>,
    frames: Vec<Frame>,
}

/// `None` is always: malformed.
impl<'a> Scanner<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let mut entries = Vec::with_capacity(bytes.len() / 32 + 8);
        entries.push(Entry { is_array: true, after: 1, ..Entry::default() });
        let references = Vec::new();
        let document = Document { bytes, entries, references, slots: 1, custom: false, custom_references: false };
        Self { document, reader: Reader::new(bytes), frames: Vec::new() }
    }

    fn serialized_array(&mut self) -> Option<()> {
        if self.document.bytes.is_empty() {
            // Its slot is taken in whatever payload the result is.
            self.document.slots = 2;
            return Some(());
        }
        self.document.entries.clear();
        if self.reader.peek()? != b'a' {
            return None;
        }
        self.value(0, true)?;
        self.members()?;
        (self.reader.left() == 0).then_some(())
    }

    fn variables(&mut self, name: fn(&mut Reader<'a>) -> Option<&'a [u8]>) -> Option<()> {
        let mut count = 0_u32;
        while self.reader.left() > 0 {
            let key = self.reader.at();
            name(&mut self.reader)?;
            self.value(key, true)?;
            self.members()?;
            count += 1;
        }
        let after = self.next_index()?;
        let end = position(self.reader.at())?;
        *self.document.entries.get_mut(ROOT as usize)? =
            Entry { end, after, len: count, is_array: true, ..Entry::default() };
        self.has_distinct_keys(ROOT, count, |_| true).then_some(())
    }

    /// Reads the members of all containers that have begun, and their ends.
    fn members(&mut self) -> Option<()> {
        while let Some(frame) = self.frames.last_mut() {
            let has_entries = frame.has_entries;
            if frame.left > 0 {
                frame.left -= 1;
                let start = self.reader.at();
                let key = self.reader.key()?;
                if has_entries {
                    frame.note_key(key)?;
                    self.states_one_form(start)?;
                }
                self.value(start, has_entries)?;
                continue;
            }
            let (owner, ascending, texts) = (frame.owner, frame.ascending.is_some(), frame.texts);
            self.reader.end()?;
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
        let start = self.reader.at();
        let slot = self.document.slots;
        let token = self.reader.token()?;
        if !matches!(token, Token::Reference(_)) {
            self.document.slots += 1;
        }
        let owner = is_entry.then(|| self.next_index()).flatten();
        if is_entry {
            let (key, value) = (position(key)?, position(start)?);
            let is_array = matches!(token, Token::Array(_));
            self.document.entries.push(Entry { key, value, slot, is_array, ..Entry::default() });
        }
        match token {
            Token::Null | Token::Bool(_) | Token::Int(_) | Token::Float(_) | Token::Text(_) => {}
            Token::Enum(case) if case.contains(&b':') => {}
            Token::Custom(class, data) if !class.is_empty() => self.custom_object(data),
            Token::Reference(target) | Token::Same(target) => self.reference(start, slot, target)?,
            Token::Array(count) => {
                self.states_one_form(start)?;
                return self.begin(count, owner, is_entry);
            }
            Token::Object(class, count) if !class.is_empty() => return self.begin(count, owner, false),
            Token::Enum(_) | Token::Custom(..) | Token::Object(..) => return None,
        }
        owner.map_or(Some(()), |owner| self.finish(owner))
    }

    /// Whether the length of a key, or the count of an array, is without zeros before it: what is the same is written alike.
    fn states_one_form(&self, start: usize) -> Option<()> {
        let stated = self.document.bytes.get(start..)?;
        (!matches!(stated, [b's' | b'a', b':', b'0', b'0'..=b'9', ..])).then_some(())
    }

    /// An array or object of `count` members begins, whose opening brace was the last byte read.
    fn begin(&mut self, count: u64, owner: Option<Index>, has_entries: bool) -> Option<()> {
        let most = self.reader.left() / SMALLEST_ELEMENT;
        let left = u32::try_from(count).ok().filter(|&count| count as usize <= most)?;
        if let (true, Some(owner)) = (has_entries, owner) {
            self.document.entries.get_mut(owner as usize)?.len = left;
        }
        self.frames.push(Frame { left, owner, has_entries, ascending: Some(None), texts: 0 });
        Some(())
    }

    /// Notes that an entry ends at the last byte read.
    fn finish(&mut self, owner: Index) -> Option<()> {
        let (end, after) = (position(self.reader.at())?, self.next_index()?);
        let entry = self.document.entries.get_mut(owner as usize)?;
        entry.end = end;
        entry.after = after;
        Some(())
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
                if let Some(free) = seen.get_mut(count) {
                    *free = key;
                }
            }
            return true;
        }
        let mut seen = std::collections::HashSet::with_capacity(count as usize);
        keys.all(|key| seen.insert(key))
    }

    /// Notes an object that encodes itself, by the bytes that it wrote.
    fn custom_object(&mut self, data: &[u8]) {
        self.document.custom = true;
        let is_reference = |window: &[u8]| matches!(window, [b'R' | b'r', b':', b'0'..=b'9']);
        self.document.custom_references |= data.windows(3).any(is_reference);
    }

    /// Notes a back-reference to `target` whose letter is at `start`. It must name a slot below its own, as far as that is
    /// known: how many a `C:` object has taken is not.
    fn reference(&mut self, start: usize, slot: u32, target: u32) -> Option<()> {
        if target >= slot && !self.document.custom {
            return None;
        }
        let holder = self.document.holder(target);
        if let Some(holder) = self.document.entries.get_mut(holder as usize) {
            holder.is_bound |= holder.is_array && holder.slot == target;
        }
        let (at, end) = (position(start)?, position(self.reader.at())?);
        self.document.references.push(Reference { at, end, target });
        Some(())
    }

    fn next_index(&self) -> Option<Index> {
        position(self.document.entries.len())
    }
}

impl Frame {
    /// Notes a key of an array whose elements are entries; `None` where it is not in the one form in which PHP writes it.
    fn note_key(&mut self, key: Key<'_>) -> Option<()> {
        match key {
            Key::Int(written) => {
                let number = canonical_integer(written)?;
                self.ascending = self.ascending.filter(|&last| last < Some(number)).map(|_| Some(number));
            }
            Key::Text(text) if canonical_integer(text).is_some() => return None,
            Key::Text(_) => self.texts += 1,
        }
        Some(())
    }
}

/// A position in a payload, none of which is too large for the type.
fn position(at: usize) -> Option<u32> {
    u32::try_from(at).ok()
}

/// The integer that PHP's arrays take such a key for: decimal, in its shortest form, within 64 bits.
pub(super) fn canonical_integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    match digits {
        [b'0'] if digits.len() == text.len() => {}
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    integer(text)
}
