//! Open-file-description locks on single bytes far beyond the end of the store file (fcntl(2), F_OFD_SETLK).
//!
//! They are the proof of life: the kernel drops them when the last descriptor of the process is closed, at whatever
//! instruction it dies, and they do not depend on process or thread ids, so they work across pid namespaces. Unlike
//! POSIX record locks they survive that other code of the process opens and closes the file. Locks of one process do
//! not conflict with each other: what threads exclude each other from needs a mutex besides.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

/// A lockable byte.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Byte {
    /// Held exclusively while a process attaches or changes the layout of the file.
    Attach,
    /// Held shared by every process that has the store attached.
    Present,
    /// Held exclusively by the owner of an owner slot.
    Slot(u32),
}

impl Byte {
    fn position(self) -> i64 {
        (1 << 62)
            + match self {
                Byte::Attach => 0,
                Byte::Present => 1,
                Byte::Slot(slot) => 16 + i64::from(slot),
            }
    }
}

fn control(file: &File, command: libc::c_int, byte: Byte, kind: libc::c_int) -> io::Result<libc::flock> {
    // SAFETY: flock is plain data for which all zeros is valid.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = kind as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    lock.l_start = byte.position();
    lock.l_len = 1;
    // SAFETY: a valid descriptor and a valid flock; the kernel writes only into it.
    match unsafe { libc::fcntl(file.as_raw_fd(), command, &raw mut lock) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(lock),
    }
}

fn try_lock(file: &File, byte: Byte, kind: libc::c_int) -> io::Result<bool> {
    match control(file, libc::F_OFD_SETLK, byte, kind) {
        Ok(_) => Ok(true),
        Err(e) if matches!(e.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Takes `byte` exclusively if nobody else has it. About 1 µs.
pub(crate) fn try_exclusive(file: &File, byte: Byte) -> io::Result<bool> {
    try_lock(file, byte, libc::F_WRLCK as libc::c_int)
}

/// Takes `byte` shared if nobody has it exclusively.
pub(crate) fn try_shared(file: &File, byte: Byte) -> io::Result<bool> {
    try_lock(file, byte, libc::F_RDLCK as libc::c_int)
}

/// Takes `byte` exclusively, waiting at most `limit`; `false` when that is over.
pub(crate) fn exclusive_within(file: &File, byte: Byte, limit: Duration) -> io::Result<bool> {
    let start = Instant::now();
    let mut pause = Duration::from_micros(50);
    loop {
        if try_exclusive(file, byte)? {
            return Ok(true);
        }
        if start.elapsed() >= limit {
            return Ok(false);
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(5));
    }
}

/// Gives `byte` back.
pub(crate) fn unlock(file: &File, byte: Byte) {
    // Giving back what one holds cannot fail, save for a descriptor that is gone, and then so is the lock.
    let _ = control(file, libc::F_OFD_SETLK, byte, libc::F_UNLCK as libc::c_int);
}

/// Whether another process holds `byte` in any way.
pub(crate) fn held_elsewhere(file: &File, byte: Byte) -> io::Result<bool> {
    Ok(control(file, libc::F_OFD_GETLK, byte, libc::F_WRLCK as libc::c_int)?.l_type != libc::F_UNLCK as libc::c_short)
}
