//! From one configuration to the next, between two ticks: what is the same goes on with all that it keeps.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use wca_config::ListenAddress;
use wca_model::DeliveryTerms;
use wca_storage::kafka::{KafkaStorage, Options};
use wca_storage::prometheus::{Endpoint, Site};
use wca_storage::{Delivery, TextForm};

use crate::client::{Client, ClientError};
use crate::configured::build::{Built, Part};
use crate::node::Node;
use crate::policies::{Member, Policies};
use crate::storages::{self, GuestCounts, LogTarget, Storages};

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

/// What makes a way to Kafka the same.
pub(crate) type KafkaTerms = (Options, DeliveryTerms);

/// What runs, by what makes it the same over readings of the file.
#[derive(Default)]
pub(crate) struct Running {
    members: Vec<(String, String)>,
    guests: HashMap<String, (Arc<Delivery>, Arc<GuestCounts>)>,
    endpoints: HashMap<ListenAddress, Arc<Endpoint>>,
    topics: Vec<(KafkaTerms, Arc<Delivery>)>,
    runner: Option<(String, String)>,
}

impl Running {
    /// The name of the policy that runs under this identity.
    pub(crate) fn name_of(&self, identity: &str) -> Option<String> {
        let members = self.members.iter().chain(&self.runner);
        let member = members.filter(|(known, _)| known == identity).map(|(_, name)| name.clone()).next();
        member.or_else(|| self.guests.get(identity).map(|(_, counts)| counts.name.to_string()))
    }

    /// Whether the runner, where it is a component, is this one.
    pub(crate) fn has_runner(&self, identity: Option<&str>) -> bool {
        self.runner.as_ref().map(|(known, _)| known.as_str()) == identity
    }

    pub(crate) fn set_runner(&mut self, identity: String, name: String) {
        self.runner = Some((identity, name));
    }

    /// Puts what was built into the place of what runs.
    pub(crate) async fn swap(&mut self, node: &mut Node, mut built: Built) -> Result<(), ClientError> {
        let Storages { deliveries: before, guests, .. } =
            node.storages.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let topics: Vec<_> = self.topics.iter().map(|(_, delivery)| Arc::clone(delivery)).collect();
        let storages = self.storages(&node.client, &mut built, &before).await?;
        self.swap_members(&mut node.policies, built.members);
        let stay = |old: &Arc<Delivery>| storages.deliveries.iter().any(|new| Arc::ptr_eq(new, old));
        let gone = before.into_iter().filter(|old| !stay(old));
        let is_remote = |old: &Arc<Delivery>| {
            guests.iter().any(|guest| *guest.name == *old.name()) || topics.iter().any(|topic| Arc::ptr_eq(topic, old))
        };
        let (others, files): (Vec<_>, Vec<_>) = gone.partition(is_remote);
        *node.storages.lock().unwrap_or_else(PoisonError::into_inner) = storages;
        // A file may be written by a new storage now: what the old one was given comes before.
        storages::flush(&files).await;
        // No tick waits for a slow one.
        tokio::spawn(async move { storages::flush(&others).await });
        Ok(())
    }

    fn swap_members(&mut self, policies: &mut Policies, parts: Vec<Part>) {
        let mut old: HashMap<String, Member> =
            std::mem::take(&mut self.members).into_iter().map(|(id, _)| id).zip(policies.members.drain(..)).collect();
        for (number, part) in (0..).zip(parts) {
            let (identity, member) = match part {
                Part::New(identity, policy) => (identity, Member::new(*policy, number)),
                Part::Kept(identity) => match old.remove(&identity) {
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
        before: &[Arc<Delivery>],
    ) -> Result<Storages, ClientError> {
        let mut storages = Storages {
            metrics: std::mem::take(&mut built.metrics),
            anomalies: built.anomalies.take(),
            allocations: built.allocations.take(),
            ..Storages::default()
        };
        let (mut guests, mut endpoints) = (HashMap::new(), HashMap::new());
        let (mut old_topics, mut topics) = (self.topics.clone(), Vec::new());
        let mut sites = Vec::new();
        for way in built.ways.drain(..) {
            match way {
                Way::Log(form, target, terms) => {
                    let delivery = storages::log((form, &target), terms, client, &storages.deliveries, before).await?;
                    storages.deliveries.push(Arc::new(delivery));
                }
                Way::Prometheus(address, listener, site) => {
                    let endpoint = match self.endpoints.get(&address) {
                        Some(endpoint) => {
                            sites.push((Arc::clone(endpoint), site));
                            Arc::clone(endpoint)
                        }
                        None => Arc::new(storages::endpoint(&address, listener, site, client).await?),
                    };
                    let delivery = storages::prometheus(&address, &endpoint, storages.lanes_to_next(), before);
                    storages.deliveries.push(Arc::new(delivery));
                    endpoints.insert(address, endpoint);
                }
                Way::Kafka(terms, storage) => {
                    let same = old_topics.iter().position(|(known, _)| *known == *terms);
                    let delivery = match same.map(|at| old_topics.swap_remove(at)) {
                        Some((_, kept)) => kept,
                        None => Arc::new(storages::kafka(&terms, *storage, &storages.deliveries, before)),
                    };
                    storages.deliveries.push(Arc::clone(&delivery));
                    topics.push((*terms, delivery));
                }
                Way::Guest(part, terms) => {
                    let (identity, (delivery, counts)) = match part {
                        Part::New(identity, policy) => {
                            let (delivery, counts) = storages::guest(*policy, terms, built.interval);
                            (identity, (Arc::new(delivery), counts))
                        }
                        Part::Kept(identity) => match self.guests.get(&identity) {
                            Some(kept) => (identity, kept.clone()),
                            None => continue,
                        },
                    };
                    storages.deliveries.push(Arc::clone(&delivery));
                    storages.guests.push(Arc::clone(&counts));
                    guests.insert(identity, (delivery, counts));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{policy, snapshot, warden};

    /// Parts by letters: a big one is kept, a small one is new.
    fn parts(letters: &str) -> Vec<Part> {
        let part = |letter: char| {
            let identity = letter.to_ascii_lowercase().to_string();
            match letter.is_ascii_uppercase() {
                true => Part::Kept(identity),
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
            let decisions = policies.decide(&snapshot(&[1.0]), std::time::Duration::from_secs(1)).await;
            let numbers: Vec<u32> = decisions.iter().map(|decision| decision.number).collect();
            assert!(numbers.iter().copied().eq(0..u32::try_from(numbers.len()).unwrap()), "{letters}: {numbers:?}");
            let calls = policies.metrics().into_iter().filter(|sample| sample.name == "wca_policy_calls");
            let found: Vec<String> = calls.map(|sample| format!("{}{}", sample.labels[0].1, sample.value)).collect();
            assert_eq!(found.join(" "), expected, "{letters}");
        }
        assert_eq!((running.name_of("a"), running.name_of("b")), (Some("a".into()), None));
    }

    #[tokio::test]
    async fn ways_to_one_place_are_told_apart_and_what_was_counted_of_each_goes_on() {
        let (client, _) = warden(|request| panic!("{request:?}"));
        let mut before: Vec<Arc<Delivery>> = Vec::new();
        for round in 0..2 {
            let mut now: Vec<Arc<Delivery>> = Vec::new();
            for _ in 0..2 {
                let form = TextForm { timestamps: false, labels: Some(vec![]) };
                let way =
                    storages::log((form, &LogTarget::StandardError), DeliveryTerms::default(), &client, &now, &before)
                        .await
                        .unwrap();
                now.push(Arc::new(way));
            }
            assert_eq!(now.iter().map(|way| way.name()).collect::<Vec<_>>(), ["LogStorage", "LogStorage-2"]);
            let labels = Arc::new(wca_model::batch::LabelSets::none());
            let batch = wca_model::Batch::new(snapshot(&[]), labels, vec![crate::testing::sample("x", &[], 1.0)], &[]);
            now[1].send(batch).await;
            storages::flush(&now).await;
            let stored: Vec<u64> = now.iter().map(|way| way.delivered().stored).collect();
            assert_eq!(stored, [0, round + 1]);
            before = now;
        }
    }
}
