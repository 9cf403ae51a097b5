//! Metrics of tasks that are divided: columns come as files of tasks show what there is.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure ends the test")]

mod common;

use common::Machine;
use common::tick::{Tick, sampler, task, tick};
use rstest::rstest;
use wca_kernel::TaskCgroups;
use wca_model::TaskKey;

const BUSY: &str = "/sys/fs/cgroup/demo/busy";
const EMPTY: &str = "/sys/fs/cgroup/demo/empty";

/// The last label and the value of each task, of each column of a metric.
fn columns<'a>(tick: &'a Tick, metric: &str, tasks: usize) -> Vec<(&'a str, &'a [Option<f64>])> {
    let series = &tick.catalog.columns[tick.catalog.columns_of(metric)];
    let labels = series.iter().map(|series| series.labels.last().unwrap().1.as_str());
    labels.zip(tick.of(metric).chunks(tasks)).collect()
}

#[test]
fn a_device_is_a_column_as_soon_as_one_task_uses_it() {
    let machine = Machine::captured("v2-numa-resctrl");
    let mut sampler = sampler(&machine, &[task(1, "/demo/busy"), task(2, "/demo/empty")]);
    assert_eq!(columns(&tick(&mut sampler), "task_io_writes", 2), [], "no column where nobody knows anything");
    let version = sampler.catalog().version;
    let line = |device: &str, n: u32| format!("{device} rbytes={n}1 wbytes={n}2 rios={n}3 wios={n}4 dbytes=0 dios=0\n");
    machine.write(&format!("{BUSY}/io.stat"), &(line("259:3", 1) + &line("8:16", 2)));
    let first = tick(&mut sampler);
    let found = ["read_bytes", "reads", "write_bytes", "writes"].map(|of| columns(&first, &format!("task_io_{of}"), 2));
    let expected = [1.0, 3.0, 2.0, 4.0].map(|n| [("8:16", [Some(20.0 + n), None]), ("259:3", [Some(10.0 + n), None])]);
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(*found, expected.iter().map(|(device, values)| (*device, &values[..])).collect::<Vec<_>>());
    }
    assert_eq!(first.notices, []);
    machine.write(&format!("{EMPTY}/io.stat"), &line("8:16", 5));
    machine.write(&format!("{BUSY}/io.stat"), &line("8:16", 6));
    let second = tick(&mut sampler);
    let expected = [("8:16", &[Some(64.0), Some(54.0)][..]), ("259:3", &[None, None])];
    assert_eq!(columns(&second, "task_io_writes", 2), expected, "a device that is gone is no value, and no zero");
    assert_eq!(sampler.catalog().version, version + 1);
}

#[test]
fn a_pod_is_the_sum_of_its_containers_by_node() {
    let machine = Machine::captured("v1-and-v2");
    for (name, pages) in [("a", "total=9 N0=4 N1=5\n"), ("b", "total=6 N1=6\n")] {
        machine.write(&format!("/sys/fs/cgroup/memory/pod/{name}/memory.numa_stat"), pages);
    }
    let containers = ["/pod/a", "/pod/b", "/pod/not-yet"].map(str::to_owned).into();
    let pod = TaskCgroups { key: TaskKey(1), cgroup: "/pod".into(), containers };
    let mut sampler = sampler(&machine, &[pod]);
    let first = tick(&mut sampler);
    let expected = [("0", &[Some(4.0)][..]), ("1", &[Some(11.0)])];
    assert_eq!(columns(&first, "task_mem_numa_pages", 1), expected);
    machine.write("/sys/fs/cgroup/memory/pod/b/memory.numa_stat", "total=6 N1=?\n");
    let second = tick(&mut sampler);
    let expected = [("0", &[None][..]), ("1", &[None])];
    assert_eq!(columns(&second, "task_mem_numa_pages", 1), expected, "a part that cannot be read makes no sum");
}

#[rstest]
#[case("memory.numa_stat", "anon N0=4096\n", "task_mem_numa_pages")]
#[case("memory.events", "low\n", "task_mem_events")]
#[case("cpu.pressure", "", "task_pressure_seconds")]
#[case("io.stat", "sda rbytes=1\n", "task_io_read_bytes")]
fn a_malformed_file_makes_no_columns_and_is_told_once(#[case] file: &str, #[case] content: &str, #[case] metric: &str) {
    let machine = Machine::captured("v2-numa-resctrl");
    let path = format!("{BUSY}/{file}");
    machine.write(&path, content);
    let mut sampler = sampler(&machine, &[task(1, "/demo/busy")]);
    let first = tick(&mut sampler);
    assert!(columns(&first, metric, 1).iter().all(|(_, values)| !path.contains("memory") || **values == [None]));
    let told = machine.sentences(&first.notices);
    assert_eq!(told, [format!("{path:?} cannot be understood: {content:?}")]);
    assert_eq!(tick(&mut sampler).notices, []);
}

#[rstest]
#[case::bandwidth("cpu.stat", "usage_usec 5\nuser_usec 5\nsystem_usec 0\n", "task_cpu_periods")]
#[case::swap("memory.swap.current", "", "task_mem_swap_bytes")]
#[case::events("memory.events", "", "task_mem_events")]
#[case::pids("pids.current", "", "task_pids")]
#[case::pressure("memory.pressure", "", "task_pressure_seconds")]
fn what_a_cgroup_lacks_is_no_value_and_no_trouble(#[case] file: &str, #[case] left: &str, #[case] metric: &str) {
    let machine = Machine::captured("v2-numa-resctrl");
    let path = format!("{BUSY}/{file}");
    if left.is_empty() {
        machine.remove(&path);
    } else {
        machine.write(&path, left);
    }
    let mut sampler = sampler(&machine, &[task(1, "/demo/busy"), task(2, "/demo/empty")]);
    let tick = tick(&mut sampler);
    assert_eq!(tick.notices, []);
    assert!(tick.of(metric).chunks(2).any(|values| values[0].is_none()), "{metric}");
    assert!(tick.of(metric).chunks(2).all(|values| values[1].is_some()), "the other has it");
}

#[test]
fn the_working_set_is_what_was_used_lately_and_never_below_nothing() {
    let machine = Machine::captured("v2-numa-resctrl");
    let mut sampler = sampler(&machine, &[task(1, "/demo/busy")]);
    for (usage, inactive, expected) in
        [("5000\n", "2000", Some(3_000.0)), ("5000\n", "6000", Some(0.0)), ("?\n", "6000", None), ("5000\n", "?", None)]
    {
        machine.write(&format!("{BUSY}/memory.current"), usage);
        machine.write(&format!("{BUSY}/memory.stat"), &format!("inactive_file {inactive}\npgfault 1\n"));
        assert_eq!(tick(&mut sampler).of("task_mem_working_set_bytes"), [expected], "{usage} less {inactive}");
    }
}
