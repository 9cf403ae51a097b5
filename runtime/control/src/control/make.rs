//! What was planned for a batch is made, and where the operator wants all or nothing, unmade.

use std::collections::{BTreeMap, BTreeSet};

use wca_kernel::values::Spot;
use wca_model::{Change, Fate, Kind, Mode, Request, TaskKey};
use wca_rules::is_of_resctrl;

use super::Control;
use crate::apply::{Due, Made, Watch, apply_watched};
use crate::held::{Held, Left};
use crate::kinds::rdt::{Released, remove_unused, unused, without_used};
use crate::loosen::with_controllers;
use crate::restore::{put_back_exactly, said};
use crate::tasks::Tasks;

/// Why a request fails though nothing is wrong with it.
pub(super) const ALL_OR_NOTHING: &str = "another request of the batch failed, and all_or_nothing is set";

impl Control {
    /// What others have changed since the last look counts before anything is judged, except for what is given back.
    pub(super) fn look_before(&mut self, requests: &[Request], tasks: &Tasks) {
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

    /// Makes what was planned; whether it is all to be unmade, since a part of it has failed.
    pub(super) fn make(
        &mut self,
        first: Vec<Due>,
        later: Vec<Due>,
        released: Vec<Released>,
        (requests, tasks): (&[Request], &Tasks),
        fates: &mut [Option<Fate>],
        made: &mut Made,
    ) -> bool {
        let is_whole = self.settings.all_or_nothing;
        let has_failed = |fates: &[Option<Fate>]| is_whole && fates.iter().any(is_failed);
        if has_failed(fates) {
            return true;
        }
        let mut forgotten = Vec::new();
        for Released { at, spots, forgotten: mut more } in released {
            forgotten.append(&mut more);
            fates[at] = Some(self.give_back(spots, made));
        }
        for due in by_task(first, requests) {
            if has_failed(fates) {
                return true;
            }
            self.apply_to_task(due, fates, made);
        }
        for due in by_task(later, requests) {
            if has_failed(fates) {
                return true;
            }
            // What others have left makes room for the group of this one.
            if self.remembers() {
                made.remember(&unused(&self.journal), &self.values, &self.journal);
            }
            remove_unused(&self.values, &mut self.journal);
            self.apply_to_task(due, fates, made);
        }
        self.release(requests, tasks, fates, made);
        if has_failed(fates) {
            return true;
        }
        said(self.journal.regain(|spot, _| forgotten.contains(spot)));
        for (request, fate) in requests.iter().zip(fates) {
            let (Change::Release(kind), Some(task)) = (&request.change, tasks.get(request.task)) else { continue };
            if is_failed(fate) || is_of_resctrl(*kind) {
                continue;
            }
            said(self.journal.regain(|_, Left { owner, .. }| owner.cgroup == task.cgroup && owner.kind == *kind));
        }
        false
    }

    /// Whether what is given back can be taken back again.
    pub(super) fn remembers(&self) -> bool {
        self.settings.all_or_nothing || self.keeps_batches()
    }

    /// Unmakes a whole batch.
    pub(super) fn unmake(&mut self, made: Made, requests: &[Request], tasks: &Tasks, fates: &mut [Option<Fate>]) {
        let left = made.unmake(&self.values, &mut self.journal);
        for (request, fate) in requests.iter().zip(fates) {
            if let (Change::CpusetMems(_), Some(task)) = (&request.change, tasks.get(request.task)) {
                self.pages.forget(&task.cgroup);
            }
            if !is_failed(fate) {
                let why = if left.is_empty() { String::new() } else { format!("; {left}") };
                *fate = Some(Fate::Failed(format!("{ALL_OR_NOTHING}{why}")));
            }
        }
    }

    fn apply_to_task(&mut self, due: Vec<Due>, fates: &mut [Option<Fate>], made: &mut Made) {
        let watch = Watch { foreign: &mut self.foreign, settings: &self.settings };
        for (at, fate) in apply_watched(due, &self.values, &mut self.journal, Some(watch), made) {
            fates[at] = Some(fate);
        }
    }

    /// Puts back what a request gives back.
    fn give_back(&mut self, spots: Vec<Spot>, made: &mut Made) -> Fate {
        let nothing = spots.is_empty();
        if self.remembers() {
            made.remember(&with_controllers(spots.clone(), &self.journal), &self.values, &self.journal);
        }
        let restored = put_back_exactly(spots, &self.values, &mut self.journal);
        match restored.failed.first() {
            Some(why) => Fate::Failed(why.clone()),
            None if nothing => Fate::Unchanged,
            None => Fate::Applied,
        }
    }

    /// Gives back the values of the kinds that are released.
    fn release(&mut self, requests: &[Request], tasks: &Tasks, fates: &mut [Option<Fate>], made: &mut Made) {
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
            if kind == Kind::CpusetMems {
                // Before the nodes that the pages move to are lost.
                self.pages.forget(&task.cgroup);
            }
            fates[at] = Some(self.give_back(without_used(spots, &self.journal), made));
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

pub(super) fn is_failed(fate: &Option<Fate>) -> bool {
    matches!(fate, Some(Fate::Failed(_)))
}
