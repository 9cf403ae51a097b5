//! The storages of the node: which there are, and what goes where.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use wca_config::ListenAddress;
use wca_messages::{Reply, Request};
use wca_model::{Batch, DeliveryTerms, Lane, Sample, Stream};
use wca_sandbox::{Failure, Policy, PolicyName};
use wca_storage::prometheus::{Endpoint, Listener, Site};
use wca_storage::{
    Appended, Delivery, LogStorage, Outlet, Output, StandardError, Store, StoreError, TextForm, Work, blocking,
};

use crate::client::{Client, ClientError};
use crate::counts::Counts;
use crate::run::free_name;
use crate::workers;

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
        storages.metrics = Outlet::through(None, outlets);
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

/// Where the text of a log storage goes.
pub(crate) enum LogTarget {
    /// Standard error.
    StandardError,
    /// The end of the file that the warden has opened under this number.
    Appended { path: String, output: u32 },
    /// As a whole into the file that the warden has under this number.
    Replaced { path: String, output: u32 },
}

impl LogTarget {
    fn name(&self) -> String {
        match self {
            Self::StandardError => "LogStorage".into(),
            Self::Appended { path, .. } | Self::Replaced { path, .. } => format!("LogStorage({path})"),
        }
    }
}

/// A way to a log storage, beside the `others` that there are. What was counted of one of the same name among those `before`
/// goes on.
pub(crate) async fn log(
    (form, target): (TextForm, &LogTarget),
    terms: DeliveryTerms,
    client: &Client,
    others: &[Arc<Delivery>],
    before: &[Arc<Delivery>],
) -> Result<Delivery, ClientError> {
    let taken: Vec<&str> = others.iter().map(|other| other.name()).collect();
    // Several may write to one place; what is counted of one must not be taken for another's.
    let name = free_name(&target.name(), &taken).unwrap_or_else(|| target.name());
    let before = before.iter().find(|before| before.name() == name).map(|before| &**before);
    let output: Box<dyn Output> = match target {
        LogTarget::StandardError => Box::new(StandardError::default()),
        LogTarget::Appended { path, output } => Box::new(Appended::new(open(client, *output).await?, path)),
        LogTarget::Replaced { path, output } => {
            Box::new(Replaced { client: client.clone(), output: *output, path: path.clone(), next: None })
        }
    };
    let store = LogStorage::new(form, output);
    Ok(match before {
        Some(before) => Delivery::after(before, terms, store),
        None => Delivery::new(&name, terms, store),
    })
}

fn name_of_endpoint(address: &ListenAddress) -> String {
    format!("PrometheusStorage({address})")
}

/// Serves a site at this address, by the socket that the warden has under this number.
pub(crate) async fn endpoint(
    address: &ListenAddress,
    listener: u32,
    site: Site,
    client: &Client,
) -> Result<Endpoint, ClientError> {
    let answer = client.ask(&Request::Listen { listener }).await?;
    let (Reply::Listening, Some(socket)) = (answer.reply, answer.descriptors.into_iter().next()) else {
        return Err(ClientError::Unexpected);
    };
    let _workers = workers::enter();
    let listener = match address {
        ListenAddress::Tcp(_) => Listener::tcp(socket),
        ListenAddress::Unix(_) => Listener::unix(socket),
    };
    Ok(Endpoint::new(&name_of_endpoint(address), listener.map_err(ClientError::Socket)?, site))
}

/// A way to an endpoint. What was counted of the one at the same address among those `before` goes on.
pub(crate) fn prometheus(
    address: &ListenAddress,
    endpoint: &Endpoint,
    lanes: BTreeSet<Lane>,
    before: &[Arc<Delivery>],
) -> Delivery {
    let name = name_of_endpoint(address);
    // It takes everything, at once.
    let terms = DeliveryTerms::default();
    match before.iter().find(|before| before.name() == name) {
        Some(before) => Delivery::after(before, terms, endpoint.storage(lanes)),
        None => Delivery::new(&name, terms, endpoint.storage(lanes)),
    }
}

async fn open(client: &Client, output: u32) -> Result<File, ClientError> {
    let answer = client.ask(&Request::OpenOutput { output }).await?;
    match (answer.reply, answer.descriptors.into_iter().next()) {
        (Reply::OutputOpened, Some(descriptor)) => Ok(File::from(descriptor)),
        _ => Err(ClientError::Unexpected),
    }
}

/// A file that each tick replaces as a whole: readers see the tick before, or this one.
struct Replaced {
    client: Client,
    output: u32,
    /// For messages.
    path: String,
    /// What the next tick is written to, which came when the last one was put into its place.
    next: Option<File>,
}

#[async_trait::async_trait]
impl Output for Replaced {
    async fn put(&mut self, text: String, work: &Arc<Work>) -> Result<(), String> {
        let mut file = match self.next.take() {
            Some(next) => next,
            None => open(&self.client, self.output).await.map_err(|error| error.to_string())?,
        };
        blocking(move || file.write_all(text.as_bytes()), &self.path, work).await?;
        let published = self.client.ask(&Request::Publish { output: self.output }).await;
        let mut published = published.map_err(|error| error.to_string())?;
        self.next = published.descriptors.pop().map(File::from);
        Ok(())
    }
}
