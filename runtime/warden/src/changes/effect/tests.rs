//! Changes of a described machine, with samples that are made up: a second from one to the next.

use std::fs;

use wca_control::{ControlledTask, Settings, Tasks};
use wca_kernel::Roots;
use wca_model::metric::MetricInfo;
use wca_model::{Catalog, Kind, MetricKind, Mode, Series, Signal};
use wca_rules::Protect;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
/// Samples in a window.
const WINDOW: usize = 5;

const FILES: &[(&str, &str)] = &[
    ("cgroup.controllers", "cpuset cpu memory"),
    ("cgroup.subtree_control", "cpuset cpu memory"),
    ("cpu.max", "max 100000"),
    ("cpu.max.burst", "0"),
    ("cpu.weight", "100"),
    ("cpu.idle", "0"),
    ("cpuset.mems", "0-1"),
    ("cpuset.mems.effective", "0-1"),
    ("memory.numa_stat", "anon N0=8192 N1=0\nfile N0=0 N1=0"),
];

/// The tasks 1 and 2, of which 1 is protected by its cycles per instruction.
struct Scene {
    dir: tempfile::TempDir,
    changes: Changes,
    cycles: [f64; 2],
    samples: f64,
}

fn protect(line: u32) -> Protect {
    Protect {
        place: format!("c.yaml:{line}"),
        cgroups: vec!["/1".into()],
        // A little more, since real time passes too.
        window: SECOND * u32::try_from(WINDOW).unwrap() + SECOND * 9 / 10,
        ..Protect::of("db", Signal::Cpi)
    }
}

fn settings(protect: Protect) -> Settings {
    Settings { mode: Mode::Apply, protect: vec![protect], cool_down: SECOND * 60, ..Settings::default() }
}

fn policies(digest: &str) -> Vec<Policy> {
    vec![Policy { name: "P".into(), digest: digest.into() }]
}

fn platform() -> Platform {
    let node = |id| wca_model::platform::NumaNode { id, memory: 1 << 30, distances: vec![10, 20] };
    let cpu = |id| wca_model::platform::Cpu { id, core: id, socket: 0, node: 0 };
    Platform { cpus: [0, 1].map(cpu).into(), nodes: [0, 1].map(node).into(), ..Platform::default() }
}

fn catalog() -> Catalog {
    let counter = |name: &str| MetricInfo {
        name: name.into(),
        help: String::new(),
        kind: MetricKind::Counter,
        unit: String::new(),
        levels: vec![],
        per_task: true,
    };
    let columns = [0, 1].map(|metric| Series { metric, labels: vec![] }).into();
    let metrics = ["task_cycles", "task_instructions"].map(counter).into();
    Catalog { version: 1, metrics, columns, platform: vec![] }
}

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{text}\n")).unwrap();
        };
        write("proc/sys/kernel/random/boot_id", "one");
        write("proc/self/mountinfo", "30 2 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw");
        for cgroup in ["", "/1", "/2"] {
            FILES.iter().for_each(|(file, text)| write(&format!("sys/fs/cgroup{cgroup}/{file}"), text));
        }
        for node in [0, 1] {
            let text = format!("Node {node} MemFree: 100 kB\nNode {node} Inactive(file): 0 kB");
            write(&format!("sys/devices/system/node/node{node}/meminfo"), &text);
        }
        fs::create_dir(dir.path().join("run")).unwrap();
        let (roots, folder) = (Roots::at(dir.path()), dir.path().join("run"));
        let mut changes =
            Changes::open(&roots, Some(folder), settings(protect(7)), policies("1"), &platform()).unwrap();
        let task = |key: u64| ControlledTask {
            key: TaskKey(key),
            cgroup: format!("/{key}"),
            containers: vec![],
            labels: vec![],
            cpuset_is_managed_by: None,
        };
        changes.tasks = Tasks::new(vec![task(1), task(2)]);
        let mut scene = Self { dir, changes, cycles: [0.0; 2], samples: 0.0 };
        assert_eq!(scene.sample(1.0), vec![]);
        scene
    }

    /// One sample, a second later, with as many cycles per instruction of the protected task.
    fn sample(&mut self, cpi: f64) -> Vec<Reverted> {
        self.later(SECOND);
        self.changes.tick();
        self.samples += 1.0;
        self.cycles = [self.cycles[0] + cpi * 1e6, self.cycles[1] + 1e6];
        let instructions = self.samples * 1e6;
        let values = [self.cycles[0], self.cycles[1], instructions, instructions];
        let sample = Sampled { timestamp: self.samples, catalog: &catalog(), values: &values };
        self.changes.watch(&sample, SECOND)
    }

    /// So many of them, and what was found by the last.
    fn samples(&mut self, count: usize, cpi: f64) -> Vec<Reverted> {
        let mut found = Vec::new();
        for at in 0..count {
            assert_eq!(found, vec![], "before sample {at} of {count}");
            found = self.sample(cpi);
        }
        found
    }

    fn later(&mut self, time: Duration) {
        self.changes.begun = self.changes.begun.checked_sub(time).unwrap();
    }

    fn ask(&mut self, task: u64, change: Change) -> Fate {
        let request = Request { task: TaskKey(task), change };
        self.changes.apply(0, &[request], &platform()).remove(0).fate
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.dir.path().join("sys/fs/cgroup").join(file)).unwrap().trim().to_owned()
    }

    fn renew(&mut self, line: u32, digest: &str) {
        self.changes.renew(settings(protect(line)), policies(digest), &platform());
    }

    /// A quota of the second task harms the first.
    fn harm(&mut self) -> Vec<Reverted> {
        self.samples(WINDOW + 1, 1.0);
        assert_eq!(self.ask(2, Change::CpuQuota(0.5)), Fate::Applied);
        self.samples(WINDOW, 3.0)
    }
}

fn told(reverted: &[Reverted]) -> Vec<(u64, Kind)> {
    let all = reverted.iter().flat_map(|one| &one.outcomes);
    all.map(|(_, outcome)| (outcome.task.0, outcome.kind)).collect()
}

#[test]
fn cycles_per_instruction_that_get_worse_are_seen_and_the_policy_cools_down_with_the_same_text_each_time() {
    let mut scene = Scene::new();
    let reverted = scene.harm();
    assert_eq!(told(&reverted), [(2, Kind::CpuQuota)]);
    assert_eq!((reverted[0].before, reverted[0].after, reverted[0].victim), (1.0, 3.0, TaskKey(1)));
    assert_eq!(reverted[0].culprits, [TaskKey(2)]);
    let why = "guard `db` (c.yaml:7): cpi of /1 was 1 before and 3 after";
    assert_eq!(reverted[0].outcomes[0].1.fate, Fate::Reverted(why.into()));
    assert_eq!(scene.read("2/cpu.max"), "max 100000");
    let refused = Fate::Failed(format!("cooling down, since its changes were undone: {why}"));
    for _ in 0..3 {
        assert_eq!(scene.ask(2, Change::CpuQuota(0.5)), refused);
        scene.later(SECOND * 10);
    }
    scene.later(SECOND * 31);
    assert_eq!(scene.ask(2, Change::CpuQuota(0.5)), Fate::Applied);
}

#[test]
fn all_that_is_written_late_is_on_trial_and_comes_back_to_its_policy() {
    let mut scene = Scene::new();
    scene.samples(WINDOW + 1, 1.0);
    let waits = |fate: &Fate| matches!(fate, Fate::Adjusted(why) if why.contains("it is written when they have"));
    for task in [1, 2] {
        let fate = scene.ask(task, Change::CpusetMems(vec![1]));
        assert!(waits(&fate), "{fate}");
    }
    // Both jobs end before the next look, so that both are written in one tick.
    std::thread::sleep(Duration::from_millis(200));
    scene.sample(1.0);
    let mems = |scene: &Scene| ["1", "2"].map(|task| scene.read(&format!("{task}/cpuset.mems")));
    assert_eq!(mems(&scene), ["1", "1"]);
    let mut told = told(&scene.samples(WINDOW - 1, 3.0));
    told.sort_unstable_by_key(|(task, _)| *task);
    assert_eq!(told, [(1, Kind::CpusetMems), (2, Kind::CpusetMems)]);
    assert_eq!(mems(&scene), ["0-1", "0-1"]);
}

#[test]
fn what_waits_when_its_policy_has_to_cool_down_is_never_written_and_comes_back_to_it() {
    let mut scene = Scene::new();
    scene.samples(WINDOW + 1, 1.0);
    assert_eq!(scene.ask(2, Change::CpuQuota(0.5)), Fate::Applied);
    scene.samples(WINDOW - 1, 3.0);
    scene.later(SECOND);
    scene.ask(2, Change::CpusetMems(vec![1]));
    // Without a tick before it, which would write it if its pages have moved by then.
    let (cycles, instructions) = (scene.cycles, (scene.samples + 1.0) * 1e6);
    let values = [cycles[0] + 3e6, cycles[1] + 1e6, instructions, instructions];
    let sample = Sampled { timestamp: scene.samples + 1.0, catalog: &catalog(), values: &values };
    let reverted = scene.changes.watch(&sample, SECOND);
    assert_eq!(told(&reverted), [(2, Kind::CpuQuota), (2, Kind::CpusetMems)]);
    std::thread::sleep(Duration::from_millis(200));
    for _ in 0..3 {
        scene.changes.tick();
    }
    assert_eq!(scene.read("2/cpuset.mems"), "0-1");
}

#[test]
fn a_line_above_it_in_the_file_ends_no_trial() {
    let mut scene = Scene::new();
    scene.samples(WINDOW + 1, 1.0);
    assert_eq!(scene.ask(2, Change::CpuQuota(0.5)), Fate::Applied);
    scene.samples(2, 3.0);
    scene.renew(8, "1");
    let reverted = scene.samples(WINDOW - 2, 3.0);
    assert_eq!(told(&reverted), [(2, Kind::CpuQuota)]);
    let Fate::Reverted(why) = &reverted[0].outcomes[0].1.fate else { panic!("{reverted:?}") };
    assert!(why.starts_with("guard `db` (c.yaml:8): "), "{why}");
    assert_eq!(scene.read("2/cpu.max"), "max 100000");
}

#[test]
fn a_policy_is_told_once_how_long_it_cools_down_whatever_arguments_it_has_had() {
    let mut scene = Scene::new();
    assert_eq!(scene.harm().len(), 1);
    scene.later(SECOND * 20);
    scene.renew(7, "2");
    assert_eq!(scene.harm().len(), 1);
    let cooling = |scene: &Scene| -> Vec<(String, u64)> {
        scene.changes.changed().cooling.into_iter().map(|(policy, left)| (policy, left.div_ceil(1_000))).collect()
    };
    assert_eq!(cooling(&scene), [("P".to_owned(), 60)]);
    // The first is over long before, and both are forgotten after ten times as long.
    scene.later(SECOND * 61);
    assert_eq!(cooling(&scene), [("P".to_owned(), 0)]);
    scene.later(SECOND * 600);
    scene.sample(1.0);
    assert!(cooling(&scene).is_empty());
}

#[test]
fn while_frozen_harm_is_told_once_and_undone_after_the_thaw() {
    let mut scene = Scene::new();
    scene.samples(WINDOW + 1, 1.0);
    assert_eq!(scene.ask(2, Change::CpuQuota(0.5)), Fate::Applied);
    scene.changes.freeze();
    let found = scene.samples(WINDOW, 3.0);
    assert_eq!((told(&found), found[0].culprits.as_slice()), (vec![], [TaskKey(2)].as_slice()));
    assert_eq!(scene.samples(3, 3.0), vec![], "once");
    assert_eq!(scene.read("2/cpu.max"), "100000 100000");
    assert!(scene.changes.who_cools_down(None).is_empty());
    scene.changes.thaw(&platform());
    assert_eq!(told(&scene.sample(3.0)), [(2, Kind::CpuQuota)]);
    assert_eq!(scene.read("2/cpu.max"), "max 100000");
}

#[test]
fn while_frozen_values_of_a_policy_that_nobody_calls_any_more_say_that_they_go_back() {
    let mut scene = Scene::new();
    assert_eq!(scene.ask(2, Change::CpuQuota(0.5)), Fate::Applied);
    scene.changes.freeze();
    let goes_back =
        |scene: &Scene| scene.changes.explain_cgroup("/2").iter().map(|held| held.goes_back).collect::<Vec<_>>();
    assert_eq!(goes_back(&scene), [false]);
    scene.changes.policy_failed(0);
    assert_eq!(goes_back(&scene), [true]);
    scene.changes.thaw(&platform());
    scene.changes.tick();
    assert_eq!((goes_back(&scene), scene.read("2/cpu.max")), (vec![], "max 100000".into()));
}

#[test]
fn numbers_are_told_with_four_digits_that_count() {
    let cases = [
        (0.0, "0"),
        (0.5, "0.5"),
        (0.123_456, "0.1235"),
        (0.000_123_456, "0.0001235"),
        (12.5, "12.5"),
        (1_234_567.8, "1234568"),
        (-0.25, "-0.25"),
        (f64::NAN, "NaN"),
    ];
    for (number, expected) in cases {
        assert_eq!(short(number), expected);
    }
}
