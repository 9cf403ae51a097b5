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
    let explained = wca(&["explain", "/a"], &nowhere);
    explained.says("wca: /a: WCA holds no value of this task");
    explained.ends_with(0);
    assert!(!nowhere.exists());
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
