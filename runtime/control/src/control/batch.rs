//! A batch of requests: planned within the operator's rails, and applied.

use std::collections::BTreeSet;

use wca_model::{Change, Fate, Mode, Outcome, Platform, Request, TaskKey};
use wca_rules::{is_of_resctrl, which_count};

use super::Control;
use super::make::{ALL_OR_NOTHING, is_failed};
use crate::apply::{Due, Made};
use crate::context::Context;
use crate::held::Owner;
use crate::kinds;
use crate::plan::Step;
use crate::railed::check_groups;
use crate::tasks::Tasks;

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
        self.look_before(requests, tasks);
        let railed = self.rails.bound(&self.settings.rails, requests, tasks, platform, &mut fates);
        let (asked, requests) = (requests, railed.requests.as_slice());
        let Plan { due: mut planned, later, released } = self.plan(policy, requests, tasks, platform, &mut fates);
        railed.say_what_was_asked(asked, &mut planned);
        let planned = self.within_rates(planned, requests, tasks, &mut fates);
        if self.settings.all_or_nothing && fates.iter().any(is_failed) {
            return outcomes(requests, fates, &Fate::Failed(ALL_OR_NOTHING.into()));
        }
        if self.settings.mode == Mode::Shadow {
            return outcomes(requests, fates, &Fate::Shadowed);
        }
        let planned = self.without_pages(planned, requests, &mut fates);
        let needs_group = |due: &Due| later.contains(&requests[due.at].task);
        let (later, first): (Vec<Due>, Vec<Due>) = planned.into_iter().partition(needs_group);
        let mut made = Made::default();
        let is_over = self.make(first, later, released, (requests, tasks), &mut fates, &mut made);
        if is_over {
            self.unmake(std::mem::take(&mut made), requests, tasks, &mut fates);
        } else if self.keeps_batches() {
            made.remember(&kinds::rdt::unused(&self.journal), &self.values, &self.journal);
        }
        kinds::rdt::remove_unused(&self.values, &mut self.journal);
        // Of what has failed, no page moves.
        self.pages.begin(tasks, &self.values, &mut fates);
        railed.adjust(&mut fates);
        let outcomes = outcomes(requests, fates, &Fate::Failed("it was not planned".into()));
        self.keep_batch(policy, made, &outcomes, tasks);
        outcomes
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
        let is_free = |step: &Step, owner: &Owner| {
            self.is_free(policy, step, owner)?;
            self.stays_not(std::slice::from_ref(step))
        };
        let planned = kinds::rdt::plan(asked, &context, is_free);
        let later = planned.later.iter().map(|due| requests[due.at].task).collect();
        due.extend(planned.due);
        due.extend(planned.later);
        for (at, why) in planned.refused {
            fates[at] = Some(Fate::Failed(why));
        }
        let cgroup = |at: usize| tasks.get(requests[at].task).map_or("", |task| task.cgroup.as_str());
        let released = planned.released.into_iter().filter(|given| {
            let judged = self.may_give_back(policy, given, cgroup(given.at));
            judged.map_err(|why| fates[given.at] = Some(Fate::Failed(why))).is_ok()
        });
        Plan { due, later, released: released.collect() }
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
                judged = judged.and_then(|()| keeper.count(settings, tasks, task, change, &due, values));
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
                    let now = self.pages.postpone((requests[at].task, nodes), due, &self.values, &self.settings);
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
