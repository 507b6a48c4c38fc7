//! The limits that the system sets for the process that looks: it should be one that PHP runs in.

use cloakroom_store::{FileSystem, Fitness};
use rustix::process::{Resource, getrlimit};

use super::place::Place;
use super::{Finding, size};

/// Descriptors that a worker needs besides those of the application.
const DESCRIPTORS: u64 = 64;

/// Bytes that the store's file is longer than cloakroom.size, at most: tables in front, most of which take no room.
const TABLES: u64 = 24 << 20;

/// Examines the limits of this process for a store at `place`.
#[must_use]
pub fn examine(place: &Place<'_>) -> Vec<Finding> {
    let limit = place.size.unwrap_or(0);
    let mut findings = judge(limit, |resource| getrlimit(resource).current);
    findings.extend(memory(place, limit));
    if findings.is_empty() {
        findings
            .push(Finding::ok("limits", "address space, file size, open files and memory are enough for the store"));
    }
    findings
}

/// The findings about limits that are too low for a store of `limit` bytes; `allowed` answers a limit, `None` where there is none.
fn judge(limit: u64, allowed: impl Fn(Resource) -> Option<u64>) -> Vec<Finding> {
    let limits = [
        (
            Resource::As,
            limit.saturating_add(256 << 20),
            "the store is mapped as a whole, and this process may map no more than",
            "raise the limit of the address space (systemd: LimitAS=, shell: ulimit -v) above cloakroom.size",
        ),
        (
            Resource::Fsize,
            limit.saturating_add(TABLES),
            "no file of this process may be larger than",
            "raise the limit of file sizes (systemd: LimitFSIZE=, shell: ulimit -f) above cloakroom.size",
        ),
        (
            Resource::Nofile,
            DESCRIPTORS,
            "the open files that this process may have are no more than",
            "raise the limit (php-fpm: rlimit_files, systemd: LimitNOFILE=)",
        ),
    ];
    let mut findings = Vec::new();
    for (resource, needed, found, advice) in limits {
        if let Some(allowed) = allowed(resource).filter(|allowed| *allowed < needed) {
            let amount = if resource == Resource::Nofile { allowed.to_string() } else { size(allowed) };
            findings.push(Finding::bad("limits", format!("{found} {amount}"), advice));
        }
    }
    findings
}

/// A store in memory counts against the memory of the container or of the machine.
fn memory(place: &Place<'_>, limit: u64) -> Option<Finding> {
    let fitness = FileSystem::of(place.directory).ok()?.fitness;
    if fitness != Fitness::Memory {
        return None;
    }
    let (whose, allowed) = match group_limit() {
        Some(allowed) => ("control group (container, service)", allowed),
        None => ("machine", machine_memory()?),
    };
    (limit > allowed / 2).then(|| {
        Finding::warn(
            "limits",
            format!("the store lies in memory and may take {}, the {whose} has {}", size(limit), size(allowed)),
            "lower cloakroom.size, raise the memory limit, or put session.save_path on a disk",
        )
    })
}

/// The memory limit of this process's control group, or of one above that it can see.
fn group_limit() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    std::path::Path::new(path)
        .ancestors()
        .filter_map(|group| {
            let file = format!("/sys/fs/cgroup{}/memory.max", group.display());
            std::fs::read_to_string(file).ok()?.trim().parse().ok()
        })
        .min()
}

fn machine_memory() -> Option<u64> {
    let memory = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = memory.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_that_is_too_low_is_told() {
        assert!(judge(8 << 20, |_| None).is_empty());
        assert!(judge(8 << 20, |_| Some(1 << 30)).is_empty());
        for (lowered, shown) in [
            (Resource::As, "map no more than 1.0 MiB"),
            (Resource::Fsize, "larger than 1.0 MiB"),
            (Resource::Nofile, " 32"),
        ] {
            let low = if lowered == Resource::Nofile { 32 } else { 1 << 20 };
            let findings = judge(8 << 20, |resource| (resource == lowered).then_some(low));
            assert_eq!(findings.len(), 1);
            assert!(findings[0].found.ends_with(shown), "{findings:?}");
        }
    }
}
