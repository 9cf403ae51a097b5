//! Files of tasks that use no processor time: when they are read, and when what they said last is taken again.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure ends the test")]

mod common;

use std::time::Duration;

use common::Machine;
use common::tick::{NOW, Tick, task};
use rstest::rstest;
use wca_kernel::{Sampler, TaskCgroups, Wanted};
use wca_model::TaskKey;

/// So long that no turn comes within a test.
const LONG: Duration = Duration::from_secs(1_000_000_000);
/// Ticks of a second after which all that can rest does.
const SETTLED: u32 = 6;

/// A sampler, and the millisecond that it is.
struct Clocked(Sampler, u32);

impl Clocked {
    fn new(machine: &Machine, idle_task_interval: Duration, tasks: &[TaskCgroups]) -> Self {
        let wanted = Wanted { rdt_enabled: Some(false), idle_task_interval, ..Wanted::default() };
        let mut sampler = Sampler::new(&machine.roots(), &machine.hierarchies(), wanted);
        sampler.set_tasks(tasks);
        Self(sampler, 0)
    }

    /// The next tick, a second later, and how many files it has read.
    fn tick(&mut self) -> (Tick, u64) {
        self.tick_after(1_000)
    }

    fn tick_after(&mut self, milliseconds: u32) -> (Tick, u64) {
        let before = self.0.files_read();
        let mut values = Vec::new();
        self.1 += milliseconds;
        let notices = self.0.sample_at(NOW + f64::from(self.1) / 1_000.0, &mut values);
        let values = values.into_iter().map(|value: f64| (!value.is_nan()).then_some(value)).collect();
        (Tick { catalog: self.0.catalog().clone(), values, notices }, self.0.files_read() - before)
    }

    fn settle(&mut self) -> Tick {
        (0..=SETTLED).map(|_| self.tick().0).last().unwrap()
    }

    fn first(&mut self, metric: &str) -> Option<f64> {
        self.tick().0.of(metric)[0]
    }
}

const V1: &str = "v1-and-v2";
const V2: &str = "v2-numa-resctrl";

/// Where the files of the task are, of whichever hierarchy.
fn path(machine: &str, file: &str) -> String {
    let controller = match (machine, file.split('.').next().unwrap()) {
        (V2, _) => return format!("/sys/fs/cgroup/demo/busy/{file}"),
        (_, "cpuacct") => "cpuacct",
        (_, "blkio") => "blkio",
        (_, "pids") => "pids",
        _ if file.ends_with("pressure") => "unified",
        _ => "memory",
    };
    format!("/sys/fs/cgroup/{controller}/demo/busy/{file}")
}

const STALLED: &str =
    "some avg10=9.00 avg60=0.00 avg300=0.00 total=7000000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7000000\n";

/// The file of processor time, and what it says once some has passed.
fn passing(machine: &str) -> (String, &'static str) {
    match machine {
        V1 => (path(V1, "cpuacct.usage"), "7000000000\n"),
        _ => (path(V2, "cpu.stat"), "usage_usec 7000000\nuser_usec 4\nsystem_usec 3\n"),
    }
}

#[rstest]
#[case(
    V1,
    "memory.stat",
    "swap 0\npgfault 7\ninactive_file 0\ntotal_swap 0\ntotal_inactive_file 0\n",
    "task_mem_page_faults"
)]
#[case(V1, "memory.max_usage_in_bytes", "7\n", "task_mem_max_usage_bytes")]
#[case(V1, "cpu.pressure", STALLED, "task_pressure_seconds")]
#[case(V1, "pids.current", "7\n", "task_pids")]
#[case(V2, "pids.current", "7\n", "task_pids")]
#[case(V2, "memory.stat", "zswap 0\ninactive_file 0\npgfault 7\n", "task_mem_page_faults")]
#[case(V2, "memory.peak", "7\n", "task_mem_max_usage_bytes")]
#[case(V2, "memory.swap.current", "7\n", "task_mem_swap_bytes")]
#[case(V2, "cpu.pressure", STALLED, "task_pressure_seconds")]
fn it_is_read_again_as_soon_as_processor_time_passes(
    #[case] machine: &str,
    #[case] file: &str,
    #[case] content: &str,
    #[case] metric: &str,
) {
    let tree = Machine::captured(machine);
    let mut clocked = Clocked::new(&tree, LONG, &[task(1, "/demo/busy")]);
    let before = clocked.settle().of(metric)[0];
    assert!(before.is_some_and(|before| before.to_bits() != 7f64.to_bits()), "{before:?}");
    tree.write(&path(machine, file), content);
    assert_eq!(clocked.first(metric), before, "no processor time has passed");
    let (usage, passed) = passing(machine);
    tree.write(&usage, passed);
    for _ in 0..3 {
        assert_eq!(clocked.first(metric), Some(7.0));
    }
}

#[rstest]
#[case(V1, "memory.usage_in_bytes")]
#[case(V2, "memory.current")]
fn what_is_said_of_memory_is_read_again_where_some_came_or_went(#[case] machine: &str, #[case] usage: &str) {
    let tree = Machine::captured(machine);
    let mut clocked = Clocked::new(&tree, LONG, &[task(1, "/demo/busy")]);
    let stalled = clocked.settle().of("task_pressure_seconds")[0];
    tree.write(
        &path(machine, "memory.stat"),
        "swap 0\npgfault 7\ninactive_file 0\ntotal_swap 0\ntotal_inactive_file 0\n",
    );
    tree.write(&path(machine, "cpu.pressure"), STALLED);
    tree.write(&path(machine, usage), "4096\n");
    let (tick, _) = clocked.tick();
    let found = (tick.memory()[0], tick.of("task_mem_page_faults")[0], tick.of("task_pressure_seconds")[0]);
    assert_eq!(found, (Some(4_096.0), Some(7.0), stalled));
}

#[rstest]
#[case(V1, 8)]
#[case(V2, 7)]
fn in_its_turn_each_is_read_all_the_same(#[case] machine: &str, #[case] resting: u64) {
    let tree = Machine::captured(machine);
    let mut clocked = Clocked::new(&tree, Duration::from_secs(10), &[task(1, "/demo/busy")]);
    clocked.settle();
    let read: Vec<u64> = (0..20).map(|_| clocked.tick().1).collect();
    let (most, least) = (*read.iter().max().unwrap(), *read.iter().min().unwrap());
    assert_eq!((most - least, read.iter().filter(|read| **read > least).count()), (resting, 2), "{read:?}");
}

#[test]
fn turns_of_many_tasks_are_spread() {
    let tree = Machine::captured(V1);
    let paths: Vec<String> = (0..200).map(|number| format!("/demo/busy/{number}")).collect();
    for path in &paths {
        for (controller, file, content) in [
            ("cpuacct", "cpuacct.usage", "5\n"),
            ("memory", "memory.usage_in_bytes", "5\n"),
            ("unified", "cpu.pressure", STALLED),
        ] {
            tree.write(&format!("/sys/fs/cgroup/{controller}{path}/{file}"), content);
        }
    }
    let tasks: Vec<_> = paths.iter().zip(1..).map(|(path, key)| task(key, path)).collect();
    let mut clocked = Clocked::new(&tree, Duration::from_secs(10), &tasks);
    clocked.settle();
    let least = 2 * 200;
    let pressure: Vec<u64> = (0..10).map(|_| clocked.tick().1 - least).collect();
    assert_eq!(pressure.iter().sum::<u64>(), 200, "each once: {pressure:?}");
    assert!(pressure.iter().all(|read| (5..=50).contains(read)), "{pressure:?}");
}

/// What goes on while no processor time passes, such as a wait for memory, has begun before.
#[test]
fn a_file_that_says_something_else_each_time_is_read_each_time() {
    let tree = Machine::captured(V1);
    let mut clocked = Clocked::new(&tree, LONG, &[task(1, "/demo/busy")]);
    for total in 1..10 {
        tree.write(
            &path(V1, "memory.pressure"),
            &format!("some avg10=0.00 avg60=0.00 avg300=0.00 total={total}000000\n"),
        );
        let (tick, _) = clocked.tick();
        assert!(tick.of("task_pressure_seconds").contains(&Some(f64::from(total))), "{total}");
    }
}

/// The kernel counts stalls in units of its scheduler's clock, so that two readings within one may say the same.
#[test]
fn readings_that_are_close_do_not_show_that_nothing_goes_on() {
    let tree = Machine::captured(V1);
    let mut clocked = Clocked::new(&tree, LONG, &[task(1, "/demo/busy")]);
    clocked.settle();
    tree.write(&passing(V1).0, passing(V1).1);
    for total in 1..300 {
        tree.write(
            &path(V1, "memory.pressure"),
            &format!("some avg10=0.00 avg60=0.00 avg300=0.00 total={total}000000\n"),
        );
        for milliseconds in [10, 0, 10] {
            let (tick, _) = clocked.tick_after(milliseconds);
            assert!(tick.of("task_pressure_seconds").contains(&Some(f64::from(total))), "{total}");
        }
    }
}

/// Such as memory.stat where pages of its cache age, or pressure where its processes are elsewhere in the hierarchy of cpuacct.
#[test]
fn what_was_something_else_in_its_turn_is_read_until_processor_time_passes() {
    let tree = Machine::captured(V1);
    let mut clocked = Clocked::new(&tree, Duration::from_secs(10), &[task(1, "/demo/busy")]);
    let at = path(V1, "memory.max_usage_in_bytes");
    clocked.settle();
    let write = |value: u32| tree.write(&at, &format!("{value}\n"));
    write(1);
    let late = (1..20).find(|_| clocked.first("task_mem_max_usage_bytes") == Some(1.0));
    assert!(late.is_some_and(|late| late <= 10), "{late:?}");
    for value in 2..30 {
        write(value);
        assert_eq!(clocked.first("task_mem_max_usage_bytes"), Some(f64::from(value)));
    }
    tree.write(&passing(V1).0, passing(V1).1);
    clocked.settle();
    write(30);
    assert_eq!(clocked.first("task_mem_max_usage_bytes"), Some(29.0), "it rests again");
}

#[rstest]
#[case::zero_is_each_tick(V1, Duration::ZERO, "cpuacct.usage", "40978390\n")]
#[case::nothing_counted_yet(V1, LONG, "cpuacct.usage", "0\n")]
#[case::nothing_counted_yet_of_v2(V2, LONG, "cpu.stat", "usage_usec 0\nuser_usec 0\nsystem_usec 0\n")]
#[case::no_sign(V1, LONG, "cpuacct.usage", "much\n")]
fn it_is_read_each_time(#[case] machine: &str, #[case] interval: Duration, #[case] file: &str, #[case] usage: &str) {
    let tree = Machine::captured(machine);
    tree.write(&path(machine, file), usage);
    let mut clocked = Clocked::new(&tree, interval, &[task(1, "/demo/busy")]);
    clocked.settle();
    tree.write(&path(machine, "cpu.pressure"), STALLED);
    assert_eq!(clocked.first("task_pressure_seconds"), Some(7.0));
}

#[test]
fn an_interval_that_is_set_anew_applies_from_the_next_tick() {
    let tree = Machine::captured(V1);
    let mut clocked = Clocked::new(&tree, LONG, &[task(1, "/demo/busy")]);
    let before = clocked.settle().of("task_pressure_seconds")[0];
    tree.write(&path(V1, "cpu.pressure"), STALLED);
    assert_eq!(clocked.first("task_pressure_seconds"), before);
    let none = Wanted { rdt_enabled: Some(false), idle_task_interval: Duration::ZERO, ..Wanted::default() };
    clocked.0.want(none);
    assert_eq!(clocked.first("task_pressure_seconds"), Some(7.0));
}

#[test]
fn files_that_do_not_stay_open_rest_as_well() {
    let tree = Machine::captured(V1);
    let mut clocked = Clocked::new(&tree, LONG, &[task(1, "/demo/busy")]);
    clocked.0.set_descriptor_budget(0);
    let settled = clocked.settle();
    tree.write(&path(V1, "cpu.pressure"), STALLED);
    let (tick, read) = clocked.tick();
    assert_eq!((tick.of("task_pressure_seconds"), read), (settled.of("task_pressure_seconds"), 5));
    tree.write(&passing(V1).0, passing(V1).1);
    assert_eq!(clocked.first("task_pressure_seconds"), Some(7.0));
}

#[test]
fn where_no_processor_time_is_counted_it_is_read_each_time() {
    let tree = Machine::captured(V1);
    tree.remove("/sys/fs/cgroup/cpuacct/demo");
    tree.remove("/sys/fs/cgroup/unified/demo/busy/cpu.stat");
    let mut clocked = Clocked::new(&tree, LONG, &[task(1, "/demo/busy")]);
    clocked.settle();
    tree.write(&path(V1, "memory.max_usage_in_bytes"), "7\n");
    assert_eq!(clocked.first("task_mem_max_usage_bytes"), Some(7.0));
}

#[test]
fn what_cannot_be_understood_is_read_until_it_can() {
    let tree = Machine::captured(V1);
    tree.write(&path(V1, "memory.max_usage_in_bytes"), "many\n");
    let mut clocked = Clocked::new(&tree, LONG, &[task(1, "/demo/busy")]);
    assert_eq!(clocked.settle().of("task_mem_max_usage_bytes"), [None]);
    tree.write(&path(V1, "memory.max_usage_in_bytes"), "7\n");
    assert_eq!(clocked.first("task_mem_max_usage_bytes"), Some(7.0));
}

#[test]
fn a_device_or_a_file_that_is_new_costs_nothing_that_was_known() {
    let tree = Machine::captured(V1);
    let mut clocked = Clocked::new(&tree, LONG, &[task(1, "/demo/busy"), task(2, "/demo/empty")]);
    let before = clocked.settle();
    tree.write("/sys/fs/cgroup/blkio/demo/empty/blkio.throttle.io_serviced", "8:0 Read 7\n8:0 Write 1\nTotal 8\n");
    let (after, _) = clocked.tick();
    assert_eq!(after.of("task_io_reads"), [None, Some(7.0)], "the other has used no processor time: it is read");
    for metric in
        ["task_mem_page_faults", "task_mem_max_usage_bytes", "task_pressure_seconds", "task_cpu_usage_seconds"]
    {
        assert_eq!(after.of(metric), before.of(metric), "{metric}");
    }
}

#[test]
fn a_clock_that_is_put_back_or_forward_loses_nothing() {
    let tree = Machine::captured(V1);
    let mut clocked = Clocked::new(&tree, Duration::from_secs(10), &[task(1, "/demo/busy")]);
    clocked.settle();
    for (millisecond, value) in [(1_000_000_000, 7.0), (500_000_000, 8.0), (500_001_000, 9.0)] {
        clocked.1 = millisecond;
        tree.write(&path(V1, "memory.max_usage_in_bytes"), &format!("{value}\n"));
        assert_eq!(clocked.first("task_mem_max_usage_bytes"), Some(value), "{millisecond}");
    }
}

#[test]
fn a_task_without_memory_rests_as_well() {
    let tree = Machine::captured(V1);
    tree.write(&path(V1, "memory.usage_in_bytes"), "0\n");
    let mut clocked = Clocked::new(&tree, LONG, &[task(1, "/demo/busy")]);
    let before = clocked.settle().of("task_mem_max_usage_bytes")[0];
    tree.write(&path(V1, "memory.max_usage_in_bytes"), "7\n");
    assert_eq!(clocked.first("task_mem_max_usage_bytes"), before);
}

#[test]
fn a_pod_rests_container_by_container() {
    let tree = Machine::captured(V1);
    let containers = vec!["/demo/busy".to_owned(), "/demo/other".to_owned()];
    let other = |controller: &str, file: &str, content: &str| {
        tree.write(&format!("/sys/fs/cgroup/{controller}/demo/other/{file}"), content);
    };
    other("cpuacct", "cpuacct.usage", "5\n");
    other("memory", "memory.usage_in_bytes", "5\n");
    other("memory", "memory.stat", "swap 0\npgfault 5\ninactive_file 0\ntotal_swap 0\ntotal_inactive_file 0\n");
    let pod = TaskCgroups { key: TaskKey(1), cgroup: "/demo".into(), containers };
    let mut clocked = Clocked::new(&tree, LONG, &[pod]);
    let faults = clocked.settle().of("task_mem_page_faults")[0].unwrap();
    tree.write(
        &path(V1, "memory.stat"),
        "swap 0\npgfault 1000000\ninactive_file 0\ntotal_swap 0\ntotal_inactive_file 0\n",
    );
    other("memory", "memory.stat", "swap 0\npgfault 12\ninactive_file 0\ntotal_swap 0\ntotal_inactive_file 0\n");
    other("cpuacct", "cpuacct.usage", "6\n");
    assert_eq!(clocked.first("task_mem_page_faults"), Some(faults + 7.0));
}
