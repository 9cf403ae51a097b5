//! What is stored has the names, types, labels and order that readers of the predecessor's metrics know.

use std::collections::BTreeSet;

use crate::setup::Setup;
use crate::task::{Task, can_make_cgroups, group};
use crate::text::families;

/// Families of the agent's own, which the predecessor does not have.
const OWN: [&str; 7] = [
    "wca_config_hash",
    "wca_config_last_reload_success",
    "wca_config_last_reload_success_timestamp_seconds",
    "wca_storage_dropped_samples",
    "wca_storage_errors",
    "wca_storage_stored_samples",
    "wca_ticks_overrun",
];

#[test]
fn families_are_those_of_the_predecessor_in_its_order() {
    if !can_make_cgroups() {
        return;
    }
    let task = format!("{}/task0001", group("sample"));
    let _task = Task::idle(&task);
    let setup = Setup::with(&format!(
        "runner: !MeasurementRunner\n  action_delay: 0.05\n  node: !StaticNode {{tasks: [{task}]}}\n  metrics_storage: !LogStorage \
         {{output_filename: FOLDER/metrics.prom, overwrite: true}}\n"
    ));
    // The first tick has not slept yet.
    setup.run(&["--iterations", "2"]).ends_with(0);
    let text = setup.read("metrics.prom");
    let found = families(&text);
    let names: Vec<&str> = found.iter().map(|(name, ..)| name.as_str()).collect();
    assert!(names.is_sorted(), "{names:?}");
    let is_own = |name: &str| OWN.contains(&name);
    let shown = found.iter().filter(|(name, ..)| !is_own(name));
    let shown: Vec<String> = shown.map(|(name, kind, labels)| format!("{name} {kind} {}", labels.join(","))).collect();
    let expected: Vec<&str> =
        include_str!("measurement.families").lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(shown, expected);
    let functions: BTreeSet<String> = setup
        .lines("metrics.prom")
        .iter()
        .filter(|line| line.name == "wca_duration_seconds")
        .map(|line| line.label("function").to_owned())
        .collect();
    let known = ["collect_platform_information", "iteration", "prepare_tasks_data", "sleep", "sync_containers_state"];
    assert_eq!(functions, known.map(str::to_owned).into());
    // Headers and samples as its readers expect them.
    let without = format!("task_subcontainers{{host=\"{}\",task_id=\"{task}\",task_name=\"{task}\"}} 0\n", host(&text));
    assert!(text.contains(&format!("\n# TYPE task_subcontainers gauge\n{without}")), "{text}");
}

fn host(text: &str) -> String {
    crate::text::lines(text)[0].label("host").to_owned()
}
