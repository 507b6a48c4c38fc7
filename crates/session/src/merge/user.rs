//! Whose session a payload is, by the paths of `cloakroom.user`, and whether two requests contradict each other about that.

use super::Format;
use super::document::{Document, Index, ROOT};
use super::names::{element_name, variable_name};
use super::scan::canonical_integer;
use crate::serialized::{Reader, Token};
use crate::user_path::{Name, UserPath};

/// The user of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum User<'a> {
    Nobody,
    /// By the bytes of the id: of a string what is in it, of an integer its digits. No path leads to an empty one.
    Known(&'a [u8]),
    /// There is something of which it cannot be told.
    Untold,
}

/// The user of a session. Costs a pass over the keys of the arrays on the paths, for each path.
pub(super) fn user<'a>(format: Format, document: &Document<'a>, path: &UserPath) -> User<'a> {
    let found = path.paths().map(|names| user_at(format, document, names)).find(|user| *user != User::Nobody);
    found.unwrap_or(User::Nobody)
}

fn user_at<'a>(format: Format, document: &Document<'a>, names: &[Name]) -> User<'a> {
    // The elements that the names so far lead to, in the order of the payload. Arrays that a back-reference names are not gone into
    // a second time, so all of them together are at most the elements of the payload.
    let mut reached = vec![ROOT];
    let mut is_untold = false;
    for (depth, name) in names.iter().enumerate() {
        if depth > 0 {
            reached.retain(|&at| {
                let is_array = document.entry(at).is_array;
                is_untold |= !is_array && told(document, at) == User::Untold;
                is_array
            });
        }
        let is_meant = |&child: &Index| {
            let key = document.key(child);
            let found = if depth == 0 { variable_name(format, key) } else { element_name(key) };
            found.is_some_and(|found| name.matches(found))
        };
        reached = reached.iter().flat_map(|&array| document.children(array)).filter(is_meant).collect();
    }
    let mut users = reached.iter().map(|&at| told(document, at));
    if is_untold || users.clone().any(|user| user == User::Untold) {
        return User::Untold;
    }
    users.find(|user| *user != User::Nobody).unwrap_or(User::Nobody)
}

/// The user that a value names.
fn told<'a>(document: &Document<'a>, at: Index) -> User<'a> {
    match token(document, at) {
        Some(Token::Reference(target)) => {
            let holder = document.holder(target);
            // A value in an object is none of an entry's.
            if document.entry(holder).slot == target { named(token(document, holder)) } else { User::Untold }
        }
        value => named(value),
    }
}

fn token<'a>(document: &Document<'a>, at: Index) -> Option<Token<'a>> {
    let entry = document.entry(at);
    Reader::new(document.text(entry.value, entry.end)).token()
}

fn named(value: Option<Token<'_>>) -> User<'_> {
    match value {
        Some(Token::Null | Token::Bool(false) | Token::Text(b"")) => User::Nobody,
        Some(Token::Text(text)) => User::Known(text),
        Some(Token::Int(digits)) if canonical_integer(digits).is_some() => User::Known(digits),
        _ => User::Untold,
    }
}

/// The users of the three sessions of a merge.
pub(super) struct Users<'a> {
    format: Format,
    path: &'a UserPath,
    documents: [&'a Document<'a>; 3],
    was: User<'a>,
    mine: User<'a>,
    theirs: User<'a>,
}

impl<'a> Users<'a> {
    /// Those of base, mine and theirs.
    pub(super) fn of(format: Format, path: &'a UserPath, documents: [&'a Document<'a>; 3]) -> Self {
        let [was, mine, theirs] = documents.map(|document| user(format, document, path));
        Self { format, path, documents, was, mine, theirs }
    }

    /// Whether mine and theirs have changed the user to different ones.
    pub(super) fn contradict(&self) -> bool {
        if !self.are_told() {
            let [base, mine, theirs] = self.documents.map(|document| Variables::of(self.format, document, self.path));
            return mine.differ_from(&base) && theirs.differ_from(&base) && mine.differ_from(&theirs);
        }
        self.mine != self.was && self.theirs != self.was && self.mine != self.theirs
    }

    /// Whether a side has changed the user, as far as that can be told.
    pub(super) fn have_changed(&self) -> bool {
        self.are_told() && (self.mine != self.was || self.theirs != self.was)
    }

    /// Whether a merged session has the user that a side has changed it to.
    pub(super) fn agree_with(&self, merged: &Document<'_>) -> bool {
        let user = user(self.format, merged, self.path);
        [self.mine, self.theirs].iter().all(|&side| side == self.was || side == user)
    }

    fn are_told(&self) -> bool {
        ![self.was, self.mine, self.theirs].contains(&User::Untold)
    }
}

/// The variables in which paths begin, as they are written.
struct Variables<'a> {
    written: Vec<&'a [u8]>,
    /// What back-references mean is not in the bytes.
    have_references: bool,
}

impl<'a> Variables<'a> {
    fn of(format: Format, document: &Document<'a>, path: &UserPath) -> Self {
        let mut variables = Self { written: Vec::new(), have_references: false };
        for at in document.children(ROOT) {
            let name = variable_name(format, document.key(at)).unwrap_or_default();
            if path.paths().any(|names| names.first().is_some_and(|first| first.matches(name))) {
                let entry = document.entry(at);
                variables.written.push(document.text(entry.key, entry.end));
                variables.have_references |= !document.references_in(entry.value, entry.end).is_empty();
            }
        }
        variables
    }

    fn differ_from(&self, other: &Self) -> bool {
        self.have_references || other.have_references || self.written != other.written
    }
}

#[cfg(test)]
mod tests;
