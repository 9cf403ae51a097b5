//! One means to squeeze best-effort tasks: a quota for each, or cache ways or bandwidth for all of them alike.

mod shared;

use std::collections::{BTreeMap, BTreeSet};

use wca_guest::plan;
use wca_guest::types::Key;

use crate::limit::{Limit, Release, Scale};
use crate::policy::Lever;
use crate::requests::Requests;
use crate::view::View;

/// What is in force by one lever.
///
/// Processor time is limited task by task, since each uses its own. Ways and bandwidth are the same for all, so that one resctrl
/// group serves them: a processor has a few.
pub(crate) struct Means {
    pub(crate) lever: Lever,
    /// Of each task.
    quotas: BTreeMap<Key, Quota>,
    /// Of all tasks.
    shared: Option<Limit>,
    /// Tasks that were asked to have it.
    members: BTreeSet<Key>,
    /// What rails or the kernel have made of a lower limit of all tasks: less cannot be had.
    least_shared: f64,
    /// Ways that each task had before, by domain.
    masks: BTreeMap<(Key, u32), u64>,
    /// The call from which on it may be tried again, after it did not help.
    pub(crate) useless_until: u64,
}

/// The limit of a task's processor time.
#[derive(Clone, Copy)]
struct Quota {
    limit: Limit,
    /// What it had without us; 1 is no limit.
    found: f64,
    /// What rails or the kernel have made of a lower quota: less cannot be had.
    least: f64,
}

/// What became of a squeeze.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Squeezed {
    /// It was asked for.
    Done,
    /// Nothing more can be taken.
    Nothing,
    /// Nothing more was taken now, and something was refused before that may be asked for again later.
    Refused,
}

/// What a step back has changed.
#[derive(Clone, Copy, Default)]
pub(crate) struct Given {
    /// Anything.
    pub(crate) anything: bool,
    /// Something to beyond where the pressure came back.
    pub(crate) was_probe: bool,
}

impl Means {
    pub(crate) fn new(lever: Lever) -> Self {
        Self {
            lever,
            quotas: BTreeMap::new(),
            shared: None,
            members: BTreeSet::new(),
            least_shared: 0.0,
            masks: BTreeMap::new(),
            useless_until: 0,
        }
    }

    /// Whether it limits anything.
    pub(crate) fn is_in_force(&self) -> bool {
        !self.quotas.is_empty() || self.shared.is_some()
    }

    /// Whether a change of it needs time to show: lines stay in the cache until something else takes their place.
    pub(crate) fn is_slow(&self) -> bool {
        self.lever != Lever::CpuQuota
    }

    /// Limits with their task, where it is of one.
    pub(crate) fn limits(&self) -> impl Iterator<Item = (Option<Key>, f64)> {
        let of_tasks = self.quotas.iter().map(|(key, quota)| (Some(*key), quota.limit.value));
        of_tasks.chain(self.shared.map(|limit| (None, limit.value)))
    }

    /// Leaves `factor` of what is there.
    pub(crate) fn squeeze(&mut self, factor: f64, view: &View<'_>, requests: &mut Requests) -> Squeezed {
        let is_refused = view.roster.best_effort.keys().any(|key| !requests.may_ask(*key, self.lever));
        if self.take(factor, view, requests) {
            Squeezed::Done
        } else if is_refused {
            Squeezed::Refused
        } else {
            Squeezed::Nothing
        }
    }

    fn take(&mut self, factor: f64, view: &View<'_>, requests: &mut Requests) -> bool {
        if self.lever != Lever::CpuQuota {
            let scale = self.shared_scale(view);
            let had = match self.shared {
                Some(limit) => limit.value,
                None if self.lever == Lever::RdtL3 => scale.most,
                None => view.bandwidth(),
            };
            let Some(limit) = Limit::squeezed(self.shared, had, factor, &scale) else { return false };
            return self.share(limit, view, requests);
        }
        // One of which nothing is known yet, since it has just come, waits for the next time if there are others.
        let known = self.squeeze_quotas(factor, view, requests, true);
        known || self.squeeze_quotas(factor, view, requests, false)
    }

    fn squeeze_quotas(&mut self, factor: f64, view: &View<'_>, requests: &mut Requests, is_known: bool) -> bool {
        let mut anything = false;
        for (key, task) in &view.roster.best_effort {
            let before = self.quotas.get(key).copied();
            let usage = view.usage.get(key).copied();
            if !requests.may_ask(*key, self.lever) || is_known != (usage.is_some() || before.is_some()) {
                continue;
            }
            let found = before.map_or_else(|| view.quotas.get(key).copied().unwrap_or(1.0), |before| before.found);
            let least = before.map_or(0.0, |before| before.least);
            let had = match before {
                // It may not have got what it may have; but not so little that the next step would be a fall.
                Some(Quota { limit: Limit { value, .. }, .. }) => {
                    usage.map_or(value, |usage| usage.clamp(value * view.config.step, value))
                }
                None => found.min(usage.unwrap_or(1.0)),
            };
            let scale = quota_scale(view, task.quota_floor.max(least), found);
            let before = before.map(|before| before.limit);
            let Some(limit) = Limit::squeezed(before, had, factor, &scale) else { continue };
            if requests.asked(*key, self.lever, &task.id, plan::cpu_quota(*key, limit.value)) {
                self.quotas.insert(*key, Quota { limit, found, least });
                anything = true;
            }
        }
        anything
    }

    /// Gives a step back.
    pub(crate) fn release(&mut self, view: &View<'_>, growth: f64, may_probe: bool, requests: &mut Requests) -> Given {
        if let Some(limit) = self.shared {
            let scale = self.shared_scale(view);
            let was_probe = may_probe && limit.release(&scale, growth, false) == Release::Stays;
            let anything = match limit.release(&scale, growth, may_probe) {
                Release::Stays => false,
                Release::To(value) => self.share(limit.at(value), view, requests),
                Release::Lifted => {
                    self.lift(view, requests);
                    true
                }
            };
            return Given { anything, was_probe };
        }
        let mut given = Given::default();
        for (key, Quota { limit, found, least }) in self.quotas.clone() {
            let Some(task) = view.roster.best_effort.get(&key) else { continue };
            if !requests.may_ask(key, self.lever) {
                continue;
            }
            let scale = quota_scale(view, task.quota_floor, found);
            let is_given = match limit.release(&scale, growth, may_probe) {
                Release::Stays => false,
                Release::To(value) => {
                    let is_taken = requests.asked(key, self.lever, &task.id, plan::cpu_quota(key, value));
                    if is_taken {
                        self.quotas.insert(key, Quota { limit: limit.at(value), found, least });
                    }
                    is_taken
                }
                Release::Lifted => {
                    requests.release(key, self.lever);
                    self.quotas.remove(&key);
                    true
                }
            };
            given.anything |= is_given;
            given.was_probe |= is_given && may_probe && limit.release(&scale, growth, false) == Release::Stays;
        }
        given
    }

    /// Gives everything back.
    pub(crate) fn lift(&mut self, view: &View<'_>, requests: &mut Requests) {
        for key in view.roster.best_effort.keys() {
            if self.shared.is_some() || self.quotas.contains_key(key) {
                requests.release(*key, self.lever);
            }
        }
        (self.shared, self.least_shared) = (None, 0.0);
        (self.quotas, self.members) = (BTreeMap::new(), BTreeSet::new());
    }

    /// A task comes under what is in force for all, again after a refusal too.
    pub(crate) fn join(&mut self, key: Key, view: &View<'_>, requests: &mut Requests) {
        if let (Some(limit), Some(task)) = (self.shared, view.roster.best_effort.get(&key)) {
            self.ask_shared(key, &task.id, limit.value, requests);
        }
    }

    /// A task may not be squeezed any more.
    pub(crate) fn spare(&mut self, key: Key, requests: &mut Requests) {
        if self.shared.is_some() || self.quotas.contains_key(&key) {
            requests.release(key, self.lever);
        }
        self.forget(key);
    }

    /// Requests for these tasks are not in force, so that they have what they had before: another limit, or none.
    pub(crate) fn failed(&mut self, keys: &[Key], view: &View<'_>) {
        for key in keys {
            // Where it is a limit, `look` finds it.
            let is_limited = |quota: &Quota| view.quotas.get(key).is_some_and(|now| *now < 0.99 * quota.found);
            if !self.quotas.get(key).is_some_and(is_limited) {
                self.quotas.remove(key);
            }
            self.members.remove(key);
        }
        // As long as one task has what is shared, the others join it again.
        let last = keys.last().filter(|_| view.roster.best_effort.keys().all(|key| keys.contains(key)));
        if let Some(key) = last {
            self.look_at(*key, false, view);
        }
    }

    /// A task has gone.
    pub(crate) fn forget(&mut self, key: Key) {
        self.quotas.remove(&key);
        self.members.remove(&key);
        self.masks.retain(|(of, _), _| *of != key);
    }

    /// Takes over what quotas are in force in truth: rails, the kernel and others may have made something else of ours. Those of
    /// `adjusted` are the nearest that could be had.
    pub(crate) fn look(&mut self, adjusted: &[Key], view: &View<'_>) {
        let in_force = |key: &Key| view.quotas.get(key).copied();
        self.quotas.retain(|key, quota| in_force(key).is_none_or(|now| now < 0.99 * quota.found));
        for (key, Quota { limit, least, .. }) in &mut self.quotas {
            let Some(quota) = in_force(key) else { continue };
            // Within 1 % nothing is written (docs/control.md), and the kernel counts in microseconds.
            if (quota - limit.value).abs() > 0.02 * limit.value {
                if quota > limit.value && adjusted.contains(key) {
                    *least = quota;
                }
                *limit = limit.at(quota);
            }
        }
    }
}

/// Between which values the quota of a task moves that had `found` without us.
fn quota_scale(view: &View<'_>, floor: f64, found: f64) -> Scale {
    Scale { floor, most: found, is_loose: true, grain: 0.0, release: view.config.release }
}
