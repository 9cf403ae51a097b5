//! The policies of the node, each called beside the others; a slow one keeps nobody waiting.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;
use wca_model::{Batch, Contention, MetricKind, Outcome, Request, Sample, Snapshot};
use wca_sandbox::{Called, Policy, PolicyName, World};

use crate::sayings::Sayings;

/// How long storages that are still busy are waited for at the end; their own deadlines are usually shorter.
const FLUSH: Duration = Duration::from_secs(5);

/// How much longer than a policy's own deadline the tick waits for it.
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
}

/// A policy, or its call that is under way.
enum Slot {
    Idle(Box<Policy>),
    Busy(JoinHandle<(Box<Policy>, Called)>),
    Lost,
}

/// A policy with what is counted of it.
struct Member {
    name: PolicyName,
    number: u32,
    world: World,
    slot: Slot,
    outcomes: Vec<Outcome>,
    counts: Counts,
    sayings: Sayings,
    /// What its last call took.
    took: Duration,
}

/// What is counted of a policy.
#[derive(Default)]
struct Counts {
    calls: u64,
    failures: u64,
    missed: u64,
    anomalies: u64,
    refused: u64,
    quarantined: bool,
}

/// All policies of the node.
#[derive(Default)]
pub(crate) struct Policies {
    members: Vec<Member>,
}

impl Policies {
    pub(crate) fn add(&mut self, policy: Policy, number: u32) {
        self.members.push(Member {
            name: policy.name().clone(),
            number,
            world: policy.world(),
            slot: Slot::Idle(Box::new(policy)),
            outcomes: Vec::new(),
            counts: Counts::default(),
            sayings: Sayings::default(),
            took: Duration::ZERO,
        });
    }

    /// Whether any policy can still be called.
    pub(crate) fn is_anybody_left(&self) -> bool {
        self.members.iter().any(|member| !member.counts.quarantined)
    }

    /// Calls all detectors and allocators with the snapshot, at once, and takes what those say that end in time.
    pub(crate) async fn decide(&mut self, snapshot: &Arc<Snapshot>, interval: Duration) -> Vec<Decision> {
        self.take_late_ones().await;
        let mut members: Vec<&mut Member> =
            self.members.iter_mut().filter(|member| member.world != World::Storage).collect();
        // Who was quick the last time goes first, so that the quick do not wait for the slow.
        members.sort_by_key(|member| member.took);
        for member in members {
            let outcomes = std::mem::take(&mut member.outcomes);
            let snapshot = Arc::clone(snapshot);
            member.begin(|mut policy| async move {
                let allowed = policy.deadline_at(interval);
                let called = policy.decide(snapshot, outcomes, allowed).await;
                (policy, called)
            });
        }
        let mut decisions = Vec::new();
        let until = end_of_wait(interval);
        for at in 0..self.members.len() {
            if self.members[at].world == World::Storage {
                continue;
            }
            if let Some(called) = self.members[at].end(until).await {
                decisions.extend(self.took(at, called));
            }
        }
        decisions
    }

    /// Hands the batch to all storages; one that is still busy with an earlier one loses this one.
    pub(crate) async fn store(&mut self, batch: &Batch, interval: Duration) {
        self.take_late_ones().await;
        for member in self.members.iter_mut().filter(|member| member.world == World::Storage) {
            let batch = batch.clone();
            member.begin(|mut policy| async move {
                let allowed = policy.deadline_at(interval);
                let called = policy.store(batch, allowed).await;
                (policy, called)
            });
        }
    }

    /// Waits for storages that are still busy, as long as their deadlines let them.
    pub(crate) async fn flush(&mut self) {
        let until = Instant::now() + FLUSH;
        for at in 0..self.members.len() {
            if let Some(called) = self.members[at].end(until).await {
                self.took(at, called);
            }
        }
    }

    /// Keeps what became of a policy's requests for its next call.
    pub(crate) fn tell(&mut self, number: u32, outcomes: Vec<Outcome>) {
        if let Some(member) = self.members.iter_mut().find(|member| member.number == number) {
            member.outcomes = outcomes;
        }
    }

    async fn take_late_ones(&mut self) {
        for at in 0..self.members.len() {
            if matches!(&self.members[at].slot, Slot::Busy(call) if call.is_finished())
                && let Some(called) = self.members[at].end(Instant::now() + Duration::from_secs(1)).await
            {
                // What it said belongs to a tick that is over.
                self.took(at, called);
            }
        }
    }

    /// Counts a call that ended, says what is to be said, and gives what the policy decided.
    fn took(&mut self, at: usize, called: Called) -> Option<Decision> {
        let member = &mut self.members[at];
        member.took = called.took;
        member.counts.calls += 1;
        member.counts.refused += called.said.refused;
        if let Some(why) = &called.said.refusal {
            member.sayings.say(&member.name, &format!("refused: {why}"));
        }
        member.counts.anomalies += called.said.contentions.len() as u64;
        if let Err(failure) = &called.result {
            member.counts.failures += 1;
            member.sayings.say(&member.name, &failure.to_string());
        }
        if let Some(failures) = called.quarantined {
            member.counts.quarantined = true;
            let calls =
                if failures == 1 { "a failed call".into() } else { format!("{failures} failed calls in a row") };
            tracing::error!(
                "[{}] quarantined after {calls}: it is not called any more (--limit quarantine-after raises it)",
                member.name
            );
        }
        Some(Decision {
            policy: member.name.clone(),
            number: member.number,
            contentions: called.said.contentions,
            metrics: called.said.metrics,
            requests: called.said.requests,
        })
    }

    /// What is counted of each policy, as metrics.
    pub(crate) fn metrics(&self) -> Vec<Sample> {
        let mut samples = Vec::new();
        for member in &self.members {
            let counts = &member.counts;
            let mut add = |name: &str, help: &str, kind, value: u64| {
                #[allow(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
                let value = value as f64;
                let labels = vec![("policy".to_owned(), member.name.to_string())];
                samples.push(Sample { name: name.into(), labels, value, kind, help: help.into() });
            };
            if member.world != World::Storage {
                add("anomaly_count", "Anomalies that the policy reported.", MetricKind::Counter, counts.anomalies);
            }
            add("wca_policy_calls", "Calls of the policy that ended.", MetricKind::Counter, counts.calls);
            add("wca_policy_failures", "Calls that failed or were stopped.", MetricKind::Counter, counts.failures);
            add("wca_policy_missed", "Ticks without a call of the policy.", MetricKind::Counter, counts.missed);
            add(
                "wca_policy_refused",
                "Requests and reports of it that were refused.",
                MetricKind::Counter,
                counts.refused,
            );
            add(
                "wca_policy_quarantined",
                "Whether the policy is not called any more.",
                MetricKind::Gauge,
                u64::from(counts.quarantined),
            );
        }
        samples
    }
}

impl Member {
    /// Starts a call on a worker thread, unless one is under way or the policy is to be left alone.
    fn begin<F>(&mut self, call: impl FnOnce(Box<Policy>) -> F)
    where
        F: Future<Output = (Box<Policy>, Called)> + Send + 'static,
    {
        match std::mem::replace(&mut self.slot, Slot::Lost) {
            Slot::Idle(policy) if policy.is_ready() => self.slot = Slot::Busy(tokio::spawn(call(policy))),
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
}

/// Until when a tick waits for all calls together. A first call may take longer; it is then taken in the tick in which it ends.
fn end_of_wait(interval: Duration) -> Instant {
    Instant::now() + (interval / 2).min(Duration::from_secs(1)) + GRACE
}
