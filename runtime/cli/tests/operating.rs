//! Verbs for the operator where no WCA runs, and what is said where they are wrong.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on fails"
)]

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use common::Finished;
use tempfile::TempDir;

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
    folder
}

fn wca(verb: &[&str], run_dir: &Path) -> Finished {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wca"));
    Finished::of(&command.args(verb).arg("--run-dir").arg(run_dir).output().unwrap())
}

#[test]
fn where_no_wca_runs_there_is_nothing_to_freeze() {
    let folder = folder();
    for verb in ["freeze", "thaw"] {
        let finished = wca(&[verb], folder.path());
        let shown = folder.path().display();
        finished.says(&format!("wca: no warden answers in {shown}: "));
        finished.says("(--run-dir names the folder of another)");
        finished.ends_with(1);
    }
}

#[test]
fn where_nothing_was_left_nothing_is_put_back() {
    let folder = folder();
    let nowhere = folder.path().join("nowhere");
    let restored = wca(&["restore"], &nowhere);
    assert_eq!(restored.stdout, "0 put back, 0 gone with their cgroups or groups, 0 left to others, 0 not put back\n");
    assert_eq!(restored.stderr, "wca: no WCA runs; this was what an earlier one had left\n");
    restored.ends_with(0);
    let journal = wca(&["journal"], &nowhere);
    assert_eq!(journal.stdout, "");
    journal.says("wca: no value is held");
    journal.ends_with(0);
    assert_eq!(wca(&["journal", "--json"], &nowhere).stdout, "[]\n");
    for arguments in [&["explain", "/a"][..], &["explain", "/a", "--json"]] {
        let explained = wca(arguments, &nowhere);
        explained.says(
            "wca: no WCA runs; only what an earlier one has left can be told, by the path of the task's cgroup\n",
        );
        explained.says("\"/a\" is no cgroup of which an earlier WCA has left a value; `wca journal` prints them\n");
        assert_eq!(explained.stdout, "");
        explained.ends_with(1);
    }
    assert!(!nowhere.exists());
}

/// A journal of a boot with the shares of two cgroups that have gone since.
fn journal_of(boot: &str) -> String {
    let held = |number: u32, cgroup: &str| {
        let spot = format!(r#"{{"Cgroup":{{"mount":"/sys/fs/cgroup/cpu","cgroup":"{cgroup}","file":"cpu.shares"}}}}"#);
        let policy = r#"{"name":"P","digest":"d"}"#;
        let owner =
            format!(r#"{{"policy":{policy},"cgroup":"{cgroup}","kind":"cpu_shares","domain":null,"asked":"2"}}"#);
        format!(
            r#"{{"writing":{{"number":{number},"held":{{"spot":{spot},"life":7,"owner":{owner},"before":"1024","written":"2000","now":"2000","since":1.0}}}}}}"#
        )
    };
    let begin = format!(r#"{{"begin":{{"version":1,"boot":"{boot}"}}}}"#);
    [begin, held(1, "/wca-gone/a"), held(2, "/wca-gone/b")].map(|line| line + "\n").concat()
}

#[test]
fn what_was_left_of_a_task_is_explained_and_another_one_is_not_found() {
    let folder = folder();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    fs::write(folder.path().join("journal"), journal_of(boot.trim())).unwrap();
    let explained = wca(&["explain", "/wca-gone/a"], folder.path());
    assert!(explained.stdout.contains("cpu_shares 2") && !explained.stdout.contains("/wca-gone/b"), "{explained:?}");
    explained.ends_with(0);
    let other = wca(&["explain", "nobody"], folder.path());
    other.says("\"nobody\" is no cgroup of which an earlier WCA has left a value");
    other.ends_with(1);
}

#[test]
fn values_of_an_earlier_boot_are_said_and_not_put_back() {
    let folder = folder();
    let journal = folder.path().join("journal");
    fs::write(&journal, journal_of("another")).unwrap();
    let restored = wca(&["restore"], folder.path());
    assert_eq!(restored.stdout, "0 put back, 0 gone with their cgroups or groups, 0 left to others, 0 not put back\n");
    restored.says("wca: 2 values of an earlier boot went with it, so that there is nothing to put back:\n");
    for cgroup in ["/wca-gone/a", "/wca-gone/b"] {
        restored
            .says(&format!("wca: of an earlier boot: /sys/fs/cgroup/cpu{cgroup}/cpu.shares, which was 1024 before\n"));
    }
    restored.ends_with(0);
    assert!(!journal.exists(), "they are told once");
}

#[test]
fn a_journal_that_cannot_be_read_is_said_with_its_line() {
    let folder = folder();
    fs::write(folder.path().join("journal"), "{\"begin\":{\"version\":1,\"boot\":\"x\"}}\nnonsense\n").unwrap();
    for verb in [&["restore"][..], &["journal"], &["explain", "/a"]] {
        let finished = wca(verb, folder.path());
        finished.says(&format!("{}, line 2: ", folder.path().join("journal").display()));
        finished.ends_with(1);
    }
    fs::write(folder.path().join("journal"), "{\"begin\":{\"version\":99,\"boot\":\"x\"}}\n").unwrap();
    let finished = wca(&["restore"], folder.path());
    finished.says("line 1: it has version 99, this program knows 1");
    finished.ends_with(1);
}

#[test]
fn changes_of_the_command_line_are_made_where_it_says_so() {
    let folder = folder();
    let arguments = ["run", "--component", "NOPAllocator", "--apply", "--iterations", "1", "--interval", "10ms"];
    let refused = wca(&arguments, folder.path());
    if rustix::process::geteuid().is_root() {
        refused.says("wca: WCA is started as root, which it does only where it is told so: add --root");
        refused.ends_with(2);
        wca(&[&arguments[..], &["--root"]].concat(), folder.path()).ends_with(0);
    } else {
        refused.ends_with(0);
    }
    let both = wca(&["run", "-c", "x.yaml", "--apply"], folder.path());
    both.says("'--config <FILE>' cannot be used with '--apply'");
    both.ends_with(2);
}
