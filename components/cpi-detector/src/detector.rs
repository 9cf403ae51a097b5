//! One tick after another: samples, judgement, blame.

use std::collections::BTreeMap;

use wca_guest::types::{Key, Refusal};
use wca_guest::{log, now};

use crate::clock::Clock;
use crate::cpi_detector::Config;
use crate::group::{GroupId, Groups, MOST};
use crate::measure::Measure;
use crate::readings::Columns;
use crate::resource::Traffic;
use crate::sampler::{Finished, Sampler};
use crate::suspects::{Suffering, Suspect};
use crate::task::{Sample, Task};
use crate::{report, resource, suspects};

/// Samples without a value of the measure in use, after which another is taken.
const PATIENCE: u32 = 10;

/// Victims times suspects that are compared in one call, so that it ends in time also where all tasks suffer at once.
const COMPARED: usize = 100_000;

/// What is kept from call to call.
#[derive(Default)]
pub(crate) struct Detector {
    clock: Clock,
    columns: Columns,
    sampler: Sampler,
    groups: Groups,
    tasks: BTreeMap<Key, Task>,
    traffic: Traffic,
    measure: Option<Measure>,
    /// Samples without a value of it.
    missed: u32,
    has_said: Said,
}

/// What is said once.
#[derive(Default)]
struct Said {
    nothing_measured: bool,
    without_labels: bool,
    too_many: bool,
    dropped_group: bool,
}

impl Detector {
    pub(crate) fn detect(&mut self, config: &Config) -> Result<(), String> {
        let now = self.clock.advance(now::timestamp());
        self.follow_roster(now, config);
        let interval = now::interval();
        if interval > 0.0 {
            self.columns.look();
            let measures = Measure::allowed(config.signal);
            let keys = now::keys();
            let readings = self.columns.read(keys.len(), measures);
            let wants_counters = measures.contains(&Measure::Cpi) && self.columns.has_counters;
            if let Some(sample) = self.sampler.tick(now, interval, &keys, &readings, wants_counters, config) {
                self.take(&sample, now, config)?;
            }
        }
        let Some(measure) = self.measure else { return Ok(()) };
        match report::state(measure, &self.groups, &self.tasks, config) {
            Err(Refusal::TooMany) => {
                self.say_too_many();
                Ok(())
            }
            told => told.map_err(String::from),
        }
    }

    /// Who suffers is told before the metrics of groups, and these before those of tasks.
    fn say_too_many(&mut self) {
        if !std::mem::replace(&mut self.has_said.too_many, true) {
            log::warn!("there is more to tell than a call may (--limit metrics raises it): some of it is left out");
        }
    }

    fn follow_roster(&mut self, now: f64, config: &Config) {
        let changes = now::roster_changes();
        for key in changes.departed {
            self.groups.leave(self.tasks.remove(&key).and_then(|task| task.group));
        }
        let mut without_labels = 0;
        for task in changes.arrived {
            self.groups.leave(self.tasks.get(&task.key).and_then(|known| known.group));
            let joined = self.groups.join(&task.labels, config, now);
            without_labels += u32::from(joined.group.is_none());
            if let Some(dropped) = joined.dropped {
                self.drop_group(dropped, config);
            }
            match self.tasks.get_mut(&task.key) {
                Some(known) => known.join(joined.group),
                None => {
                    self.tasks.insert(task.key, Task::new(task, joined.group, self.sampler.number()));
                }
            }
        }
        if without_labels > 0 && !std::mem::replace(&mut self.has_said.without_labels, true) {
            let labels = config.labels.join(", ");
            log::info!(
                "{without_labels} tasks have none of the labels {labels}: they may be culprits, and are not judged"
            );
        }
    }

    /// A group of tasks that live had to make room for another.
    fn drop_group(&mut self, group: GroupId, config: &Config) {
        self.tasks.values_mut().filter(|task| task.group == Some(group)).for_each(|task| task.join(None));
        if !std::mem::replace(&mut self.has_said.dropped_group, true) {
            let labels = config.labels.join(", ");
            log::warn!(
                "tasks that live have more than {MOST} values of the labels {labels}: those whose group had no sample for longest are \
                 not judged any more, and its history is lost; labels with fewer values keep it"
            );
        }
    }

    /// Judges all tasks by what their groups had before, and then adds what they have.
    fn take(&mut self, sample: &Finished, now: f64, config: &Config) -> Result<(), Refusal> {
        let Some(measure) = self.choose(sample, config) else { return Ok(()) };
        // A sample's time varies by a tick: those at the edge of a window are in or out by more than half of the distance.
        let edge = now + config.sample_every / 2.0;
        let remembered = edge - config.memory;
        let moved = sample.keys().map(|key| sample.bandwidth(key)).filter(|bandwidth| bandwidth.is_finite()).sum();
        self.traffic.take(sample.number, now, moved, remembered);
        let mut learnt: BTreeMap<GroupId, Vec<(f64, bool)>> = BTreeMap::new();
        let mut suffering = Vec::new();
        for key in sample.keys() {
            let Some(task) = self.tasks.get_mut(&key) else { continue };
            let usage = sample.usage(key);
            let says_something = usage >= measure.minimum_usage(config) || measure.minimum_usage(config) == 0.0;
            let value = if says_something { sample.value(key, measure) } else { f64::NAN };
            let (occupancy, bandwidth) = (sample.occupancy(key), sample.bandwidth(key));
            let taken = Sample { number: sample.number, at: now, value, usage, occupancy, bandwidth };
            task.take(taken, remembered);
            let since = edge - config.violation_window;
            let Some((id, group)) = task.group.and_then(|id| Some((id, self.groups.get(id)?))) else { continue };
            let judged = group.expected(measure, config).zip(group.threshold(measure, config));
            let violates = judged.is_some_and(|(_, threshold)| value > threshold);
            if violates {
                task.violate(now);
            }
            let violations = task.violations_since(since);
            if violations < config.violations as usize {
                task.culprits.clear();
            } else if let (true, Some((expected, threshold))) = (violates, judged) {
                suffering.push(Suffering { victim: key, value, expected, threshold, violations });
            }
            if value.is_finite() {
                let first = task.known.replace(measure) != Some(measure);
                learnt.entry(id).or_default().push((value, first));
            }
        }
        for (id, values) in learnt {
            if let Some(group) = self.groups.get_mut(id) {
                group.learn(measure, &values, now, config);
            }
        }
        // Who suffers most is compared and told first.
        suffering.sort_by(|one, other| other.excess().total_cmp(&one.excess()));
        let compared = COMPARED / self.tasks.len().max(1);
        for (at, suffering) in suffering.iter().enumerate() {
            let found = if at < compared {
                suspects::culprits(suffering, &self.tasks, edge - config.correlation_window, config)
            } else {
                Vec::new()
            };
            match self.tell(suffering, measure, &found) {
                Err(Refusal::TooMany) => {
                    self.say_too_many();
                    break;
                }
                told => told?,
            }
        }
        Ok(())
    }

    /// Says who suffers, and by whom: those who were found now, else those who were found before.
    fn tell(&mut self, suffering: &Suffering, measure: Measure, found: &[Suspect]) -> Result<(), Refusal> {
        let before = self.tasks.get(&suffering.victim).map(|task| task.culprits.clone()).unwrap_or_default();
        let culprits = if found.is_empty() {
            before.into_iter().filter(|key| self.tasks.contains_key(key)).collect()
        } else {
            found.iter().map(|suspect| suspect.key).collect::<Vec<_>>()
        };
        let first = culprits.first().copied();
        let about = resource::contended(measure, suffering, first, &self.tasks, &self.traffic);
        report::contention(about, measure, suffering, &culprits, found, &self.tasks)?;
        if let Some(task) = self.tasks.get_mut(&suffering.victim) {
            task.culprits = culprits;
        }
        Ok(())
    }

    /// The best measure that this sample has; one that was in use is kept for some samples without it.
    fn choose(&mut self, sample: &Finished, config: &Config) -> Option<Measure> {
        let allowed = Measure::allowed(config.signal);
        let found = allowed.iter().copied().find(|measure| sample.has(*measure));
        let in_use = self.measure;
        if in_use.is_some_and(|measure| sample.has(measure)) {
            self.missed = 0;
        } else {
            self.missed += 1;
        }
        let better = match (found, in_use) {
            (Some(found), Some(in_use)) => found < in_use || (found > in_use && self.missed >= PATIENCE),
            (Some(_), None) => true,
            (None, _) => false,
        };
        if better {
            self.measure = found;
            self.missed = 0;
            self.tasks.values_mut().for_each(Task::start_anew);
            let takes = self.measure.map_or("", Measure::takes);
            log::info!("tasks are judged by {}, which takes {takes}", self.measure.map_or("", Measure::name));
        }
        if self.measure.is_none()
            && self.missed >= PATIENCE
            && !std::mem::replace(&mut self.has_said.nothing_measured, true)
        {
            let takes: Vec<_> = allowed.iter().map(|measure| measure.takes()).collect();
            log::warn!("no task can be judged, since none of this is measured here: {}", takes.join("; "));
        }
        self.measure
    }
}

/// Refuses what cannot be meant.
pub(crate) fn validate(config: &Config) -> Result<(), String> {
    if config.labels.is_empty() {
        return Err("labels []: at least one label, by which tasks are grouped".to_owned());
    }
    let seconds = [
        ("sample", config.sample),
        ("sample_every", config.sample_every),
        ("violation_window", config.violation_window),
        ("correlation_window", config.correlation_window),
        ("memory", config.memory),
    ];
    for (name, value) in seconds {
        if !(value > 0.0 && value.is_finite()) {
            return Err(format!("{name} {value}: a number of seconds above 0"));
        }
    }
    if config.sample > config.sample_every {
        let (sample, every) = (config.sample, config.sample_every);
        return Err(format!("sample {sample}: at most sample_every, which is {every}"));
    }
    for (name, value) in
        [("violation_window", config.violation_window), ("correlation_window", config.correlation_window)]
    {
        let least = f64::from(config.violations) * config.sample_every;
        if value < least {
            let (violations, every) = (config.violations, config.sample_every);
            return Err(format!(
                "{name} {value}: room for {violations} samples (violations), one each {every} seconds: {least} at least"
            ));
        }
    }
    if config.memory < config.correlation_window {
        let (memory, window) = (config.memory, config.correlation_window);
        return Err(format!("memory {memory}: at least correlation_window, which is {window}"));
    }
    for (name, value) in [
        ("minimum_usage", config.minimum_usage),
        ("deviations", config.deviations),
        ("minimum_deviation", config.minimum_deviation),
        ("correlation_margin", config.correlation_margin),
        ("minimum_pressure", config.minimum_pressure),
    ] {
        if !(value >= 0.0 && value.is_finite()) {
            return Err(format!("{name} {value}: a number, 0 or more"));
        }
    }
    for (name, value) in [("correlation", config.correlation), ("age_weight", config.age_weight)] {
        if !(value > 0.0 && value <= 1.0) {
            return Err(format!("{name} {value}: above 0, at most 1"));
        }
    }
    for (name, value) in [
        ("violations", config.violations),
        ("most_culprits", config.most_culprits),
        ("minimum_samples", config.minimum_samples),
        ("minimum_tasks", config.minimum_tasks),
    ] {
        if value == 0 {
            return Err(format!("{name} 0: 1 or more"));
        }
    }
    Ok(())
}
