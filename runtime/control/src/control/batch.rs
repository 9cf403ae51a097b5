//! A batch of requests: planned within the operator's rails, and applied.

use std::collections::{BTreeMap, BTreeSet};

use wca_kernel::values::Spot;
use wca_model::{Change, Fate, Kind, Outcome, Platform, Request, TaskKey};
use wca_rules::{is_of_resctrl, which_count};

use super::Control;
use crate::apply::{Due, Watch, apply_watched};
use crate::context::Context;
use crate::held::{Held, Owner};
use crate::kinds;
use crate::plan::Step;
use crate::railed::check_groups;
use crate::restore::{put_back, put_back_exactly};
use crate::settings::Mode;
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
        self.release(requests, tasks, &mut fates);
        railed.adjust(&mut fates);
        outcomes(requests, fates, &Fate::Failed("it was not planned".into()))
    }

    /// What others have changed since the last look counts before anything is judged, except for what is given back.
    fn look_before(&mut self, requests: &[Request], tasks: &Tasks) {
        if self.settings.mode == Mode::Shadow {
            return;
        }
        let (mut set, mut released) = (BTreeSet::new(), BTreeSet::new());
        for request in requests {
            let Some(task) = tasks.get(request.task) else { continue };
            match request.change {
                Change::Release(kind) => released.insert((task.cgroup.as_str(), kind)),
                _ => set.insert((task.cgroup.as_str(), request.change.kind())),
            };
        }
        let sets_groups = set.iter().any(|(_, kind)| is_of_resctrl(*kind));
        let is_meant = |held: &Held| {
            let (cgroup, kind) = (held.owner.cgroup.as_str(), held.owner.kind);
            let is_set = set.iter().any(|(of, _)| *of == cgroup) || sets_groups && held.spot.is_of_group();
            is_set && !released.contains(&(cgroup, kind))
        };
        self.foreign.look_at(is_meant, &self.values, &mut self.journal, &self.settings, self.is_frozen);
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

    fn apply_to_task(&mut self, due: Vec<Due>, fates: &mut [Option<Fate>]) {
        let watch = Watch { foreign: &mut self.foreign, settings: &self.settings };
        for (at, fate) in apply_watched(due, &self.values, &mut self.journal, Some(watch)) {
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
    fn release(&mut self, requests: &[Request], tasks: &Tasks, fates: &mut [Option<Fate>]) {
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
