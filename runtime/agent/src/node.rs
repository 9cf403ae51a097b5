//! The node as a loop sees it, ours or a runner's: measure, decide, store, wait.

use std::sync::Arc;

use wca_messages::{MappedColumns, Reply, Request};
use wca_model::{Batch, MetricKind, Outcome, Sample, Snapshot};
use wca_sandbox::{NodeAccess, NodeError};

use crate::client::{Client, ClientError};
use crate::pace::Pace;
use crate::policies::{Decision, Policies};
use crate::print;
use crate::roster::{Known, say};

/// The node: what is known of it, who judges it, and the pace.
pub(crate) struct Node {
    pub(crate) client: Client,
    pub(crate) known: Known,
    pub(crate) policies: Policies,
    pub(crate) pace: Pace,
    /// Whether there is a detector or an allocator, whose words are printed.
    pub(crate) prints: bool,
    snapshot: Option<Arc<Snapshot>>,
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

impl Node {
    pub(crate) fn new(client: Client, known: Known, policies: Policies, pace: Pace, prints: bool) -> Self {
        Self { client, known, policies, pace, prints, snapshot: None }
    }

    /// One tick: roster, sample, policies, changes, storages.
    pub(crate) async fn tick(&mut self) -> Result<(), TickError> {
        let snapshot = self.measure_node().await?;
        let decisions = self.decide_on(&snapshot).await?;
        self.store_batch(&snapshot, Vec::new()).await;
        if self.prints {
            print::print_tick(&snapshot, &decisions, self.own_metrics());
        }
        Ok(())
    }

    pub(crate) async fn measure_node(&mut self) -> Result<Arc<Snapshot>, TickError> {
        self.known.discover(&self.client).await?;
        let (mut timestamp, mut columns) = sample(&self.client).await?;
        if columns.header().catalog != self.known.catalog.version {
            // Processors were plugged: what the columns mean comes with the answer to a roster.
            self.known.forget_tasks();
            self.known.discover(&self.client).await?;
            (timestamp, columns) = sample(&self.client).await?;
        }
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
        self.snapshot = Some(Arc::clone(&snapshot));
        Ok(snapshot)
    }

    async fn decide_on(&mut self, snapshot: &Arc<Snapshot>) -> Result<Vec<(Decision, Vec<Outcome>)>, TickError> {
        let mut applied = Vec::new();
        for decision in self.policies.decide(snapshot, self.pace.interval()).await {
            let outcomes = apply(&self.client, &decision).await?;
            self.policies.tell(decision.number, outcomes.clone());
            applied.push((decision, outcomes));
        }
        Ok(applied)
    }

    async fn store_batch(&mut self, snapshot: &Arc<Snapshot>, extra: Vec<Sample>) {
        let mut extra = extra;
        extra.extend(self.own_metrics());
        extra.push(gauge(
            "wca_up",
            "Time of the last tick, in seconds since 1970.",
            MetricKind::Counter,
            snapshot.timestamp,
        ));
        #[allow(clippy::cast_precision_loss, reason = "tasks stay far below 2^53")]
        let tasks = snapshot.rows() as f64;
        extra.push(gauge("wca_tasks", "Tasks that were found.", MetricKind::Gauge, tasks));
        let batch = Batch::new(Arc::clone(snapshot), Arc::clone(&self.known.labels), extra, &self.known.common);
        self.policies.store(&batch, self.pace.interval()).await;
    }

    fn own_metrics(&self) -> Vec<Sample> {
        let mut samples = self.policies.metrics();
        #[allow(clippy::cast_precision_loss, reason = "ticks stay far below 2^53")]
        let overrun = self.pace.overrun() as f64;
        let help = "Ticks that were left out because an earlier one took too long.";
        samples.push(gauge("wca_ticks_overrun", help, MetricKind::Counter, overrun));
        samples
    }

    /// Waits for what is under way.
    pub(crate) async fn flush(&mut self) {
        self.policies.flush().await;
    }
}

async fn sample(client: &Client) -> Result<(f64, MappedColumns), TickError> {
    let answer = client.ask(&Request::Sample).await?;
    let (Reply::Sample { timestamp, notices }, Some(columns)) = (answer.reply, answer.descriptors.first()) else {
        return Err(ClientError::Unexpected.into());
    };
    say(&notices);
    Ok((timestamp, MappedColumns::new(columns)?))
}

/// What became of a decision's requests, in their order.
pub(crate) async fn apply(client: &Client, decision: &Decision) -> Result<Vec<Outcome>, TickError> {
    if decision.requests.is_empty() {
        return Ok(Vec::new());
    }
    let request = Request::Apply { policy: decision.number, requests: decision.requests.clone() };
    match client.ask(&request).await?.reply {
        Reply::Outcomes(outcomes) => Ok(outcomes),
        _ => Err(ClientError::Unexpected.into()),
    }
}

fn gauge(name: &str, help: &str, kind: MetricKind, value: f64) -> Sample {
    Sample { name: name.into(), labels: Vec::new(), value, kind, help: help.into() }
}

#[async_trait::async_trait]
impl NodeAccess for Node {
    async fn measure(&mut self) -> Result<Arc<Snapshot>, NodeError> {
        self.measure_node().await.map_err(|error| NodeError(error.to_string()))
    }

    async fn store(&mut self, extra: Vec<Sample>) -> Result<(), NodeError> {
        let snapshot = self.measured("node.store")?;
        self.store_batch(&snapshot, extra).await;
        Ok(())
    }

    async fn decide(&mut self) -> Result<(), NodeError> {
        let snapshot = self.measured("node.decide")?;
        let decisions = self.decide_on(&snapshot).await.map_err(|error| NodeError(error.to_string()))?;
        if self.prints {
            print::print_tick(&snapshot, &decisions, self.own_metrics());
        }
        Ok(())
    }

    async fn wait(&mut self) -> bool {
        self.pace.wait().await
    }
}

impl Node {
    fn measured(&self, function: &str) -> Result<Arc<Snapshot>, NodeError> {
        self.snapshot.clone().ok_or_else(|| NodeError(format!("`{function}` before the first `node.measure`")))
    }
}
