//! Which counters are wanted.

use crate::perf::window::PerfWindow;

/// Which counters are wanted, by default none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PerfWanted {
    /// Events that are counted per task: names such as `cycles` and `cache-misses`, or raw events `name__rEEUU`,
    /// `name__rEEUUCC` and `name__rEEUUCC` with ten digits of `config1` behind it.
    pub events: Vec<String>,
    /// Whether the operator named these events. Of others a machine may lack some, which is said in fewer words, and only
    /// where there are tasks.
    pub is_named: bool,
    /// Whether counters of each processor are told apart by a label `cpu`, instead of summed.
    pub per_cpu: bool,
    /// Whether rates and ratios are computed from counters too, of tasks and of the machine.
    pub derived: bool,
    /// Counters outside of cores.
    pub uncore: UncoreWanted,
    /// Most descriptors that counters of tasks may take; none: half of what readers may
    /// have open. More than that is not there, whatever is asked for.
    pub descriptors: Option<u64>,
    /// Whether tasks are counted always.
    pub window: PerfWindow,
}

/// Which counters outside of cores are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum UncoreWanted {
    /// None.
    #[default]
    Off,
    /// Those that have a name here and that the machine has.
    Automatic,
    /// The same, and it is said where the machine has none.
    All,
    /// These, in groups that are counted together: names such as `platform_cas_count_reads`, or `name/pmu/config/`.
    Groups(Vec<Vec<String>>),
}
