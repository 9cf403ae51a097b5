//! Between two ticks: until storages have room and the next tick is due. What the operator wants meanwhile is done.

use std::time::Instant;

use tokio::time::{MissedTickBehavior, interval_at};
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

    /// Waits until every storage has room for another iteration; false where the agent is to end. Meanwhile the machine is
    /// looked at in each interval.
    async fn wait_for_room(&mut self) -> bool {
        let mut reloading = self.reloading.take();
        let interval = self.pace.interval();
        let mut look = interval_at(tokio::time::Instant::now() + interval, interval);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let has_room = loop {
            let storages = self.storages();
            tokio::select! {
                biased;
                () = storages.room() => break true,
                () = storages.one_gives_up() => break false,
                () = self.pace.stopped() => break false,
                () = ready(&mut reloading) => self.go_on(&mut reloading).await,
                _ = look.tick() => self.look().await,
            }
        };
        self.reloading = reloading;
        has_room
    }

    /// Waits until every storage has room for what a runner has of a tick that is not over; false where the agent is to end.
    /// What the operator has changed is taken between two ticks.
    pub(super) async fn wait_for_room_within_tick(&mut self) -> bool {
        let reloading = self.reloading.take();
        let has_room = self.wait_for_room().await;
        self.reloading = reloading;
        has_room
    }

    /// Asks for a sample of which nothing is stored. So the warden hears that this process lives, and its guard goes on to judge
    /// what was changed.
    async fn look(&mut self) {
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
    use wca_storage::Delivery;

    use super::*;
    use crate::pace::Pace;
    use crate::testing::{Gate, batch, node, warden};

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
    async fn a_runner_that_never_waits_fills_no_queue_without_end() {
        let (client, asked) = warden(|_| sample());
        let mut node = node(client);
        let stopping = paced(&mut node, INTERVAL);
        fill(&node, OnStorageFailure::Block, &Gate::new(0));
        let stop = async {
            while asked.lock().unwrap().is_empty() {
                tokio::time::sleep(INTERVAL).await;
            }
            stopping.send_replace(true);
        };
        let waited = async { tokio::time::timeout(PATIENCE, node.wait_for_room_within_tick()).await.unwrap() };
        assert_eq!(tokio::join!(waited, stop), (false, ()));
    }
}
