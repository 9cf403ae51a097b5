//! A batch of requests: judged, planned within the operator's rails, and applied.

use std::collections::{BTreeMap, BTreeSet};

use wca_kernel::values::Spot;
use wca_model::{Change, Fate, Kind, Outcome, Platform, Refusal, Request, TaskKey};
use wca_rules::{is_of_resctrl, validate, which_count};

use super::Control;
use crate::apply::{Due, apply_task};
use crate::context::Context;
use crate::held::{Held, Owner};
use crate::kinds;
use crate::plan::{Planned, Step};
use crate::railed::check_groups;
use crate::restore::{put_back, put_back_exactly};
use crate::settings::Mode;
use crate::tasks::{ControlledTask, Tasks};

/// What is to be done for a batch.
struct Plan {
    /// What is to be written.
    due: Vec<Due>,
    /// Tasks that need a group of resctrl that is still to be made, and so come last.
    later: BTreeSet<TaskKey>,
    /// Groups of resctrl, and what is set in them, that are given back.
    released: Vec<kinds::rdt::Released>,
}

impl Control {
    /// What a policy asks for: one outcome per request, in their order.
    pub fn apply(&mut self, policy: u32, requests: &[Request], tasks: &Tasks, platform: &Platform) -> Vec<Outcome> {
        let mut fates: Vec<Option<Fate>> = vec![None; requests.len()];
        let railed = self.rails.bound(&self.settings.rails, requests, tasks, platform, &mut fates);
        let (asked, requests) = (requests, railed.requests.as_slice());
        let Plan { due: mut planned, later, released } = self.plan(policy, requests, tasks, platform, &mut fates);
        railed.say_what_was_asked(asked, &mut planned);
        let planned = self.within_rates(planned, requests, tasks, &mut fates);
        if self.settings.all_or_nothing && fates.iter().any(|fate| matches!(fate, Some(Fate::Failed(_)))) {
            let why = "another request of the batch failed, and all_or_nothing is set";
            return outcomes(requests, fates, &Fate::Failed(why.into()));
        }
        if self.settings.mode == Mode::Shadow {
            return outcomes(requests, fates, &Fate::Shadowed);
        }
        let planned = self.without_pages(planned, requests, &mut fates);
        for kinds::rdt::Released { at, spots, forgotten } in released {
            self.foreign.forget_spots(&forgotten);
            fates[at] = Some(self.give_back(spots));
        }
        let needs_group = |due: &Due| later.contains(&requests[due.at].task);
        let (later, first): (Vec<Due>, Vec<Due>) = planned.into_iter().partition(needs_group);
        for due in by_task(first, requests) {
            self.apply_to_task(due, &mut fates);
        }
        for due in by_task(later, requests) {
            // What others have left makes room for the group of this one.
            kinds::rdt::remove_unused(&self.values, &mut self.journal);
            self.apply_to_task(due, &mut fates);
        }
        kinds::rdt::remove_unused(&self.values, &mut self.journal);
        self.pages.begin(tasks, &self.values, &mut fates);
        self.release(policy, requests, tasks, &mut fates);
        railed.adjust(&mut fates);
        outcomes(requests, fates, &Fate::Failed("it was not planned".into()))
    }

    /// What is to be written for the requests that can be applied; the others have their fate then.
    fn plan(
        &self,
        policy: u32,
        requests: &[Request],
        tasks: &Tasks,
        platform: &Platform,
        fates: &mut [Option<Fate>],
    ) -> Plan {
        let counts = which_count(requests);
        let context =
            Context { values: &self.values, platform, settings: &self.settings, tasks, journal: &self.journal };
        let mut due = Vec::new();
        let mut asked = Vec::new();
        for (at, request) in requests.iter().enumerate() {
            if fates[at].is_some() {
                continue;
            }
            let will_have = |node: u32| {
                let has = |change: &Change| matches!(change, Change::CpusetMems(nodes) if nodes.contains(&node));
                requests.iter().any(|other| other.task == request.task && has(&other.change))
            };
            match self.judge(policy, request, counts[at], &will_have, &context) {
                Ok((owner, None)) if is_of_resctrl(owner.kind) => {
                    asked.extend(tasks.get(request.task).map(|task| kinds::rdt::Asked { at, request, task, owner }));
                }
                Ok((_, None)) => {}
                Ok((owner, Some(planned))) => due.push(Due { at, owner, planned }),
                Err(why) => fates[at] = Some(Fate::Failed(why)),
            }
        }
        let planned = kinds::rdt::plan(asked, &context, |step, owner| self.is_free(policy, step, owner));
        let later = planned.later.iter().map(|due| requests[due.at].task).collect();
        due.extend(planned.due);
        due.extend(planned.later);
        for (at, why) in planned.refused {
            fates[at] = Some(Fate::Failed(why));
        }
        Plan { due, later, released: planned.released }
    }

    fn apply_to_task(&mut self, due: Vec<Due>, fates: &mut [Option<Fate>]) {
        for (at, fate) in apply_task(due, &self.values, &mut self.journal) {
            fates[at] = Some(fate);
        }
    }

    /// Puts back what a request gives back.
    fn give_back(&mut self, spots: Vec<Spot>) -> Fate {
        let nothing = spots.is_empty();
        let restored = put_back_exactly(spots, &self.values, &mut self.journal);
        match restored.failed.first() {
            Some(why) => Fate::Failed(why.clone()),
            None if nothing => Fate::Unchanged,
            None => Fate::Applied,
        }
    }

    /// Whether one request can be applied, and what is to be written for it; none for a release, and for resctrl, which is planned for
    /// all tasks together. `will_have`: whether the batch gives the task a memory node.
    fn judge(
        &self,
        policy: u32,
        request: &Request,
        counts: bool,
        will_have: &dyn Fn(u32) -> bool,
        context: &Context<'_>,
    ) -> Result<(Owner, Option<Planned>), String> {
        if self.is_frozen {
            return Err("frozen by the operator".into());
        }
        if !counts {
            return Err("a later request of the same batch asks for the same of this task".into());
        }
        let task = context.tasks.get(request.task).ok_or_else(|| Refusal::Gone.to_string())?;
        validate(&request.change, context.platform).map_err(|refusal| refusal.to_string())?;
        let owner = self.owner(policy, request, task)?;
        if matches!(request.change, Change::Release(_)) || is_of_resctrl(owner.kind) {
            return Ok((owner, None));
        }
        if let Change::MigratePages(node) = request.change {
            self.pages.check(&task.cgroup, node, will_have(node), &self.values)?;
            return Ok((owner, Some(Planned::default())));
        }
        let planned = kinds::plan(&request.change, task, context)?;
        for step in &planned.steps {
            self.is_free(policy, step, &owner)?;
        }
        Ok((owner, Some(planned)))
    }

    /// Whether a value may be written in the name of this policy.
    pub(super) fn is_free(&self, policy: u32, step: &Step, owner: &Owner) -> Result<(), String> {
        let spot = &step.spot;
        if let Some(entry) = self.journal.get(spot) {
            let other = &entry.held.owner.policy;
            let place = self.policies.iter().position(|known| known == other);
            let is_wanted = spot.is_of_group() && entry.held.written == step.value;
            if !is_wanted && *other != owner.policy && place.is_some_and(|place| place < policy as usize) {
                return Err(format!("{spot} is held by {}, which comes first", other.name));
            }
        }
        match self.values.life(spot) {
            Some(life) if self.foreign.is_yielded(spot, life) => Err(format!(
                "{spot} was changed by somebody else and is left to them, until {} is released",
                owner.kind.as_str()
            )),
            _ => Ok(()),
        }
    }

    fn owner(&self, policy: u32, request: &Request, task: &ControlledTask) -> Result<Owner, String> {
        let known =
            self.policies.get(policy as usize).ok_or_else(|| format!("policy {policy} is none of the operator's"))?;
        Ok(Owner {
            policy: known.clone(),
            cgroup: task.cgroup.clone(),
            kind: request.change.kind(),
            domain: request.change.domain(),
            asked: request.change.to_string(),
        })
    }

    /// Without those that lead to groups outside of the rails, and those that are one change too many for them. Where nothing is
    /// written, nothing is counted.
    fn within_rates(
        &mut self,
        planned: Vec<Due>,
        requests: &[Request],
        tasks: &Tasks,
        fates: &mut [Option<Fate>],
    ) -> Vec<Due> {
        let mut rest = Vec::new();
        for due in planned {
            let Some(task) = tasks.get(requests[due.at].task) else { continue };
            let (keeper, settings, values) = (&mut self.rails, &self.settings, &self.values);
            let mut judged = check_groups(&settings.rails, task, &due, values);
            let change = &requests[due.at].change;
            // What moves already was counted when it began.
            let in_hand = self.pages.is_in_hand(change, &task.cgroup, values).unwrap_or(false);
            if settings.mode == Mode::Apply && !in_hand {
                judged = judged.and_then(|()| keeper.count(&settings.rails, task, change, &due, values));
            }
            match judged {
                Ok(()) => rest.push(due),
                Err(why) => fates[due.at] = Some(Fate::Failed(why)),
            }
        }
        rest
    }

    /// Without those that move pages, and those that have to wait until pages have moved.
    fn without_pages(&mut self, planned: Vec<Due>, requests: &[Request], fates: &mut [Option<Fate>]) -> Vec<Due> {
        let mut rest = Vec::new();
        for due in planned {
            let at = due.at;
            let later = match &requests[at].change {
                Change::MigratePages(node) => {
                    let done = self.pages.migrate(&due.owner.cgroup, *node, &self.values, &self.settings);
                    Err((at, done.unwrap_or_else(Fate::Failed)))
                }
                Change::CpusetMems(nodes) => {
                    let now = self.pages.postpone(nodes, due, &self.values, &self.settings);
                    now.map_err(|why| (at, Fate::Failed(why)))
                }
                _ => Ok(due),
            };
            match later {
                Ok(due) => rest.push(due),
                Err((at, fate)) => fates[at] = Some(fate),
            }
        }
        rest
    }

    /// Gives back the values of the kinds that are released.
    fn release(&mut self, _policy: u32, requests: &[Request], tasks: &Tasks, fates: &mut [Option<Fate>]) {
        for (at, request) in requests.iter().enumerate() {
            let Change::Release(kind) = request.change else { continue };
            let (None, Some(task)) = (&fates[at], tasks.get(request.task)) else { continue };
            let is_meant = |held: &Held| held.owner.cgroup == task.cgroup && held.owner.kind == kind;
            let spots: Vec<_> = self
                .journal
                .iter()
                .map(|entry| &entry.held)
                .filter(|held| is_meant(held))
                .map(|held| held.spot.clone())
                .collect();
            self.foreign.forget(&task.cgroup, kind);
            if kind == Kind::CpusetMems {
                self.pages.forget(&task.cgroup);
            }
            let nothing = spots.is_empty();
            let restored = put_back(spots, &self.values, &mut self.journal);
            fates[at] = Some(match restored.failed.first() {
                Some(why) => Fate::Failed(why.clone()),
                None if nothing => Fate::Unchanged,
                None => Fate::Applied,
            });
        }
    }
}

/// What is due, task by task in the order in which they were first named.
fn by_task(planned: Vec<Due>, requests: &[Request]) -> Vec<Vec<Due>> {
    let mut order: BTreeMap<TaskKey, usize> = BTreeMap::new();
    let mut tasks: Vec<Vec<Due>> = Vec::new();
    for due in planned {
        let at = *order.entry(requests[due.at].task).or_insert(tasks.len());
        if at == tasks.len() {
            tasks.push(Vec::new());
        }
        tasks[at].push(due);
    }
    tasks
}

fn outcomes(requests: &[Request], fates: Vec<Option<Fate>>, otherwise: &Fate) -> Vec<Outcome> {
    let outcome = |(request, fate): (&Request, Option<Fate>)| Outcome {
        task: request.task,
        kind: request.change.kind(),
        domain: request.change.domain(),
        fate: fate.unwrap_or_else(|| otherwise.clone()),
    };
    requests.iter().zip(fates).map(outcome).collect()
}
