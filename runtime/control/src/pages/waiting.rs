//! A list of memory nodes that is written when the pages have left those that it lacks.

use std::collections::BTreeSet;

use wca_kernel::values::{Spot, Values, numbers};
use wca_kernel::{Hierarchy, Version};

use super::Late;
use crate::apply::Due;
use crate::plan::{Planned, Step};

const MEMS: &str = "cpuset.mems";

/// What waits.
#[derive(Debug)]
pub(super) struct Waiting {
    /// The nodes on which the pages may lie then, in order.
    pub(super) to: Vec<u32>,
    /// What is to be written.
    pub(super) late: Late,
    /// The life of the task's cgroup: another one of the same name has not asked.
    life: Option<u64>,
}

impl Waiting {
    pub(super) fn new(to: Vec<u32>, late: Late, values: &Values) -> Self {
        let life = life(&late.due, values);
        Self { to, late, life }
    }

    /// Whether the cgroup is there still.
    pub(super) fn is_there(&self, values: &Values) -> bool {
        self.life.is_some() && life(&self.late.due, values) == self.life
    }
}

fn life(due: &Due, values: &Values) -> Option<u64> {
    values.life(&due.planned.steps.first()?.spot)
}

pub(super) fn sorted(nodes: &[u32]) -> Vec<u32> {
    nodes.iter().copied().collect::<BTreeSet<_>>().into_iter().collect()
}

/// What is due in two parts, and the first with that word for what it still lacks.
pub(super) fn split(mut due: Due, at: usize, later: &str) -> (Due, Due) {
    let steps = due.planned.steps.split_off(at);
    let rest = Planned { steps, adjusted: due.planned.adjusted.replace(later.to_owned()) };
    let rest = Due { at: due.at, owner: due.owner.clone(), planned: rest };
    (due, rest)
}

/// The first step by which a cgroup loses a memory node.
pub(super) fn first_loss(steps: &[Step], values: &Values) -> Option<usize> {
    steps.iter().position(|step| {
        let is_mems = matches!(&step.spot, Spot::Cgroup { file, .. } if file == MEMS);
        // Where nothing stands there, it has what the one above has.
        let now = values.read(&step.spot).ok().filter(|now| !now.is_empty());
        let (now, then) = (now.as_deref().and_then(numbers), numbers(&step.value));
        is_mems && now.is_none_or(|now| !then.is_some_and(|then| now.is_subset(&then)))
    })
}

/// Whether the kernel moves pages before such writes return: where a node is lost, cgroup v2 does always, v1 where
/// `cpuset.memory_migrate` is set.
pub(crate) fn moves_pages(steps: &[Step], values: &Values) -> bool {
    let Some(first) = first_loss(steps, values) else { return false };
    let follows = |step: &Step| match &step.spot {
        Spot::Cgroup { mount, cgroup, .. } => {
            let file = "cpuset.memory_migrate".to_owned();
            let switch = Spot::Cgroup { mount: mount.clone(), cgroup: cgroup.clone(), file };
            values.read(&switch).is_ok_and(|value| value == "1")
        }
        _ => false,
    };
    let is_v1 = |hierarchy: &Hierarchy| hierarchy.version == Version::V1;
    match values.hierarchies().with("cpuset") {
        Some(hierarchy) if is_v1(hierarchy) => steps.iter().skip(first).any(follows),
        Some(_) => true,
        None => false,
    }
}
