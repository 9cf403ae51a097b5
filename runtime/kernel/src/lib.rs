//! The kernel: the only part of WCA that reads or writes its files.
//!
//! Readers keep descriptors open and parse bytes where they lie, so that a steady tick costs little more than the kernel's
//! own work of producing the files. Every reader takes a [`Roots`], so that a tree in a temporary folder stands in for
//! `/proc` and `/sys`. A file that is missing, malformed or gone costs what it would have said and nothing else: what that
//! was comes back as a [`Notice`], once.

mod catalog;
pub mod cgroup;
mod definitions;
mod error;
mod families;
mod family;
mod features;
mod files;
mod limits;
mod machine;
mod metrics;
mod mountinfo;
mod notice;
pub mod pages;
mod perf;
pub mod platform;
mod process;
mod processor_time;
mod resctrl;
mod roots;
mod sampler;
mod sched;
#[cfg(test)]
#[path = "../../../tests/skipped.rs"]
mod skipped;
mod task_processes;
mod text;
pub mod values;
mod wanted;
mod working_set;

pub use cgroup::{
    Gap, Hierarchies, Hierarchy, Limits, PopulatedCgroup, Scratch, Tree, TreeWalker, Version, identity, populated,
    relative_cgroup_path,
};
pub use definitions::definitions;
pub use error::KernelError;
pub use features::{FEATURES, Feature, Reason, features};
pub use limits::raise_descriptor_limit;
pub use notice::{Notice, Said};
pub use perf::{PerfWanted, PerfWindow, UncoreWanted, is_software_event, misnamed_event, misnamed_uncore_event};
pub use platform::{Facts, platform, smbios_table};
pub use process::{children, open_files, resident_memory};
pub use processor_time::{process_time, thread_time};
pub use roots::Roots;
pub use sampler::{Sampler, TaskCgroups};
pub use wanted::{Lines, Wanted, WorkingSet};
