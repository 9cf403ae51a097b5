//! Counters of the processors and of the kernel, per task and of the parts of the machine outside of cores.
//!
//! Source of everything that is asked of the kernel: perf_event_open(2) and tools/perf/design.txt.

mod columns;
mod derived;
mod event;
mod group;
mod layout;
mod leaves;
mod machine;
mod microarchitecture;
mod online;
mod row;
mod scale;
mod sys;
mod table;
mod tasks;
mod trouble;
mod uncore;
mod wanted;
mod window;

pub(crate) use columns::described;
pub(crate) use tasks::TaskCounters;
pub(crate) use uncore::{UncoreCounters, described as uncore_described};
pub use wanted::{PerfWanted, UncoreWanted};
pub use window::PerfWindow;
