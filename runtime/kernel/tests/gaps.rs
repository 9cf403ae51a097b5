//! What the cgroups of a task do not say.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure ends the test")]

mod common;

use common::Machine;
use common::tick::{sampler, task};
use wca_kernel::Sampler;
use wca_model::TaskKey;

/// Each missing file with its controller and metrics.
fn told(machine: &Machine, sampler: &Sampler, key: u64) -> Vec<String> {
    let gaps = sampler.gaps(TaskKey(key)).unwrap();
    let line = |gap: wca_kernel::Gap| {
        format!("{} {}: {}", machine.short(&gap.file), gap.controller.unwrap_or("-"), gap.metrics.join(" "))
    };
    gaps.into_iter().map(line).collect()
}

#[test]
fn a_complete_task_has_none_and_an_unknown_one_no_answer() {
    let machine = Machine::captured("v1-and-v2");
    let sampler = sampler(&machine, &[task(1, "/demo/busy")]);
    assert_eq!(told(&machine, &sampler, 1), [""; 0]);
    assert_eq!(sampler.gaps(TaskKey(2)), None);
}

#[test]
fn files_of_a_controller_that_is_not_enabled_are_named_where_they_would_be() {
    let machine = Machine::captured("v1-and-v2");
    let pids = "/sys/fs/cgroup/pids/demo/busy";
    machine.remove(pids);
    machine.remove("/sys/fs/cgroup/memory/demo/busy/memory.stat");
    let mut sampler = sampler(&machine, &[task(1, "/demo/busy"), task(2, "/nowhere")]);
    let expected = [
        "/sys/fs/cgroup/memory/demo/busy/memory.stat memory: task_mem_page_faults task_mem_swap_bytes task_mem_working_set_bytes",
        "/sys/fs/cgroup/pids/demo/busy/pids.current pids: task_pids",
    ];
    assert_eq!(told(&machine, &sampler, 1), expected);
    assert!(told(&machine, &sampler, 2).len() > expected.len());
    machine.write(&format!("{pids}/pids.current"), "3\n");
    machine.write("/sys/fs/cgroup/memory/demo/busy/memory.stat", "total_swap 0\npgfault 1\n");
    for _ in 0..3 {
        sampler.sample(&mut Vec::new());
    }
    assert_eq!(told(&machine, &sampler, 1), [""; 0]);
}

/// Without the cpu controller `cpu.stat` of v2 has the usage and nothing of periods (cgroup-v2.rst, CPU Interface Files).
#[test]
fn lines_of_a_controller_that_is_not_enabled_are_named_with_their_file() {
    let machine = Machine::captured("v2-numa-resctrl");
    let path = "/sys/fs/cgroup/one/cpu.stat";
    machine.write(path, "usage_usec 12\nuser_usec 8\nsystem_usec 4\n");
    let mut sampler = sampler(&machine, &[task(1, "/one")]);
    let of_cpu = |sampler: &Sampler| {
        told(&machine, sampler, 1).into_iter().filter(|line| line.contains("cpu.stat")).collect::<Vec<_>>()
    };
    assert_eq!(of_cpu(&sampler), [""; 0], "nothing was read yet");
    sampler.sample(&mut Vec::new());
    let expected = format!("{path} cpu: task_cpu_periods task_cpu_throttled_periods task_cpu_throttled_seconds");
    assert_eq!(of_cpu(&sampler), [expected]);
    machine.write(path, "usage_usec 12\nnr_periods 1\nnr_throttled 0\nthrottled_usec 0\n");
    sampler.sample(&mut Vec::new());
    assert_eq!(of_cpu(&sampler), [""; 0]);
}
