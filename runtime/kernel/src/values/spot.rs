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
    /// Whether there is a control group of resctrl: `absent`, or `made` and the number of its directory.
    Group {
        /// Its name.
        name: String,
    },
    /// What a control group has in one domain of one resource: ways in hexadecimal digits, bandwidth in decimal ones.
    Schemata {
        /// Name of the group; empty for the root one.
        group: String,
        /// Name of the resource in `schemata`, such as `L3CODE`.
        resource: String,
        /// The domain, as the kernel lists it.
        domain: u32,
    },
    /// The control group in which all threads of a cgroup are, of those below it too: its name, empty for the root group. Of threads
    /// in several groups the names in order with `/` between them; `/` alone where the cgroup has no threads.
    Threads {
        /// The cgroup's path below the mount points, with a leading `/`.
        cgroup: String,
    },
}

impl Spot {
    /// Whether it is of a group of resctrl, which tasks can share.
    #[must_use]
    pub fn is_of_group(&self) -> bool {
        matches!(self, Self::Group { .. } | Self::Schemata { .. })
    }

    /// Its group, where it is of one.
    #[must_use]
    pub fn group(&self) -> Option<&str> {
        match self {
            Self::Group { name } | Self::Schemata { group: name, .. } => Some(name),
            _ => None,
        }
    }
}

impl std::fmt::Display for Spot {
    /// As a file, for messages.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Cgroup { mount, cgroup, file } => write!(f, "{mount}{}/{file}", cgroup.trim_end_matches('/')),
            Self::Controller { mount, cgroup, controller } => {
                write!(f, "{controller} in {mount}{}/cgroup.subtree_control", cgroup.trim_end_matches('/'))
            }
            Self::Group { name } => write!(f, "the resctrl group {name}"),
            Self::Schemata { group, resource, domain } if group.is_empty() => {
                write!(f, "{resource}:{domain} of the root group of resctrl")
            }
            Self::Schemata { group, resource, domain } => write!(f, "{resource}:{domain} of the resctrl group {group}"),
            Self::Threads { cgroup } => write!(f, "the resctrl group of {cgroup}"),
        }
    }
}
