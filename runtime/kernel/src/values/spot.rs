//! Where a value stands.

use serde::{Deserialize, Serialize};

/// Where a value stands that can be written. It outlives this process: the journal keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Spot {
    /// A file of a cgroup.
    Cgroup {
        /// Where its hierarchy is mounted, such as `/sys/fs/cgroup/cpu`.
        mount: String,
        /// Its path below the mount point, with a leading `/`.
        cgroup: String,
        /// Name of the file.
        file: String,
    },
    /// Whether a controller is enabled for the children of a cgroup (`cgroup.subtree_control`): `enabled` or `disabled`.
    Controller {
        /// Where the unified hierarchy is mounted.
        mount: String,
        /// The cgroup's path below the mount point, with a leading `/`.
        cgroup: String,
        /// Name of the controller.
        controller: String,
    },
}

impl std::fmt::Display for Spot {
    /// As a file, for messages.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cgroup { mount, cgroup, file } => write!(f, "{mount}{}/{file}", cgroup.trim_end_matches('/')),
            Self::Controller { mount, cgroup, controller } => {
                write!(f, "{controller} in {mount}{}/cgroup.subtree_control", cgroup.trim_end_matches('/'))
            }
        }
    }
}
