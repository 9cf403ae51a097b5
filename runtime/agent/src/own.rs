//! What the agent says of itself.

use std::sync::Arc;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use wca_messages::Cost;
use wca_model::{Label, MetricKind, Platform, Sample, Snapshot};
use wca_storage::Delivery;

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

/// Of the tick: that it happened, and of how many tasks.
pub(crate) fn of_tick(snapshot: &Snapshot, cost: &Cost) -> Vec<Sample> {
    vec![
        counter("wca_up", "Time of the last tick, in seconds since 1970.", snapshot.timestamp),
        gauge("wca_tasks", "Tasks that were found.", from_count(snapshot.rows() as u64)),
        gauge(
            "wca_mem_usage_bytes",
            "Most memory that both processes together have had at once.",
            from_count(own_memory() + cost.memory),
        ),
        information(&snapshot.platform),
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

/// Of the machine and the program, as labels.
fn information(platform: &Platform) -> Sample {
    let help = "1; the machine and the version of the agent stand in the labels.";
    Sample { labels: machine_labels(platform), ..gauge("wca_information", help, 1.0) }
}

/// Ticks that were left out.
pub(crate) fn overrun(ticks: u64) -> Sample {
    let help = "Ticks that were left out because an earlier one took too long.";
    counter("wca_ticks_overrun", help, from_count(ticks))
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
        let labels = vec![("module".into(), module)];
        let warnings = counter("wca_warning_count", "Warnings in the log.", from_count(counted.warnings));
        samples.push(Sample { labels: labels.clone(), ..warnings });
        let errors = counter("wca_error_count", "Errors in the log.", from_count(counted.errors));
        samples.push(Sample { labels, ..errors });
    }
    samples.extend(config.iter().flat_map(of_config));
    samples
}

fn of_storage(delivery: &Delivery) -> [Sample; 3] {
    let delivered = delivery.delivered();
    let sample = |name: &str, help: &str, count: u64| Sample {
        labels: vec![("storage".into(), delivery.name().into())],
        ..counter(name, help, from_count(count))
    };
    [
        sample("wca_storage_stored_samples", "Samples that the storage took.", delivered.stored),
        sample("wca_storage_dropped_samples", "Samples that were lost on the way.", delivered.dropped),
        sample("wca_storage_errors", "Batches that the storage did not take.", delivered.errors),
    ]
}

fn of_config(config: &ConfigState) -> [Sample; 3] {
    [
        gauge("wca_config_hash", "First 48 bits of the configuration's SHA-256.", from_count(config.hash)),
        gauge(
            "wca_config_last_reload_success",
            "Whether the configuration that was read last is in force.",
            f64::from(u8::from(config.taken)),
        ),
        gauge(
            "wca_config_last_reload_success_timestamp_seconds",
            "When a configuration came into force last, in seconds since 1970.",
            config.taken_at,
        ),
    ]
}

/// What calls of an allocator took.
pub(crate) fn of_allocation(took: Option<Duration>, count: u64, errors: u64) -> Vec<Sample> {
    let mut samples = vec![
        counter("allocations_count", "Tasks for which something was asked.", from_count(count)),
        counter("allocations_errors", "Requests that were refused or failed.", from_count(errors)),
    ];
    let help = "Seconds that the allocator's last call took.";
    samples.extend(took.map(|took| gauge("allocation_duration", help, took.as_secs_f64())));
    samples
}

pub(crate) fn gauge(name: &str, help: &str, value: f64) -> Sample {
    Sample { name: name.into(), labels: Vec::new(), value, kind: MetricKind::Gauge, help: help.into() }
}

pub(crate) fn counter(name: &str, help: &str, value: f64) -> Sample {
    Sample { kind: MetricKind::Counter, ..gauge(name, help, value) }
}

fn from_count(count: u64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    let value = count as f64;
    value
}

/// Most bytes of memory that this process has had at once.
fn own_memory() -> u64 {
    let kibibytes = getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.max_rss());
    u64::try_from(kibibytes).unwrap_or(0) * 1024
}
