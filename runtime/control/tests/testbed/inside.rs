//! What is seen on a kernel with cgroup v2 alone. These run inside the test bed only.

use std::fs;
use std::process::Command;

use wca_control::Settings;
use wca_model::{Change, Fate, Kind, Mode};

use crate::common::{Scene, Sleeper, control, stays_over_a_start};

const MIB: u64 = 1 << 20;
const ROOT: &str = "/sys/fs/cgroup";

#[test]
#[ignore = "runs inside the test bed"]
fn each_kind_is_applied_read_back_and_released() {
    let mut scene = Scene::new("each", |_| {});
    let cpus = scene.platform.cpus.len() as u64;
    let mut cases = vec![
        (Change::CpuQuota(0.25), "cpu.max", format!("{} 100000", 25_000 * cpus)),
        (Change::CpuQuota(0.001), "cpu.max", format!("1000 {}", 1_000_000 / cpus)),
        (Change::CpuShares(1.024), "cpu.weight", "100".into()),
        (Change::CpuShares(2.048), "cpu.weight", "200".into()),
        (Change::CpuWeight(333), "cpu.weight", "333".into()),
        (Change::CpusetCpus(vec![1, 3]), "cpuset.cpus", "1,3".into()),
        (Change::MemoryHigh(Some(64 * MIB)), "memory.high", (64 * MIB).to_string()),
        (Change::MemoryMax(Some(64 * MIB)), "memory.max", (64 * MIB).to_string()),
        (Change::MemoryLow(MIB), "memory.low", MIB.to_string()),
        (Change::IoWeight(250), "io.weight", "default 250".into()),
    ];
    for node in &scene.platform.nodes {
        cases.push((Change::CpusetMems(vec![node.id]), "cpuset.mems", node.id.to_string()));
    }
    for (change, file, expected) in cases {
        let (before, kind) = (scene.all(), change.kind());
        let is_new = scene.get("task", file) != expected;
        let fate = scene.apply(change.clone());
        assert_eq!(fate, if is_new { Fate::Applied } else { Fate::Unchanged }, "{change:?}");
        assert_eq!(scene.get("task", file), expected, "{change:?}");
        assert_eq!(scene.apply(change.clone()), Fate::Unchanged, "{change:?}");
        assert_eq!(scene.apply(Change::Release(kind)), fate, "{change:?}");
        assert_eq!(scene.all(), before, "{change:?}");
    }
}

#[test]
#[ignore = "runs inside the test bed"]
fn what_the_kernel_would_clamp_is_said() {
    let mut scene = Scene::new("clamped", |settings| settings.cpu_quota_period = Some(2_000));
    assert_eq!(scene.apply(Change::CpuQuota(0.0)), Fate::Adjusted("1000 2000".into()));
    assert_eq!(scene.get("task", "cpu.max"), "1000 2000");
    assert_eq!(scene.apply(Change::CpuShares(0.0)), Fate::Adjusted("1".into()));
    assert_eq!(scene.apply(Change::MemoryHigh(Some(64 * MIB + 5))), Fate::Adjusted((64 * MIB).to_string()));
    assert_eq!(scene.control.restore().failed, Vec::<String>::new());
}

#[test]
#[ignore = "runs inside the test bed"]
fn a_quota_of_a_task_leaves_that_of_its_container_as_it_is() {
    let mut scene = Scene::new("pod", |_| {});
    scene.set("task/container", "cpu.max", "300000 100000");
    assert_eq!(scene.apply(Change::CpuQuota(0.1)), Fate::Applied);
    assert_eq!(scene.get("task/container", "cpu.max"), "300000 100000");
}

#[test]
#[ignore = "runs inside the test bed"]
fn a_task_runs_where_it_may_whatever_its_container_was_given() {
    let mut scene = Scene::new("runs", |_| {});
    let sleeper = Sleeper::start();
    scene.add(&sleeper);
    let everywhere = sleeper.status("Cpus_allowed_list:");
    assert_eq!(scene.apply(Change::CpusetCpus(vec![0, 1])), Fate::Applied);
    assert_eq!(sleeper.status("Cpus_allowed_list:"), "0-1", "it has no list of its own and follows");
    assert_eq!(scene.control.restore().put_back, 1);
    assert_eq!(sleeper.status("Cpus_allowed_list:"), everywhere);
    scene.set("task/container", "cpuset.cpus", "2");
    let pinned = scene.all();
    assert_eq!(scene.apply(Change::CpusetCpus(vec![1, 3])), Fate::Applied);
    assert_eq!(sleeper.status("Cpus_allowed_list:"), "1,3");
    assert_eq!((scene.control.restore().failed, scene.all()), (vec![], pinned));
    assert_eq!(sleeper.status("Cpus_allowed_list:"), "2");
}

/// The kernel takes no empty list where processes are.
#[test]
#[ignore = "runs inside the test bed"]
fn an_empty_list_is_given_back_as_one_of_all_where_processes_are() {
    let mut scene = Scene::new("empty", |_| {});
    let sleeper = Sleeper::start();
    scene.add(&sleeper);
    let cases = [
        (Change::CpusetCpus(vec![1]), "cpuset.cpus", "/sys/devices/system/cpu/possible"),
        (Change::CpusetMems(vec![1]), "cpuset.mems", "/sys/devices/system/node/possible"),
    ];
    for (change, file, possible) in cases {
        assert_eq!(scene.get("task", file), "");
        assert_eq!(scene.apply(change), Fate::Applied);
        assert_eq!(scene.get("task/container", &format!("{file}.effective")), "1");
        let restored = scene.control.restore();
        assert_eq!((restored.put_back, restored.failed), (1, vec![]));
        assert_eq!(scene.get("task", file), fs::read_to_string(possible).unwrap().trim());
    }
    // It has what the one above has, as before.
    scene.set("", "cpuset.cpus", "0,2");
    assert_eq!(scene.get("task/container", "cpuset.cpus.effective"), "0,2");
}

#[test]
#[ignore = "runs inside the test bed"]
fn what_is_refused_leaves_everything_as_it_was() {
    let mut scene = Scene::new("refused", |_| {});
    scene.set("", "cpuset.cpus", "0-1");
    let before = scene.all();
    let cases = [
        (Change::CpusetCpus(vec![]), "at least one of"),
        (Change::CpusetMems(vec![]), "at least one of"),
        (Change::CpusetCpus(vec![0, 64]), "processor 64"),
        (Change::CpusetMems(vec![9]), "NUMA node 9"),
        (Change::CpusetCpus(vec![2, 3]), "none of the processors 2-3 is in"),
        (Change::CpusetMemoryMigrate(true), "where pages always follow"),
        (Change::CpuWeight(10_001), "from 1 to 10000"),
    ];
    for (change, expected) in cases {
        let Fate::Failed(why) = scene.apply(change.clone()) else { panic!("{change:?}") };
        assert!(why.contains(expected), "{why}");
    }
    assert_eq!((scene.all(), scene.control.held().count()), (before.clone(), 0));
    // Of those that the one above has only a part, that part is in force.
    assert_eq!(scene.apply(Change::CpusetCpus(vec![1, 2])), Fate::Adjusted("1".into()));
    assert_eq!(scene.get("task", "cpuset.cpus.effective"), "1");
    assert_eq!((scene.control.restore().failed, scene.all()), (vec![], before));
}

#[test]
#[ignore = "runs inside the test bed"]
fn no_limit_kills_a_task_by_itself() {
    let mut scene = Scene::new("room", |_| {});
    // Pages of a tmpfs are held by the cgroup that has written them.
    let script = "echo 0 > $1/cgroup.procs; dd if=/dev/zero of=/tmp/pages bs=1M count=8 2> /dev/null";
    let container = scene.dir("memory", "task/container");
    assert!(Command::new("sh").args(["-c", script, "sh", &container]).status().unwrap().success());
    let before = scene.all();
    let Fate::Failed(why) = scene.apply(Change::MemoryMax(Some(4 * MIB))) else { panic!() };
    assert!(why.contains("memory.current says") && why.contains("`allow_oom: true`"), "{why}");
    fs::remove_file("/tmp/pages").unwrap();
    assert_eq!(scene.all(), before);
}

#[test]
#[ignore = "runs inside the test bed"]
fn a_processor_that_is_offline_is_given_to_nobody() {
    const ONLINE: &str = "/sys/devices/system/cpu/cpu1/online";
    fs::write(ONLINE, "0").unwrap();
    let mut scene = Scene::new("offline", |_| {});
    let before = scene.all();
    let fate = scene.apply(Change::CpusetCpus(vec![0, 1]));
    let is_as_it_was = scene.all() == before;
    fs::write(ONLINE, "1").unwrap();
    let Fate::Failed(why) = fate else { panic!("{fate:?}") };
    assert!(why.contains("names processor 1: online here are 0,2-"), "{why}");
    assert!(is_as_it_was);
}

#[test]
#[ignore = "runs inside the test bed"]
fn a_partition_keeps_its_processors() {
    let mut scene = Scene::new("partition", |_| {});
    for cgroup in ["", "task"] {
        scene.set(cgroup, "cpuset.cpus", "1-2");
        scene.set(cgroup, "cpuset.cpus.partition", "root");
        assert_eq!(scene.get(cgroup, "cpuset.cpus.partition"), "root");
    }
    let before = scene.all();
    let Fate::Failed(why) = scene.apply(Change::CpusetCpus(vec![1])) else { panic!() };
    assert!(why.contains("/task/cpuset.cpus.partition is root"), "{why}");
    assert_eq!(scene.all(), before);
    for cgroup in ["task", ""] {
        scene.set(cgroup, "cpuset.cpus.partition", "member");
        scene.set(cgroup, "cpuset.cpus", "\n");
    }
}

/// A cgroup beside others below the root, without controllers of its own.
struct Bare(String);

impl Bare {
    fn make(name: &str) -> Self {
        for below in ["", "/task", "/other"] {
            fs::create_dir(format!("{ROOT}/{name}{below}")).unwrap();
        }
        Self(name.into())
    }

    fn handed_down(&self) -> String {
        fs::read_to_string(format!("{ROOT}/{}/cgroup.subtree_control", self.0)).unwrap().trim().to_owned()
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        for below in ["/other", "/task", ""] {
            fs::remove_dir(format!("{ROOT}/{}{below}", self.0)).unwrap();
        }
    }
}

#[test]
#[ignore = "runs inside the test bed"]
fn controllers_are_enabled_where_the_operator_says_so_and_go_where_nobody_else_needs_them() {
    let (mut scene, bare) = (Scene::new("enabling", |_| {}), Bare::make("bare"));
    let task = "/bare/task";
    let Fate::Failed(why) = scene.apply_to(task, Change::CpuQuota(0.5)) else { panic!() };
    assert!(why.contains("not in /sys/fs/cgroup/bare/cgroup.subtree_control; `enable_controllers: true`"), "{why}");
    assert_eq!(bare.handed_down(), "");
    scene.control = control(Settings { mode: Mode::Apply, enable_controllers: true, ..Settings::default() });
    assert_eq!(scene.apply_to(task, Change::CpuQuota(0.5)), Fate::Applied);
    assert_eq!(scene.apply_to(task, Change::CpuWeight(200)), Fate::Applied);
    assert_eq!(scene.apply_to(task, Change::MemoryHigh(Some(64 * MIB))), Fate::Applied);
    assert_eq!(bare.handed_down(), "cpu memory");
    // The quota is given back; the weight needs the controller still.
    assert_eq!(scene.apply_to(task, Change::Release(Kind::CpuQuota)), Fate::Applied);
    assert_eq!(bare.handed_down(), "cpu memory");
    let weight = || fs::read_to_string(format!("{ROOT}{task}/cpu.weight")).unwrap();
    assert_eq!(weight(), "200\n");
    assert_eq!(scene.apply_to(task, Change::Release(Kind::CpuWeight)), Fate::Applied);
    assert_eq!(bare.handed_down(), "memory");
    let restored = scene.control.restore();
    assert_eq!((restored.failed, restored.foreign), (vec![], vec![]));
    assert_eq!((bare.handed_down().as_str(), scene.control.held().count()), ("", 0));
    // Somebody else uses it meanwhile.
    assert_eq!(scene.apply_to(task, Change::CpuQuota(0.5)), Fate::Applied);
    fs::write(format!("{ROOT}/bare/other/cpu.weight"), "50").unwrap();
    let restored = scene.control.restore();
    assert_eq!((restored.failed, restored.foreign.len(), bare.handed_down().as_str()), (vec![], 1, "cpu"));
    assert_eq!(fs::read_to_string(format!("{ROOT}{task}/cpu.max")).unwrap(), "max 100000\n");
}

#[test]
#[ignore = "runs inside the test bed"]
fn a_start_with_the_same_policy_keeps_every_value_and_the_controllers_for_it() {
    let (mut scene, bare) = (Scene::new("adopted", |_| {}), Bare::make("kept"));
    let settings = Settings { mode: Mode::Apply, enable_controllers: true, ..Settings::default() };
    let changes = [
        Change::CpuQuota(0.25),
        Change::CpuWeight(300),
        Change::CpusetCpus(vec![1]),
        Change::MemoryHigh(Some(64 * MIB)),
        Change::IoWeight(50),
    ];
    stays_over_a_start(&mut scene, "/kept/task", &settings, &changes);
    assert_eq!(bare.handed_down(), "");
}
