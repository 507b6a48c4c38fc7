//! What went wrong, as an exit code.

use std::io::ErrorKind;

use cloakroom_paths::Refused;
use cloakroom_session::StoreError;
use cloakroom_store::AttachError;

/// A refusal of the command itself, beside those of stores.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// Something in the arguments that only turns out later.
    #[error("{0}")]
    Usage(String),
    /// No session has the name, or several do.
    #[error("{0}")]
    NoSession(String),
    /// A file is not what it should be.
    #[error("{0}")]
    Damaged(String),
    /// A file of another version.
    #[error("{0}")]
    OtherVersion(String),
}

/// Exit codes, as `--help` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Code {
    Done = 0,
    Failed = 1,
    Usage = 2,
    NoStore = 3,
    NotAllowed = 4,
    Damaged = 5,
    OtherVersion = 6,
    NoSession = 7,
}

/// The code for an error: that of the first cause that has one.
pub(crate) fn code(error: &anyhow::Error) -> Code {
    for cause in error.chain() {
        if let Some(refusal) = cause.downcast_ref::<Refusal>() {
            return match refusal {
                Refusal::Usage(_) => Code::Usage,
                Refusal::NoSession(_) => Code::NoSession,
                Refusal::Damaged(_) => Code::Damaged,
                Refusal::OtherVersion(_) => Code::OtherVersion,
            };
        }
        if let Some(error) = cause.downcast_ref::<AttachError>() {
            return of_attach(error);
        }
        if let Some(StoreError::Damaged { .. }) = cause.downcast_ref() {
            return Code::Damaged;
        }
        if let Some(Refused::Link { .. } | Refused::Exchangeable { .. }) = cause.downcast_ref() {
            return Code::NotAllowed;
        }
        if let Some(error) = cause.downcast_ref::<std::io::Error>() {
            return of_io(error);
        }
    }
    Code::Failed
}

fn of_attach(error: &AttachError) -> Code {
    match error {
        AttachError::Missing { .. } => Code::NoStore,
        AttachError::Directory { source, .. } | AttachError::Open { source, .. } | AttachError::Io { source, .. } => {
            of_io(source)
        }
        AttachError::UnsafeDirectory { .. }
        | AttachError::ForeignDirectory { .. }
        | AttachError::FileSystem { .. }
        | AttachError::NotAFile { .. }
        | AttachError::Owner { .. }
        | AttachError::Mode { .. } => Code::NotAllowed,
        AttachError::Foreign { .. } => Code::Damaged,
        AttachError::LaterFormat { .. } | AttachError::OtherFormat { .. } => Code::OtherVersion,
        AttachError::Upgrade { .. }
        | AttachError::OtherSecret { .. }
        | AttachError::NoSpace { .. }
        | AttachError::Busy { .. } => Code::Failed,
    }
}

fn of_io(error: &std::io::Error) -> Code {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Code::NoStore,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Code::NotAllowed,
        _ => Code::Failed,
    }
}
