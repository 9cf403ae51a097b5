//! Facts about captured machines.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure ends the test")]

mod common;

use common::Machine;
use rstest::rstest;
use wca_kernel::{KernelError, Roots, platform};
use wca_model::platform::{BandwidthControl, BandwidthUnit, CacheControl, Cpu, NumaNode, Platform};

fn of(machine: &Machine) -> Platform {
    platform(&machine.roots()).unwrap().platform
}

fn cpu(id: u32, core: u32, socket: u32, node: u32) -> Cpu {
    Cpu { id, core, socket, node }
}

#[test]
fn one_node_without_resctrl() {
    let facts = of(&Machine::captured("v1-and-v2"));
    let expected = Platform {
        host: "vm".into(),
        cpu_model: "Intel(R) Xeon(R) Processor".into(),
        cpu_model_number: Some(167),
        cpus: vec![cpu(0, 0, 0, 0), cpu(1, 1, 0, 0)],
        nodes: vec![NumaNode { id: 0, memory: 21_194_956 * 1_024, distances: vec![10] }],
        ..Platform::default()
    };
    assert_eq!(facts, expected);
}

#[test]
fn four_nodes_with_resctrl() {
    let facts = of(&Machine::captured("v2-numa-resctrl"));
    let places: Vec<(u32, u32, u32)> = facts.cpus.iter().map(|cpu| (cpu.core, cpu.socket, cpu.node)).collect();
    assert_eq!(places, [(0, 0, 0), (0, 0, 0), (1, 0, 1), (1, 0, 1), (0, 1, 2), (0, 1, 2), (1, 1, 3), (1, 1, 3)]);
    let distances: Vec<&[u32]> = facts.nodes.iter().map(|node| node.distances.as_slice()).collect();
    assert_eq!(distances, [[10, 11, 21, 21], [11, 10, 21, 21], [21, 21, 10, 11], [21, 21, 11, 10]]);
    assert_eq!(facts.nodes[3].memory, 257_164 * 1_024);
    let l3 = CacheControl { domains: vec![0, 1], mask: 0x7ff, min_ways: 1, contiguous: true, code_data: false };
    assert_eq!((facts.l3, facts.l2), (Some(l3), None));
    let bandwidth = BandwidthControl { domains: vec![0, 1], unit: BandwidthUnit::Percent, min: 10, step: 10 };
    assert_eq!(facts.bandwidth, Some(bandwidth));
    assert_eq!(facts.groups, 8, "the smaller of 16 and 8");
}

#[test]
fn code_and_data_of_their_own() {
    let machine = Machine::captured("v2-numa-resctrl");
    machine.overlay("resctrl-cdp");
    let facts = of(&machine);
    let l3 = CacheControl { domains: vec![0, 1], mask: 0x7ff, min_ways: 1, contiguous: true, code_data: true };
    assert_eq!((facts.l3, facts.groups), (Some(l3), 8));
}

const RESCTRL: &str = "33 25 0:28 / /sys/fs/resctrl rw - resctrl resctrl rw";

#[test]
fn bandwidth_in_megabytes_per_second() {
    let machine = Machine::captured("v2-numa-resctrl");
    machine.write("/proc/self/mountinfo", &format!("{RESCTRL},mba_MBps\n"));
    machine.write("/sys/fs/resctrl/schemata", "MB:0=4294967295;1=4294967295\nL3:0=7ff;1=7ff\n");
    assert_eq!(of(&machine).bandwidth.unwrap().unit, BandwidthUnit::MegabytesPerSecond);
}

/// An AMD machine by the kernel's document: L3 per core complex with ids that are not 0..n, bandwidth in eighths of a GB/s,
/// and a kernel that does not yet say whether masks may have holes.
#[test]
fn resctrl_of_amd() {
    let machine = Machine::captured("v2-numa-resctrl");
    machine.write("/proc/cpuinfo", "vendor_id\t: AuthenticAMD\nmodel name\t: EPYC\n");
    machine.write("/sys/fs/resctrl/schemata", "    MB:0=2048;8=2048;16=2048\n    L3:0=ffff;8=ffff;16=ffff\n");
    machine.write("/sys/fs/resctrl/info/L3/cbm_mask", "ffff\n");
    machine.write("/sys/fs/resctrl/info/MB/min_bandwidth", "1\n");
    machine.write("/sys/fs/resctrl/info/MB/bandwidth_gran", "1\n");
    machine.remove("/sys/fs/resctrl/info/L3/sparse_masks");
    let facts = of(&machine);
    let l3 = CacheControl { domains: vec![0, 8, 16], mask: 0xffff, min_ways: 1, contiguous: false, code_data: false };
    assert_eq!(facts.l3, Some(l3));
    let unit = BandwidthUnit::EighthsOfGigabytePerSecond;
    assert_eq!(facts.bandwidth, Some(BandwidthControl { domains: vec![0, 8, 16], unit, min: 1, step: 1 }));
}

#[test]
fn resctrl_with_monitoring_alone() {
    let machine = Machine::captured("v2-numa-resctrl");
    machine.write("/sys/fs/resctrl/schemata", "");
    let facts = of(&machine);
    assert_eq!((facts.l3, facts.bandwidth, facts.groups), (None, None, 1));
}

#[test]
fn resctrl_that_is_not_mounted_is_none() {
    let machine = Machine::captured("v2-numa-resctrl");
    machine.write("/proc/self/mountinfo", "");
    let facts = of(&machine);
    assert_eq!((facts.l3, facts.bandwidth, facts.groups), (None, None, 0));
}

#[test]
fn a_container_that_hides_sys() {
    let machine = Machine::captured("v1-and-v2");
    machine.remove("/sys");
    let facts = of(&machine);
    assert_eq!(facts.cpus, [cpu(0, 0, 0, 0), cpu(1, 1, 0, 0)]);
    assert_eq!(facts.nodes.len(), 1);
}

#[rstest]
#[case("SwapTotal:        123000 kB\n", true)]
#[case("SwapTotal:             0 kB\n", false)]
#[case("", false)]
fn swap(#[case] line: &str, #[case] expected: bool) {
    let machine = Machine::captured("v1-and-v2");
    machine.write("/proc/meminfo", &format!("MemTotal: 1 kB\n{line}"));
    assert_eq!(of(&machine).swap, expected);
}

#[rstest]
#[case("/sys/devices/system/cpu/online", "0-\n", "a list such as 0-3,8")]
#[case("/sys/devices/system/cpu/online", "\n", "a list such as 0-3,8")]
#[case("/sys/devices/system/cpu/cpu1/topology/core_id", "one\n", "a number")]
#[case("/sys/devices/system/cpu/cpu1/topology/physical_package_id", "", "a number")]
#[case("/sys/devices/system/cpu/cpu1/topology/core_cpus_list", "\n", "a list such as 0-3,8")]
#[case("/sys/devices/system/node/online", "all\n", "a list such as 0-1")]
#[case("/sys/devices/system/node/node1/distance", "10 21\n", "one distance for each node online")]
#[case("/sys/devices/system/node/node1/meminfo", "Node 1 MemFree: 3 kB\n", "a line MemTotal")]
#[case("/sys/devices/system/node/node1/cpulist", "2-x\n", "a list such as 0-3,8")]
#[case("/proc/meminfo", "nothing\n", "MemTotal in kB")]
fn malformed(#[case] path: &str, #[case] content: &str, #[case] wanted: &str) {
    let machine = Machine::captured("v2-numa-resctrl");
    machine.write(path, content);
    match platform(&machine.roots()).unwrap_err() {
        KernelError::Malformed { path: told, expected, found } => {
            assert_eq!((machine.short(&told).as_str(), expected), (path, wanted));
            assert!(content.starts_with(&found), "{found:?}");
        }
        other => panic!("{other}"),
    }
}

/// What may be missing, or vanish between two looks, and what it costs.
#[rstest]
#[case("/proc/cpuinfo")]
#[case("/sys/devices/system/cpu/cpu1")]
#[case("/sys/devices/system/node/node1")]
#[case("/sys/fs/resctrl/info/MB/num_closids")]
#[case("/sys/fs/resctrl/info")]
fn missing(#[case] path: &str) {
    let machine = Machine::captured("v2-numa-resctrl");
    machine.remove(path);
    let facts = of(&machine);
    assert_eq!((facts.cpus.len(), facts.nodes.len()), (8, 4));
}

/// What else the machine has is known where resctrl cannot be understood, and the notice says which file it is.
#[rstest]
#[case("/sys/fs/resctrl/schemata", Some("L3:0;1\n"), "expected a line such as L3:0=7ff;1=7ff, found \"L3:0;1\"")]
#[case("/sys/fs/resctrl/info/L3/cbm_mask", Some("xyz\n"), "expected a mask, found \"xyz\\n\"")]
#[case("/sys/fs/resctrl/info/MB/num_closids", Some("-1\n"), "expected a number, found \"-1\\n\"")]
#[case("/sys/fs/resctrl/schemata", None, "No such file or directory (os error 2)")]
fn resctrl_that_cannot_be_understood(#[case] path: &str, #[case] content: Option<&str>, #[case] why: &str) {
    let machine = Machine::captured("v2-numa-resctrl");
    match content {
        Some(content) => machine.write(path, content),
        None => machine.remove(path),
    }
    let facts = platform(&machine.roots()).unwrap();
    assert_eq!((facts.platform.cpus.len(), facts.platform.groups, facts.platform.l3), (8, 0, None));
    let [notice] = facts.notices.as_slice() else { panic!("{:?}", facts.notices) };
    let told = notice.to_string();
    assert!(told.starts_with("resctrl is left out: ") && told.contains(path) && told.ends_with(why), "{told}");
}

#[rstest]
#[case("/proc/sys/kernel/hostname")]
fn missing_where_it_must_be(#[case] path: &str) {
    let machine = Machine::captured("v2-numa-resctrl");
    machine.remove(path);
    let error = platform(&machine.roots()).unwrap_err();
    assert!(error.is_absent() && error.to_string().contains(path), "{error}");
}

#[test]
fn this_machine() {
    let facts = platform(&Roots::system()).unwrap().platform;
    assert_eq!(facts.cpus.len(), std::thread::available_parallelism().unwrap().get().max(facts.cpus.len()));
    assert!(!facts.host.is_empty() && !facts.nodes.is_empty());
    for node in &facts.nodes {
        assert_eq!(node.distances.len(), facts.nodes.len());
    }
    assert!(facts.cpus.iter().all(|cpu| facts.node(cpu.node).is_some()));
}
