//! What is to be measured of that which not everybody needs.

use std::time::Duration;

use wca_pattern::{Pattern, PatternError};

use crate::PerfWanted;

/// What is to be measured of that which not everybody needs. By default all that costs little.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// Which keys of `/proc/vmstat` and of each node's `vmstat`, by how they begin.
    pub vmstat: Lines,
    /// Which lines of `/proc/zoneinfo`. A pattern has two groups, name and value, and applies from a line's beginning.
    pub zoneinfo: Lines,
    /// Whether cache occupancy and memory bandwidth are measured by resctrl: true says what is missing, false touches
    /// nothing, none is where the machine can.
    pub rdt_enabled: Option<bool>,
    /// Which counters.
    pub perf: PerfWanted,
    /// Which keys of `/proc/TID/sched`, by how they begin. By default none: there is a file for each thread.
    pub sched: Lines,
    /// How working sets are measured; by default not at all: it costs in proportion to the memory of tasks.
    pub working_set: Option<WorkingSet>,
    /// How often those files of tasks that use no processor time are read that say the same until they do, such as memory.stat
    /// and the pressure files; zero: at each tick, like all others.
    pub idle_task_interval: Duration,
    /// Whether anybody wants to know of the memory modules. They are no part of a sample.
    pub memory_topology: bool,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            vmstat: Lines::All,
            zoneinfo: Lines::All,
            rdt_enabled: None,
            perf: PerfWanted::default(),
            sched: Lines::Nothing,
            working_set: None,
            idle_task_interval: Duration::from_secs(10),
            memory_topology: false,
        }
    }
}

/// How working sets are measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WorkingSet {
    /// Readings from one reset of the kernel's marks to the next; 0: no regular reset.
    pub reset_cycles: u32,
    /// Readings without growth after which a working set counts as found; 0: it is not looked for. Without regular resets,
    /// the marks are reset at a find where this is positive; where it is negative, never.
    pub stable_cycles: i32,
    /// Growth per byte of memory traffic below which there is no growth; none: it is not looked for.
    pub membw_threshold: Option<f64>,
}

/// Which lines of a file are taken.
#[derive(Clone, Debug, Default)]
pub enum Lines {
    /// All that have a name and a number.
    #[default]
    All,
    /// None: the file is not even read for them.
    Nothing,
    /// Those that match from their beginning.
    Matching(Box<Pattern>),
}

impl PartialEq for Lines {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, Self::All) | (Self::Nothing, Self::Nothing) => true,
            (Self::Matching(one), Self::Matching(other)) => one.as_str() == other.as_str(),
            _ => false,
        }
    }
}

impl Lines {
    /// Those that match this regular expression from their beginning.
    ///
    /// # Errors
    /// It is none.
    pub fn matching(pattern: &str) -> Result<Self, PatternError> {
        Pattern::new(pattern).map(|pattern| Self::Matching(Box::new(pattern)))
    }

    /// Whether what begins so is taken.
    pub(crate) fn takes(&self, bytes: &[u8]) -> bool {
        match self {
            Self::All => true,
            Self::Nothing => false,
            // What is too costly to search is taken for what does not match: the kernel's names are short.
            Self::Matching(pattern) => {
                str::from_utf8(bytes).is_ok_and(|text| pattern.matches_beginning(text) == Ok(true))
            }
        }
    }
}
