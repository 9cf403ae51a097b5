//! Monitoring groups of a real resctrl. It runs in the test bed, a folder with a program `run` that boots a virtual machine,
//! named by `WCA_TESTBED`: this program is taken there and does the tests of `testbed/` that are otherwise left out.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure ends the test")]
#![allow(unreachable_pub, reason = "the modules are parts of this program")]

mod common;
#[path = "testbed/few.rs"]
mod few;
#[path = "testbed/inside.rs"]
mod inside;
#[path = "testbed/scene.rs"]
mod scene;
#[path = "../../../tests/testbed.rs"]
mod testbed_of_project;

use std::fs;
use std::process::Command;

use testbed_of_project::{boot, project, run};

/// Runs those tests of this program inside in whose names that stands, on such a machine.
fn run_inside(filter: &str, machine: &[&str]) {
    let run = match run() {
        Ok(run) => run,
        Err(why) => return common::missing("testbed", "a real resctrl takes a test bed", &why),
    };
    let dir = tempfile::tempdir().unwrap();
    let filter_file = dir.path().join("filter");
    fs::write(&filter_file, filter).unwrap();
    let output = boot(
        Command::new(run)
            .args(machine)
            .arg(project().join("testbed/resctrl.sh"))
            .arg(format!("{}:/test/tests", std::env::current_exe().unwrap().display()))
            .arg(format!("{}:/test/filter", filter_file.display())),
    );
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("test result: ok.") && !text.contains("ok. 0 passed"), "{text}");
}

#[test]
fn tasks_are_monitored_by_a_real_resctrl() {
    run_inside("inside::", &[]);
}

#[test]
fn where_ids_run_out_the_rest_goes_on() {
    run_inside("few::", &["--rdt", "on,pmu=1,rmids=4"]);
}

/// The kernel takes this machine for one with sub-NUMA clusters, of which the domains are the sums.
#[test]
fn clusters_are_counted_with_their_domains() {
    run_inside("values_are_those_of_the_files", &["--nodes", "4"]);
}
