//! What is stored is what `wca metrics` lists.

use std::collections::BTreeSet;
use std::process::Command;

use crate::setup::Setup;
use crate::task::{Task, can_make_cgroups, group};
use crate::text::families;

/// Name, kind, and labels by which a metric is divided, as the list says them.
fn listed() -> Vec<(String, String, Vec<String>)> {
    let output = Command::new(env!("CARGO_BIN_EXE_wca")).arg("metrics").output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let of = |line: &str| {
        let (name, rest) = line.split_once(" (").unwrap();
        let (kind, rest) = rest.trim_end_matches(')').split_once(", ").unwrap();
        let levels = rest.split_once(", by ").map_or("", |(_, levels)| levels);
        let levels = levels.split(", ").filter(|level| !level.is_empty()).map(str::to_owned).collect();
        (name.to_owned(), kind.to_owned(), levels)
    };
    text.lines().filter(|line| !line.starts_with(' ')).map(of).collect()
}

/// Names, types and defaults as they stand in the API of the Python agent, in that order; a type that YAML has under another
/// name is written as that.
const NUMA_ALLOCATOR: &str = "NUMAAllocator(algorithm:NUMAAlgorithm=fill_biggest_first, loop_min_task_balance:float=0.0, \
    free_space_check:bool=False, migrate_pages:bool=True, migrate_pages_min_task_balance:Union[float, NoneType]=0.95, \
    cgroups_cpus_binding:bool=True, cgroups_memory_binding:bool=False, cgroups_memory_migrate:bool=False, dryrun:bool=False)";

#[test]
fn the_constructor_of_numa_allocator_is_that_of_the_python_agent() {
    let output = Command::new(env!("CARGO_BIN_EXE_wca")).arg("components").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let algorithms = "fill_biggest_first | minimize_migrations | minimize_migration";
    let expected = NUMA_ALLOCATOR
        .replace("Union[float, NoneType]", "f64?")
        .replace("float", "f64")
        .replace("NUMAAlgorithm", algorithms)
        .replace("True", "true")
        .replace("False", "false")
        .replace(':', ": ")
        .replace('=', " = ");
    assert!(text.lines().any(|line| line == expected), "{expected}\n{text}");
    let algorithm = format!("NUMAAlgorithm: {}", algorithms.replace(" | ", ", "));
    assert!(text.lines().any(|line| line == algorithm), "{text}");
}

/// The tag that says what a word is anyway.
#[test]
fn the_algorithm_of_numa_allocator_may_have_its_tag() {
    let setup = Setup::with(
        "runner: !AllocationRunner\n  measurement_runner: !MeasurementRunner\n    action_delay: 0.1\n    node: !StaticNode {tasks: \
         []}\n    metrics_storage: !LogStorage {output_filename: FOLDER/metrics.prom}\n  allocator: !NUMAAllocator\n    algorithm: \
         !NUMAAlgorithm minimize_migrations\n    migrate_pages_min_task_balance: null\n    loop_min_task_balance: 0\n  \
         anomalies_storage: !LogStorage {output_filename: FOLDER/anomalies.prom}\n",
    );
    setup.run(&["--iterations", "2"]).ends_with(0);
    assert!(setup.read("anomalies.prom").contains("\nnuma__task_tasks_count{"));
}

#[test]
fn every_metric_that_is_stored_is_listed_with_its_kind_and_its_labels() {
    if !can_make_cgroups() {
        return;
    }
    let busy = format!("{}/busy", group("defined"));
    let _task = Task::busy(&busy);
    let setup = Setup::with(&format!(
        "runner: !AllocationRunner\n  measurement_runner: !MeasurementRunner\n    action_delay: 0.1\n    node: !StaticNode {{tasks: \
         [{busy}], default_resources: {{cpus: 1.5, mem: 1024}}}}\n    event_names: [page_faults]\n    enable_derived_metrics: \
         true\n    metrics_storage: !LogStorage {{output_filename: FOLDER/metrics.prom, overwrite: true}}\n  allocator: \
         !NOPAllocator\n  anomalies_storage: !LogStorage {{output_filename: FOLDER/anomalies.prom, overwrite: true}}\n  \
         allocations_storage: !LogStorage {{output_filename: FOLDER/allocations.prom, overwrite: true}}\n"
    ));
    setup.run(&["--iterations", "3"]).ends_with(0);
    let listed = listed();
    let mut found = BTreeSet::new();
    for file in ["metrics.prom", "anomalies.prom", "allocations.prom"] {
        for (name, kind, labels) in families(&setup.read(file)) {
            let one =
                listed.iter().find(|(listed, ..)| *listed == name).unwrap_or_else(|| panic!("{name} is not listed"));
            // As which counters are written whose names do not say it.
            let kind = if kind == "untyped" { "counter" } else { kind.as_str() };
            assert_eq!(one.1, kind, "{name}");
            let of_all = |label: &&String| !["host", "task_id", "task_name"].contains(&label.as_str());
            let own: BTreeSet<&String> = labels.iter().filter(of_all).collect();
            // A processor without a model number has no label of it.
            assert!(own.iter().all(|label| one.2.contains(label)), "{name}: {own:?}, not {:?}", one.2);
            found.insert(name);
        }
    }
    assert!(found.len() > 40 && found.contains("wca_feature_available"), "{found:?}");
}
