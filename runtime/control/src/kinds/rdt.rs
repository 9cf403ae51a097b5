//! Cache ways and memory bandwidth: all requests of a batch are planned together, since tasks share groups and groups are few.
//!
//! A task is in the group that a policy names, else in one of its own. Own groups are ours by the journal, and so are named ones
//! that were not there before; they go when their last task does. Groups of others and the root group are written only where
//! the operator has named them.

mod begin;
mod clean;
mod known;
mod steps;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use wca_kernel::values::Spot;
use wca_model::{Change, Kind, Request, TaskKey};
use wca_rules::{Cells, Groups, Wish, cells, may_share, place};

use crate::apply::Due;
use crate::below::is_below;
use crate::context::Context;
use crate::held::Owner;
use crate::plan::Step;
use crate::tasks::ControlledTask;

pub(crate) use begin::{begin, is_operators};
pub(crate) use clean::{follow, put_back_threads, rank, remove_unused, unused, without_used};
use known::InForce;
pub(crate) use known::threads_of;

/// A request of resctrl that was judged valid.
#[derive(Clone)]
pub(crate) struct Asked<'a> {
    /// Its place among the requests.
    pub(crate) at: usize,
    /// The request.
    pub(crate) request: &'a Request,
    /// Its task.
    pub(crate) task: &'a ControlledTask,
    /// In whose name.
    pub(crate) owner: Owner,
}

/// What is to be done for all of them.
#[derive(Default)]
pub(crate) struct Plan {
    /// What is to be written for tasks that need no new group: what they leave makes room.
    pub(crate) due: Vec<Due>,
    /// What is to be written after that.
    pub(crate) later: Vec<Due>,
    /// Requests that cannot be applied, with the reasons.
    pub(crate) refused: Vec<(usize, String)>,
    /// Requests that give values back.
    pub(crate) released: Vec<Released>,
    /// Cgroups of tasks that leave their groups.
    leaving: Vec<String>,
}

/// A request that gives values back.
pub(crate) struct Released {
    /// Its place among the requests.
    pub(crate) at: usize,
    /// The values.
    pub(crate) spots: Vec<Spot>,
    /// Values that may be written again, though somebody else has changed them.
    pub(crate) forgotten: Vec<Spot>,
}

/// All that is asked of one task.
struct OfTask<'a> {
    asked: Vec<Asked<'a>>,
    wish: Wish,
}

/// Plans all requests of a batch. `is_free` says whether a step may be made in the name of its owner.
pub(crate) fn plan<'a>(
    asked: Vec<Asked<'a>>,
    context: &Context<'_>,
    is_free: impl Fn(&Step, &Owner) -> Result<(), String>,
) -> Plan {
    let mut plan = Plan::default();
    if asked.is_empty() {
        return plan;
    }
    let in_force = InForce::new(context);
    let mut tasks = Vec::new();
    for asked in by_task(asked) {
        tasks.extend(plan.begin(asked, &in_force, context, &is_free));
    }
    let there = match context.values.control_groups() {
        Ok(there) => there,
        Err(error) => {
            let all = tasks.iter().flat_map(|task| &task.asked);
            plan.refused.extend(all.map(|asked| (asked.at, error.to_string())));
            return plan;
        }
    };
    let mut asked: Vec<&str> = tasks.iter().map(|task| task.task().cgroup.as_str()).collect();
    let leaving = std::mem::take(&mut plan.leaving);
    asked.extend(leaving.iter().map(String::as_str));
    let groups = Groups { limit: context.platform.groups, there: in_force.known(there, &asked, context) };
    let wishes: Vec<Wish> = tasks.iter().map(|task| task.wish.clone()).collect();
    let name = |at: usize, turn| context.values.own_group(&tasks[at].task().cgroup, turn);
    let placed = place(&wishes, &groups, |cells| may_share(cells, context.platform), name);
    let mut steps = steps::Steps::new(&groups, &in_force, context, &is_free);
    for (task, group) in tasks.into_iter().zip(placed) {
        match group {
            Ok(group) => steps.add(&task, &group, &mut plan),
            Err(why) => plan.refused.extend(task.asked.iter().map(|asked| (asked.at, why.clone()))),
        }
    }
    plan
}

impl<'a> OfTask<'a> {
    fn task(&self) -> &'a ControlledTask {
        // There is no task without a request.
        self.asked[0].task
    }
}

impl Plan {
    /// What a task wants, where anything is to be planned for it.
    fn begin<'a>(
        &mut self,
        mut asked: Vec<Asked<'a>>,
        in_force: &InForce,
        context: &Context<'_>,
        is_free: &impl Fn(&Step, &Owner) -> Result<(), String>,
    ) -> Option<OfTask<'a>> {
        let task = asked.first()?.task;
        let mut now = in_force.group_of(task);
        let sets = asked.iter().any(|one| !matches!(one.request.change, Change::Release(_)));
        if sets && let Some(at) = asked.iter().position(|one| one.request.change == Change::Release(Kind::RdtGroup)) {
            // It leaves its group first, and then begins anew.
            self.released.push(released(&asked.remove(at), now, true, in_force, context));
            now = None;
        }
        let is_released = |kind: Kind| asked.iter().any(|one| one.request.change == Change::Release(kind));
        let own = now.filter(|group| in_force.is_own(group, context));
        let mut wanted: Cells = own.map_or_else(Cells::new, |group| {
            let cells = in_force.cells(group).filter(|(_, kind, _)| !is_released(*kind));
            cells.map(|(cell, _, value)| (cell, value)).collect()
        });
        wanted.extend(asked.iter().flat_map(|one| cells(&one.request.change, context.platform)));
        wanted.extend(specific(&asked, context));
        if !sets {
            let leaves = is_released(Kind::RdtGroup) || own.is_some() && wanted.is_empty() && !in_force.is_asked(task);
            let shared = own.is_some_and(|group| in_force.tasks_in(group).any(|other| other != task.cgroup));
            if leaves || !shared {
                if leaves {
                    self.leaving.push(task.cgroup.clone());
                }
                for one in &asked {
                    self.released.push(released(one, now, leaves, in_force, context));
                }
                return None;
            }
        }
        let named = asked.iter().rev().find_map(|one| match &one.request.change {
            Change::RdtGroup(named) => Some(named.clone()),
            _ => None,
        });
        let stays = || now.filter(|_| own.is_none()).map(str::to_owned);
        let named = named.unwrap_or_else(stays);
        if let Err(why) = self.may_move(&asked, named.as_deref(), in_force, context, is_free) {
            self.refused.extend(asked.iter().map(|asked| (asked.at, why.clone())));
            return None;
        }
        let now = now.map(str::to_owned);
        Some(OfTask { asked, wish: Wish { named, cells: wanted, now } })
    }

    /// Whether threads of a task may be moved to where it wants to be.
    fn may_move(
        &self,
        asked: &[Asked<'_>],
        named: Option<&str>,
        in_force: &InForce,
        context: &Context<'_>,
        is_free: &impl Fn(&Step, &Owner) -> Result<(), String>,
    ) -> Result<(), String> {
        let Some(first) = asked.first() else { return Ok(()) };
        if context.tasks.iter().any(|other| is_below(&other.cgroup, &first.task.cgroup)) {
            return Err(format!(
                "cgroups of other tasks are below {}, and their threads would go along",
                first.task.cgroup
            ));
        }
        if let Some(name) = named.filter(|name| !name.is_empty() && !in_force.is_ours(name)) {
            let is_there = context.values.life(&known::schemata_of(name)).is_some();
            if is_there && !is_named(name, context) {
                return Err(format!(
                    "the resctrl group {name} was not made by WCA: tasks are put into it where the operator names it"
                ));
            }
        }
        let step =
            |cgroup: String| Step { spot: Spot::Threads { cgroup }, value: named.unwrap_or_default().to_owned() };
        let owner = Owner { kind: Kind::RdtGroup, domain: None, ..first.owner.clone() };
        threads_of(first.task).into_iter().try_for_each(|cgroup| is_free(&step(cgroup), &owner))
    }
}

/// What a request gives back: with its group a task leaves everything that is set in it.
fn released(one: &Asked<'_>, now: Option<&str>, leaves: bool, in_force: &InForce, context: &Context<'_>) -> Released {
    let kind = one.request.change.kind();
    let forgotten = match kind {
        Kind::RdtGroup => threads_of(one.task).into_iter().map(|cgroup| Spot::Threads { cgroup }).collect(),
        _ => now.map_or_else(Vec::new, |group| known::spots_of(group, kind, context.platform)),
    };
    let spots = if leaves { in_force.threads(one.task) } else { in_force.spots(now, &one.task.cgroup, kind) };
    Released { at: one.at, spots, forgotten }
}

/// Whether the operator lets this group, which is not ours, be written.
fn is_named(group: &str, context: &Context<'_>) -> bool {
    context.settings.rdt.named_groups.iter().any(|named| named == group)
}

/// What is asked for code or for data alone, which goes before what is asked for both.
fn specific(asked: &[Asked<'_>], context: &Context<'_>) -> Cells {
    let is_specific = |one: &&Asked<'_>| matches!(one.request.change.kind(), Kind::RdtL3Code | Kind::RdtL3Data);
    asked.iter().filter(is_specific).flat_map(|one| cells(&one.request.change, context.platform)).collect()
}

/// Requests task by task, in the order in which tasks were first named.
fn by_task(asked: Vec<Asked<'_>>) -> Vec<Vec<Asked<'_>>> {
    let mut places: BTreeMap<TaskKey, usize> = BTreeMap::new();
    let mut tasks: Vec<Vec<Asked<'_>>> = Vec::new();
    for one in asked {
        let at = *places.entry(one.request.task).or_insert(tasks.len());
        if at == tasks.len() {
            tasks.push(Vec::new());
        }
        tasks[at].push(one);
    }
    tasks
}
