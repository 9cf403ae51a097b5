//! Control groups: which hierarchies are mounted, which groups hold processes, and groups of our own for demonstrations.
//!
//! Sources: Documentation/admin-guide/cgroup-v1/cgroups.rst and Documentation/admin-guide/cgroup-v2.rst of the kernel.

pub(crate) mod files;
pub(crate) mod gaps;
mod known;
pub(crate) mod leaves;
mod mounts;
pub(crate) mod opener;
mod path;
pub(crate) mod plan;
pub(crate) mod processes;
mod refresh;
pub(crate) mod rest;
mod scratch;
pub(crate) mod settings;
pub(crate) mod sum;
pub(crate) mod taken;
mod tree;
pub(crate) mod turns;
pub(crate) mod walk;
mod walker;
mod watch;

pub use gaps::Gap;
pub use mounts::{Hierarchies, Hierarchy, Version};
pub use path::relative_cgroup_path;
pub use scratch::Scratch;
pub(crate) use tree::identity_in;
pub use tree::{Limits, PopulatedCgroup, Tree, identity, populated};
pub use walker::TreeWalker;
