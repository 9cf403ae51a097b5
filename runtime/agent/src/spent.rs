//! What the whole program spends of processor time, and on what.

use std::sync::Arc;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use wca_messages::Cost;
use wca_model::Sample;
use wca_storage::{Delivery, Part, thread_time};

use crate::own::counter;

/// What this process has spent on taking over what the warden measured.
#[derive(Default)]
pub(crate) struct Spent {
    crossing: Duration,
}

impl Spent {
    /// Does what `work` does, which neither waits nor changes threads, and counts it as crossing.
    pub(crate) fn crossing<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let begun = thread_time();
        let result = work();
        self.crossing += thread_time().saturating_sub(begun);
        result
    }

    /// As metrics, with what the warden has spent so far and what storages have.
    pub(crate) fn metrics(&self, cost: &Cost, deliveries: &[Arc<Delivery>]) -> Vec<Sample> {
        let storages = |part| deliveries.iter().map(|delivery| delivery.spent(part).as_secs_f64()).sum::<f64>();
        let parts = [
            ("reading", cost.reading),
            ("crossing", cost.crossing + self.crossing.as_secs_f64()),
            ("rendering", storages(Part::Rendering)),
            ("writing", storages(Part::Writing)),
        ];
        let processes = [("warden", cost.process), ("agent", process_time().as_secs_f64())];
        let of_part = "Processor time spent on a part of the work: reading the kernel's files, crossing from the warden to \
                       the agent, rendering text, writing it.";
        let of_process = "Processor time of a process of WCA, its policies included.";
        let part = |(part, seconds)| labelled("wca_part_cpu_seconds", of_part, "part", part, seconds);
        let process = |(process, seconds)| labelled("wca_cpu_seconds", of_process, "process", process, seconds);
        parts.map(part).into_iter().chain(processes.map(process)).collect()
    }
}

fn labelled(name: &str, help: &str, label: &str, value: &str, seconds: f64) -> Sample {
    Sample { labels: vec![(label.into(), value.into())], ..counter(name, help, seconds) }
}

fn process_time() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}
