//! Counters of the processors and of the kernel, per task and of the parts of the machine outside of cores.
//!
//! Source of everything that is asked of the kernel: perf_event_open(2) and tools/perf/design.txt.

mod chosen;
mod columns;
mod definitions;
mod derived;
mod event;
mod group;
mod hierarchy;
mod layout;
mod machine;
mod microarchitecture;
mod misnamed;
mod missing;
mod online;
mod retry;
mod row;
mod scale;
mod starved;
mod sys;
mod table;
mod tasks;
pub(crate) mod trial;
mod trouble;
mod uncore;
mod wanted;
mod window;

pub(crate) use definitions::definitions;
pub use event::is_software_event;
pub use misnamed::{misnamed_event, misnamed_uncore_event};
pub(crate) use tasks::TaskCounters;
pub(crate) use uncore::UncoreCounters;
pub use wanted::{PerfWanted, UncoreWanted};
pub use window::PerfWindow;
