//! `wca doctor`: `doctor/NAME.out` is what it says of a captured machine and, where there is one, of the configuration
//! `doctor/NAME.yaml`. `WCA_BLESS=1` writes what is found.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// The tree of a captured machine.
fn machine(name: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let trees = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kernel/tests/trees");
    let text = fs::read_to_string(trees.join(format!("{name}.tree"))).unwrap();
    for file in text.split_once("\n@ ").unwrap().1.split("\n@ ") {
        let (path, content) = file.split_once('\n').unwrap_or((file, ""));
        let path = folder.path().join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{content}\n")).unwrap();
    }
    folder
}

fn doctor(machine: Option<&TempDir>, config: Option<&Path>, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wca"));
    command.arg("doctor").args(more);
    if let Some(machine) = machine {
        command.arg("--sysroot").arg(machine.path());
    }
    if let Some(config) = config {
        command.arg("-c").arg(config);
    }
    command.output().unwrap()
}

fn pair(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/doctor").join(name)
}

fn compare(name: &str, found: &str) {
    let path = pair(&format!("{name}.out"));
    if std::env::var("WCA_BLESS").is_ok_and(|value| value == "1") {
        fs::write(&path, found).unwrap();
    }
    assert_eq!(found, fs::read_to_string(&path).unwrap_or_default(), "{name}: WCA_BLESS=1 writes what is found");
}

#[test]
fn what_a_machine_has_is_said_as_in_the_pairs() {
    for (name, tree, config, more, code) in [
        ("v1", "features-v1", None, &[][..], 0),
        ("v2", "features-v2", None, &[], 0),
        ("v2-json", "features-v2", None, &["--json"], 0),
        ("v1-needs-much", "features-v1", Some("needs-much.yaml"), &[], 1),
        ("v2-needs-much", "features-v2", Some("needs-much.yaml"), &[], 1),
        ("v1-needs-little", "features-v1", Some("needs-little.yaml"), &[], 0),
        ("v1-needs-little-json", "features-v1", Some("needs-little.yaml"), &["--json"], 0),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let config = config.map(|config| {
            let copy = folder.path().join("config.yaml");
            fs::copy(pair(config), &copy).unwrap();
            fs::set_permissions(&copy, Permissions::from_mode(0o644)).unwrap();
            copy
        });
        let output = doctor(Some(&machine(tree)), config.as_deref(), more);
        compare(name, &String::from_utf8(output.stdout).unwrap());
        assert_eq!((output.status.code(), output.stderr.len()), (Some(code), 0), "{name}");
    }
}

#[test]
fn this_machine_is_looked_at_without_starting_anything() {
    let output = doctor(None, None, &["--json"]);
    assert_eq!(output.status.code(), Some(0));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = found.as_array().unwrap();
    assert_eq!(found.len(), wca_kernel::FEATURES.len());
    for one in found {
        let is_there = one["available"].as_bool().unwrap();
        assert_eq!(is_there, one["reason"] == "available", "{one}");
        assert_eq!(is_there, one["remedy"] == "", "{one}");
    }
}

#[test]
fn a_configuration_that_is_wrong_is_told_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.yaml");
    fs::write(&config, "runner: !MeasurementRunner {rdt_enabled: true}\n").unwrap();
    fs::set_permissions(&config, Permissions::from_mode(0o644)).unwrap();
    let output = doctor(None, Some(&config), &[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{said}");
    assert!(said.contains("`!MeasurementRunner` needs `node`") && said.contains("config.yaml:1:9"), "{said}");
}
