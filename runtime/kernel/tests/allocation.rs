//! A steady tick allocates nothing. One test in a process of its own, since the allocator counts for all of it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure ends the test")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Machine, real_cgroup, skipped, task_path};
use wca_kernel::{Lines, Notice, PerfWanted, Sampler, TaskCgroups, UncoreWanted, Wanted, WorkingSet};
use wca_model::TaskKey;

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it is; counting touches no memory of its.
#[allow(unsafe_code, reason = "the trait of an allocator is unsafe, and only an allocator can count")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_steady_tick_allocates_nothing() {
    for (name, busy) in [("v1-and-v2", "/sys/fs/cgroup/cpu/demo/busy"), ("v2-numa-resctrl", "/sys/fs/cgroup/demo/busy")]
    {
        let machine = Machine::captured(name);
        for file in ["cgroup.procs", "cgroup.threads", "tasks"] {
            machine.write(&format!("{busy}/{file}"), "7\n");
        }
        for process in ["self", "7"] {
            let of = |file: &str| format!("/proc/{process}/{file}");
            machine.write(&of("sched"), "x (7, #threads: 1)\n--------------------\nnr_switches : 1\nprio : 1\n");
            machine.write(&of("smaps_rollup"), "Referenced: 4 kB\n");
            machine.write(&of("clear_refs"), "");
        }
        if name == "v2-numa-resctrl" {
            // A task that resctrl counts too, on the machine that has it.
            for file in ["mbm_total_bytes", "mbm_local_bytes", "llc_occupancy"] {
                machine.write(&format!("/sys/fs/resctrl/mon_groups/theirs/mon_data/mon_L3_00/{file}"), "5\n");
                machine.write(&format!("/sys/fs/resctrl/mon_groups/theirs/mon_data/mon_L3_01/{file}"), "5\n");
            }
            machine.write("/sys/fs/resctrl/mon_groups/theirs/tasks", "7\n");
        }
        let working_set = WorkingSet { reset_cycles: 1, stable_cycles: 0, membw_threshold: None };
        let wanted = Wanted { sched: Lines::All, working_set: Some(working_set), ..Wanted::default() };
        let mut sampler = Sampler::new(&machine.roots(), &machine.hierarchies(), wanted);
        let task =
            |key: u64, cgroup: &str| TaskCgroups { key: TaskKey(key), cgroup: cgroup.into(), containers: vec![] };
        sampler.set_tasks(&[task(1, "/demo/busy"), task(2, "/demo/empty"), task(3, "/nowhere")]);
        steady(&mut sampler, name);
        for metric in ["task_sched_stat", "task_wss_referenced_bytes"] {
            assert_eq!(sampler.catalog().columns_of(metric).len(), 1);
        }
    }
    counters();
}

/// The same with counters, of tasks and of a described PMU outside of cores, which is the kernel's own in truth.
fn counters() {
    let Some((hierarchies, scratch)) = real_cgroup("a_steady_tick_allocates_nothing", "allocates-nothing") else {
        return;
    };
    let machine = Machine::captured("uncore");
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let perf = PerfWanted {
        events: names(&["page_faults", "context_switches"]),
        derived: true,
        uncore: UncoreWanted::Groups(vec![names(&["cas_count_reads", "cas_count_writes"])]),
        ..PerfWanted::default()
    };
    let mut sampler = Sampler::new(&machine.roots(), &hierarchies, Wanted { perf, ..Wanted::default() });
    let task = TaskCgroups { key: TaskKey(1), cgroup: task_path("allocates-nothing"), containers: vec![] };
    sampler.set_tasks(&[task]);
    let notices = sampler.sample(&mut Vec::new());
    match notices.iter().find(|notice| matches!(notice, Notice::NotCounted { .. })) {
        Some(refused) => skipped("a_steady_tick_allocates_nothing", &refused.to_string()),
        None => steady(&mut sampler, "counters"),
    }
    scratch.remove().unwrap();
}

fn steady(sampler: &mut Sampler, name: &str) {
    let mut values = Vec::new();
    // Features of the machine are looked at in the 30th after tasks came, and every 300.
    for _ in 0..40 {
        sampler.sample(&mut values);
    }
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    for _ in 0..200 {
        assert!(sampler.sample(&mut values).is_empty());
    }
    let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
    // The test runner's own thread may allocate once or twice meanwhile; a tick that allocated would do so 200 times.
    assert!(allocations < 20, "{allocations} allocations in 200 ticks of {name}");
}
