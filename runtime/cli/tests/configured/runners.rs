//! Runners of each kind.

use crate::common::component;
use crate::setup::Setup;
use crate::task::{Task, can_make_cgroups, group};
use crate::text::Line;

fn values(lines: &[Line], name: &str) -> Vec<f64> {
    lines.iter().filter(|line| line.name == name).map(|line| line.value).collect()
}

#[test]
fn a_detector_finds_the_busy_task_and_its_anomalies_are_stored() {
    if !can_make_cgroups() {
        return;
    }
    let busy = format!("{}/busy", group("detect"));
    let _task = Task::busy(&busy);
    let setup = Setup::with(&format!(
        "runner: !DetectionRunner\n  measurement_runner: !MeasurementRunner\n    action_delay: 0.1\n    node: !StaticNode {{tasks: \
         [{busy}]}}\n    metrics_storage: !LogStorage {{output_filename: FOLDER/metrics.prom}}\n  detector: !BusyTask {{threshold: \
         0.0, ticks: 1}}\n  anomalies_storage: !LogStorage {{output_filename: FOLDER/anomalies.prom}}\n"
    ));
    setup.run(&["--iterations", "10"]).ends_with(0);
    let (metrics, anomalies) = (setup.lines("metrics.prom"), setup.lines("anomalies.prom"));
    assert_eq!(values(&metrics, "wca_up").len(), 10);
    let calls: Vec<f64> = values(&metrics, "wca_policy_calls");
    assert!(calls.is_sorted() && calls[9] >= 9.0, "{calls:?}");
    assert!(values(&metrics, "anomaly_count").is_empty(), "they go to their own storage");
    let counts = values(&anomalies, "anomaly_count");
    assert!(counts.len() == 10 && counts.is_sorted() && counts[0] == 0.0 && counts[9] >= 3.0, "{counts:?}");
    let found: Vec<&Line> = anomalies.iter().filter(|line| line.name == "busy_task_ticks").collect();
    assert!(
        found.iter().all(|line| line.label("contended_task_id") == busy && !line.label("host").is_empty()),
        "{found:?}"
    );
    #[allow(clippy::cast_precision_loss, reason = "small")]
    let all = found.len() as f64;
    assert_eq!(all, counts[9]);
    let last = values(&anomalies, "anomaly_last_occurrence");
    assert!(values(&metrics, "wca_up").contains(last.last().unwrap()), "the time of a tick");
    assert!(metrics.iter().any(|line| line.is("wca_duration_seconds", "function", "detect")));
}

#[test]
fn an_allocator_is_called_and_what_it_asks_for_is_counted() {
    let setup = Setup::with(
        "runner: !AllocationRunner\n  measurement_runner: !MeasurementRunner\n    action_delay: 0.05\n    node: !CgroupNode \n    \
         metrics_storage: !LogStorage {output_filename: FOLDER/metrics.prom}\n  allocator: !NOPAllocator\n  anomalies_storage: \
         !LogStorage {output_filename: FOLDER/anomalies.prom}\n  allocations_storage: !LogStorage {output_filename: \
         FOLDER/allocations.prom}\n",
    );
    setup.run(&["--iterations", "4"]).ends_with(0);
    let allocations = setup.lines("allocations.prom");
    assert_eq!(values(&allocations, "allocations_count"), [0.0; 4]);
    assert_eq!(values(&allocations, "allocations_errors"), [0.0; 4]);
    let took = values(&allocations, "allocation_duration");
    assert!(took.len() == 4 && took.iter().all(|seconds| (0.0..5.0).contains(seconds)), "{took:?}");
    assert_eq!(values(&setup.lines("anomalies.prom"), "anomaly_count"), [0.0; 4]);
    assert_eq!(values(&setup.lines("metrics.prom"), "wca_up").len(), 4);
    assert!(setup.lines("metrics.prom").iter().any(|line| line.is("wca_duration_seconds", "function", "allocate")));
}

/// A file whose runner is a component that measures, decides and stores by itself.
fn measurer(arguments: &str) -> Setup {
    let component = component("tests/guests/measurer/measurer.wasm");
    Setup::with(&format!(
        "components:\n  Measurer: {{path: {component}}}\nrunner: !Measurer\n  measurement_runner: !MeasurementRunner\n    \
         action_delay: 0.05\n    node: !CgroupNode \n    metrics_storage: !LogStorage {{output_filename: FOLDER/metrics.prom}}\n  \
         detector: !NOPAnomalyDetector\n  anomalies_storage: !LogStorage {{output_filename: FOLDER/anomalies.prom}}\n{arguments}"
    ))
}

#[test]
fn a_runner_that_is_a_component_measures_decides_stores_and_waits() {
    let setup = measurer("  ticks: 3\n");
    setup.run(&[]).ends_with(0);
    let metrics = setup.lines("metrics.prom");
    assert_eq!(values(&metrics, "measurer_tick"), [1.0, 2.0, 3.0]);
    assert_eq!(values(&metrics, "measurer_tasks"), values(&metrics, "wca_tasks"));
    let ups = values(&metrics, "wca_up");
    assert!(ups.len() == 3 && ups[2] - ups[0] > 0.05, "{ups:?}");
    assert_eq!(values(&metrics, "wca_policy_calls"), [1.0, 2.0, 3.0]);
    assert_eq!(values(&setup.lines("anomalies.prom"), "anomaly_count"), [0.0; 3]);
}

#[test]
fn a_runner_that_is_a_component_ends_when_it_is_told_to() {
    let setup = measurer("");
    let mut started = setup.start(&[]);
    started.until_ticks("metrics.prom", 3);
    started.stop().ends_with(0);
    let text = setup.read("metrics.prom");
    assert!(text.ends_with("\n\n"), "the last tick is stored whole");
}

#[test]
fn what_is_around_a_runner_that_is_a_component_can_change_and_it_goes_on() {
    let setup = measurer("");
    let mut started = setup.start(&[]);
    started.until_ticks("metrics.prom", 3);
    let yaml = setup.read("config.yaml");
    setup.configure(&yaml.replace("action_delay: 0.05", "action_delay: 0.04\n    extra_labels: {again: 'yes'}"));
    setup.reload().ends_with(0);
    started.until("the new label", |setup| setup.lines("metrics.prom").iter().any(|line| line.label("again") == "yes"));
    setup.configure(&format!("{yaml}  ticks: 7\n"));
    setup.reload().ends_with(1).says("another one, or other arguments, take a new start");
    started.stop().ends_with(0);
    let ticks = values(&setup.lines("metrics.prom"), "measurer_tick");
    assert!(ticks.windows(2).all(|pair| pair[1] > pair[0]), "{ticks:?}");
}

#[test]
fn a_reload_takes_a_storage_out_that_a_runner_waits_for() {
    let component = component("tests/guests/measurer/measurer.wasm");
    let file = |on_failure: &str| {
        format!(
            "components:\n  Measurer: {{path: {component}}}\nrunner: !Measurer\n  measurement_runner: !MeasurementRunner\n    \
             action_delay: 0.05\n    node: !StaticNode {{tasks: []}}\n    metrics_storage: !FilterStorage\n      storages: \
             [!LogStorage {{output_filename: FOLDER/metrics.prom}}, &full !LogStorage {{output_filename: /dev/full, on_failure: \
             {on_failure}, queue_batches: 1}}]\n  detector: !NOPAnomalyDetector\n  anomalies_storage: *full\n"
        )
    };
    let setup = Setup::with(&file("block"));
    let mut started = setup.start(&[]);
    started.until("a wait", |setup| setup.read("stderr").contains("iterations wait until it has taken some"));
    // What a tick brings comes as a whole: the first two are there, and the third waits.
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(values(&setup.lines("metrics.prom"), "measurer_tick"), [1.0, 2.0]);
    setup.configure(&file("drop"));
    setup.reload().ends_with(0);
    started.until_ticks("metrics.prom", 5);
    started.stop().ends_with(0);
}

#[test]
fn a_runner_that_fails_ends_the_program_with_its_words() {
    measurer("  hasty: true\n")
        .run(&[])
        .ends_with(1)
        .says("wca: Measurer: it reported: `node.store` before the first `node.measure`");
}

#[test]
fn a_delay_of_null_is_one_iteration() {
    for delay in ["action_delay", "interval"] {
        let setup = Setup::with(&format!(
            "runner: !MeasurementRunner\n  {delay}: null\n  node: !CgroupNode \n  metrics_storage: !LogStorage {{output_filename: \
             FOLDER/metrics.prom}}\n"
        ));
        let finished = setup.run(&[]);
        finished.ends_with(0);
        assert_eq!(values(&setup.lines("metrics.prom"), "wca_up").len(), 1, "{finished:?}");
    }
}

#[test]
fn a_delay_of_zero_does_not_wait() {
    let setup = Setup::with(
        "runner: !MeasurementRunner\n  action_delay: 0\n  node: !StaticNode {tasks: []}\n  metrics_storage: !LogStorage \
         {output_filename: FOLDER/metrics.prom}\n",
    );
    setup.run(&["--iterations", "20"]).ends_with(0);
    let lines = setup.lines("metrics.prom");
    assert_eq!(values(&lines, "wca_up").len(), 20);
    assert_eq!(values(&lines, "wca_ticks_overrun"), [0.0; 20]);
}
