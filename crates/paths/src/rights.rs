//! The rights of a user, taken on by root for a while: what that user may not open, root does not open for that user.
//!
//! Linux keeps the ids by the thread, and these calls change those of the thread that makes them. Root's rights stay within reach,
//! as the ids that were saved are kept: this guards against where names lead, not against code of the user in this process.

use std::marker::PhantomData;
use std::path::Path;

use rustix::fs::{Gid, Uid};
use rustix::io::Errno;
use rustix::process::{getegid, geteuid, getgroups};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

/// The group of those who have none: Debian's "nogroup".
const NO_GROUP: u32 = 65534;

/// What a user may do as user and groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    user: u32,
    group: u32,
    /// All groups, the first one among them.
    groups: Vec<u32>,
}

/// A thread with the rights of a user, until this is dropped.
pub struct Taken {
    before: Option<(u32, u32, Vec<Gid>)>,
    /// It is about the thread that made it.
    _thread: PhantomData<*const ()>,
}

impl Rights {
    /// Those of `user` by `/etc/passwd` and `/etc/group`. A user who is not in these has no group, which is the least.
    #[must_use]
    pub fn of(user: u32) -> Self {
        let read = |path| std::fs::read(Path::new(path)).unwrap_or_default();
        Self::by(user, &String::from_utf8_lossy(&read("/etc/passwd")), &String::from_utf8_lossy(&read("/etc/group")))
    }

    fn by(user: u32, users: &str, groups: &str) -> Self {
        let of_line = |line: &str| {
            let mut fields = line.split(':');
            let name = fields.next()?.to_owned();
            let number = fields.nth(1)?.parse::<u32>().ok()?;
            (number == user).then_some(())?;
            Some((name, fields.next()?.parse::<u32>().ok()?))
        };
        let Some((name, group)) = users.lines().find_map(of_line) else {
            return Self { user, group: NO_GROUP, groups: vec![NO_GROUP] };
        };
        let with_user = |line: &str| {
            let mut fields = line.split(':');
            let number = fields.nth(2)?.parse::<u32>().ok()?;
            fields.next()?.split(',').any(|member| member.trim() == name).then_some(number)
        };
        let mut all: Vec<u32> = std::iter::once(group).chain(groups.lines().filter_map(with_user)).collect();
        all.sort_unstable();
        all.dedup();
        Self { user, group, groups: all }
    }

    /// Whose they are.
    #[must_use]
    pub fn user(&self) -> u32 {
        self.user
    }

    /// The user's own group.
    #[must_use]
    pub fn group(&self) -> u32 {
        self.group
    }

    /// Whether the user is in this group.
    #[must_use]
    pub fn has_group(&self, group: u32) -> bool {
        self.groups.contains(&group)
    }

    /// Gives this thread these rights until what is returned is dropped. Nothing changes for a thread that is the user's.
    ///
    /// # Errors
    /// [`Errno::PERM`] where this process may not become another user, as in some containers.
    pub fn take(&self) -> Result<Taken, Errno> {
        let (user, group) = (geteuid().as_raw(), getegid().as_raw());
        if user == self.user {
            return Ok(Taken { before: None, _thread: PhantomData });
        }
        let before = (user, group, getgroups()?);
        let groups: Vec<Gid> = self.groups.iter().copied().map(Gid::from_raw).collect();
        set_thread_groups(&groups)?;
        // From here on the rights of before are given back, whatever fails.
        let taken = Taken { before: Some(before), _thread: PhantomData };
        set_thread_res_gid(None, Gid::from_raw(self.group), None)?;
        set_thread_res_uid(None, Uid::from_raw(self.user), None)?;
        Ok(taken)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let Some((user, group, groups)) = self.before.take() else { return };
        // The user first: nobody else may change the rest.
        let back = set_thread_res_uid(None, Uid::from_raw(user), None)
            .and_then(|()| set_thread_res_gid(None, Gid::from_raw(group), None))
            .and_then(|()| set_thread_groups(&groups));
        if back.is_err() {
            // Whoever goes on would do as one user what another is to do.
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str = "root:x:0:0::/root:/bin/sh\nwww:x:33:34::/:\nbroken\nother:x:x:1\n";
    const GROUPS: &str = "root:x:0:\nwww:x:34:\nshared:x:100:a,www\nlike:x:101:wwwx\nbroken:x\nagain:x:34:www\n";

    #[test]
    fn groups_are_those_of_the_files() {
        assert_eq!(Rights::by(33, USERS, GROUPS), Rights { user: 33, group: 34, groups: vec![34, 100] });
        assert_eq!(Rights::by(4711, USERS, GROUPS), Rights { user: 4711, group: NO_GROUP, groups: vec![NO_GROUP] });
        assert_eq!(Rights::by(0, USERS, GROUPS).groups, [0]);
    }

    #[test]
    fn rights_are_taken_and_given_back() {
        if !geteuid().is_root() {
            // Only root can become another user.
            return;
        }
        let before = (getgroups().expect("known"), getegid());
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("roots"), "secret").expect("written");
        let closed = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(dir.path().join("roots"), closed).expect("closed");
        let rights = Rights { user: 4711, group: 4712, groups: vec![4712, 4713] };
        let taken = rights.take().expect("root may");
        assert_eq!((geteuid().as_raw(), getegid().as_raw()), (4711, 4712));
        assert_eq!(getgroups().expect("known"), [4712, 4713].map(Gid::from_raw));
        assert!(std::fs::read(dir.path().join("roots")).is_err(), "the file is root's alone");
        // The user's own rights within them change nothing.
        drop(rights.take().expect("the same user"));
        assert_eq!(geteuid().as_raw(), 4711);
        drop(taken);
        assert!(geteuid().is_root());
        assert_eq!((getgroups().expect("known"), getegid()), before);
        assert_eq!(std::fs::read(dir.path().join("roots")).expect("root's again"), b"secret");
    }
}
