//! Control groups of a real resctrl. It runs in the test bed, a folder with a program `run` that boots a virtual machine, named by
//! `WCA_TESTBED`: this program is taken there and does the tests of `testbed_rdt/` that are otherwise left out.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure ends the test")]
#![allow(dead_code, unreachable_pub, reason = "the modules are parts of this program, and each uses its part")]

#[path = "testbed_rdt/classes.rs"]
mod classes;
#[path = "testbed_rdt/code_data.rs"]
mod code_data;
#[path = "../../kernel/tests/common/mod.rs"]
mod common;
#[path = "testbed_rdt/groups.rs"]
mod groups;
#[path = "testbed_rdt/killed.rs"]
mod killed;
#[path = "testbed_rdt/megabytes.rs"]
mod megabytes;
#[path = "testbed_rdt/refused.rs"]
mod refused;
#[path = "testbed_rdt/requests.rs"]
mod requests;
#[path = "testbed_rdt/restored.rs"]
mod restored;
#[path = "../../kernel/tests/testbed/scene.rs"]
mod scene;
#[path = "testbed_rdt/shared.rs"]
mod shared;
#[path = "../../../tests/testbed.rs"]
mod testbed_of_project;
#[path = "testbed_rdt/threads.rs"]
mod threads;

use std::fs;
use std::process::Command;

use testbed_of_project::{boot, project, run};

/// A machine with so many RMIDs that those of removed groups, which the cache remembers for a while, are not missed.
const PLENTY: &str = "on,pmu=1,rmids=250";

/// Runs those tests of this program inside in whose names that stands, with resctrl mounted so, on such a machine.
fn run_inside(filter: &str, options: &str, machine: &[&str]) {
    let run = match run() {
        Ok(run) => run,
        Err(why) => return common::missing("testbed", "a real resctrl takes a test bed", &why),
    };
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        fs::write(&path, text).unwrap();
        format!("{}:/test/{name}", path.display())
    };
    let output = boot(
        Command::new(run)
            .args(["--rdt", PLENTY])
            .args(machine)
            .arg(project().join("testbed/control-groups.sh"))
            .arg(format!("{}:/test/tests", std::env::current_exe().unwrap().display()))
            .args([file("filter", filter), file("options", options)]),
    );
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("test result: ok.") && !text.contains("ok. 0 passed"), "{text}");
}

#[test]
fn groups_are_made_and_left_without_a_trace() {
    for nodes in ["2", "4"] {
        run_inside("inside_", "debug", &["--nodes", nodes]);
    }
}

#[test]
fn the_same_seven_of_twelve_schemata_have_groups() {
    for nodes in ["2", "4"] {
        run_inside("the_same_seven_schemata", "debug", &["--nodes", nodes]);
    }
}

#[test]
fn megabytes_are_no_percent() {
    run_inside("a_limit_in_megabytes", "mba_MBps", &[]);
}

#[test]
fn code_and_data_have_ways_apart() {
    run_inside("code_and_data_of_a_task", "cdp", &[]);
}
