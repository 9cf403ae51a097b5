//! What storages write.

use std::collections::BTreeSet;

use crate::setup::Setup;
use crate::text::{Line, lines};

const NODE: &str = "runner: !MeasurementRunner\n  node: !StaticNode {tasks: []}\n  action_delay: 0.05\n";

fn measured(storage: &str) -> Setup {
    Setup::with(&format!("{NODE}  metrics_storage: {storage}\n"))
}

fn count(lines: &[Line], name: &str) -> usize {
    lines.iter().filter(|line| line.name == name).count()
}

#[test]
fn a_file_grows_by_each_tick_with_the_time_of_its_snapshot() {
    let setup = measured("!LogStorage {output_filename: FOLDER/metrics.prom}");
    std::fs::write(setup.path("metrics.prom"), "# what was there\n").unwrap();
    setup.run(&["--iterations", "3"]).ends_with(0);
    let text = setup.read("metrics.prom");
    assert!(text.starts_with("# what was there\n# HELP platform_cpu_usage "), "{text}");
    assert!(text.ends_with("\n\n"));
    let lines = lines(&text);
    let ups: Vec<&Line> = lines.iter().filter(|line| line.name == "wca_up").collect();
    assert_eq!(ups.len(), 3);
    let mut times = BTreeSet::new();
    for up in ups {
        #[allow(clippy::cast_possible_truncation, reason = "milliseconds since 1970")]
        let timestamp = (up.value * 1000.0).round() as i64;
        assert_eq!(up.timestamp, Some(timestamp));
        assert!(lines.iter().filter(|line| line.timestamp == Some(timestamp)).count() > 20);
        times.insert(timestamp);
    }
    assert!(lines.iter().all(|line| line.timestamp.is_some_and(|timestamp| times.contains(&timestamp))));
}

#[test]
fn a_file_that_is_overwritten_has_one_tick_without_times_at_any_moment() {
    let setup = measured("!LogStorage {output_filename: FOLDER/metrics.prom, overwrite: true}");
    let mut started = setup.start(&["--iterations", "12"]);
    let mut values = BTreeSet::new();
    started.until("many contents", |setup| {
        let text = setup.read("metrics.prom");
        if !text.is_empty() {
            let lines = lines(&text);
            assert_eq!((count(&lines, "wca_up"), count(&lines, "wca_warning_count") > 0), (1, true), "{text}");
            assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{text}");
            assert!(lines.iter().all(|line| line.timestamp.is_none()));
            values.insert(text.len());
            values.extend(lines.iter().filter(|line| line.name == "wca_up").map(|line| line.value.to_bits() as usize));
        }
        values.len() > 6
    });
    started.finish().ends_with(0);
    let mut files: Vec<_> = std::fs::read_dir(setup.folder()).unwrap().map(|file| file.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["config.yaml", "metrics.prom", "run", "stderr", "stdout"], "nothing is left beside it");
}

#[test]
fn times_and_labels_as_the_file_says() {
    let cases: [(&str, bool, Option<&[&str]>); 4] = [
        ("{output_filename: FOLDER/metrics.prom, overwrite: true, include_timestamp: true}", true, None),
        ("{output_filename: FOLDER/metrics.prom, include_timestamp: false}", false, None),
        ("{output_filename: FOLDER/metrics.prom, filter_labels: [cpu, module]}", true, Some(&["cpu", "module"])),
        ("{output_filename: FOLDER/metrics.prom, filter_labels: []}", true, Some(&[])),
    ];
    for (arguments, has_times, labels) in cases {
        let setup = measured(&format!("!LogStorage {arguments}"));
        setup.run(&["--iterations", "1"]).ends_with(0);
        let lines = setup.lines("metrics.prom");
        assert!(lines.len() > 20, "{arguments}");
        for line in &lines {
            assert_eq!(line.timestamp.is_some(), has_times, "{arguments}: {line:?}");
            let is_written = |name: &str| labels.is_none_or(|labels| labels.contains(&name));
            assert!(line.labels.iter().all(|(name, _)| is_written(name)), "{arguments}: {line:?}");
        }
        let has = |label: &str| lines.iter().any(|line| !line.label(label).is_empty());
        assert_eq!((has("host"), has("cpu")), (labels.is_none(), labels != Some(&[])), "{arguments}");
    }
}

#[test]
fn a_filter_and_another_way_lead_to_one_storage_by_its_alias() {
    let setup = Setup::with(
        "runner: !DetectionRunner\n  measurement_runner: !MeasurementRunner\n    node: !StaticNode {tasks: []}\n    \
         action_delay: 0.05\n    metrics_storage: !FilterStorage\n      filter: [wca_up, platform_cpu_usage]\n      \
         storages:\n      - &log !LogStorage {output_filename: FOLDER/metrics.prom}\n      - !FilterStorage\n        \
         filter: [platform_cpu_usage, wca_tasks]\n        storages: [!LogStorage {output_filename: FOLDER/inner.prom}]\n  \
         detector: !NOPAnomalyDetector\n  anomalies_storage: *log\n",
    );
    setup.run(&["--iterations", "2"]).ends_with(0);
    let names = |file: &str| setup.lines(file).into_iter().map(|line| line.name).collect::<BTreeSet<_>>();
    let expected = ["anomaly_count", "platform_cpu_usage", "wca_up"];
    assert_eq!(names("metrics.prom"), expected.map(str::to_owned).into());
    assert_eq!(names("inner.prom"), ["platform_cpu_usage".to_owned()].into());
    assert_eq!(count(&setup.lines("metrics.prom"), "wca_up"), 2);
    assert_eq!(count(&setup.lines("metrics.prom"), "anomaly_count"), 2);
}

#[test]
fn what_is_counted_of_storages_of_one_kind_is_told_apart() {
    let setup = Setup::with(
        "runner: !DetectionRunner\n  measurement_runner: !MeasurementRunner\n    node: !StaticNode {tasks: []}\n    \
         action_delay: 0.05\n    metrics_storage: !FilterStorage\n      storages: [!LogStorage , !LogStorage ,\n        \
         !LogStorage {output_filename: FOLDER/metrics.prom}]\n  detector: !NOPAnomalyDetector\n",
    );
    setup.run(&["--iterations", "2"]).ends_with(0);
    let lines = setup.lines("metrics.prom");
    let stored = lines.iter().filter(|line| line.name == "wca_storage_stored_samples");
    let names: BTreeSet<String> = stored.map(|line| line.label("storage").to_owned()).collect();
    let file = format!("LogStorage({}/metrics.prom)", setup.folder().display());
    let expected = ["LogStorage", "LogStorage-2", "LogStorage-3", &file];
    assert_eq!(names, expected.map(str::to_owned).into());
}

#[test]
fn a_storage_that_fails_costs_what_it_was_given_and_nothing_else() {
    let setup = measured(
        "!FilterStorage {storages: [!LogStorage {output_filename: /dev/full, retry_timeout_in_seconds: 0}, !LogStorage \
         {output_filename: FOLDER/metrics.prom}]}",
    );
    let finished = setup.run(&["--iterations", "4"]);
    finished.ends_with(0);
    finished.says("LogStorage(/dev/full): not stored: /dev/full: No space left on device (os error 28)\n");
    let lines = setup.lines("metrics.prom");
    assert_eq!(count(&lines, "wca_up"), 4);
    let last = |name: &str| lines.iter().rfind(|line| line.is(name, "storage", "LogStorage(/dev/full)")).unwrap().value;
    assert!(last("wca_storage_errors") >= 2.0 && last("wca_storage_dropped_samples") > 40.0);
    let errors = lines.iter().rfind(|line| line.is("wca_error_count", "module", "wca.storage")).unwrap();
    assert!(errors.value >= 2.0, "{errors:?}");
}

#[test]
fn a_storage_that_fails_can_end_the_agent() {
    let setup = measured(
        "!FilterStorage {storages: [!LogStorage {output_filename: FOLDER/metrics.prom}, !LogStorage {output_filename: \
         /dev/full, on_failure: exit, retry_timeout_in_seconds: 0.25}]}",
    );
    let finished = setup.run(&["--iterations", "100000"]);
    finished.ends_with(1).says("LogStorage(/dev/full): its metrics could not be stored, after which the agent ends");
    assert!(count(&setup.lines("metrics.prom"), "wca_up") > 1);
}

#[test]
fn a_storage_that_fails_can_hold_ticks_up_until_it_takes_them() {
    let setup = measured(
        "!FilterStorage {storages: [!LogStorage {output_filename: FOLDER/metrics.prom}, !LogStorage {output_filename: \
         /dev/full, on_failure: block, queue_batches: 2, retry_timeout_in_seconds: 0}]}",
    );
    let mut started = setup.start(&[]);
    // One that is tried, two that wait, and one for which there is no room.
    started.until_ticks("metrics.prom", 4);
    std::thread::sleep(std::time::Duration::from_millis(500));
    let lines = setup.lines("metrics.prom");
    assert_eq!(count(&lines, "wca_up"), 4);
    let last = |name: &str| lines.iter().rfind(|line| line.is(name, "storage", "LogStorage(/dev/full)")).unwrap().value;
    assert!(last("wca_storage_queue_depth") >= 1.0 && last("wca_storage_dropped_samples") == 0.0, "{lines:#?}");
    started.stop().ends_with(0).says("LogStorage(/dev/full): not everything was stored within 5s");
}

#[test]
fn a_reload_ends_the_wait_for_a_storage_that_takes_nothing() {
    let storages = |on_failure: &str| {
        format!(
            "{NODE}  metrics_storage: !FilterStorage {{storages: [!LogStorage {{output_filename: FOLDER/metrics.prom}}, \
             !LogStorage {{output_filename: /dev/full, on_failure: {on_failure}, queue_batches: 1}}]}}\n"
        )
    };
    let setup = Setup::with(&storages("block"));
    let mut started = setup.start(&[]);
    started.until("a wait", |setup| setup.read("stderr").contains("iterations wait until it has taken some"));
    let ticks = count(&setup.lines("metrics.prom"), "wca_up");
    setup.configure(&storages("drop"));
    setup.reload().ends_with(0);
    started.until_ticks("metrics.prom", ticks + 3);
    started.stop().ends_with(0);
    let overrun = setup.lines("metrics.prom").into_iter().rfind(|line| line.name == "wca_ticks_overrun").unwrap();
    assert!(overrun.value > 0.0, "{overrun:?}");
}

#[test]
fn names_that_are_too_much_together_are_told_in_their_line() {
    let name = format!("\n    - '{}'", "*?".repeat(195));
    let setup =
        measured(&format!("!FilterStorage\n    storages: [!LogStorage ]\n    filter:\n    - x{}", name.repeat(800)));
    let finished = setup.run(&["--iterations", "1"]);
    finished.ends_with(1).says("`!FilterStorage`: the 801 names together: ").says("config.yaml:7:");
}

#[test]
fn a_filter_chooses_by_patterns_of_names_and_by_labels() {
    let setup = measured(
        "!FilterStorage {filter: ['wca_duration_*', platform_cpu_usage], labels: {cpu: '0?', function: 's.*|'}, storages: \
         [!LogStorage {output_filename: FOLDER/metrics.prom}]}",
    );
    setup.run(&["--iterations", "2"]).ends_with(0);
    let lines = setup.lines("metrics.prom");
    let found: BTreeSet<[&str; 3]> =
        lines.iter().map(|line| [line.name.as_str(), line.label("cpu"), line.label("function")]).collect();
    for expected in [
        ["platform_cpu_usage", "0", ""],
        ["wca_duration_seconds", "", "sync_containers_state"],
        ["wca_duration_seconds_avg", "", "sync_containers_state"],
    ] {
        assert!(found.contains(&expected), "{found:?}");
    }
    let is_chosen = |[name, cpu, function]: &[&str; 3]| match *name {
        "platform_cpu_usage" => *cpu == "0" && function.is_empty(),
        name => name.starts_with("wca_duration_") && function.starts_with('s'),
    };
    assert!(found.iter().all(is_chosen), "{found:?}");
}
