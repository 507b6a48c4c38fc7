//! The directory, its file system, and the store in it.

use std::path::Path;

use anyhow::Result;
use cloakroom_store::{AttachError, Options, Stats, Store};

use super::Finding;
use crate::arguments::Place;
use crate::measures::size;

/// Most threads that can have a store attached.
const SEATS: u64 = 4096;

/// All about the place of a store.
pub(super) fn look(place: &Place) -> Result<Vec<Finding>> {
    let options = Options { capacity: None, user: place.user()? };
    let shown = place.store.display();
    let mut findings = Vec::new();
    match Store::attach(&place.store, options) {
        Ok(store) => {
            findings.push(Finding::good(format!("the store {} can be attached", store.path().display())));
            // The file system, if it cannot promise what the store needs.
            findings.extend(std::iter::from_fn(|| store.take_note()).map(Finding::problem));
            let stats = store.stats()?;
            findings.extend(of_figures(&stats));
            findings.extend(of_file_system(&place.store, stats.capacity.saturating_sub(stats.file_bytes)));
        }
        Err(AttachError::Missing { .. }) => {
            findings.push(Finding::good(format!("{shown} is a directory that a store may lie in")));
            findings.push(Finding::note("no store is there yet; the first session makes one".to_owned()));
            findings.extend(of_file_system(&place.store, 0));
        }
        Err(error) => findings.push(Finding::problem(error.to_string())),
    }
    Ok(findings)
}

/// What the figures of a store say of its health.
fn of_figures(stats: &Stats) -> Vec<Finding> {
    let used = stats.file_bytes.saturating_sub(stats.free_bytes);
    let percent = used.saturating_mul(100) / stats.capacity.max(1);
    let room = format!("{} of {} are taken by {} sessions", size(used), size(stats.capacity), stats.sessions);
    let mut findings = vec![if percent < 80 {
        Finding::good(room)
    } else {
        Finding::problem(format!("{room}, {percent} %: raise cloakroom.size or lower session.gc_maxlifetime"))
    }];
    if stats.evicted > 0 {
        findings.push(Finding::problem(format!(
            "{} sessions that never came back were removed for lack of room: raise cloakroom.size, or keep crawlers from \
             starting sessions",
            stats.evicted
        )));
    }
    if stats.corrupt > 0 {
        findings.push(Finding::problem(format!(
            "{} payloads did not match their checksums: run cloakroom check, and look for what writes to the file or for \
             failing memory",
            stats.corrupt
        )));
    }
    if stats.timeouts > 0 {
        findings.push(Finding::note(format!(
            "{} requests waited in vain for a session's lock: PHP's log names the scripts; end sessions earlier with \
             session_write_close(), or set cloakroom.lock = merge",
            stats.timeouts
        )));
    }
    if stats.attached * 5 >= SEATS * 4 {
        findings.push(Finding::problem(format!(
            "{} threads have the store attached, of {SEATS} that can: use fewer workers, or several directories",
            stats.attached
        )));
    }
    findings
}

/// Where the directory lies. The store may yet grow by `growth`.
fn of_file_system(directory: &Path, growth: u64) -> Vec<Finding> {
    let (Ok(kind), Ok(room)) = (rustix::fs::statfs(directory), rustix::fs::statvfs(directory)) else {
        return vec![Finding::problem(format!("the file system of {} cannot be asked", directory.display()))];
    };
    let mut findings = Vec::new();
    match kind.f_type as u64 & 0xffff_ffff {
        0x0102_1994 | 0x8584_58f6 => findings.push(Finding::note(
            "the directory is in memory (tmpfs): sessions survive restarts of PHP, not of the machine".to_owned(),
        )),
        0x794c_7630 => findings.push(Finding::note(
            "the directory is on an overlay, as in a container: sessions end with the container; mount a volume or a tmpfs \
             there to keep them, or to share them with other containers"
                .to_owned(),
        )),
        _ => {}
    }
    let free = room.f_bavail.saturating_mul(room.f_frsize);
    findings.push(if free < growth {
        Finding::problem(format!(
            "the file system has {} left, and the store may grow by {}: free space, or lower cloakroom.size",
            size(free),
            size(growth)
        ))
    } else {
        Finding::good(format!("the file system has {} left", size(free)))
    });
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::Weight;

    #[test]
    fn a_store_in_trouble_is_told() {
        let healthy = Stats { capacity: 100 << 20, file_bytes: 50 << 20, free_bytes: 20 << 20, ..Stats::default() };
        assert!(of_figures(&healthy).iter().all(|finding| finding.weight == Weight::Good));
        let problems =
            |stats: &Stats| of_figures(stats).iter().filter(|finding| finding.weight == Weight::Problem).count();
        assert_eq!(problems(&Stats { file_bytes: 100 << 20, ..healthy.clone() }), 1);
        assert_eq!(problems(&Stats { evicted: 1, ..healthy.clone() }), 1);
        assert_eq!(problems(&Stats { corrupt: 1, ..healthy.clone() }), 1);
        assert_eq!(problems(&Stats { attached: 4000, ..healthy.clone() }), 1);
    }

    #[test]
    fn a_file_system_without_room_is_told() {
        let weights =
            |growth| of_file_system(Path::new("/"), growth).iter().map(|finding| finding.weight).collect::<Vec<_>>();
        assert!(!weights(0).contains(&Weight::Problem));
        assert!(weights(u64::MAX).contains(&Weight::Problem));
    }
}
