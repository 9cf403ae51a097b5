//! The cgroup hierarchies of this machine.

use std::path::{Path, PathBuf};

use rustix::fs::{major, minor, stat};

use crate::files::read_optional;
use crate::mountinfo::{Mount, mounts};
use crate::text::words;
use crate::{KernelError, Notice, Roots};

/// Version of a cgroup hierarchy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// One of several, each with controllers of its own.
    V1,
    /// The unified one; beside v1 hierarchies it may have no controllers at all.
    V2,
}

/// One mounted cgroup hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    /// Its version.
    pub version: Version,
    /// Where this process finds it, below the root that was given.
    pub dir: PathBuf,
    /// Its controllers: `cpu`, `cpuacct`, `memory`. Those of v2 are the ones available, not those enabled for each group.
    pub controllers: Vec<String>,
    /// Name of a v1 hierarchy that was given one, such as `systemd`.
    pub name: Option<String>,
    /// The cgroup that stands at `dir`: `/`, save where only a part of the hierarchy is mounted.
    pub root: PathBuf,
    /// Device number of its file system, which no other hierarchy has as long as it is mounted.
    pub device: (u32, u32),
}

impl Hierarchy {
    /// Whether a controller can be used in it.
    #[must_use]
    pub fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|one| one == controller)
    }

    /// Directory of a cgroup in it.
    pub(crate) fn cgroup_dir(&self, cgroup: &str) -> PathBuf {
        self.dir.join(cgroup.trim_start_matches('/'))
    }
}

/// All cgroup hierarchies that are mounted where this process sees them. A task is the same relative path in each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hierarchies {
    all: Vec<Hierarchy>,
    notices: Vec<Notice>,
}

/// Controllers of cgroup v1 (include/linux/cgroup_subsys.h): the other words among the options of a mount are switches.
const V1_CONTROLLERS: [&str; 14] = [
    "cpuset",
    "cpu",
    "cpuacct",
    "blkio",
    "memory",
    "devices",
    "freezer",
    "net_cls",
    "perf_event",
    "net_prio",
    "hugetlb",
    "pids",
    "rdma",
    "misc",
];

impl Hierarchies {
    /// Finds them: cgroup v1, v2, or both side by side. A machine without cgroups has none, which is no error.
    ///
    /// A hierarchy that is mounted several times is taken where all of it is to be seen; mounts that are hidden by another
    /// mount are passed over.
    ///
    /// # Errors
    /// Where /proc/self/mountinfo cannot be read or understood.
    pub fn find(roots: &Roots) -> Result<Self, KernelError> {
        let mounts = mounts(roots, &["cgroup", "cgroup2"])?;
        let mut found = Self::default();
        let mut done: Vec<(u32, u32)> = Vec::new();
        for first in &mounts {
            if done.contains(&first.device) {
                continue;
            }
            done.push(first.device);
            let mut same: Vec<&Mount> = mounts.iter().filter(|mount| mount.device == first.device).collect();
            // Stable, so that of equal ones the first mounted is taken.
            same.sort_by_key(|mount| mount.root.components().count());
            let Some(mount) = same.into_iter().find(|mount| is_visible(roots, mount)) else { continue };
            found.add(roots, mount);
        }
        Ok(found)
    }

    fn add(&mut self, roots: &Roots, mount: &Mount) {
        let dir = roots.path(&mount.point);
        if mount.root != Path::new("/") {
            self.notices.push(Notice::PartOfHierarchy { path: mount.point.clone(), root: mount.root.clone() });
        }
        let version = if mount.kind == "cgroup2" { Version::V2 } else { Version::V1 };
        let controllers = match version {
            Version::V1 => {
                mount.options.iter().filter(|option| V1_CONTROLLERS.contains(&option.as_str())).cloned().collect()
            }
            Version::V2 => self.controllers_of_v2(&dir),
        };
        self.all.push(Hierarchy {
            version,
            dir,
            controllers,
            name: mount.options.iter().find_map(|option| option.strip_prefix("name=").map(str::to_owned)),
            root: mount.root.clone(),
            device: mount.device,
        });
    }

    fn controllers_of_v2(&mut self, dir: &Path) -> Vec<String> {
        let path = dir.join("cgroup.controllers");
        match read_optional(&path) {
            Ok(bytes) => {
                words(&bytes.unwrap_or_default()).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
            }
            Err(error) => {
                // CPU time needs no controller on v2, so the hierarchy is of use all the same.
                self.notices.push(Notice::Unreadable { path, error: error.to_string() });
                Vec::new()
            }
        }
    }

    /// The hierarchies, in the order in which they were mounted.
    #[must_use]
    pub fn all(&self) -> &[Hierarchy] {
        &self.all
    }

    /// The hierarchy of a controller, on a machine that has it.
    #[must_use]
    pub fn with(&self, controller: &str) -> Option<&Hierarchy> {
        self.all.iter().find(|hierarchy| hierarchy.has(controller))
    }

    /// The unified hierarchy, where it is mounted.
    #[must_use]
    pub fn unified(&self) -> Option<&Hierarchy> {
        self.all.iter().find(|hierarchy| hierarchy.version == Version::V2)
    }

    /// What was found odd while looking for them.
    #[must_use]
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }
}

/// Whether the file system is still to be seen at its mount point: another one may be mounted over it, its directory may
/// be gone, or closed to this user.
fn is_visible(roots: &Roots, mount: &Mount) -> bool {
    let Ok(found) = stat(roots.path(&mount.point)) else { return false };
    // A tree that stands in for a machine lies on a file system of its own.
    !roots.is_system() || (major(found.st_dev), minor(found.st_dev)) == mount.device
}
