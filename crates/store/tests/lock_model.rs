//! Every order of events that small models of the store's protocols allow, with deaths at every step: see
//! `models/session_lock.rs` and `models/publication.rs`. That the models are worth something is shown by leaving parts
//! of the protocols out: each must be missed.

#[path = "models/explorer.rs"]
mod explorer;
mod harness;
#[path = "models/publication.rs"]
mod publication;
#[path = "models/session_lock.rs"]
mod session_lock;

use harness::{Checked, Finding, Suite};
use publication::{Lapse, Publication};
use session_lock::{Flaw, SessionLock};

fn main() -> std::process::ExitCode {
    let mut suite = Suite::new("lock_model");
    let deaths = if harness::soak() { 3 } else { 2 };
    suite.case("three processes, some die", || lock(deaths, false, false));
    suite.case("three processes, some die and give up waiting", || lock(if deaths > 2 { 2 } else { 1 }, false, true));
    suite.case("three processes, newcomers take the slots of the dead", || lock(deaths - 1, true, false));
    for flaw in [
        Flaw::NoWaitersBit,
        Flaw::NoTickets,
        Flaw::NoLook,
        Flaw::WokenFirst,
        Flaw::NoSecondLook,
        Flaw::NoGenerations,
        Flaw::GiftsAreKept,
        Flaw::NoRebuild,
    ] {
        suite.case(&format!("missed: {flaw:?}"), || missed(flaw));
    }
    suite.case("two writers and a reader, some die", || publication(if deaths > 2 { 3 } else { 2 }));
    for lapse in
        [Lapse::HeadOnce, Lapse::NoVersions, Lapse::NotListed, Lapse::StillListed, Lapse::NoRebuild, Lapse::InPlace]
    {
        suite.case(&format!("missed: {lapse:?}"), || overlooked(lapse));
    }
    suite.finish()
}

fn lock(deaths: u8, newcomers: bool, giving_up: bool) -> Checked {
    let (states, steps) = explorer::explore(&SessionLock { deaths, newcomers, giving_up, flaw: Flaw::None })?;
    Ok(Finding::Passed(format!("{states} states and {steps} steps, {deaths} deaths at most")))
}

fn missed(flaw: Flaw) -> Checked {
    let newcomers = matches!(flaw, Flaw::NoGenerations | Flaw::GiftsAreKept);
    let deaths = if flaw == Flaw::NoSecondLook { 2 } else { 1 };
    match explorer::explore(&SessionLock { deaths, newcomers, giving_up: false, flaw }) {
        Ok((states, _)) => Err(format!("nothing was found in {states} states")),
        Err(what) => Ok(Finding::Passed(what)),
    }
}

fn publication(rounds: u8) -> Checked {
    let (states, steps) = explorer::explore(&Publication { deaths: 2, rounds, lapse: Lapse::None })?;
    Ok(Finding::Passed(format!("{states} states and {steps} steps, {rounds} commits each, 2 deaths at most")))
}

fn overlooked(lapse: Lapse) -> Checked {
    match explorer::explore(&Publication { deaths: 2, rounds: 2, lapse }) {
        Ok((states, _)) => Err(format!("nothing was found in {states} states")),
        Err(what) => Ok(Finding::Passed(what)),
    }
}
