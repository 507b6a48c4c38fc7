//! Telling a process from its forked children, and keeping a child from holding its parent's proof of life.
//!
//! A token lives on a page that the kernel wipes on fork: a child reads 0 and everything it inherited is known to be
//! the parent's. A fork handler closes the inherited descriptors in the child, because an open-file-description
//! lock lives until the last descriptor of it is closed: a child that kept one would make its dead parent look alive.
//! What a process has once for all its threads is a [`PerProcess`]: at a fork another thread may have a lock of the parent's,
//! which nobody gives back in the child.

use std::fs::File;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::os::fd::AsRawFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU64, Ordering};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous};

/// Descriptors that a forked child must close.
static DESCRIPTORS: [AtomicI32; 64] = [const { AtomicI32::new(-1) }; 64];
/// Where in its page the token is. Much else that every call looks at begins a page, and lines at one offset of their
/// pages push each other out of the processor's first cache.
const TOKEN_AT: usize = 0xb40;
static PAGE: OnceLock<&'static AtomicU64> = OnceLock::new();
static NEXT: AtomicU64 = AtomicU64::new(1);

extern "C" fn in_child() {
    if let Some(token) = PAGE.get() {
        token.store(0, Ordering::Relaxed);
    }
    for slot in &DESCRIPTORS {
        let fd = slot.swap(-1, Ordering::Relaxed);
        if fd >= 0 {
            // SAFETY: close is async-signal-safe; the descriptor is the child's copy of one that the parent
            // registered, and [`ProcessFile`] never closes it after a fork.
            unsafe { libc::close(fd) };
        }
    }
}

fn page() -> &'static AtomicU64 {
    PAGE.get_or_init(|| {
        // SAFETY: a fresh anonymous page, never unmapped.
        let page = unsafe {
            mmap_anonymous(std::ptr::null_mut(), 4096, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
        };
        let token: &'static AtomicU64 = match page {
            Ok(page) => {
                // SAFETY: the page just mapped. Without this advice (Linux before 4.14) the fork handler does it.
                let _ = unsafe { madvise(page, 4096, Advice::LinuxWipeOnFork) };
                // SAFETY: inside the page, aligned, zeroed, and alive for the rest of the process.
                unsafe { AtomicU64::from_ptr(page.cast::<u8>().add(TOKEN_AT).cast()) }
            }
            Err(_) => Box::leak(Box::new(AtomicU64::new(0))),
        };
        // SAFETY: the handler is async-signal-safe and, as the extension is linked with -z nodelete, never unloaded.
        unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        token
    })
}

/// The token of the process that reads it; 0 in a child that has not asked for one.
pub(crate) fn token_word() -> &'static AtomicU64 {
    page()
}

/// A number, not 0, that no other process, not even a forked child, has at the same time.
pub(crate) fn token() -> u64 {
    let token = page();
    match token.load(Ordering::Relaxed) {
        0 => adopt(token),
        value => value,
    }
}

#[cold]
fn adopt(token: &AtomicU64) -> u64 {
    let fresh = NEXT.fetch_add(1, Ordering::Relaxed);
    match token.compare_exchange(0, fresh, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => fresh,
        Err(other) => other,
    }
}

/// A value that each process has for itself: a forked child begins with a new one.
pub(crate) struct PerProcess<T: 'static> {
    current: AtomicPtr<Born<T>>,
}

/// The value of the process with the token `token`. Lives for ever.
struct Born<T> {
    token: u64,
    value: T,
}

impl<T: Default + Send + Sync> PerProcess<T> {
    pub(crate) const fn new() -> PerProcess<T> {
        PerProcess { current: AtomicPtr::new(std::ptr::null_mut()) }
    }

    /// The value of this process.
    pub(crate) fn get(&self) -> &'static T {
        let token = token();
        let seen = self.current.load(Ordering::Acquire);
        // SAFETY: null, or a box that was leaked below and is never freed or changed; the acquiring load pairs with the
        // exchange that made it known.
        if let Some(born) = unsafe { seen.as_ref() }
            && born.token == token
        {
            return &born.value;
        }
        let fresh: &'static Born<T> = Box::leak(Box::new(Born { token, value: T::default() }));
        let fresh_at = std::ptr::from_ref(fresh).cast_mut();
        match self.current.compare_exchange(seen, fresh_at, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => &fresh.value,
            // Another thread of this process was faster, as what it replaced was no value of this process.
            // SAFETY: as above, and not null.
            Err(faster) => unsafe { &(*faster).value },
        }
    }
}

/// A file that belongs to the process that opened it: a forked child's copy is closed by the fork handler and never
/// touched again, not even when the child drops its copy of this value.
pub(crate) struct ProcessFile {
    file: ManuallyDrop<File>,
    born: u64,
}

impl ProcessFile {
    /// With all entries of the register taken, a forked child keeps a copy of the descriptor and with it the locks of
    /// its parent for as long as it lives, which is safe, only slow.
    pub(crate) fn new(file: File) -> ProcessFile {
        let born = token();
        let fd = file.as_raw_fd();
        let _ =
            DESCRIPTORS.iter().find(|slot| slot.compare_exchange(-1, fd, Ordering::Relaxed, Ordering::Relaxed).is_ok());
        ProcessFile { file: ManuallyDrop::new(file), born }
    }
}

impl Deref for ProcessFile {
    type Target = File;

    fn deref(&self) -> &File {
        &self.file
    }
}

impl Drop for ProcessFile {
    fn drop(&mut self) {
        if token() == self.born {
            let fd = self.file.as_raw_fd();
            for slot in &DESCRIPTORS {
                let _ = slot.compare_exchange(fd, -1, Ordering::Relaxed, Ordering::Relaxed);
            }
            // SAFETY: dropped once, here, by the process that opened it.
            unsafe { ManuallyDrop::drop(&mut self.file) };
        }
    }
}
