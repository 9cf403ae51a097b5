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
    machine.write("/sys/fs/cgroup/memory/demo/busy/memory.stat", "pgfault 1\n");
    for _ in 0..3 {
        sampler.sample(&mut Vec::new());
    }
    assert_eq!(told(&machine, &sampler, 1), [""; 0]);
}
