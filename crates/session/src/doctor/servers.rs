//! The servers of a Redis or Valkey store, by what they say of themselves.

use std::time::Duration;

use super::{Finding, size};
use crate::seam::ServerInfo;

/// The oldest Redis whose waits can be shorter than a second.
const OLDEST: u32 = 6;

/// A round trip that is longer than this is felt: each request makes two.
const LONG: Duration = Duration::from_millis(1);

/// Examines the servers.
#[must_use]
pub fn examine(servers: &[ServerInfo]) -> Vec<Finding> {
    servers.iter().flat_map(judge).collect()
}

fn judge(server: &ServerInfo) -> Vec<Finding> {
    let who = format!("{} {}", server.name, server.version);
    let mut findings = vec![Finding::ok("server", format!("{who}, {}", server.role))];
    let major = server.version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_some_and(|major| major < OLDEST) {
        findings.push(Finding::bad("server", format!("{who} is too old"), format!("use version {OLDEST} or later")));
    }
    if !server.role.is_empty() && server.role != "master" {
        findings.push(Finding::bad(
            "server",
            "it is a replica, which takes no writes",
            "name the master in session.save_path, or the sentinels (redis-sentinel://), which know it",
        ));
    }
    if server.memory_limit > 0 && server.eviction != "noeviction" && !server.eviction.is_empty() {
        findings.push(Finding::warn(
            "maxmemory-policy",
            format!(
                "with {} of memory in use, {} drops sessions and locks unasked",
                size(server.memory_limit),
                server.eviction
            ),
            "set maxmemory-policy noeviction: writes then fail with a warning, and nobody is logged out",
        ));
    }
    if server.memory_limit == 0 {
        findings.push(Finding::ok("maxmemory", "none is set: the system ends the server when memory is used up"));
    }
    findings.push(if server.saving_fails {
        Finding::bad(
            "persistence",
            "the server could not write its data to the disk, and refuses changes until it can",
            "look at its log; free space on its disk",
        )
    } else if server.appends {
        Finding::ok("persistence", "changes are appended to a file: sessions are there after a restart")
    } else {
        Finding::ok("persistence", "no append-only file: what was written since the last snapshot ends with the server")
    });
    let round_trip = format!("a round trip takes {:.2} ms", server.round_trip.as_secs_f64() * 1000.0);
    findings.push(if server.round_trip > LONG {
        Finding::warn(
            "latency",
            format!("{round_trip}, and a request makes two"),
            "move PHP and its server closer together",
        )
    } else {
        Finding::ok("latency", round_trip)
    });
    findings
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    fn good() -> ServerInfo {
        ServerInfo {
            name: "valkey".to_owned(),
            version: "8.0.1".to_owned(),
            role: "master".to_owned(),
            memory_limit: 1 << 30,
            eviction: "noeviction".to_owned(),
            appends: true,
            saving_fails: false,
            round_trip: Duration::from_micros(80),
        }
    }

    /// The faults that were found.
    fn complaints(server: ServerInfo) -> Vec<(Level, &'static str)> {
        let findings = examine(&[server]).into_iter().filter(|finding| finding.level != Level::Ok);
        findings.map(|finding| (finding.level, finding.subject)).collect()
    }

    #[test]
    fn servers_are_judged() {
        assert_eq!(complaints(good()), []);
        assert_eq!(complaints(ServerInfo { version: "5.0.14".to_owned(), ..good() }), [(Level::Bad, "server")]);
        assert_eq!(complaints(ServerInfo { role: "slave".to_owned(), ..good() }), [(Level::Bad, "server")]);
        let evicting = ServerInfo { eviction: "allkeys-lru".to_owned(), ..good() };
        assert_eq!(complaints(evicting.clone()), [(Level::Warn, "maxmemory-policy")]);
        assert_eq!(complaints(ServerInfo { memory_limit: 0, ..evicting }), []);
        assert_eq!(complaints(ServerInfo { saving_fails: true, ..good() }), [(Level::Bad, "persistence")]);
        assert_eq!(
            complaints(ServerInfo { round_trip: Duration::from_millis(2), ..good() }),
            [(Level::Warn, "latency")]
        );
    }
}
