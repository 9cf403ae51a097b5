//! What the steps of a tick take.

use std::collections::BTreeMap;
use std::time::Duration;

use wca_model::Sample;

use crate::definitions::{DURATION, DURATION_MEAN};

/// Times of each step: the last one, and the mean since the start.
#[derive(Default)]
pub(crate) struct Durations(BTreeMap<&'static str, Taken>);

#[derive(Default)]
struct Taken {
    last: f64,
    sum: f64,
    count: f64,
}

impl Durations {
    /// A step took this long.
    pub(crate) fn took(&mut self, function: &'static str, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let taken = self.0.entry(function).or_default();
        *taken = Taken { last: seconds, sum: taken.sum + seconds, count: taken.count + 1.0 };
    }

    pub(crate) fn metrics(&self) -> Vec<Sample> {
        let both = self.0.iter().flat_map(|(function, taken)| {
            [DURATION.sample_of(&[function], taken.last), DURATION_MEAN.sample_of(&[function], taken.sum / taken.count)]
        });
        both.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_time_and_the_mean_of_each_step() {
        let mut durations = Durations::default();
        durations.took("iteration", Duration::from_millis(500));
        durations.took("iteration", Duration::from_millis(250));
        durations.took("detect", Duration::from_millis(125));
        let found: Vec<_> = durations
            .metrics()
            .into_iter()
            .map(|sample| (sample.name, sample.labels[0].1.clone(), sample.value))
            .collect();
        let expected = [
            ("wca_duration_seconds", "detect", 0.125),
            ("wca_duration_seconds_avg", "detect", 0.125),
            ("wca_duration_seconds", "iteration", 0.25),
            ("wca_duration_seconds_avg", "iteration", 0.375),
        ];
        assert_eq!(found, expected.map(|(name, function, value)| (name.to_owned(), function.to_owned(), value)));
    }
}
