//! Whether a controller is enabled for the children of a cgroup
//! (<https://docs.kernel.org/admin-guide/cgroup-v2.html#enabling-and-disabling>).

use super::{Spot, canonical, cgroup_file};
use crate::cgroup::{Hierarchies, relative_cgroup_path};
use crate::{KernelError, Roots};

const FILE: &str = "cgroup.subtree_control";
const ENABLED: &str = "enabled";
const DISABLED: &str = "disabled";

/// Files of controllers that WCA enables, with what stands there when the kernel makes them. Who has changed one needs it.
const FIRST_VALUES: &[(&str, &[(&str, &str)])] = &[
    (
        "cpu",
        &[
            ("cpu.max", "max 100000"),
            ("cpu.max.burst", "0"),
            ("cpu.weight", "100"),
            ("cpu.idle", "0"),
            ("cpu.uclamp.max", "max"),
            ("cpu.uclamp.min", "0.00"),
        ],
    ),
    (
        "cpuset",
        &[("cpuset.cpus", ""), ("cpuset.mems", ""), ("cpuset.cpus.exclusive", ""), ("cpuset.cpus.partition", "member")],
    ),
    (
        "memory",
        &[
            ("memory.max", "max"),
            ("memory.high", "max"),
            ("memory.low", "0"),
            ("memory.min", "0"),
            ("memory.swap.max", "max"),
            ("memory.swap.high", "max"),
            ("memory.zswap.max", "max"),
            ("memory.oom.group", "0"),
        ],
    ),
    ("io", &[("io.weight", "default 100"), ("io.bfq.weight", "default 100"), ("io.max", ""), ("io.latency", "")]),
];

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

pub(super) fn user(
    hierarchies: &Hierarchies,
    roots: &Roots,
    mount: &str,
    cgroup: &str,
    controller: &str,
) -> Option<Spot> {
    let dir = cgroup_file::path(hierarchies, roots, mount, cgroup, FILE).ok()?;
    let (_, files) = FIRST_VALUES.iter().find(|(name, _)| *name == controller)?;
    let entries = std::fs::read_dir(dir.parent()?).ok()?;
    for entry in entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
        let child = format!("{}/{}", cgroup.trim_end_matches('/'), entry.file_name().to_string_lossy());
        if relative_cgroup_path(&child).is_err() {
            continue;
        }
        let hands_on = Spot::Controller { mount: mount.into(), cgroup: child.clone(), controller: controller.into() };
        if read(hierarchies, roots, mount, &child, controller).is_ok_and(|state| state == ENABLED) {
            return Some(hands_on);
        }
        for (file, first) in *files {
            let spot = Spot::Cgroup { mount: mount.into(), cgroup: child.clone(), file: (*file).into() };
            let Ok(text) = cgroup_file::read(hierarchies, roots, mount, &child, file) else { continue };
            if canonical(&spot, &text) != *first {
                return Some(spot);
            }
        }
    }
    None
}
