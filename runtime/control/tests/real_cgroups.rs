//! Changes of cgroups of this machine, where they are those of cgroup v1. Where they are not, each says so aloud.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure ends the test")]

mod common;
#[path = "../../../tests/skipped.rs"]
mod skipped;

use common::{Scene, Sleeper, is_possible, stays_over_a_start};
use wca_control::Settings;
use wca_kernel::Version;
use wca_model::{Change, Fate, Kind, Mode};

const MIB: u64 = 1 << 20;

#[test]
fn each_kind_of_v1_is_applied_and_released() {
    if !is_possible(Version::V1) {
        return;
    }
    let mut scene = Scene::new("each", |_| {});
    let sleeper = Sleeper::start();
    scene.add(&sleeper);
    let cpus = scene.platform.cpus.len() as u64;
    let last = scene.platform.cpus.last().unwrap().id;
    let cases = [
        (Change::CpuQuota(0.5), "cpu.cfs_quota_us", (50_000 * cpus).to_string()),
        (Change::CpuShares(2.0), "cpu.shares", "2000".into()),
        (Change::CpusetCpus(vec![last]), "cpuset.cpus", last.to_string()),
        (Change::CpusetMems(vec![0]), "cpuset.mems", "0".into()),
        (Change::CpusetMemoryMigrate(true), "cpuset.memory_migrate", "1".into()),
        (Change::MemoryMax(Some(64 * MIB)), "memory.limit_in_bytes", (64 * MIB).to_string()),
    ];
    for (change, file, expected) in cases {
        let (before, kind) = (scene.all(), change.kind());
        let is_new = scene.get("task", file) != expected;
        let fate = scene.apply(change.clone());
        assert_eq!(fate, if is_new { Fate::Applied } else { Fate::Unchanged }, "{file}");
        assert_eq!(scene.get("task", file), expected, "{file}");
        if file.starts_with("cpuset") {
            assert_eq!(scene.get("task/container", file), expected, "{file}");
        }
        assert_eq!(scene.apply(change), Fate::Unchanged, "{file}");
        assert_eq!(scene.apply(Change::Release(kind)), fate, "{file}");
        assert_eq!(scene.all(), before, "{file}");
    }
}

#[test]
fn a_task_runs_where_it_may_and_everything_is_put_back() {
    if !is_possible(Version::V1) {
        return;
    }
    let mut scene = Scene::new("moves", |_| {});
    let sleeper = Sleeper::start();
    scene.add(&sleeper);
    let [first, .., last] = &*scene.platform.cpus.clone() else { return skipped::skipped("it takes two processors") };
    for cgroup in ["task/container", "task"] {
        scene.set(cgroup, "cpuset.cpus", &first.id.to_string());
    }
    let before = scene.all();
    // From the one to the other, where neither cgroup is within the other's processors.
    for cpu in [last.id, first.id, last.id] {
        assert_eq!(scene.apply(Change::CpusetCpus(vec![cpu])), Fate::Applied);
        assert_eq!(sleeper.status("Cpus_allowed_list:"), cpu.to_string());
    }
    assert_eq!(scene.apply(Change::CpuQuota(0.25)), Fate::Applied);
    let restored = scene.control.restore();
    assert_eq!(restored.failed, Vec::<String>::new());
    assert_eq!((scene.all(), scene.control.held().count()), (before, 0));
}

#[test]
fn children_are_lowered_where_v1_refuses_their_parent_and_put_back() {
    if !is_possible(Version::V1) {
        return;
    }
    let mut scene = Scene::new("quota", |settings| settings.cpu_quota_period = Some(50_000));
    let cpus = scene.platform.cpus.len() as u64;
    scene.set("task/container", "cpu.cfs_quota_us", &(80_000 * cpus).to_string());
    let before = scene.all();
    for share in [0.5, 0.9, 0.2, 0.01, 0.7] {
        assert_eq!(scene.apply(Change::CpuQuota(share)), Fate::Applied, "{share}");
        let quota = |cgroup: &str| scene.get(cgroup, "cpu.cfs_quota_us").parse::<f64>().unwrap();
        let period = |cgroup: &str| scene.get(cgroup, "cpu.cfs_period_us").parse::<f64>().unwrap();
        let part = |cgroup: &str| quota(cgroup) / period(cgroup) / cpus as f64;
        let expected = share.max(1_000.0 / 50_000.0 / cpus as f64);
        assert!((part("task") - expected).abs() < 1e-3, "{share}");
        assert!((part("task/container") - expected.min(0.8)).abs() < 1e-3, "{share}");
    }
    assert_eq!(scene.apply(Change::CpuQuota(1.0)), Fate::Applied);
    assert_eq!(scene.get("task", "cpu.cfs_quota_us"), "-1");
    let restored = scene.control.restore();
    assert_eq!((restored.failed, scene.all()), (vec![], before));
}

#[test]
fn memory_and_swap_are_narrowed_and_widened_together() {
    if !is_possible(Version::V1) {
        return;
    }
    let mut scene = Scene::new("memory", |_| {});
    if scene.dir("memory", "task").is_empty()
        || !scene.all().keys().any(|file| file.ends_with("memory.memsw.limit_in_bytes"))
    {
        return skipped::skipped("the kernel does not count swap");
    }
    scene.set("task", "memory.limit_in_bytes", &(64 * MIB).to_string());
    scene.set("task", "memory.memsw.limit_in_bytes", &(80 * MIB).to_string());
    let before = scene.all();
    for mib in [32, 128, 16] {
        assert_eq!(scene.apply(Change::MemoryMax(Some(mib * MIB))), Fate::Applied);
        assert_eq!(scene.get("task", "memory.limit_in_bytes"), (mib * MIB).to_string());
        assert_eq!(scene.get("task", "memory.memsw.limit_in_bytes"), ((mib + 16) * MIB).to_string());
    }
    assert_eq!(scene.apply(Change::MemoryMax(None)), Fate::Applied);
    assert_eq!(scene.apply(Change::MemoryMax(Some(32 * MIB + 1))), Fate::Adjusted((32 * MIB).to_string()));
    assert_eq!((scene.control.restore().failed, scene.all()), (vec![], before));
}

#[test]
fn a_start_with_the_same_policy_keeps_every_value_of_each_kind() {
    if !is_possible(Version::V1) {
        return;
    }
    let mut scene = Scene::new("adopted", |_| {});
    let settings = Settings { mode: Mode::Apply, cpu_quota_period: Some(50_000), ..Settings::default() };
    let cpus = scene.platform.cpus.len() as u64;
    scene.set("task/container", "cpu.cfs_quota_us", &(80_000 * cpus).to_string());
    scene.set("task", "memory.limit_in_bytes", &(64 * MIB).to_string());
    let last = scene.platform.cpus.last().unwrap().id;
    let changes = [
        Change::CpuQuota(0.25),
        Change::CpuShares(3.0),
        Change::CpusetCpus(vec![last]),
        Change::CpusetMemoryMigrate(true),
        Change::MemoryMax(Some(32 * MIB)),
    ];
    let task = scene.task.clone();
    stays_over_a_start(&mut scene, &task, &settings, &changes);
}

#[test]
fn what_is_refused_leaves_everything_as_it_was() {
    if !is_possible(Version::V1) {
        return;
    }
    let mut scene = Scene::new("refused", |_| {});
    let sleeper = Sleeper::start();
    scene.add(&sleeper);
    scene.set("", "cpu.cfs_quota_us", "50000");
    let before = scene.all();
    let cases = [
        (Change::CpusetCpus(vec![]), "at least one of"),
        (Change::CpusetCpus(vec![9_999]), "processor 9999"),
        (Change::CpusetMems(vec![63]), "NUMA node 63"),
        (Change::CpuQuota(0.9), "cgroup v1 takes no quota above the one around it"),
        (Change::CpuWeight(100), "is of cgroup v2"),
        (Change::MemoryHigh(Some(64 * MIB)), "is of cgroup v2"),
        (Change::MemoryLow(64 * MIB), "is of cgroup v2"),
        (Change::MemoryMax(Some(4_096)), "`allow_oom: true`"),
    ];
    for (change, expected) in cases {
        let Fate::Failed(why) = scene.apply(change.clone()) else { panic!("{change:?}") };
        assert!(why.contains(expected), "{why}");
    }
    let Fate::Failed(why) = scene.apply_to("/wca-control-gone", Change::CpuQuota(0.5)) else { panic!() };
    assert!(why.ends_with("/wca-control-gone is not there"), "{why}");
    assert_eq!((scene.all(), scene.control.held().count()), (before, 0));
    // A release of what was never changed changes nothing.
    assert_eq!(scene.apply(Change::Release(Kind::CpuQuota)), Fate::Unchanged);
}
