//! Tells a forked child from its parent for the price of a load, where asking for the process id is a system call.
#![expect(unsafe_code, reason = "handlers of forks have no safe interface")]

use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

static FORKS: AtomicU64 = AtomicU64::new(0);

extern "C" fn in_child() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}

/// How many forks lie between this process and the one that asked first. What was noted by a parent is another number
/// than what its child asks for.
#[must_use]
pub fn count() -> u64 {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        // SAFETY: the handler only adds to an atomic number, which is allowed after a fork, and stays where it is: the
        // extension is linked with -z nodelete.
        let refused = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        assert_eq!(refused, 0, "there is memory for one more handler of forks");
    });
    FORKS.load(Ordering::Relaxed)
}
