//! Control groups: made and removed, their schemata, and the threads of tasks in them.
//!
//! Nothing stays open: an open directory would keep the operator from unmounting. Who looks at something and then changes it
//! holds the lock of [`ControlGroups::lock`] over both.

mod refused;
mod schemata;
mod threads;

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::OnceLock;

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, flock, mkdirat, open, openat, statat, unlinkat};
use rustix::io::{Errno, write};

use crate::cgroup::Hierarchies;
use crate::files::{open_below, reread};
use crate::mountinfo::mounts;
use crate::resctrl::layout::{Place, groups};
use crate::resctrl::lock::wait;
use crate::resctrl::mount::USUAL;
use crate::{KernelError, Roots};

pub(crate) use schemata::{Cell, cell_text};
pub(crate) use threads::{NOBODY, of_one_group};

/// Directories of the root that are no groups, and what leads elsewhere.
const NO_GROUPS: [&str; 5] = [".", "..", "info", "mon_groups", "mon_data"];

/// The control groups of a mounted resctrl.
pub(crate) struct ControlGroups {
    path: PathBuf,
    root: OwnedFd,
}

/// The lock on resctrl, as long as it is kept.
#[derive(Debug)]
pub struct Locked(OwnedFd);

impl Drop for Locked {
    fn drop(&mut self) {
        // Unlocking what is locked does not fail, and closing it would do the same.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

impl ControlGroups {
    /// Those of the resctrl that is mounted. Where that is, is remembered in `known`: an empty directory, once it is unmounted.
    ///
    /// # Errors
    /// [`KernelError::Read`] where none is.
    pub(crate) fn open(roots: &Roots, known: &OnceLock<PathBuf>) -> Result<Self, KernelError> {
        let path = match known.get() {
            Some(path) => path.clone(),
            None => {
                let path = mounted(roots)?;
                known.get_or_init(|| path).clone()
            }
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = open(&path, flags, Mode::empty())
            .map_err(|error| KernelError::Read { path: path.clone(), source: error.into() })?;
        Ok(Self { path, root })
    }

    /// Waits for the lock, for two seconds at most.
    ///
    /// # Errors
    /// [`KernelError::Read`] with EWOULDBLOCK where another program keeps it.
    pub(crate) fn lock(&self) -> Result<Locked, KernelError> {
        let failed = |source| KernelError::Read { path: self.path.clone(), source };
        let root = self.root.try_clone().map_err(failed)?;
        if wait(&root) { Ok(Locked(root)) } else { Err(failed(Errno::WOULDBLOCK.into())) }
    }

    /// Names of the control groups, in order, without the root one.
    ///
    /// # Errors
    /// [`KernelError::Read`].
    pub(crate) fn names(&self) -> Result<Vec<String>, KernelError> {
        let failed = |source: Errno| KernelError::Read { path: self.path.clone(), source: source.into() };
        let all = groups(&self.root).map_err(failed)?;
        Ok(all.into_iter().filter(|place| place.monitoring.is_empty()).map(|place| place.control).collect())
    }

    /// All control groups and monitoring groups but the root one, as paths below it, each with the threads that it lists.
    ///
    /// # Errors
    /// [`KernelError::Read`].
    pub(crate) fn all(&self) -> Result<Vec<Listed>, KernelError> {
        let failed = |source: Errno| KernelError::Read { path: self.path.clone(), source: source.into() };
        let mut all = Vec::new();
        for place in groups(&self.root).map_err(failed)? {
            let mut threads = Vec::new();
            let path = place.path();
            match super::layout::threads(&self.root, &format!("{path}/tasks"), &mut Vec::new(), &mut threads) {
                Ok(()) => all.push(Listed { path, is_control: place.monitoring.is_empty(), threads }),
                Err(Errno::NOENT | Errno::NODEV) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(all)
    }

    /// The number of a group's directory: made again, it has another. None where it is not there.
    pub(crate) fn inode(&self, group: &str) -> Option<u64> {
        statat(&self.root, directory(group)?, AtFlags::SYMLINK_NOFOLLOW).ok().map(|found| found.st_ino)
    }

    /// Makes a group, which takes a CLOSID.
    ///
    /// # Errors
    /// [`KernelError::Resctrl`].
    pub(crate) fn make(&self, group: &str) -> Result<(), KernelError> {
        let name = self.name_of(group)?;
        mkdirat(&self.root, name, Mode::from_raw_mode(0o755)).map_err(|error| self.refused(group, "made", error))
    }

    /// Removes a group. Its threads go to the root group, and its monitoring groups with it.
    ///
    /// # Errors
    /// [`KernelError::Resctrl`]. One that is gone already is well removed.
    pub(crate) fn remove(&self, group: &str) -> Result<(), KernelError> {
        match unlinkat(&self.root, self.name_of(group)?, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(self.refused(group, "absent", error)),
        }
    }

    /// Removes a group of either sort, by its path below the root.
    ///
    /// # Errors
    /// [`KernelError::Resctrl`].
    pub(crate) fn remove_path(&self, path: &str) -> Result<(), KernelError> {
        match unlinkat(&self.root, path, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(self.refused(path, "absent", error)),
        }
    }

    /// What a group has in one domain of one resource, in canonical form.
    ///
    /// # Errors
    /// [`KernelError::Read`]; [`KernelError::NoDomain`] where the group lists no such domain.
    pub(crate) fn cell(&self, group: &str, cell: &Cell<'_>) -> Result<String, KernelError> {
        let path = self.path.join(group).join("schemata");
        let failed = |source: Errno| KernelError::Read { path: path.clone(), source: source.into() };
        let name = directory(group).ok_or_else(|| failed(Errno::INVAL))?;
        let mut buffer = Vec::new();
        let count = open_below(&self.root, format!("{name}/schemata").as_str())
            .and_then(|file| reread(file, &mut buffer))
            .map_err(failed)?;
        schemata::find(&buffer[..count], cell).map_err(|found| match found {
            Some(found) => {
                KernelError::Malformed { path: path.clone(), expected: "a line such as L3:0=7ff;1=7ff", found }
            }
            None => {
                KernelError::NoDomain { path: path.clone(), resource: cell.resource.to_owned(), domain: cell.domain }
            }
        })
    }

    /// Writes domains of a group, all in one call: the kernel takes them together or none of them.
    ///
    /// # Errors
    /// [`KernelError::Resctrl`] with all that the kernel says of it.
    pub(crate) fn write_cells(&self, group: &str, cells: &[(Cell<'_>, &str)]) -> Result<(), KernelError> {
        let text = schemata::rows(cells);
        let path = directory(group).map(|name| format!("{name}/schemata"));
        let written = path.ok_or(Errno::INVAL).and_then(|path| {
            let file =
                openat(&self.root, path.as_str(), OFlags::WRONLY | OFlags::TRUNC | OFlags::CLOEXEC, Mode::empty())?;
            write(&file, text.as_bytes()).map(drop)
        });
        let path = if group.is_empty() { "schemata".to_owned() } else { format!("{group}/schemata") };
        written.map_err(|error| self.refused(&path, text.trim_end(), error))
    }

    /// The control groups in which the threads of a cgroup are, in the form of [`of_one_group`].
    ///
    /// # Errors
    /// [`KernelError::Read`].
    pub(crate) fn of_threads(&self, hierarchies: &Hierarchies, cgroup: &str) -> Result<String, KernelError> {
        threads::groups_of(self, hierarchies, cgroup)
    }

    /// Whether a cgroup has threads, and all of them are in this group.
    ///
    /// # Errors
    /// [`KernelError::Read`].
    pub(crate) fn has_all_threads(
        &self,
        hierarchies: &Hierarchies,
        cgroup: &str,
        group: &str,
    ) -> Result<bool, KernelError> {
        threads::are_in(self, hierarchies, cgroup, group)
    }

    /// Moves all threads of a cgroup into a control group, those too that come meanwhile.
    ///
    /// # Errors
    /// [`KernelError::Resctrl`] where the kernel refuses one; what was moved before stays.
    pub(crate) fn move_threads(&self, hierarchies: &Hierarchies, cgroup: &str, to: &str) -> Result<(), KernelError> {
        threads::move_all(self, hierarchies, cgroup, to)
    }

    /// A group's name, where it is one.
    fn name_of<'a>(&self, group: &'a str) -> Result<&'a str, KernelError> {
        let name = directory(group).filter(|name| *name != ".");
        name.ok_or_else(|| self.refused(group, "made", Errno::INVAL))
    }
}

/// Where it is mounted. One kernel has one resctrl; of several mounts the last one lies on top.
fn mounted(roots: &Roots) -> Result<PathBuf, KernelError> {
    let mounts = mounts(roots, &["resctrl"])?;
    let none = || KernelError::Read { path: roots.path(USUAL), source: Errno::NOENT.into() };
    mounts.last().map(|mount| roots.path(&mount.point)).ok_or_else(none)
}

/// A group with its threads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its path below the root group, such as `be` or `be/mon_groups/m`.
    pub path: String,
    /// Whether it is a control group; else a monitoring group.
    pub is_control: bool,
    /// Its threads; those of a control group are in its monitoring groups too.
    pub threads: Vec<u32>,
}

/// The directory of a control group below the root, `.` for the root one; none for what is no name of one.
fn directory(group: &str) -> Option<&str> {
    let leads_elsewhere = NO_GROUPS.contains(&group) || group.contains(['/', '\0', '\n']);
    (!leads_elsewhere).then_some(if group.is_empty() { "." } else { group })
}

fn place(group: &str) -> Place {
    Place { control: group.to_owned(), monitoring: String::new() }
}

#[cfg(test)]
mod tests;
