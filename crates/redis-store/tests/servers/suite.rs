//! Cases that run on both engines: two at a time, but those whose outcome depends on time one by one.

use std::collections::VecDeque;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::Engine;
use super::sessions::SLOW;

/// How often a measurement that took too long is made, until it does not.
const ATTEMPTS: u32 = 4;

/// What a case found: a line for people, or what is wrong.
pub(crate) type Checked = Result<String, String>;

/// One case.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) run: fn(Engine) -> Checked,
    /// Whether it measures time and therefore runs alone.
    pub(crate) alone: bool,
}

/// A case that may run beside another.
pub(crate) const fn case(name: &'static str, run: fn(Engine) -> Checked) -> Case {
    Case { name, run, alone: false }
}

/// A case that runs alone.
pub(crate) const fn timed(name: &'static str, run: fn(Engine) -> Checked) -> Case {
    Case { name, run, alone: true }
}

/// Runs the cases and ends with the line "N passed, N failed". Arguments: `redis` or `valkey` for one engine alone; any
/// other word chooses cases by a part of their names.
pub(crate) fn run(cases: &[Case]) -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let (names, parts): (Vec<&String>, Vec<&String>) = words.iter().partition(|word| engine(word).is_some());
    let engines: Vec<Engine> = [Engine::Redis, Engine::Valkey]
        .into_iter()
        .filter(|one| names.is_empty() || names.iter().any(|name| *name == one.name()))
        .collect();
    let wanted = cases.iter().filter(|case| parts.is_empty() || parts.iter().any(|part| case.name.contains(*part)));
    let runs: Vec<(Case, Engine)> =
        wanted.flat_map(|case| engines.iter().map(move |engine| (*case, *engine))).collect();
    let (alone, beside): (Vec<_>, Vec<_>) = runs.into_iter().partition(|(case, _)| case.alone);
    let failed = work_off(beside.clone(), 2) + work_off(alone.clone(), 1);
    println!("{} passed, {failed} failed", beside.len() + alone.len() - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn engine(word: &str) -> Option<Engine> {
    [Engine::Redis, Engine::Valkey].into_iter().find(|engine| engine.name() == word)
}

/// Runs all of them on so many threads; how many failed.
fn work_off(runs: Vec<(Case, Engine)>, threads: usize) -> usize {
    let queue = Mutex::new(VecDeque::from(runs));
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let work = || {
        let mut failed = 0;
        while let Some((case, engine)) = next() {
            failed += usize::from(!tell(case, engine));
        }
        failed
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().expect("a worker catches panics")).sum()
    })
}

/// Runs one case; whether it passed. A panic is a failure of that case only.
fn tell(case: Case, engine: Engine) -> bool {
    let start = Instant::now();
    let once = || {
        std::panic::catch_unwind(|| (case.run)(engine)).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            Err(format!("panicked: {}", text.or_else(|| panic.downcast_ref().copied()).unwrap_or("without a message")))
        })
    };
    let mut found = once();
    // What others do on the machine can make any measurement too long; the bound itself stays.
    for _ in 1..ATTEMPTS {
        match &found {
            Err(what) if case.alone && what.contains(SLOW) => {
                println!("again   {} on {}: {what}", case.name, engine.name());
                found = once();
            }
            _ => break,
        }
    }
    let (word, what) = match &found {
        Ok(what) => ("ok     ", what),
        Err(what) => ("FAILED ", what),
    };
    println!("{word} {} on {}: {what} ({:.1} s)", case.name, engine.name(), start.elapsed().as_secs_f64());
    found.is_ok()
}
