use std::fs;

use wca_model::platform::{BandwidthControl, BandwidthUnit, CacheControl};
use wca_model::{Change, Fate, InForce, Platform, RdtInForce, SharesConversion};

use super::tree::{Tree, platform, task};

fn of(tree: &Tree) -> InForce {
    tree.control().in_force(&tree.tasks(), &platform()).remove(0)
}

fn untouched() -> InForce {
    InForce {
        cpu_quota: Some(1.0),
        cpu_shares: Some(1.024),
        cpuset_cpus: Some(vec![0, 1, 2, 3]),
        cpuset_mems: Some(vec![0, 1]),
        cpuset_memory_migrate: Some(false),
        memory_max: Some(f64::INFINITY),
        io_weight: Some(100.0),
        ..InForce::default()
    }
}

#[test]
fn what_nobody_has_changed() {
    assert_eq!(of(&Tree::v1(&[])), untouched());
    let expected = InForce {
        cpu_weight: Some(100.0),
        cpuset_memory_migrate: Some(true),
        memory_high: Some(f64::INFINITY),
        memory_low: Some(0.0),
        ..untouched()
    };
    assert_eq!(of(&Tree::v2(&[])), expected);
}

#[test]
fn what_somebody_has_changed_in_the_units_of_requests() {
    let tree = Tree::v1(&[]);
    tree.set("cpu/a/task/cpu.cfs_quota_us", "100000").set("cpu/a/task/cpu.shares", "500");
    tree.set("cpuset/a/task/cpuset.cpus", "0,2-3").set("cpuset/a/task/cpuset.mems", "1");
    tree.set("cpuset/a/task/cpuset.memory_migrate", "1").set("memory/a/task/memory.limit_in_bytes", "4096");
    tree.set("blkio/a/task/blkio.bfq.weight", "7");
    let expected = InForce {
        cpu_quota: Some(0.25),
        cpu_shares: Some(0.5),
        cpuset_cpus: Some(vec![0, 2, 3]),
        cpuset_mems: Some(vec![1]),
        cpuset_memory_migrate: Some(true),
        memory_max: Some(4096.0),
        io_weight: Some(7.0),
        ..InForce::default()
    };
    assert_eq!(of(&tree), expected);
    tree.remove("blkio/a/task/blkio.bfq.weight").set("blkio/a/task/blkio.weight", "500");
    assert_eq!(of(&tree).io_weight, Some(100.0), "the other scheduler's default is the same share");
}

#[test]
fn v23_lists_of_the_kernel_are_numbers() {
    let tree = Tree::v1(&[]);
    let found = of(tree.set("cpuset/a/task/cpuset.cpus", "0-2,4,6-8").set("cpuset/a/task/cpuset.mems", "0-1"));
    assert_eq!((found.cpuset_cpus, found.cpuset_mems), (Some(vec![0, 1, 2, 4, 6, 7, 8]), Some(vec![0, 1])));
}

#[test]
fn more_than_the_machine_has_is_no_limit() {
    let tree = Tree::v2(&[]);
    assert_eq!(of(tree.set("a/task/cpu.max", "200000 100000")).cpu_quota, Some(0.5));
    assert_eq!(of(tree.set("a/task/cpu.max", "900000 100000")).cpu_quota, Some(1.0));
}

#[test]
fn where_a_cgroup_has_no_cpuset_of_its_own_it_has_that_of_the_one_above() {
    let tree = Tree::v2(&[]);
    for file in ["cpuset.cpus", "cpuset.cpus.effective", "cpuset.mems", "cpuset.mems.effective"] {
        tree.remove(&format!("a/task/{file}"));
    }
    let found = of(tree.set("a/cpuset.cpus.effective", "1-2").set("a/cpuset.mems.effective", "0"));
    assert_eq!((found.cpuset_cpus, found.cpuset_mems), (Some(vec![1, 2]), Some(vec![0])));
}

#[test]
fn what_cannot_be_read_is_left_out() {
    let tree = Tree::v2(&[]);
    tree.remove("a/task/memory.high").set("a/task/memory.max", "much").set("a/task/cpu.max", "50000");
    tree.set("a/task/cpu.weight", "heavy").set("a/task/cpuset.cpus.effective", "0-x");
    let found = of(&tree);
    assert_eq!((found.memory_high, found.memory_max, found.cpu_quota), (None, None, None));
    assert_eq!((found.cpu_weight, found.cpu_shares, found.cpuset_cpus), (None, None, None));
    fs::remove_dir_all(tree.roots().path("/sys/fs/cgroup/a/task")).unwrap();
    let vanished = of(&tree);
    assert_eq!((vanished.cpu_weight, vanished.memory_low, vanished.io_weight), (None, None, None));
}

#[test]
fn a_weight_is_told_in_the_shares_that_it_stands_for() {
    let mut tree = Tree::v2(&["/a/other"]);
    tree.set("a/task/cpu.weight", "39").set("a/other/cpu.weight", "39");
    for (conversion, shares) in [
        (SharesConversion::Auto, 1.011),
        (SharesConversion::RuncLinear, 1.011),
        (SharesConversion::Kernel, 0.399),
        (SharesConversion::Runc2025, 0.3),
    ] {
        tree.settings.cpu_shares_conversion = conversion;
        assert_eq!(of(&tree).cpu_shares, Some(shares), "{conversion:?}");
    }
    // What was asked for is known better than a weight can tell.
    let mut control = tree.control();
    assert_eq!(tree.apply(&mut control, 1, Change::CpuShares(0.777)), Fate::Applied);
    let found = control.in_force(&tree.tasks(), &platform()).remove(0);
    assert_eq!(found.cpu_shares, Some(0.777));
    tree.set("a/task/cpu.weight", "39");
    let found = control.in_force(&tree.tasks(), &platform()).remove(0);
    assert_ne!(found.cpu_shares, Some(0.777), "somebody else has changed it");
}

#[test]
fn groups_of_resctrl_are_told_with_their_ways() {
    let mut tree = Tree::v2(&["/a/other"]);
    tree.tasks.push(task(2, "/a/other"));
    let mounts =
        "30 2 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n33 2 0:33 / /sys/fs/resctrl rw - resctrl resctrl rw";
    tree.write("/proc/self/mountinfo", mounts);
    tree.write("/sys/fs/cgroup/a/task/cgroup.threads", "7");
    tree.write("/sys/fs/cgroup/a/other/cgroup.threads", "8");
    tree.write("/sys/fs/resctrl/info/last_cmd_status", "ok");
    tree.write("/sys/fs/resctrl/schemata", "    L3:0=fff;1=fff\n    MB:0=100;1=100");
    tree.write("/sys/fs/resctrl/tasks", "8");
    let l3 = CacheControl { domains: vec![0, 1], mask: 0xfff, min_ways: 2, contiguous: true, code_data: false };
    let bandwidth = BandwidthControl { domains: vec![0, 1], unit: BandwidthUnit::Percent, min: 10, step: 10 };
    let platform = Platform { l3: Some(l3), bandwidth: Some(bandwidth), groups: 8, ..platform() };
    let rdt = |tree: &Tree| -> Vec<Option<RdtInForce>> {
        tree.control().in_force(&tree.tasks(), &platform).into_iter().map(|found| found.rdt).collect()
    };
    let root = RdtInForce { l3: vec![(0, 0xfff), (1, 0xfff)], mb: vec![(0, 100), (1, 100)], ..RdtInForce::default() };
    assert_eq!(rdt(&tree), [Some(root.clone()), Some(root.clone())]);
    // Somebody else's group: only the kernel knows who is in it.
    tree.write("/sys/fs/resctrl/be/schemata", "    L3:0=f;1=ff\n    MB:0=50;1=60");
    tree.write("/sys/fs/resctrl/be/tasks", "7");
    let be =
        RdtInForce { group: "be".into(), l3: vec![(0, 0xf), (1, 0xff)], mb: vec![(0, 50), (1, 60)], ..root.clone() };
    assert_eq!(rdt(&tree), [Some(be), Some(root)]);
    tree.write("/proc/self/mountinfo", "30 2 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw");
    assert_eq!(rdt(&tree), [Some(RdtInForce::default()), Some(RdtInForce::default())], "it was unmounted meanwhile");
}
