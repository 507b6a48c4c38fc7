//! Keeps signals away from a thread. PHP handles those of its process on its own threads: a handler that ran on a thread
//! of ours would find none of PHP's thread-local state.
#![expect(unsafe_code, reason = "the signal mask of a thread has no safe interface")]

use std::mem::MaybeUninit;

/// Runs `spawn` with every signal blocked, which threads that it starts inherit, then restores the mask.
pub(crate) fn blocked<T>(spawn: impl FnOnce() -> T) -> T {
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigfillset initialises the set that it is given, and pthread_sigmask writes the whole old mask where it
    // succeeds; both pointers are to live places of the right type. Only the calling thread's mask changes.
    let restorable = unsafe {
        let mut all = MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr()) == 0
    };
    let result = spawn();
    if restorable {
        // SAFETY: the call above succeeded and so initialised `before`.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut()) };
    }
    result
}
