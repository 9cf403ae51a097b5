//! Controllers of cgroups.

use super::look::{available, lacking, look};
use super::{Feature, Reason};
use crate::cgroup::{Hierarchies, Hierarchy, Version};
use crate::text::{lines, words};
use crate::{KernelError, Roots};

/// A controller by its name in metrics and in either version.
struct Controller {
    name: &'static str,
    v1: &'static str,
    v2: Implied,
}

/// How cgroup v2 has it.
#[derive(Clone, Copy)]
enum Implied {
    /// Under this name, where it is handed down to the cgroups below the root.
    Handed(&'static str),
    /// Without a controller: every cgroup has it, where v2 is not for grouping alone.
    Always,
    /// On every unified hierarchy, also beside v1 ones, unless v1 has it: there is no file to switch it on.
    Everywhere,
}

/// Documentation/admin-guide/cgroup-v1/index.rst and cgroup-v2.rst: `cpu.stat` of v2 says what cpuacct says on v1, and
/// perf_event is "automatically enabled on the v2 hierarchy".
const CONTROLLERS: [Controller; 7] = [
    Controller { name: "cgroup_cpu", v1: "cpu", v2: Implied::Handed("cpu") },
    Controller { name: "cgroup_cpuacct", v1: "cpuacct", v2: Implied::Always },
    Controller { name: "cgroup_cpuset", v1: "cpuset", v2: Implied::Handed("cpuset") },
    Controller { name: "cgroup_io", v1: "blkio", v2: Implied::Handed("io") },
    Controller { name: "cgroup_memory", v1: "memory", v2: Implied::Handed("memory") },
    Controller { name: "cgroup_perf_event", v1: "perf_event", v2: Implied::Everywhere },
    Controller { name: "cgroup_pids", v1: "pids", v2: Implied::Handed("pids") },
];

/// Controllers of v1 with the number of their hierarchy and whether they are enabled (cgroups(7)).
const TABLE: &str = "/proc/cgroups";

pub(super) fn features(roots: &Roots) -> Vec<Feature> {
    match Hierarchies::find(roots) {
        Ok(hierarchies) => CONTROLLERS.iter().map(|one| one.feature(roots, &hierarchies)).collect(),
        Err(error) => {
            let reason = match &error {
                KernelError::Malformed { .. } => Reason::Malformed,
                _ => Reason::Unreadable,
            };
            CONTROLLERS.iter().map(|one| lacking(one.name, reason, error.to_string(), "mount /proc")).collect()
        }
    }
}

impl Controller {
    fn feature(&self, roots: &Roots, hierarchies: &Hierarchies) -> Feature {
        let of_v1 = hierarchies.all().iter().find(|one| one.version == Version::V1 && one.has(self.v1));
        if let Some(hierarchy) = of_v1 {
            return available(self.name, format!("cgroup v1, {} at {}", self.v1, shown(roots, hierarchy)));
        }
        // Where v1 hierarchies have the controllers, the unified one beside them is for grouping alone.
        let is_hybrid = hierarchies.all().iter().any(|one| one.version == Version::V1 && !one.controllers.is_empty());
        match (hierarchies.unified(), self.v2) {
            (Some(unified), Implied::Always) if !is_hybrid => {
                available(self.name, format!("cgroup v2 at {}", shown(roots, unified)))
            }
            (Some(unified), Implied::Everywhere) if self.is_enabled(roots) => {
                available(self.name, format!("cgroup v2 at {}", shown(roots, unified)))
            }
            (Some(unified), Implied::Handed(name)) if unified.has(name) => self.handed_down(roots, unified, name),
            (unified, _) => self.missing(roots, unified.filter(|_| !is_hybrid)),
        }
    }

    /// A controller that v2 has: the root must hand it down.
    fn handed_down(&self, roots: &Roots, unified: &Hierarchy, name: &str) -> Feature {
        let dir = shown(roots, unified);
        let path = format!("{dir}/cgroup.subtree_control");
        match look(roots, &path) {
            Ok(bytes) if words(bytes.trim_ascii()).any(|word| word == name.as_bytes()) => {
                available(self.name, format!("cgroup v2, {name} in {path}"))
            }
            Ok(_) => {
                let remedy = format!("echo +{name} > {path}, and in each cgroup above a task's");
                lacking(self.name, Reason::Off, format!("{path}: {name} is not handed down"), remedy)
            }
            Err(why) => super::look::silent(self.name, why, "mount cgroup2 as a whole"),
        }
    }

    /// Whether the kernel's table of controllers has it enabled; none where it is not in there.
    fn row(&self, roots: &Roots) -> Option<bool> {
        let bytes = look(roots, TABLE).ok()?;
        let row = lines(&bytes).find(|line| words(line).next() == Some(self.v1.as_bytes()))?;
        Some(words(row).nth(3) == Some(b"1"))
    }

    /// Whether the kernel has it. One without v1 has no table that would say so.
    fn is_enabled(&self, roots: &Roots) -> bool {
        self.row(roots).unwrap_or_else(|| !roots.path(TABLE).exists())
    }

    fn missing(&self, roots: &Roots, unified: Option<&Hierarchy>) -> Feature {
        match (self.row(roots), unified) {
            (Some(false), _) => {
                let remedy = format!("start the kernel without cgroup_disable={}", self.v1);
                lacking(self.name, Reason::Off, format!("{TABLE}: {} is disabled", self.v1), remedy)
            }
            (_, Some(unified)) => {
                let path = format!("{}/cgroup.controllers", shown(roots, unified));
                lacking(self.name, Reason::Missing, format!("{path}: not among them"), "a kernel that is built with it")
            }
            (Some(true), None) => {
                let name = self.v1;
                let remedy = format!("mount -t cgroup -o {name} {name} /sys/fs/cgroup/{name}");
                lacking(self.name, Reason::Missing, "/proc/self/mountinfo: no hierarchy has it".to_owned(), remedy)
            }
            (None, None) => {
                let found = format!("{TABLE}: no {}", self.v1);
                lacking(self.name, Reason::Missing, found, "a kernel that is built with it")
            }
        }
    }
}

/// A mount point as this process sees it, without the root that was given.
fn shown(roots: &Roots, hierarchy: &Hierarchy) -> String {
    let root = roots.path("/");
    let below = hierarchy.dir.strip_prefix(&root).unwrap_or(&hierarchy.dir);
    format!("/{}", below.display())
}
