//! What is to be written for each task, once its group is known.

use std::collections::{BTreeMap, BTreeSet};

use wca_kernel::values::{MADE, Spot, way_text};
use wca_model::{Change, Kind};
use wca_rules::{Cell, Cells, Groups, cells};

use super::known::{InForce, threads_of};
use super::{Asked, OfTask, Plan, is_named, released, specific};
use crate::apply::Due;
use crate::context::Context;
use crate::held::Owner;
use crate::plan::{Planned, Step};

/// Steps of one batch.
pub(super) struct Steps<'a, F> {
    groups: &'a Groups,
    in_force: &'a InForce,
    context: &'a Context<'a>,
    is_free: &'a F,
    /// What was set in this batch, by which task's cgroup.
    set: BTreeMap<(String, Cell), (u64, String)>,
    /// Groups that are made in this batch.
    made: BTreeSet<String>,
}

impl<'a, F: Fn(&Step, &Owner) -> Result<(), String>> Steps<'a, F> {
    pub(super) fn new(groups: &'a Groups, in_force: &'a InForce, context: &'a Context<'a>, is_free: &'a F) -> Self {
        Self { groups, in_force, context, is_free, set: BTreeMap::new(), made: BTreeSet::new() }
    }

    /// Those of one task: its group, what is set in it in one write, and then its threads.
    pub(super) fn add(&mut self, task: &OfTask<'_>, group: &str, plan: &mut Plan) {
        let Some(first) = task.asked.first() else { return };
        let place = task.asked.iter().rev().find(|one| one.request.change.kind() == Kind::RdtGroup).unwrap_or(first);
        let owner = owner_of_group(place);
        let is_new = !group.is_empty() && !self.groups.there.contains_key(group);
        let is_ours = is_new || self.in_force.is_ours(group);
        let threads = threads_of(place.task).into_iter();
        let threads = threads.map(|cgroup| Step { spot: Spot::Threads { cgroup }, value: group.to_owned() });
        let threads: Vec<Step> = threads.collect();
        if let Some(why) = threads.iter().find_map(|step| (self.is_free)(step, &owner).err()) {
            plan.refused.extend(task.asked.iter().map(|asked| (asked.at, why.clone())));
            return;
        }
        let mut due = Vec::new();
        if is_ours {
            let step = Step { spot: Spot::Group { name: group.to_owned() }, value: MADE.to_owned() };
            if let Err(why) = (self.is_free)(&step, &owner) {
                plan.refused.extend(task.asked.iter().map(|asked| (asked.at, why.clone())));
                return;
            }
            due.push(Due {
                at: place.at,
                owner: owner.clone(),
                planned: Planned { steps: vec![step], adjusted: None },
            });
        }
        let mut asked_cells = Cells::new();
        let specific = specific(&task.asked, self.context);
        for one in &task.asked {
            if one.at == place.at && one.request.change.kind() == Kind::RdtGroup {
                continue;
            }
            if matches!(one.request.change, Change::Release(_)) && task.wish.now.as_deref() == Some(group) {
                let wanted = |spot: &Spot| task.wish.cells.keys().any(|cell| *spot == self::spot(group, *cell));
                let mut given = released(one, Some(group), false, self.in_force, self.context);
                given.spots.retain(|spot| !wanted(spot));
                plan.released.push(given);
                continue;
            }
            match self.cells_of(one, group, is_ours, &specific) {
                Ok(planned) => {
                    asked_cells.extend(cells(&one.request.change, self.context.platform));
                    due.push(Due { at: one.at, owner: one.owner.clone(), planned });
                }
                Err(why) => plan.refused.push((one.at, why)),
            }
        }
        if task.wish.named.is_none() {
            due.extend(self.carried(task, group, &asked_cells, place));
        }
        due.push(Due { at: place.at, owner, planned: Planned { steps: threads, adjusted: None } });
        // Who shares a group that is made for another one waits for that one.
        if is_new || self.made.contains(group) {
            self.made.insert(group.to_owned());
            plan.later.extend(due);
        } else {
            plan.due.extend(due);
        }
    }

    fn cells_of(&mut self, one: &Asked<'_>, group: &str, is_ours: bool, specific: &Cells) -> Result<Planned, String> {
        let mut planned = Planned::default();
        let is_specific = matches!(one.request.change.kind(), Kind::RdtL3Code | Kind::RdtL3Data);
        let all = cells(&one.request.change, self.context.platform);
        if !all.is_empty() && !is_ours && !is_named(group, self.context) {
            let which = if group.is_empty() {
                "the root group of resctrl".into()
            } else {
                format!("the resctrl group {group}")
            };
            return Err(format!("{which} was not made by WCA: it is written where the operator names it"));
        }
        for (cell, value) in all {
            if !is_specific && specific.contains_key(&cell) {
                continue;
            }
            let text = way_text(cell.resource, cell.domain, value);
            let set = self.set.entry((group.to_owned(), cell));
            let (first, by) = set.or_insert_with(|| (value, one.task.cgroup.clone()));
            if *first != value {
                let first = way_text(cell.resource, cell.domain, *first);
                let Cell { resource, domain } = cell;
                return Err(format!(
                    "{by} asks for {resource}:{domain}={first} of the same group in this batch, and comes first"
                ));
            }
            if let Change::RdtMb(limit) = one.request.change
                && u64::from(limit.value) != value
            {
                planned.adjusted = Some(text.clone());
            }
            let step = Step { spot: spot(group, cell), value: text };
            (self.is_free)(&step, &one.owner)?;
            planned.steps.push(step);
        }
        Ok(planned)
    }

    /// What the task had in the group that it leaves for another one of its own.
    fn carried(&self, task: &OfTask<'_>, group: &str, asked: &Cells, place: &Asked<'_>) -> Vec<Due> {
        let before = task.wish.now.as_deref().filter(|now| *now != group).unwrap_or(group);
        let carried = task.wish.cells.iter().filter(|(cell, _)| !asked.contains_key(cell));
        let due = carried.filter_map(|(cell, value)| {
            let held = self.in_force.get(&spot(before, *cell))?;
            let owner = Owner {
                policy: place.owner.policy.clone(),
                cgroup: place.task.cgroup.clone(),
                kind: held.owner.kind,
                domain: held.owner.domain,
                asked: held.owner.asked.clone(),
            };
            let step = Step { spot: spot(group, *cell), value: way_text(cell.resource, cell.domain, *value) };
            // Where it stands already it stays as somebody else has changed it, if that is what the operator wants.
            (self.is_free)(&step, &owner).ok()?;
            Some(Due { at: place.at, owner, planned: Planned { steps: vec![step], adjusted: None } })
        });
        due.collect()
    }
}

fn spot(group: &str, cell: Cell) -> Spot {
    Spot::Schemata { group: group.to_owned(), resource: cell.resource.to_owned(), domain: cell.domain }
}

/// In whose name a task's group is held: its request for a group, or the first of those for which it needs one.
fn owner_of_group(place: &Asked<'_>) -> Owner {
    let asked = match &place.request.change {
        Change::RdtGroup(_) => place.owner.asked.clone(),
        other => format!("a group of its own, for {}", other.kind().as_str()),
    };
    Owner { kind: Kind::RdtGroup, domain: None, asked, ..place.owner.clone() }
}
