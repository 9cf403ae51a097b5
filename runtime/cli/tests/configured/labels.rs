//! Labels that the operator asks for, on everything that is stored.

use crate::setup::Setup;
use crate::task::{Task, can_make_cgroups, group};
use crate::text::Line;

/// A file with three storages, whose labels come from everywhere.
const YAML: &str = "\
runner: !AllocationRunner
  measurement_runner: !MeasurementRunner
    action_delay: 0.1
    node: !StaticNode
      tasks: [GROUP/web-1, GROUP/db-2]
      tasks_labels:
        GROUP/web-1: {tier: '1'}
        GROUP/db-2: {tier: gold, note: \"a \\\"b\\\"\\n\"}
      default_resources: {cpus: 2.0, mem: 1024, disk: much}
    extra_labels: {rack: '7', own_ip: !Env WCA_TEST_IP, cpus: mine}
    include_optional_labels: true
    task_label_generators:
      workload: !TaskLabelRegexGenerator {pattern: '.*/(?P<name>\\w+)-(\\d+)', repl: '\\g<name>'}
      instance: !TaskLabelRegexGenerator {pattern: '.*-', repl: '', source: task_id}
      both: !TaskLabelRegexGenerator {pattern: '$', repl: '!', source: workload}
      noted: !TaskLabelRegexGenerator {pattern: 'b', repl: 'c', source: note}
      tier: !TaskLabelResourceGenerator {resource_name: mem}
      cores: !TaskLabelResourceGenerator {resource_name: cpus}
      room: !TaskLabelResourceGenerator {resource_name: disk}
      gpus: !TaskLabelResourceGenerator {resource_name: gpus}
    metrics_storage: !LogStorage {output_filename: FOLDER/metrics.prom}
  allocator: !NOPAllocator
  anomalies_storage: !LogStorage {output_filename: FOLDER/anomalies.prom}
  allocations_storage: !LogStorage {output_filename: FOLDER/allocations.prom}
";

/// Labels by name and value; those that are not there are empty.
fn has(line: &Line, labels: &[(&str, &str)]) -> bool {
    labels.iter().all(|(name, value)| line.label(name) == *value)
}

#[test]
fn labels_are_on_everything_and_those_of_tasks_are_made_of_what_they_have() {
    if !can_make_cgroups() {
        return;
    }
    let group = group("labels");
    let (web, db) = (format!("{group}/web-1"), format!("{group}/db-2"));
    let _tasks = (Task::idle(&web), Task::idle(&db));
    let setup = Setup::with(&YAML.replace("GROUP", &group));
    let output = setup.command(&["--iterations", "3"]).env("WCA_TEST_IP", "10.0.0.9").output().unwrap();
    let finished = crate::common::Finished::of(&output);
    finished.ends_with(0);
    let said = "the label noted is not made where the task has no label note";
    assert_eq!(finished.stderr.matches(said).count(), 1, "{}", finished.stderr);
    let version = env!("CARGO_PKG_VERSION");
    let mut names = std::collections::BTreeSet::new();
    for file in ["metrics.prom", "anomalies.prom", "allocations.prom"] {
        for line in setup.lines(file) {
            let of_all = [("rack", "7"), ("own_ip", "10.0.0.9"), ("cpus", "mine"), ("wca_version", version)];
            assert!(has(&line, &of_all), "{line:?}");
            assert!(["host", "sockets", "cores"].iter().all(|label| !line.label(label).is_empty()), "{line:?}");
            names.insert(line.name.clone());
        }
    }
    for name in ["wca_up", "wca_information", "platform_mem_usage_bytes", "anomaly_count", "allocations_count"] {
        assert!(names.contains(name), "{name}: {names:?}");
    }
    let lines = setup.lines("metrics.prom");
    let of = |task: &str| lines.iter().filter(|line| line.is("task_up", "task_id", task)).cloned().collect::<Vec<_>>();
    let web_has = [
        ("workload", "web"),
        ("instance", "1"),
        ("both", "web!"),
        ("tier", "1"),
        ("note", ""),
        ("noted", ""),
        ("room", "much"),
        ("gpus", "unknown"),
    ];
    let db_has = [("workload", "db"), ("tier", "gold"), ("note", "a \"b\"\n"), ("noted", "a \"c\"\n")];
    assert!(of(&web).len() == 3 && of(&web).iter().all(|line| has(line, &web_has)), "{:?}", of(&web));
    assert!(of(&db).len() == 3 && of(&db).iter().all(|line| has(line, &db_has)), "{:?}", of(&db));
    // A label of the machine wins over a task's of that name.
    assert!(of(&web)[0].label("cores") == lines[0].label("cores"), "{:?}", of(&web));
}
