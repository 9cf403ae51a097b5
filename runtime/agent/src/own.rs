//! What the agent says of itself.

use std::sync::Arc;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use wca_messages::{Changed, Cost};
use wca_model::{Label, Platform, Sample, Snapshot};
use wca_storage::Delivery;

use crate::definitions::{
    ALLOCATION_DURATION, ALLOCATION_ERRORS, ALLOCATIONS, CONFIG_HASH, CONFIG_TAKEN, CONFIG_TAKEN_AT, COOLING, DROPPED,
    ERRORS, FILES_READ, FOREIGN_WRITES, GUARDED, HELD_VALUES, INFORMATION, MEMORY, MOVED, OVERRUN, QUEUE_DEPTH,
    REVERTS, STORAGE_ERRORS, STORAGE_SECONDS, STORED, TASKS, UNCERTAIN, UP, WARNINGS,
};
use crate::durations::Durations;

/// State of the configuration, for dashboards that watch reloads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ConfigState {
    /// First 48 bits of the file's SHA-256: exact in a metric's value.
    pub(crate) hash: u64,
    /// Whether the last reading was taken.
    pub(crate) taken: bool,
    /// When it was taken last, in seconds since 1970.
    pub(crate) taken_at: f64,
}

/// Of the tick: that it happened, and of how many tasks. What the machine is gives way to `common` labels of the same name.
pub(crate) fn of_tick(snapshot: &Snapshot, cost: &Cost, common: &[Label]) -> Vec<Sample> {
    let mut machine = machine_labels(&snapshot.platform);
    machine.retain(|(name, _)| common.iter().all(|(known, _)| known != name));
    vec![
        UP.sample(snapshot.timestamp),
        TASKS.sample(from_count(snapshot.rows() as u64)),
        MEMORY.sample(from_count(own_memory() + cost.memory)),
        FILES_READ.sample(from_count(cost.files)),
        INFORMATION.labelled(machine, 1.0),
    ]
}

/// What the machine is and which version this is.
pub(crate) fn machine_labels(platform: &Platform) -> Vec<Label> {
    let number = |count: usize| count.to_string();
    let mut labels = vec![
        ("sockets".into(), number(platform.sockets())),
        ("cores".into(), number(platform.cores())),
        ("cpus".into(), number(platform.cpus.len())),
        ("wca_version".into(), env!("CARGO_PKG_VERSION").into()),
    ];
    let model = Some(platform.cpu_model.clone()).filter(|model| !model.is_empty());
    labels.extend(model.map(|model| ("cpu_model".into(), model)));
    labels.extend(platform.cpu_model_number.map(|number| ("cpu_model_number".into(), number.to_string())));
    labels
}

/// Ticks that were left out.
pub(crate) fn overrun(ticks: u64) -> Sample {
    OVERRUN.sample(from_count(ticks))
}

/// Of values that policies have changed; nothing where none ever was.
pub(crate) fn of_changes(changed: &Changed) -> Vec<Sample> {
    if *changed == Changed::default() {
        return Vec::new();
    }
    let foreign = changed.foreign_writes.iter();
    let mut samples: Vec<Sample> =
        foreign.map(|(kind, count)| FOREIGN_WRITES.sample_of(&[kind.as_str()], from_count(*count))).collect();
    samples.push(HELD_VALUES.sample(from_count(changed.held)));
    samples.push(MOVED.sample(from_count(changed.moved_bytes)));
    let reverts = changed.reverts.iter();
    samples.extend(reverts.map(|(policy, guard, count)| REVERTS.sample_of(&[policy, guard], from_count(*count))));
    let cooling = changed.cooling.iter();
    samples.extend(cooling.map(|(policy, milliseconds)| COOLING.sample_of(&[policy], from_count(*milliseconds) / 1e3)));
    let guarded = changed.guarded.iter();
    samples.extend(guarded.map(|(guard, tasks)| GUARDED.sample_of(&[guard], from_count(*tasks))));
    samples
}

/// Of steps, storages, the log and the configuration.
pub(crate) fn of_process(
    durations: &Durations,
    deliveries: &[Arc<Delivery>],
    config: Option<ConfigState>,
) -> Vec<Sample> {
    let mut samples = durations.metrics();
    samples.extend(deliveries.iter().flat_map(|delivery| of_storage(delivery)));
    for (module, counted) in wca_log::counts() {
        samples.push(WARNINGS.sample_of(&[&module], from_count(counted.warnings)));
        samples.push(ERRORS.sample_of(&[&module], from_count(counted.errors)));
    }
    samples.extend(config.iter().flat_map(of_config));
    samples
}

fn of_storage(delivery: &Delivery) -> [Sample; 6] {
    let delivered = delivery.delivered();
    [
        (&STORED, from_count(delivered.stored)),
        (&DROPPED, from_count(delivered.dropped)),
        (&UNCERTAIN, from_count(delivered.uncertain)),
        (&STORAGE_ERRORS, from_count(delivered.errors)),
        (&STORAGE_SECONDS, delivered.seconds),
        (&QUEUE_DEPTH, from_count(delivered.waiting as u64)),
    ]
    .map(|(definition, value)| definition.sample_of(&[delivery.name()], value))
}

fn of_config(config: &ConfigState) -> [Sample; 3] {
    [
        CONFIG_HASH.sample(from_count(config.hash)),
        CONFIG_TAKEN.sample(f64::from(u8::from(config.taken))),
        CONFIG_TAKEN_AT.sample(config.taken_at),
    ]
}

/// What calls of an allocator took.
pub(crate) fn of_allocation(took: Option<Duration>, count: u64, errors: u64) -> Vec<Sample> {
    let mut samples = vec![ALLOCATIONS.sample(from_count(count)), ALLOCATION_ERRORS.sample(from_count(errors))];
    samples.extend(took.map(|took| ALLOCATION_DURATION.sample(took.as_secs_f64())));
    samples
}

/// A count as the value of a metric.
pub(crate) fn from_count(count: u64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    let value = count as f64;
    value
}

/// Most bytes of memory that this process has had at once.
fn own_memory() -> u64 {
    let kibibytes = getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.max_rss());
    u64::try_from(kibibytes).unwrap_or(0) * 1024
}
