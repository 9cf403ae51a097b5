//! What the journal says of groups and of who is in them.

use std::collections::{BTreeMap, BTreeSet};

use wca_kernel::values::Spot;
use wca_model::platform::CacheControl;
use wca_model::{Change, Kind, Platform};
use wca_rules::{Cell, Known};

use crate::below::is_below;
use crate::context::Context;
use crate::held::Held;
use crate::tasks::ControlledTask;

/// Resources, as schemata name them.
const RESOURCES: [&str; 7] = ["L3", "L3CODE", "L3DATA", "L2", "L2CODE", "L2DATA", "MB"];

/// What is in force by the journal.
pub(super) struct InForce {
    held: Vec<Held>,
}

impl InForce {
    pub(super) fn new(context: &Context<'_>) -> Self {
        let is_of_resctrl = |held: &&Held| held.spot.is_of_group() || matches!(held.spot, Spot::Threads { .. });
        Self { held: context.journal.iter().map(|entry| &entry.held).filter(is_of_resctrl).cloned().collect() }
    }

    /// What is held there.
    pub(super) fn get(&self, spot: &Spot) -> Option<&Held> {
        self.held.iter().find(|held| held.spot == *spot)
    }

    /// The group in which WCA has put a task.
    pub(super) fn group_of(&self, task: &ControlledTask) -> Option<&str> {
        let cgroup = threads_of(task).into_iter().next()?;
        self.get(&Spot::Threads { cgroup }).map(|held| held.written.as_str())
    }

    /// Whether the group of a task was asked for itself, rather than made for what was asked.
    pub(super) fn is_asked(&self, task: &ControlledTask) -> bool {
        let asked = Change::RdtGroup(None).to_string();
        self.threads(task).iter().any(|spot| self.get(spot).is_some_and(|held| held.owner.asked == asked))
    }

    /// The values that say in which group a task is.
    pub(super) fn threads(&self, task: &ControlledTask) -> Vec<Spot> {
        let held = self.held.iter().filter(|held| matches!(held.spot, Spot::Threads { .. }));
        held.filter(|held| held.owner.cgroup == task.cgroup).map(|held| held.spot.clone()).collect()
    }

    /// Cgroups of the tasks in a group.
    pub(super) fn tasks_in(&self, group: &str) -> impl Iterator<Item = &str> {
        let is_in = move |held: &&Held| matches!(held.spot, Spot::Threads { .. }) && held.written == group;
        self.held.iter().filter(is_in).map(|held| held.owner.cgroup.as_str())
    }

    /// Whether WCA made it.
    pub(super) fn is_ours(&self, group: &str) -> bool {
        self.get(&Spot::Group { name: group.to_owned() }).is_some()
    }

    /// Whether WCA made it for tasks that wanted one of their own.
    pub(super) fn is_own(&self, group: &str, context: &Context<'_>) -> bool {
        self.is_ours(group) && context.values.is_own_group(group)
    }

    /// What WCA has set in a group, with the kinds for which.
    pub(super) fn cells(&self, group: &str) -> impl Iterator<Item = (Cell, Kind, u64)> {
        self.held.iter().filter_map(move |held| {
            let Spot::Schemata { group: of, resource, domain } = &held.spot else { return None };
            let resource = RESOURCES.into_iter().find(|known| known == resource).filter(|_| of == group)?;
            let radix = if resource == "MB" { 10 } else { 16 };
            let value = u64::from_str_radix(&held.written, radix).ok()?;
            Some((Cell { resource, domain: *domain }, held.owner.kind, value))
        })
    }

    /// The values that a task gives back with a kind: those of a group of its own, or those that stand in its name in another.
    pub(super) fn spots(&self, group: Option<&str>, cgroup: &str, kind: Kind) -> Vec<Spot> {
        let is_alone = |group: &str| self.is_ours(group) && self.tasks_in(group).all(|other| other == cgroup);
        let is_meant = |held: &&Held| {
            matches!(held.spot, Spot::Schemata { .. })
                && held.owner.kind == kind
                && held.spot.group().is_some_and(|of| {
                    held.owner.cgroup == cgroup || group.is_some_and(|group| of == group && is_alone(group))
                })
        };
        self.held.iter().filter(is_meant).map(|held| held.spot.clone()).collect()
    }

    /// The groups that there are, where those of the asked tasks' cgroups are about to be placed anew.
    pub(super) fn known(&self, there: Vec<String>, asked: &[&str], context: &Context<'_>) -> BTreeMap<String, Known> {
        let known = |name: String| {
            let others: BTreeSet<&str> = self.tasks_in(&name).filter(|cgroup| !asked.contains(cgroup)).collect();
            let known = Known {
                cells: self.cells(&name).map(|(cell, _, value)| (cell, value)).collect(),
                is_ours: self.is_ours(&name),
                is_own: self.is_own(&name, context),
                others: others.len(),
            };
            (name, known)
        };
        there.into_iter().map(known).collect()
    }
}

/// The topmost cgroups that hold all threads of a task.
pub(crate) fn threads_of(task: &ControlledTask) -> Vec<String> {
    let is_in = |cgroup: &str, above: &str| cgroup == above || is_below(cgroup, above);
    let mut all = vec![task.cgroup.clone()];
    for cgroup in &task.containers {
        if !all.iter().any(|above| is_in(cgroup, above)) {
            all.retain(|known| !is_in(known, cgroup));
            all.push(cgroup.clone());
        }
    }
    all
}

/// All values that requests of a kind can set in a group.
pub(super) fn spots_of(group: &str, kind: Kind, platform: &Platform) -> Vec<Spot> {
    let caches = |control: Option<&CacheControl>| control.map_or_else(Vec::new, |control| control.domains.clone());
    let (resources, domains): (&[&str], Vec<u32>) = match kind {
        Kind::RdtL3 => (&["L3", "L3CODE", "L3DATA"], caches(platform.l3.as_ref())),
        Kind::RdtL3Code => (&["L3CODE"], caches(platform.l3.as_ref())),
        Kind::RdtL3Data => (&["L3DATA"], caches(platform.l3.as_ref())),
        Kind::RdtL2 => (&["L2", "L2CODE", "L2DATA"], caches(platform.l2.as_ref())),
        Kind::RdtMb => (&["MB"], platform.bandwidth.as_ref().map_or_else(Vec::new, |control| control.domains.clone())),
        _ => (&[], Vec::new()),
    };
    let of = |resource: &&str| {
        let (group, resource) = (group.to_owned(), (*resource).to_owned());
        domains.clone().into_iter().map(move |domain| Spot::Schemata {
            group: group.clone(),
            resource: resource.clone(),
            domain,
        })
    };
    resources.iter().flat_map(of).collect()
}

/// Any value of a group's schemata: they live as long as the group.
pub(super) fn schemata_of(group: &str) -> Spot {
    Spot::Schemata { group: group.to_owned(), resource: String::new(), domain: 0 }
}
