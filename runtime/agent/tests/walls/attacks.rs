//! What the kernel refuses.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use crate::harness::{As, USER, Warden, everybody, folder, skipped};

const EPERM: i64 = 1;
const EBADF: i64 = 9;
const EACCES: i64 = 13;
const EINVAL: i64 = 22;
const ENOSYS: i64 = 38;

/// Files by which the machine is governed. Not each machine has all of them.
const FILES: &[&str] = &[
    "/sys/fs/cgroup/cgroup.procs",
    "/sys/fs/cgroup/unified/cgroup.procs",
    "/sys/fs/cgroup/cpu/tasks",
    "/sys/fs/cgroup/cpu/cpu.shares",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    "/sys/fs/resctrl/schemata",
    "/sys/kernel/mm/transparent_hugepage/enabled",
    "/sys/devices/system/cpu/cpu0/online",
];

/// Attacks that the kernel does not refuse with EPERM, with what it says.
const OTHERWISE: &[(&str, i64)] = &[
    // Not by the filter, which lets files be read, but by the warden's being closed (PR_SET_DUMPABLE) or another user's.
    ("read /proc/<warden>/mem", EACCES),
    ("read /proc/<warden>/environ", EACCES),
    // Absent rather than refused, so that callers use the calls that the filter can look into.
    ("openat2", ENOSYS),
    ("clone3", ENOSYS),
    // The agent answers who connects to sockets that the warden has made listen. This one does not listen.
    ("accept4", EINVAL),
    // Not by the filter: the descriptor was opened to read.
    ("write the file", EBADF),
    ("truncate the file", EINVAL),
    ("map the file to write", EACCES),
];

fn attacks(lines: &[Value]) -> BTreeMap<String, i64> {
    let pairs = lines.iter().filter_map(|line| Some((line["attack"].as_str()?.to_owned(), line["errno"].as_i64()?)));
    pairs.collect()
}

#[test]
fn the_kernel_refuses_every_attack_of_the_agent_and_the_warden_still_serves() {
    for who in everybody() {
        let config = json!({"files": ["/etc/passwd"]});
        let warden = Warden::start(who, &[&["attack"], FILES].concat(), config);
        let (lines, status, log) = warden.rest();
        assert!(status.success(), "{who:?}: {status}: {log}");
        let found = attacks(&lines);
        assert!(found.len() > 110, "{who:?}: only {} attacks were tried: {log}", found.len());
        for (name, errno) in &found {
            let expected = match OTHERWISE.iter().find(|(other, _)| other == name) {
                Some((_, errno)) => *errno,
                None if name.starts_with("may ") => 0,
                None => EPERM,
            };
            assert_eq!(*errno, expected, "{who:?}: {name}");
        }
        assert_eq!(lines.last(), Some(&json!({"served": true})), "{who:?}");
        assert!(!Path::new("/tmp/wca-probe").exists());
        let uid = lines[0]["uid"].as_u64().unwrap();
        match who {
            As::Root => assert!(uid != 0 && uid != 65_534, "{uid}"),
            As::User => assert!(uid == u64::from(USER) || !rustix::process::geteuid().is_root(), "{uid}"),
        }
    }
}

#[test]
fn user_and_capabilities_keep_out_even_an_agent_without_a_filter() {
    if !rustix::process::geteuid().is_root() {
        skipped("only root can show how root drops to another user");
        return;
    }
    let files: Vec<&str> = FILES.iter().copied().filter(|file| Path::new(file).exists()).collect();
    if files.is_empty() {
        skipped(&format!("this machine has none of {FILES:?}"));
    }
    let warden = Warden::start(As::Root, &[&["attack-unfiltered"], &files[..]].concat(), json!({}));
    let (lines, status, log) = warden.rest();
    assert!(status.success(), "{status}: {log}");
    let found = attacks(&lines);
    assert!(found.len() >= files.len() + 20, "{found:?}");
    for (name, errno) in &found {
        let by_mode = ["write ", "append ", "read ", "truncate,"].iter().any(|begin| name.starts_with(begin));
        // A kernel may be built without a system call.
        let expected = if by_mode { [EACCES, EACCES] } else { [EPERM, ENOSYS] };
        assert!(expected.contains(errno), "{name}: {errno}");
    }
}

#[test]
fn an_agent_has_what_it_needs_and_nothing_of_its_wardens() {
    for who in everybody() {
        let environment = [("A_SECRET", Path::new("of the warden's")), ("TERM", Path::new("dumb"))];
        let warden = Warden::start_in(&folder(who), who, &["look"], json!({}), &environment);
        warden.line();
        let found = warden.line();
        let expected = json!({
            "descriptors": ["0", "1", "2", "3"],
            "name": ["wca-agent"],
            "folder": "/",
            "leads its session": true,
            "core": 0,
            "stdin is a socket": true,
        });
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&found[name], value, "{who:?}: {name}");
        }
        let environment = found["environment"].as_array().unwrap();
        assert!(environment.contains(&json!("TERM")), "{who:?}: {environment:?}");
        for secret in ["A_SECRET", "PATH", "HOME"] {
            assert!(!environment.contains(&json!(secret)), "{who:?}: {environment:?}");
        }
        if who == As::Root {
            assert_eq!(found["groups"], json!([]));
            assert_eq!(found["bounding"], json!(["0000000000000000"]));
        }
    }
}

#[test]
fn an_agent_that_root_starts_itself_does_not_run() {
    if !rustix::process::geteuid().is_root() {
        skipped("only root can show that nothing runs as root");
        return;
    }
    let output = std::process::Command::new(crate::harness::probe()).args(["agent", "tick"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("Root"), "{text}");
}

#[test]
fn a_program_in_a_closed_folder_is_started_all_the_same() {
    use std::os::unix::fs::PermissionsExt as _;
    if !rustix::process::geteuid().is_root() {
        skipped("only root drops to a user to whom a folder can be closed");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let program = folder.path().join("probe");
    // By another process: a file that this one writes could not be run while another test starts a process.
    let copied = std::process::Command::new("cp").arg(crate::harness::probe()).arg(&program).status().unwrap();
    assert!(copied.success());
    let config = json!({"agent": ["exit", "0"], "run_dir": folder.path().join("run")});
    let output = std::process::Command::new(program).args(["warden", &config.to_string()]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
