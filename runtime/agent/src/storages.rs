//! The storages of the node: which there are, and what goes where.

mod endpoint;
mod kafka;
mod log;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use wca_model::{Batch, DeliveryTerms, Lane, Sample, Stream};
use wca_sandbox::{Failure, Policy, PolicyName};
use wca_storage::{Delivery, Outlet, Store, StoreError, Work};

use crate::counts::Counts;
use crate::workers;

pub(crate) use endpoint::{endpoint, prometheus};
pub(crate) use kafka::kafka;
pub(crate) use log::{LogTarget, log};

/// How long storages that are still busy are waited for at the end; their own deadlines are usually shorter.
pub(crate) const FLUSH: Duration = Duration::from_secs(5);

/// The storages, and what goes where.
#[derive(Clone, Default)]
pub(crate) struct Storages {
    pub(crate) deliveries: Vec<Arc<Delivery>>,
    /// What is counted of those that are policies.
    pub(crate) guests: Vec<Arc<GuestCounts>>,
    /// Where the metrics of the machine, of its tasks and of the agent go.
    pub(crate) metrics: Outlet,
    /// Where anomalies go, and what policies report.
    pub(crate) anomalies: Option<Outlet>,
    /// Where requests go, and what became of them.
    pub(crate) allocations: Option<Outlet>,
}

impl Storages {
    /// Every policy among the storages with all metrics.
    pub(crate) fn of_guests(policies: Vec<Policy>, interval: Duration) -> Self {
        let mut storages = Self::default();
        let mut outlets = Vec::new();
        for policy in policies {
            outlets.push(Outlet::to(storages.deliveries.len()));
            let (delivery, counts) = guest(policy, DeliveryTerms::default(), interval);
            storages.deliveries.push(Arc::new(delivery));
            storages.guests.push(counts);
        }
        storages.metrics = Outlet::all(outlets);
        storages
    }

    /// The lanes by which batches come to the delivery that is added next.
    pub(crate) fn lanes_to_next(&self) -> BTreeSet<Lane> {
        let next = self.deliveries.len();
        let metrics = self.metrics.lanes_to(next, Stream::Metrics);
        let anomalies = self.anomalies.iter().flat_map(|outlet| outlet.lanes_to(next, Stream::Anomalies));
        let allocations = self.allocations.iter().flat_map(|outlet| outlet.lanes_to(next, Stream::Allocations));
        metrics.chain(anomalies).chain(allocations).collect()
    }

    /// What is counted of the policies among them, as metrics.
    pub(crate) fn policy_metrics(&self) -> Vec<Sample> {
        self.guests.iter().flat_map(|guest| guest.locked().metrics(&guest.name)).collect()
    }

    /// Whether any of them can still be called.
    pub(crate) fn is_anybody_left(&self) -> bool {
        self.deliveries.len() > self.guests.len() || self.guests.iter().any(|guest| !guest.locked().quarantined)
    }

    /// The storage that has failed and is to end the agent, where there is one.
    pub(crate) fn given_up(&self) -> Option<&str> {
        let given_up = self.deliveries.iter().find(|delivery| delivery.has_given_up());
        given_up.map(|delivery| delivery.name())
    }

    /// Waits for what is under way.
    pub(crate) async fn flush(&self) {
        flush(&self.deliveries).await;
    }
}

/// Waits for what is on its way to these storages, and says what is given up.
pub(crate) async fn flush(deliveries: &[Arc<Delivery>]) {
    let until = Instant::now() + FLUSH;
    for delivery in deliveries {
        if !delivery.flush(until).await {
            // One that is tried at this moment may be stored yet.
            let waiting = delivery.delivered().waiting;
            tracing::warn!(
                "{}: not everything was stored within {FLUSH:?}; {waiting} batches still wait",
                delivery.name()
            );
        }
    }
}

/// What is counted of a policy that is a storage.
pub(crate) struct GuestCounts {
    pub(crate) name: PolicyName,
    counts: Mutex<Counts>,
}

impl GuestCounts {
    fn locked(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A way to a policy, and what is counted of it.
pub(crate) fn guest(policy: Policy, terms: DeliveryTerms, interval: Duration) -> (Delivery, Arc<GuestCounts>) {
    let name = policy.name().clone();
    let counts = Arc::new(GuestCounts { name: name.clone(), counts: Mutex::default() });
    let store = GuestStore { policy, counts: Arc::clone(&counts), interval };
    let _workers = workers::enter();
    (Delivery::new(&name, terms, store), counts)
}

struct GuestStore {
    policy: Policy,
    counts: Arc<GuestCounts>,
    interval: Duration,
}

#[async_trait::async_trait]
impl Store for GuestStore {
    async fn store(&mut self, batch: &Batch, _: &Arc<Work>) -> Result<(), StoreError> {
        if !self.policy.is_ready() {
            self.counts.locked().missed += 1;
            return Err(StoreError::Told { may_pass: false });
        }
        let called = self.policy.store(batch.clone(), self.policy.deadline_at(self.interval)).await;
        self.counts.locked().count(&self.counts.name, &called, batch.snapshot().timestamp);
        // What failed has been said with the policy's other words.
        called.result.map_err(|failure| StoreError::Told { may_pass: matches!(failure, Failure::Unavailable(_)) })
    }
}
