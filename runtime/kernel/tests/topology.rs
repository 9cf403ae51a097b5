//! Where processors and memory sit, on machines that were captured and on some that were written after the kernel's documents.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure ends the test")]

mod common;

use common::Machine;
use rstest::rstest;
use wca_kernel::platform;
use wca_model::platform::{Cpu, NumaNode, Platform};

fn of(machine: &Machine) -> Platform {
    platform(&machine.roots()).unwrap().platform
}

fn cpu(id: u32, core: u32, socket: u32, node: u32) -> Cpu {
    Cpu { id, core, socket, node }
}

/// A cpuinfo as x86 writes it: the second threads of all cores come after the first ones of all sockets.
fn cpuinfo(sockets: u32, cores: u32, threads: u32) -> String {
    let mut text = String::new();
    for cpu in 0..sockets * cores * threads {
        let core = cpu % (sockets * cores);
        text += &format!(
            "processor\t: {cpu}\nmodel\t\t: 85\nphysical id\t: {}\ncore id\t\t: {}\n\n",
            core / cores,
            core % cores
        );
    }
    text
}

/// Where /sys is hidden, as in a container, /proc/cpuinfo says where processors sit.
#[rstest]
#[case::one_socket_with_two_threads(cpuinfo(1, 4, 2), 8, 4, 1)]
#[case::two_sockets_with_two_threads(cpuinfo(2, 18, 2), 72, 36, 2)]
#[case::two_sockets_with_one_thread(cpuinfo(2, 14, 1), 28, 28, 2)]
#[case::a_malformed_socket("processor : 0\nphysical id : x\ncore id : 0\n".into(), 1, 1, 1)]
fn processors_of_a_cpuinfo(#[case] text: String, #[case] cpus: usize, #[case] cores: usize, #[case] sockets: usize) {
    let machine = Machine::captured("v1-and-v2");
    machine.remove("/sys/devices");
    machine.write("/proc/cpuinfo", &text);
    let online: String = (0..cpus).map(|cpu| format!("cpu{cpu} 1 2 3 4\n")).collect();
    machine.write("/proc/stat", &format!("cpu  1 2 3 4\n{online}intr 1\n"));
    let facts = of(&machine);
    assert_eq!((facts.cpus.len(), facts.cores(), facts.sockets()), (cpus, cores, sockets));
}

#[test]
fn what_sys_says_of_a_processor_goes_before_cpuinfo() {
    let machine = Machine::captured("v1-and-v2");
    machine.write("/proc/cpuinfo", &cpuinfo(2, 1, 1));
    assert_eq!(of(&machine).sockets(), 1);
    machine.remove("/sys/devices/system/cpu/cpu1/topology/physical_package_id");
    assert_eq!(of(&machine).sockets(), 2);
}

#[rstest]
#[case("0-3,6,10-12\n", &[0, 1, 2, 3, 6, 10, 11, 12])]
#[case("0\n", &[0])]
fn processors_online(#[case] text: &str, #[case] expected: &[u32]) {
    let machine = Machine::captured("v1-and-v2");
    machine.write("/sys/devices/system/cpu/online", text);
    let ids: Vec<u32> = of(&machine).cpus.iter().map(|cpu| cpu.id).collect();
    assert_eq!(ids, expected);
}

/// Core, socket and node of each processor.
fn places(facts: &Platform) -> Vec<(u32, u32, u32)> {
    facts.cpus.iter().map(|cpu| (cpu.core, cpu.socket, cpu.node)).collect()
}

#[test]
fn sockets_that_are_divided_into_nodes_and_a_processor_that_is_offline() {
    let facts = of(&Machine::captured("sub-numa"));
    assert_eq!((facts.cpus.len(), facts.cores(), facts.sockets(), facts.nodes.len()), (15, 8, 2, 4));
    let of = |id| facts.cpus.iter().find(|cpu| cpu.id == id).copied();
    assert_eq!((of(3), of(11)), (None, Some(cpu(11, 3, 0, 1))));
    assert_eq!((of(2), of(10), of(14)), (Some(cpu(2, 2, 0, 1)), Some(cpu(10, 2, 0, 1)), Some(cpu(14, 2, 1, 3))));
    assert_eq!(facts.node(2).map(|node| node.distances.as_slice()), Some(&[21, 21, 10, 12][..]));
}

#[test]
fn a_node_without_memory_and_a_node_without_processors() {
    let facts = of(&Machine::captured("memory-tiers"));
    let node =
        |id, memory: u64, distances: &[u32]| NumaNode { id, memory: memory << 30, distances: distances.to_vec() };
    assert_eq!(facts.nodes, [node(0, 8, &[10, 21, 14]), node(1, 0, &[21, 10, 24]), node(4, 16, &[14, 24, 10])]);
    assert_eq!(places(&facts), [(0, 0, 0), (1, 0, 0), (0, 1, 1), (1, 1, 1)]);
}

/// Boards whose kernel says -1 of the package, and of cores what tells them apart within their cluster alone, or nothing.
#[rstest]
#[case::numbers_by_cluster(None)]
#[case::no_numbers(Some("0\n"))]
fn cores_of_an_arm_board(#[case] core: Option<&str>) {
    let machine = Machine::captured("arm-clusters");
    for (id, core) in core.into_iter().flat_map(|core| (0..4).map(move |id| (id, core))) {
        machine.write(&format!("/sys/devices/system/cpu/cpu{id}/topology/core_id"), core);
    }
    let facts = of(&machine);
    assert_eq!((facts.cpu_model.as_str(), facts.cpu_model_number), ("Arm Cortex-A72", None));
    assert_eq!(places(&facts), [(0, 0, 0), (1, 0, 0), (2, 0, 0), (3, 0, 0)]);
    assert_eq!(facts.nodes, [NumaNode { id: 0, memory: 4 << 30, distances: vec![10] }]);
}

/// Where a kernel does not say which processors are threads of one core, or says it by the older name.
#[rstest]
#[case::nothing(None)]
#[case::the_older_name(Some("thread_siblings_list"))]
fn threads_of_a_core(#[case] name: Option<&str>) {
    let machine = Machine::captured("v2-numa-resctrl");
    let before = places(&of(&machine));
    for id in 0..8 {
        let topology = format!("/sys/devices/system/cpu/cpu{id}/topology");
        let list = std::fs::read_to_string(machine.path(&format!("{topology}/core_cpus_list"))).unwrap();
        machine.remove(&format!("{topology}/core_cpus_list"));
        name.iter().for_each(|name| machine.write(&format!("{topology}/{name}"), &list));
    }
    assert_eq!(places(&of(&machine)), before);
}

/// Processors and nodes that come and go are seen at the next look.
#[test]
fn processors_and_memory_are_plugged() {
    let machine = Machine::captured("sub-numa");
    let online = "/sys/devices/system/cpu/online";
    machine.write(online, "0-15\n");
    machine.write("/sys/devices/system/node/node1/cpulist", "2-3,10-11\n");
    for (id, file, text) in [
        (3, "physical_package_id", "0"),
        (3, "core_id", "3"),
        (3, "core_cpus_list", "3,11"),
        (11, "core_cpus_list", "3,11"),
    ] {
        machine.write(&format!("/sys/devices/system/cpu/cpu{id}/topology/{file}"), &format!("{text}\n"));
    }
    let facts = of(&machine);
    assert_eq!((facts.cpus[3], facts.cpus.len(), facts.cores()), (cpu(3, 3, 0, 1), 16, 8));
    // A whole socket goes, with its nodes.
    machine.write(online, "0-3,8-11\n");
    machine.write("/sys/devices/system/node/online", "0-1\n");
    machine.write("/sys/devices/system/node/node0/distance", "10 12\n");
    machine.write("/sys/devices/system/node/node1/distance", "12 10\n");
    let facts = of(&machine);
    assert_eq!((facts.cpus.len(), facts.cores(), facts.sockets(), facts.nodes.len()), (8, 4, 1, 2));
}

/// A processor that no node lists yet is of a node that is there.
#[test]
fn a_processor_without_a_node() {
    let machine = Machine::captured("v2-numa-resctrl");
    machine.write("/sys/devices/system/node/online", "1-3\n");
    for node in 1..4 {
        machine.write(&format!("/sys/devices/system/node/node{node}/distance"), "10 21 21\n");
    }
    let nodes: Vec<u32> = of(&machine).cpus.iter().map(|cpu| cpu.node).collect();
    assert_eq!(nodes, [1, 1, 1, 1, 2, 2, 3, 3]);
}

#[test]
fn a_machine_that_says_little() {
    let machine = Machine::captured("v1-and-v2");
    machine.write("/proc/cpuinfo", "processor\t: 0\n");
    machine.remove("/sys/devices/system/node");
    machine.remove("/sys/devices/system/cpu/cpu0/topology/physical_package_id");
    machine.write("/sys/devices/system/cpu/cpu1/topology/physical_package_id", "-1\n");
    let facts = of(&machine);
    assert_eq!(facts.cpu_model, "");
    assert_eq!(facts.cpus, [cpu(0, 0, 0, 0), cpu(1, 1, 0, 0)]);
    assert_eq!(facts.nodes, [NumaNode { id: 0, memory: 24_684_084 * 1_024, distances: vec![10] }]);
}
