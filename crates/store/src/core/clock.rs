//! The clocks of the store.
//!
//! Three kinds, never mixed: the wall clock (CLOCK_REALTIME, whole seconds) decides whether a session has expired;
//! the store clock (CLOCK_BOOTTIME carried on over reboots in the header) decides whether it may be reclaimed, so
//! that a wall clock that jumps forward hides sessions but deletes none; CLOCK_MONOTONIC measures waits.
//! Times in the file are unsigned 32-bit seconds; the wall clock fits until the year 2106.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use rustix::time::{ClockId, clock_gettime};

/// The clocks, with a skew that tests set to travel in time.
#[derive(Debug)]
pub struct Clock {
    /// The low half of the wall-clock second (high half) at which the boot second (low half) was read.
    boot_read: AtomicU64,
    wall_skew: AtomicI64,
    boot_skew: AtomicI64,
}

impl Default for Clock {
    fn default() -> Self {
        // A second of the year 2106: the first look finds it is another.
        Self { boot_read: AtomicU64::new(u64::MAX), wall_skew: AtomicI64::new(0), boot_skew: AtomicI64::new(0) }
    }
}

fn clamp(seconds: i64) -> u32 {
    u32::try_from(seconds.max(0)).unwrap_or(u32::MAX)
}

impl Clock {
    /// Wall-clock seconds and nanoseconds since 1970, the latter only to tell people how long something has lasted.
    pub(crate) fn wall_precise(&self) -> (u32, u64) {
        let now = clock_gettime(ClockId::RealtimeCoarse);
        let nanos = now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64;
        (clamp(now.tv_sec + self.wall_skew.load(Ordering::Relaxed)), nanos)
    }

    /// Wall-clock seconds since 1970; resolution of a scheduler tick, 3 ns.
    pub(crate) fn wall(&self) -> u32 {
        clamp(clock_gettime(ClockId::RealtimeCoarse).tv_sec + self.wall_skew.load(Ordering::Relaxed))
    }

    /// Seconds since the machine was started, suspend included. CLOCK_BOOTTIME has no coarse form, so it is read
    /// once a second.
    pub(crate) fn boot(&self) -> u64 {
        self.wall_and_boot().1
    }

    /// [`Clock::wall`] and [`Clock::boot`] for one look at the clock.
    #[inline]
    pub(crate) fn wall_and_boot(&self) -> (u32, u64) {
        let wall = clock_gettime(ClockId::RealtimeCoarse).tv_sec;
        let read = self.boot_read.load(Ordering::Relaxed);
        let boot = if (read >> 32) as u32 == wall as u32 { read as u32 } else { self.read_boot(wall as u32) };
        let wall = clamp(wall + self.wall_skew.load(Ordering::Relaxed));
        (wall, u64::from(clamp(i64::from(boot) + self.boot_skew.load(Ordering::Relaxed))))
    }

    /// CLOCK_BOOTTIME in seconds, remembered for the wall-clock second `second`.
    #[cold]
    fn read_boot(&self, second: u32) -> u32 {
        let boot = clamp(clock_gettime(ClockId::Boottime).tv_sec);
        self.boot_read.store(u64::from(second) << 32 | u64::from(boot), Ordering::Relaxed);
        boot
    }

    /// A number that changes once a second; 3 ns.
    #[must_use]
    #[inline]
    pub fn coarse_second() -> u32 {
        clock_gettime(ClockId::MonotonicCoarse).tv_sec as u32
    }

    /// Moves the wall clock and the boot clock of this process's view of the store, for tests.
    pub fn skew(&self, wall_seconds: i64, boot_seconds: i64) {
        self.wall_skew.store(wall_seconds, Ordering::Relaxed);
        self.boot_skew.store(boot_seconds, Ordering::Relaxed);
    }
}

/// The boot id of the running kernel; zeros where it cannot be read, which equals no stored one.
pub(crate) fn boot_id() -> [u64; 2] {
    static BOOT_ID: OnceLock<[u64; 2]> = OnceLock::new();
    *BOOT_ID.get_or_init(|| {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let mut digits = text.chars().filter_map(|c| c.to_digit(16));
        [0; 2].map(|_: u64| digits.by_ref().take(16).fold(0, |word, digit| word << 4 | u64::from(digit)))
    })
}
