//! Changes that an allocator asks for, on the cgroups of this machine.

mod guard;
mod killed;
mod kubelet;
mod rails;
mod rules;
mod told;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use rustix::process::Signal;

use crate::common::{Finished, component};
use crate::setup::{Setup, Started};
use crate::task::{Task, can_make_cgroups, group};

/// Files that the kinds below write, on cgroup v1 and on v2.
const FILES: [&str; 8] = [
    "cpu.shares",
    "cpu.cfs_quota_us",
    "cpu.weight",
    "cpu.max",
    "cpuset.cpus",
    "cpuset.mems",
    "memory.limit_in_bytes",
    "memory.max",
];

/// Kinds that every hierarchy of cgroups has, each with two values.
const CHANGES: &str = "[cpu_shares 2 4, cpu_quota 0.25 0.5, 'cpuset_cpus 0 0,1', memory_max 1073741824 2147483648]";

/// Tasks, with the values of their files before anybody changed them.
struct Scene {
    setup: Setup,
    names: Vec<String>,
    tasks: Vec<Task>,
    found: BTreeMap<PathBuf, String>,
}

impl Scene {
    fn new(name: &str, tasks: usize) -> Self {
        let group = group(name);
        Self::of((0..tasks).map(|at| format!("{group}/{at}")).collect())
    }

    /// With tasks of these names.
    fn of(names: Vec<String>) -> Self {
        let tasks: Vec<Task> = names.iter().map(|name| Task::idle(name)).collect();
        Self::with(names, tasks)
    }

    /// With these tasks.
    fn with(names: Vec<String>, tasks: Vec<Task>) -> Self {
        let scene = Self { setup: Setup::new(), names, tasks, found: BTreeMap::new() };
        let found = scene.values();
        assert!(found.len() >= 3, "{found:?}");
        Self { found, ..scene }
    }

    /// Values of all files that can be written.
    fn values(&self) -> BTreeMap<PathBuf, String> {
        self.values_of(&self.tasks.iter().collect::<Vec<_>>())
    }

    /// The same of some of the tasks.
    fn values_of(&self, tasks: &[&Task]) -> BTreeMap<PathBuf, String> {
        let dirs = tasks.iter().flat_map(|task| task.dirs());
        let files = dirs.flat_map(|dir| FILES.map(|file| dir.join(file)));
        files.filter_map(|file| Some((file.clone(), fs::read_to_string(file).ok()?))).collect()
    }

    /// Whether every file has changed that all values of [`CHANGES`] change.
    fn has_all_changed(&self) -> bool {
        let values = self.values();
        ["shares", "quota_us", "limit_in_bytes", "weight", "cpu.max", "memory.max"]
            .iter()
            .flat_map(|end| values.keys().filter(move |path| path.to_string_lossy().ends_with(end)))
            .all(|path| values[path] != self.found[path])
    }

    /// The file of the first task.
    fn file(&self, name: &str) -> PathBuf {
        let files = self.tasks[0].dirs().into_iter().map(|dir| dir.join(name));
        files.into_iter().find(|file| file.exists()).unwrap_or_else(|| panic!("no {name}"))
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap().trim().to_owned()
    }

    /// A configuration with these arguments of the runner and of the allocator.
    fn configure(&self, runner: &str, changes: &str) {
        self.configure_for(&self.names.iter().map(String::as_str).collect::<Vec<_>>(), runner, changes);
    }

    /// The same with these tasks alone.
    fn configure_for(&self, names: &[&str], runner: &str, changes: &str) {
        self.configure_at(0.02, names, runner, changes);
    }

    /// The same with so many seconds from one iteration to the next.
    fn configure_at(&self, interval: f64, names: &[&str], runner: &str, changes: &str) {
        self.setup.configure(&format!(
            "runner: !AllocationRunner\n{runner}  measurement_runner: !MeasurementRunner\n    action_delay: {interval}\n    node: !StaticNode \
             {{tasks: [{}]}}\n    metrics_storage: !LogStorage {{output_filename: FOLDER/metrics.prom}}\n  allocator: !Changer \
             {{changes: {changes}}}\n  anomalies_storage: !LogStorage {{output_filename: FOLDER/anomalies.prom}}\n  \
             allocations_storage: !LogStorage {{output_filename: FOLDER/allocations.prom}}\n",
            names.join(", ")
        ));
    }

    fn start(&self) -> Started<'_> {
        let changer = format!("Changer={}", component("tests/guests/changer/changer.wasm"));
        self.setup.start(&["-r", &changer])
    }

    /// A verb for the operator.
    fn operate(&self, verb: &str) -> Finished {
        self.operate_with(verb, &[])
    }

    /// A verb with these arguments.
    fn operate_with(&self, verb: &str, arguments: &[&str]) -> Finished {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_wca"));
        Finished::of(&command.arg(verb).args(arguments).arg("--run-dir").arg(self.setup.path("run")).output().unwrap())
    }

    fn is_as_found(&self, when: &str) {
        assert_eq!(self.values(), self.found, "{when}; said: {}", self.setup.read("stderr"));
    }
}

#[test]
fn what_is_asked_for_is_in_force_and_what_was_found_comes_back_at_the_end() {
    if !can_make_cgroups() {
        return;
    }
    let scene = Scene::new("applied", 2);
    scene.configure("", CHANGES);
    let mut wca = scene.start();
    wca.until("all files have changed", |_| scene.has_all_changed());
    let ticks = scene.setup.read("metrics.prom").matches("wca_up{").count();
    wca.until_ticks("metrics.prom", ticks + 5);
    wca.stop().ends_with(0);
    scene.is_as_found("after the end");
    assert!(!scene.setup.path("run/journal").exists(), "an empty journal goes");
    let outcomes = scene.setup.lines("anomalies.prom");
    let applied = |kind: &'static str| outcomes.iter().filter(move |line| line.is("changer_outcomes", "kind", kind));
    for kind in ["cpu_shares", "cpu_quota", "cpuset_cpus", "memory_max"] {
        let fates: Vec<&str> = applied(kind).map(|line| line.label("fate")).collect();
        assert!(fates.contains(&"applied") && !fates.contains(&"failed"), "{kind}: {fates:?}");
    }
}

#[test]
fn in_shadow_mode_nothing_is_written() {
    if !can_make_cgroups() {
        return;
    }
    let scene = Scene::new("shadow", 1);
    scene.configure("  mode: shadow\n", CHANGES);
    let mut wca = scene.start();
    wca.until_ticks("metrics.prom", 5);
    scene.is_as_found("while it runs");
    wca.stop().ends_with(0);
    let outcomes = scene.setup.lines("anomalies.prom");
    let fates = outcomes.iter().filter(|line| line.name == "changer_outcomes").map(|line| line.label("fate"));
    let fates: Vec<&str> = fates.collect();
    assert!(fates.len() >= 4 && fates.iter().all(|fate| *fate == "shadowed"), "{fates:?}");
}

#[test]
fn a_value_that_somebody_else_writes_is_ours_again_and_counted_once() {
    if !can_make_cgroups() {
        return;
    }
    let scene = Scene::new("foreign", 1);
    scene.configure("", "[cpu_shares 2]");
    let file = if scene.found.keys().any(|path| path.ends_with("cpu.shares")) { "cpu.shares" } else { "cpu.weight" };
    let first = scene.read(file);
    let mut wca = scene.start();
    wca.until("the shares are ours", |_| scene.read(file) != first);
    let ours = scene.read(file);
    fs::write(scene.file(file), "555").unwrap();
    wca.until("they are ours again", |_| scene.read(file) == ours);
    let ticks = scene.setup.read("metrics.prom").matches("wca_up{").count();
    wca.until_ticks("metrics.prom", ticks + 5);
    wca.stop().ends_with(0);
    let lines = scene.setup.lines("metrics.prom");
    let counts = lines.iter().filter(|line| line.is("wca_foreign_writes", "kind", "cpu_shares"));
    let counts: Vec<f64> = counts.map(|line| line.value).collect();
    assert!(counts.is_sorted() && counts.last() == Some(&1.0), "{counts:?}");
    scene.is_as_found("after the end");
}

#[test]
fn where_told_so_a_value_is_left_to_those_who_write_it() {
    if !can_make_cgroups() {
        return;
    }
    let scene = Scene::new("yield", 1);
    scene.configure("  on_foreign_write: {cpu_shares: yield}\n", "[cpu_shares 2]");
    let file = if scene.found.keys().any(|path| path.ends_with("cpu.shares")) { "cpu.shares" } else { "cpu.weight" };
    let first = scene.read(file);
    let mut wca = scene.start();
    wca.until("the shares are ours", |_| scene.read(file) != first);
    fs::write(scene.file(file), "555").unwrap();
    let ticks = scene.setup.read("metrics.prom").matches("wca_up{").count();
    wca.until_ticks("metrics.prom", ticks + 10);
    let finished = wca.stop();
    assert_eq!(scene.read(file), "555");
    finished.says("cpu_shares");
    finished.ends_with(0);
}

#[test]
fn the_operator_freezes_thaws_and_restores() {
    if !can_make_cgroups() {
        return;
    }
    let scene = Scene::new("frozen", 1);
    scene.configure("", CHANGES);
    let mut wca = scene.start();
    wca.until("something has changed", |_| scene.values() != scene.found);
    scene.operate("freeze").ends_with(0);
    let frozen = scene.values();
    let ticks = scene.setup.read("metrics.prom").matches("wca_up{").count();
    wca.until_ticks("metrics.prom", ticks + 5);
    assert_eq!(scene.values(), frozen);
    scene.operate("thaw").ends_with(0);
    wca.until("it changes again", |_| scene.values() != frozen);
    scene.operate("restore").ends_with(0);
    scene.is_as_found("after restore");
    let ticks = scene.setup.read("metrics.prom").matches("wca_up{").count();
    wca.until_ticks("metrics.prom", ticks + 5);
    scene.is_as_found("ticks after restore");
    scene.operate("thaw").ends_with(0);
    wca.until("it changes again", |_| scene.values() != scene.found);
    wca.stop().ends_with(0);
    scene.is_as_found("after the end");
}

#[test]
fn a_start_with_the_same_policies_keeps_what_they_had_asked_for() {
    if !can_make_cgroups() {
        return;
    }
    let scene = Scene::new("adopted", 1);
    scene.configure("  on_exit: keep\n", "[cpu_shares 2]");
    let file = if scene.found.keys().any(|path| path.ends_with("cpu.shares")) { "cpu.shares" } else { "cpu.weight" };
    let first = scene.read(file);
    let mut wca = scene.start();
    wca.until("the shares are ours", |_| scene.read(file) != first);
    let ours = scene.read(file);
    let path = scene.file(file);
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let poller = std::thread::spawn(move || {
        let mut seen = std::collections::BTreeSet::new();
        while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
            seen.insert(fs::read_to_string(&path).unwrap().trim().to_owned());
        }
        seen
    });
    wca.stop().ends_with(0);
    assert_eq!(scene.read(file), ours, "kept");
    let mut wca = scene.start();
    let ticks = scene.setup.read("metrics.prom").matches("wca_up{").count();
    wca.until_ticks("metrics.prom", ticks + 10);
    drop(stop);
    let seen: Vec<String> = poller.join().unwrap().into_iter().collect();
    assert_eq!(seen, [ours], "nothing else was ever to be seen");
    wca.stop().ends_with(0);
    // Other arguments are another policy: what this one had asked for goes back at once.
    scene.configure("", "[cpu_quota 1]");
    let mut wca = scene.start();
    wca.until("what was found is back", |_| scene.read(file) == first);
    wca.stop().ends_with(0);
    scene.is_as_found("after the end");
}

#[test]
fn values_that_are_not_asked_for_again_go_back() {
    if !can_make_cgroups() {
        return;
    }
    let scene = Scene::new("expired", 1);
    scene.configure("  on_exit: keep\n", "[cpu_shares 2], calls: 3");
    let file = if scene.found.keys().any(|path| path.ends_with("cpu.shares")) { "cpu.shares" } else { "cpu.weight" };
    let first = scene.read(file);
    let mut wca = scene.start();
    wca.until("the shares are ours", |_| scene.read(file) != first);
    wca.signal(Signal::KILL);
    drop(wca);
    assert_ne!(scene.read(file), first);
    // It asks in its first three calls, and then no more: adopted values that were asked for stay.
    let mut wca = scene.start();
    let ticks = scene.setup.read("metrics.prom").matches("wca_up{").count();
    wca.until_ticks("metrics.prom", ticks + 12);
    assert_ne!(scene.read(file), first);
    wca.stop().ends_with(0);
    assert_eq!(scene.operate("restore").code, Some(0));
    scene.is_as_found("after restore");
}
