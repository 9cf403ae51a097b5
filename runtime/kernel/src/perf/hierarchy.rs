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
    /// Mount points of the others.
    others: Vec<PathBuf>,
}

impl CountedHierarchy {
    /// Finds it; what is to be said where there is none.
    pub(crate) fn find(hierarchies: &Hierarchies) -> Result<Self, Notice> {
        let hierarchy = hierarchies.with("perf_event").or_else(|| hierarchies.unified());
        let hierarchy = hierarchy.ok_or_else(trouble::no_hierarchy)?;
        let path = hierarchy.dir.clone();
        let others =
            hierarchies.all().iter().filter(|other| other.dir != path).map(|other| other.dir.clone()).collect();
        match open_below(CWD, path.as_path()) {
            Ok(dir) => Ok(Self { version: hierarchy.version, path, dir, others }),
            Err(error) => Err(Notice::Unreadable { path, error: error.to_string() }),
        }
    }

    /// Opens the directory of a cgroup, a path without a leading slash.
    pub(crate) fn open(&self, cgroup: &str) -> Result<OwnedFd, Errno> {
        open_below(self.dir.as_fd(), if cgroup.is_empty() { "." } else { cgroup })
    }

    /// What is to be said of a cgroup that could not be opened; none where no other hierarchy has it either: its task has
    /// ended.
    pub(crate) fn trouble(&self, cgroup: &str, error: Errno) -> Option<Notice> {
        let dir = || self.path.join(cgroup);
        match error {
            Errno::NOENT | Errno::NOTDIR | Errno::NODEV => {
                let is_there = self.others.iter().any(|other| other.join(cgroup).is_dir());
                is_there.then(|| trouble::no_cgroup(&dir(), error))
            }
            Errno::MFILE | Errno::NFILE => Some(trouble::no_descriptors("events of tasks")),
            Errno::ACCESS | Errno::PERM => Some(Notice::Denied { path: dir() }),
            error => Some(Notice::Unreadable { path: dir(), error: error.to_string() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rstest::rstest;

    use super::*;
    use crate::Roots;

    #[rstest]
    #[case::of_a_task_that_has_ended("gone", Errno::NOENT, None)]
    #[case::in_the_midst_of_its_end("gone", Errno::NODEV, None)]
    #[case::nobody_made_it_here("elsewhere", Errno::NOENT, Some("have the container runtime make its cgroups"))]
    #[case::no_descriptor("gone", Errno::MFILE, Some("raise the limit on open files"))]
    #[case::none_in_all_the_system("gone", Errno::NFILE, Some("raise the limit on open files"))]
    #[case::not_allowed("gone", Errno::ACCESS, Some("this user may not read"))]
    #[case::otherwise("gone", Errno::IO, Some("cannot read"))]
    fn why_a_cgroup_is_not_there(#[case] cgroup: &str, #[case] error: Errno, #[case] expected: Option<&str>) {
        let dir = tempfile::tempdir().unwrap();
        let mounts = "30 25 0:27 / /c/perf rw - cgroup cgroup rw,perf_event\n\
                      31 25 0:28 / /c/memory rw - cgroup cgroup rw,memory\n";
        fs::create_dir_all(dir.path().join("proc/self")).unwrap();
        fs::write(dir.path().join("proc/self/mountinfo"), mounts).unwrap();
        fs::create_dir_all(dir.path().join("c/perf")).unwrap();
        fs::create_dir_all(dir.path().join("c/memory/elsewhere")).unwrap();
        let hierarchies = Hierarchies::find(&Roots::at(dir.path())).unwrap();
        let hierarchy = CountedHierarchy::find(&hierarchies).unwrap();
        assert_eq!(hierarchy.open(cgroup).err(), Some(Errno::NOENT));
        let said = hierarchy.trouble(cgroup, error).map(|notice| notice.to_string());
        assert_eq!(said.is_some(), expected.is_some(), "{said:?}");
        assert!(said.is_none_or(|said| expected.is_some_and(|part| said.contains(part))));
    }
}
