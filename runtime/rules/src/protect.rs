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

/// What a signal was before a change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Baseline {
    /// Its level over the worst window.
    pub level: Level,
    /// What nine of ten samples of all windows were better than, in the signal's unit: a load that comes in bursts is as bad as that
    /// by itself now and then.
    pub peak: f64,
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
    /// As it is where the operator writes a name and a signal alone: all tasks, by what they were before a change. It stands nowhere.
    #[must_use]
    pub fn of(name: &str, signal: Signal) -> Self {
        Self {
            name: name.to_owned(),
            place: String::new(),
            tasks: Vec::new(),
            except: Vec::new(),
            cgroups: Vec::new(),
            worse: Worse::Higher,
            worsening: 0.2,
            floor: signal.floor(),
            signal,
            window: Duration::from_secs(60),
            compare_with: CompareWith::Baseline,
        }
    }

    /// Whether both protect the same in the same way, wherever each is written.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Self { place: other.place.clone(), ..self.clone() } == *other
    }

    /// Whether this task is protected.
    #[must_use]
    pub fn holds_for(&self, task: RailedTask<'_>) -> bool {
        Selection { tasks: &self.tasks, except: &self.except, cgroups: &self.cgroups }.has(task)
    }

    /// What a signal was before `end`: the worst of the last [`BASELINE_WINDOWS`] windows, and its usual peak in all of them. Samples are
    /// times and values, on any clock that never goes back; one stands for the time since the sample before it. None where no
    /// window has enough of them.
    pub fn baseline(
        &self,
        samples: &(impl Iterator<Item = (Duration, f64)> + Clone),
        end: Duration,
    ) -> Option<Baseline> {
        let within = |back: u32, windows: u32| {
            // The machine may not have been up for so long.
            let last = end.checked_sub(self.window * back);
            let first = last.and_then(|last| last.checked_sub(self.window * windows));
            let is_within =
                move |at: &Duration| last.is_some_and(|last| *at <= last) && first.is_none_or(|first| *at > first);
            samples.clone().filter(move |(at, _)| is_within(at)).map(|(_, value)| value)
        };
        let levels = (0..BASELINE_WINDOWS).filter_map(|back| Level::of(within(back, 1)));
        let level = levels.max_by(|one, other| match self.worse {
            Worse::Higher => one.median.total_cmp(&other.median),
            Worse::Lower => other.median.total_cmp(&one.median),
        })?;
        let peak = self.peak(within(0, BASELINE_WINDOWS).filter(|sample| sample.is_finite()).collect())?;
        Some(Baseline { level, peak })
    }

    /// What nine of ten samples are better than, or all but the worst of fewer.
    fn peak(&self, mut samples: Vec<f64>) -> Option<f64> {
        samples.sort_unstable_by(|one, other| match self.worse {
            Worse::Higher => one.total_cmp(other),
            Worse::Lower => other.total_cmp(one),
        });
        samples.get((samples.len() * 9).div_ceil(10).checked_sub(1)?).copied()
    }

    /// Whether a task has got worse, by what it was before and after, and its peers.
    ///
    /// With `b` and `a` the medians before and after, `p` the peak before, `f` the floor and `w` the worsening, `R` is the median over
    /// the peers of `(a + f) / (b + f)`, as far as they got worse, and 1 without peers. Expected is `e = (b + f) * R - f`, and as the
    /// usual peak `u = (p + f) * R - f`. A signal that is worse when it is higher has got worse where `a > e * (1 + w)`, `a > u`,
    /// `a - e > f`, and `a - e` is more than four standard errors of the difference; one that is worse when it is lower, where
    /// `a * (1 + w) < e`, `a < u`, and the same of `e - a`.
    #[must_use]
    pub fn judge(&self, before: Baseline, after: Level, peers: &[(Baseline, Level)]) -> Option<Regression> {
        let Baseline { level: before, peak } = before;
        let ratio = self.of_peers(peers);
        let [expected, peak] = [before.median, peak].map(|value| (value + self.floor) * ratio - self.floor);
        let (difference, is_beyond) = match self.worse {
            Worse::Higher => {
                (after.median - expected, after.median > expected * (1.0 + self.worsening) && after.median > peak)
            }
            Worse::Lower => {
                (expected - after.median, after.median * (1.0 + self.worsening) < expected && after.median < peak)
            }
        };
        let noise = CERTAIN * before.error.hypot(after.error);
        let is_worse = is_beyond && difference > self.floor && difference > noise;
        is_worse.then_some(Regression { before: before.median, expected, after: after.median })
    }

    /// By how much peers got worse, as a factor.
    fn of_peers(&self, peers: &[(Baseline, Level)]) -> f64 {
        let ratio = |(before, after): &(Baseline, Level)| {
            let ratio = (after.median + self.floor) / (before.level.median + self.floor);
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
