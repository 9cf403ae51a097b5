//! Where the pages of a task lie, and whether others may.

use wca_kernel::pages::{bytes_on_nodes, free_bytes, has_huge_pages_elsewhere};
use wca_kernel::values::{Spot, Values, numbers};
use wca_kernel::{Hierarchy, Version, relative_cgroup_path};
use wca_rules::ranges;

/// Bytes of a task on other nodes than these; none where the kernel does not say.
///
/// # Errors
/// What the kernel says cannot be read or understood.
pub(crate) fn bytes_elsewhere(cgroup: &str, to: &[u32], values: &Values) -> Result<Option<u64>, String> {
    let found = bytes_on_nodes(values.hierarchies(), cgroup).map_err(|error| error.to_string())?;
    let elsewhere =
        |nodes: Vec<(u32, u64)>| nodes.iter().filter(|(node, _)| !to.contains(node)).map(|(_, bytes)| bytes).sum();
    Ok(found.map(elsewhere))
}

/// Whether the kernel says that a task has no pages on other nodes than these. It counts hugetlb pages of all tasks together.
///
/// # Errors
/// What the kernel says cannot be read or understood.
pub(crate) fn is_nothing_elsewhere(cgroup: &str, to: &[u32], values: &Values) -> Result<bool, String> {
    if bytes_elsewhere(cgroup, to, values)? != Some(0) {
        return Ok(false);
    }
    has_huge_pages_elsewhere(values.roots(), to).map(|has| !has).map_err(|error| error.to_string())
}

/// Whether the pages of this cgroup are those of a task.
///
/// # Errors
/// They are everybody's, or it is not there.
pub(crate) fn may_move(cgroup: &str, values: &Values) -> Result<(), String> {
    let relative = relative_cgroup_path(cgroup).map_err(|why| format!("{cgroup:?}: {why}"))?;
    if relative.is_empty() {
        return Err("the root cgroup holds everything, and its pages are not moved".into());
    }
    let is_in = |hierarchy: &Hierarchy| {
        let (mount, cgroup) = (values.mount_of(hierarchy), format!("/{relative}"));
        values.life(&Spot::Cgroup { mount, cgroup, file: "cgroup.procs".into() }).is_some()
    };
    if values.hierarchies().all().iter().any(is_in) {
        return Ok(());
    }
    Err(format!("the cgroup {cgroup} is not there"))
}

/// Whether a node has room for what a task has on others.
///
/// # Errors
/// It has not, with both numbers.
pub(crate) fn has_room(cgroup: &str, node: u32, values: &Values) -> Result<(), String> {
    let Some(elsewhere) = bytes_elsewhere(cgroup, &[node], values)? else { return Ok(()) };
    let free = free_bytes(values.roots(), node).map_err(|error| error.to_string())?.unwrap_or(0);
    if elsewhere <= free {
        return Ok(());
    }
    Err(format!(
        "migrate_pages: {elsewhere} bytes of {cgroup} lie on other nodes than {node}, which has room for {free}"
    ))
}

/// Whether the cpuset of a task has a node: the kernel moves nothing to others.
///
/// # Errors
/// It has not.
pub(crate) fn may_use(cgroup: &str, node: u32, values: &Values) -> Result<(), String> {
    let Some(hierarchy) = values.hierarchies().with("cpuset") else { return Ok(()) };
    let file = match hierarchy.version {
        Version::V1 => "cpuset.effective_mems",
        Version::V2 => "cpuset.mems.effective",
    };
    let spot = Spot::Cgroup { mount: values.mount_of(hierarchy), cgroup: cgroup.to_owned(), file: file.to_owned() };
    // Without that file the task has the nodes of a cgroup above, and the kernel says no where it must.
    let Some(has) = values.read(&spot).ok().as_deref().and_then(numbers) else { return Ok(()) };
    if has.contains(&node) {
        return Ok(());
    }
    let has = ranges(has.into_iter());
    Err(format!("migrate_pages names NUMA node {node}, which the task may not use: {spot} has {has}"))
}
