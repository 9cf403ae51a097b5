//! `wca:policy/now`: the snapshot.

use std::sync::Arc;

use wca_model as model;

use crate::bindings::now::{Host, Label, MetricInfo, RosterChange, Task};
use crate::state::State;

impl Host for State {
    fn timestamp(&mut self) -> wasmtime::Result<f64> {
        Ok(self.now("now.timestamp")?.timestamp)
    }

    fn interval(&mut self) -> wasmtime::Result<f64> {
        Ok(self.now("now.interval")?.interval())
    }

    fn tick(&mut self) -> wasmtime::Result<u64> {
        Ok(self.now("now.tick")?.tick)
    }

    fn keys(&mut self) -> wasmtime::Result<Vec<u64>> {
        Ok(self.now("now.keys")?.roster.tasks.iter().map(|task| task.key.0).collect())
    }

    fn roster_changes(&mut self) -> wasmtime::Result<RosterChange> {
        let now = Arc::clone(&self.now("now.roster-changes")?.roster);
        let change = now.changes_since(self.given.seen.as_deref());
        Ok(RosterChange {
            arrived: change.arrived.iter().map(|task| to_guest(task)).collect(),
            departed: change.departed.iter().map(|key| key.0).collect(),
        })
    }

    fn metrics(&mut self) -> wasmtime::Result<Vec<MetricInfo>> {
        let catalog = &self.now("now.metrics")?.catalog;
        Ok(catalog
            .metrics
            .iter()
            .map(|metric| MetricInfo {
                name: metric.name.clone(),
                kind: metric.kind.into(),
                unit: metric.unit.clone(),
                levels: metric.levels.clone(),
                per_task: metric.per_task,
            })
            .collect())
    }

    fn series(&mut self, metric: String) -> wasmtime::Result<Vec<Vec<Label>>> {
        let catalog = &self.now("now.series")?.catalog;
        let columns = catalog.columns_of(&metric).map(|at| catalog.columns[at].labels.clone());
        let platform = catalog.platform_of(&metric).map(|at| catalog.platform[at].labels.clone());
        Ok(columns.chain(platform).collect())
    }

    fn series_version(&mut self) -> wasmtime::Result<u64> {
        Ok(self.now("now.series-version")?.catalog.version)
    }

    fn values(&mut self, metric: String) -> wasmtime::Result<Vec<Vec<f64>>> {
        Ok(self.now("now.values")?.values(&metric).map(<[f64]>::to_vec).collect())
    }

    fn rates(&mut self, metric: String) -> wasmtime::Result<Vec<Vec<f64>>> {
        Ok(self.now("now.rates")?.rates(&metric))
    }

    fn platform_values(&mut self, metric: String) -> wasmtime::Result<Vec<f64>> {
        Ok(self.now("now.platform-values")?.platform_values(&metric).collect())
    }

    fn platform_rates(&mut self, metric: String) -> wasmtime::Result<Vec<f64>> {
        Ok(self.now("now.platform-rates")?.platform_rates(&metric))
    }
}

fn to_guest(task: &model::Task) -> Task {
    Task {
        key: task.key.0,
        id: task.id.clone(),
        name: task.name.clone(),
        labels: task.labels.clone(),
        resources: task.resources.clone(),
        cgroup: task.cgroup.clone(),
        containers: task.containers.clone(),
    }
}
