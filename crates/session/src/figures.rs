//! The meaning of each figure of `Cloakroom\status()`: one table for the metrics, the command line and the documentation.

use prometheus_client::registry::Unit;

/// The behaviour of a figure over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is as it is now, and may fall.
    Gauge,
    /// It counts since the store was made, and never falls.
    Counter,
    /// It is a part of the histogram of waits, which [`crate::metrics`] puts together.
    Waits,
}

/// One figure.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Its name in `Cloakroom\status()`.
    pub name: &'static str,
    /// Its behaviour over time.
    pub kind: Kind,
    /// Its name among the metrics, without the prefix `cloakroom_`, the unit and the `_total` of counters.
    pub metric: &'static str,
    /// Whether it counts bytes, and not things or events.
    pub bytes: bool,
    /// Its meaning, in one sentence without a full stop.
    pub help: &'static str,
}

impl Figure {
    /// The unit that metrics name.
    #[must_use]
    pub fn unit(&self) -> Option<Unit> {
        self.bytes.then_some(Unit::Bytes)
    }
}

const fn gauge(name: &'static str, metric: &'static str, help: &'static str) -> Figure {
    Figure { name, kind: Kind::Gauge, metric, bytes: false, help }
}

const fn bytes(name: &'static str, metric: &'static str, help: &'static str) -> Figure {
    Figure { name, kind: Kind::Gauge, metric, bytes: true, help }
}

const fn counter(name: &'static str, metric: &'static str, help: &'static str) -> Figure {
    Figure { name, kind: Kind::Counter, metric, bytes: false, help }
}

const fn waits(name: &'static str, help: &'static str) -> Figure {
    Figure { name, kind: Kind::Waits, metric: "lock_wait", bytes: false, help }
}

/// The histogram of waits: name of the figure, and the upper bound of its waits in seconds.
pub const WAIT_BUCKETS: [(&str, f64); 7] = [
    ("waits_below_100us", 0.000_1),
    ("waits_below_1ms", 0.001),
    ("waits_below_10ms", 0.01),
    ("waits_below_100ms", 0.1),
    ("waits_below_1s", 1.0),
    ("waits_below_10s", 10.0),
    ("waits_from_10s", f64::INFINITY),
];

/// All figures that a store may tell, in the order in which people want to read them.
pub const FIGURES: &[Figure] = &[
    gauge("sessions", "sessions", "Sessions in the store, with reserved ones and expired ones not yet reclaimed"),
    gauge("reserved", "reserved_sessions", "Sessions that were started and hold no data"),
    gauge("tombstones", "tombstones", "Destroyed sessions that are remembered, so that slower requests stay out"),
    bytes("bytes", "payload", "Data of all sessions"),
    bytes("file_bytes", "file", "Size of the store file"),
    bytes("free_bytes", "free", "Room in the store file for more sessions"),
    bytes("capacity", "capacity", "How far the store file may grow (cloakroom.size)"),
    counter("reads", "reads", "Sessions read"),
    counter("writes", "writes", "Sessions written"),
    counter("touches", "touches", "Sessions kept alive without a write"),
    counter("creates", "creates", "Sessions begun"),
    counter("destroys", "destroys", "Sessions destroyed"),
    counter("expired", "expired", "Sessions removed after their lifetime"),
    counter("evictions", "evictions", "Sessions that came back once at most, removed because the store was full"),
    counter("recoveries", "recoveries", "Repairs after the death of a process or of the machine"),
    counter("refused_writes", "refused_writes", "Writes refused because the session had been destroyed meanwhile"),
    counter("merges", "merges", "Writes that kept what another request had written meanwhile"),
    counter("merge_conflicts", "merge_conflicts", "Values in merged writes that both requests had changed"),
    counter("merge_fallbacks", "merge_fallbacks", "Writes that could not be merged and replaced what was there"),
    counter("migrated", "migrated", "Sessions migrated from the session handler that was used before"),
    counter("corrupt", "corrupt_payloads", "Sessions whose data did not match its checksum"),
    waits("waits", "Waits for the lock of a session"),
    counter("wait_timeouts", "lock_wait_timeouts", "Waits for the lock of a session that were given up"),
    waits("wait_microseconds", "Time of all waits for locks, in microseconds"),
    waits("waits_below_100us", "Waits that took less than 0.1 ms"),
    waits("waits_below_1ms", "Waits that took 0.1 ms to 1 ms"),
    waits("waits_below_10ms", "Waits that took 1 ms to 10 ms"),
    waits("waits_below_100ms", "Waits that took 10 ms to 100 ms"),
    waits("waits_below_1s", "Waits that took 0.1 s to 1 s"),
    waits("waits_below_10s", "Waits that took 1 s to 10 s"),
    waits("waits_from_10s", "Waits that took 10 s or longer"),
    gauge("attached", "attached_processes", "Processes (in a thread-safe PHP, threads) that use the store now"),
    gauge("locked", "locked_sessions", "Sessions that a request holds the lock of now"),
    gauge("waiting", "waiting_requests", "Requests that wait for the lock of a session now"),
    counter(
        "rewritten",
        "rewritten",
        "Sessions that the server had lost while a request had them, and that the request wrote again",
    ),
    counter(
        "locks_lost",
        "locks_lost",
        "Writes refused because the lock had expired and another request had changed the session",
    ),
    bytes("server_memory", "server_memory", "Memory that the servers use"),
    bytes("server_memory_limit", "server_memory_limit", "Memory that the servers may use (maxmemory); 0 = no limit"),
    counter("evicted_keys", "evicted_keys", "Keys that the servers dropped for want of memory"),
    counter("expired_keys", "expired_keys", "Keys that the servers removed after their lifetime"),
    gauge("clients", "server_clients", "Connections to the servers, of everybody"),
];

/// The figure of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Figure> {
    FIGURES.iter().find(|figure| figure.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_has_every_figure_and_its_metric() {
        let documentation = include_str!("../../../docs/operations.md");
        for figure in FIGURES {
            let suffix = match figure.kind {
                Kind::Gauge if figure.bytes => "_bytes",
                Kind::Gauge => "",
                Kind::Counter => "_total",
                Kind::Waits => "_seconds_",
            };
            let metric = format!("`cloakroom_{}{suffix}", figure.metric);
            let name = format!("`{}`", figure.name);
            let row = documentation.lines().find(|line| line.starts_with('|') && line.contains(&name));
            assert!(row.is_some_and(|row| row.contains(&metric)), "{name} with {metric} is not documented");
            let documented = figure.kind == Kind::Waits || row.is_some_and(|row| row.contains(figure.help));
            assert!(documented, "{name} is documented in other words than the metric's");
        }
    }
}
