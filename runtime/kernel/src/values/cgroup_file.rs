//! A file of a cgroup.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::cgroup::{Hierarchies, Hierarchy, relative_cgroup_path};
use crate::files::read_file;
use crate::{KernelError, Roots};

/// The hierarchy that is mounted there.
pub(super) fn hierarchy<'a>(hierarchies: &'a Hierarchies, roots: &Roots, mount: &str) -> Option<&'a Hierarchy> {
    let dir = roots.path(mount);
    hierarchies.all().iter().find(|hierarchy| hierarchy.dir == dir)
}

/// As [`crate::identity`], of the cgroup in this hierarchy.
pub(super) fn life(hierarchies: &Hierarchies, roots: &Roots, mount: &str, cgroup: &str) -> Option<u64> {
    let hierarchy = hierarchy(hierarchies, roots, mount)?;
    let cgroup = relative_cgroup_path(cgroup).ok()?;
    crate::cgroup::identity_in(hierarchy, cgroup)
}

pub(super) fn path(
    hierarchies: &Hierarchies,
    roots: &Roots,
    mount: &str,
    cgroup: &str,
    file: &str,
) -> Result<PathBuf, KernelError> {
    let wrong =
        |reason| KernelError::CgroupPath { path: Path::new(mount).join(cgroup.trim_start_matches('/')), reason };
    let hierarchy =
        hierarchy(hierarchies, roots, mount).ok_or_else(|| wrong("no cgroup hierarchy is mounted there"))?;
    let relative = relative_cgroup_path(cgroup).map_err(wrong)?;
    if file.is_empty() || file.starts_with('.') || file.contains(['/', '\0']) {
        return Err(wrong("the name of its file leads elsewhere"));
    }
    Ok(hierarchy.cgroup_dir(relative).join(file))
}

pub(super) fn read(
    hierarchies: &Hierarchies,
    roots: &Roots,
    mount: &str,
    cgroup: &str,
    file: &str,
) -> Result<String, KernelError> {
    let bytes = read_file(&path(hierarchies, roots, mount, cgroup, file)?)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// One write call: the kernel takes each for a whole value.
pub(super) fn write(
    hierarchies: &Hierarchies,
    roots: &Roots,
    mount: &str,
    cgroup: &str,
    file: &str,
    value: &str,
) -> Result<(), KernelError> {
    let path = path(hierarchies, roots, mount, cgroup, file)?;
    let failed = |source| KernelError::Write { path: path.clone(), value: value.to_owned(), source };
    // Without `create`: a file that the kernel does not have must not be made in a tree that stands in for it.
    let mut file = OpenOptions::new().write(true).truncate(true).open(&path).map_err(failed)?;
    // A write of nothing would not reach the kernel.
    let bytes = if value.is_empty() { b"\n" } else { value.as_bytes() };
    file.write_all(bytes).map_err(failed)
}
