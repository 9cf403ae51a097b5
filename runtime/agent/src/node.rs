//! The node as a loop sees it, ours or a runner's: measure, decide, store, wait.

mod access;
mod applied;
mod guarded;
mod in_force;
mod waiting;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use wca_messages::{Changed, Cost, MappedColumns, Reply, Request, Reverted};
use wca_model::batch::LabelSets;
use wca_model::{Batch, Sample, Snapshot, Stream};
use wca_sandbox::World;

use crate::client::{Client, ClientError};
use crate::configured::Reloading;
use crate::durations::Durations;
use crate::memory_topology::Memory;
use crate::own;
use crate::pace::Pace;
use crate::policies::{Decision, Policies};
use crate::print;
use crate::reported::Reported;
use crate::roster::{Known, say};
use crate::spent::Spent;
use crate::storages::Storages;

pub(crate) use applied::{Applied, apply};
use waiting::Handed;

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
    /// The memory modules.
    pub(crate) memory: Memory,
    reported: Reported,
    snapshot: Option<Arc<Snapshot>>,
    cost: Cost,
    changed: Changed,
    /// What was undone and not reported yet.
    reverted: Vec<Reverted>,
    spent: Spent,
    asked: u64,
    failed: u64,
    handed: Handed,
}

/// Most changes of what is measured within one tick: each look at another task can show that this machine lacks a thing.
const CHANGES: u32 = 8;

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
            memory: Memory::default(),
            reported: Reported::default(),
            snapshot: None,
            cost: Cost::default(),
            changed: Changed::default(),
            reverted: Vec::new(),
            spent: Spent::default(),
            asked: 0,
            failed: 0,
            handed: Handed::default(),
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
        let (mut timestamp, mut columns, mut cost, mut changed) = self.sample().await?;
        for _ in 0..CHANGES {
            if columns.header().catalog == self.known.catalog.version {
                break;
            }
            // What is measured has changed, as where processors were plugged: what the columns mean comes with the answer to a roster.
            self.known.forget_tasks();
            self.known.discover(&self.client).await?;
            (timestamp, columns, cost, changed) = self.sample().await?;
        }
        self.durations.took("collect_platform_information", Duration::from_secs_f64(cost.machine));
        self.durations.took("prepare_tasks_data", Duration::from_secs_f64(cost.tasks));
        self.cost = cost;
        self.changed = changed;
        let known = &self.known;
        let snapshot = self.spent.crossing(|| {
            Snapshot::new(
                columns.header().tick,
                timestamp,
                Arc::clone(&known.roster),
                Arc::clone(&known.catalog),
                Arc::clone(&known.platform),
                Arc::new(columns),
                self.snapshot.as_deref(),
            )
        });
        let mut snapshot = snapshot?;
        if self.policies.has_allocator() {
            // Who decides on changes must know what is there.
            snapshot = snapshot.with_in_force(in_force::ask(&self.client).await?);
        }
        let snapshot = Arc::new(snapshot);
        self.known.look_again_for_lost_tasks(&snapshot);
        self.snapshot = Some(Arc::clone(&snapshot));
        Ok(snapshot)
    }

    async fn sample(&mut self) -> Result<(f64, MappedColumns, Cost, Changed), TickError> {
        let answer = self.client.ask(&Request::Sample).await?;
        let (Reply::Sample { timestamp, notices, cost, changed, reverted }, Some(columns)) =
            (answer.reply, answer.descriptors.first())
        else {
            return Err(ClientError::Unexpected.into());
        };
        say(&notices);
        self.take_reverted(reverted);
        Ok((timestamp, MappedColumns::new(columns)?, cost, changed))
    }

    /// Calls the policies, has the warden do what they ask for, and tells the storages of both.
    async fn decide_on(&mut self, snapshot: &Arc<Snapshot>) -> Result<(), TickError> {
        let mut applied = Vec::new();
        for decision in self.policies.decide(snapshot, self.pace.interval()).await {
            let outcomes = self.apply(&decision).await?;
            self.policies.tell(decision.number, outcomes.clone());
            applied.push((decision, outcomes));
        }
        self.give_up().await?;
        for (function, world) in [("detect", World::Detector), ("allocate", World::Allocator)] {
            if let Some(took) = self.policies.took(world) {
                self.durations.took(function, took);
            }
        }
        let targets = self.targets(snapshot, &applied).await?;
        self.store_decisions(snapshot, &applied, targets);
        Ok(())
    }

    /// Hands to the storages what was decided, or prints it where there are none for it.
    fn store_decisions(&mut self, snapshot: &Arc<Snapshot>, applied: &Applied, targets: Vec<Sample>) {
        let storages = self.storages();
        let of_guard = self.decision_of_guard();
        let decisions = applied.iter().map(|(decision, _)| decision).chain(&of_guard);
        let decisions: Vec<&Decision> = decisions.collect();
        let mut said = self.reported.metrics(snapshot, &decisions, &self.known.common);
        said.extend(self.policies.anomaly_metrics());
        if let Some(outlet) = &storages.allocations {
            let mut samples = targets;
            samples.extend(self.allocation_metrics(applied));
            let batch = self.batch_of(snapshot, samples).on(Stream::Allocations.into());
            outlet.send(&batch, &storages.deliveries);
        }
        if let Some(outlet) = &storages.anomalies {
            let batch = self.batch_of(snapshot, said).on(Stream::Anomalies.into());
            outlet.send(&batch, &storages.deliveries);
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
        samples.extend(own::of_tick(snapshot, &self.cost, &self.known.common));
        samples.extend_from_slice(self.memory.samples(&self.client).await);
        samples.extend(self.policies.metrics());
        samples.extend(storages.policy_metrics());
        if storages.anomalies.is_none() {
            samples.extend(self.policies.anomaly_metrics());
        }
        samples.push(own::overrun(self.pace.overrun()));
        samples.extend(own::of_changes(&self.changed));
        samples.extend(self.spent.metrics(&self.cost, &storages.deliveries));
        let config = self.reloading.as_ref().map(Reloading::state);
        samples.extend(own::of_process(&self.durations, &storages.deliveries, config));
        let labels = Arc::clone(&self.known.labels);
        let batch = Batch::new(Arc::clone(snapshot), labels, self.known.named(samples), &self.known.common);
        storages.metrics.send(&batch, &storages.deliveries);
    }

    fn storages(&self) -> Storages {
        self.storages.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A batch of these samples alone.
    fn batch_of(&self, snapshot: &Arc<Snapshot>, samples: Vec<Sample>) -> Batch {
        Batch::new(Arc::clone(snapshot), Arc::new(LabelSets::none()), samples, &self.known.common)
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
