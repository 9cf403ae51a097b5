//! The columns that counters of tasks fill.

use std::time::Instant;

use wca_model::{Confirmed, Described, MetricInfo, MetricKind};

use crate::family::FamilyMetric;
use crate::metrics::{TEST_BED, TREE};
use crate::perf::derived::{DERIVED, inputs};
use crate::perf::event::{Encoding, Event};
use crate::perf::layout::Layout;
use crate::perf::row::Row;
use crate::perf::table::{Code, EVENTS};

/// Which columns there are, and what was last read for them.
pub(crate) struct Columns {
    /// Whether there is a series for each processor.
    pub per_cpu: bool,
    is_derived: bool,
    /// Where the inputs of [`DERIVED`] stand among events.
    inputs: [Option<usize>; 4],
    /// Events that are counted here.
    events: Vec<usize>,
    /// Which of [`DERIVED`] are computed.
    derived: Vec<usize>,
    /// Series of each metric.
    series: usize,
    /// The values, column by column.
    pub values: Vec<f64>,
}

/// What is true of every counter of a task.
const OF_ALL: &str = "counted by the processor or the kernel for the task's cgroup, scaled to the time in which others had the \
                      counters; absent outside of perf_window, and as long as nothing was counted";

/// What tells how much is estimated: names, and of what.
const SCALING: [(&str, &str); 2] = [
    ("task_scaling_factor_avg", "What a count of the task's events stands for on average"),
    ("task_scaling_factor_max", "What a count of the task's events stands for at most"),
];

fn info(name: &str, help: String, kind: MetricKind, per_cpu: bool) -> MetricInfo {
    MetricInfo {
        name: name.to_owned(),
        help,
        kind,
        unit: "numeric".to_owned(),
        levels: if per_cpu { vec!["cpu".to_owned()] } else { Vec::new() },
        per_task: true,
    }
}

fn event_help(help: &str) -> String {
    format!("{help} ({OF_ALL}).")
}

fn scaling_help(which: &str, per_cpu: bool) -> String {
    let over = if per_cpu { "events" } else { "events and CPUs" };
    format!("{which}, over {over}: 1 where nobody else had the counters since the last reading.")
}

fn derived_help(help: &str) -> String {
    format!("{help}, since the last reading.")
}

/// All of them in words, as they are where counters are summed over CPUs.
pub(crate) fn described() -> Vec<Described> {
    let mut all: Vec<Described> = EVENTS
        .iter()
        .map(|event| {
            let (source, confirmed): (_, &[Confirmed]) = match event.code {
                Code::Generic(_) => ("perf_event_open, PERF_TYPE_HARDWARE, on the task's cgroup", TEST_BED),
                Code::Software(_) => ("perf_event_open, PERF_TYPE_SOFTWARE, on the task's cgroup", TEST_BED),
                Code::Raw(_) => ("perf_event_open, PERF_TYPE_RAW, on the task's cgroup", TREE),
            };
            let name = format!("task_{}", event.name);
            let info = info(&name, event_help(event.help), MetricKind::Counter, false);
            Described::new(info, source, "raw count * time enabled / time running, of each CPU, summed", confirmed)
        })
        .collect();
    all.extend(SCALING.map(|(name, which)| {
        let info = info(name, scaling_help(which, false), MetricKind::Gauge, false);
        Described::new(info, "the times of the task's counters", "time enabled / time running", TEST_BED)
    }));
    all.extend(DERIVED.iter().map(|derived| {
        let info = info(derived.name, derived_help(derived.help), MetricKind::Gauge, false);
        Described::new(info, "the task's counters", "of what was counted between two readings", TEST_BED)
    }));
    all
}

impl Columns {
    /// No columns yet, for these events.
    pub(crate) fn new(events: &[Encoding], per_cpu: bool, is_derived: bool) -> Self {
        Self {
            per_cpu,
            is_derived,
            inputs: inputs(events),
            events: Vec::new(),
            derived: Vec::new(),
            series: 0,
            values: Vec::new(),
        }
    }

    /// Finds out which columns there are; true where there are others than before, apart from which processors they are of.
    pub(crate) fn lay_out(&mut self, layout: Option<&Layout>, cpus: usize) -> bool {
        let Some(layout) = layout else { return false };
        let has = |event: usize| layout.has(event);
        let has_input = |input: &usize| self.inputs[*input].is_some_and(has);
        let all = layout.groups.iter().flat_map(|group| group.iter().copied());
        let mut events: Vec<usize> = all.collect();
        events.sort_unstable();
        let derived: Vec<usize> =
            (0..DERIVED.len()).filter(|at| self.is_derived && DERIVED[*at].needs.iter().all(has_input)).collect();
        let series = if self.per_cpu { cpus } else { 1 };
        let has_changed = (&events, &derived, series) != (&self.events, &self.derived, self.series);
        (self.events, self.derived, self.series) = (events, derived, series);
        has_changed
    }

    /// The metrics, in the order of the columns.
    pub(crate) fn metrics(&self, events: &[Event], cpus: &[u32]) -> Vec<FamilyMetric> {
        let metric = |name: &str, help: String, kind| FamilyMetric {
            info: info(name, help, kind, self.per_cpu),
            series: if self.per_cpu {
                cpus.iter().map(|cpu| vec![cpu.to_string()]).collect()
            } else {
                vec![Vec::new()]
            },
        };
        let mut metrics: Vec<FamilyMetric> = (self.events.iter())
            .map(|event| {
                let event = &events[*event];
                metric(&event.metric, event_help(&event.help), MetricKind::Counter)
            })
            .collect();
        if !metrics.is_empty() {
            metrics.extend(
                SCALING.map(|(name, which)| metric(name, scaling_help(which, self.per_cpu), MetricKind::Gauge)),
            );
        }
        metrics.extend(self.derived.iter().map(|at| {
            let derived = &DERIVED[*at];
            metric(derived.name, derived_help(derived.help), MetricKind::Gauge)
        }));
        metrics
    }

    /// Takes over what was read of each task. Outside of a window nothing is there, and what comes after it is not compared
    /// with what was before.
    pub(crate) fn fill(&mut self, rows: &mut [Row], now: Instant, is_read: bool) {
        let count = rows.len();
        let metrics = if self.events.is_empty() { 0 } else { self.events.len() + 2 + self.derived.len() };
        self.values.clear();
        self.values.resize(metrics * self.series * count, f64::NAN);
        let Self { values, events, derived, inputs, series, .. } = self;
        for (at, row) in rows.iter_mut().enumerate() {
            if !is_read || !row.is_open() {
                row.before.forget();
                row.cpus.iter_mut().for_each(|cpu| cpu.before.forget());
                continue;
            }
            let mut fill = |series_at: usize, total: &dyn Fn(usize) -> f64, scaling: (f64, f64), computed: [f64; 4]| {
                let counted = events.iter().map(|event| total(*event)).chain([scaling.0, scaling.1]);
                let all = counted.chain(derived.iter().map(|at| computed[*at]));
                for (metric, value) in all.enumerate() {
                    values[(metric * *series + series_at) * count + at] = value;
                }
            };
            if self.per_cpu {
                for (series_at, cpu) in row.cpus.iter_mut().enumerate().take(*series) {
                    let totals = inputs.map(|input| input.map_or(f64::NAN, |event| cpu.total(event)));
                    let computed = cpu.before.step(now, totals);
                    let scaling = (cpu.scaling.mean(), cpu.scaling.max());
                    fill(series_at, &|event| cpu.total(event), scaling, computed);
                }
            } else {
                let totals = inputs.map(|input| input.map_or(f64::NAN, |event| row.total(event)));
                let computed = row.before.step(now, totals);
                fill(0, &|event| row.total(event), row.scaling(), computed);
            }
        }
    }
}
