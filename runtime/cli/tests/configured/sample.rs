//! What is stored has the names, types, labels and order that readers of the predecessor's metrics know.

use std::collections::BTreeSet;

use crate::setup::Setup;
use crate::task::{Task, can_make_cgroups, group};
use crate::text::families;

#[test]
fn families_are_those_of_the_predecessor_in_its_order() {
    if !can_make_cgroups() {
        return;
    }
    let task = format!("{}/task0001", group("sample"));
    let _task = Task::idle(&task);
    let setup = Setup::with(&format!(
        "runner: !MeasurementRunner\n  action_delay: 0.05\n  vmstat: false\n  zoneinfo: false\n  node: !StaticNode {{tasks: [{task}]}}\n  metrics_storage: !LogStorage \
         {{output_filename: FOLDER/metrics.prom, overwrite: true}}\n"
    ));
    // The first tick has not slept yet.
    setup.run(&["--iterations", "2"]).ends_with(0);
    let text = setup.read("metrics.prom");
    let found = families(&text);
    let names: Vec<&str> = found.iter().map(|(name, ..)| name.as_str()).collect();
    assert!(names.is_sorted(), "{names:?}");
    let expected: Vec<&str> =
        include_str!("measurement.families").lines().filter(|line| !line.starts_with('#')).collect();
    let known: BTreeSet<&str> = expected.iter().filter_map(|line| line.split(' ').next()).collect();
    let (shown, more): (Vec<_>, Vec<_>) = found.iter().partition(|(name, ..)| known.contains(name.as_str()));
    let shown: Vec<String> =
        shown.iter().map(|(name, kind, labels)| format!("{name} {kind} {}", labels.join(","))).collect();
    assert_eq!(shown, expected);
    // What the predecessor does not have is named in its style.
    let is_styled = |name: &str| ["platform_", "task_", "wca_"].iter().any(|prefix| name.starts_with(prefix));
    assert!(more.iter().all(|(name, ..)| is_styled(name)), "{more:?}");
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
