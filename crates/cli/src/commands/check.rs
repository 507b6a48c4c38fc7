//! `cloakroom check`: verifying every invariant of a store.

use anyhow::Result;
use serde_json::json;

use crate::arguments::Place;
use crate::failure::{Code, Refusal};
use crate::terminal::{BAD, GOOD, print, print_json, progress};

pub(super) fn run(place: &Place, as_json: bool) -> Result<Code> {
    let no_file =
        || Refusal::Usage("check is for stores in directories: servers verify what they keep themselves".to_owned());
    let store = place.attach()?.local.ok_or_else(no_file)?;
    let bar = progress(0, "parts of the store");
    let report = store.check_with_progress(|done, of| {
        bar.set_length(u64::from(of));
        bar.set_position(u64::from(done));
    });
    bar.finish_and_clear();
    let report = report?;
    let whole = report.problems.is_empty();
    if as_json {
        print_json(&json!({
            "whole": whole,
            "sessions": report.sessions,
            "tombstones": report.tombstones,
            "payload_bytes": report.payload_bytes,
            "locked": report.locked,
            "orphaned_locks": report.orphaned,
            "problems": report.problems,
        }))?;
    } else {
        let figures = [
            ("sessions", report.sessions),
            ("tombstones", report.tombstones),
            ("payload bytes", report.payload_bytes),
            ("locked", report.locked),
            ("orphaned locks", report.orphaned),
        ];
        let mut text: String = figures.iter().map(|(name, figure)| format!("{name:<20}{figure:>16}\n")).collect();
        report.problems.iter().for_each(|problem| text.push_str(&format!("problem: {problem}\n")));
        text.push_str(&if whole {
            format!("{GOOD}the store is whole{GOOD:#}\n")
        } else {
            format!("{BAD}the store is damaged{BAD:#}: the next request in each part concerned makes it anew from what is whole\n")
        });
        print(&text)?;
    }
    Ok(if whole { Code::Done } else { Code::Damaged })
}
