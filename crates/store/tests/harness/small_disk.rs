//! A small file system that the test mounts, to run out of room on.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::temporary;

/// A small file system in memory, unmounted when dropped.
pub(crate) struct Disk {
    dir: tempfile::TempDir,
}

impl Disk {
    pub(crate) fn mount(kilobytes: u64) -> Result<Disk, String> {
        let dir = temporary();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={kilobytes}k,mode=0700"), "tmpfs"]).arg(dir.path());
        let output = mount.output().map_err(|e| format!("mount: {e}"))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        Ok(Disk { dir })
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }

    /// Fills the disk up but for `pages` pages.
    pub(crate) fn fill(&self, pages: u64) {
        let stat = rustix::fs::statvfs(self.path()).expect("statvfs");
        let ballast = File::options().append(true).create(true).open(self.ballast()).expect("a ballast file");
        let mut at = ballast.metadata().expect("its length").len();
        for _ in pages..stat.f_bfree {
            if ballast.write_all_at(&[1; 4096], at).is_err() {
                break;
            }
            at += 4096;
        }
    }

    pub(crate) fn empty(&self) {
        let _ = fs::remove_file(self.ballast());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).output();
    }
}
