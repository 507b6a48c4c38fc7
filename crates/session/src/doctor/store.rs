//! A store that could be opened, judged by its figures, or the reason why it could not be.

use super::{Finding, size};
use crate::{Store, StoreError};

/// Most threads that can have a local store attached.
const MOST_ATTACHED: u64 = 4096;

/// Examines what came of opening a store; `limit` is `cloakroom.size` where it is known.
#[must_use]
pub fn examine(opened: Result<&dyn Store, &StoreError>, limit: Option<u64>) -> Vec<Finding> {
    let judged = match opened {
        Ok(store) => store.status().map(|status| judge(&store.location(), &status, limit)).map_err(|e| e.to_string()),
        Err(error) => Err(error.to_string()),
    };
    judged.unwrap_or_else(|message| vec![Finding::failure("store", &message)])
}

fn judge(location: &str, status: &[(&'static str, u64)], limit: Option<u64>) -> Vec<Finding> {
    let figure = |name: &str| status.iter().find(|(named, _)| *named == name).map_or(0, |(_, figure)| *figure);
    let mut findings = vec![Finding::ok(
        "store",
        format!("{location} has {} sessions with {} of data", figure("sessions"), size(figure("bytes"))),
    )];
    let capacity = figure("capacity");
    if capacity > 0 {
        findings.push(fill(figure("file_bytes").saturating_sub(figure("free_bytes")), capacity));
    }
    if let Some(limit) = limit.filter(|limit| capacity > 0 && *limit != capacity) {
        findings.push(Finding::warn(
            "store",
            format!("the store takes up to {}, while cloakroom.size says {} here", size(capacity), size(limit)),
            "the largest cloakroom.size of the processes that use the store counts for as long as they run: give all pools and \
             the command line the same one, and reload PHP",
        ));
    }
    if figure("attached") * 5 > MOST_ATTACHED * 4 {
        findings.push(Finding::warn(
            "store",
            format!("{} of at most {MOST_ATTACHED} processes use the store", figure("attached")),
            "give some pools a session.save_path of their own",
        ));
    }
    let past = [
        (
            "evictions",
            "sessions that came back once at most were removed because the store was full",
            "raise cloakroom.size, or lower session.gc_maxlifetime",
        ),
        (
            "corrupt",
            "sessions did not match their checksum",
            "run \"cloakroom check\" on the directory; look for disk errors, and for programs that write to the file",
        ),
        (
            "wait_timeouts",
            "waits for the lock of a session were given up",
            "PHP's log names the scripts that held it: let them call session_write_close() early, or use cloakroom.lock = merge",
        ),
        (
            "merge_fallbacks",
            "writes could not be merged and replaced what was there",
            "the mode merge needs session.serialize_handler = php, php_serialize or php_binary, and data without references \
             between its parts",
        ),
    ];
    let grown = past.iter().filter(|(name, ..)| figure(name) > 0);
    findings.extend(
        grown.map(|(name, what, advice)| Finding::warn("history", format!("{} {what}", figure(name)), *advice)),
    );
    if figure("recoveries") > 0 {
        let found = format!(
            "{} repairs after the death of a process or of the machine; nothing was lost",
            figure("recoveries")
        );
        findings.push(Finding::ok("history", found));
    }
    findings
}

fn fill(used: u64, capacity: u64) -> Finding {
    let percent = used.saturating_mul(100) / capacity;
    let found = format!("{} of {} are in use ({percent} %)", size(used), size(capacity));
    let advice = "raise cloakroom.size and reload PHP";
    match percent {
        0..80 => Finding::ok("fill", found),
        80..95 => Finding::warn("fill", found, advice),
        _ => Finding::bad("fill", found, advice),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    #[test]
    fn figures_are_judged() {
        let status = [
            ("sessions", 3),
            ("bytes", 4096),
            ("capacity", 100 << 20),
            ("file_bytes", 90 << 20),
            ("free_bytes", 5 << 20),
            ("evictions", 7),
            ("recoveries", 2),
        ];
        let findings = judge("/x", &status, Some(200 << 20));
        let found: Vec<_> = findings.iter().map(|finding| (finding.level, finding.subject)).collect();
        let expected = [
            (Level::Ok, "store"),
            (Level::Warn, "fill"),
            (Level::Warn, "store"),
            (Level::Warn, "history"),
            (Level::Ok, "history"),
        ];
        assert_eq!(found, expected);
        assert!(findings[1].found.contains("85 %") && findings[3].found.starts_with("7 "));
        assert_eq!(
            [fill(79, 100).level, fill(94, 100).level, fill(95, 100).level],
            [Level::Ok, Level::Warn, Level::Bad]
        );
    }

    #[test]
    fn a_store_that_cannot_be_opened_says_why_and_what_to_do() {
        let error = StoreError::Unavailable("/x is no store; move it away".to_owned());
        let findings = examine(Err(&error), None);
        assert_eq!(findings, [Finding::bad("store", "/x is no store", "move it away")]);
    }
}
