//! docs/differences.md is true: each row names tests that there are, and those that no other crate has stand here.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on fails, and one that cannot be run says why"
)]

mod common;

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Finished, Wca, repository};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use wca_kernel::{Hierarchies, Roots, Scratch};

/// A configuration, its run, and the file to which its `OUT` leads.
struct Case {
    folder: TempDir,
    wca: Wca,
}

impl Case {
    /// The file with the text, in which `OUT` stands for a path.
    fn new(text: &str) -> Self {
        let case = Self { folder: tempfile::tempdir().unwrap(), wca: Wca::new() };
        fs::write(case.path("config.yaml"), text.replace("OUT", &case.path("out.prom"))).unwrap();
        case
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn command(&self, more: &[&str]) -> Command {
        let config = self.path("config.yaml");
        let mut command = self.wca.command("run", &[&["-c", &config, "--root"], more].concat());
        command.env_remove("NOT_SET");
        command
    }

    fn run(&self, more: &[&str]) -> Finished {
        Finished::of(&self.command(more).output().unwrap())
    }

    /// What was stored so far.
    fn stored(&self) -> String {
        fs::read_to_string(self.path("out.prom")).unwrap_or_default()
    }
}

/// The last value of a series in the text, and its timestamp where it has one.
fn value(text: &str, series: &str) -> (f64, Option<i64>) {
    let found = text.lines().rev().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    let (value, timestamp) = match found.unwrap_or_else(|| panic!("no {series} in {text}")).split_once(' ') {
        Some((value, timestamp)) => (value, Some(timestamp)),
        None => (found.unwrap_or_default(), None),
    };
    (value.parse().unwrap(), timestamp.map(|timestamp| timestamp.parse().unwrap()))
}

/// Metrics without the name of this machine.
const MEASURED: &str = "runner: !MeasurementRunner
  node: !StaticNode {tasks: []}
  extra_labels: {host: h}
  metrics_storage: !LogStorage {output_filename: OUT}
";

#[test]
fn every_row_names_tests_that_there_are() {
    let page = fs::read_to_string(repository("docs/differences.md")).unwrap();
    // Another table follows, of names, for which `wca metrics` has a test.
    let (rows, _) = page.split_once("\n## ").unwrap();
    let mut count = 0;
    for row in rows.lines().filter(|line| line.starts_with("| ")).skip(1) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        assert_eq!(cells.len(), 4, "{row}");
        let tests: Vec<&str> = cells[3].split('`').skip(1).step_by(2).filter(|test| test.contains("::")).collect();
        assert!(!tests.is_empty(), "no test: {row}");
        for test in tests {
            let (path, name) = test.split_once("::").unwrap();
            let file = fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
            let (before, _) = file.split_once(&format!("fn {name}(")).unwrap_or_else(|| panic!("{test} is not there"));
            let (_, attributes) = before.rsplit_once("\n\n").unwrap();
            let is_test = ["#[test]", "#[rstest]", "#[tokio::test]"].iter().any(|known| attributes.contains(known));
            assert!(is_test, "{test} is no test");
        }
        count += 1;
    }
    assert!(count > 20, "{count} rows");
}

#[test]
fn a_relative_path_is_taken_from_the_working_directory() {
    let case = Case::new(
        "runner: !MeasurementRunner\n  node: !CgroupNode\n  metrics_storage: !LogStorage {output_filename: out.prom}\n",
    );
    let mut command = case.wca.command("run", &["-c", "config.yaml", "--root", "--iterations", "1"]);
    Finished::of(&command.current_dir(case.folder.path()).output().unwrap()).ends_with(0);
    assert!(case.stored().contains("\nwca_up{"));
}

#[test]
fn what_was_measured_is_stored_before_the_wait_and_a_signal_ends_it_in_order() {
    let case = Case::new(&format!("{MEASURED}  action_delay: 60\n"));
    let begun = Instant::now();
    let mut child = case.command(&[]).stderr(Stdio::null()).spawn().unwrap();
    while !case.stored().contains("wca_warning_count") {
        assert!(begun.elapsed() < Duration::from_secs(50), "nothing is stored");
        std::thread::sleep(Duration::from_millis(20));
    }
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(55), "it waited for the next iteration");
    assert_eq!(case.stored().matches("# TYPE wca_up counter\n").count(), 1);
}

#[test]
fn a_start_that_fails_is_never_0() {
    let runner =
        |runner: &str| format!("runner: !{runner}\n  measurement_runner: !MeasurementRunner\n    node: !CgroupNode\n");
    let detection = |more: &str| format!("{}{more}\n", runner("DetectionRunner"));
    let allocation = |more: &str| format!("{}  allocator: !NOPAllocator\n{more}\n", runner("AllocationRunner"));
    let cases = [
        (
            detection("  detector: !BusyTask {threshold: -1.0}"),
            "error: `!BusyTask` refuses its arguments: threshold -1: a number of cores, 0 or more\n",
        ),
        (detection("  detector: !NOPAllocator"), "`!NOPAllocator` is an allocator"),
        (
            allocation("  allocations_storage: !LogStorage {output_filename: /no/such/folder/file}"),
            "wca: /no/such/folder/file cannot be written: No such file or directory (os error 2)\n",
        ),
        ("other: 1\n".into(), "`other`"),
    ];
    for (text, said) in cases {
        Case::new(&text).run(&["--iterations", "1"]).ends_with(1).says(said);
    }
    let nowhere = Wca::new().run("run", &["-c", "/no/such.yaml", "--root"]);
    nowhere.ends_with(1).says("wca: /no/such.yaml: it cannot be opened: No such file or directory (os error 2)\n");
    if rustix::process::geteuid().is_root() {
        let case = Case::new(MEASURED);
        case.wca.run("run", &["-c", &case.path("config.yaml")]).ends_with(2).says("add --root");
    }
}

#[test]
fn the_duration_of_an_iteration_is_without_the_sleep() {
    let case = Case::new(&format!("{MEASURED}  interval: 3\n"));
    case.run(&["--iterations", "2"]).ends_with(0);
    let (iteration, _) = value(&case.stored(), "wca_duration_seconds{function=\"iteration\",host=\"h\"}");
    assert!(iteration < 2.5, "{iteration}");
    let (sleep, _) = value(&case.stored(), "wca_duration_seconds{function=\"sleep\",host=\"h\"}");
    assert!(sleep < 3.0 + iteration, "{sleep}");
}

#[test]
fn timestamps_are_those_of_the_snapshot() {
    let case = Case::new(MEASURED);
    case.run(&["--iterations", "1"]).ends_with(0);
    let stored = case.stored();
    let (up, timestamp) = value(&stored, "wca_up{host=\"h\"}");
    let samples: Vec<&str> = stored.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let expected = format!(" {:.0}", (up * 1000.0).round());
    assert_eq!(timestamp.map(|timestamp| format!(" {timestamp}")), Some(expected.clone()));
    assert!(samples.iter().all(|sample| sample.ends_with(&expected)), "{stored}");
}

/// A label from a variable that is not set is a warning.
const WARNS: &str = "runner: !MeasurementRunner
  node: !StaticNode {tasks: []}
  extra_labels: {host: h, ip: !Env NOT_SET}
  metrics_storage: !LogStorage {output_filename: OUT}
";

#[test]
fn the_log_goes_to_standard_error_and_its_warnings_are_counted_by_module() {
    let case = Case::new(WARNS);
    let finished = case.run(&["--iterations", "1"]);
    finished.ends_with(0).says("the environment has no variable `NOT_SET`: an empty text stands for it\n");
    assert_eq!(finished.stdout, "");
    let stored = case.stored();
    assert_eq!(
        value(&stored, "wca_warning_count{host=\"h\",ip=\"\",module=\"wca.agent\"}").0.to_bits(),
        1.0f64.to_bits()
    );
    assert_eq!(
        value(&stored, "wca_error_count{host=\"h\",ip=\"\",module=\"wca.agent\"}").0.to_bits(),
        0.0f64.to_bits()
    );
}

#[test]
fn a_storage_that_fails_does_not_end_the_agent() {
    let case = Case::new(&WARNS.replace("OUT", "/dev/full, retry_timeout_in_seconds: 0"));
    let finished = case.run(&["--iterations", "2", "--log", "critical"]);
    finished
        .ends_with(0)
        .says("ERROR LogStorage(/dev/full): not stored: /dev/full: No space left on device (os error 28)\n");
    // What was critical is an error here, and a warning is less.
    assert!(!finished.stderr.contains("WARN"), "{finished:#?}");
}

#[test]
fn null_is_one_iteration_without_a_wait() {
    let case = Case::new(&format!("{MEASURED}  action_delay: null\n"));
    case.run(&[]).ends_with(0);
    assert_eq!(case.stored().matches("# TYPE wca_up counter\n").count(), 1);
}

#[test]
fn three_metrics_have_their_first_names_where_asked() {
    let names = |text: &str| -> Vec<String> {
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
        types.map(str::to_owned).collect()
    };
    let (now, first) = (Case::new(MEASURED), Case::new(&format!("{MEASURED}  metric_names: original\n")));
    for case in [&now, &first] {
        case.run(&["--iterations", "1"]).ends_with(0);
    }
    let (now, first) = (names(&now.stored()), names(&first.stored()));
    let only = |ours: &[String], others: &[String]| -> Vec<String> {
        ours.iter().filter(|name| !others.contains(name)).cloned().collect()
    };
    assert_eq!(only(&now, &first), ["platform_cpu_usage", "platform_mem_usage_bytes", "wca_mem_usage_bytes"]);
    assert_eq!(only(&first, &now), ["cpu_usage_per_cpu", "memory_usage", "wca_memory_usage_bytes"]);
}

#[test]
fn anomalies_are_counted_by_policy() {
    let case = Case::new(
        "runner: !DetectionRunner
  measurement_runner: !MeasurementRunner
    node: !StaticNode {tasks: []}
    extra_labels: {host: h}
  detector: !NOPAnomalyDetector
  anomalies_storage: !LogStorage {output_filename: OUT, include_timestamp: false}
",
    );
    case.run(&["--iterations", "1"]).ends_with(0);
    assert_eq!(
        case.stored(),
        "# HELP anomaly_count Anomalies that the policy reported.\n\
         # TYPE anomaly_count counter\n\
         anomaly_count{host=\"h\",policy=\"NOPAnomalyDetector\"} 0\n\n"
    );
}

/// A process in a cgroup of its own, both gone with it.
struct Task {
    child: Child,
    cgroup: Scratch,
}

impl Drop for Task {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_task_needs_only_hierarchies_that_are_mounted_and_its_counters_are_left_alone() {
    let name = format!("wca-differences-{}/task", std::process::id());
    let hierarchies = Hierarchies::find(&Roots::system()).unwrap();
    let cgroup = match Scratch::create(&hierarchies, &name) {
        Ok(cgroup) => cgroup,
        Err(error) => return eprintln!("skipped: no cgroup can be made here: {error}"),
    };
    let child = Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
    let task = Task { child, cgroup };
    task.cgroup.add_process(task.child.id()).unwrap();
    let usage = task.cgroup.dirs().iter().map(|folder| folder.join("cpuacct.usage")).find(|file| file.exists());
    let used = || usage.as_ref().map_or(1, |file| fs::read_to_string(file).unwrap().trim().parse::<u64>().unwrap());
    while used() < 1 {
        std::thread::sleep(Duration::from_millis(5));
    }
    // What has stopped uses no more, once it has.
    kill_process(Pid::from_child(&task.child), Signal::STOP).unwrap();
    let mut before = 0;
    while used() != before {
        before = used();
        std::thread::sleep(Duration::from_millis(50));
    }
    let case = Case::new(&MEASURED.replace("[]", &format!("[{name}, {name}-gone]")));
    case.run(&["--iterations", "1"]).ends_with(0);
    assert_eq!(used(), before, "its counter was written");
    let stored = case.stored();
    assert_eq!(value(&stored, "wca_tasks{host=\"h\"}").0.to_bits(), 1.0f64.to_bits());
    let labels = format!("{{host=\"h\",task_id=\"{name}\",task_name=\"{name}\"}}");
    let (seconds, _) = value(&stored, &format!("task_cpu_usage_seconds{labels}"));
    if usage.is_some() {
        #[allow(clippy::cast_precision_loss, reason = "milliseconds of a test")]
        let expected = before as f64 / 1e9;
        assert_eq!(seconds.to_bits(), expected.to_bits());
    }
}
