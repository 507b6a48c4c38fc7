//! Root in charge of a user's session files. Root may open everything, so whoever can exchange the directory, or a name in it,
//! for a link would have root read and write elsewhere. Therefore the directory is opened once, at the end of a way on which
//! only root's links count, and must belong to root or to the user; and what is done in it is done with the user's rights.

use std::os::fd::OwnedFd;

use cloakroom_paths::rights::Taken;
use cloakroom_paths::{Links, Refused, Rights, walk};
use rustix::fs::{Stat, fstat};

use super::Files;
use crate::{Error, Source as _};

/// The directory, and the user for whom root works in it.
#[derive(Debug)]
pub(super) struct Charge {
    pub(super) directory: OwnedFd,
    rights: Rights,
}

impl Files {
    /// Opens the directory once and for all, where this process has root's rights: from then on it works with those of the user
    /// whose sessions are meant. For any other process nothing changes, as it can do no more than its user can.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where the way or the directory is somebody else's.
    pub fn in_charge(mut self) -> Result<Self, Error> {
        if !rustix::process::geteuid().is_root() {
            return Ok(self);
        }
        let rights = Rights::of(self.user.unwrap_or(0));
        let directory = walk::directory(&self.directory, Links::OfRoot).map_err(|error| self.not_reached(&error))?;
        let stat = fstat(&directory).map_err(|error| self.unavailable("the directory cannot be looked at", error))?;
        if let Some(fault) = fault_of(&stat, &rights) {
            return Err(Error::Unavailable { location: self.location(), reason: fault });
        }
        self.charge = Some(Charge { directory, rights });
        Ok(self)
    }

    /// The rights of the user for whom root works, until what is returned is dropped.
    pub(super) fn with_rights(&self) -> Result<Option<Taken>, Error> {
        let taken = self.charge.as_ref().map(|charge| charge.rights.take());
        taken.transpose().map_err(|error| self.unavailable("the rights of its user cannot be taken", error))
    }

    /// That the path does not lead to the directory.
    pub(super) fn not_reached(&self, refused: &Refused) -> Error {
        let reason = format!("the directory cannot be reached: {refused}");
        Error::Unavailable { location: self.location(), reason }
    }
}

/// What is wrong with the directory as one in which root works for the user, by the rules that the directory of a store has.
fn fault_of(directory: &Stat, rights: &Rights) -> Option<String> {
    let (owner, user, mode) = (directory.st_uid, rights.user(), directory.st_mode);
    if owner != 0 && owner != user {
        return Some(format!(
            "the directory belongs to user {owner}, who could exchange its files; it must belong to user {user} or to root"
        ));
    }
    let group = mode & 0o020 != 0 && directory.st_gid != 0 && !rights.has_group(directory.st_gid);
    (mode & 0o1000 == 0 && (mode & 0o002 != 0 || group)).then(|| {
        "the directory can be written by other users and has no sticky bit, so they could exchange its files; run chmod +t \
         or chmod go-w on it"
            .to_owned()
    })
}

#[cfg(test)]
mod tests;
