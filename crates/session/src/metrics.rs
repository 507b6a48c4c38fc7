//! The figures of a store in the OpenMetrics text format, which Prometheus and its kin read.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::figures::{self, Kind, WAIT_BUCKETS};
use crate::{Store, StoreError};

/// The media type of the answer of [`of`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The figures of `store` as one exposition, which ends with `# EOF`. `version` is that of the asking program.
///
/// # Errors
/// As [`Store::status`].
pub fn of(store: &dyn Store, version: &str) -> Result<String, StoreError> {
    Ok(exposition(store.status()?, &store.location(), version))
}

fn exposition(figures: Vec<(&'static str, u64)>, location: &str, version: &str) -> String {
    let mut registry = Registry::with_prefix("cloakroom");
    let labels = [("store", location.to_owned()), ("version", version.to_owned())];
    registry.register("store", "The store, and the version of Cloakroom that tells of it", Info::new(labels.to_vec()));
    registry.register_collector(Box::new(Figures(figures)));
    let mut text = String::new();
    // Writing into a string cannot fail.
    let _ = text::encode(&mut text, &registry);
    text
}

/// The figures of a store at one moment.
#[derive(Debug)]
struct Figures(Vec<(&'static str, u64)>);

impl Figures {
    fn of(&self, name: &str) -> Option<u64> {
        self.0.iter().find(|(named, _)| *named == name).map(|(_, figure)| *figure)
    }
}

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        for (name, figure) in &self.0 {
            let Some(meaning) = figures::find(name) else { continue };
            let unit = meaning.unit();
            match meaning.kind {
                Kind::Gauge => {
                    // A gauge is signed; no store has 2^63 of anything.
                    let gauge = ConstGauge::new(i64::try_from(*figure).unwrap_or(i64::MAX));
                    let of =
                        encoder.encode_descriptor(meaning.metric, meaning.help, unit.as_ref(), MetricType::Gauge)?;
                    gauge.encode(of)?;
                }
                Kind::Counter => {
                    let counter = ConstCounter::new(*figure);
                    let of =
                        encoder.encode_descriptor(meaning.metric, meaning.help, unit.as_ref(), MetricType::Counter)?;
                    counter.encode(of)?;
                }
                Kind::Waits => {}
            }
        }
        let buckets: Vec<_> =
            WAIT_BUCKETS.iter().filter_map(|(name, bound)| self.of(name).map(|waits| (*bound, waits))).collect();
        let Some(microseconds) = self.of("wait_microseconds").filter(|_| buckets.len() == WAIT_BUCKETS.len()) else {
            return Ok(());
        };
        // The sum of the buckets: while a wait is being counted, the figure `waits` may be ahead of them.
        let count = buckets.iter().map(|(_, waits)| waits).sum();
        let help = "Waits for the lock of a session";
        let mut of = encoder.encode_descriptor("lock_wait", help, Some(&Unit::Seconds), MetricType::Histogram)?;
        of.encode_histogram::<NoLabelSet>(microseconds as f64 / 1e6, count, &buckets, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_is_told_with_its_kind_and_unit() {
        let figures = vec![
            ("sessions", 3),
            ("bytes", 1 << 40),
            ("reads", u64::MAX),
            ("wait_timeouts", 1),
            ("waits", 9),
            ("wait_microseconds", 2_500_000),
            ("waits_below_100us", 4),
            ("waits_below_1ms", 0),
            ("waits_below_10ms", 2),
            ("waits_below_100ms", 0),
            ("waits_below_1s", 1),
            ("waits_below_10s", 1),
            ("waits_from_10s", 1),
        ];
        let text = exposition(figures, "/srv/a \"b\"\\\n.store", "1.2.3");
        for line in [
            "cloakroom_store_info{store=\"/srv/a \\\"b\\\"\\\\\\n.store\",version=\"1.2.3\"} 1",
            "# TYPE cloakroom_sessions gauge",
            "cloakroom_sessions 3",
            "# UNIT cloakroom_payload_bytes bytes",
            "cloakroom_payload_bytes 1099511627776",
            "# TYPE cloakroom_reads counter",
            "cloakroom_reads_total 18446744073709551615",
            "cloakroom_lock_wait_timeouts_total 1",
            "# TYPE cloakroom_lock_wait_seconds histogram",
            "# UNIT cloakroom_lock_wait_seconds seconds",
            "cloakroom_lock_wait_seconds_sum 2.5",
            "cloakroom_lock_wait_seconds_count 9",
            "cloakroom_lock_wait_seconds_bucket{le=\"0.0001\"} 4",
            "cloakroom_lock_wait_seconds_bucket{le=\"0.001\"} 4",
            "cloakroom_lock_wait_seconds_bucket{le=\"0.01\"} 6",
            "cloakroom_lock_wait_seconds_bucket{le=\"10.0\"} 8",
            "cloakroom_lock_wait_seconds_bucket{le=\"+Inf\"} 9",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn no_two_figures_share_a_metric_and_every_name_is_one_that_prometheus_takes() {
        let shown: Vec<_> = figures::FIGURES.iter().filter(|figure| figure.kind != Kind::Waits).collect();
        for (i, figure) in shown.iter().enumerate() {
            assert!(shown.iter().skip(i + 1).all(|other| other.metric != figure.metric), "{}", figure.metric);
            assert!(figure.metric.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{}", figure.metric);
            assert!(!figure.help.ends_with('.') && !figure.help.is_empty());
        }
        for (name, _) in WAIT_BUCKETS {
            assert_eq!(figures::find(name).expect("a figure").kind, Kind::Waits);
        }
    }
}
