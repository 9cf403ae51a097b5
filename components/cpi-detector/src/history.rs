//! What a group's samples were, weighted by age.

use std::collections::BTreeMap;

const DAY: f64 = 86_400.0;
/// Values of one bucket differ by this factor at most.
const RATIO: f64 = 1.005;
/// Values below this count as this.
const LEAST: f64 = 1e-6;
/// A normal distribution's deviation in units of its median absolute deviation (Rousseeuw and Croux 1993).
const SCALE: f64 = 1.4826;
/// Weights grow with time; from this on all are scaled down.
const HEAVY: f64 = 1e12;

/// A histogram with buckets of equal ratio, so that its memory does not grow with time, in which a sample's weight falls with its
/// age: by `age_weight` per day, as the paper weights the day before.
///
/// Mean and standard deviation, which the paper takes over thousands of machines, would here follow the very contention that is
/// to be found: one node has few tasks of a group, and all may suffer at once. Median and median absolute deviation stay as they
/// are until half of the weight is of samples that suffer.
#[derive(Default)]
pub(crate) struct History {
    buckets: BTreeMap<i32, f64>,
    total: f64,
    samples: u64,
    /// When a sample weighed 1.
    origin: f64,
}

/// What is expected of a group's next sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Expected {
    /// Weighted median.
    pub(crate) median: f64,
    /// Weighted median absolute deviation, scaled to the standard deviation of a normal distribution.
    pub(crate) deviation: f64,
}

impl History {
    /// Takes a sample of the time `now`, in seconds.
    pub(crate) fn add(&mut self, value: f64, now: f64, age_weight: f64) {
        if self.samples == 0 {
            self.origin = now;
        }
        let mut weight = age_weight.powf(-(now - self.origin) / DAY);
        if weight > HEAVY {
            self.lighten(weight);
            (self.origin, weight) = (now, 1.0);
        }
        *self.buckets.entry(bucket(value)).or_default() += weight;
        self.total += weight;
        self.samples += 1;
    }

    fn lighten(&mut self, by: f64) {
        let least = self.total / by * 1e-9;
        self.buckets.retain(|_, weight| {
            *weight /= by;
            *weight > least
        });
        self.total = self.buckets.values().sum();
    }

    /// Samples so far, whatever they weigh now.
    pub(crate) fn samples(&self) -> u64 {
        self.samples
    }

    /// None without samples.
    pub(crate) fn expected(&self) -> Option<Expected> {
        let values = || self.buckets.iter().map(|(at, weight)| (middle(*at), *weight));
        let median = median(values().collect(), self.total)?;
        let away = values().map(|(value, weight)| ((value - median).abs(), weight)).collect();
        Some(Expected { median, deviation: SCALE * self::median(away, self.total)? })
    }
}

fn bucket(value: f64) -> i32 {
    ((value.max(LEAST) / LEAST).ln() / RATIO.ln()).floor() as i32
}

fn middle(bucket: i32) -> f64 {
    if bucket == 0 { 0.0 } else { LEAST * RATIO.powf(f64::from(bucket) + 0.5) }
}

fn median(mut values: Vec<(f64, f64)>, total: f64) -> Option<f64> {
    values.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut below = 0.0;
    values.iter().find_map(|(value, weight)| {
        below += weight;
        (below >= total / 2.0).then_some(*value)
    })
}
