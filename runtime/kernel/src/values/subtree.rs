//! The cgroups below one.

use std::fs;
use std::path::Path;

use super::cgroup_file::hierarchy;
use crate::cgroup::{Hierarchies, relative_cgroup_path};
use crate::{KernelError, Roots};

/// Most cgroups that are taken below one. Containers may be allowed to make cgroups of their own, as many as they like.
const MOST: usize = 1_000;

/// Paths of all cgroups below one, as tasks have them, each behind the one above it. Those that vanish meanwhile are left out.
pub(super) fn below(
    hierarchies: &Hierarchies,
    roots: &Roots,
    mount: &str,
    cgroup: &str,
) -> Result<Vec<String>, KernelError> {
    let mut found = children(hierarchies, roots, mount, cgroup)?;
    let mut at = 0;
    while let Some(path) = found.get(at) {
        let mut below = children(hierarchies, roots, mount, path)?;
        found.append(&mut below);
        at += 1;
        if found.len() > MOST {
            return Err(wrong(mount, cgroup, "more than 1000 cgroups are below it"));
        }
    }
    Ok(found)
}

/// Paths of the children of a cgroup, by name; none where it is not there.
pub(super) fn children(
    hierarchies: &Hierarchies,
    roots: &Roots,
    mount: &str,
    cgroup: &str,
) -> Result<Vec<String>, KernelError> {
    let wrong = |reason| wrong(mount, cgroup, reason);
    let hierarchy =
        hierarchy(hierarchies, roots, mount).ok_or_else(|| wrong("no cgroup hierarchy is mounted there"))?;
    let relative = relative_cgroup_path(cgroup).map_err(wrong)?;
    let Ok(entries) = fs::read_dir(hierarchy.cgroup_dir(relative)) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        let name = entry.file_name().into_string().map_err(|_| wrong("a name below it is no text"))?;
        let path = format!("{}/{name}", if relative.is_empty() { "" } else { cgroup });
        relative_cgroup_path(&path).map_err(|_| wrong("a name below it is none of a cgroup"))?;
        found.push(path);
    }
    found.sort_unstable();
    Ok(found)
}

fn wrong(mount: &str, cgroup: &str, reason: &'static str) -> KernelError {
    KernelError::CgroupPath { path: Path::new(mount).join(cgroup.trim_start_matches('/')), reason }
}
