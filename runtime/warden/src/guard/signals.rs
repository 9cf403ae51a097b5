//! What is watched of tasks, from the warden's own samples.

use std::collections::HashMap;

use wca_model::{Catalog, MetricKind, Signal, TaskKey};

const PRESSURE: &str = "task_pressure_seconds";

/// One sample: when it was taken, in seconds since 1970, what its values mean, and the values.
#[derive(Clone, Copy)]
pub(crate) struct Sampled<'a> {
    pub(crate) timestamp: f64,
    pub(crate) catalog: &'a Catalog,
    pub(crate) values: &'a [f64],
}

/// Where the numbers of a signal stand among the columns of a catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Places {
    /// Values as they are.
    Gauge(Vec<usize>),
    /// Counters, of which the rate counts.
    Rate(Vec<usize>),
    /// Counters, of which the growth of one counts by that of another.
    Ratio { above: Vec<usize>, below: Vec<usize> },
}

/// What the counters of a signal had come to.
#[derive(Clone, Copy, Debug)]
struct Counted {
    above: f64,
    below: f64,
}

/// Reads signals out of samples.
#[derive(Debug, Default)]
pub(super) struct Signals {
    signals: Vec<Signal>,
    /// Of each signal; none where nobody measures it here.
    places: Vec<Option<Places>>,
    /// Version of the catalogue that the places are of.
    version: Option<u64>,
    counted: HashMap<(usize, TaskKey), Counted>,
    timestamp: f64,
}

impl Signals {
    pub(super) fn new(signals: Vec<Signal>) -> Self {
        Self { signals, ..Self::default() }
    }

    /// Whether a signal is measured here, by the last sample.
    pub(super) fn is_measured(&self, signal: usize) -> bool {
        self.places.get(signal).is_some_and(Option::is_some)
    }

    /// The value of each signal of each task that has it, in the rows of the sample: the number of the signal, the task, and NaN where
    /// it cannot be said.
    pub(super) fn read(
        &mut self,
        sample: &Sampled<'_>,
        keys: &[TaskKey],
        has: impl Fn(usize, TaskKey) -> bool,
    ) -> Vec<(usize, TaskKey, f64)> {
        if self.version != Some(sample.catalog.version) {
            self.version = Some(sample.catalog.version);
            let places: Vec<_> = self.signals.iter().map(|signal| places(signal, sample.catalog)).collect();
            if places != self.places {
                // What was counted stood elsewhere, or was a sum of others.
                self.counted.clear();
                self.places = places;
            }
        }
        let seconds = sample.timestamp - std::mem::replace(&mut self.timestamp, sample.timestamp);
        let before = std::mem::take(&mut self.counted);
        let mut read = Vec::new();
        for (signal, places) in self.places.iter().enumerate() {
            let Some(places) = places else { continue };
            for (row, key) in keys.iter().enumerate().filter(|(_, key)| has(signal, **key)) {
                let sum = |columns: &[usize]| sum(columns, row, keys.len(), sample.values);
                let (now, is_rate) = match places {
                    Places::Gauge(columns) => {
                        read.push((signal, *key, sum(columns)));
                        continue;
                    }
                    Places::Rate(columns) => (Counted { above: sum(columns), below: sample.timestamp }, true),
                    Places::Ratio { above, below } => (Counted { above: sum(above), below: sum(below) }, false),
                };
                self.counted.insert((signal, *key), now);
                let value = before.get(&(signal, *key)).map_or(f64::NAN, |before| match self.signals.get(signal) {
                    _ if is_rate => per(now.above - before.above, seconds),
                    // Where no period has passed in which it had something to run, it did not wait.
                    Some(Signal::Throttling) if now.below - before.below == 0.0 => 0.0,
                    _ => per(now.above - before.above, now.below - before.below),
                });
                read.push((signal, *key, value));
            }
        }
        read
    }
}

/// One growth by another; NaN where a counter has begun anew, or nothing has grown.
fn per(above: f64, below: f64) -> f64 {
    if above >= 0.0 && below > 0.0 { above / below } else { f64::NAN }
}

/// What the columns of a task come to, without those that it does not have; NaN where it has none.
fn sum(columns: &[usize], row: usize, rows: usize, values: &[f64]) -> f64 {
    let numbers = columns.iter().filter_map(|column| values.get(column * rows + row)).filter(|value| !value.is_nan());
    numbers.copied().reduce(|sum, value| sum + value).unwrap_or(f64::NAN)
}

fn places(signal: &Signal, catalog: &Catalog) -> Option<Places> {
    let all = |name: &str| Some(catalog.columns_of(name).collect::<Vec<_>>()).filter(|columns| !columns.is_empty());
    match signal {
        Signal::PsiCpu => pressure("cpu", catalog),
        Signal::PsiMemory => pressure("memory", catalog),
        Signal::Cpi => Some(Places::Ratio { above: all("task_cycles")?, below: all("task_instructions")? }),
        Signal::Throttling => {
            Some(Places::Ratio { above: all("task_cpu_throttled_periods")?, below: all("task_cpu_periods")? })
        }
        Signal::Metric(name) => match catalog.metric(name)?.1.kind {
            MetricKind::Counter => Some(Places::Rate(all(name)?)),
            MetricKind::Gauge => Some(Places::Gauge(all(name)?)),
        },
    }
}

fn pressure(resource: &str, catalog: &Catalog) -> Option<Places> {
    let is_meant = |column: &usize| {
        let labels = catalog.columns.get(*column).map_or(&[][..], |series| &series.labels);
        let has = |name: &str, value: &str| labels.iter().any(|(label, found)| label == name && found == value);
        has("resource", resource) && has("kind", "some")
    };
    let columns: Vec<usize> = catalog.columns_of(PRESSURE).filter(is_meant).collect();
    (!columns.is_empty()).then_some(Places::Rate(columns))
}

#[cfg(test)]
mod tests;
