//! What the whole program spends of processor time, and on what.

use std::sync::Arc;
use std::time::Duration;

use wca_messages::Cost;
use wca_model::Sample;
use wca_storage::{Delivery, Part, process_time, thread_time};

use crate::definitions::{PART_CPU, PROCESS_CPU};

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
        let part = |(part, seconds)| PART_CPU.sample_of(&[part], seconds);
        let process = |(process, seconds)| PROCESS_CPU.sample_of(&[process], seconds);
        parts.map(part).into_iter().chain(processes.map(process)).collect()
    }
}
