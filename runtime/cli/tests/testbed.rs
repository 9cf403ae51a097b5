//! The program on a kernel that this machine may not have: cgroup v2 alone, two sockets. The kernel runs in the test bed, a
//! folder with a program `run` that boots a virtual machine, named by `WCA_TESTBED`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "testbed/counters.rs"]
mod counters;
#[path = "testbed/numa.rs"]
mod numa;
#[path = "testbed/pressure.rs"]
mod pressure;
#[path = "../../../tests/skipped.rs"]
mod skipped;
#[path = "../../../tests/testbed.rs"]
mod testbed_of_project;

use std::path::{Path, PathBuf};
use std::process::Command;

use skipped::missing;
use testbed_of_project::{boot, project};

/// The test bed, or none, which is said.
fn testbed() -> Option<PathBuf> {
    testbed_of_project::run().map_err(|why| missing("testbed", "a real cgroup v2 kernel takes a test bed", &why)).ok()
}

/// What a script prints inside the test bed, with the program beside it.
fn run_inside(run: &Path, script: &str) -> String {
    run_inside_with(run, &[], script, &[])
}

/// The same, with options of the test bed and further files beside the program.
fn run_inside_with(run: &Path, options: &[&str], script: &str, files: &[String]) -> String {
    let output = boot(
        Command::new(run)
            .args(options)
            .arg(project().join("testbed").join(script))
            .arg(env!("CARGO_BIN_EXE_wca"))
            .args(files),
    );
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    text.replace('\r', "")
}

/// What LogStorage has written, as a script prints it.
fn metrics(text: &str) -> &str {
    text.split_once("METRICS BEGIN\n").and_then(|(_, rest)| rest.split_once("METRICS END")).unwrap().0
}

/// The value of one series.
fn value(metrics: &str, name: &str, labels: &str) -> f64 {
    let series = format!("{name}{{host=\"(none)\"{labels}}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&series));
    line.unwrap_or_else(|| panic!("no {series}in\n{metrics}")).parse().unwrap()
}

#[test]
fn tasks_are_measured_by_cgroup_v2() {
    let Some(run) = testbed() else { return };
    let text = run_inside(&run, "measure-v2.sh");
    let metrics = metrics(&text);
    let of =
        |name: &str, task: &str| value(metrics, name, &format!(",task_id=\"wca/{task}\",task_name=\"wca/{task}\""));
    let cpu = of("task_cpu_usage_seconds", "busy");
    assert!(cpu > 1.0 && cpu > of("task_cpu_usage_seconds", "full"), "{metrics}");
    let held = of("task_mem_usage_bytes", "full");
    assert!((33_554_432.0..67_108_864.0).contains(&held), "{metrics}");
    assert!(of("task_mem_max_usage_bytes", "full") >= held, "{metrics}");
    assert_eq!(of("task_mem_limit_bytes", "full"), 67_108_864.0);
    // No limit reads as on cgroup v1.
    assert_eq!(of("task_mem_limit_bytes", "busy"), 9_223_372_036_854_771_712.0);
    assert!(of("task_mem_page_faults", "full") > 0.0, "{metrics}");
    assert_eq!(value(metrics, "wca_tasks", ""), 2.0, "a cgroup that is not there is no task");
    assert_eq!(value(metrics, "platform_topology_sockets", ""), 2.0);
    assert_eq!(of("task_up", "busy"), 1.0);
    of_processes(metrics);
    of_modules(metrics);
    // Counted by monitoring groups, which are gone now.
    let bandwidth = of("task_mem_bandwidth_bytes", "busy");
    assert!(bandwidth > 0.0 && of("task_llc_occupancy_bytes", "busy") > 0.0, "{metrics}");
    let domains = ["0", "1"].map(|id| {
        let series = format!(
            "task_mem_bandwidth_domain_bytes{{domain_id=\"{id}\",host=\"(none)\",task_id=\"wca/busy\",task_name=\"wca/busy\"}} "
        );
        let value = metrics.lines().find_map(|line| line.strip_prefix(&series)).unwrap_or_else(|| panic!("{metrics}"));
        value.parse::<f64>().unwrap()
    });
    assert_eq!(domains.iter().sum::<f64>(), bandwidth);
    assert!(text.contains("GROUPS LEFT: ."), "{text}");
}

/// A metric of a task with labels besides.
fn value_of_task(metrics: &str, name: &str, before: &str, task: &str, after: &str) -> f64 {
    let series = format!("{name}{{{before}host=\"(none)\"{after},task_id=\"wca/{task}\",task_name=\"wca/{task}\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&series));
    line.unwrap_or_else(|| panic!("no {series}in\n{metrics}")).parse().unwrap()
}

/// What stands in files of the tasks' processes.
fn of_processes(metrics: &str) {
    for task in ["busy", "full"] {
        let switches = value_of_task(metrics, "task_sched_stat", "", task, ",key=\"nr_switches\"");
        assert!(switches > 0.0, "{metrics}");
        for node in [0, 1] {
            let labels = ("fault_type=\"task_private\",", format!(",numa_node=\"{node}\""));
            value_of_task(metrics, "task_sched_stat_numa_faults", labels.0, task, &labels.1);
        }
    }
    assert!(!metrics.contains("key=\"prio\""), "{metrics}");
    // How much it is, a test on a real processor shows: an emulated one keeps its translations over a reset of the marks, and
    // so sets none for a loop that stays within its pages.
    let referenced = value_of_task(metrics, "task_wss_referenced_bytes", "", "busy", "");
    assert!((0.0..8_388_608.0).contains(&referenced), "{metrics}");
    assert!(value_of_task(metrics, "task_wss_measure_overhead_seconds", "", "busy", "") > 0.0, "{metrics}");
    // Found in a search, by the traffic of the task's monitoring group.
    let working_set = value_of_task(metrics, "task_working_set_size_bytes", "", "busy", "");
    assert!((0.0..8_388_608.0).contains(&working_set), "{metrics}");
}

/// What the firmware says of the memory modules. Its table stands in `runtime/agent/src/memory_topology/qemu.dmi` too.
fn of_modules(metrics: &str) {
    let value = |name: &str, kind: &str| -> f64 {
        let series = format!("{name}{{dimm_type=\"{kind}\",host=\"(none)\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&series));
        line.unwrap_or_else(|| panic!("no {series}in\n{metrics}")).parse().unwrap()
    };
    assert_eq!((value("platform_dimm_count", "ram"), value("platform_dimm_count", "nvm")), (1.0, 0.0));
    let size = value("platform_dimm_total_size_bytes", "ram");
    assert!(size >= 268_435_456.0 && size % 1_048_576.0 == 0.0, "{size}");
    // The module of a virtual machine has no speed.
    assert!(!metrics.contains("platform_dimm_speed_bytes_per_second"), "{metrics}");
}

#[test]
fn where_memory_lies_and_what_tasks_wait_for_shows_on_two_nodes_and_on_four() {
    let Some(run) = testbed() else { return };
    for nodes in ["2", "4"] {
        let text = run_inside_with(&run, &["--nodes", nodes], "measure-numa.sh", &[]);
        let metrics = metrics(&text);
        let of = |name: &str, labels: &str, task: &str| {
            value(metrics, name, &format!("{labels},task_id=\"{task}\",task_name=\"{task}\""))
        };
        let last = text.lines().find_map(|line| line.strip_prefix("LAST NODE ")).unwrap();
        assert_eq!(last.parse::<u32>().unwrap() + 1, nodes.parse().unwrap());
        let pages = |node: &str| of("task_mem_numa_pages", &format!(",numa_node=\"{node}\""), "wca/placed");
        // 32 MiB; the program itself and its libraries lie where they were loaded first.
        assert!(pages(last) >= 8_192.0 && pages("0") < 1_024.0, "{metrics}");
        assert!(value(metrics, "platform_mem_numa_used_bytes", &format!(",numa_node=\"{last}\"")) > 33_554_432.0);
        assert!(of("task_cpu_throttled_periods", "", "wca/throttled") > 5.0, "{metrics}");
        assert!(of("task_cpu_throttled_seconds", "", "wca/throttled") > 0.5, "{metrics}");
        assert_eq!(of("task_cpu_throttled_periods", "", "wca/stalled"), 0.0);
        let waited = of("task_pressure_seconds", ",kind=\"some\",resource=\"cpu\"", "wca/stalled");
        assert!(waited > 0.5, "{metrics}");
        assert!(!metrics.contains("task_mem_usage_bytes{host=\"(none)\",task_id=\"bare/task\""), "absent, not 0");
        let missing = "/sys/fs/cgroup/bare/task/memory.current is not there (controller memory): task_mem_usage_bytes";
        assert!(text.contains(missing), "{text}");
    }
}
