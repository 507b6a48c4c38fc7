//! A password that cannot be shown by accident, and where it comes from.

use std::fmt;
use std::io::Read as _;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

/// The most bytes that a file with a password may have.
const MAX_FILE: u64 = 4096;

/// A password, or where it is to be found. Neither [`fmt::Debug`] nor an error shows its text, or the name that was
/// given for its place, which might be the password itself in the wrong option.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Source);

#[derive(Clone, PartialEq, Eq)]
enum Source {
    Literal(String),
    Environment(String),
    File(PathBuf),
}

/// Why a password is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// No such environment variable.
    #[error(
        "the environment variable that is named for the password is not set; \
         php-fpm hands on only what its pool configures: env[NAME] = value, or clear_env = no"
    )]
    NotSet,
    /// The file cannot be read.
    #[error("the file that is named for the password cannot be read: {0}")]
    Unreadable(std::io::ErrorKind),
    /// The file is not one line.
    #[error("the file that is named for the password must hold it in one line of at most {MAX_FILE} bytes")]
    NotOneLine,
    /// Nothing there.
    #[error("the environment variable or file that is named for the password is empty")]
    Empty,
    /// The bytes are not text.
    #[error("what the environment variable or file that is named for the password holds is not UTF-8")]
    NotUtf8,
}

impl Secret {
    /// The password itself.
    #[must_use]
    pub fn literal(password: String) -> Self {
        Self(Source::Literal(password))
    }

    /// The password in an environment variable.
    #[must_use]
    pub fn in_environment(variable: String) -> Self {
        Self(Source::Environment(variable))
    }

    /// The password in the only line of a file.
    #[must_use]
    pub fn in_file(path: PathBuf) -> Self {
        Self(Source::File(path))
    }

    /// The password, as it is now: the environment or the file is read each time, so that a changed password is
    /// found with the next connection.
    ///
    /// # Errors
    /// [`SecretError`] where the environment or the file does not give one.
    pub fn reveal(&self) -> Result<String, SecretError> {
        let bytes = match &self.0 {
            Source::Literal(password) => return Ok(password.clone()),
            Source::Environment(variable) => std::env::var_os(variable).ok_or(SecretError::NotSet)?.into_vec(),
            Source::File(path) => {
                let mut bytes = Vec::new();
                let unreadable = |error: std::io::Error| SecretError::Unreadable(error.kind());
                // One byte more than allowed tells a file that is too long.
                let file = std::fs::File::open(path).map_err(unreadable)?;
                file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
                if bytes.len() as u64 > MAX_FILE {
                    return Err(SecretError::NotOneLine);
                }
                let line = bytes.strip_suffix(b"\n").map(|line| line.strip_suffix(b"\r").unwrap_or(line));
                let line = line.unwrap_or(&bytes);
                if line.contains(&b'\n') {
                    return Err(SecretError::NotOneLine);
                }
                line.to_vec()
            }
        };
        if bytes.is_empty() {
            return Err(SecretError::Empty);
        }
        String::from_utf8(bytes).map_err(|_| SecretError::NotUtf8)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Source::Literal(_) => "Secret(literal)",
            Source::Environment(_) => "Secret(environment)",
            Source::File(_) => "Secret(file)",
        })
    }
}
