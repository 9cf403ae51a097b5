//! The agent's tick for benchmarks: the real code, with somebody else at the warden's end.

use std::os::fd::OwnedFd;

use wca_model::{Change, Request};

use crate::client::Client;
use crate::entry;
use crate::node::{self, Node};
use crate::run;
use crate::settings::Job;

/// A node whose ticks are measured.
pub struct MeasuredNode {
    node: Node,
}

impl MeasuredNode {
    /// Greets whoever is at the other end, and makes the policies of the job that it hands over; none where it is no run, or
    /// a component of it is refused.
    pub async fn start(socket: OwnedFd) -> Option<Self> {
        let (agent, job) = entry::greet(Client::new(socket).ok()?).await.ok()?;
        let Job::Run(settings) = job else { return None };
        let (policies, refused) = run::make_policies(&agent, &settings).await;
        refused.is_empty().then(|| Self { node: run::make_node(&agent, &settings, policies) })
    }

    /// Roster, sample, policies, and one request for each policy to the warden's end: how many outcomes came back.
    pub async fn tick(&mut self) -> usize {
        let Ok(snapshot) = self.node.measure_node().await else { return 0 };
        let interval = self.node.pace.interval();
        let mut outcomes = 0;
        for mut decision in self.node.policies.decide(&snapshot, interval).await {
            let first = snapshot.roster.tasks.first().map(|task| task.key);
            decision.requests.extend(first.map(|task| Request { task, change: Change::CpuQuota(0.5) }));
            outcomes += node::apply(&self.node.client, &decision).await.map_or(0, |outcomes| outcomes.len());
        }
        outcomes
    }
}
