//! SIGKILL at every instruction. A child stops right before one operation, is stepped into it and killed; then those
//! who live on, or the first to come after, must find every committed session, every lock free and no space lost.
//!
//! The long form (`CLOAKROOM_SOAK=1`) kills at every step of all but the longest operations, the short one at a sample: where
//! the file had just changed or the kernel was called, and evenly between. What recovers from such a death is itself an
//! operation, stepped and killed like the others. The cases run side by side, each processor taking the next one.

mod harness;
#[cfg(target_arch = "x86_64")]
mod stepping;

#[cfg(target_arch = "x86_64")]
fn main() -> std::process::ExitCode {
    use stepping::{large, operations, recovery, rotations, whole_file};

    let mut suite = harness::Suite::new("single_step");
    let (recoveries, kinds) = (recovery::all(), recovery::of_each_kind());
    let names: Vec<String> = kinds.iter().map(|kind| format!("recovery: after a death in {}", kind.name)).collect();
    let operations = [whole_file::all(), large::all(), rotations::all(), operations::all()];
    let operations: Vec<_> = operations.into_iter().flatten().collect();
    // What takes longest comes first, so that no processor is idle in the end.
    let mut cases: Vec<harness::Named> =
        vec![("relocate: a deleted store moves to a new file", Box::new(whole_file::explore_relocation))];
    for case in recoveries.iter().rev() {
        cases.push((case.name, Box::new(|| recovery::explore(case))));
    }
    if harness::soak() {
        for (case, name) in kinds.iter().zip(&names) {
            cases.push((name, Box::new(|| recovery::explore(case))));
        }
    } else {
        cases.push(("recovery: after a death in each kind of operation", Box::new(recovery::explore_each_kind)));
    }
    cases.push(("recovery: before a write that makes the file larger", Box::new(recovery::write_that_grows)));
    for case in &operations {
        cases.push((case.name, Box::new(|| stepping::explore(case))));
    }
    if harness::soak() {
        // What takes longest comes last, so that a night which ends too early has seen the most.
        cases.reverse();
    }
    suite.side_by_side(&cases, harness::tracer::stay_on_one_processor);
    suite.finish()
}

#[cfg(not(target_arch = "x86_64"))]
fn main() -> std::process::ExitCode {
    println!("single_step: skipped: breakpoints and registers are known for x86-64 only");
    std::process::ExitCode::SUCCESS
}
