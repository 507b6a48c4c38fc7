//! Publishing a payload: space is taken and listed as pending, filled without any lock, published by one store of the
//! head, and the old space freed, as `commit.rs` (`commit_large`), `alloc.rs`, `rebuild.rs` (`keep_pending`) and
//! `queue.rs` (`recover_lease`) do it; and a reader without a lock, as `session.rs` (`snapshot`) is.
//!
//! One session without its lock, two writers, a reader, four blocks of two words. Writers may die before each of their
//! steps. The reader has no checksum here: that an unchanged head proves an unchanged payload must hold by itself.

use super::explorer::{Model, Step};

const WRITERS: usize = 2;
const BLOCKS: u8 = 4;

/// What can be left out, to see that it is missed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lapse {
    None,
    /// The reader does not look at the head again.
    HeadOnce,
    /// The head does not say which version it is of.
    NoVersions,
    /// Space is not listed while it is being filled.
    NotListed,
    /// A rebuild frees what the dead have listed and leaves it listed.
    StillListed,
    /// A shard whose owner died is used as it is.
    NoRebuild,
    /// A payload is written over the current one.
    InPlace,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Next {
    Shard(Need),
    Rebuild(Need),
    Take,
    List,
    Leave(bool),
    First,
    Second,
    Publish,
    FreeOld(u8),
    Unlist,
    Recover,
    RecoverFree(u8),
    Done,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Need {
    Take,
    Publish,
    Recover,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Reading {
    Head,
    First(u8, u8),
    Second(u8, u8, u8),
    Again(u8, u8, u8, u8),
    Done,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Writer {
    next: Next,
    alive: bool,
    recovered: bool,
    rounds: u8,
    /// The block it knows as its own, and the one that its owner slot lists (0: none).
    block: u8,
    listed: u8,
    value: u8,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    block: u8,
    version: u8,
    /// Two words of each block; block 0 is none.
    words: [[u8; 2]; BLOCKS as usize + 1],
    /// A bit for each free block.
    free: u8,
    /// Writer plus one, 0 is nobody.
    shard: u8,
    dirty: bool,
    deaths: u8,
    writers: [Writer; WRITERS],
    reading: Reading,
}

/// How much may happen, and what is left out.
pub(crate) struct Publication {
    pub(crate) deaths: u8,
    pub(crate) rounds: u8,
    pub(crate) lapse: Lapse,
}

impl Model for Publication {
    type State = State;

    fn start(&self) -> State {
        let writer = Writer {
            next: Next::Shard(Need::Take),
            alive: true,
            recovered: false,
            rounds: self.rounds,
            block: 0,
            listed: 0,
            value: 0,
        };
        let mut words = [[0; 2]; BLOCKS as usize + 1];
        words[1] = [1, 1];
        State {
            block: 1,
            version: 1,
            words,
            free: 0b11100,
            shard: 0,
            dirty: false,
            deaths: 0,
            writers: [writer; WRITERS],
            reading: Reading::Head,
        }
    }

    fn steps(&self, state: &State, steps: &mut Vec<Step<State>>) -> Result<(), String> {
        self.read(state, steps)?;
        for (i, writer) in state.writers.iter().enumerate() {
            if !writer.alive || writer.next == Next::Done {
                continue;
            }
            if state.deaths < self.deaths {
                let mut to = state.clone();
                to.deaths += 1;
                to.writers[i].alive = false;
                steps.push(Step { to, death: true });
            }
            self.write(state, i, steps)?;
        }
        Ok(())
    }

    fn over(&self, state: &State) -> Result<bool, String> {
        if state.reading != Reading::Done || state.writers.iter().any(|one| one.alive && one.next != Next::Done) {
            return Ok(false);
        }
        // With somebody alive who came by later, the dead ones' space is there again; each block is one thing.
        let survivor = state.writers.iter().any(|one| one.alive);
        let settled = state.writers.iter().all(|one| one.alive || one.recovered);
        let accounted = state.free.count_ones() as u8 + 1;
        if survivor && settled && !state.dirty && state.shard == 0 && accounted != BLOCKS {
            return Err(format!("{accounted} of {BLOCKS} blocks are free or current in the end"));
        }
        Ok(true)
    }
}

impl Publication {
    fn read(&self, state: &State, steps: &mut Vec<Step<State>>) -> Result<(), String> {
        let mut to = state.clone();
        to.reading = match state.reading {
            Reading::Head => Reading::First(state.block, state.version),
            Reading::First(block, version) => Reading::Second(block, version, state.words[block as usize][0]),
            Reading::Second(block, version, first) => {
                Reading::Again(block, version, first, state.words[block as usize][1])
            }
            Reading::Again(block, version, first, second) => {
                let same = block == state.block && (version == state.version || self.lapse == Lapse::NoVersions);
                if same || self.lapse == Lapse::HeadOnce {
                    // A value is the version that it was published as.
                    if first != second || (first != version && self.lapse != Lapse::NoVersions) {
                        return Err("a payload reads that was not committed".to_owned());
                    }
                    Reading::Done
                } else {
                    Reading::Head
                }
            }
            Reading::Done => return Ok(()),
        };
        steps.push(Step { to, death: false });
        Ok(())
    }

    fn write(&self, state: &State, i: usize, steps: &mut Vec<Step<State>>) -> Result<(), String> {
        let mut to = state.clone();
        let mine = &mut to.writers[i];
        match mine.next {
            Next::Shard(need) => {
                let dead = state.shard.checked_sub(1).is_some_and(|owner| !state.writers[owner as usize].alive);
                if state.shard != 0 && !dead {
                    return Ok(());
                }
                to.shard = i as u8 + 1;
                to.dirty |= dead && self.lapse != Lapse::NoRebuild;
                mine.next = if to.dirty { Next::Rebuild(need) } else { enter(need) };
            }
            Next::Rebuild(need) => {
                mine.next = enter(need);
                self.rebuild(&mut to);
            }
            Next::Take => {
                let Some(block) = (1..=BLOCKS).find(|block| state.free & 1 << block != 0) else {
                    return Err("no block is left though there is one more than all can use".to_owned());
                };
                mine.next = Next::List;
                if self.lapse == Lapse::InPlace {
                    mine.block = state.block;
                } else {
                    mine.block = block;
                    to.free &= !(1 << block);
                }
            }
            Next::List => {
                mine.listed = if self.lapse == Lapse::NotListed { 0 } else { mine.block };
                mine.next = Next::Leave(true);
            }
            Next::Leave(filling) => {
                to.shard = 0;
                mine.next = if filling {
                    Next::First
                } else if mine.rounds > 0 {
                    Next::Shard(Need::Take)
                } else {
                    Next::Done
                };
            }
            // What is written names its writer until it is sealed with its version.
            Next::First => {
                (mine.value, mine.next) = (100 + i as u8, Next::Second);
                to.words[state.writers[i].block as usize][0] = 100 + i as u8;
            }
            Next::Second => {
                mine.next = Next::Shard(Need::Publish);
                to.words[state.writers[i].block as usize][1] = 100 + i as u8;
            }
            Next::Publish if mine.listed != mine.block && self.lapse != Lapse::NotListed => {
                // The space was lost in a rebuild: the commit fails.
                (mine.rounds, mine.next) = (mine.rounds - 1, Next::Leave(false));
            }
            Next::Publish => {
                let block = mine.block;
                let version = state.version + 1;
                if to.words[block as usize] != [mine.value; 2] {
                    return Err("what is published is not what was written".to_owned());
                }
                // The seal and the head: nobody can see the block before the head names it.
                to.words[block as usize] = [version; 2];
                (to.block, to.version) = (block, version);
                mine.next = Next::FreeOld(state.block);
            }
            Next::FreeOld(old) => {
                mine.next = Next::Unlist;
                if old != state.block {
                    give(&mut to, old)?;
                }
            }
            Next::Unlist => {
                (mine.listed, mine.rounds, mine.next) = (0, mine.rounds - 1, Next::Leave(false));
                if mine.rounds == 0 && state.writers.iter().any(|other| !other.alive && !other.recovered) {
                    // The last thing it does is to put right what a dead one left.
                    to.shard = 0;
                    to.writers[i].next = Next::Shard(Need::Recover);
                }
            }
            Next::Recover => {
                let dead = state.writers.iter().position(|other| !other.alive);
                mine.next = Next::Leave(false);
                if let Some(dead) = dead {
                    let listed = std::mem::take(&mut to.writers[dead].listed);
                    to.writers[dead].recovered = true;
                    if listed != 0 && listed != state.block {
                        to.writers[i].next = Next::RecoverFree(listed);
                    }
                }
            }
            Next::RecoverFree(block) => {
                mine.next = Next::Leave(false);
                give(&mut to, block)?;
            }
            Next::Done => return Ok(()),
        }
        steps.push(Step { to, death: false });
        Ok(())
    }

    /// All that is neither current nor listed by somebody who lives is free.
    fn rebuild(&self, to: &mut State) {
        let mut used = 1u8 << to.block;
        for writer in &mut to.writers {
            let current = writer.listed == to.block;
            if writer.alive && !current {
                used |= 1 << writer.listed;
            } else if self.lapse != Lapse::StillListed {
                writer.listed = 0;
            }
        }
        to.free = (1..=BLOCKS).filter(|block| used & 1 << block == 0).fold(0, |free, block| free | 1 << block);
        to.dirty = false;
    }
}

/// Adds a block to the free ones.
fn give(to: &mut State, block: u8) -> Result<(), String> {
    if to.free & 1 << block != 0 || block == to.block {
        return Err("a block is freed that is free or in use".to_owned());
    }
    to.free |= 1 << block;
    Ok(())
}

fn enter(need: Need) -> Next {
    match need {
        Need::Take => Next::Take,
        Need::Publish => Next::Publish,
        Need::Recover => Next::Recover,
    }
}
