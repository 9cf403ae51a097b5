//! The storages of the node: which there are, and what goes where.

mod endpoint;
mod kafka;
mod log;

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use wca_model::{Batch, DeliveryTerms, Lane, Sample, Stream};
use wca_sandbox::{Policy, PolicyName};
use wca_storage::{Delivery, Hurry, Outlet, Store, StoreError, Work};

use crate::counts::Counts;
use crate::workers;

pub(crate) use endpoint::{endpoint, prometheus};
pub(crate) use kafka::kafka;
pub(crate) use log::{Before, LogTarget, log};

/// How long storages that are still busy are waited for at the end; their own deadlines are usually shorter.
pub(crate) const FLUSH: Duration = Duration::from_secs(5);

/// The storages, and what goes where.
#[derive(Clone, Default)]
pub(crate) struct Storages {
    pub(crate) deliveries: Vec<Arc<Delivery>>,
    /// Those of them that write files, or standard error.
    pub(crate) files: Vec<Arc<Delivery>>,
    /// Those of earlier configurations of which something may be under way yet.
    pub(crate) leaving: Vec<Arc<Delivery>>,
    /// Others have taken the place of these.
    pub(crate) replaced: Arc<Notify>,
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
            let (delivery, counts) = guest(policy, DeliveryTerms::default(), interval, &[]);
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

    /// All of them, those that go included.
    fn all(&self) -> impl Iterator<Item = &Arc<Delivery>> {
        self.deliveries.iter().chain(&self.leaving)
    }

    /// The names of policies among them that are called no more.
    pub(crate) fn quarantined(&self) -> impl Iterator<Item = &PolicyName> {
        self.guests.iter().filter(|guest| guest.locked().quarantined).map(|guest| &guest.name)
    }

    /// The storage that has failed and is to end the agent, where there is one.
    pub(crate) fn given_up(&self) -> Option<&str> {
        let given_up = self.all().find(|delivery| delivery.has_given_up());
        given_up.map(|delivery| delivery.name())
    }

    /// Says which of them iterations begin to wait for.
    pub(crate) fn say_awaited(&self) {
        self.deliveries.iter().for_each(|delivery| delivery.say_awaited());
    }

    /// Waits until each of them has room for another iteration, perhaps for ever.
    pub(crate) async fn room(&self) {
        for delivery in &self.deliveries {
            delivery.room().await;
        }
    }

    /// Waits until one of them has failed and is to end the agent, perhaps for ever.
    pub(crate) async fn one_gives_up(&self) {
        type Waiting<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;
        let mut waiting: Vec<Waiting<'_>> =
            self.all().map(|delivery| Box::pin(delivery.given_up()) as Waiting<'_>).collect();
        poll_fn(|context| match waiting.iter_mut().any(|one| one.as_mut().poll(context).is_ready()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }

    /// Waits for what is under way, and gives up what does not end in time.
    pub(crate) async fn finish(&self) {
        self.finish_until(Instant::now() + FLUSH).await;
    }

    pub(crate) async fn finish_until(&self, until: Instant) {
        let all: Vec<Arc<Delivery>> = self.all().map(Arc::clone).collect();
        for delivery in flush(&all, until).await {
            let lost = delivery.abandon();
            tracing::error!(
                "{}: not everything was stored within {FLUSH:?}; {} batches with {} samples are lost",
                delivery.name(),
                lost.batches,
                lost.samples
            );
        }
    }
}

/// Waits for what is on its way to these storages, of all of them at once; those that are not done until then.
pub(crate) async fn flush(deliveries: &[Arc<Delivery>], until: Instant) -> Vec<&Arc<Delivery>> {
    let _hurries: Vec<Hurry<'_>> = deliveries.iter().map(|delivery| delivery.hurry()).collect();
    let mut late = Vec::new();
    for delivery in deliveries {
        if !delivery.flush(until).await {
            late.push(delivery);
        }
    }
    late
}

/// Waits for what is on its way to storages that have gone, and says what goes on without anybody waiting. Nothing is handed to
/// them any more.
pub(crate) async fn see_off(deliveries: Vec<Arc<Delivery>>) {
    for late in flush(&deliveries, Instant::now() + FLUSH).await {
        let waiting = late.delivered().waiting;
        // One that is tried at this moment may be stored yet.
        tracing::warn!("{}: not everything was stored within {FLUSH:?}; {waiting} batches still wait", late.name());
    }
    deliveries.iter().for_each(|delivery| delivery.close());
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

/// A way to a policy, and what is counted of it. What was counted of what went to a storage of the same name among those
/// `before` goes on.
pub(crate) fn guest(
    policy: Policy,
    terms: DeliveryTerms,
    interval: Duration,
    before: &[Arc<Delivery>],
) -> (Delivery, Arc<GuestCounts>) {
    let name = policy.name().clone();
    let counts = Arc::new(GuestCounts { name: name.clone(), counts: Mutex::default() });
    let store = GuestStore { policy, counts: Arc::clone(&counts), interval, missed: None };
    let _workers = workers::enter();
    let delivery = match before.iter().find(|before| *before.name() == *name) {
        Some(before) => Delivery::after(before, terms, store),
        None => Delivery::new(&name, terms, store),
    };
    (delivery, counts)
}

struct GuestStore {
    policy: Policy,
    counts: Arc<GuestCounts>,
    interval: Duration,
    /// The batch for which it was not ready last, by its tick and its lane.
    missed: Option<(u64, Lane)>,
}

#[async_trait::async_trait]
impl Store for GuestStore {
    async fn store(&mut self, batch: &Batch, _: &Arc<Work>) -> Result<(), StoreError> {
        if !self.policy.is_ready() {
            let this = Some((batch.snapshot().tick, batch.lane()));
            if std::mem::replace(&mut self.missed, this) != this {
                self.counts.locked().missed += 1;
            }
            // It rests after a failure, and is called again; but for one that never is.
            return Err(StoreError::Told { may_pass: !self.policy.is_quarantined() });
        }
        let called = self.policy.store(batch.clone(), self.policy.deadline_at(self.interval)).await;
        self.counts.locked().count(&self.counts.name, &called, batch.snapshot().timestamp);
        // What failed has been said with the policy's other words.
        called.result.map_err(|failure| StoreError::Told { may_pass: failure.may_pass() })
    }
}

#[cfg(test)]
mod tests {
    use wca_model::OnStorageFailure;
    use wca_sandbox::Limits;

    use super::*;
    use crate::testing::{Gate, batch, policy_within};

    fn terms(on_failure: OnStorageFailure) -> DeliveryTerms {
        DeliveryTerms { on_failure, ..DeliveryTerms::default() }
    }

    fn storages(ways: &[(OnStorageFailure, Gate)]) -> Storages {
        let ways = ways.iter().map(|(on_failure, gate)| Delivery::new("gate", terms(*on_failure), gate.clone()));
        Storages { deliveries: ways.map(Arc::new).collect(), ..Storages::default() }
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(100)
    }

    #[tokio::test]
    async fn what_is_left_at_the_end_is_counted_and_ends_the_agent_where_none_may_be_lost() {
        for (on_failure, fails) in
            [(OnStorageFailure::Drop, false), (OnStorageFailure::Block, false), (OnStorageFailure::Exit, true)]
        {
            let mut storages = storages(&[(on_failure, Gate::new(0)), (on_failure, Gate::new(9))]);
            let leaving = Arc::new(Delivery::new("old", terms(on_failure), Gate::new(0)));
            storages.leaving = vec![Arc::clone(&leaving)];
            for delivery in storages.deliveries.iter().chain([&leaving]) {
                delivery.send(batch());
                delivery.send(batch());
            }
            storages.finish_until(soon()).await;
            let counted = storages
                .deliveries
                .iter()
                .chain([&leaving])
                .map(|way| way.delivered())
                .map(|way| (way.stored, way.dropped));
            assert_eq!(counted.collect::<Vec<_>>(), [(0, 2), (2, 0), (0, 2)]);
            assert_eq!(storages.given_up().is_some(), fails, "{on_failure:?}");
        }
    }

    /// What failed once, and is stored when it is tried again.
    struct Unsteady(bool);

    #[async_trait::async_trait]
    impl Store for Unsteady {
        async fn store(&mut self, _: &Batch, _: &Arc<Work>) -> Result<(), StoreError> {
            match std::mem::replace(&mut self.0, true) {
                true => Ok(()),
                false => Err(StoreError::Unavailable("not now".into())),
            }
        }
    }

    #[tokio::test]
    async fn one_that_hangs_takes_no_time_from_the_others() {
        let patient = DeliveryTerms { retry: Duration::from_secs(3600), ..DeliveryTerms::default() };
        let mut storages = storages(&[(OnStorageFailure::Drop, Gate::new(0))]);
        storages.deliveries.push(Arc::new(Delivery::new("weak", patient, Unsteady(false))));
        for delivery in &storages.deliveries {
            delivery.send(batch());
        }
        while storages.deliveries[1].delivered().errors == 0 {
            tokio::task::yield_now().await;
        }
        // It pauses for longer than is left, unless it hears at once that somebody waits.
        let late = flush(&storages.deliveries, Instant::now() + Duration::from_millis(50)).await;
        assert_eq!(late.iter().map(|way| way.name()).collect::<Vec<_>>(), ["gate"]);
    }

    #[tokio::test]
    async fn who_waits_hears_of_the_first_that_gives_up() {
        for leaves in [false, true] {
            let (fine, exits) = (Gate::new(9), Gate::new(0));
            let mut storages = storages(&[(OnStorageFailure::Drop, fine), (OnStorageFailure::Exit, exits.clone())]);
            storages.deliveries[1].send(batch());
            if leaves {
                storages.leaving.extend(storages.deliveries.pop());
            }
            assert!(tokio::time::timeout_at(soon(), storages.one_gives_up()).await.is_err());
            // From now on it takes nothing any more.
            exits.0.close();
            tokio::time::timeout(Duration::from_secs(30), storages.one_gives_up()).await.unwrap();
            assert_eq!(storages.given_up(), Some("gate"), "{leaves}");
        }
    }

    #[tokio::test]
    async fn a_policy_that_rests_keeps_its_batch_until_it_is_called_no_more() {
        let limits = Limits { fuel: 1, start_fuel: 1, quarantine_after: 5, ..Limits::default() };
        let policy = policy_within(limits, "NOPAllocator", "Fails");
        let counts = Arc::new(GuestCounts { name: "Fails".into(), counts: Mutex::default() });
        let interval = Duration::from_secs(1);
        let mut store = GuestStore { policy, counts: Arc::clone(&counts), interval, missed: None };
        let (work, mut kept, mut lost) = (Arc::default(), 0, 0);
        while !store.policy.is_quarantined() {
            match store.store(&batch(), &work).await.unwrap_err().may_pass() {
                true => kept += 1,
                false => lost += 1,
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(kept > 0 && lost == 5, "{kept} times it rested, and {lost} calls failed");
        assert!(!store.store(&batch(), &work).await.unwrap_err().may_pass());
        assert_eq!(counts.locked().missed, 1, "one batch is missed once");
    }
}
