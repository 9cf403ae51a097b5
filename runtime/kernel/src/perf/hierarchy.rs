//! The hierarchy in which cgroups are counted.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::CWD;
use rustix::io::Errno;

use crate::Notice;
use crate::cgroup::{Hierarchies, Version};
use crate::files::open_below;
use crate::perf::trouble;

/// The perf_event hierarchy of cgroup v1 where it is mounted, else the unified one, in which the controller is always there
/// and never listed (cgroup-v2.rst, perf_event).
pub(crate) struct CountedHierarchy {
    /// Its version.
    pub version: Version,
    /// Its mount point.
    pub path: PathBuf,
    dir: OwnedFd,
}

impl CountedHierarchy {
    /// Finds it; what is to be said where there is none.
    pub(crate) fn find(hierarchies: &Hierarchies) -> Result<Self, Notice> {
        let hierarchy = hierarchies.with("perf_event").or_else(|| hierarchies.unified());
        let hierarchy = hierarchy.ok_or_else(trouble::no_hierarchy)?;
        let path = hierarchy.dir.clone();
        match open_below(CWD, path.as_path()) {
            Ok(dir) => Ok(Self { version: hierarchy.version, path, dir }),
            Err(error) => Err(Notice::Unreadable { path, error: error.to_string() }),
        }
    }

    /// Opens the directory of a cgroup, a path without a leading slash.
    pub(crate) fn open(&self, cgroup: &str) -> Result<OwnedFd, Errno> {
        open_below(self.dir.as_fd(), if cgroup.is_empty() { "." } else { cgroup })
    }
}
