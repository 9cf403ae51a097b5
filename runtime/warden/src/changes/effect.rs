//! The effect of changes: what the guard finds is undone, and its policies change nothing for a while.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use wca_control::{Policy, UndoneBatch};
use wca_messages::{CoolingPolicy, Reverted};
use wca_model::{Change, Fate, Outcome, Platform, Request, TaskKey};

use super::{Changes, say};
use crate::guard::{CoolsDown, Found, Sampled};

impl Changes {
    /// What a policy asks for, unless it cools down: then it can give values back, and nothing else.
    pub(crate) fn apply(&mut self, policy: u32, requests: &[Request], platform: &Platform) -> Vec<Outcome> {
        let cools = self.control.policy(policy).and_then(|policy| self.guard.cools_down(policy, self.now()));
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
        if let Some(batch) = self.control.newest_batch() {
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
        for told in self.guard.sampled(now, sample, &self.tasks) {
            tracing::warn!("{told}");
        }
        if self.control.is_frozen() {
            return Vec::new();
        }
        let judged = self.guard.judge(now, interval, &self.tasks);
        if let Some(good) = judged.good {
            self.control.accept_until(good);
        }
        judged.found.map(|found| self.revert(&found, now)).into_iter().collect()
    }

    fn revert(&mut self, found: &Found, now: Duration) -> Reverted {
        let undone = self.control.undo_since(found.batch);
        self.guard.undone(found);
        let cgroup = |key: TaskKey| self.tasks.get(key).map(|task| task.cgroup.clone());
        let victim = cgroup(found.task).unwrap_or_default();
        let why = why_it_was_undone(found, &victim);
        let mut left = undone.restored.foreign.iter().chain(&undone.restored.failed).peekable();
        let fate = Fate::Reverted(match left.peek() {
            None => why.clone(),
            Some(_) => format!("{why}; not put back: {}", left.cloned().collect::<Vec<_>>().join("; ")),
        });
        if undone.batches.is_empty() {
            tracing::error!("{why}; what was changed before can be undone no more");
        }
        let mut outcomes = Vec::new();
        for (policy, changed) in by_policy(undone.batches) {
            let cgroups = changed.iter().filter_map(|outcome| cgroup(outcome.task)).chain([victim.clone()]).collect();
            let first = self.control.settings().cool_down;
            let wait = self.guard.cool_down(policy.clone(), now, first, why.clone(), cgroups);
            tracing::error!("[{}] {why}; it is undone, and the policy may change nothing for {wait:?}", policy.name);
            *self.reverts.entry((policy.name.clone(), found.protect.name.clone())).or_default() += 1;
            if let Some(number) = self.control.number_of(&policy) {
                let reverted = |outcome: Outcome| (number, Outcome { fate: fate.clone(), ..outcome });
                outcomes.extend(changed.into_iter().map(reverted));
            }
        }
        say("values that were changed before it got worse", &undone.restored);
        Reverted {
            guard: found.protect.name.clone(),
            signal: found.protect.signal.clone(),
            victim: found.task,
            before: found.regression.before,
            after: found.regression.after,
            outcomes,
        }
    }

    /// The policies that may change nothing for now; with a cgroup, those among them that had to do with it.
    pub(crate) fn cooling(&self, cgroup: Option<&str>) -> Vec<CoolingPolicy> {
        let is_meant =
            |cools: &CoolsDown<'_>| !cools.left.is_zero() && cgroup.is_none_or(|cgroup| cools.cgroups.contains(cgroup));
        let cooling = self.guard.cooling(self.now()).filter(is_meant);
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
    // Whole seconds, so that what a policy says in each call is not another text each time.
    let seconds = cools.left.as_secs_f64().ceil();
    format!("cooling down for {seconds} s, since its changes were undone: {}", cools.why)
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
mod tests {
    use super::*;

    #[test]
    fn numbers_are_told_with_four_digits_that_count() {
        let cases = [
            (0.0, "0"),
            (0.5, "0.5"),
            (0.123_456, "0.1235"),
            (0.000_123_456, "0.0001235"),
            (12.5, "12.5"),
            (1_234_567.8, "1234568"),
            (-0.25, "-0.25"),
            (f64::NAN, "NaN"),
        ];
        for (number, expected) in cases {
            assert_eq!(short(number), expected);
        }
    }
}
