//! Which tasks are measured.

use std::collections::BTreeSet;

use crate::setup::Setup;
use crate::task::{Task, can_make_cgroups, group};
use crate::text::Line;

/// The tasks of the last tick, by id.
fn tasks(lines: &[Line]) -> BTreeSet<String> {
    let last = lines.iter().rposition(|line| line.name == "wca_up").unwrap_or(0);
    let begin = lines[..last].iter().rposition(|line| line.name == "wca_up").unwrap_or(0);
    lines[begin..last]
        .iter()
        .filter(|line| line.name == "task_up")
        .map(|line| line.label("task_id").to_owned())
        .collect()
}

fn set(ids: &[&String]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).clone()).collect()
}

#[test]
fn listed_cgroups_are_tasks_with_their_labels_and_values() {
    if !can_make_cgroups() {
        return;
    }
    let group = group("static");
    let (busy, idle) = (format!("{group}/busy"), format!("{group}/idle"));
    let _tasks = (Task::busy(&busy), Task::idle(&idle));
    let setup = Setup::with(&format!(
        "runner: !MeasurementRunner\n  action_delay: 0.1\n  extra_labels: {{env_id: '7', host: other}}\n  node: !StaticNode\n    \
         tasks: [{idle}, {busy}]\n    default_labels: {{application: none, task_id: mine}}\n    tasks_labels:\n      {busy}: \
         {{application: loop}}\n  metrics_storage: !LogStorage {{output_filename: FOLDER/metrics.prom}}\n"
    ));
    setup.run(&["--iterations", "8"]).ends_with(0);
    let lines = setup.lines("metrics.prom");
    assert_eq!(tasks(&lines), set(&[&busy, &idle]));
    let values = |name: &str, task: &str| -> Vec<f64> {
        lines.iter().filter(|line| line.is(name, "task_id", task)).map(|line| line.value).collect()
    };
    let used = values("task_cpu_usage_seconds", &busy);
    assert!(used.len() == 8 && used.is_sorted() && used[7] - used[0] > 0.05, "{used:?}");
    // What a task that does next to nothing is charged depends on what others have read before.
    assert_eq!(values("task_mem_usage_bytes", &idle).len(), 8);
    assert_eq!(values("task_up", &idle), [1.0; 8]);
    assert_eq!(values("task_subcontainers", &idle), [0.0; 8]);
    for line in &lines {
        assert_eq!((line.label("env_id"), line.label("host")), ("7", "other"), "{line:?}");
        let application = if line.label("task_name") == busy { "loop" } else { "none" };
        assert!(!line.name.starts_with("task_") || line.label("application") == application, "{line:?}");
    }
    assert!(lines.iter().filter(|line| line.name == "wca_tasks").all(|line| line.value == 2.0));
}

#[test]
fn cgroups_that_match_a_pattern_and_none_that_excludes_them_are_tasks() {
    if !can_make_cgroups() {
        return;
    }
    let group = group("globs");
    let path = |name: &str| format!("{group}/{name}");
    let _tasks = (Task::idle(&path("a")), Task::idle(&path("b")), Task::idle(&path("c")), Task::empty(&path("d")));
    let setup = Setup::with(&format!(
        "runner: !MeasurementRunner\n  action_delay: 0.05\n  node: !CgroupNode\n    paths: [/{group}/*]\n    exclude: ['/**/b']\n    \
         labels: {{team: red}}\n  metrics_storage: !LogStorage {{output_filename: FOLDER/metrics.prom}}\n"
    ));
    setup.run(&["--iterations", "3"]).ends_with(0);
    let lines = setup.lines("metrics.prom");
    assert_eq!(tasks(&lines), set(&[&path("a"), &path("c")]));
    assert!(lines.iter().filter(|line| line.name.starts_with("task_")).all(|line| line.label("team") == "red"));
}

#[test]
fn a_listed_cgroup_is_found_when_it_comes_and_when_it_comes_again_without_a_process() {
    if !can_make_cgroups() {
        return;
    }
    let group = group("comes");
    let (stays, comes) = (format!("{group}/stays"), format!("{group}/comes"));
    let _stays = Task::idle(&stays);
    let setup = Setup::with(&format!(
        "runner: !MeasurementRunner\n  action_delay: 0.05\n  node: !StaticNode {{tasks: [{stays}, {comes}]}}\n  metrics_storage: \
         !LogStorage {{output_filename: FOLDER/metrics.prom}}\n"
    ));
    let mut started = setup.start(&[]);
    started.until_ticks("metrics.prom", 4);
    let (one, both) = (set(&[&stays]), set(&[&stays, &comes]));
    assert_eq!(tasks(&setup.lines("metrics.prom")), one);
    let first = Task::empty(&comes);
    started.until("the task has come", |setup| tasks(&setup.lines("metrics.prom")) == both);
    drop(first);
    started.until("the task has gone", |setup| tasks(&setup.lines("metrics.prom")) == one);
    let second = Task::empty(&comes);
    started.until("the task has come again", |setup| tasks(&setup.lines("metrics.prom")) == both);
    let finished = started.stop();
    finished.ends_with(0);
    drop(second);
    let said = |text: &str| finished.stderr.matches(text).count();
    let missing = format!("the task \"{comes}\" has no cgroup in any hierarchy: it is skipped until it has one");
    assert_eq!(said(&missing), 2, "{finished:#?}");
    assert_eq!(said(&format!("the task \"{comes}\" has a cgroup now")), 2, "{finished:#?}");
    assert_eq!(said(&stays), 0, "{finished:#?}");
}
