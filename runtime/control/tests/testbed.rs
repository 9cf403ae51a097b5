//! Changes of real cgroups v2. It runs in the test bed, a folder with a program `run` that boots a virtual machine, named by
//! `WCA_TESTBED`: this program is taken there and does the tests of `testbed/` that are otherwise left out.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure ends the test")]
#![allow(unreachable_pub, reason = "the modules are parts of this program")]

mod common;
#[path = "testbed/holder.rs"]
mod holder;
#[path = "testbed/inside.rs"]
mod inside;
#[path = "testbed/memoryless.rs"]
mod memoryless;
#[path = "testbed/pages.rs"]
mod pages;
#[path = "../../../tests/skipped.rs"]
mod skipped;
#[path = "../../../tests/testbed.rs"]
mod testbed_of_project;

use std::fs;
use std::process::Command;

use testbed_of_project::{boot, project, run};

/// Runs those tests of this program inside in whose names that stands, on such a machine.
fn run_inside(filter: &str, machine: &[&str], kernel_arguments: &str) {
    let run = match run() {
        Ok(run) => run,
        Err(why) => return skipped::missing("testbed", "a real cgroup v2 takes a test bed", &why),
    };
    let dir = tempfile::tempdir().unwrap();
    let filter_file = dir.path().join("filter");
    fs::write(&filter_file, filter).unwrap();
    let output = boot(
        Command::new(&run)
            .env("KERNEL_ARGS", kernel_arguments)
            .args(machine)
            .arg(project().join("testbed/control.sh"))
            .arg(format!("{}:/test/tests", std::env::current_exe().unwrap().display()))
            .arg(format!("{}:/test/filter", filter_file.display())),
    );
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("test result: ok.") && !text.contains("ok. 0 passed"), "{text}");
}

#[test]
fn cgroups_of_a_machine_with_two_nodes_are_changed() {
    run_inside("inside::", &["--nodes", "2"], "");
}

#[test]
fn cgroups_of_a_machine_with_four_nodes_are_changed() {
    run_inside("inside::", &["--nodes", "4"], "");
}

#[test]
fn pages_move_on_a_machine_with_two_nodes() {
    run_inside("pages::", &["--nodes", "2"], "");
}

#[test]
fn pages_move_on_a_machine_with_four_nodes() {
    run_inside("pages::", &["--nodes", "4"], "");
}

/// The memory of the second node is left out.
#[test]
fn a_node_without_memory_is_given_to_nobody() {
    run_inside("memoryless::", &["--nodes", "2"], "mem=512M");
}
