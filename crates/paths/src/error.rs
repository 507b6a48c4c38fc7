//! Why a path is not followed.

use std::path::PathBuf;

use rustix::io::Errno;

/// Why a path is not followed, or leads to nothing that is of use.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// A link that somebody planted who may not say where the path leads.
    #[error(
        "{path} is a symbolic link that user {owner} made, or could have put there; name the directory that it leads to"
    )]
    Link {
        /// The link.
        path: PathBuf,
        /// Its owner, or the owner of the directory that it lies in.
        owner: u32,
    },
    /// Others could have put there what lies there.
    #[error("user {owner} can exchange {path}, or others can; only root should be able to")]
    Exchangeable {
        /// What can be exchanged.
        path: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// The system says no.
    #[error("{path}: {source}")]
    System {
        /// How far the path was followed.
        path: PathBuf,
        /// Why not further.
        source: std::io::Error,
    },
}

impl Refused {
    pub(crate) fn system(path: impl Into<PathBuf>, error: Errno) -> Self {
        Refused::System { path: path.into(), source: error.into() }
    }

    /// What the system said, where it did.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Refused::System { source, .. } => Errno::from_io_error(source),
            Refused::Link { .. } | Refused::Exchangeable { .. } => None,
        }
    }
}
