//! `wca bench node`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure ends the test")]

mod common;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::skipped;
use wca_kernel::{Hierarchies, Roots};

fn bench(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wca"));
    command.args(["bench", "node"]).args(arguments);
    command
}

/// Directories of the cgroups that a bench of this process number makes.
fn cgroups_of(pid: u32) -> Vec<std::path::PathBuf> {
    let hierarchies = Hierarchies::find(&Roots::system()).unwrap();
    let dirs = hierarchies.all().iter().map(|hierarchy| hierarchy.dir.join(format!("wca-bench-{pid}")));
    dirs.filter(|dir| dir.exists()).collect()
}

#[test]
fn a_bench_prints_what_a_tick_costs_and_leaves_nothing() {
    if !rustix::process::geteuid().is_root() {
        return skipped("only root can make the cgroups of the bench");
    }
    let arguments = ["--tasks", "20", "--interval", "50ms", "--iterations", "5", "--json"];
    let child = bench(&arguments).stdout(Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let number = |key: &str| result[key].as_f64().unwrap_or_else(|| panic!("{key}: {result}"));
    assert_eq!([number("tasks"), number("ticks")], [20.0, 5.0]);
    for key in ["reading", "crossing", "rendering", "storing", "warden", "agent", "tick", "floor"] {
        assert!(number(&format!("{key}_cpu_ms")) > 0.0, "{key}: {result}");
    }
    assert!(number("rss_mib") > 1.0 && number("files") > 20.0 && number("descriptors") > number("files"), "{result}");
    assert!(number("tick_cpu_ms") >= number("reading_cpu_ms"), "{result}");
    assert!(cgroups_of(pid).is_empty(), "{:?}", cgroups_of(pid));
}

#[test]
fn a_bench_that_is_interrupted_leaves_nothing() {
    if !rustix::process::geteuid().is_root() {
        return skipped("only root can make the cgroups of the bench");
    }
    let mut child = bench(&["--tasks", "5", "--interval", "1h"]).stderr(Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    let begun = Instant::now();
    while cgroups_of(pid).is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(60), "no cgroup was made");
        std::thread::sleep(Duration::from_millis(5));
    }
    let number = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(number, rustix::process::Signal::INT).unwrap();
    let mut told = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut told).unwrap();
    assert_eq!((child.wait().unwrap().code(), told.as_str()), (Some(1), "wca: interrupted\n"));
    assert!(cgroups_of(pid).is_empty(), "{:?}", cgroups_of(pid));
}
