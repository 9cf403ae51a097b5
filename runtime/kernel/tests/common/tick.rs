//! One reading of a sampler, by the names of the metrics.

use wca_kernel::{Notice, Sampler, TaskCgroups, Wanted};
use wca_model::{Catalog, TaskKey};

use super::Machine;

pub fn task(key: u64, cgroup: &str) -> TaskCgroups {
    TaskCgroups { key: TaskKey(key), cgroup: cgroup.into(), containers: vec![] }
}

pub fn sampler(machine: &Machine, tasks: &[TaskCgroups]) -> Sampler {
    // What resctrl counts has tests of its own.
    let wanted = Wanted { rdt_enabled: Some(false), ..Wanted::default() };
    let mut sampler = Sampler::new(&machine.roots(), &machine.hierarchies(), wanted);
    sampler.set_tasks(tasks);
    sampler
}

/// The values of one tick, with NaN as none so that they can be compared.
pub struct Tick {
    pub catalog: Catalog,
    pub values: Vec<Option<f64>>,
    pub notices: Vec<Notice>,
}

pub const NOW: f64 = 1_795_308_734.125;

pub fn tick(sampler: &mut Sampler) -> Tick {
    let mut values = vec![7.0; 3];
    let notices = sampler.sample_at(NOW, &mut values);
    let values: Vec<_> = values.into_iter().map(|value| (!value.is_nan()).then_some(value)).collect();
    Tick { catalog: sampler.catalog().clone(), values, notices }
}

impl Tick {
    /// One value per task; nothing where there is no such metric.
    pub fn of(&self, metric: &str) -> &[Option<f64>] {
        let columns = self.catalog.columns.len().max(1);
        let rows = (self.values.len() - self.catalog.platform.len()) / columns;
        let at = self.catalog.columns_of(metric);
        &self.values[at.start * rows..at.end * rows]
    }

    pub fn cpu(&self) -> &[Option<f64>] {
        self.of("task_cpu_usage_seconds")
    }

    pub fn memory(&self) -> &[Option<f64>] {
        self.of("task_mem_usage_bytes")
    }

    /// One value per series.
    pub fn machine(&self, metric: &str) -> &[Option<f64>] {
        let start = self.values.len() - self.catalog.platform.len();
        let at = self.catalog.platform_of(metric);
        &self.values[start + at.start..start + at.end]
    }

    pub fn in_use(&self) -> &[Option<f64>] {
        self.machine("platform_mem_usage_bytes")
    }
}

pub fn of_tasks(tick: &Tick) -> Vec<(&str, &[Option<f64>])> {
    let names = tick.catalog.metrics.iter().filter(|metric| metric.per_task).map(|metric| metric.name.as_str());
    names.map(|name| (name, tick.of(name))).collect()
}

pub const NO_LIMIT: f64 = 9_223_372_036_854_771_712.0;

/// CPUs, cores and sockets.
pub fn topology(tick: &Tick) -> [Option<f64>; 3] {
    ["cpus", "cores", "sockets"].map(|of| tick.machine(&format!("platform_topology_{of}")).first().copied().flatten())
}

/// Of `v1-and-v2.tree`: user + nice + system + irq + softirq + steal.
pub const BUSY: [f64; 2] = [250_690.0, 250_197.0];
/// Of `v1-and-v2.tree`: MemTotal - MemFree - Buffers - Cached.
pub const MEMORY_IN_USE: f64 = 1_208_426_496.0;
