//! How large and how old the sessions of a store are, as `Cloakroom\survey()` and the dashboard show it: histograms made
//! from what [`Store::sample`](crate::Store::sample) finds.

use crate::seam::Sample;

/// Upper bounds of sizes in bytes. Sessions without data are counted apart; one more step takes the rest.
pub const SIZE_BOUNDS: [u64; 8] = [1, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20];

/// Upper bounds of ages in seconds; one more step takes the rest.
pub const AGE_BOUNDS: [u64; 8] = [60, 10 * 60, 3600, 6 * 3600, 24 * 3600, 3 * 24 * 3600, 7 * 24 * 3600, 30 * 24 * 3600];

/// How many sessions are below a bound, and not below the one before; `None` is the end of the last step.
pub type Histogram = Vec<(Option<u64>, u64)>;

/// Sizes and ages of the sessions of a store, drawn from a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// Sessions that were looked at.
    pub sampled: u64,
    /// Whether these are all sessions of the store, and not only some.
    pub complete: bool,
    /// Of these, sessions that were asked for again after the request that began them.
    pub returned: u64,
    /// Bytes of the largest one.
    pub largest: u64,
    /// Their sizes in bytes.
    pub sizes: Histogram,
    /// Seconds since they began.
    pub ages: Histogram,
    /// Seconds since they were written or touched last.
    pub idle: Histogram,
}

impl Survey {
    /// Counts a sample.
    #[must_use]
    pub fn of(sample: &Sample) -> Self {
        let (mut sizes, mut ages, mut idle) = (empty(SIZE_BOUNDS), empty(AGE_BOUNDS), empty(AGE_BOUNDS));
        for session in &sample.sessions {
            count(&mut sizes, session.size);
            // A clock that was set back makes sessions of the future; they are as young as can be.
            count(&mut ages, sample.taken.saturating_sub(session.created));
            count(&mut idle, sample.taken.saturating_sub(session.used));
        }
        Self {
            sampled: sample.sessions.len() as u64,
            complete: sample.complete,
            returned: sample.sessions.iter().filter(|session| session.returned).count() as u64,
            largest: sample.sessions.iter().map(|session| session.size).max().unwrap_or(0),
            sizes,
            ages,
            idle,
        }
    }
}

fn empty(bounds: [u64; 8]) -> Histogram {
    bounds.map(Some).into_iter().chain([None]).map(|bound| (bound, 0)).collect()
}

fn count(histogram: &mut Histogram, value: u64) {
    if let Some((_, sessions)) = histogram.iter_mut().find(|(bound, _)| bound.is_none_or(|bound| value < bound)) {
        *sessions += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seam::Sampled;

    #[test]
    fn sessions_are_counted_by_size_age_and_idle_time() {
        let session = |size, age: u64, idle: u64, returned| Sampled {
            created: 1_000_000 - age,
            used: 1_000_000 - idle,
            size,
            returned,
        };
        let sessions = vec![
            session(0, 59, 0, false),
            session(255, 60, 60, true),
            session(256, 3599, 599, true),
            session(16 << 20, 999_999, 7 * 24 * 3600, true),
        ];
        let mut sample = Sample { sessions, complete: true, taken: 1_000_000 };
        let counts = |histogram: &Histogram| histogram.iter().map(|(_, sessions)| *sessions).collect::<Vec<_>>();
        let survey = Survey::of(&sample);
        assert_eq!(counts(&survey.sizes), [1, 1, 1, 0, 0, 0, 0, 0, 1]);
        assert_eq!(counts(&survey.ages), [1, 1, 1, 0, 0, 0, 0, 1, 0]);
        assert_eq!(counts(&survey.idle), [1, 2, 0, 0, 0, 0, 0, 1, 0]);
        assert_eq!((survey.sampled, survey.complete, survey.returned, survey.largest), (4, true, 3, 16 << 20));
        assert_eq!((survey.sizes[1].0, survey.sizes[8].0), (Some(256), None));

        sample.taken = 0;
        assert_eq!(counts(&Survey::of(&sample).ages)[0], 4);
    }
}
