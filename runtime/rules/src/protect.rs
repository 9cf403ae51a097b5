//! Who is protected, and whether one of them has got worse: what the guard over the effect of changes goes by.

use std::time::Duration;

use wca_model::{CompareWith, Signal, Worse};

use crate::rails::RailedTask;
use crate::selection::Selection;

#[cfg(test)]
mod tests;

/// Fewest samples from which anything is said.
pub const FEWEST_SAMPLES: usize = 3;

/// How many windows before a change a task is compared with: the worst of them counts, so that a load that comes and goes by itself
/// within so many windows is nobody's fault.
pub const BASELINE_WINDOWS: u32 = 4;

/// How many standard errors a difference must have.
const CERTAIN: f64 = 4.0;

/// Standard deviations of normally distributed samples per median absolute deviation (Rousseeuw and Croux, 1993, Alternatives to
/// the Median Absolute Deviation, JASA 88(424)).
const DEVIATIONS_PER_MAD: f64 = 1.4826;

/// How many samples count as one: a load that comes and goes does so for several samples on end, and those say the same.
const SAMPLES_ALIKE: f64 = 4.0;

/// Standard error of the median of normally distributed samples, in those of their mean: the root of pi/2.
const MEDIAN_ERROR: f64 = 1.2533;

/// Tasks that must not get worse by what is done.
#[derive(Clone, Debug, PartialEq)]
pub struct Protect {
    /// Its name, for messages and metrics.
    pub name: String,
    /// Where it stands, as `file:line`.
    pub place: String,
    /// Labels of its tasks, each with a pattern of `*` and `?`; all must match. None: all tasks.
    pub tasks: Vec<(String, String)>,
    /// Tasks with all of these labels are left out; none: nobody is.
    pub except: Vec<(String, String)>,
    /// Patterns for paths of cgroups, one of which must match; none: all.
    pub cgroups: Vec<String>,
    /// What is watched.
    pub signal: Signal,
    /// Which way is worse.
    pub worse: Worse,
    /// Part by which it may get worse.
    pub worsening: f64,
    /// Least difference that counts, in the signal's unit.
    pub floor: f64,
    /// How long it is watched after a change.
    pub window: Duration,
    /// What it is compared with.
    pub compare_with: CompareWith,
}

/// What a signal was over a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// Median of the samples, in the signal's unit.
    pub median: f64,
    /// Standard error of that, in the same unit.
    pub error: f64,
}

impl Level {
    /// Of these samples; those that are no number are left out. None where there are too few.
    #[must_use]
    pub fn of(samples: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut samples: Vec<f64> = samples.into_iter().filter(|sample| sample.is_finite()).collect();
        if samples.len() < FEWEST_SAMPLES {
            return None;
        }
        let median = median(&mut samples)?;
        let mut deviations: Vec<f64> = samples.iter().map(|sample| (sample - median).abs()).collect();
        let deviation = DEVIATIONS_PER_MAD * self::median(&mut deviations)?;
        Some(Self { median, error: MEDIAN_ERROR * deviation / (count(samples.len()) / SAMPLES_ALIKE).sqrt() })
    }
}

/// How a task has got worse. All numbers are in the signal's unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Regression {
    /// What its signal was before.
    pub before: f64,
    /// What it would be now by what its peers have become; without peers as before.
    pub expected: f64,
    /// What it is.
    pub after: f64,
}

impl Protect {
    /// Whether this task is protected.
    #[must_use]
    pub fn holds_for(&self, task: RailedTask<'_>) -> bool {
        Selection { tasks: &self.tasks, except: &self.except, cgroups: &self.cgroups }.has(task)
    }

    /// What a signal was before `end`: the worst of the last [`BASELINE_WINDOWS`] windows. Samples are times and values, on any clock
    /// that never goes back; one stands for the time since the sample before it. None where no window has enough of them.
    pub fn baseline(&self, samples: &(impl Iterator<Item = (Duration, f64)> + Clone), end: Duration) -> Option<Level> {
        let level = |back: u32| {
            // The machine may not have been up for so long.
            let last = end.checked_sub(self.window * back)?;
            let first = last.checked_sub(self.window);
            let within = |at: &Duration| *at <= last && first.is_none_or(|first| *at > first);
            Level::of(samples.clone().filter(|(at, _)| within(at)).map(|(_, value)| value))
        };
        (0..BASELINE_WINDOWS).filter_map(level).max_by(|one, other| match self.worse {
            Worse::Higher => one.median.total_cmp(&other.median),
            Worse::Lower => other.median.total_cmp(&one.median),
        })
    }

    /// Whether a task has got worse, by its levels before and after and those of its peers.
    ///
    /// With `b` and `a` the medians before and after, `f` the floor and `w` the worsening, `R` is the median over the peers of
    /// `(a + f) / (b + f)`, as far as they got worse, and 1 without peers. Expected is `e = (b + f) * R - f`. A signal that is worse
    /// when it is higher has got worse where `a > e * (1 + w)`, `a - e > f`, and `a - e` is more than four standard errors of the
    /// difference; one that is worse when it is lower, where `a * (1 + w) < e`, and the same of `e - a`.
    #[must_use]
    pub fn judge(&self, before: Level, after: Level, peers: &[(Level, Level)]) -> Option<Regression> {
        let expected = (before.median + self.floor) * self.of_peers(peers) - self.floor;
        let (difference, is_beyond) = match self.worse {
            Worse::Higher => (after.median - expected, after.median > expected * (1.0 + self.worsening)),
            Worse::Lower => (expected - after.median, after.median * (1.0 + self.worsening) < expected),
        };
        let noise = CERTAIN * before.error.hypot(after.error);
        let is_worse = is_beyond && difference > self.floor && difference > noise;
        is_worse.then_some(Regression { before: before.median, expected, after: after.median })
    }

    /// By how much peers got worse, as a factor.
    fn of_peers(&self, peers: &[(Level, Level)]) -> f64 {
        let ratio = |(before, after): &(Level, Level)| {
            let ratio = (after.median + self.floor) / (before.median + self.floor);
            ratio.is_finite().then_some(ratio)
        };
        let mut ratios: Vec<f64> = peers.iter().filter_map(ratio).collect();
        match (median(&mut ratios), self.worse) {
            (None, _) => 1.0,
            (Some(ratio), Worse::Higher) => ratio.max(1.0),
            (Some(ratio), Worse::Lower) => ratio.clamp(0.0, 1.0),
        }
    }
}

/// The median, of two in the middle their mean; none of nothing.
fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = values.get(values.len() / 2 - 1)?;
    Some(f64::midpoint(*lower, upper))
}

fn count(number: usize) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "a window has far fewer samples than 2^53")]
    let value = number as f64;
    value
}
