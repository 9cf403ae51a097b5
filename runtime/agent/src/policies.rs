//! Detectors and allocators, each called beside the others; a slow one keeps nobody waiting.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;
use wca_model::{Contention, Outcome, Request, Sample, Snapshot};
use wca_sandbox::{Called, Policy, PolicyName, World};

use crate::counts::Counts;
use crate::workers;

/// How much longer than half the interval the tick waits for the policies.
const GRACE: Duration = Duration::from_millis(50);

/// What a policy decided in a tick.
#[derive(Debug)]
pub(crate) struct Decision {
    pub(crate) policy: PolicyName,
    /// Its number among the components that the operator named.
    pub(crate) number: u32,
    pub(crate) contentions: Vec<Contention>,
    pub(crate) metrics: Vec<Sample>,
    pub(crate) requests: Vec<Request>,
    /// Requests and reports that were refused while it was called.
    pub(crate) refused: u64,
    /// It knows nothing of what it had asked for before.
    pub(crate) begins_anew: bool,
}

/// A policy, or its call that is under way.
enum Slot {
    Idle(Box<Policy>),
    Busy(JoinHandle<(Box<Policy>, Called)>),
    Lost,
}

/// A policy with what is counted of it.
pub(crate) struct Member {
    name: PolicyName,
    number: u32,
    world: World,
    slot: Slot,
    outcomes: Vec<Outcome>,
    counts: Counts,
    /// The warden has heard that it is called no more.
    is_given_up: bool,
    /// What its last call took.
    took: Duration,
}

impl Member {
    /// A policy that was not called yet, with its number among the components that the operator named.
    pub(crate) fn new(policy: Policy, number: u32) -> Self {
        Self {
            name: policy.name().clone(),
            number,
            world: policy.world(),
            slot: Slot::Idle(Box::new(policy)),
            outcomes: Vec::new(),
            counts: Counts::default(),
            is_given_up: false,
            took: Duration::ZERO,
        }
    }

    pub(crate) fn name(&self) -> &PolicyName {
        &self.name
    }

    /// Whether it is called no more.
    pub(crate) fn is_quarantined(&self) -> bool {
        self.counts.quarantined
    }

    /// As after too many failures.
    #[cfg(test)]
    pub(crate) fn quarantine(&mut self) {
        self.counts.quarantined = true;
    }
}

/// The detectors and allocators of the node.
#[derive(Default)]
pub(crate) struct Policies {
    pub(crate) members: Vec<Member>,
}

impl Policies {
    /// Whether any of them may ask for changes.
    pub(crate) fn has_allocator(&self) -> bool {
        self.members.iter().any(|member| member.world == World::Allocator)
    }

    /// Whether there is any policy that can still be called.
    pub(crate) fn is_anybody_left(&self) -> bool {
        self.members.iter().any(|member| !member.is_quarantined())
    }

    /// The names of those that are called no more.
    pub(crate) fn quarantined(&self) -> impl Iterator<Item = &PolicyName> {
        self.members.iter().filter(|member| member.is_quarantined()).map(Member::name)
    }

    /// Calls all of them with the snapshot, at once, and takes what those say that end in time, with what others said too
    /// late for the tick before.
    pub(crate) async fn decide(&mut self, snapshot: &Arc<Snapshot>, interval: Duration) -> Vec<Decision> {
        let mut decisions = self.take_late_ones(snapshot.timestamp).await;
        self.call(snapshot, interval);
        let until = end_of_wait(interval);
        for member in &mut self.members {
            if let Some(called) = member.end(until).await {
                decisions.push(member.took(called, snapshot.timestamp));
            }
        }
        decisions
    }

    fn call(&mut self, snapshot: &Arc<Snapshot>, interval: Duration) {
        let mut members: Vec<&mut Member> = self.members.iter_mut().collect();
        // Who was quick the last time goes first, so that the quick do not wait for the slow.
        members.sort_by_key(|member| member.took);
        for member in members {
            let snapshot = Arc::clone(snapshot);
            member.begin(|mut policy, outcomes| async move {
                let allowed = policy.deadline_at(interval);
                let called = policy.decide(snapshot, outcomes, allowed).await;
                (policy, called)
            });
        }
    }

    /// Keeps what became of a policy's requests for its next call.
    pub(crate) fn tell(&mut self, number: u32, outcomes: Vec<Outcome>) {
        if let Some(member) = self.members.iter_mut().find(|member| member.number == number) {
            member.outcomes.extend(outcomes);
        }
    }

    /// Allocators that are called no more, each once: somebody has to see to what they have changed.
    pub(crate) fn given_up(&mut self) -> Vec<u32> {
        let is_new =
            |member: &&mut Member| member.world == World::Allocator && member.counts.quarantined && !member.is_given_up;
        let give_up = |member: &mut Member| {
            member.is_given_up = true;
            member.number
        };
        self.members.iter_mut().filter(is_new).map(give_up).collect()
    }

    /// What a policy is.
    pub(crate) fn world_of(&self, number: u32) -> Option<World> {
        self.members.iter().find(|member| member.number == number).map(|member| member.world)
    }

    /// Counts a failure that is none of the call's.
    pub(crate) fn fail(&mut self, number: u32, why: &str) {
        if let Some(member) = self.members.iter_mut().find(|member| member.number == number) {
            member.counts.fail(&member.name, why);
        }
    }

    async fn take_late_ones(&mut self, now: f64) -> Vec<Decision> {
        let mut decisions = Vec::new();
        for member in &mut self.members {
            if matches!(&member.slot, Slot::Busy(call) if call.is_finished())
                && let Some(called) = member.end(Instant::now() + Duration::from_secs(1)).await
            {
                decisions.push(member.took(called, now));
            }
        }
        decisions
    }

    /// What is counted of each policy, as metrics.
    pub(crate) fn metrics(&self) -> Vec<Sample> {
        self.members.iter().flat_map(|member| member.counts.metrics(&member.name)).collect()
    }

    /// What is counted of each policy's anomalies, as metrics.
    pub(crate) fn anomaly_metrics(&self) -> Vec<Sample> {
        self.members.iter().flat_map(|member| member.counts.anomaly_metrics(&member.name)).collect()
    }

    /// What the calls took in the last tick: those of detectors, and those of allocators.
    pub(crate) fn took(&self, world: World) -> Option<Duration> {
        self.members.iter().filter(|member| member.world == world).map(|member| member.took).max()
    }
}

impl Member {
    /// Starts a call on a worker thread, unless one is under way or the policy is to be left alone: what became of its
    /// requests is then kept for a later one.
    fn begin<F>(&mut self, call: impl FnOnce(Box<Policy>, Vec<Outcome>) -> F)
    where
        F: Future<Output = (Box<Policy>, Called)> + Send + 'static,
    {
        match std::mem::replace(&mut self.slot, Slot::Lost) {
            Slot::Idle(policy) if policy.is_ready() => {
                let outcomes = std::mem::take(&mut self.outcomes);
                self.slot = Slot::Busy(workers::spawn(call(policy, outcomes)));
            }
            other => {
                self.counts.missed += 1;
                self.slot = other;
            }
        }
    }

    /// Waits for the call that is under way, until then.
    async fn end(&mut self, until: Instant) -> Option<Called> {
        let Slot::Busy(call) = &mut self.slot else { return None };
        match tokio::time::timeout_at(until, call).await {
            Err(_) => None,
            Ok(Ok((policy, called))) => {
                self.slot = Slot::Idle(policy);
                Some(called)
            }
            Ok(Err(error)) => {
                tracing::error!("[{}] lost: the runtime failed while it called the policy: {error}", self.name);
                self.slot = Slot::Lost;
                self.counts.quarantined = true;
                None
            }
        }
    }

    /// Counts a call that ended, and gives what the policy decided.
    fn took(&mut self, called: Called, now: f64) -> Decision {
        self.took = called.took;
        self.counts.count(&self.name, &called, now);
        Decision {
            policy: self.name.clone(),
            number: self.number,
            contentions: called.said.contentions,
            metrics: called.said.metrics,
            requests: called.said.requests,
            refused: called.said.refused,
            begins_anew: called.begins_anew,
        }
    }

    /// The same policy under another number: what it keeps, and what is counted of it, stays.
    pub(crate) fn renumbered(self, number: u32) -> Self {
        Self { number, ..self }
    }
}

/// Until when a tick waits for all calls together. A first call may take longer; what it says is then taken in the tick
/// after the one in which it ends.
fn end_of_wait(interval: Duration) -> Instant {
    Instant::now() + (interval / 2).min(Duration::from_secs(1)) + GRACE
}

#[cfg(test)]
mod tests {
    use wca_model::{Change, Fate, Kind, TaskKey};
    use wca_sandbox::Said;

    use super::*;
    use crate::testing::{policy, snapshot};

    const INTERVAL: Duration = Duration::from_secs(1);

    fn policies(names: &[&str]) -> Policies {
        let members = (0..).zip(names).map(|(number, name)| Member::new(policy("NOPAllocator", name), number));
        Policies { members: members.collect() }
    }

    fn request() -> Request {
        Request { task: TaskKey(1), change: Change::CpuQuota(0.5) }
    }

    fn count(policies: &Policies, name: &str, policy: &str) -> f64 {
        let samples = policies.metrics();
        let is_it = |sample: &&Sample| sample.name == name && sample.labels[0].1 == policy;
        samples.iter().find(is_it).unwrap().value
    }

    /// A call that is under way for that long, and asks for something.
    fn begin_slow(member: &mut Member, takes: Duration) {
        member.begin(move |policy, _| async move {
            tokio::time::sleep(takes).await;
            let mut said = Said::default();
            said.requests.push(request());
            (policy, Called { result: Ok(()), said, took: takes, begins_anew: false, quarantined: None })
        });
    }

    #[tokio::test]
    async fn what_is_said_too_late_is_taken_in_the_next_tick() {
        let mut policies = policies(&["Slow", "Quick"]);
        begin_slow(&mut policies.members[0], Duration::from_millis(300));
        // The slow one is busy for the whole of this tick, whose wait is over before.
        let decisions = policies.decide(&snapshot(&[1.0]), Duration::from_millis(2)).await;
        let names = |decisions: &[Decision]| decisions.iter().map(|one| one.policy.to_string()).collect::<Vec<_>>();
        assert_eq!(names(&decisions), ["Quick"]);
        assert_eq!(count(&policies, "wca_policy_missed", "Slow"), 1.0);
        tokio::time::sleep(Duration::from_millis(400)).await;
        let decisions = policies.decide(&snapshot(&[1.0]), INTERVAL).await;
        assert_eq!(names(&decisions), ["Slow", "Slow", "Quick"]);
        assert_eq!((decisions[0].requests.len(), decisions[1].requests.len()), (1, 0));
        assert_eq!(count(&policies, "wca_policy_calls", "Slow"), 2.0);
        assert_eq!(count(&policies, "wca_policy_missed", "Slow"), 1.0);
        assert_eq!(policies.world_of(1), Some(World::Allocator));
    }

    #[tokio::test]
    async fn outcomes_wait_for_a_policy_that_is_busy() {
        let mut policies = policies(&["Slow"]);
        let outcome = Outcome { task: TaskKey(1), kind: Kind::CpuQuota, domain: None, fate: Fate::Shadowed };
        begin_slow(&mut policies.members[0], Duration::from_millis(200));
        policies.tell(0, vec![outcome.clone()]);
        assert!(policies.decide(&snapshot(&[1.0]), Duration::from_millis(2)).await.is_empty());
        assert_eq!(policies.members[0].outcomes, [outcome]);
        tokio::time::sleep(Duration::from_millis(300)).await;
        policies.decide(&snapshot(&[1.0]), INTERVAL).await;
        assert_eq!(policies.members[0].outcomes, []);
    }

    #[tokio::test]
    async fn a_call_that_is_lost_costs_its_policy_alone() {
        let mut policies = policies(&["Lost", "Other"]);
        policies.members[0].begin(|_, _| async { panic!("a call that the runtime fails") });
        let decisions = policies.decide(&snapshot(&[1.0]), INTERVAL).await;
        assert!(decisions.iter().all(|decision| *decision.policy == *"Other"));
        policies.decide(&snapshot(&[1.0]), INTERVAL).await;
        assert_eq!(count(&policies, "wca_policy_quarantined", "Lost"), 1.0);
        assert_eq!((policies.given_up(), policies.given_up()), (vec![0], vec![]), "each once");
        assert_eq!(count(&policies, "wca_policy_calls", "Other"), 2.0);
        assert!(policies.is_anybody_left());
    }

    #[tokio::test]
    async fn a_member_keeps_its_counts_under_another_number() {
        let mut policies = policies(&["One"]);
        policies.decide(&snapshot(&[1.0]), INTERVAL).await;
        let member = policies.members.remove(0).renumbered(7);
        policies.members.push(member);
        let decisions = policies.decide(&snapshot(&[1.0]), INTERVAL).await;
        assert_eq!((decisions[0].number, count(&policies, "wca_policy_calls", "One")), (7, 2.0));
    }
}
