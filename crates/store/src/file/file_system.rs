//! File systems by their magic number: which of them can hold a store, and what they promise.

use std::path::Path;

/// What a file system is for a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fitness {
    /// On a disk: sessions are there after a reboot.
    Disk,
    /// In memory: sessions end with the machine.
    Memory,
    /// The layer of a container: sessions end with it, and no other container has them.
    Layer,
    /// Copies on write: allocated space is no promise that a write finds room.
    Unsure,
    /// Memory is not shared reliably; refused.
    Unfit,
    /// Nothing is known of it.
    Unknown,
}

/// A file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSystem {
    /// Its name.
    pub name: String,
    /// What it is for a store.
    pub fitness: Fitness,
}

impl FileSystem {
    /// The file system that `path` is on.
    ///
    /// # Errors
    /// Where the path cannot be looked at.
    pub fn of(path: &Path) -> std::io::Result<Self> {
        Ok(Self::of_magic(rustix::fs::statfs(path)?.f_type as u64 & 0xffff_ffff))
    }

    /// The file system with this number in statfs(2).
    pub(crate) fn of_magic(magic: u64) -> Self {
        let (name, fitness) = match magic {
            0xef53 => ("ext4", Fitness::Disk),
            0x5846_5342 => ("XFS", Fitness::Disk),
            0xf2f5_2010 => ("F2FS", Fitness::Disk),
            0x0102_1994 => ("tmpfs", Fitness::Memory),
            0x8584_58f6 => ("ramfs", Fitness::Memory),
            0x794c_7630 => ("overlay", Fitness::Layer),
            0x9123_683e => ("btrfs", Fitness::Unsure),
            0x2fc1_2fc1 => ("ZFS", Fitness::Unsure),
            0x6969 => ("NFS", Fitness::Unfit),
            0xff53_4d42 | 0xfe53_4d42 | 0x517b => ("CIFS/SMB", Fitness::Unfit),
            0x0102_1997 => ("9p", Fitness::Unfit),
            0x6573_5546 => ("FUSE", Fitness::Unfit),
            0x00c3_6400 => ("Ceph", Fitness::Unfit),
            0x5346_414f => ("AFS", Fitness::Unfit),
            0x0116_1970 => ("GFS2", Fitness::Unfit),
            0x7461_636f => ("OCFS2", Fitness::Unfit),
            0x0bd0_0bd0 => ("Lustre", Fitness::Unfit),
            other => return Self { name: format!("unknown ({other:#x})"), fitness: Fitness::Unknown },
        };
        Self { name: name.to_owned(), fitness }
    }
}
