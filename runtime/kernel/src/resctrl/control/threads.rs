//! Threads of tasks in control groups.

use std::collections::BTreeSet;

use rustix::io::Errno;

use super::{ControlGroups, place};
use crate::KernelError;
use crate::cgroup::processes::{Listed, Processes, sort_once};
use crate::cgroup::{Hierarchies, relative_cgroup_path};
use crate::resctrl::group::Writer;
use crate::resctrl::layout::{Whereabouts, groups, threads};

/// Stands for a cgroup without threads. No group has this name, since it cannot be that of a directory.
pub(crate) const NOBODY: &str = "/";

/// How often threads that came while others were written are looked for. Who comes later is written at the next tick.
const ROUNDS: usize = 32;

/// The group in which all threads are, where it is one: the empty name for the root group.
///
/// Threads in several groups read as their names with `/` between them, in order: `/be` are those of the root group and of `be`.
pub(crate) fn of_one_group(groups: &str) -> Option<&str> {
    (groups != NOBODY && !groups.contains('/')).then_some(groups)
}

fn list(hierarchies: &Hierarchies, cgroup: &str) -> Result<Vec<u32>, KernelError> {
    let wrong = |reason| KernelError::CgroupPath { path: cgroup.into(), reason };
    let mut ids = Vec::new();
    let relative = relative_cgroup_path(cgroup).map_err(wrong)?;
    Processes::new(hierarchies).read(relative, Listed::Threads, &mut Vec::new(), &mut ids)?;
    sort_once(&mut ids);
    Ok(ids)
}

pub(super) fn groups_of(
    control: &ControlGroups,
    hierarchies: &Hierarchies,
    cgroup: &str,
) -> Result<String, KernelError> {
    let failed = |source: Errno| KernelError::Read { path: control.path.clone(), source: source.into() };
    let before = list(hierarchies, cgroup)?;
    let mut all = groups(&control.root).map_err(failed)?;
    all.retain(|place| place.monitoring.is_empty());
    let whereabouts = Whereabouts::find(&control.root, &all, |_| false, &mut Vec::new()).map_err(failed)?;
    // A thread that ended meanwhile is in no group, and would be taken for one of the root group.
    let mut threads = list(hierarchies, cgroup)?;
    threads.retain(|thread| before.binary_search(thread).is_ok());
    if threads.is_empty() {
        return Ok(NOBODY.to_owned());
    }
    let of = |thread: &u32| whereabouts.control(*thread).map_or("", |at| all[at].control.as_str());
    let names: BTreeSet<&str> = threads.iter().map(of).collect();
    Ok(names.into_iter().collect::<Vec<_>>().join("/"))
}

/// Whether a cgroup has threads, and all of them are in this group. One group is asked, where [`groups_of`] asks all.
pub(super) fn are_in(
    control: &ControlGroups,
    hierarchies: &Hierarchies,
    cgroup: &str,
    group: &str,
) -> Result<bool, KernelError> {
    let Some(name) = super::directory(group) else { return Ok(false) };
    let ours = list(hierarchies, cgroup)?;
    let mut there = Vec::new();
    let path = format!("{name}/tasks");
    let failed = |source: Errno| KernelError::Read { path: control.path.join(&path), source: source.into() };
    match threads(&control.root, &path, &mut Vec::new(), &mut there) {
        Ok(()) => {}
        Err(Errno::NOENT | Errno::NODEV) => return Ok(false),
        Err(error) => return Err(failed(error)),
    }
    sort_once(&mut there);
    Ok(!ours.is_empty() && ours.iter().all(|thread| there.binary_search(thread).is_ok()))
}

pub(super) fn move_all(
    control: &ControlGroups,
    hierarchies: &Hierarchies,
    cgroup: &str,
    to: &str,
) -> Result<(), KernelError> {
    let file = format!("{}/tasks", place(to).path());
    let refused = |value: &str, error| control.refused(file.trim_start_matches("./"), value, error);
    if super::directory(to).is_none() {
        return Err(refused(cgroup, Errno::INVAL));
    }
    let writer = Writer::open(&control.root, &file).map_err(|error| refused(cgroup, error))?;
    let mut before = Vec::new();
    for _ in 0..ROUNDS {
        let mut there = Vec::new();
        threads(&control.root, &file, &mut Vec::new(), &mut there).map_err(|error| refused(cgroup, error))?;
        sort_once(&mut there);
        let mut missing = list(hierarchies, cgroup)?;
        missing.retain(|thread| there.binary_search(thread).is_err());
        // Those that stay out have ended and are still listed.
        if missing.is_empty() || missing == before {
            break;
        }
        for thread in &missing {
            match writer.add(*thread) {
                // One that has ended stops nothing.
                Ok(()) | Err(Errno::SRCH) => {}
                Err(error) => return Err(refused(&thread.to_string(), error)),
            }
        }
        before = missing;
    }
    Ok(())
}
