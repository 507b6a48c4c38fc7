//! The directory of a local store, before anything in it is opened.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use cloakroom_store::{FileSystem, Fitness};
use rustix::fs::{Access, AtFlags, CWD, accessat, statvfs};

use super::{Finding, size};

/// Where a local store is, or will be.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The directory.
    pub directory: &'a Path,
    /// Whose store, by user id.
    pub user: u32,
    /// `cloakroom.size` in bytes, where it is known.
    pub size: Option<u64>,
}

impl<'a> Place<'a> {
    /// The place of the store that this process uses in `directory`.
    #[must_use]
    pub fn own(directory: &'a Path, size: u64) -> Self {
        Self { directory, user: rustix::process::geteuid().as_raw(), size: Some(size) }
    }

    /// The store's file.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.directory.join(format!("cloakroom-{}.store", self.user))
    }

    /// Whether something is at the file's path.
    #[must_use]
    pub fn has_file(&self) -> bool {
        self.file().symlink_metadata().is_ok()
    }
}

/// Examines the directory. Where the answer holds nothing bad, a store can be opened or created in it, as far as is
/// known without trying.
#[must_use]
pub fn examine(place: &Place<'_>) -> Vec<Finding> {
    let shown = place.directory.display();
    let metadata = match place.directory.metadata() {
        Ok(metadata) if metadata.is_dir() => metadata,
        Ok(_) => {
            return vec![Finding::bad(
                "directory",
                format!("{shown} is not a directory"),
                "let session.save_path name a directory, not a file",
            )];
        }
        Err(error) => {
            return vec![Finding::bad(
                "directory",
                format!("{shown}: {error}"),
                format!("create it (install -d -m 1733 {shown}), or let session.save_path name another one"),
            )];
        }
    };
    let mut findings = vec![owner(place, &metadata)];
    if ["/tmp", "/var/tmp", "/dev/shm"].iter().any(|shared| place.directory == Path::new(shared)) {
        findings.push(Finding::warn(
            "directory",
            format!("{shown} is shared with everything on the machine"),
            "services with PrivateTmp see another one, and jobs that clean up by age may delete the store: make a directory \
             for sessions (install -d -m 1733 /var/lib/cloakroom) and let session.save_path name it",
        ));
    }
    findings.extend(file_system(place));
    findings.extend(room(place));
    findings
}

fn owner(place: &Place<'_>, metadata: &Metadata) -> Finding {
    let (shown, mode) = (place.directory.display(), metadata.mode() & 0o7777);
    let (owner, user) = (metadata.uid(), place.user);
    let foreign_group = metadata.gid() != 0 && metadata.gid() != rustix::process::getegid().as_raw();
    let others_write = mode & 0o002 != 0 || (mode & 0o020 != 0 && foreign_group);
    if owner != 0 && owner != user {
        return Finding::bad(
            "directory",
            format!("{shown} belongs to user {owner}, who could replace the store of user {user}"),
            format!("give it to that user or to root (chown {user} {shown})"),
        );
    }
    if others_write && mode & 0o1000 == 0 {
        return Finding::bad(
            "directory",
            format!("{shown} has mode {mode:04o}, so that others may replace the store"),
            format!("run chmod +t {shown}, or chmod go-w {shown}"),
        );
    }
    let own = rustix::process::geteuid().as_raw() == user;
    let wanted = Access::WRITE_OK | Access::EXEC_OK;
    if own && accessat(CWD, place.directory, wanted, AtFlags::EACCESS).is_err() && !place.has_file() {
        return Finding::bad(
            "directory",
            format!("user {user} may not create a file in {shown} (owner {owner}, mode {mode:04o})"),
            format!("give it to that user (chown {user} {shown}), or make it a shared one (chmod 1733 {shown})"),
        );
    }
    Finding::ok("directory", format!("{shown} belongs to user {owner} and has mode {mode:04o}"))
}

fn file_system(place: &Place<'_>) -> Option<Finding> {
    const SUBJECT: &str = "file system";
    let FileSystem { name, fitness } = FileSystem::of(place.directory).ok()?;
    let shown = place.directory.display();
    Some(match fitness {
        Fitness::Disk => Finding::ok(SUBJECT, format!("{name}: sessions are there after a reboot")),
        Fitness::Memory => Finding::ok(SUBJECT, format!("{name}, in memory: fast, and gone after a reboot")),
        Fitness::Layer => Finding::warn(
            SUBJECT,
            format!(
                "{shown} is on {name}, the layer of a container: sessions end with it, and no other container has them"
            ),
            "mount a volume there, or a tmpfs where sessions may end with the container",
        ),
        Fitness::Unsure => Finding::warn(
            SUBJECT,
            format!(
                "{shown} is on {name}, where allocated space is no promise: a full disk kills PHP processes (SIGBUS)"
            ),
            "put session.save_path on tmpfs, ext4 or XFS",
        ),
        Fitness::Unfit => Finding::bad(
            SUBJECT,
            format!("{shown} is on {name}, where processes cannot share memory reliably"),
            "use a local directory, or a redis:// address",
        ),
        Fitness::Unknown => Finding::warn(
            SUBJECT,
            format!("{shown} is on a file system of a kind that nobody has tried: {name}"),
            "tmpfs, ext4 and XFS are known to work",
        ),
    })
}

/// Whether the store can grow as far as `cloakroom.size` lets it.
fn room(place: &Place<'_>) -> Option<Finding> {
    const SUBJECT: &str = "room";
    let limit = place.size?;
    let system = statvfs(place.directory).ok()?;
    if system.f_blocks == 0 {
        return Some(Finding::ok(SUBJECT, "the file system has no limit of its own"));
    }
    let free = system.f_bavail.saturating_mul(system.f_frsize);
    // Allocated blocks, not the length: the file is sparse.
    let has = place.file().symlink_metadata().map_or(0, |file| file.blocks().saturating_mul(512));
    let wanted = limit.saturating_sub(has);
    if free >= wanted {
        return Some(Finding::ok(
            SUBJECT,
            format!("{} free, of which the store may take {}", size(free), size(wanted)),
        ));
    }
    Some(Finding::warn(
        SUBJECT,
        format!(
            "the store may grow by {}, but {} has only {} free",
            size(wanted),
            place.directory.display(),
            size(free)
        ),
        "lower cloakroom.size, or give the file system more room (tmpfs: mount -o remount,size=…; Docker's /dev/shm: \
         --shm-size); sessions are refused with a warning when it is full",
    ))
}
