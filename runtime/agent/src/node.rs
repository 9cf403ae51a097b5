//! The node as a loop sees it, ours or a runner's: measure, decide, store, wait.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use wca_messages::{Cost, MappedColumns, Reply, Request};
use wca_model::batch::LabelSets;
use wca_model::{Batch, Fate, Outcome, Sample, Snapshot};
use wca_sandbox::{NodeAccess, NodeError, World};

use crate::client::{Client, ClientError};
use crate::configured::Reloading;
use crate::durations::Durations;
use crate::own;
use crate::pace::Pace;
use crate::policies::{Decision, Policies};
use crate::print;
use crate::reported::Reported;
use crate::roster::{Known, say};
use crate::storages::Storages;

/// The node: what is known of it, who judges it, where its metrics go, and the pace.
pub(crate) struct Node {
    pub(crate) client: Client,
    pub(crate) known: Known,
    pub(crate) policies: Policies,
    pub(crate) storages: Arc<Mutex<Storages>>,
    pub(crate) pace: Pace,
    /// Whether what policies say is printed, since no storage of its own is there for it.
    pub(crate) prints: bool,
    /// Where the configuration can change.
    pub(crate) reloading: Option<Reloading>,
    pub(crate) durations: Durations,
    reported: Reported,
    snapshot: Option<Arc<Snapshot>>,
    cost: Cost,
    asked: u64,
    failed: u64,
}

/// A part of a tick failed; the tick is over, the agent goes on unless its warden is gone.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TickError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("the columns of a sample: {0}")]
    Columns(#[from] wca_messages::ColumnsError),
    #[error("a sample: {0}")]
    Snapshot(#[from] wca_model::snapshot::WrongSize),
}

/// Decisions with what became of their requests.
type Applied = Vec<(Decision, Vec<Outcome>)>;

impl Node {
    pub(crate) fn new(client: Client, known: Known, policies: Policies, storages: Storages, pace: Pace) -> Self {
        Self {
            client,
            known,
            policies,
            storages: Arc::new(Mutex::new(storages)),
            pace,
            prints: false,
            reloading: None,
            durations: Durations::default(),
            reported: Reported::default(),
            snapshot: None,
            cost: Cost::default(),
            asked: 0,
            failed: 0,
        }
    }

    /// One tick: roster, sample, policies, changes, storages.
    pub(crate) async fn tick(&mut self) -> Result<(), TickError> {
        let begun = Instant::now();
        let snapshot = self.measure_node().await?;
        self.decide_on(&snapshot).await?;
        self.store_metrics(&snapshot, Vec::new()).await;
        self.durations.took("iteration", begun.elapsed());
        Ok(())
    }

    pub(crate) async fn measure_node(&mut self) -> Result<Arc<Snapshot>, TickError> {
        let begun = Instant::now();
        self.known.discover(&self.client).await?;
        self.durations.took("sync_containers_state", begun.elapsed());
        let (mut timestamp, mut columns, mut cost) = sample(&self.client).await?;
        if columns.header().catalog != self.known.catalog.version {
            // Processors were plugged: what the columns mean comes with the answer to a roster.
            self.known.forget_tasks();
            self.known.discover(&self.client).await?;
            (timestamp, columns, cost) = sample(&self.client).await?;
        }
        self.durations.took("collect_platform_information", std::time::Duration::from_secs_f64(cost.machine));
        self.durations.took("prepare_tasks_data", std::time::Duration::from_secs_f64(cost.tasks));
        self.cost = cost;
        let known = &self.known;
        let snapshot = Arc::new(Snapshot::new(
            columns.header().tick,
            timestamp,
            Arc::clone(&known.roster),
            Arc::clone(&known.catalog),
            Arc::clone(&known.platform),
            Arc::new(columns),
            self.snapshot.as_deref(),
        )?);
        self.known.look_again_for_lost_tasks(&snapshot);
        self.snapshot = Some(Arc::clone(&snapshot));
        Ok(snapshot)
    }

    /// Calls the policies, has the warden do what they ask for, and tells the storages of both.
    async fn decide_on(&mut self, snapshot: &Arc<Snapshot>) -> Result<(), TickError> {
        let mut applied = Vec::new();
        for decision in self.policies.decide(snapshot, self.pace.interval()).await {
            let outcomes = self.apply(&decision).await?;
            self.policies.tell(decision.number, outcomes.clone());
            applied.push((decision, outcomes));
        }
        for (function, world) in [("detect", World::Detector), ("allocate", World::Allocator)] {
            if let Some(took) = self.policies.took(world) {
                self.durations.took(function, took);
            }
        }
        self.store_decisions(snapshot, &applied).await;
        Ok(())
    }

    /// What became of a decision's requests. What the warden refuses is that policy's failure alone.
    async fn apply(&mut self, decision: &Decision) -> Result<Vec<Outcome>, ClientError> {
        match apply(&self.client, decision).await {
            Err(ClientError::Refused(why)) => {
                self.policies.fail(decision.number, &format!("its requests were not taken: {why}"));
                Ok(refused_outcomes(decision, &why.to_string()))
            }
            done => done,
        }
    }

    /// Hands to the storages what was decided, or prints it where there are none for it.
    async fn store_decisions(&mut self, snapshot: &Arc<Snapshot>, applied: &Applied) {
        let storages = self.storages();
        let decisions: Vec<&Decision> = applied.iter().map(|(decision, _)| decision).collect();
        let mut said = self.reported.metrics(snapshot, &decisions);
        said.extend(self.policies.anomaly_metrics());
        if let Some(outlet) = &storages.allocations {
            let samples = self.allocation_metrics(applied);
            outlet.send(&self.batch_of(snapshot, samples), &storages.deliveries).await;
        }
        if let Some(outlet) = &storages.anomalies {
            outlet.send(&self.batch_of(snapshot, said), &storages.deliveries).await;
        } else if self.prints {
            said.extend(self.policies.metrics());
            said.extend(storages.policy_metrics());
            said.push(own::overrun(self.pace.overrun()));
            print::print_tick(snapshot, applied, said);
        }
    }

    /// Hands the metrics of the machine, its tasks and the agent to their storages.
    async fn store_metrics(&mut self, snapshot: &Arc<Snapshot>, extra: Vec<Sample>) {
        let storages = self.storages();
        let mut samples = extra;
        samples.extend(own::of_tick(snapshot, &self.cost));
        samples.extend(self.policies.metrics());
        samples.extend(storages.policy_metrics());
        if storages.anomalies.is_none() {
            samples.extend(self.policies.anomaly_metrics());
        }
        samples.push(own::overrun(self.pace.overrun()));
        let config = self.reloading.as_ref().map(Reloading::state);
        samples.extend(own::of_process(&self.durations, &storages.deliveries, config));
        let labels = Arc::clone(&self.known.labels);
        let batch = Batch::new(Arc::clone(snapshot), labels, self.known.named(samples), &self.known.common);
        storages.metrics.send(&batch, &storages.deliveries).await;
    }

    fn storages(&self) -> Storages {
        self.storages.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A batch of these samples alone.
    fn batch_of(&self, snapshot: &Arc<Snapshot>, samples: Vec<Sample>) -> Batch {
        Batch::new(Arc::clone(snapshot), Arc::new(LabelSets::none()), samples, &self.known.common)
    }

    fn allocation_metrics(&mut self, applied: &Applied) -> Vec<Sample> {
        for (decision, outcomes) in applied {
            let tasks: std::collections::BTreeSet<_> = decision.requests.iter().map(|request| request.task).collect();
            self.asked += tasks.len() as u64;
            self.failed += outcomes.iter().filter(|outcome| matches!(outcome.fate, Fate::Failed(_))).count() as u64;
            if self.policies.world_of(decision.number) == Some(World::Allocator) {
                self.failed += decision.refused;
            }
        }
        own::of_allocation(self.policies.took(World::Allocator), self.asked, self.failed)
    }

    /// Waits until the next tick is due, and takes what the operator has changed meanwhile; false where the agent is to end.
    pub(crate) async fn wait_for_next(&mut self) -> bool {
        let begun = Instant::now();
        let goes_on = self.pace.next() && self.wait().await;
        self.durations.took("sleep", begun.elapsed());
        goes_on
    }

    async fn wait(&mut self) -> bool {
        let Some(mut reloading) = self.reloading.take() else { return self.pace.due().await };
        let goes_on = loop {
            tokio::select! {
                () = reloading.ready() => reloading.go_on(self).await,
                goes_on = self.pace.due() => break goes_on,
            }
        };
        self.reloading = Some(reloading);
        goes_on
    }

    /// Whether there is any component left to run. A configuration goes on without: the operator can change it.
    pub(crate) fn is_anybody_left(&self) -> bool {
        if self.reloading.is_some() {
            return true;
        }
        let storages = self.storages();
        self.policies.is_anybody_left() || storages.is_anybody_left()
    }
}

async fn sample(client: &Client) -> Result<(f64, MappedColumns, Cost), TickError> {
    let answer = client.ask(&Request::Sample).await?;
    let (Reply::Sample { timestamp, notices, cost }, Some(columns)) = (answer.reply, answer.descriptors.first()) else {
        return Err(ClientError::Unexpected.into());
    };
    say(&notices);
    Ok((timestamp, MappedColumns::new(columns)?, cost))
}

/// What became of a decision's requests, in their order.
pub(crate) async fn apply(client: &Client, decision: &Decision) -> Result<Vec<Outcome>, ClientError> {
    if decision.requests.is_empty() {
        return Ok(Vec::new());
    }
    let request = Request::Apply { policy: decision.number, requests: decision.requests.clone() };
    match client.ask(&request).await?.reply {
        Reply::Outcomes(outcomes) => Ok(outcomes),
        _ => Err(ClientError::Unexpected),
    }
}

fn refused_outcomes(decision: &Decision, why: &str) -> Vec<Outcome> {
    let failed = |request: &wca_model::Request| Outcome {
        task: request.task,
        kind: request.change.kind(),
        domain: request.change.domain(),
        fate: Fate::Failed(why.to_owned()),
    };
    decision.requests.iter().map(failed).collect()
}

#[async_trait::async_trait]
impl NodeAccess for Node {
    async fn measure(&mut self) -> Result<Arc<Snapshot>, NodeError> {
        self.measure_node().await.map_err(|error| NodeError(error.to_string()))
    }

    async fn store(&mut self, extra: Vec<Sample>) -> Result<(), NodeError> {
        let snapshot = self.measured("node.store")?;
        self.store_metrics(&snapshot, extra).await;
        Ok(())
    }

    async fn decide(&mut self) -> Result<(), NodeError> {
        let snapshot = self.measured("node.decide")?;
        self.decide_on(&snapshot).await.map_err(|error| NodeError(error.to_string()))
    }

    async fn wait(&mut self) -> bool {
        self.wait_for_next().await
    }
}

impl Node {
    fn measured(&self, function: &str) -> Result<Arc<Snapshot>, NodeError> {
        self.snapshot.clone().ok_or_else(|| NodeError(format!("`{function}` before the first `node.measure`")))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wca_messages::Refused;
    use wca_model::{Change, Kind, TaskKey};

    use super::*;
    use crate::policies::Member;
    use crate::roster::View;
    use crate::testing::{policy, snapshot, warden};

    fn node(client: Client) -> Node {
        let members =
            vec![Member::new(policy("NOPAllocator", "First"), 0), Member::new(policy("NOPAllocator", "Second"), 1)];
        let pace = Pace::new(Duration::from_secs(1), None, client.stop());
        let known = Known::new(Arc::default(), Arc::default(), View::everything());
        Node::new(client, known, Policies { members }, Storages::default(), pace)
    }

    fn decision(number: u32, requests: usize) -> Decision {
        let requests = vec![wca_model::Request { task: TaskKey(1), change: Change::CpuQuota(0.5) }; requests];
        let policy = ["First", "Second"][number as usize].into();
        Decision { policy, number, contentions: vec![], metrics: vec![], requests, refused: 2 }
    }

    #[tokio::test]
    async fn what_the_warden_does_not_take_costs_that_policy_alone() {
        let (client, asked) = warden(|request| match request {
            Request::Apply { policy: 0, requests } => {
                Reply::Refused(Refused::Oversized(format!("{} requests at once", requests.len())))
            }
            Request::Apply { requests, .. } => {
                let outcome = |request: &wca_model::Request| Outcome {
                    task: request.task,
                    kind: request.change.kind(),
                    domain: None,
                    fate: Fate::Shadowed,
                };
                Reply::Outcomes(requests.iter().map(outcome).collect())
            }
            other => panic!("{other:?}"),
        });
        let mut node = node(client);
        let mut applied = Vec::new();
        for decision in [decision(0, 3), decision(1, 1), decision(1, 0)] {
            let outcomes = node.apply(&decision).await.unwrap();
            applied.push((decision, outcomes));
        }
        let why = "oversized message: 3 requests at once";
        let failed = Outcome { task: TaskKey(1), kind: Kind::CpuQuota, domain: None, fate: Fate::Failed(why.into()) };
        assert_eq!(applied[0].1, vec![failed; 3]);
        assert_eq!((applied[1].1[0].fate.clone(), applied[2].1.len()), (Fate::Shadowed, 0));
        assert_eq!(asked.lock().unwrap().len(), 2, "nothing is asked where nothing is wanted");
        let failures: Vec<f64> = node
            .policies
            .metrics()
            .iter()
            .filter(|sample| sample.name == "wca_policy_failures")
            .map(|sample| sample.value)
            .collect();
        assert_eq!(failures, [1.0, 0.0]);
        let allocation: Vec<(String, f64)> =
            node.allocation_metrics(&applied).into_iter().take(2).map(|sample| (sample.name, sample.value)).collect();
        // Tasks that something was asked for; requests that failed, and those that were refused in the three calls.
        assert_eq!(allocation, [("allocations_count".to_owned(), 2.0), ("allocations_errors".to_owned(), 9.0)]);
    }

    #[tokio::test]
    async fn a_runner_measures_before_it_stores_and_decides() {
        let (client, _) = warden(|request| panic!("{request:?}"));
        let mut node = node(client);
        let told = node.store(vec![]).await.unwrap_err().to_string();
        assert_eq!(told, "`node.store` before the first `node.measure`");
        let told = NodeAccess::decide(&mut node).await.unwrap_err().to_string();
        assert_eq!(told, "`node.decide` before the first `node.measure`");
        node.snapshot = Some(snapshot(&[1.0]));
        node.store(vec![]).await.unwrap();
    }
}
