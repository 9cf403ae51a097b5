//! The effect of changes: what the guard finds is undone, and its policies change nothing for a while.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use wca_control::{Policy, UndoneBatch};
use wca_messages::{CoolingPolicy, Reverted};
use wca_model::{Change, Fate, Outcome, Platform, Request, TaskKey};

use super::cooling::CoolsDown;
use super::{Changes, say};
use crate::guard::{Found, Sampled};

impl Changes {
    /// What a policy asks for, unless it cools down: then it can give values back, and nothing else.
    pub(crate) fn apply(&mut self, policy: u32, requests: &[Request], platform: &Platform) -> Vec<Outcome> {
        let cools = self.control.policy(policy).and_then(|policy| self.cooling.of(policy, self.now()));
        let outcomes = match cools.map(|cools| why_it_is_refused(&cools)) {
            None => self.control.apply(policy, requests, &self.tasks, platform),
            Some(why) => self.give_back_alone(policy, requests, &why, platform),
        };
        self.put_on_trial();
        outcomes
    }

    fn give_back_alone(&mut self, policy: u32, requests: &[Request], why: &str, platform: &Platform) -> Vec<Outcome> {
        let is_release = |request: &&Request| matches!(request.change, Change::Release(_));
        let releases: Vec<Request> = requests.iter().filter(is_release).cloned().collect();
        let mut released = self.control.apply(policy, &releases, &self.tasks, platform).into_iter();
        let refused = |request: &Request| Outcome {
            task: request.task,
            kind: request.change.kind(),
            domain: request.change.domain(),
            fate: Fate::Failed(why.to_owned()),
        };
        let outcome = |request: &Request| {
            let given_back = if is_release(&request) { released.next() } else { None };
            given_back.unwrap_or_else(|| refused(request))
        };
        requests.iter().map(outcome).collect()
    }

    fn put_on_trial(&mut self) {
        for batch in self.control.batches_after(self.guard.newest_batch()) {
            self.guard.begin(&batch);
        }
    }

    /// After each sample, with the time from one to the next: judges what was changed, and undoes it where a protected task got worse.
    pub(crate) fn watch(&mut self, sample: &Sampled<'_>, interval: Duration) -> Vec<Reverted> {
        if self.control.settings().protect.is_empty() {
            return Vec::new();
        }
        // What was made while the pages of a task moved.
        self.put_on_trial();
        let now = self.now();
        self.cooling.forget_old(now);
        for told in self.guard.sampled(now, sample, &self.tasks) {
            tracing::warn!("{told}");
        }
        if self.control.is_frozen() {
            let found = self.guard.look(now, interval, &self.tasks);
            return found.map(|found| self.told_frozen(found)).into_iter().collect();
        }
        let judged = self.guard.judge(now, interval, &self.tasks);
        if let Some(good) = judged.good {
            self.control.accept_until(good);
        }
        judged.found.map(|found| self.revert(found, now)).into_iter().collect()
    }

    /// Harm that is not undone as long as the operator has frozen changes.
    fn told_frozen(&self, found: Found) -> Reverted {
        let victim = self.tasks.get(found.task).map_or("", |task| &task.cgroup);
        let why = why_it_was_undone(&found, victim);
        tracing::error!(
            "{why}; changes are frozen: what was changed before is undone after `wca thaw`, if it is still so"
        );
        let batches = self.control.batches_after(found.batch - 1);
        let cgroups: BTreeSet<String> = batches.flat_map(|batch| batch.cgroups).collect();
        let touched = self.tasks.iter().filter(|task| cgroups.contains(&task.cgroup)).map(|task| task.key);
        reverted(found, touched.collect(), Vec::new())
    }

    fn revert(&mut self, found: Found, now: Duration) -> Reverted {
        let undone = self.control.undo_since(found.batch);
        self.guard.undone(&found);
        let cgroup = |key: TaskKey| self.tasks.get(key).map(|task| task.cgroup.clone());
        let victim = cgroup(found.task).unwrap_or_default();
        let why = why_it_was_undone(&found, &victim);
        let mut left = undone.restored.foreign.iter().chain(&undone.restored.failed).peekable();
        let fate = Fate::Reverted(match left.peek() {
            None => why.clone(),
            Some(_) => format!("{why}; not put back: {}", left.cloned().collect::<Vec<_>>().join("; ")),
        });
        if undone.batches.is_empty() {
            tracing::error!("{why}; what was changed before can be undone no more");
        }
        let (mut culprits, mut outcomes) = (BTreeSet::new(), Vec::new());
        for (policy, changed) in by_policy(undone.batches) {
            culprits.extend(changed.iter().map(|outcome| outcome.task));
            let cgroups = changed.iter().filter_map(|outcome| cgroup(outcome.task)).chain([victim.clone()]).collect();
            let first = self.control.settings().cool_down;
            let wait = self.cooling.begin(policy.clone(), now, first, why.clone(), cgroups);
            tracing::error!("[{}] {why}; it is undone, and the policy may change nothing for {wait:?}", policy.name);
            *self.reverts.entry((policy.name.clone(), found.protect.name.clone())).or_default() += 1;
            if let Some(number) = self.control.number_of(&policy) {
                let reverted = |outcome: Outcome| (number, Outcome { fate: fate.clone(), ..outcome });
                outcomes.extend(changed.into_iter().map(reverted));
            }
        }
        say("values that were changed before it got worse", &undone.restored);
        reverted(found, culprits, outcomes)
    }

    /// The policies that may change nothing for now; with a cgroup, those among them that had to do with it.
    pub(crate) fn who_cools_down(&self, cgroup: Option<&str>) -> Vec<CoolingPolicy> {
        let is_meant =
            |cools: &CoolsDown<'_>| !cools.left.is_zero() && cgroup.is_none_or(|cgroup| cools.cgroups.contains(cgroup));
        let cooling = self.cooling.all(self.now()).filter(is_meant);
        let told = cooling.map(|cools| CoolingPolicy {
            policy: cools.policy.name.clone(),
            left: cools.left.as_secs_f64(),
            why: cools.why.to_owned(),
        });
        told.collect()
    }

    pub(super) fn now(&self) -> Duration {
        self.begun.elapsed()
    }
}

/// What each policy has changed, each thing once, the newest first.
fn by_policy(batches: Vec<UndoneBatch>) -> BTreeMap<Policy, Vec<Outcome>> {
    let mut seen = BTreeSet::new();
    let mut all: BTreeMap<Policy, Vec<Outcome>> = BTreeMap::new();
    for UndoneBatch { policy, outcomes } in batches {
        let of_policy = all.entry(policy.clone()).or_default();
        let is_first = |outcome: &Outcome| seen.insert((policy.clone(), outcome.task, outcome.kind, outcome.domain));
        of_policy.extend(outcomes.into_iter().filter(is_first));
    }
    all
}

fn reverted(found: Found, culprits: BTreeSet<TaskKey>, outcomes: Vec<(u32, Outcome)>) -> Reverted {
    let Found { protect, task, regression, .. } = found;
    let (before, after) = (regression.before, regression.after);
    let culprits = culprits.into_iter().collect();
    Reverted { guard: protect.name, signal: protect.signal, victim: task, before, after, culprits, outcomes }
}

fn why_it_was_undone(found: &Found, victim: &str) -> String {
    let (protect, regression) = (&found.protect, &found.regression);
    let signal = protect.signal.as_str();
    let peers = if regression.expected == regression.before {
        String::new()
    } else {
        format!(" ({} expected by its peers)", short(regression.expected))
    };
    format!(
        "guard `{}` ({}): {signal} of {victim} was {} before and {} after{peers}",
        protect.name,
        protect.place,
        short(regression.before),
        short(regression.after),
    )
}

fn why_it_is_refused(cools: &CoolsDown<'_>) -> String {
    // Without how much longer: policies and logs keep texts apart, and this one comes in each call.
    format!("cooling down, since its changes were undone: {}", cools.why)
}

/// Four digits that count.
fn short(number: f64) -> String {
    if number == 0.0 || !number.is_finite() {
        return number.to_string();
    }
    #[allow(clippy::cast_possible_truncation, reason = "the exponent of a number is below 400")]
    let digits = 3 - number.abs().log10().floor() as i32;
    let decimals = usize::try_from(digits.clamp(0, 12)).unwrap_or_default();
    let text = format!("{number:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests;
