//! The three-way merge of encoded session payloads: the one that a request read, the one that it writes, and the one that
//! another request has stored meanwhile.
//!
//! | module | what it holds |
//! |---|---|
//! | `scan` | tokens ([`crate::serialized`]) to a `Document`: one pass, no recursion |
//! | `document` | the elements of a payload as spans of its bytes, and its back-references |
//! | `compare` | which elements of two payloads have the same path, and whether they are equal |
//! | `plan` | whose element is kept at each path |
//! | `lists` | which elements of lists are kept, and where |
//! | `align` | the merge of sequences that `lists` is |
//! | `names` | the names in keys |
//! | `bags` | the variables in which frameworks keep a whole session |
//! | `user` | whose session it is, and whether two requests contradict each other about that |
//! | `still_same` | which variables of one payload another has, too, with equal values |
//! | `write` | the kept elements as one payload, back-references and lists renumbered |
//!
//! # What is merged
//!
//! The session is an array of variables; arrays in it are merged, maps key by key, however deep, and lists as sequences.
//! Everything else is a *leaf* and kept whole: scalars, strings, objects, enum cases, `C:` objects, and arrays that a PHP
//! reference is bound to, in mine or in theirs. Per key of a map, relative to what was read (`base`):
//!
//! | mine | theirs | kept |
//! |---|---|---|
//! | unchanged | anything, also added or removed | theirs |
//! | changed, added or removed | unchanged | mine |
//! | the same change of a leaf | the same change | either |
//! | an array | an array | both, merged |
//! | any other change, or addition, or removal | a different one | a contradiction |
//!
//! - **A contradiction is not mixed.** The innermost map that holds one is mine as a whole, and counted as one conflict. Only
//!   the session's own variables are independent of each other, and so are the keys of a *bag* (see `bags`): there mine of
//!   the one key is kept (removed where mine is), and counted.
//! - Two requests that add an array under one key are merged as if the key had held an empty array.
//! - **Lists** are arrays with the keys 0, 1, 2 and so on, on each side that has the value; an empty array is what the others
//!   are. Their elements are whole, and compared by their bytes. Where all three lists are of one length they are merged
//!   place by place: mine where only mine has changed or where both have, to different elements, which is counted. Otherwise each
//!   side is aligned with the base. An element of the base stays unless a side has removed it. What a side has inserted is
//!   inserted in its place: theirs, then mine, both of equal ones, too. The result is a list. Where a side has removed the key it has
//!   removed all elements: if the other has only inserted some, they are left, and if it has only removed some, nothing.
//! - Lists that are too long to be aligned (more than a million pairs of elements between what they have in common at their
//!   beginnings and ends, or four million in all lists of a merge), lists of which elements have back-references to values
//!   elsewhere, and those that the base had by a back-reference are mine, and counted.
//! - Where one side alone has touched an array it is kept as that side wrote it, order included. Where both have touched a
//!   map, the order is theirs, followed by the keys that only mine has. Keys that only changed their order are no change.
//!
//! # Users
//!
//! Where it is known at which paths the user's id stands ([`UserPath`]), what belongs to one user is not mixed with what belongs
//! to another. Both may have changed the user, to different ones, where logging out counts as a change to nobody; or the user
//! that only one side has changed would not be the result's, because the other has touched that value as well. Then nothing is
//! merged: the result is mine as a whole, and one conflict.
//!
//! The first path that leads to somebody counts, and of keys that a `*` matches the first in the payload's order. Somebody is an
//! integer or a string; the integer 5 and the string "5" are the same, and 0 is somebody. Nobody is what is not there, null,
//! false and the empty string. Anything else there or on the way *cannot be told*: then both have changed the user
//! differently where both have changed the variables differently in which paths begin, or in which there are back-references.
//!
//! # Back-references
//!
//! `R:` (a PHP reference) and `r:` (an object seen before) name a value by its *slot*: values are numbered from 1 as PHP
//! decodes them, through the whole payload, over all variables. A value takes a slot, an `R:` does not, keys do not, the
//! array that `php_serialize` puts around the variables does. A back-reference has the value of its target: it is
//! unchanged when it names the same path and that value is unchanged. In the merged payload a target must come from the
//! same side as the reference, or be equal on both sides; otherwise the reference crosses from one side's state to
//! another's and the payloads are not merged ([`Reason::CrossingReference`]).
//!
//! The content of a `C:` object is its class's own, takes an unknown number of slots and may hold back-references, which
//! can only be recognized where they are plain text. Beside any back-reference such payloads are not merged
//! ([`Reason::CustomBesideReferences`]).
//!
//! # What is still the same
//!
//! [`still_same()`] is not a merge: it keeps what two payloads, an older and a newer one, have in common, and nothing else.
//! It compares as the merge does, variables and the keys of bags, each of them whole: an array in which anything differs is
//! left out. A bag of which no key is the same is left out, too, unless it has none in both. What has a back-reference is
//! kept where the back-reference names the same path in both and the variable (or key) that stands there is kept. Of values that a
//! PHP reference binds, the first is kept alone where the others are not the same; the others are not kept without the first.
//! What cannot be read, and payloads with a `C:` object beside back-references, have nothing in common unless they are equal.
//!
//! # Limits
//!
//! Payloads may be hostile. Memory is some twelve times their size at most, and two megabytes, whatever lengths and counts they
//! state; time is linear (n log n where there are back-references) and a few milliseconds for the alignment of lists; and
//! nothing recurses. What PHP itself would not write is not merged: a
//! key twice in one array, integers that are not in their shortest form as keys, the escaped strings `S:`.

mod align;
mod bags;
mod compare;
mod document;
mod lists;
mod names;
mod plan;
mod scan;
mod still_same;
mod user;
mod write;

use crate::user_path::UserPath;
use document::Document;
pub use still_same::still_same;
use user::Users;

/// How a payload is encoded: PHP's `session.serialize_handler`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `name|value` after `name|value`.
    Php,
    /// One serialized array.
    PhpSerialize,
    /// A length byte, the name, the value.
    PhpBinary,
    /// Any other: the merge cannot read its bytes.
    Opaque,
}

impl Format {
    /// The format of PHP's serialize handler of this name.
    #[must_use]
    pub fn of_handler(name: &str) -> Self {
        match name {
            "php" => Self::Php,
            "php_serialize" => Self::PhpSerialize,
            "php_binary" => Self::PhpBinary,
            _ => Self::Opaque,
        }
    }
}

/// The outcome of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Merged {
    /// The changes of both are kept.
    Merged {
        /// The payload to store.
        payload: Vec<u8>,
        /// What both changed differently, as the documentation of the merge counts it: mine was kept.
        conflicts: u32,
    },
    /// The payloads cannot be merged: the last write is to win as a whole.
    Fallback(Reason),
}

/// Why payloads cannot be merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The format is opaque.
    OpaqueFormat,
    /// A payload is not one that PHP writes in this format.
    Malformed,
    /// A back-reference would have to name a value of the other side's state.
    CrossingReference,
    /// A payload has back-references and another, or the same, a `C:` object.
    CustomBesideReferences,
    /// A payload is larger than 2 GiB.
    TooLarge,
}

/// Positions in a payload and slots, also those of a result, are 32-bit numbers.
const LARGEST: usize = 1 << 31;

/// Merges what I write (`mine`), having read `base`, into what is stored now (`theirs`).
///
/// An empty payload is an empty session. Where only one side differs from `base` its payload is the result, byte for
/// byte and in any format. Where both are the same there is no conflict, and lists have what both have inserted.
#[must_use]
pub fn merge(format: Format, base: &[u8], mine: &[u8], theirs: &[u8]) -> Merged {
    merge_with_user(format, &UserPath::NONE, base, mine, theirs)
}

/// [`merge`] of sessions whose user's id stands at `user`: what two users have is not mixed. Costs little more, and where somebody
/// has logged in or out another scan of the result.
#[must_use]
pub fn merge_with_user(format: Format, user: &UserPath, base: &[u8], mine: &[u8], theirs: &[u8]) -> Merged {
    if base == theirs {
        return Merged::Merged { payload: mine.to_vec(), conflicts: 0 };
    }
    if mine == base {
        return Merged::Merged { payload: theirs.to_vec(), conflicts: 0 };
    }
    match merge_changed(format, user, base, mine, theirs) {
        // Where both have made the same, lists may still grow by what both have inserted, and nothing contradicts.
        Ok((payload, conflicts)) => Merged::Merged { payload, conflicts: if mine == theirs { 0 } else { conflicts } },
        // Whichever of them is written last, it is this one.
        Err(_) if mine == theirs => Merged::Merged { payload: mine.to_vec(), conflicts: 0 },
        Err(reason) => Merged::Fallback(reason),
    }
}

/// Whether PHP could have written this payload in this format. Of an opaque format every payload may be.
#[must_use]
pub fn is_of(format: Format, payload: &[u8]) -> bool {
    payload.len() > LARGEST || !matches!(scan::scan(format, payload), Err(Reason::Malformed))
}

fn merge_changed(
    format: Format,
    user: &UserPath,
    base: &[u8],
    mine: &[u8],
    theirs: &[u8],
) -> Result<(Vec<u8>, u32), Reason> {
    is_readable(format, &[base, mine, theirs])?;
    let base = scan::scan(format, base)?;
    let mine = scan::scan(format, mine)?;
    let theirs = scan::scan(format, theirs)?;
    has_plain_slots(&[&base, &mine, &theirs])?;
    let users = (!user.is_none()).then(|| Users::of(format, user, [&base, &mine, &theirs]));
    if users.as_ref().is_some_and(Users::contradict) {
        return Ok((mine.bytes.to_vec(), 1));
    }

    let (payload, conflicts) = {
        let plan = plan::plan(format, &base, &mine, &theirs)?;
        (write::write(format, &plan, &mine, &theirs)?, plan.conflicts)
    };
    if let Some(users) = users.filter(Users::have_changed)
        && !users.agree_with(&scan::scan(format, &payload)?)
    {
        return Ok((mine.bytes.to_vec(), 1));
    }
    Ok((payload, conflicts))
}

/// Fails where payloads are not to be scanned.
fn is_readable(format: Format, payloads: &[&[u8]]) -> Result<(), Reason> {
    if format == Format::Opaque {
        return Err(Reason::OpaqueFormat);
    }
    if payloads.iter().any(|payload| payload.len() > LARGEST) {
        return Err(Reason::TooLarge);
    }
    Ok(())
}

/// Fails where it is not known which slots are whose.
fn has_plain_slots(documents: &[&Document<'_>]) -> Result<(), Reason> {
    let has_custom = documents.iter().any(|document| document.has_custom());
    if has_custom && documents.iter().any(|document| document.has_references()) {
        return Err(Reason::CustomBesideReferences);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
