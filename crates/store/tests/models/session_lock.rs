//! The session lock: taking it, queueing for it, handing it over, giving up, and recovering it from the dead, as
//! `operations/acquire.rs` and, in `shard/`, `queue.rs`, `rebuild.rs` (`make_queues`) and `claim.rs` (`take_slot`) do it.
//!
//! One session, one shard, three owner slots. Each step is one load or store that others can see; what is looked at under
//! the shard lock and changed by its owner only is one step. A process may die before each of its steps, and its owner slot
//! be taken by a newcomer. Memory is sequentially consistent here: that the orderings in the code suffice for that is
//! not shown.

use super::explorer::{Model, Step};

const SLOTS: usize = 3;

/// What can be left out, to see that it is missed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Flaw {
    None,
    /// Who queues does not set the waiters' bit.
    NoWaitersBit,
    /// A rebuild queues by owner slot instead of by arrival.
    NoTickets,
    /// Waiters do not look whether the holder lives.
    NoLook,
    /// The next owner is woken before the lock names it.
    WokenFirst,
    /// Who recovers a dead one's lock does not look whether somebody else has done so.
    NoSecondLook,
    /// A lock word does not say of which of an owner slot's owners it speaks.
    NoGenerations,
    /// A newcomer keeps the lock that was handed to its owner slot while it still stood in the queue for the dead owner.
    GiftsAreKept,
    /// A shard whose owner died is used as it is.
    NoRebuild,
}

/// Who has a lock: owner slot plus one in the low bits, generation above; 0 is nobody.
type Word = u8;
const WAITERS: u8 = 0x80;

fn word(slot: usize, generation: u8) -> Word {
    (slot as u8 + 1) | (generation << 3)
}

fn owner(word: Word) -> Option<usize> {
    ((word & 7) as usize).checked_sub(1).filter(|slot| *slot < SLOTS)
}

/// What a process does next. `Shard` comes before whatever needs the shard's lock.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Next {
    List,
    Try,
    Unlist,
    Shard(Need),
    ListHere,
    TryHere,
    Mark,
    Wake0,
    Ticket,
    Waiting,
    Append,
    LeaveShard(After),
    Wait,
    Woken,
    Critical,
    Release,
    Unlock,
    // Handing the lock over, and then leaving the shard.
    Pop(After),
    Name(u8, After),
    Call(u8, After),
    Forget,
    GiveUp,
    // Recovering the lock that this word names a dead owner of.
    Recover(Word),
    UnlistDead(u8),
    // Making the queue anew; then what the shard was wanted for.
    Rebuild(Need),
    Emptied(Need),
    Called(Need, Word),
    Filled(Need, Word),
    Marked(Need, Word),
    Clean(Need),
    // A newcomer puts back what the dead owner of its owner slot had.
    Generation,
    LeaveQueue,
    TakeBack,
    Done,
}

/// What the shard's lock is taken for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Need {
    Acquire,
    Look,
    Recover(Word),
    Unlock,
    GiveUp,
    LeaveQueue,
    TakeBack,
}

/// What comes once the shard's lock was left.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum After {
    Critical,
    Wait,
    Forget,
    Leave,
    TakeBack,
    Begin,
    /// Not left: first the owner slot forgets the session.
    UnlistDead(u8),
    /// Not left: the rebuild goes on.
    Rebuilt(Need),
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Slot {
    next: Next,
    alive: bool,
    replaced: bool,
    generation: u8,
    lists: bool,
    waiting: bool,
    wake: bool,
    ticket: u8,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    lock: Word,
    queue: [u8; SLOTS],
    queued: u8,
    shard: Word,
    dirty: bool,
    tickets: u8,
    deaths: u8,
    slots: [Slot; SLOTS],
}

/// How much may happen, and what is left out.
pub(crate) struct SessionLock {
    pub(crate) deaths: u8,
    pub(crate) newcomers: bool,
    pub(crate) giving_up: bool,
    pub(crate) flaw: Flaw,
}

impl State {
    fn queue(&self) -> Vec<u8> {
        self.queue.iter().take(self.queued as usize).copied().collect()
    }

    fn set_queue(&mut self, queue: &[u8]) {
        self.queue = [0; SLOTS];
        self.queue[..queue.len()].copy_from_slice(queue);
        self.queued = queue.len() as u8;
    }

    /// `Store::is_dead`.
    fn is_dead(&self, word: Word, flaw: Flaw) -> bool {
        owner(word).is_none_or(|slot| {
            let other = (word & !WAITERS) >> 3 != self.slots[slot].generation && flaw != Flaw::NoGenerations;
            other || !self.slots[slot].alive
        })
    }

    fn me(&self, slot: usize) -> Word {
        word(slot, self.slots[slot].generation)
    }
}

impl Model for SessionLock {
    type State = State;

    fn start(&self) -> State {
        let slot = Slot {
            next: Next::List,
            alive: true,
            replaced: false,
            generation: 0,
            lists: false,
            waiting: false,
            wake: false,
            ticket: 0,
        };
        State {
            lock: 0,
            queue: [0; SLOTS],
            queued: 0,
            shard: 0,
            dirty: false,
            tickets: 1,
            deaths: 0,
            slots: [slot; SLOTS],
        }
    }

    fn steps(&self, state: &State, steps: &mut Vec<Step<State>>) -> Result<(), String> {
        for slot in 0..SLOTS {
            let now = state.slots[slot];
            if !now.alive {
                if self.newcomers && !now.replaced {
                    let mut to = state.clone();
                    to.slots[slot] = Slot { alive: true, replaced: true, next: Next::Generation, ..now };
                    steps.push(Step { to, death: false });
                }
                continue;
            }
            if now.next == Next::Done {
                continue;
            }
            if state.deaths < self.deaths {
                let mut to = state.clone();
                to.deaths += 1;
                to.slots[slot].alive = false;
                steps.push(Step { to, death: true });
            }
            self.step(state, slot, steps)?;
        }
        Ok(())
    }

    fn over(&self, state: &State) -> Result<bool, String> {
        let over = state.slots.iter().all(|slot| !slot.alive || slot.next == Next::Done);
        let held = state.lock != 0 && !state.is_dead(state.lock, Flaw::None);
        if over && held {
            return Err("the lock stays with somebody who lives and has released it".to_owned());
        }
        Ok(over)
    }
}

impl SessionLock {
    /// The next steps of the living process in `owner slot`.
    fn step(&self, state: &State, slot: usize, steps: &mut Vec<Step<State>>) -> Result<(), String> {
        let mut to = state.clone();
        let me = state.me(slot);
        let mine = &mut to.slots[slot];
        match mine.next {
            Next::List => (mine.lists, mine.next) = (true, Next::Try),
            Next::Try if state.lock == 0 => {
                (to.lock, mine.next) = (me, Next::Critical);
                let waits = |slot: &Slot| slot.alive && slot.next == Next::Wait;
                if state.slots.iter().any(waits) {
                    return Err("a newcomer overtook somebody who waits".to_owned());
                }
            }
            Next::Try => mine.next = Next::Unlist,
            Next::Unlist => (mine.lists, mine.next) = (false, Next::Shard(Need::Acquire)),
            Next::Shard(need) => {
                let taken_over = state.shard != 0 && state.is_dead(state.shard, self.flaw);
                if state.shard != 0 && !taken_over {
                    return Ok(());
                }
                to.shard = me;
                to.dirty |= taken_over && self.flaw != Flaw::NoRebuild;
                mine.next = if to.dirty { Next::Rebuild(need) } else { enter(need) };
            }
            Next::ListHere => (mine.lists, mine.next) = (true, Next::TryHere),
            Next::TryHere if state.lock == 0 => {
                (to.lock, mine.next) = (me, Next::LeaveShard(After::Critical));
            }
            Next::TryHere => mine.next = Next::Mark,
            Next::Mark if state.lock == 0 => mine.next = Next::TryHere,
            Next::Mark => {
                let bit = if self.flaw == Flaw::NoWaitersBit { 0 } else { WAITERS };
                (to.lock, mine.next) = (state.lock | bit, Next::Wake0);
            }
            Next::Wake0 => (mine.wake, mine.next) = (false, Next::Ticket),
            Next::Ticket => {
                (mine.ticket, mine.next) = (state.tickets, Next::Waiting);
                to.tickets += 1;
            }
            Next::Waiting => (mine.waiting, mine.next) = (true, Next::Append),
            Next::Append => {
                mine.next = Next::LeaveShard(After::Wait);
                let mut queue = state.queue();
                queue.push(slot as u8);
                to.set_queue(&queue);
            }
            Next::LeaveShard(after) => {
                to.shard = 0;
                mine.next = match after {
                    After::Critical => Next::Critical,
                    After::Wait => Next::Wait,
                    After::Forget => Next::Forget,
                    After::Leave => Next::Done,
                    After::TakeBack => Next::Shard(Need::TakeBack),
                    After::Begin | After::UnlistDead(_) | After::Rebuilt(_) => Next::List,
                };
            }
            Next::Wait => {
                self.wait(state, slot, steps);
                return Ok(());
            }
            Next::Woken => {
                (mine.waiting, mine.next) = (false, Next::Critical);
                let earlier =
                    |other: &Slot| other.alive && other.next == Next::Wait && other.ticket < state.slots[slot].ticket;
                if state.slots.iter().any(earlier) {
                    return Err("the lock went past somebody who had waited longer".to_owned());
                }
            }
            Next::Critical => {
                let inside = |slot: &Slot| slot.alive && slot.next == Next::Critical;
                if state.slots.iter().filter(|slot| inside(slot)).count() > 1 {
                    return Err("two have the lock".to_owned());
                }
                mine.next = Next::Release;
                // A commit has the shard's lock and unlocks under it.
                let mut other = to.clone();
                other.slots[slot].next = Next::Shard(Need::Unlock);
                steps.push(Step { to: other, death: false });
            }
            Next::Release if state.lock == me => (to.lock, mine.next) = (0, Next::Forget),
            Next::Release if state.lock == me | WAITERS => mine.next = Next::Shard(Need::Unlock),
            Next::Release => mine.next = Next::Forget,
            Next::Unlock if state.lock == me => (to.lock, mine.next) = (0, Next::LeaveShard(After::Forget)),
            Next::Unlock if state.lock == me | WAITERS => mine.next = Next::Pop(After::Forget),
            Next::Unlock => mine.next = Next::LeaveShard(After::Forget),
            Next::Pop(_) | Next::Name(..) | Next::Call(..) => self.hand_over(state, &mut to, slot),
            Next::Forget => (mine.lists, mine.next) = (false, Next::Done),
            Next::GiveUp if state.lock & !WAITERS == me => {
                (mine.waiting, mine.next) = (false, Next::LeaveShard(After::Critical));
            }
            Next::GiveUp => {
                (mine.waiting, mine.lists, mine.next) = (false, false, Next::LeaveShard(After::Leave));
                let rest: Vec<u8> = state.queue().into_iter().filter(|other| *other != slot as u8).collect();
                to.set_queue(&rest);
            }
            Next::Recover(dead) => self.recover(state, &mut to, slot, dead),
            Next::UnlistDead(dead) => {
                mine.next = Next::LeaveShard(if dead as usize == slot { After::Begin } else { After::Wait });
                to.slots[dead as usize].lists = false;
            }
            Next::Clean(need) => (to.dirty, mine.next) = (false, enter(need)),
            Next::Rebuild(_) | Next::Emptied(_) | Next::Called(..) | Next::Filled(..) | Next::Marked(..) => {
                self.rebuild(state, &mut to, slot);
            }
            Next::Generation => {
                (mine.generation, mine.next) = (mine.generation + 1, Next::Shard(Need::LeaveQueue));
            }
            Next::LeaveQueue => {
                // Whoever released the lock when the owner slot had changed hands and was queued still gave it to the newcomer.
                let given = mine.waiting && state.lock & !WAITERS == me && self.flaw != Flaw::GiftsAreKept;
                mine.next = if given { Next::Pop(After::TakeBack) } else { Next::LeaveShard(After::TakeBack) };
                mine.waiting = false;
                let rest: Vec<u8> = state.queue().into_iter().filter(|other| *other != slot as u8).collect();
                to.set_queue(&rest);
            }
            // `recover_lease` of the newcomer's own owner slot.
            Next::TakeBack if !mine.lists => mine.next = Next::LeaveShard(After::Begin),
            Next::TakeBack if owner(state.lock) == Some(slot) && state.lock & !WAITERS != me => {
                mine.next = Next::Pop(After::UnlistDead(slot as u8));
            }
            Next::TakeBack => mine.next = Next::UnlistDead(slot as u8),
            Next::Done => return Ok(()),
        }
        steps.push(Step { to, death: false });
        Ok(())
    }

    /// Woken, time is up, or it is time to look whether the holder lives.
    fn wait(&self, state: &State, slot: usize, steps: &mut Vec<Step<State>>) {
        let mut go = |next| {
            let mut to = state.clone();
            to.slots[slot].next = next;
            steps.push(Step { to, death: false });
        };
        if state.slots[slot].wake {
            go(Next::Woken);
            return;
        }
        if self.giving_up {
            go(Next::Shard(Need::GiveUp));
        }
        if self.flaw == Flaw::NoLook {
            return;
        }
        if state.lock & !WAITERS == state.me(slot) {
            go(Next::Shard(Need::Look));
        } else if state.lock != 0 && state.is_dead(state.lock, self.flaw) {
            go(Next::Shard(Need::Recover(state.lock & !WAITERS)));
        }
    }

    /// `hand_over`, which is several stores.
    fn hand_over(&self, state: &State, to: &mut State, slot: usize) {
        let leave = |after| match after {
            After::Rebuilt(need) => Next::Clean(need),
            After::UnlistDead(dead) => Next::UnlistDead(dead),
            after => Next::LeaveShard(after),
        };
        match state.slots[slot].next {
            Next::Pop(after) => match state.queue().split_first() {
                None => (to.lock, to.slots[slot].next) = (0, leave(after)),
                Some((first, rest)) => {
                    to.set_queue(rest);
                    let first = *first;
                    let woken_first = self.flaw == Flaw::WokenFirst;
                    to.slots[slot].next = if woken_first { Next::Call(first, after) } else { Next::Name(first, after) };
                }
            },
            Next::Name(first, after) => {
                let bit = if state.queued == 0 { 0 } else { WAITERS };
                to.lock = state.me(first as usize) | bit;
                to.slots[slot].next =
                    if self.flaw == Flaw::WokenFirst { leave(after) } else { Next::Call(first, after) };
            }
            Next::Call(first, after) => {
                to.slots[first as usize].wake = true;
                to.slots[slot].next =
                    if self.flaw == Flaw::WokenFirst { Next::Name(first, after) } else { leave(after) };
            }
            _ => {}
        }
    }

    /// `recover_lock`: the owner that `dead` names was found dead before the shard's lock was taken.
    fn recover(&self, state: &State, to: &mut State, slot: usize, dead: Word) {
        let next = &mut to.slots[slot].next;
        if state.lock & !WAITERS != dead && self.flaw != Flaw::NoSecondLook {
            *next = Next::LeaveShard(After::Wait);
            return;
        }
        *next = match owner(dead) {
            // `recover_lease`, as long as the owner slot is the dead one's.
            Some(index) if state.me(index) == dead && state.slots[index].lists => {
                Next::Pop(After::UnlistDead(index as u8))
            }
            _ => Next::Pop(After::Wait),
        };
    }

    /// `make_queues`, which is several stores; `begin_anew` and the rest change nothing that the lock depends on.
    fn rebuild(&self, state: &State, to: &mut State, slot: usize) {
        let waits = |index: usize| {
            let one = &state.slots[index];
            one.waiting && !one.wake && !state.is_dead(state.me(index), self.flaw)
        };
        let mut queue: Vec<u8> = (0..SLOTS).filter(|index| waits(*index)).map(|index| index as u8).collect();
        if self.flaw != Flaw::NoTickets {
            queue.sort_unstable_by_key(|index| state.slots[*index as usize].ticket);
        }
        let named = owner(state.lock).filter(|index| queue.contains(&(*index as u8)));
        let next = match state.slots[slot].next {
            Next::Rebuild(need) => {
                to.set_queue(&[]);
                Next::Emptied(need)
            }
            Next::Emptied(need) => {
                // Handed over, but the owner died before it woke the new one.
                if let Some(index) = named {
                    to.slots[index].wake = true;
                }
                Next::Called(need, state.lock)
            }
            Next::Called(need, seen) => {
                to.set_queue(&queue);
                Next::Filled(need, seen)
            }
            Next::Filled(need, seen) if state.queued > 0 && seen != 0 => {
                to.lock |= WAITERS;
                Next::Marked(need, state.lock)
            }
            Next::Filled(need, seen) => Next::Marked(need, seen),
            Next::Marked(need, seen) => {
                let dead = seen != 0 && state.is_dead(seen, self.flaw);
                if dead || (seen == 0 && state.queued > 0) {
                    Next::Pop(After::Rebuilt(need))
                } else {
                    Next::Clean(need)
                }
            }
            other => other,
        };
        to.slots[slot].next = next;
    }
}

/// What is done first once the shard's lock is there.
fn enter(need: Need) -> Next {
    match need {
        Need::Acquire => Next::ListHere,
        Need::Look => Next::LeaveShard(After::Wait),
        Need::Recover(dead) => Next::Recover(dead),
        Need::Unlock => Next::Unlock,
        Need::GiveUp => Next::GiveUp,
        Need::LeaveQueue => Next::LeaveQueue,
        Need::TakeBack => Next::TakeBack,
    }
}
