//! What a server answers, as far as servers answer it to questions of ours.

/// An answer, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing is there.
    Nil,
    /// It is done; which words say so does not matter.
    Status,
    /// A number.
    Int(i64),
    /// Any bytes.
    BulkString(Vec<u8>),
    /// Several.
    Array(Vec<Value>),
    /// It is not done.
    ServerError(Box<ServerError>),
}

/// An error in the server's own words, which may be anybody's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerError {
    code: String,
    detail: String,
}

impl ServerError {
    /// The error of a line.
    pub(crate) fn of(line: &[u8]) -> Self {
        let text = String::from_utf8_lossy(line);
        let (code, detail) = text.split_once(' ').unwrap_or((&text, ""));
        Self { code: code.to_owned(), detail: detail.to_owned() }
    }

    /// The first word.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.code
    }

    /// What follows it.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }
}
