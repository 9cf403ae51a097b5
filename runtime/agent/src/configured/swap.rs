//! From one configuration to the next, between two ticks: what is the same goes on with all that it keeps.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use wca_storage::{Delivery, TextForm};

use crate::client::{Client, ClientError};
use crate::configured::build::{Built, Part};
use crate::node::Node;
use crate::policies::{Member, Policies};
use crate::storages::{self, GuestCounts, LogTarget, Storages};

/// A way to a storage.
pub(crate) enum Way {
    /// To a file or to standard error; always new, so that files are opened anew.
    Log(TextForm, LogTarget),
    /// To a policy.
    Guest(Part),
}

/// What runs, by what makes it the same over readings of the file.
#[derive(Default)]
pub(crate) struct Running {
    members: Vec<(String, String)>,
    guests: HashMap<String, (Arc<Delivery>, Arc<GuestCounts>)>,
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
        let storages = self.storages(&node.client, &mut built).await?;
        self.swap_members(&mut node.policies, built.members);
        let before = {
            let mut now = node.storages.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *now, storages)
        };
        let gone: Vec<Arc<Delivery>> =
            before.deliveries.into_iter().filter(|old| Arc::strong_count(old) == 1).collect();
        // A file may be written by a new storage now: what the old one was given comes before.
        storages::flush(&gone).await;
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

    async fn storages(&mut self, client: &Client, built: &mut Built) -> Result<Storages, ClientError> {
        let mut storages = Storages {
            metrics: std::mem::take(&mut built.metrics),
            anomalies: built.anomalies.take(),
            allocations: built.allocations.take(),
            ..Storages::default()
        };
        let mut guests = HashMap::new();
        for way in built.ways.drain(..) {
            match way {
                Way::Log(form, target) => {
                    storages.deliveries.push(Arc::new(storages::log(form, &target, client).await?));
                }
                Way::Guest(part) => {
                    let (identity, (delivery, counts)) = match part {
                        Part::New(identity, policy) => {
                            let (delivery, counts) = storages::guest(*policy, built.interval);
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
        self.guests = guests;
        Ok(storages)
    }
}
