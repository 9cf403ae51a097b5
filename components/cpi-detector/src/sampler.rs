//! When samples are taken, and of what they are made.

use std::collections::BTreeMap;

use wca_guest::types::Key;

use crate::cpi_detector::Config;
use crate::measure::Measure;
use crate::readings::Readings;

/// Takes a sample of all tasks at once, for `sample` seconds of each `sample_every` (the paper: 10 of each 60).
///
/// The agent may count events for a part of the time only. Then a sample begins when counters do, and ends with them at the
/// latest, so that what suspects used is of the same seconds.
#[derive(Default)]
pub(crate) struct Sampler {
    open: Option<Open>,
    /// Before which none begins.
    next: f64,
    /// When counters counted last.
    counted: f64,
    number: u64,
}

struct Open {
    began: f64,
    seconds: f64,
    has_counters: bool,
    sums: BTreeMap<Key, Sums>,
}

/// A sample of all tasks.
pub(crate) struct Finished {
    /// Its number: one more than that of the one before.
    pub(crate) number: u64,
    seconds: f64,
    sums: BTreeMap<Key, Sums>,
}

#[derive(Default)]
struct Sums {
    cycles: Mean,
    instructions: Mean,
    cpu_wait: Mean,
    memory_wait: Mean,
    throttled: Mean,
    usage: Mean,
    occupancy: Mean,
    bandwidth: Mean,
}

/// A mean over time, of those ticks that have a value.
#[derive(Default)]
struct Mean {
    sum: f64,
    seconds: f64,
}

impl Mean {
    fn add(&mut self, value: f64, seconds: f64) {
        if value.is_finite() {
            self.sum += value * seconds;
            self.seconds += seconds;
        }
    }

    /// NaN where less than half of the sample has values.
    fn of(&self, sample: f64) -> f64 {
        if self.seconds > 0.0 && self.seconds * 2.0 >= sample { self.sum / self.seconds } else { f64::NAN }
    }
}

impl Sampler {
    /// Number of the sample that is under way, or of the next.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// Takes a tick that ended at `now` and took `interval` seconds; gives the sample that ended with it.
    pub(crate) fn tick(
        &mut self,
        now: f64,
        interval: f64,
        keys: &[Key],
        readings: &Readings,
        wants_counters: bool,
        config: &Config,
    ) -> Option<Finished> {
        let counts = readings.counters.iter().any(|(cycles, _)| cycles.is_finite());
        if counts {
            self.counted = now;
        }
        if self.open.as_ref().is_some_and(|open| open.has_counters && !counts) {
            return self.close(config);
        }
        if self.open.is_none() {
            let began = now - interval;
            let is_due = began >= self.next - interval / 2.0;
            // Counters that were there lately will be there again.
            let waits = wants_counters && !counts && now - self.counted <= 2.0 * config.sample_every;
            if !is_due || waits {
                return None;
            }
            self.next = began + config.sample_every;
            self.open = Some(Open { began, seconds: 0.0, has_counters: counts, sums: BTreeMap::new() });
        }
        let open = self.open.as_mut()?;
        open.add(interval, keys, readings);
        if now - open.began >= config.sample - interval / 2.0 { self.close(config) } else { None }
    }

    /// None where it was cut off before its half.
    fn close(&mut self, config: &Config) -> Option<Finished> {
        let Open { seconds, sums, .. } = self.open.take()?;
        if seconds * 2.0 < config.sample {
            return None;
        }
        let number = self.number;
        self.number += 1;
        Some(Finished { number, seconds, sums })
    }
}

impl Open {
    fn add(&mut self, interval: f64, keys: &[Key], readings: &Readings) {
        self.seconds += interval;
        for (row, key) in keys.iter().enumerate() {
            let sums = self.sums.entry(*key).or_default();
            let (cycles, instructions) = readings.counters[row];
            sums.cycles.add(cycles, interval);
            sums.instructions.add(instructions, interval);
            sums.cpu_wait.add(readings.cpu_wait[row], interval);
            sums.memory_wait.add(readings.memory_wait[row], interval);
            sums.throttled.add(readings.throttled[row], interval);
            sums.usage.add(readings.usage[row], interval);
            sums.occupancy.add(readings.occupancy[row], interval);
            sums.bandwidth.add(readings.bandwidth[row], interval);
        }
    }
}

impl Finished {
    /// Tasks that were there.
    pub(crate) fn keys(&self) -> impl Iterator<Item = Key> {
        self.sums.keys().copied()
    }

    /// Whether any task has a value of the measure.
    pub(crate) fn has(&self, measure: Measure) -> bool {
        self.sums.values().any(|sums| sums.value(measure, self.seconds).is_finite())
    }

    /// What a task is judged by.
    pub(crate) fn value(&self, key: Key, measure: Measure) -> f64 {
        self.mean(key, |sums| sums.value(measure, self.seconds))
    }

    /// Cores that a task used.
    pub(crate) fn usage(&self, key: Key) -> f64 {
        self.mean(key, |sums| sums.usage.of(self.seconds))
    }

    /// Bytes of L3 cache that it held.
    pub(crate) fn occupancy(&self, key: Key) -> f64 {
        self.mean(key, |sums| sums.occupancy.of(self.seconds))
    }

    /// Bytes per second that it moved from and to memory.
    pub(crate) fn bandwidth(&self, key: Key) -> f64 {
        self.mean(key, |sums| sums.bandwidth.of(self.seconds))
    }

    fn mean(&self, key: Key, of: impl FnOnce(&Sums) -> f64) -> f64 {
        self.sums.get(&key).map_or(f64::NAN, of)
    }
}

impl Sums {
    fn value(&self, measure: Measure, seconds: f64) -> f64 {
        match measure {
            Measure::Cpi => {
                let (cycles, instructions) = (self.cycles.of(seconds), self.instructions.of(seconds));
                if instructions > 0.0 { cycles / instructions } else { f64::NAN }
            }
            Measure::PsiCpu => self.cpu_wait.of(seconds),
            Measure::PsiMemory => self.memory_wait.of(seconds),
            Measure::Throttling => self.throttled.of(seconds),
        }
    }
}
