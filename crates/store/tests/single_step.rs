//! SIGKILL at every instruction. A child stops right before one operation, is stepped into it and killed; then those
//! who live on, or the first to come after, must find every committed session, every lock free and no space lost.
//!
//! The long form (`CLOAKROOM_SOAK=1`) kills at every step, the short one at a sample: where the file had just changed
//! and evenly between. What recovers from such a death is itself an operation, stepped and killed like the others.

mod harness;
#[cfg(target_arch = "x86_64")]
mod stepping;

#[cfg(target_arch = "x86_64")]
fn main() -> std::process::ExitCode {
    let mut suite = harness::Suite::new("single_step");
    harness::tracer::stay_on_one_processor();
    for case in stepping::operations::all().into_iter().chain(stepping::large::all()) {
        suite.case(case.name, || stepping::explore(&case));
    }
    // A rebuild is half a million steps; the short form does with one death before it.
    for case in stepping::recovery::all().iter().skip(usize::from(!harness::soak())) {
        suite.case(case.name, || stepping::recovery::explore(case));
    }
    suite.finish()
}

#[cfg(not(target_arch = "x86_64"))]
fn main() -> std::process::ExitCode {
    println!("single_step: skipped: breakpoints and registers are known for x86-64 only");
    std::process::ExitCode::SUCCESS
}
