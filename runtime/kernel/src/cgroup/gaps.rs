//! What the cgroups of a task do not say, and where it would stand.

use std::path::PathBuf;

use crate::cgroup::files::CgroupFiles;
use crate::cgroup::opener::Opener;
use crate::cgroup::plan::Plan;
use crate::cgroup::{Hierarchies, Version};
use crate::metrics::part;

/// A file that a cgroup lacks, or that it has without the lines that a controller adds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The file, there or not.
    pub file: PathBuf,
    /// The controller that brings it or its lines; none where every cgroup should have it.
    pub controller: Option<&'static str>,
    /// The metrics that are taken from it and have no value.
    pub metrics: Vec<&'static str>,
}

/// What files or lines of this cgroup are missing for metrics that no other of its files holds: `cpu.stat` of v2 is there
/// without the cpu controller too, and then has no more than the usage. For each metric the file that is
/// looked for first is named.
pub(crate) fn gaps(cgroup: &CgroupFiles, plan: &Plan, hierarchies: &Hierarchies, opener: &Opener) -> Vec<Gap> {
    let mut missing = cgroup.lacking(plan);
    let mut gaps = Vec::new();
    for file in &plan.files {
        let parts = file.parts & missing;
        missing &= !parts;
        let is_v1 = hierarchies.all()[file.hierarchy].version == Version::V1;
        let (mut controller, mut metrics) = (None, Vec::new());
        for number in (0..u64::BITS as usize).filter(|number| parts & (1 << number) != 0) {
            let (metric, part) = part(number);
            let source = if is_v1 { part.v1 } else { part.v2 };
            controller = controller.or(source.and_then(|source| source.controller));
            if metrics.last() != Some(&metric.name) {
                metrics.push(metric.name);
            }
        }
        if !metrics.is_empty() {
            gaps.push(Gap { file: opener.path_of(&cgroup.path, file), controller, metrics });
        }
    }
    gaps
}
