//! From one configuration to the next, between two ticks: what is the same goes on with all that it keeps.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use tokio::sync::watch;
use wca_config::ListenAddress;
use wca_model::DeliveryTerms;
use wca_storage::kafka::{KafkaStorage, Options};
use wca_storage::prometheus::{Endpoint, Site};
use wca_storage::{Delivery, TextForm};

use crate::client::{Client, ClientError};
use crate::configured::build::{Built, Part};
use crate::node::Node;
use crate::policies::{Member, Policies};
use crate::storages::{self, Before, GuestCounts, LogTarget, Storages};

/// A way to a storage.
pub(crate) enum Way {
    /// To a file or to standard error; always new, so that files are opened anew.
    Log(TextForm, LogTarget, DeliveryTerms),
    /// To who asks at this address, where the warden has a socket under this number; what is served there.
    Prometheus(ListenAddress, u32, Site),
    /// To brokers of Kafka: what it was made with, and the storage.
    Kafka(Box<KafkaTerms>, Box<KafkaStorage>),
    /// To a policy.
    Guest(Part, DeliveryTerms),
}

/// A way to a policy that runs, and what is counted of it.
type RunningGuest = (Arc<Delivery>, Arc<GuestCounts>);

/// What makes a way to Kafka the same.
pub(crate) type KafkaTerms = (Options, DeliveryTerms);

/// What runs, by what makes it the same over readings of the file.
#[derive(Default)]
pub(crate) struct Running {
    members: Vec<(String, String)>,
    /// Several can be the same but for their names.
    guests: Vec<(String, RunningGuest)>,
    endpoints: HashMap<ListenAddress, Arc<Endpoint>>,
    topics: Vec<(KafkaTerms, Arc<Delivery>)>,
    runner: Option<(String, String)>,
}

impl Running {
    /// The names of the policies that run under this identity.
    pub(crate) fn names_of<'a>(&'a self, identity: &'a str) -> impl Iterator<Item = &'a str> {
        let members = self.members.iter().chain(&self.runner).map(|(known, name)| (known, &**name));
        let guests = self.guests.iter().map(|(known, (_, counts))| (known, &*counts.name));
        members.chain(guests).filter(move |(known, _)| *known == identity).map(|(_, name)| name)
    }

    /// Leaves out the policies of these names, so that the next reading makes them anew.
    pub(crate) fn forget(&mut self, names: &[String]) {
        let is_known = |name: &str| !names.iter().any(|forgotten| forgotten == name);
        self.members.retain(|(_, name)| is_known(name));
        self.guests.retain(|(_, (_, counts))| is_known(&counts.name));
    }

    /// Whether the runner, where it is a component, is this one.
    pub(crate) fn has_runner(&self, identity: Option<&str>) -> bool {
        self.runner.as_ref().map(|(known, _)| known.as_str()) == identity
    }

    pub(crate) fn set_runner(&mut self, identity: String, name: String) {
        self.runner = Some((identity, name));
    }

    /// Puts what was built into the place of what runs. What goes is seen off while the new goes on.
    pub(crate) async fn swap(&mut self, node: &mut Node, mut built: Built) -> Result<(), ClientError> {
        let before = node.storages.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (seeing_off, seen_off) = watch::channel(());
        let known = Before { deliveries: &before.deliveries, seen_off };
        let mut storages = self.storages(&node.client, &mut built, &known).await?;
        self.swap_members(&mut node.policies, built.members);
        let gone: Vec<_> = before.deliveries.into_iter().filter(|old| !is_among(old, &storages.deliveries)).collect();
        storages.leaving = before.leaving;
        storages.leaving.retain(|leaving| !leaving.is_over() || leaving.has_given_up());
        storages.leaving.extend(gone.iter().map(Arc::clone));
        let (files, others): (Vec<_>, Vec<_>) = gone.into_iter().partition(|old| is_among(old, &before.files));
        *node.storages.lock().unwrap_or_else(PoisonError::into_inner) = storages;
        before.replaced.notify_one();
        tokio::spawn(async move {
            storages::see_off(files).await;
            drop(seeing_off);
        });
        tokio::spawn(storages::see_off(others));
        Ok(())
    }

    fn swap_members(&mut self, policies: &mut Policies, parts: Vec<Part>) {
        let mut old: HashMap<String, Member> =
            policies.members.drain(..).map(|member| (member.name().to_string(), member)).collect();
        self.members.clear();
        for (number, part) in (0..).zip(parts) {
            let (identity, member) = match part {
                Part::New(identity, mut policy) => {
                    if old.get(&**policy.name()).is_some_and(Member::is_quarantined) {
                        policy.follows_another();
                    }
                    (identity, Member::new(*policy, number))
                }
                Part::Kept(identity, name) => match old.remove(&name) {
                    Some(member) => (identity, member.renumbered(number)),
                    None => continue,
                },
            };
            self.members.push((identity, member.name().to_string()));
            policies.members.push(member);
        }
    }

    async fn storages(
        &mut self,
        client: &Client,
        built: &mut Built,
        before: &Before<'_>,
    ) -> Result<Storages, ClientError> {
        let mut storages = Storages {
            metrics: std::mem::take(&mut built.metrics),
            anomalies: built.anomalies.take(),
            allocations: built.allocations.take(),
            ..Storages::default()
        };
        let (mut guests, mut endpoints) = (Vec::new(), HashMap::new());
        let (mut old_topics, mut topics) = (self.topics.clone(), Vec::new());
        let mut sites = Vec::new();
        for way in built.ways.drain(..) {
            match way {
                Way::Log(form, target, terms) => {
                    let delivery = storages::log((form, &target), terms, client, &storages.deliveries, before).await?;
                    let delivery = Arc::new(delivery);
                    storages.files.push(Arc::clone(&delivery));
                    storages.deliveries.push(delivery);
                }
                Way::Prometheus(address, listener, site) => {
                    let endpoint = match self.endpoints.get(&address) {
                        Some(endpoint) => {
                            sites.push((Arc::clone(endpoint), site));
                            Arc::clone(endpoint)
                        }
                        None => Arc::new(storages::endpoint(&address, listener, site, client).await?),
                    };
                    let delivery =
                        storages::prometheus(&address, &endpoint, storages.lanes_to_next(), before.deliveries);
                    storages.deliveries.push(Arc::new(delivery));
                    endpoints.insert(address, endpoint);
                }
                Way::Kafka(terms, storage) => {
                    let same = old_topics.iter().position(|(known, _)| *known == *terms);
                    let delivery = match same.map(|at| old_topics.swap_remove(at)) {
                        Some((_, kept)) => kept,
                        None => Arc::new(storages::kafka(&terms, *storage, &storages.deliveries, before.deliveries)),
                    };
                    storages.deliveries.push(Arc::clone(&delivery));
                    topics.push((*terms, delivery));
                }
                Way::Guest(part, terms) => {
                    let (identity, (delivery, counts)) = match part {
                        Part::New(identity, policy) => {
                            let (delivery, counts) = storages::guest(*policy, terms, built.interval, before.deliveries);
                            (identity, (Arc::new(delivery), counts))
                        }
                        Part::Kept(identity, name) => {
                            let kept = self.guests.iter().find(|(_, (_, counts))| *counts.name == *name);
                            let Some((_, kept)) = kept else { continue };
                            (identity, kept.clone())
                        }
                    };
                    storages.deliveries.push(Arc::clone(&delivery));
                    storages.guests.push(Arc::clone(&counts));
                    guests.push((identity, (delivery, counts)));
                }
            }
        }
        for (endpoint, site) in sites {
            endpoint.renew(site);
        }
        self.guests = guests;
        self.endpoints = endpoints;
        self.topics = topics;
        Ok(storages)
    }
}

fn is_among(one: &Arc<Delivery>, all: &[Arc<Delivery>]) -> bool {
    all.iter().any(|other| Arc::ptr_eq(one, other))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;
    use wca_model::OnStorageFailure;
    use wca_sandbox::{Limits, Policy};

    use super::*;
    use crate::testing::{Gate, batch, node, policy, policy_within, snapshot, warden};

    /// Parts by letters: a big one is kept, a small one is new.
    fn parts(letters: &str) -> Vec<Part> {
        let part = |letter: char| {
            let identity = letter.to_ascii_lowercase().to_string();
            match letter.is_ascii_uppercase() {
                true => Part::Kept(identity.clone(), identity),
                false => Part::New(identity.clone(), Box::new(policy("NOPAllocator", &identity))),
            }
        };
        letters.chars().map(part).collect()
    }

    #[tokio::test]
    async fn policies_that_stay_keep_what_was_counted_and_others_begin_anew() {
        let (mut running, mut policies) = (Running::default(), Policies::default());
        let steps = [("ab", "a1 b1"), ("AB", "a2 b2"), ("BA", "b3 a3"), ("Ac", "a4 c1"), ("", ""), ("aX", "a1")];
        for (letters, expected) in steps {
            running.swap_members(&mut policies, parts(letters));
            let decisions = policies.decide(&snapshot(&[1.0]), Duration::from_secs(1)).await;
            let numbers: Vec<u32> = decisions.iter().map(|decision| decision.number).collect();
            assert!(numbers.iter().copied().eq(0..u32::try_from(numbers.len()).unwrap()), "{letters}: {numbers:?}");
            let calls = policies.metrics().into_iter().filter(|sample| sample.name == "wca_policy_calls");
            let found: Vec<String> = calls.map(|sample| format!("{}{}", sample.labels[0].1, sample.value)).collect();
            assert_eq!(found.join(" "), expected, "{letters}");
        }
        assert_eq!((running.names_of("a").collect::<Vec<_>>(), running.names_of("b").count()), (vec!["a"], 0));
    }

    fn standard_error() -> Way {
        let form = TextForm { timestamps: false, labels: Some(vec![]) };
        Way::Log(form, LogTarget::StandardError, DeliveryTerms::default())
    }

    fn deliveries(node: &Node) -> Vec<Arc<Delivery>> {
        node.storages.lock().unwrap().deliveries.clone()
    }

    async fn flushed(delivery: &Delivery) -> bool {
        delivery.flush(Instant::now() + Duration::from_secs(30)).await
    }

    #[tokio::test]
    async fn ways_to_one_place_are_told_apart_and_what_was_counted_of_each_goes_on() {
        let (client, _) = warden(|request| panic!("{request:?}"));
        let (mut node, mut running) = (node(client), Running::default());
        for round in 0..2 {
            running.swap(&mut node, Built::of_ways(vec![standard_error(), standard_error()])).await.unwrap();
            let ways = deliveries(&node);
            assert_eq!(ways.iter().map(|way| way.name()).collect::<Vec<_>>(), ["LogStorage", "LogStorage-2"]);
            ways[1].send(batch());
            assert!(flushed(&ways[1]).await);
            let stored: Vec<u64> = ways.iter().map(|way| way.delivered().stored).collect();
            assert_eq!(stored, [0, round + 1]);
        }
    }

    #[tokio::test]
    async fn a_storage_that_hangs_keeps_no_tick_waiting_and_its_file_is_written_by_the_next_one_after_it() {
        let (client, _) = warden(|request| panic!("{request:?}"));
        let (mut node, mut running) = (node(client), Running::default());
        let gate = Gate::new(0);
        let old = Arc::new(Delivery::new("LogStorage", DeliveryTerms::default(), gate.clone()));
        let before =
            Storages { deliveries: vec![Arc::clone(&old)], files: vec![Arc::clone(&old)], ..Storages::default() };
        *node.storages.lock().unwrap() = before;
        old.send(batch());
        let begun = Instant::now();
        running.swap(&mut node, Built::of_ways(vec![standard_error()])).await.unwrap();
        assert!(begun.elapsed() < storages::FLUSH, "nobody waits for what goes: {:?}", begun.elapsed());
        let new = Arc::clone(&deliveries(&node)[0]);
        new.send(batch());
        assert!(!new.flush(Instant::now() + Duration::from_millis(200)).await, "the old one comes first");
        assert_eq!(new.delivered().stored, 0);
        gate.0.add_permits(1);
        assert!(flushed(&new).await);
        assert_eq!(new.delivered().stored, 2, "what the old one stored is counted too");
    }

    #[tokio::test]
    async fn equal_storages_that_are_policies_are_kept_each_under_its_name_and_counts_go_on_by_name() {
        let (client, _) = warden(|request| panic!("{request:?}"));
        let (mut node, mut running) = (node(client), Running::default());
        let guest = |part: Part| Way::Guest(part, DeliveryTerms::default());
        let new =
            |identity: &str, name: &str| guest(Part::New(identity.into(), Box::new(policy("NOPAllocator", name))));
        running.swap(&mut node, Built::of_ways(vec![new("same", "S"), new("same", "S-2")])).await.unwrap();
        assert_eq!(running.names_of("same").collect::<Vec<_>>(), ["S", "S-2"]);
        let before = deliveries(&node);
        before[0].send(batch());
        let kept = |name: &str| guest(Part::Kept("same".into(), name.into()));
        running.swap(&mut node, Built::of_ways(vec![kept("S-2"), new("other", "S")])).await.unwrap();
        let after = deliveries(&node);
        assert!(Arc::ptr_eq(&after[0], &before[1]) && !Arc::ptr_eq(&after[1], &before[0]));
        assert!(flushed(&before[0]).await);
        let lost_or_stored = after[1].delivered().stored + after[1].delivered().dropped;
        assert_eq!((after[1].name(), lost_or_stored), ("S", 1));
    }

    #[tokio::test]
    async fn what_one_that_has_gone_has_left_at_the_end_is_counted_and_ends_the_agent_where_none_may_be_lost() {
        let (client, _) = warden(|request| panic!("{request:?}"));
        let (mut node, mut running) = (node(client), Running::default());
        let retry = Duration::from_secs(3600);
        let terms = DeliveryTerms { on_failure: OnStorageFailure::Exit, retry, ..DeliveryTerms::default() };
        let old = Delivery::new("old", terms, Gate::new(0));
        // What is counted of it, and nothing else of it.
        let counts = Delivery::after(&old, terms, Gate::new(0));
        (0..2).for_each(|_| old.send(batch()));
        node.storages.lock().unwrap().deliveries = vec![Arc::new(old)];
        running.swap(&mut node, Built::of_ways(vec![standard_error()])).await.unwrap();
        // From then on nobody waits for it.
        tokio::time::sleep(storages::FLUSH + Duration::from_millis(500)).await;
        assert_eq!(counts.delivered().dropped, 0, "it is tried yet");
        running.swap(&mut node, Built::of_ways(vec![standard_error()])).await.unwrap();
        let storages = node.storages.lock().unwrap().clone();
        storages.finish_until(Instant::now() + Duration::from_millis(50)).await;
        assert_eq!((counts.delivered().dropped, storages.given_up()), (2, Some("old")));
    }

    #[tokio::test]
    async fn one_that_has_gone_and_stored_everything_is_kept_no_longer() {
        let (client, _) = warden(|request| panic!("{request:?}"));
        let (mut node, mut running) = (node(client), Running::default());
        let old = Arc::new(Delivery::new("old", DeliveryTerms::default(), Gate::new(9)));
        old.send(batch());
        node.storages.lock().unwrap().deliveries = vec![Arc::clone(&old)];
        running.swap(&mut node, Built::of_ways(vec![])).await.unwrap();
        while !old.is_over() {
            tokio::task::yield_now().await;
        }
        assert_eq!((old.delivered().stored, node.storages.lock().unwrap().leaving.len()), (1, 1));
        running.swap(&mut node, Built::of_ways(vec![])).await.unwrap();
        assert_eq!(node.storages.lock().unwrap().leaving.len(), 0);
    }

    /// A policy that is called no more after its first call.
    fn failing(name: &str) -> Box<Policy> {
        let limits = Limits { fuel: 1, start_fuel: 1, quarantine_after: 1, ..Limits::default() };
        Box::new(policy_within(limits, "NOPAllocator", name))
    }

    #[tokio::test]
    async fn who_is_called_no_more_is_made_anew_and_told_that_it_begins_anew() {
        let (mut running, mut policies) = (Running::default(), Policies::default());
        let interval = Duration::from_secs(1);
        running.swap_members(&mut policies, vec![Part::New("a".into(), failing("a")), parts("b").remove(0)]);
        policies.decide(&snapshot(&[1.0]), interval).await;
        let names: Vec<String> = policies.quarantined().map(ToString::to_string).collect();
        assert_eq!(names, ["a"]);
        running.forget(&names);
        assert_eq!((running.names_of("a").count(), running.names_of("b").count()), (0, 1));
        running.swap_members(&mut policies, parts("aB"));
        let decisions = policies.decide(&snapshot(&[1.0]), interval).await;
        let anew: Vec<_> = decisions.iter().map(|one| (one.policy.to_string(), one.begins_anew)).collect();
        assert_eq!(anew.into_iter().collect::<HashMap<_, _>>(), [("a".into(), true), ("b".into(), false)].into());
    }

    #[tokio::test]
    async fn a_storage_that_is_called_no_more_is_made_anew() {
        let (client, _) = warden(|request| panic!("{request:?}"));
        let (mut node, mut running) = (node(client), Running::default());
        let guest = |policy: Box<Policy>| Way::Guest(Part::New("same".into(), policy), DeliveryTerms::default());
        let ways = vec![guest(failing("S")), guest(Box::new(policy("NOPAllocator", "S-2")))];
        running.swap(&mut node, Built::of_ways(ways)).await.unwrap();
        let first = Arc::clone(&deliveries(&node)[0]);
        first.send(batch());
        assert!(flushed(&first).await);
        let names: Vec<String> = node.storages.lock().unwrap().quarantined().map(ToString::to_string).collect();
        assert_eq!(names, ["S"]);
        running.forget(&names);
        assert_eq!(running.names_of("same").collect::<Vec<_>>(), ["S-2"]);
    }
}
