//! Between two ticks: until storages have room and the next tick is due. What the operator wants meanwhile is done.

use std::time::{Duration, Instant};

use tokio::time::{Interval, MissedTickBehavior, interval, interval_at};
use wca_messages::{Reply, Request};

use super::Node;
use crate::client::ClientError;
use crate::configured::Reloading;
use crate::roster::say;

impl Node {
    /// Waits until storages have room and the next tick is due, and takes what the operator has changed meanwhile; false where
    /// the agent is to end.
    pub(crate) async fn wait_for_next(&mut self) -> bool {
        let begun = Instant::now();
        let goes_on = !self.pace.is_last() && self.wait_for_room().await && self.pace.next() && self.wait().await;
        self.durations.took("sleep", begun.elapsed());
        goes_on
    }

    async fn wait(&mut self) -> bool {
        let mut reloading = self.reloading.take();
        let goes_on = loop {
            let storages = self.storages();
            tokio::select! {
                biased;
                () = storages.one_gives_up() => break false,
                () = ready(&mut reloading) => self.go_on(&mut reloading).await,
                goes_on = self.pace.due() => break goes_on,
            }
        };
        self.reloading = reloading;
        goes_on
    }

    /// Waits until every storage has room for another iteration, and takes what the operator has changed meanwhile; false where the
    /// agent is to end. The machine is looked at in each interval.
    pub(super) async fn wait_for_room(&mut self) -> bool {
        let mut reloading = self.reloading.take();
        let mut looks = Looks::each(self.pace.interval());
        self.storages().say_awaited();
        let has_room = loop {
            let storages = self.storages();
            tokio::select! {
                biased;
                () = storages.room() => break true,
                () = storages.one_gives_up() => break false,
                () = self.pace.stopped() => break false,
                () = ready(&mut reloading) => {
                    self.go_on(&mut reloading).await;
                    looks.follow(self.pace.interval());
                }
                _ = looks.timer.tick() => self.look().await,
            }
        };
        self.reloading = reloading;
        if has_room {
            self.handed = Handed::default();
        }
        has_room
    }

    /// Asks for a sample of which nothing is stored. So the warden hears that this process lives, and its guard goes on to judge
    /// what was changed.
    async fn look(&mut self) {
        tracing::debug!("looking at the machine, while iterations wait");
        match self.client.ask(&Request::Sample).await.map(|answer| answer.reply) {
            Ok(Reply::Sample { notices, cost, changed, reverted, .. }) => {
                say(&notices);
                self.take_reverted(reverted);
                (self.cost, self.changed) = (cost, changed);
            }
            Ok(_) => tracing::error!("looking at the machine: {}", ClientError::Unexpected),
            // Where the warden is gone the agent ends.
            Err(error) => tracing::debug!("looking at the machine: {error}"),
        }
    }

    async fn go_on(&mut self, reloading: &mut Option<Reloading>) {
        if let Some(reloading) = reloading {
            reloading.go_on(self).await;
        }
    }
}

/// When the machine is looked at while iterations wait.
struct Looks {
    interval: Duration,
    timer: Interval,
}

impl Looks {
    /// In each interval, and the first time when one is over.
    fn each(interval: Duration) -> Self {
        Self::with(interval, interval_at(tokio::time::Instant::now() + interval, interval))
    }

    /// In each interval from now on. Where it is another one the first time is at once: the warden reckons by the new one how long
    /// nothing was heard.
    fn follow(&mut self, now: Duration) {
        if now != self.interval {
            *self = Self::with(now, interval(now));
        }
    }

    fn with(interval: Duration, mut timer: Interval) -> Self {
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { interval, timer }
    }
}

/// What a runner that is a component has handed to the storages since they had room.
#[derive(Default, PartialEq, Eq)]
pub(super) struct Handed {
    /// What was measured.
    pub(super) metrics: bool,
    /// What was decided.
    pub(super) decisions: bool,
}

/// Waits until there is something to do of a reload; for ever where there cannot be one.
async fn ready(reloading: &mut Option<Reloading>) {
    match reloading {
        Some(reloading) => reloading.ready().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::sync::watch;
    use wca_messages::{Changed, Cost};
    use wca_model::{DeliveryTerms, OnStorageFailure};
    use wca_sandbox::{NodeAccess, NodeError};
    use wca_storage::{Delivery, Outlet};

    use super::*;
    use crate::pace::Pace;
    use crate::testing::{Gate, batch, node, snapshot, warden};

    const PATIENCE: Duration = Duration::from_secs(30);
    const INTERVAL: Duration = Duration::from_millis(20);

    fn sample() -> Reply {
        let (cost, changed) = (Cost::default(), Changed::default());
        Reply::Sample { timestamp: 1.0, notices: vec![], cost, changed, reverted: vec![] }
    }

    /// A storage that takes nothing has one batch, and two wait of which one may.
    fn fill(node: &Node, on_failure: OnStorageFailure, gate: &Gate) {
        let terms = DeliveryTerms { on_failure, queue: 1, retry: Duration::from_secs(3600) };
        let delivery = Delivery::new("stuck", terms, gate.clone());
        (0..3).for_each(|_| delivery.send(batch()));
        node.storages.lock().unwrap().deliveries = vec![Arc::new(delivery)];
    }

    fn paced(node: &mut Node, interval: Duration) -> watch::Sender<bool> {
        let (stopping, stop) = watch::channel(false);
        node.pace = Pace::new(interval, None, stop);
        stopping
    }

    #[tokio::test]
    async fn while_storages_have_no_room_samples_are_asked_for_and_then_ticks_go_on() {
        let (client, asked) = warden(|_| sample());
        let mut node = node(client);
        let _stopping = paced(&mut node, INTERVAL);
        let gate = Gate::new(0);
        fill(&node, OnStorageFailure::Block, &gate);
        let release = async {
            while asked.lock().unwrap().len() < 5 {
                tokio::time::sleep(INTERVAL).await;
            }
            gate.0.add_permits(2);
        };
        let waited = async { tokio::time::timeout(PATIENCE, node.wait_for_next()).await.unwrap() };
        let (goes_on, ()) = tokio::join!(waited, release);
        assert!(goes_on && asked.lock().unwrap().iter().all(|request| *request == Request::Sample));
        assert!(node.pace.overrun() > 0, "the ticks that were left out are counted");
    }

    #[tokio::test]
    async fn who_waits_for_room_ends_with_the_agent() {
        let (client, _) = warden(|_| sample());
        let mut node = node(client);
        let stopping = paced(&mut node, INTERVAL);
        fill(&node, OnStorageFailure::Block, &Gate::new(0));
        let stop = async {
            tokio::time::sleep(INTERVAL * 3).await;
            stopping.send_replace(true);
        };
        let waited = async { tokio::time::timeout(PATIENCE, node.wait_for_next()).await.unwrap() };
        assert_eq!(tokio::join!(waited, stop), (false, ()));
    }

    #[tokio::test]
    async fn a_storage_that_gives_up_ends_the_wait_for_room_and_that_for_the_next_tick() {
        for (queue, interval) in [(1, INTERVAL), (32, Duration::from_secs(3600))] {
            let (client, _) = warden(|_| sample());
            let mut node = node(client);
            let _stopping = paced(&mut node, interval);
            let gate = Gate::new(0);
            let terms = DeliveryTerms { on_failure: OnStorageFailure::Exit, queue, retry: Duration::from_secs(3600) };
            let delivery = Delivery::new("fails", terms, gate.clone());
            (0..3).for_each(|_| delivery.send(batch()));
            node.storages.lock().unwrap().deliveries = vec![Arc::new(delivery)];
            let fail = async {
                tokio::time::sleep(INTERVAL * 3).await;
                gate.0.close();
            };
            let waited = async { tokio::time::timeout(PATIENCE, node.wait_for_next()).await.unwrap() };
            assert_eq!(tokio::join!(waited, fail), (false, ()), "{queue}");
        }
    }

    #[tokio::test]
    async fn another_interval_has_the_machine_looked_at_at_once_and_the_same_changes_nothing() {
        let soon = || Duration::from_millis(100);
        let mut looks = Looks::each(Duration::from_secs(300));
        for interval in [300, 300] {
            looks.follow(Duration::from_secs(interval));
            assert!(tokio::time::timeout(soon(), looks.timer.tick()).await.is_err());
        }
        looks.follow(INTERVAL);
        for _ in 0..3 {
            tokio::time::timeout(PATIENCE, looks.timer.tick()).await.unwrap();
        }
        looks.follow(Duration::from_secs(300));
        assert!(tokio::time::timeout(PATIENCE, looks.timer.tick()).await.is_ok(), "the first is at once");
        assert!(tokio::time::timeout(soon(), looks.timer.tick()).await.is_err());
    }

    #[derive(Clone, Copy, Debug)]
    enum Call {
        Store,
        Decide,
    }

    async fn call(node: &mut Node, call: Call) -> Result<(), NodeError> {
        match call {
            Call::Store => node.store(vec![]).await,
            Call::Decide => NodeAccess::decide(node).await,
        }
    }

    #[tokio::test]
    async fn a_runner_that_never_waits_fills_no_queue_without_end() {
        for calls in [[Call::Store, Call::Decide], [Call::Decide, Call::Store]] {
            let (client, asked) = warden(|request| match request {
                Request::Sample => sample(),
                _ => Reply::Outcomes(vec![]),
            });
            let mut node = node(client);
            let stopping = paced(&mut node, INTERVAL);
            fill(&node, OnStorageFailure::Block, &Gate::new(0));
            {
                let mut storages = node.storages.lock().unwrap();
                storages.metrics = Outlet::to(0);
                storages.anomalies = Some(Outlet::to(0));
            }
            node.snapshot = Some(snapshot(&[]));
            let waiting = |node: &Node| node.storages.lock().unwrap().deliveries[0].delivered().waiting;
            while waiting(&node) > 2 {
                tokio::task::yield_now().await;
            }
            let before = waiting(&node);
            // What a tick brings is taken as a whole.
            for one in calls {
                tokio::time::timeout(PATIENCE, call(&mut node, one)).await.unwrap().unwrap();
            }
            assert_eq!(waiting(&node), before + 2, "{calls:?}");
            let looks = || asked.lock().unwrap().iter().filter(|request| **request == Request::Sample).count();
            assert_eq!(looks(), 0, "nothing was waited for");
            let stop = async {
                while looks() == 0 {
                    tokio::time::sleep(INTERVAL).await;
                }
                stopping.send_replace(true);
            };
            let again = async { tokio::time::timeout(PATIENCE, call(&mut node, calls[0])).await.unwrap() };
            let (again, ()) = tokio::join!(again, stop);
            assert_eq!(again.unwrap_err().to_string(), "nothing is stored any more: the agent ends");
            for one in [calls[0], calls[1]] {
                assert!(call(&mut node, one).await.is_err(), "{one:?}");
            }
            assert!(node.measure().await.is_err());
            assert_eq!(waiting(&node), before + 2, "{calls:?}");
        }
    }
}
