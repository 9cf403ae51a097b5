//! Control groups: which hierarchies are mounted, which groups hold processes, and groups of our own for demonstrations.
//!
//! Sources: Documentation/admin-guide/cgroup-v1/cgroups.rst and Documentation/admin-guide/cgroup-v2.rst of the kernel.

pub(crate) mod files;
mod mounts;
mod path;
pub(crate) mod plan;
mod scratch;
mod tree;
mod walk;

pub use mounts::{Hierarchies, Hierarchy, Version};
pub use path::relative_cgroup_path;
pub use scratch::Scratch;
pub use tree::{Limits, PopulatedCgroup, Tree, identity, populated};
