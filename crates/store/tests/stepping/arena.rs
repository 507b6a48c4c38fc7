//! The memory of a traced process. Which way the allocator of the C library takes depends on all that was freed before,
//! also by the process that forked; here every piece is the next one of a fresh range and nothing is taken back, so
//! that an operation executes the same instructions each time.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of the range; only what is used of it takes memory.
const SIZE: usize = 1 << 30;

struct Arena;

#[global_allocator]
static ARENA: Arena = Arena;

/// Where the next piece may begin and where the range ends; 0 in processes that are not traced.
static NEXT: AtomicUsize = AtomicUsize::new(0);
static END: AtomicUsize = AtomicUsize::new(0);

/// Lets this process, which has one thread and was forked to be traced, allocate from a range of its own from now on.
pub(crate) fn begin() {
    // SAFETY: a fresh private mapping, which stays until the process ends.
    let base = unsafe {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        libc::mmap(std::ptr::null_mut(), SIZE, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0)
    };
    if base != libc::MAP_FAILED {
        END.store(base as usize + SIZE, Ordering::Relaxed);
        NEXT.store(base as usize, Ordering::Relaxed);
    }
}

// SAFETY: either the system's allocator throughout, or pieces of a mapping that are never given out twice; what the
// system's allocator gave out before `begin` is not given back after it, which is a leak and no error.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let next = NEXT.load(Ordering::Relaxed);
        if next == 0 {
            // SAFETY: the caller's promise about the layout.
            return unsafe { System.alloc(layout) };
        }
        let begin = next.next_multiple_of(layout.align());
        if END.load(Ordering::Relaxed) - begin < layout.size() {
            return std::ptr::null_mut();
        }
        NEXT.store(begin + layout.size(), Ordering::Relaxed);
        std::ptr::with_exposed_provenance_mut(begin)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if NEXT.load(Ordering::Relaxed) == 0 {
            // SAFETY: the caller's promise about the layout.
            return unsafe { System.alloc_zeroed(layout) };
        }
        // SAFETY: as above; the mapping began as zeros and no piece is used twice.
        unsafe { self.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        if NEXT.load(Ordering::Relaxed) == 0 {
            // SAFETY: the system's allocator gave it out: this process has no range of its own.
            unsafe { System.dealloc(place, layout) };
        }
    }
}
