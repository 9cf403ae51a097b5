//! What becomes of what policies ask for.

use std::collections::BTreeSet;

use wca_messages::{Reply, Request};
use wca_model::{Fate, Outcome, Sample};
use wca_sandbox::World;

use super::Node;
use crate::client::{Client, ClientError};
use crate::own;
use crate::policies::Decision;

/// Decisions with what became of their requests.
pub(crate) type Applied = Vec<(Decision, Vec<Outcome>)>;

impl Node {
    /// What became of a decision's requests. What the warden refuses is that policy's failure alone.
    pub(super) async fn apply(&mut self, decision: &Decision) -> Result<Vec<Outcome>, ClientError> {
        if decision.begins_anew && self.policies.world_of(decision.number) == Some(World::Allocator) {
            self.client.ask(&Request::BegunAnew { policy: decision.number }).await?;
        }
        match apply(&self.client, decision).await {
            Err(ClientError::Refused(why)) => {
                self.policies.fail(decision.number, &format!("its requests were not taken: {why}"));
                Ok(refused_outcomes(decision, &why.to_string()))
            }
            done => done,
        }
    }

    /// How many tasks something was asked for, and how many requests came to nothing.
    pub(super) fn allocation_metrics(&mut self, applied: &Applied) -> Vec<Sample> {
        for (decision, outcomes) in applied {
            let tasks: BTreeSet<_> = decision.requests.iter().map(|request| request.task).collect();
            self.asked += tasks.len() as u64;
            self.failed += outcomes.iter().filter(|outcome| matches!(outcome.fate, Fate::Failed(_))).count() as u64;
            if self.policies.world_of(decision.number) == Some(World::Allocator) {
                self.failed += decision.refused;
            }
        }
        own::of_allocation(self.policies.took(World::Allocator), self.asked, self.failed)
    }
}

/// What became of a decision's requests, in their order.
pub(crate) async fn apply(client: &Client, decision: &Decision) -> Result<Vec<Outcome>, ClientError> {
    if decision.requests.is_empty() {
        return Ok(Vec::new());
    }
    let request = Request::Apply { policy: decision.number, requests: decision.requests.clone() };
    match client.ask(&request).await?.reply {
        Reply::Outcomes(outcomes) => Ok(outcomes),
        _ => Err(ClientError::Unexpected),
    }
}

fn refused_outcomes(decision: &Decision, why: &str) -> Vec<Outcome> {
    let failed = |request: &wca_model::Request| Outcome {
        task: request.task,
        kind: request.change.kind(),
        domain: request.change.domain(),
        fate: Fate::Failed(why.to_owned()),
    };
    decision.requests.iter().map(failed).collect()
}

#[cfg(test)]
mod tests {
    use wca_messages::Refused;
    use wca_model::{Change, Kind, TaskKey};

    use super::*;
    use crate::testing::{node, warden};

    fn decision(number: u32, requests: usize) -> Decision {
        let requests = vec![wca_model::Request { task: TaskKey(1), change: Change::CpuQuota(0.5) }; requests];
        let policy = ["First", "Second"][number as usize].into();
        Decision { policy, number, contentions: vec![], metrics: vec![], requests, refused: 2, begins_anew: false }
    }

    #[tokio::test]
    async fn what_the_warden_does_not_take_costs_that_policy_alone() {
        let (client, asked) = warden(|request| match request {
            Request::Apply { policy: 0, requests } => {
                Reply::Refused(Refused::Oversized(format!("{} requests at once", requests.len())))
            }
            Request::Apply { requests, .. } => {
                let outcome = |request: &wca_model::Request| Outcome {
                    task: request.task,
                    kind: request.change.kind(),
                    domain: None,
                    fate: Fate::Shadowed,
                };
                Reply::Outcomes(requests.iter().map(outcome).collect())
            }
            other => panic!("{other:?}"),
        });
        let mut node = node(client);
        let mut applied = Vec::new();
        for decision in [decision(0, 3), decision(1, 1), decision(1, 0)] {
            let outcomes = node.apply(&decision).await.unwrap();
            applied.push((decision, outcomes));
        }
        let why = "oversized message: 3 requests at once";
        let failed = Outcome { task: TaskKey(1), kind: Kind::CpuQuota, domain: None, fate: Fate::Failed(why.into()) };
        assert_eq!(applied[0].1, vec![failed; 3]);
        assert_eq!((applied[1].1[0].fate.clone(), applied[2].1.len()), (Fate::Shadowed, 0));
        assert_eq!(asked.lock().unwrap().len(), 2, "nothing is asked where nothing is wanted");
        let failures: Vec<f64> = node
            .policies
            .metrics()
            .iter()
            .filter(|sample| sample.name == "wca_policy_failures")
            .map(|sample| sample.value)
            .collect();
        assert_eq!(failures, [1.0, 0.0]);
        let allocation: Vec<(String, f64)> =
            node.allocation_metrics(&applied).into_iter().take(2).map(|sample| (sample.name, sample.value)).collect();
        // Tasks that something was asked for; requests that failed, and those that were refused in the three calls.
        assert_eq!(allocation, [("allocations_count".to_owned(), 2.0), ("allocations_errors".to_owned(), 9.0)]);
    }

    #[tokio::test]
    async fn the_warden_hears_first_of_an_allocator_that_begins_anew() {
        let (client, asked) = warden(|_| Reply::Outcomes(vec![]));
        let mut node = node(client);
        node.apply(&Decision { begins_anew: true, ..decision(1, 1) }).await.unwrap();
        let asked = asked.lock().unwrap();
        assert!(matches!(asked[..], [Request::BegunAnew { policy: 1 }, Request::Apply { policy: 1, .. }]), "{asked:?}");
    }
}
