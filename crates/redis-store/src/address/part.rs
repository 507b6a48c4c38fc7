//! A piece of a URL that keeps its position, so that errors can say where.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

use super::error::{AddressError, Problem};

/// A piece of the URL and the position of its first character, counted from 1.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
}

impl<'a> Part<'a> {
    /// What stands before and after the first `separator`, which is one byte long.
    pub(super) fn cut(self, separator: char) -> Option<(Part<'a>, Part<'a>)> {
        let (before, after) = self.text.split_once(separator)?;
        Some((Part { text: before, at: self.at }, Part { text: after, at: self.at + before.len() + 1 }))
    }

    /// The pieces between separators; one where there is none.
    pub(super) fn split(self, separator: char) -> impl Iterator<Item = Part<'a>> {
        let mut rest = Some(self);
        std::iter::from_fn(move || {
            let part = rest?;
            let cut = part.cut(separator);
            rest = cut.map(|(_, after)| after);
            Some(cut.map_or(part, |(before, _)| before))
        })
    }

    pub(super) fn error(self, problem: Problem) -> AddressError {
        AddressError { problem, at: self.at }
    }

    /// An error at the separator before this part.
    pub(super) fn before(self, problem: Problem) -> AddressError {
        AddressError { problem, at: self.at - 1 }
    }

    /// An error behind this part.
    pub(super) fn after(self, problem: Problem) -> AddressError {
        AddressError { problem, at: self.at + self.text.len() }
    }

    pub(super) fn decode_bytes(self, name: &'static str) -> Result<Vec<u8>, AddressError> {
        let mut bytes = Vec::with_capacity(self.text.len());
        let mut rest = self.text.bytes().enumerate();
        while let Some((i, byte)) = rest.next() {
            if byte != b'%' {
                bytes.push(byte);
                continue;
            }
            let mut digit = || rest.next().and_then(|(_, digit)| char::from(digit).to_digit(16));
            let value = digit().zip(digit()).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
            bytes.push(value.ok_or(AddressError { problem: Problem::Escape, at: self.at + i })?);
        }
        if bytes.contains(&0) { Err(self.error(Problem::Nul(name))) } else { Ok(bytes) }
    }

    pub(super) fn decode(self, name: &'static str) -> Result<String, AddressError> {
        String::from_utf8(self.decode_bytes(name)?).map_err(|_| self.error(Problem::NotUtf8(name)))
    }

    pub(super) fn decode_path(self, name: &'static str) -> Result<PathBuf, AddressError> {
        Ok(OsString::from_vec(self.decode_bytes(name)?).into())
    }
}

/// Decimal digits only: the standard parser would take a sign.
pub(super) fn number(text: &str) -> Option<u32> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}
