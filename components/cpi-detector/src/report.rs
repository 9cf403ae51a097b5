//! What the operator is told.

use std::collections::BTreeMap;

use wca_guest::report;
use wca_guest::types::{Contended, Key, Refusal, Sample};

use crate::cpi_detector::Config;
use crate::group::{Group, Groups};
use crate::history::Expected;
use crate::measure::Measure;
use crate::suspects::{Suffering, Suspect};
use crate::task::Task;

/// Reports that a task suffers, by whom as far as that is known, and by what that was seen.
pub(crate) fn contention(
    about: Contended,
    measure: Measure,
    suffering: &Suffering,
    culprits: &[Key],
    suspects: &[Suspect],
    tasks: &BTreeMap<Key, Task>,
) -> Result<(), Refusal> {
    let Expected { median, deviation } = suffering.expected;
    let mut evidence = vec![
        of(measure, "cpi_detector_victim_value", suffering.value).help("What the task that suffers was judged by."),
        of(measure, "cpi_detector_victim_median", median).help("Median of its group."),
        of(measure, "cpi_detector_victim_deviation", deviation).help("Deviation of its group."),
        of(measure, "cpi_detector_victim_threshold", suffering.threshold).help("Value above which it violates."),
        of(measure, "cpi_detector_victim_violations", suffering.violations as f64)
            .help("Violations of the task within the window."),
    ];
    for Suspect { key, correlation } in suspects {
        let Some(task) = tasks.get(key) else { continue };
        let sample = of(measure, "cpi_detector_correlation", *correlation)
            .label("contending_task_id", task.id.as_str())
            .help("Correlation of the culprit's usage with what the task that suffers was judged by.");
        evidence.push(sample);
    }
    report::contention(about, suffering.victim, culprits, &evidence)
}

/// What is known of groups and tasks.
pub(crate) fn state(
    measure: Measure,
    groups: &Groups,
    tasks: &BTreeMap<Key, Task>,
    config: &Config,
) -> Result<(), Refusal> {
    for group in groups.iter() {
        of_group(measure, group, config)?;
    }
    for task in tasks.values().filter(|task| task.group.is_some()) {
        let Some(sample) = task.samples().next_back().filter(|sample| sample.value.is_finite()) else { continue };
        let told = |name: &str, value: f64| {
            of(measure, name, value).label("task_id", task.id.as_str()).label("task_name", task.name.as_str())
        };
        report::metric(&told("cpi_detector_value", sample.value).help("What the task was judged by the last time."))?;
        let violations = told("cpi_detector_violations", task.violations() as f64);
        report::metric(&violations.help("Samples of the task above the threshold, within the window."))?;
    }
    Ok(())
}

fn of_group(measure: Measure, group: &Group, config: &Config) -> Result<(), Refusal> {
    let Some((Expected { median, deviation }, samples)) = group.state(measure) else { return Ok(()) };
    let told = |name: &str, value: f64, help: &str| {
        let mut sample = of(measure, name, value).help(help);
        for (name, value) in &group.labels {
            let name = label_name(name);
            // The agent sets `host`; `signal`, or two names that have become one, would be there twice.
            if name != "host" && sample.labels.iter().all(|(known, _)| *known != name) {
                sample.labels.push((name, value.clone()));
            }
        }
        report::metric(&sample)
    };
    told("cpi_detector_group_median", median, "Median of the samples of tasks with these labels, weighted by age.")?;
    told("cpi_detector_group_deviation", deviation, "Median absolute deviation of these samples, times 1.4826.")?;
    if let Some(threshold) = group.threshold(measure, config) {
        told(
            "cpi_detector_group_threshold",
            threshold,
            "Above which value a sample of tasks with these labels violates.",
        )?;
    }
    told("cpi_detector_group_samples", samples as f64, "Samples of tasks with these labels so far.")
}

/// A label's name as Prometheus takes it; orchestrators take more.
fn label_name(name: &str) -> String {
    let name: String = name.chars().map(|one| if one.is_ascii_alphanumeric() { one } else { '_' }).collect();
    let name = name.trim_start_matches('_');
    if name.starts_with(|first: char| first.is_ascii_alphabetic()) { name.to_owned() } else { format!("label_{name}") }
}

fn of(measure: Measure, name: &str, value: f64) -> Sample {
    Sample::gauge(name, value).label("signal", measure.name())
}
