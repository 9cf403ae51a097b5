//! Cache occupancy and memory bandwidth of tasks, by monitoring groups of resctrl.
//!
//! Source: Documentation/filesystems/resctrl.rst of the kernel, <https://docs.kernel.org/filesystems/resctrl.html>.
//!
//! Each task has a monitoring group of its own, with all its threads in it. What the kernel's rules ask for:
//! - A monitoring group lies in a control group and takes threads of that one only (EINVAL for others), so measuring never
//!   moves a thread out of its control group. A task with threads in several control groups has a monitoring group in each,
//!   and its values are the sums. One that goes to another control group takes its monitoring group along where the kernel
//!   can rename it (6.5), so that the counters go on.
//! - A thread is in one monitoring group at most. One that is in somebody else's stays there, and that group is read where
//!   nothing else is in it. Somebody else's is every group whose name is not ours, or that a living process has locked.
//! - Threads that are born in a group stay in it; only those that came into the task otherwise are written.
//! - /sys/fs/resctrl is locked (flock(2)) while groups are looked at and changed.
//!
//! Control groups, in which tasks have cache ways and memory bandwidth, are made and changed by [`control`] alone.
//!
//! resctrl is never mounted here: how (`cdp`, `mba_MBps`) is a choice for the whole machine, and the operator's.

mod control;
mod counters;
mod family;
mod group;
mod layout;
mod lock;
mod means;
mod mount;
mod name;
mod pause;
mod task;
mod told;
mod values;

pub(crate) use control::{Cell, ControlGroups, NOBODY, cell_text, of_one_group};
pub use control::{Listed, Locked};
pub(crate) use family::Monitoring;
pub(crate) use name::{group_name, is_ours};
pub(crate) use values::described;
