//! Whether a controller is enabled for the children of a cgroup
//! (<https://docs.kernel.org/admin-guide/cgroup-v2.html#enabling-and-disabling>).

use super::cgroup_file;
use crate::cgroup::Hierarchies;
use crate::{KernelError, Roots};

const FILE: &str = "cgroup.subtree_control";
const ENABLED: &str = "enabled";
const DISABLED: &str = "disabled";

pub(super) fn read(
    hierarchies: &Hierarchies,
    roots: &Roots,
    mount: &str,
    cgroup: &str,
    controller: &str,
) -> Result<String, KernelError> {
    let text = cgroup_file::read(hierarchies, roots, mount, cgroup, FILE)?;
    let is_enabled = text.split_whitespace().any(|word| word == controller);
    Ok(if is_enabled { ENABLED } else { DISABLED }.to_owned())
}

pub(super) fn write(
    hierarchies: &Hierarchies,
    roots: &Roots,
    mount: &str,
    cgroup: &str,
    controller: &str,
    value: &str,
) -> Result<(), KernelError> {
    let sign = if value == ENABLED { '+' } else { '-' };
    cgroup_file::write(hierarchies, roots, mount, cgroup, FILE, &format!("{sign}{controller}"))
}
