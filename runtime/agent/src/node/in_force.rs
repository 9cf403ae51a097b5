//! What is in force of each task, before and after the changes of a tick.

use std::collections::HashMap;

use wca_messages::{Reply, Request};
use wca_model::in_force::of_domain;
use wca_model::{Change, Fate, InForce, Label, Outcome, RdtInForce, Request as Asked, Sample, Snapshot, Task, TaskKey};

use super::{Applied, Node};
use crate::client::{Client, ClientError};
use crate::definitions::{
    ALLOCATION_CPU_QUOTA, ALLOCATION_CPU_SHARES, ALLOCATION_CPUS, ALLOCATION_MASK, ALLOCATION_MB,
    ALLOCATION_MEMORY_MIGRATE, ALLOCATION_MEMS, ALLOCATION_MIGRATE_PAGES, ALLOCATION_WAYS,
};

/// What is in force of the tasks of the last roster.
pub(super) async fn ask(client: &Client) -> Result<Vec<InForce>, ClientError> {
    match client.ask(&Request::InForce).await?.reply {
        Reply::InForce(in_force) => Ok(in_force),
        _ => Err(ClientError::Unexpected),
    }
}

impl Node {
    /// What is in force of each task after the changes of a tick, as metrics; nothing where there is no storage for it.
    pub(super) async fn targets(&mut self, snapshot: &Snapshot, applied: &Applied) -> Result<Vec<Sample>, ClientError> {
        if self.storages().allocations.is_none() {
            return Ok(Vec::new());
        }
        let has_changed =
            |outcome: &Outcome| matches!(outcome.fate, Fate::Applied | Fate::Adjusted(_) | Fate::Reverted(_));
        if !applied.iter().any(|(_, outcomes)| outcomes.iter().any(has_changed)) {
            return Ok(metrics(snapshot, snapshot.in_force().unwrap_or_default(), applied));
        }
        Ok(metrics(snapshot, &ask(&self.client).await?, applied))
    }
}

/// What is in force of each task, with what was asked for and is in force, or would be.
fn metrics(snapshot: &Snapshot, in_force: &[InForce], applied: &Applied) -> Vec<Sample> {
    let mut asked: HashMap<TaskKey, Vec<&Change>> = HashMap::new();
    for (decision, outcomes) in applied {
        for (Asked { task, change }, outcome) in decision.requests.iter().zip(outcomes) {
            // Of what was adjusted, what is in force says more than what was asked for.
            if matches!(outcome.fate, Fate::Applied | Fate::Unchanged | Fate::Shadowed) {
                asked.entry(*task).or_default().push(change);
            }
        }
    }
    let tasks = snapshot.roster.tasks.iter().zip(in_force);
    let of = |(task, current): (&std::sync::Arc<Task>, &InForce)| {
        let mut target = Target { in_force: current.clone(), pages_to: None };
        let asked = asked.get(&task.key).map(Vec::as_slice).unwrap_or_default();
        // A group comes first: what its members ask for is asked of the new one.
        let (groups, others): (Vec<&Change>, Vec<&Change>) =
            asked.iter().partition(|change| matches!(change, Change::RdtGroup(_)));
        groups.into_iter().chain(others).for_each(|change| target.take(change, task));
        target.samples(task)
    };
    tasks.flat_map(of).collect()
}

/// What is in force of a task, or would be.
struct Target {
    in_force: InForce,
    /// Where its pages were to move.
    pages_to: Option<u32>,
}

impl Target {
    fn take(&mut self, change: &Change, task: &Task) {
        let of = &mut self.in_force;
        match change {
            Change::CpuQuota(share) => of.cpu_quota = Some(*share),
            Change::CpuShares(shares) => of.cpu_shares = Some(*shares),
            Change::CpusetCpus(cpus) => of.cpuset_cpus = Some(cpus.clone()),
            Change::CpusetMems(nodes) => of.cpuset_mems = Some(nodes.clone()),
            Change::CpusetMemoryMigrate(follow) => of.cpuset_memory_migrate = Some(*follow),
            Change::MigratePages(node) => self.pages_to = Some(*node),
            Change::RdtGroup(group) => {
                let own = container_name(task);
                let is_in = of.rdt.as_ref().is_some_and(|rdt| match group {
                    Some(name) => rdt.group == *name,
                    // One of its own that it has goes by the name that the warden gave it.
                    None => !rdt.group.is_empty(),
                });
                if !is_in {
                    // What the old group had is not carried over.
                    of.rdt = Some(RdtInForce { group: group.clone().unwrap_or(own), ..RdtInForce::default() });
                }
            }
            Change::RdtL3(ways) | Change::RdtL3Data(ways) => {
                let rdt = of.rdt.get_or_insert_default();
                let is_apart = matches!(change, Change::RdtL3Data(_)) || !rdt.l3_data.is_empty();
                set(if is_apart { &mut rdt.l3_data } else { &mut rdt.l3 }, ways.domain, ways.mask);
            }
            Change::RdtMb(limit) => set(&mut of.rdt.get_or_insert_default().mb, limit.domain, limit.value),
            // No metrics are made of these.
            Change::CpuWeight(_)
            | Change::RdtL3Code(_)
            | Change::RdtL2(_)
            | Change::MemoryHigh(_)
            | Change::MemoryMax(_)
            | Change::MemoryLow(_)
            | Change::IoWeight(_)
            | Change::Release(_) => {}
        }
    }

    fn samples(&self, task: &Task) -> Vec<Sample> {
        let count = |ids: &Option<Vec<u32>>| {
            ids.as_ref().map(|ids| ids.iter().collect::<std::collections::BTreeSet<_>>().len())
        };
        #[allow(clippy::cast_precision_loss, reason = "processors and nodes are few")]
        let count = |ids: &Option<Vec<u32>>| count(ids).map(|count| count as f64);
        let of = &self.in_force;
        let values = [
            (&ALLOCATION_CPU_QUOTA, "cpu_quota", of.cpu_quota),
            (&ALLOCATION_CPU_SHARES, "cpu_shares", of.cpu_shares),
            (&ALLOCATION_CPUS, "cpuset_cpus", count(&of.cpuset_cpus)),
            (&ALLOCATION_MEMS, "cpuset_mems", count(&of.cpuset_mems)),
            (
                &ALLOCATION_MEMORY_MIGRATE,
                "cpuset_memory_migrate",
                of.cpuset_memory_migrate.map(|follows| f64::from(u8::from(follows))),
            ),
            (&ALLOCATION_MIGRATE_PAGES, "migrate_pages", self.pages_to.map(f64::from)),
        ];
        let mut samples: Vec<Sample> = values
            .into_iter()
            .filter_map(|(definition, kind, value)| Some(definition.labelled(labels(task, kind, &[]), value?)))
            .collect();
        if let Some(rdt) = &of.rdt {
            let of_group = |kind: &str, domain: u32| {
                let domain = domain.to_string();
                labels(task, kind, &[("group_name", &rdt.group), ("domain_id", &domain)])
            };
            let l3 = if rdt.l3.is_empty() { &rdt.l3_data } else { &rdt.l3 };
            for (domain, mask) in l3 {
                let ways = f64::from(mask.count_ones());
                samples.push(ALLOCATION_WAYS.labelled(of_group("rdt_l3_cache_ways", *domain), ways));
                #[allow(clippy::cast_precision_loss, reason = "no cache has 53 ways")]
                let mask = *mask as f64;
                samples.push(ALLOCATION_MASK.labelled(of_group("rdt_l3_mask", *domain), mask));
            }
            for (domain, limit) in &rdt.mb {
                samples.push(ALLOCATION_MB.labelled(of_group("rdt_mb", *domain), f64::from(*limit)));
            }
        }
        samples
    }
}

fn set<T: Copy>(values: &mut Vec<(u32, T)>, domain: u32, value: T) {
    match of_domain(values, domain) {
        None => values.push((domain, value)),
        Some(_) => values.iter_mut().filter(|(id, _)| *id == domain).for_each(|(_, known)| *known = value),
    }
}

/// The task's labels with these.
fn labels(task: &Task, kind: &str, more: &[(&str, &str)]) -> Vec<Label> {
    let mut labels = task.labels.clone();
    let own = container_name(task);
    let known = [("allocation_type", kind), ("container_name", own.as_str()), ("task", task.id.as_str())];
    for (name, value) in known.iter().chain(more) {
        wca_model::anomaly::set(&mut labels, name, value);
    }
    labels
}

/// Its cgroup as one word.
fn container_name(task: &Task) -> String {
    task.cgroup.trim_start_matches('/').replace('/', "-")
}

#[cfg(test)]
mod tests;
