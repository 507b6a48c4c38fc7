//! Seats: how a thread shows the other processes that it lives.
//!
//! A thread that works on the store owns one seat, proven by an exclusive lock on the seat's byte
//! ([`crate::byte_lock`]). Lock words name seat and generation. The seat lists the nodes whose session lock its
//! owner holds or waits for, and the blocks it has allocated but not published, so that whoever finds it dead can
//! put back what it held. A seat is used again only after that, under a new generation.
//!
//! Locks: claiming and leaving need the process-wide `claim` mutex (byte locks do not exclude threads); a dead seat's
//! leases are recovered each under the lock of its node's shard.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::byte_lock::{self, Byte};
use crate::error::{Error, Holder};
use crate::layout::{MAX_SEATS, Owner, Ref, SEAT_SIZE, SEATS_AT, header, seat};
use crate::region::{Map, Window};
use crate::stats::COUNTERS;
use crate::store::Store;

/// Seats in use that a new owner of a seat looks at for dead owners.
const CLEARED_IN_PASSING: u32 = 8;

fn claim_error(source: std::io::Error) -> Error {
    Error::Io { what: "claim a seat in the store", source }
}

/// The seat this thread owns in one store.
#[derive(Clone, Copy)]
pub(crate) struct Seat {
    pub(crate) index: u32,
    pub(crate) owner: Owner,
}

/// The words of one seat.
#[derive(Clone, Copy)]
pub(crate) struct SeatView<'a> {
    map: Map<'a>,
    at: u64,
    words: Window<'a, SEAT_SIZE>,
}

impl<'a> SeatView<'a> {
    pub(crate) fn new(map: Map<'a>, index: u32) -> SeatView<'a> {
        debug_assert!(index < MAX_SEATS);
        let at = SEATS_AT + u64::from(index) * SEAT_SIZE;
        SeatView { map, at, words: map.window(at) }
    }

    fn word(self, field: u64) -> &'a AtomicU32 {
        self.words.u32(field)
    }

    pub(crate) fn state(self) -> &'a AtomicU32 {
        self.word(seat::STATE)
    }

    pub(crate) fn generation(self) -> &'a AtomicU32 {
        self.word(seat::GENERATION)
    }

    pub(crate) fn wake(self) -> &'a AtomicU32 {
        self.word(seat::WAKE)
    }

    pub(crate) fn pid(self) -> &'a AtomicU32 {
        self.word(seat::PID)
    }

    pub(crate) fn waiting(self) -> &'a AtomicU32 {
        self.word(seat::WAITING)
    }

    pub(crate) fn next(self) -> &'a AtomicU32 {
        self.word(seat::NEXT)
    }

    pub(crate) fn ticket(self) -> &'a AtomicU64 {
        self.words.u64(seat::TICKET)
    }

    /// Node of lease `i`; 0 = no lease.
    pub(crate) fn lease_node(self, i: u32) -> &'a AtomicU32 {
        self.word(seat::LEASES + 8 * u64::from(i))
    }

    /// First block that lease `i` has allocated and not published; 0 = none. Changed under the shard lock only.
    pub(crate) fn lease_pending(self, i: u32) -> &'a AtomicU32 {
        self.word(seat::LEASES + 8 * u64::from(i) + 4)
    }

    pub(crate) fn lease_since(self, i: u32) -> &'a AtomicU64 {
        self.words.u64(seat::SINCE + 8 * u64::from(i))
    }

    pub(crate) fn counter(self, i: usize) -> &'a AtomicU64 {
        self.words.u64(seat::COUNTERS + 8 * i as u64)
    }

    /// The lease on `node`, if the seat lists one.
    pub(crate) fn lease_on(self, node: Ref) -> Option<u32> {
        (0..seat::LEASE_COUNT).find(|i| self.lease_node(*i).load(Ordering::Relaxed) == node)
    }

    pub(crate) fn set_script(self, script: &[u8]) {
        let kept = &script[script.len().saturating_sub(seat::SCRIPT_MAX)..];
        self.map.write(self.at + seat::SCRIPT, kept);
        self.word(seat::SCRIPT_LEN).store(kept.len() as u32, Ordering::Relaxed);
    }

    /// Who sits here and for how long, at `now` in wall-clock nanoseconds, it has held `node`; for people.
    pub(crate) fn holder(self, node: Ref, now: u64) -> Holder {
        let len = (self.word(seat::SCRIPT_LEN).load(Ordering::Relaxed) as usize).min(seat::SCRIPT_MAX);
        let mut script = vec![0; len];
        self.map.read(self.at + seat::SCRIPT, &mut script);
        let since = self.lease_on(node).map_or(0, |i| self.lease_since(i).load(Ordering::Relaxed));
        let held = match since {
            0 => 0,
            since => now.saturating_sub(since),
        };
        Holder { pid: self.pid().load(Ordering::Relaxed), held: Duration::from_nanos(held), script }
    }
}

/// Leaves the seats of a thread when it ends.
#[derive(Default)]
struct Seats(Vec<(Arc<Store>, Seat)>);

impl Drop for Seats {
    fn drop(&mut self) {
        for (store, seat) in self.0.drain(..) {
            store.leave(seat);
        }
    }
}

thread_local! {
    static SEATS: std::cell::RefCell<Seats> = const { std::cell::RefCell::new(Seats(Vec::new())) };
    /// The store used last, by its number, and the seat in it: the way of nearly every call.
    static LAST: std::cell::Cell<(u64, Seat)> = const { std::cell::Cell::new((0, Seat { index: 0, owner: Owner(0) })) };
}

impl Store {
    /// The seat of this thread, claimed on first use.
    #[inline]
    pub(crate) fn seat(self: &Arc<Store>) -> Result<Seat, Error> {
        if self.forked() {
            return Err(Error::Forked);
        }
        if self.is_moved(self.region.map()) {
            return Err(Error::Moved);
        }
        match LAST.try_with(std::cell::Cell::get) {
            Ok((number, seat)) if number == self.number => Ok(seat),
            _ => self.find_or_claim_seat(),
        }
    }

    #[cold]
    fn find_or_claim_seat(self: &Arc<Store>) -> Result<Seat, Error> {
        let gone = |_| Error::Io { what: "use the store", source: std::io::Error::other("the thread is ending") };
        SEATS
            .try_with(|seats| {
                let mut seats = seats.borrow_mut();
                let known = seats.0.iter().find(|(store, _)| store.number == self.number).map(|(_, seat)| *seat);
                let seat = match known {
                    Some(seat) => seat,
                    None => {
                        let seat = self.claim_seat()?;
                        seats.0.push((Arc::clone(self), seat));
                        seat
                    }
                };
                LAST.set((self.number, seat));
                Ok(seat)
            })
            .map_err(gone)?
    }

    /// Takes a free seat, or one that its owner left by dying, and puts back what that one held. Clears a few other
    /// seats of dead owners in passing, so that what they held is not lost for long.
    pub(crate) fn claim_seat(self: &Arc<Store>) -> Result<Seat, Error> {
        let _claim = self.claim.lock();
        let map = self.map()?;
        let seat = self.claim_any(map)?;
        self.clear_dead_seats(map, seat.index + 1, CLEARED_IN_PASSING)?;
        Ok(seat)
    }

    /// Clears the seats of dead owners and puts back what they held, looking at all seats.
    pub(crate) fn clear_all_dead_seats(self: &Arc<Store>) -> Result<(), Error> {
        let _claim = self.claim.lock();
        let map = self.map()?;
        self.clear_dead_seats(map, 0, self.seats_allocated(map))
    }

    /// Looks at `count` seats in use from `first` on. A system call for each that is.
    fn clear_dead_seats(self: &Arc<Store>, map: Map<'_>, first: u32, count: u32) -> Result<(), Error> {
        let all = self.seats_allocated(map).max(1);
        let in_use = (0..all).map(|i| (first + i) % all).filter(|index| {
            SeatView::new(map, *index).state().load(Ordering::Acquire) != 0 && !self.is_own_seat(*index)
        });
        for index in in_use.take(count as usize) {
            if byte_lock::try_exclusive(&self.file.file, Byte::Seat(index)).map_err(claim_error)? {
                let seat = self.sit_down(map, index)?;
                SeatView::new(map, index).state().store(0, Ordering::Release);
                self.stand_up(seat);
            }
        }
        Ok(())
    }

    fn claim_any(self: &Arc<Store>, map: Map<'_>) -> Result<Seat, Error> {
        for take_dead in [false, true] {
            for index in 0..self.seats_allocated(map) {
                let view = SeatView::new(map, index);
                let in_use = view.state().load(Ordering::Acquire) != 0;
                if in_use != take_dead || self.is_own_seat(index) {
                    continue;
                }
                if byte_lock::try_exclusive(&self.file.file, Byte::Seat(index)).map_err(claim_error)? {
                    return self.sit_down(map, index);
                }
            }
            // Rather a new seat than the seat of a dead one: recovery is for when it is needed.
            if !take_dead && let Some(index) = self.add_seats()? {
                let map = self.map()?;
                if byte_lock::try_exclusive(&self.file.file, Byte::Seat(index)).map_err(claim_error)? {
                    return self.sit_down(map, index);
                }
            }
        }
        Err(Error::TooManyThreads(MAX_SEATS))
    }

    fn sit_down(self: &Arc<Store>, map: Map<'_>, index: u32) -> Result<Seat, Error> {
        self.own_seat(index, true);
        let view = SeatView::new(map, index);
        // First the generation: from here on every lock word of an earlier owner is known to be a dead one's.
        let generation = view.generation().load(Ordering::Relaxed).wrapping_add(1);
        view.generation().store(generation, Ordering::Release);
        let seat = Seat { index, owner: Owner::new(index, generation) };
        if view.state().swap(1, Ordering::AcqRel) != 0
            && let Err(e) = self.recover_seat(seat)
        {
            self.stand_up(seat);
            return Err(e);
        }
        view.wake().store(0, Ordering::Relaxed);
        view.pid().store(std::process::id(), Ordering::Relaxed);
        view.set_script(b"");
        Ok(seat)
    }

    /// Gives a seat back in order.
    pub(crate) fn leave(self: &Arc<Store>, seat: Seat) {
        if self.forked() {
            return;
        }
        let _claim = self.claim.lock();
        let Ok(map) = self.map() else { return };
        let view = SeatView::new(map, seat.index);
        // Leases are released before their thread ends; one that was leaked is recovered as if its owner had died,
        // by the next owner of the seat.
        let clean = (0..seat::LEASE_COUNT).all(|i| view.lease_node(i).load(Ordering::Relaxed) == 0);
        if clean {
            self.fold_counters(map, view);
            view.state().store(0, Ordering::Release);
        }
        self.stand_up(seat);
        if LAST.try_with(std::cell::Cell::get).is_ok_and(|(number, _)| number == self.number) {
            let _ = LAST.try_with(|last| last.set((0, seat)));
        }
    }

    /// Gives this thread's seat up without clearing it, as if its owner had died; the next use claims another.
    pub(crate) fn resign(&self, seat: Seat) {
        let _claim = self.claim.lock();
        let _ = LAST.try_with(|last| last.set((0, seat)));
        let _ = SEATS.try_with(|seats| seats.borrow_mut().0.retain(|(store, _)| store.number != self.number));
        self.stand_up(seat);
    }

    /// Gives up the proof of life for a seat.
    fn stand_up(&self, seat: Seat) {
        self.own_seat(seat.index, false);
        byte_lock::unlock(&self.file.file, Byte::Seat(seat.index));
    }

    /// Adds a seat's counters to the store's totals.
    pub(crate) fn fold_counters(&self, map: Map<'_>, view: SeatView<'_>) {
        for i in 0..COUNTERS {
            let value = view.counter(i).swap(0, Ordering::Relaxed);
            map.u64(header::TOTALS + 8 * i as u64).fetch_add(value, Ordering::Relaxed);
        }
    }

    /// Seats whose memory is allocated.
    pub(crate) fn seats_allocated(&self, map: Map<'_>) -> u32 {
        map.u32(header::SEATS).load(Ordering::Acquire).min(MAX_SEATS)
    }

    /// Allocates the next page of seats; the first of them, or `None` where the table is full.
    fn add_seats(&self) -> Result<Option<u32>, Error> {
        let io = |source| Error::Io { what: "allocate room for another process in the store", source };
        let map = self.map()?;
        let first = self.seats_allocated(map);
        let more = first + (4096 / SEAT_SIZE) as u32;
        if more > MAX_SEATS {
            return Ok(None);
        }
        self.file.allocate(SEATS_AT + u64::from(first) * SEAT_SIZE, 4096).map_err(io)?;
        // Another process may have done the same: allocating twice does no harm.
        let _ = map.u32(header::SEATS).compare_exchange(first, more, Ordering::AcqRel, Ordering::Relaxed);
        Ok(Some(first))
    }

    fn is_own_seat(&self, index: u32) -> bool {
        let bit = 1u64 << (index % 64);
        self.own.get(index as usize / 64).is_some_and(|word| word.load(Ordering::Relaxed) & bit != 0)
    }

    fn own_seat(&self, index: u32, own: bool) {
        let bit = 1u64 << (index % 64);
        if let Some(word) = self.own.get(index as usize / 64) {
            if own {
                word.fetch_or(bit, Ordering::Relaxed);
            } else {
                word.fetch_and(!bit, Ordering::Relaxed);
            }
        }
    }

    /// Whether the owner that a lock word names is certainly dead. A system call of 1 to 25 µs unless the
    /// generation or this process's own list of seats tells.
    pub(crate) fn is_dead(&self, map: Map<'_>, word: Owner) -> bool {
        let Some(index) = word.seat() else { return true };
        if index >= self.seats_allocated(map) {
            return true;
        }
        let view = SeatView::new(map, index);
        if Owner::new(index, view.generation().load(Ordering::Acquire)) != word.bare() {
            return true;
        }
        if self.is_own_seat(index) {
            return false;
        }
        // An error means that nothing is proven.
        !byte_lock::held_elsewhere(&self.file.file, Byte::Seat(index)).unwrap_or(true)
    }
}
