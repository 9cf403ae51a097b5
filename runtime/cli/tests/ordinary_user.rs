//! The program for a user without rights: everything that such a user is promised, and what such a user is told.
//!
//! Tests that run as root start it as a user that no machine has; others start it as who they are.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on fails"
)]

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use common::{Finished, copy_program, is_root, repository, skipped};
use tempfile::TempDir;
use wca_kernel::{Hierarchies, Roots, Scratch};

/// A user that no machine has.
const USER: u32 = 54_321;

/// A user with a home, the program, and two components, all where that user may read them.
struct User {
    folder: TempDir,
}

impl User {
    fn new() -> Self {
        let user = Self { folder: tempfile::tempdir().unwrap() };
        fs::set_permissions(user.folder.path(), Permissions::from_mode(0o755)).unwrap();
        // The repository may lie in a folder that is closed to others.
        copy_program(&user.at("wca"));
        for name in ["hello", "busy-task"] {
            let built = repository("guest-examples").join(name).join(name).with_extension("wasm");
            fs::copy(built, user.folder.path().join(name).with_extension("wasm")).unwrap();
        }
        for folder in ["home", "home/cache", "home/run"] {
            fs::create_dir(user.at(folder)).unwrap();
            if is_root() {
                chown(user.at(folder), Some(USER), Some(USER)).unwrap();
            }
        }
        user
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Runs the program to its end, told of no folder of its own.
    fn run(&self, arguments: &[&str]) -> Finished {
        let mut command = Command::new(self.at("wca"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.at("home"))
            .env("XDG_CACHE_HOME", self.at("home/cache"))
            .env("XDG_RUNTIME_DIR", self.at("home/run"));
        if is_root() {
            // Groups go with the user.
            command.uid(USER).gid(USER);
        }
        Finished::of(&command.output().unwrap())
    }

    /// What is left where it keeps things: compiled code of its own, and the lock.
    fn keeps_what_it_should(&self) {
        let (cache, run) = (self.at("home/cache/wca"), self.at("home/run/wca"));
        for folder in [&cache, &run] {
            let about = fs::metadata(folder).unwrap();
            assert_eq!((about.uid(), about.mode() & 0o7777), (self.uid(), 0o700), "{}", folder.display());
        }
        assert!(names(&cache).iter().any(|name| name.ends_with(".code")), "{:?}", names(&cache));
        assert_eq!(names(&run), ["lock"]);
    }

    fn uid(&self) -> u32 {
        fs::metadata(self.at("home")).unwrap().uid()
    }
}

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Lines of standard error, without the time of the log's, but for what a slow machine says of its compiler.
fn told(finished: &Finished) -> Vec<String> {
    let lines = finished.stderr.lines().map(|line| match line.split_once("Z ") {
        Some((_, rest)) => rest.trim_start().to_owned(),
        None => line.to_owned(),
    });
    lines.filter(|line| !line.starts_with("INFO compiling ")).collect()
}

/// The values of a series, tick by tick.
fn values<'a>(finished: &'a Finished, series: &str) -> Vec<&'a str> {
    finished.stdout.lines().filter_map(|line| line.strip_prefix(series)?.strip_prefix(' ')).collect()
}

#[test]
fn a_runner_runs_from_the_cache_the_second_time() {
    let user = User::new();
    for _ in 0..2 {
        let finished = user.run(&["run", "--component", "hello.wasm"]);
        finished.ends_with(0);
        assert_eq!(finished.stdout, "Hello world!\n");
        assert_eq!(told(&finished), Vec::<String>::new());
        user.keeps_what_it_should();
    }
}

#[test]
fn a_detector_sees_what_the_user_may_read() {
    let user = User::new();
    let arguments = ["run", "--component", "busy-task.wasm", "--interval", "100ms", "--iterations", "2"];
    let finished = user.run(&arguments);
    finished.ends_with(0);
    assert_eq!(values(&finished, "wca_policy_calls{policy=\"BusyTask\"}"), ["1", "2"]);
    assert_eq!(values(&finished, "wca_policy_failures{policy=\"BusyTask\"}"), ["0", "0"]);
    user.keeps_what_it_should();
}

#[test]
fn a_component_is_inspected() {
    let finished = User::new().run(&["inspect", "busy-task.wasm"]);
    finished.ends_with(0);
    for line in ["world:        detector", "needs grants: none"] {
        assert!(finished.stdout.lines().any(|found| found == line), "{finished:#?}");
    }
    assert_eq!(told(&finished), Vec::<String>::new());
}

#[test]
fn the_demonstration_watches_what_is_there_where_no_task_may_be_added() {
    let finished = User::new().run(&["demo", "--interval", "100ms"]);
    finished.ends_with(0);
    assert_eq!(values(&finished, "wca_policy_calls{policy=\"BusyTask\"}"), ["1", "2", "3", "4", "5"]);
    if !is_root() {
        return skipped("what a demonstration says that may add no task: this user may have cgroups to make tasks in");
    }
    let notes: Vec<String> = told(&finished).into_iter().filter(|line| line.starts_with("wca: ")).collect();
    let [note] = notes.as_slice() else { panic!("{finished:#?}") };
    assert!(
        note.starts_with("wca: no busy task is added: no cgroup hierarchy lets this user make wca-demo-"),
        "{note}"
    );
    assert!(note.ends_with("; the tasks that are there are watched"), "{note}");
    assert!(!finished.stdout.contains("contended_task_id=\"wca-demo-"), "{finished:#?}");
}

/// A process in a cgroup of its own, which goes with it.
struct Task {
    process: Child,
    cgroup: Option<Scratch>,
}

impl Task {
    fn start(name: &str) -> Option<Self> {
        let cgroup = Scratch::create(&Hierarchies::find(&Roots::system()).ok()?, name).ok()?;
        let process = Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap();
        cgroup.add_process(process.id()).unwrap();
        Some(Self { process, cgroup: Some(cgroup) })
    }

    fn dirs(&self) -> &[PathBuf] {
        self.cgroup.as_ref().unwrap().dirs()
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        // First the process, which keeps its cgroup alive.
        let _ = self.process.kill();
        let _ = self.process.wait();
        self.cgroup = None;
    }
}

#[test]
fn what_may_not_be_read_is_said_once_and_the_rest_goes_on() {
    if !is_root() {
        return skipped("only root can close a cgroup to somebody else");
    }
    let name = |kind: &str| format!("wca-test-{}-{kind}", std::process::id());
    let (Some(closed), Some(partly)) = (Task::start(&name("closed")), Task::start(&name("partly"))) else {
        return skipped("no cgroup can be made here");
    };
    let mut expected = Vec::new();
    for dir in closed.dirs() {
        fs::set_permissions(dir, Permissions::from_mode(0o700)).unwrap();
        expected.push(format!("WARN this user may not read {:?}", dir.join("cgroup.procs")));
    }
    for file in ["memory.usage_in_bytes", "memory.current"] {
        for path in partly.dirs().iter().map(|dir| dir.join(file)).filter(|path| path.exists()) {
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            expected.push(format!("WARN this user may not read {path:?}"));
        }
    }
    let arguments = ["run", "--component", "busy-task.wasm", "--interval", "100ms", "--iterations", "3"];
    let finished = User::new().run(&arguments);
    finished.ends_with(0);
    let (own, others) = (name("closed"), name("partly"));
    let mut told = told(&finished);
    told.retain(|line| line.contains(&own) || line.contains(&others));
    told.sort();
    expected.sort();
    assert_eq!(told, expected, "{finished:#?}");
    assert_eq!(values(&finished, "wca_policy_failures{policy=\"BusyTask\"}"), ["0", "0", "0"]);
}
