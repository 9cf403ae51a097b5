//! Runners: what is done in each iteration.

use std::time::Duration;

use super::{Control, GuestId, NodeChoice, StorageId};
use crate::node::Place;

/// What is done in each iteration.
#[derive(Clone, Debug, PartialEq)]
pub enum Runner {
    /// `MeasurementRunner`
    Measurement(Measurement),
    /// `DetectionRunner`
    Detection(Detection),
    /// `AllocationRunner`
    Allocation(Allocation),
    /// A WebAssembly component.
    Guest(GuestRunner),
}

impl Runner {
    /// What is measured, and how often.
    #[must_use]
    pub fn measurement(&self) -> &Measurement {
        match self {
            Self::Measurement(measurement) => measurement,
            Self::Detection(detection) => &detection.measurement,
            Self::Allocation(allocation) => &allocation.measurement,
            Self::Guest(runner) => &runner.measurement,
        }
    }

    /// Detectors and allocators.
    #[must_use]
    pub fn deciders(&self) -> Vec<GuestId> {
        match self {
            Self::Measurement(_) => Vec::new(),
            Self::Detection(detection) => vec![detection.detector],
            Self::Allocation(allocation) => vec![allocation.allocator],
            Self::Guest(runner) => runner.detector.iter().chain(&runner.allocator).copied().collect(),
        }
    }

    /// The component that is the runner, where it is one.
    #[must_use]
    pub fn component(&self) -> Option<GuestId> {
        match self {
            Self::Guest(runner) => Some(runner.guest),
            Self::Measurement(_) | Self::Detection(_) | Self::Allocation(_) => None,
        }
    }

    /// How changes are made; `None`: it makes none.
    #[must_use]
    pub fn control(&self) -> Option<&Control> {
        match self {
            Self::Allocation(allocation) => Some(&allocation.control),
            Self::Guest(runner) => runner.allocator.is_some().then_some(&runner.control),
            Self::Measurement(_) | Self::Detection(_) => None,
        }
    }

    /// Where anomalies go.
    #[must_use]
    pub fn anomalies_storage(&self) -> Option<StorageId> {
        match self {
            Self::Measurement(_) => None,
            Self::Detection(detection) => Some(detection.anomalies_storage),
            Self::Allocation(allocation) => Some(allocation.anomalies_storage),
            Self::Guest(runner) => Some(runner.anomalies_storage),
        }
    }

    /// Where allocations go.
    #[must_use]
    pub fn allocations_storage(&self) -> Option<StorageId> {
        match self {
            Self::Measurement(_) | Self::Detection(_) => None,
            Self::Allocation(allocation) => Some(allocation.allocations_storage),
            Self::Guest(runner) => Some(runner.allocations_storage),
        }
    }
}

/// Measures the machine and its tasks.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    /// Where the runner's tag stands.
    pub place: Place,
    /// How tasks are found.
    pub node: NodeChoice,
    /// Where metrics go.
    pub metrics_storage: StorageId,
    /// How often (`action_delay`, `interval`).
    pub interval: Interval,
    /// Whether Intel RDT is monitored; `None`: where the machine can.
    pub rdt_enabled: Option<bool>,
    /// Where that stands; where it does not, the runner's tag.
    pub rdt_enabled_place: Place,
    /// Whether the layout of memory modules is read; `None`: where the machine can tell.
    pub gather_hw_mm_topology: Option<bool>,
    /// Where that stands; where it does not, the runner's tag.
    pub gather_hw_mm_topology_place: Place,
    /// Labels of every metric.
    pub extra_labels: Vec<(String, String)>,
    /// Events that are counted per task.
    pub event_names: EventNames,
    /// Whether counters are summed over CPUs.
    pub perf_aggregate_cpus: bool,
    /// Most descriptors that counters of tasks may take; `None`: half of what there is for values.
    pub perf_fd_budget: Option<u32>,
    /// When tasks are counted.
    pub perf_window: CountingWindow,
    /// Whether rates and ratios are computed from counters.
    pub enable_derived_metrics: bool,
    /// Counters outside of cores (`enable_perf_uncore`, `uncore_event_names`).
    pub uncore_events: UncoreEvents,
    /// New labels of tasks, in the order in which they are made.
    pub task_label_generators: Vec<(String, LabelGenerator)>,
    /// How allocations are converted. An [`Allocation`] and a [`GuestRunner`] with an allocator always have one.
    pub allocation_configuration: Option<AllocationConfiguration>,
    /// Working sets; `None`: not measured.
    pub working_set: Option<WorkingSet>,
    /// Whether metrics carry labels about the processor too.
    pub include_optional_labels: bool,
    /// Which lines of `/proc/zoneinfo` become metrics. A pattern has two groups.
    pub zoneinfo: LinesChosen,
    /// Which lines of `/proc/vmstat` become metrics.
    pub vmstat: LinesChosen,
    /// Which lines of `/proc/PID/sched` become metrics.
    pub sched: LinesChosen,
    /// How often files of tasks that use no processor time are read; zero: in each iteration.
    pub idle_task_interval: Duration,
    /// Which names metrics have whose name has changed.
    pub metric_names: MetricNames,
}

/// How often an iteration begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interval {
    /// From the begin of one to the begin of the next; zero: no wait.
    Every(Duration),
    /// One iteration, without a wait after it (`null`).
    Once,
}

impl Interval {
    /// From the begin of one iteration to the begin of the next; zero: no wait.
    #[must_use]
    pub fn duration(self) -> Duration {
        match self {
            Self::Every(duration) => duration,
            Self::Once => Duration::ZERO,
        }
    }
}

/// When tasks are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CountingWindow {
    /// Always, unless there are too many tasks and processors for that.
    Automatic,
    /// Always.
    Always,
    /// For a part of the time.
    Part {
        /// For so long,
        counted: Duration,
        /// of every so long.
        every: Duration,
    },
}

/// Events that are counted per task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventNames {
    /// Name and place of each.
    pub names: Vec<(String, Place)>,
    /// Whether the operator named them. Otherwise they are the default, of which a machine may lack some.
    pub given: bool,
}

/// Counters outside of cores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UncoreEvents {
    /// Those that the machine has.
    Automatic,
    /// Those that the machine should have; it is an error if it has none.
    All,
    /// None.
    Off,
    /// These, in groups that are counted together; a name that stands alone is a group of one.
    Groups(Vec<Vec<(String, Place)>>),
}

/// How working sets are measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WorkingSet {
    /// Iterations from one reset of the kernel's marks to the next; 0: no regular reset.
    pub reset_cycles: u32,
    /// Iterations without growth after which a working set counts as found. Its sign is meaningful: where `reset_cycles` is
    /// 0, marks are reset after a find only if this is positive. 0: not looked for.
    pub stable_cycles: i32,
    /// Growth per byte of memory traffic below which there is no growth; `None`: not looked for.
    pub membw_threshold: Option<f64>,
}

/// Which lines of a file of the kernel become metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinesChosen {
    /// All.
    All,
    /// None.
    Nothing,
    /// Those that match this regular expression.
    Matching(String),
}

/// Which names metrics have whose name has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricNames {
    /// `current`
    Current,
    /// `original`: `wca_memory_usage_bytes`, `memory_usage` and `cpu_usage_per_cpu` as first documented.
    Original,
}

/// How a label of tasks is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LabelGenerator {
    /// `TaskLabelRegexGenerator`
    Regex {
        /// Regular expression by the rules of `wca_pattern`, which has been checked; every match is replaced.
        pattern: String,
        /// What replaces a match, which has been checked with the pattern; `\1` is the first group.
        repl: String,
        /// The label that is read.
        source: String,
    },
    /// `TaskLabelResourceGenerator`
    Resource {
        /// The resource of which the value is taken.
        resource_name: String,
    },
}

/// How allocations are converted to what the kernel takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllocationConfiguration {
    /// Period of CPU quotas in microseconds; `None`: what is found in the cgroup.
    pub cpu_quota_period: Option<u32>,
    /// CPU shares that stand for 1.0.
    pub cpu_shares_unit: u32,
    /// Cache of the default RDT group, as the kernel writes it; `None`: left alone.
    pub default_rdt_l3: Option<String>,
    /// Memory bandwidth of the default RDT group, as the kernel writes it; `None`: left alone.
    pub default_rdt_mb: Option<String>,
}

impl Default for AllocationConfiguration {
    /// As in a file without any of its arguments.
    fn default() -> Self {
        Self { cpu_quota_period: None, cpu_shares_unit: 1000, default_rdt_l3: None, default_rdt_mb: None }
    }
}

/// Measures, and lets a detector look for anomalies.
#[derive(Clone, Debug, PartialEq)]
pub struct Detection {
    /// What is measured.
    pub measurement: Measurement,
    /// Who looks.
    pub detector: GuestId,
    /// Where anomalies go.
    pub anomalies_storage: StorageId,
}

/// Measures, and lets an allocator decide on resources.
#[derive(Clone, Debug, PartialEq)]
pub struct Allocation {
    /// What is measured.
    pub measurement: Measurement,
    /// Who decides.
    pub allocator: GuestId,
    /// Where anomalies go.
    pub anomalies_storage: StorageId,
    /// Where allocations go.
    pub allocations_storage: StorageId,
    /// Whether it is an error if the machine cannot control memory bandwidth.
    pub rdt_mb_control_required: bool,
    /// Where that stands; where it does not, the runner's tag.
    pub rdt_mb_control_required_place: Place,
    /// Whether it is an error if the machine cannot control its cache.
    pub rdt_cache_control_required: bool,
    /// Where that stands; where it does not, the runner's tag.
    pub rdt_cache_control_required_place: Place,
    /// How changes are made.
    pub control: Control,
}

/// A guest that decides what is done.
#[derive(Clone, Debug, PartialEq)]
pub struct GuestRunner {
    /// The guest.
    pub guest: GuestId,
    /// What it can have measured.
    pub measurement: Measurement,
    /// The detector that it can call.
    pub detector: Option<GuestId>,
    /// The allocator that it can call.
    pub allocator: Option<GuestId>,
    /// Where anomalies go.
    pub anomalies_storage: StorageId,
    /// Where allocations go.
    pub allocations_storage: StorageId,
    /// How changes are made that the allocator asks for.
    pub control: Control,
}
