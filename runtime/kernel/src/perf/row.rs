//! The counters of one task.

use std::os::fd::BorrowedFd;
use std::sync::Arc;

use rustix::io::Errno;
use wca_model::TaskKey;

use crate::perf::derived::Before;
use crate::perf::event::Encoding;
use crate::perf::group::{Group, OpenError};
use crate::perf::retry::Retry;
use crate::perf::scale::Interval;
use crate::perf::sys::Place;

/// One task, and what was counted of it.
#[derive(Debug)]
pub(crate) struct Row {
    /// Its key.
    pub key: TaskKey,
    /// Path of its cgroup below the mount point; none where the task names no cgroup.
    pub cgroup: Option<String>,
    /// Whether it has no other task below it and there is room for its counters.
    pub is_counted: bool,
    /// Processors, in the order of those that are online.
    pub cpus: Vec<CpuCounters>,
    /// What was counted on processors that are offline now; NaN where nothing ever was.
    gone: Box<[f64]>,
    /// What happened to each event at the last reading, on all processors together.
    ticks: Box<[Tick]>,
    /// For what is computed from sums.
    pub before: Before,
    /// When opening what is missing is tried again.
    pub retry: Retry,
}

/// Counters of a task on one processor.
#[derive(Debug)]
pub(crate) struct CpuCounters {
    /// The processor.
    pub cpu: u32,
    /// Its groups, in the order of the layout; none where one could not be opened.
    groups: Vec<Option<Group>>,
    /// What was counted of each event; NaN where nothing ever was.
    totals: Box<[f64]>,
    ticks: Box<[Tick]>,
    /// For what is computed from this processor's counters.
    pub before: Before,
    /// How much a count stood for at the last reading, over the events that counted.
    pub scaling: Scaling,
}

/// What happened to an event at a reading.
#[derive(Clone, Copy, Debug, Default)]
struct Tick {
    has_counted: bool,
    has_waited: bool,
}

/// How much counts stood for: 1 where nobody else wanted the counters.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Scaling {
    sum: f64,
    count: usize,
    max: f64,
}

impl Scaling {
    /// Adds the factor of a group of so many events.
    pub(crate) fn add(&mut self, factor: f64, events: usize) {
        self.sum += factor * events as f64;
        self.count += events;
        self.max = self.max.max(factor);
    }

    /// The mean over events; NaN where none counted.
    pub(crate) fn mean(self) -> f64 {
        if self.count > 0 { self.sum / self.count as f64 } else { f64::NAN }
    }

    /// The largest; NaN where none counted.
    pub(crate) fn max(self) -> f64 {
        if self.count > 0 { self.max } else { f64::NAN }
    }
}

/// Adds to a sum of which NaN means that there was nothing yet.
fn add(sum: &mut f64, part: f64) {
    if !part.is_nan() {
        *sum = if sum.is_nan() { part } else { *sum + part };
    }
}

/// What could not be opened for a task.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Missing {
    /// On which processor.
    pub cpu: u32,
    /// Which event.
    pub event: usize,
    /// What the kernel said.
    pub error: Errno,
}

impl Row {
    /// A task without counters, for so many events.
    pub(crate) fn new(key: TaskKey, cgroup: Option<String>, events: usize) -> Self {
        Self {
            key,
            cgroup,
            is_counted: false,
            cpus: Vec::new(),
            gone: vec![f64::NAN; events].into(),
            ticks: vec![Tick::default(); events].into(),
            before: Before::default(),
            retry: Retry::default(),
        }
    }

    /// Whether it has counters.
    pub(crate) fn is_open(&self) -> bool {
        self.cpus.iter().any(CpuCounters::is_open)
    }

    /// How many descriptors it has open.
    pub(crate) fn descriptors(&self) -> usize {
        self.cpus.iter().flat_map(|cpu| cpu.groups.iter().flatten()).map(Group::len).sum()
    }

    /// Closes the counters; what they counted up to now is kept.
    pub(crate) fn close(&mut self) {
        for cpu in &mut self.cpus {
            cpu.read(&mut |_, _| {});
            cpu.groups.clear();
        }
    }

    /// Takes over which processors are online: counters of those that are not are closed, and what they counted is kept in
    /// the sum.
    pub(crate) fn set_cpus(&mut self, online: &[u32]) {
        let events = self.gone.len();
        let mut old = std::mem::take(&mut self.cpus);
        for cpu in online {
            let known = old.iter().position(|one| one.cpu == *cpu).map(|at| old.swap_remove(at));
            self.cpus.push(known.unwrap_or_else(|| CpuCounters::new(*cpu, events)));
        }
        for mut cpu in old {
            // The kernel took its last count when the processor went.
            cpu.read(&mut |_, _| {});
            self.gone.iter_mut().zip(&cpu.totals).for_each(|(sum, total)| add(sum, *total));
        }
    }

    /// Opens the groups that are not open, on each processor; true where all are. What is missing goes to `missing`.
    ///
    /// # Errors
    /// The process has run out of descriptors (EMFILE, ENFILE): those of this task are closed again.
    pub(crate) fn open(
        &mut self,
        dir: BorrowedFd<'_>,
        layout: &[Arc<[usize]>],
        events: &[Encoding],
        is_on: bool,
        missing: &mut impl FnMut(Missing),
    ) -> Result<bool, Errno> {
        let mut is_complete = true;
        for at in 0..self.cpus.len() {
            let cpu = &mut self.cpus[at];
            let place = Place { cgroup: Some(dir), cpu: cpu.cpu };
            cpu.groups.resize_with(layout.len(), || None);
            for (slot, group) in cpu.groups.iter_mut().zip(layout) {
                if slot.is_some() {
                    continue;
                }
                match Group::open(group, events, place, is_on) {
                    Ok(group) => *slot = Some(group),
                    Err(OpenError { error: error @ (Errno::MFILE | Errno::NFILE), .. }) => {
                        self.close();
                        return Err(error);
                    }
                    Err(OpenError { at, error }) => {
                        is_complete = false;
                        missing(Missing { cpu: place.cpu, event: group[at], error });
                    }
                }
            }
        }
        Ok(is_complete)
    }

    /// Has all counters count, or stand still.
    pub(crate) fn set_counting(&mut self, is_on: bool) -> Result<(), Errno> {
        let mut groups = self.cpus.iter_mut().flat_map(|cpu| cpu.groups.iter_mut().flatten());
        groups.try_for_each(|group| group.set_counting(is_on))
    }

    /// Reads all counters. `seen` gets each group, by its position in the layout, with what happened to it. A group that
    /// cannot be read is closed, and opened again later.
    pub(crate) fn read(&mut self, seen: &mut impl FnMut(usize, Interval)) {
        self.ticks.fill(Tick::default());
        for cpu in &mut self.cpus {
            if !cpu.read(seen) {
                self.retry.later();
            }
            for (all, one) in self.ticks.iter_mut().zip(&cpu.ticks) {
                all.has_counted |= one.has_counted;
                all.has_waited |= one.has_waited;
            }
        }
    }

    /// What was counted of an event, summed over processors. NaN where nothing ever was, and where the task ran since the
    /// last reading and nowhere was counted.
    pub(crate) fn total(&self, event: usize) -> f64 {
        let tick = self.ticks[event];
        if tick.has_waited && !tick.has_counted {
            return f64::NAN;
        }
        let mut sum = self.gone[event];
        self.cpus.iter().for_each(|cpu| add(&mut sum, cpu.totals[event]));
        sum.round()
    }

    /// Mean and maximum of the factors of all processors on which something counted: the mean of each one's mean.
    pub(crate) fn scaling(&self) -> (f64, f64) {
        let counted = || self.cpus.iter().map(|cpu| cpu.scaling).filter(|scaling| scaling.count > 0);
        let count = counted().count();
        if count == 0 {
            return (f64::NAN, f64::NAN);
        }
        let sum: f64 = counted().map(Scaling::mean).sum();
        (sum / count as f64, counted().map(Scaling::max).fold(0.0, f64::max))
    }
}

impl CpuCounters {
    fn new(cpu: u32, events: usize) -> Self {
        Self {
            cpu,
            groups: Vec::new(),
            totals: vec![f64::NAN; events].into(),
            ticks: vec![Tick::default(); events].into(),
            before: Before::default(),
            scaling: Scaling::default(),
        }
    }

    fn is_open(&self) -> bool {
        self.groups.iter().any(Option::is_some)
    }

    /// False where a group could not be read.
    fn read(&mut self, seen: &mut impl FnMut(usize, Interval)) -> bool {
        let Self { groups, totals, ticks, scaling, .. } = self;
        ticks.fill(Tick::default());
        *scaling = Scaling::default();
        let mut is_complete = true;
        for (at, slot) in groups.iter_mut().enumerate() {
            let Some(group) = slot else { continue };
            let interval = group.read(|event, count| {
                add(&mut totals[event], count);
                ticks[event].has_counted = true;
            });
            match interval {
                Ok(Interval::Counted(factor)) => scaling.add(factor, group.len()),
                Ok(Interval::Waiting | Interval::Unknown) => {
                    group.events().iter().for_each(|event| ticks[*event].has_waited = true);
                }
                Ok(Interval::Idle) => {}
                Err(_) => {
                    is_complete = false;
                    *slot = None;
                    continue;
                }
            }
            if let Ok(interval) = interval {
                seen(at, interval);
            }
        }
        is_complete
    }

    /// What was counted of an event. NaN where nothing ever was, and where the task ran here since the last reading and was
    /// not counted.
    pub(crate) fn total(&self, event: usize) -> f64 {
        let tick = self.ticks[event];
        if tick.has_waited && !tick.has_counted { f64::NAN } else { self.totals[event].round() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(number: u32, totals: &[f64]) -> CpuCounters {
        CpuCounters { totals: totals.into(), ..CpuCounters::new(number, totals.len()) }
    }

    fn row(cpus: Vec<CpuCounters>) -> Row {
        let events = cpus[0].totals.len();
        Row { cpus, ..Row::new(TaskKey(1), Some("a".into()), events) }
    }

    #[test]
    fn processors_are_summed_and_what_never_counted_is_absent() {
        let row = row(vec![cpu(0, &[1.4, f64::NAN]), cpu(1, &[2.0, f64::NAN])]);
        assert_eq!(row.total(0), 3.0);
        assert!(row.total(1).is_nan());
    }

    #[test]
    fn what_a_processor_counted_stays_in_the_sum_when_it_goes() {
        let mut row = row(vec![cpu(0, &[1.0]), cpu(1, &[2.0]), cpu(3, &[4.0])]);
        row.set_cpus(&[1, 2]);
        assert_eq!(row.cpus.iter().map(|cpu| cpu.cpu).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(row.total(0), 7.0);
        row.set_cpus(&[0]);
        assert_eq!(row.total(0), 7.0);
        assert!(row.cpus[0].total(0).is_nan(), "a processor that comes back counts anew");
    }

    #[test]
    fn a_task_that_waited_everywhere_is_absent_until_it_counts() {
        let mut row = row(vec![cpu(0, &[1.0]), cpu(1, &[2.0])]);
        row.ticks[0] = Tick { has_counted: false, has_waited: true };
        assert!(row.total(0).is_nan());
        row.ticks[0].has_counted = true;
        assert_eq!(row.total(0), 3.0);
        row.cpus[0].ticks[0].has_waited = true;
        assert!(row.cpus[0].total(0).is_nan());
        assert_eq!(row.cpus[1].total(0), 2.0);
    }

    #[test]
    fn factors_are_averaged_per_processor_first() {
        let mut row = row(vec![cpu(0, &[1.0]), cpu(1, &[1.0]), cpu(2, &[1.0])]);
        let (mean, max) = row.scaling();
        assert!(mean.is_nan() && max.is_nan());
        row.cpus[0].scaling.add(1.0, 2);
        row.cpus[0].scaling.add(4.0, 1);
        row.cpus[2].scaling.add(3.0, 5);
        assert_eq!(row.scaling(), (2.5, 4.0));
        assert!(row.cpus[1].scaling.mean().is_nan());
    }
}
