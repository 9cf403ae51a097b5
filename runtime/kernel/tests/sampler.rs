//! The values of tasks: what is missing, malformed, denied, comes and goes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure ends the test")]

mod common;

use common::Machine;
use common::tick::{NO_LIMIT, Tick, of_tasks, sampler, task, tick};
use rstest::rstest;
use wca_kernel::{Notice, Sampler, TaskCgroups, Wanted};
use wca_model::TaskKey;

const CPU: &str = "/sys/fs/cgroup/cpuacct/demo/busy/cpuacct.usage";
const MEMORY: &str = "/sys/fs/cgroup/memory/demo/busy/memory.usage_in_bytes";

#[test]
fn where_v1_lacks_the_path_v2_is_asked() {
    let machine = Machine::captured("v1-and-v2");
    machine.remove("/sys/fs/cgroup/cpuacct/demo");
    machine.write("/sys/fs/cgroup/unified/demo/busy/cpu.stat", "usage_usec 2000000\n");
    let mut sampler = sampler(&machine, &[task(1, "/demo/busy")]);
    assert_eq!((tick(&mut sampler).cpu(), tick(&mut sampler).memory()), (&[Some(2.0)][..], &[Some(204_800.0)][..]));
    // And stays with it: the two do not count from the same moment.
    machine.write(CPU, "1000000000\n");
    for _ in 0..200 {
        assert_eq!(tick(&mut sampler).cpu(), [Some(2.0)]);
    }
}

const LIMIT: &str = "/sys/fs/cgroup/memory/demo/busy/memory.limit_in_bytes";
const STAT: &str = "/sys/fs/cgroup/memory/demo/busy/memory.stat";

#[rstest]
#[case::words(CPU, "many\n", "task_cpu_usage_seconds", "3000000000\n", 3.0)]
#[case::empty(CPU, "", "task_cpu_usage_seconds", "3000000000\n", 3.0)]
#[case::negative(CPU, "-1\n", "task_cpu_usage_seconds", "3000000000\n", 3.0)]
#[case::too_large(CPU, "99999999999999999999\n", "task_cpu_usage_seconds", "3000000000\n", 3.0)]
#[case::limit(LIMIT, "none\n", "task_mem_limit_bytes", "3\n", 3.0)]
#[case::no_such_line(STAT, "total_inactive_file 0\ntotal_swap 0\n", "task_mem_page_faults", "pgfault 3\n", 3.0)]
fn a_malformed_file_costs_its_value_and_is_told_once(
    #[case] path: &str,
    #[case] content: &str,
    #[case] metric: &str,
    #[case] mended: &str,
    #[case] value: f64,
) {
    let machine = Machine::captured("v1-and-v2");
    machine.write(path, content);
    let mut sampler = sampler(&machine, &[task(1, "/demo/busy"), task(2, "/demo/empty")]);
    let first = tick(&mut sampler);
    let lacking: Vec<&str> =
        of_tasks(&first).into_iter().filter(|(_, values)| values.contains(&None)).map(|(name, _)| name).collect();
    assert_eq!((lacking, first.of(metric)[0]), (vec![metric], None));
    assert_eq!(machine.sentences(&first.notices), [format!("{path:?} cannot be understood: {content:?}")]);
    assert_eq!(tick(&mut sampler).notices, []);
    machine.write(path, mended);
    assert_eq!(tick(&mut sampler).of(metric)[0], Some(value));
}

#[test]
fn a_missing_file_costs_its_value_and_is_looked_for_again() {
    let machine = Machine::captured("v1-and-v2");
    machine.remove(MEMORY);
    let mut sampler = sampler(&machine, &[task(1, "/demo/busy")]);
    let first = tick(&mut sampler);
    assert_eq!((first.cpu()[0].is_some(), first.memory(), first.notices.len()), (true, &[None][..], 0));
    assert_eq!(first.of("task_up"), [Some(1.0)], "something of it was read");
    machine.write(MEMORY, "5\n");
    let ticks = (0..70).position(|_| tick(&mut sampler).memory() == [Some(5.0)]);
    assert!(ticks.is_some_and(|ticks| ticks < 3), "{ticks:?}");
}

#[test]
fn a_file_that_cannot_be_read_is_told_once_for_all_tasks() {
    let machine = Machine::captured("v1-and-v2");
    let paths = [MEMORY, "/sys/fs/cgroup/memory/demo/empty/memory.usage_in_bytes"];
    for path in paths {
        machine.remove(path);
        std::fs::create_dir(machine.path(path)).unwrap();
    }
    let mut sampler = sampler(&machine, &[task(1, "/demo/busy"), task(2, "/demo/empty")]);
    let first = tick(&mut sampler);
    assert_eq!((first.cpu(), first.memory()), (&[Some(0.040_978_39), Some(0.0)][..], &[None, None][..]));
    let told = machine.sentences(&first.notices);
    assert_eq!(told, [format!("cannot read {MEMORY:?}: Is a directory (os error 21)")]);
    assert_eq!(tick(&mut sampler).notices, []);
}

#[test]
fn a_pod_is_the_sum_of_its_containers() {
    let machine = Machine::captured("v1-and-v2");
    for (name, cpu, memory) in [("a", "1000000000\n", "10\n"), ("b", "2500000000\n", "32\n")] {
        machine.write(&format!("/sys/fs/cgroup/cpuacct/pod/{name}/cpuacct.usage"), cpu);
        machine.write(&format!("/sys/fs/cgroup/memory/pod/{name}/memory.usage_in_bytes"), memory);
    }
    let containers: Vec<String> = ["/pod/a", "/pod/b", "/pod/not-yet"].map(str::to_owned).into();
    let pod = TaskCgroups { key: TaskKey(1), cgroup: "/demo/busy".into(), containers };
    let mut sampler = sampler(&machine, &[pod]);
    let first = tick(&mut sampler);
    let sums = (first.cpu()[0], first.memory()[0]);
    assert_eq!(sums, (Some(3.5), Some(42.0)), "what has no files yet adds nothing");
    assert_eq!((first.of("task_subcontainers"), first.of("task_up")), (&[Some(3.0)][..], &[Some(1.0)][..]));
    machine.write("/sys/fs/cgroup/memory/pod/b/memory.usage_in_bytes", "?\n");
    let second = tick(&mut sampler);
    assert_eq!((second.cpu()[0], second.memory()[0]), (Some(3.5), None), "a part that cannot be read makes no sum");
}

/// Two containers that waited at the same time did not wait twice as long, and their maxima are of different moments.
#[test]
fn what_does_not_add_up_is_that_of_the_container_with_the_greatest() {
    let machine = Machine::captured("v2-numa-resctrl");
    for (name, waited, peak, used) in [("a", 3_000_000, 100, 60), ("b", 1_000_000, 700, 20)] {
        let write = |file: &str, text: &str| machine.write(&format!("/sys/fs/cgroup/pod/{name}/{file}"), text);
        write("cpu.pressure", &format!("some avg10=0.00 avg60=0.00 avg300=0.00 total={waited}\n"));
        write("memory.peak", &format!("{peak}\n"));
        write("memory.current", &format!("{used}\n"));
    }
    let containers: Vec<String> = ["/pod/a", "/pod/b"].map(str::to_owned).into();
    let mut sampler = sampler(&machine, &[TaskCgroups { key: TaskKey(1), cgroup: "/pod".into(), containers }]);
    let tick = tick(&mut sampler);
    assert_eq!(tick.of("task_mem_max_usage_bytes"), [Some(700.0)]);
    assert_eq!(tick.memory()[0], Some(80.0));
    assert_eq!(tick.of("task_pressure_seconds"), [Some(3.0)]);
}

#[rstest]
#[case("100\n", "23\n", 123.0)]
#[case("100\n", "9223372036854771712\n", NO_LIMIT)]
#[case("9223372036854771712\n", "9223372036854771712\n", NO_LIMIT)]
fn a_pod_with_a_container_without_a_limit_has_none(#[case] a: &str, #[case] b: &str, #[case] expected: f64) {
    let machine = Machine::captured("v1-and-v2");
    for (name, limit) in [("a", a), ("b", b)] {
        machine.write(&format!("/sys/fs/cgroup/memory/pod/{name}/memory.limit_in_bytes"), limit);
        machine.write(&format!("/sys/fs/cgroup/memory/pod/{name}/memory.soft_limit_in_bytes"), limit);
    }
    let pod =
        TaskCgroups { key: TaskKey(1), cgroup: "/pod".into(), containers: vec!["/pod/a".into(), "/pod/b".into()] };
    let tick = tick(&mut sampler(&machine, &[pod]));
    assert_eq!(tick.of("task_mem_limit_bytes"), [Some(expected)]);
    assert_eq!(tick.of("task_mem_soft_limit_bytes"), [Some(expected)]);
}

#[test]
fn tasks_come_and_go_and_change_places() {
    let machine = Machine::captured("v1-and-v2");
    let cgroup = |n: u64| format!("/sys/fs/cgroup/memory/t{n}/memory.usage_in_bytes");
    for n in 1..=4 {
        machine.write(&cgroup(n), &format!("{n}\n"));
    }
    let named = |n: u64| task(n, &format!("/t{n}"));
    let mut sampler = sampler(&machine, &[named(1), named(2), named(3)]);
    assert_eq!(tick(&mut sampler).memory(), [Some(1.0), Some(2.0), Some(3.0)]);
    // Files of tasks that stay are not opened again: they are still read after their names are gone.
    machine.remove(&cgroup(3));
    sampler.set_tasks(&[named(3), named(4), named(1)]);
    assert_eq!(tick(&mut sampler).memory(), [Some(3.0), Some(4.0), Some(1.0)]);
    sampler.set_tasks(&[]);
    assert_eq!(tick(&mut sampler).values.len(), sampler.catalog().platform.len());
    sampler.set_tasks(&[named(3)]);
    let gone = tick(&mut sampler);
    assert_eq!(gone.memory(), [None], "closed when the task went");
    assert!(of_tasks(&gone).iter().all(|(_, values)| **values == [None]), "nothing is known of what cannot be read");
}

#[rstest]
#[case("/../../../../etc/passwd/..")]
#[case("/demo/../demo/busy")]
#[case("/demo//busy")]
#[case("/demo/busy\0x")]
fn a_path_that_leads_elsewhere_is_no_task(#[case] path: &str) {
    let machine = Machine::captured("v1-and-v2");
    let mut sampler = sampler(&machine, &[task(1, path), task(2, "/demo/busy")]);
    let Tick { notices, .. } = tick(&mut sampler);
    let second = tick(&mut sampler);
    assert_eq!((second.cpu(), second.memory()), (&[None, Some(0.040_978_39)][..], &[None, Some(204_800.0)][..]));
    assert!(matches!(&notices[..], [Notice::BadPath { path: told, .. }] if told == path), "{notices:?}");
}

#[test]
fn when_no_more_is_said_that_is_said() {
    let machine = Machine::captured("v1-and-v2");
    let tasks = |from: u64| (from..from + 1_100).map(|n| task(n, &format!("/../{n}"))).collect::<Vec<_>>();
    let mut sampler = sampler(&machine, &tasks(0));
    let notices = tick(&mut sampler).notices;
    assert_eq!(notices.last(), Some(&Notice::MoreToSay { limit: 1_000 }));
    sampler.set_tasks(&tasks(5_000));
    assert_eq!(tick(&mut sampler).notices, []);
}

#[test]
fn files_beyond_the_budget_are_opened_for_each_reading() {
    let machine = Machine::captured("v1-and-v2");
    let cgroup = |n: u64| format!("/sys/fs/cgroup/memory/t{n}/memory.usage_in_bytes");
    let all: Vec<TaskCgroups> = (0..20).map(|n| task(n, &format!("/t{n}"))).collect();
    for n in 0..20 {
        machine.write(&cgroup(n), &format!("{n}\n"));
    }
    let mut sampler = Sampler::new(&machine.roots(), &machine.hierarchies(), Wanted::default());
    sampler.set_descriptor_budget(5);
    sampler.set_tasks(&all);
    let expected = |sampler: &mut Sampler| {
        let tick = tick(sampler);
        assert_eq!(tick.memory(), (0..20u32).map(|n| Some(f64::from(n))).collect::<Vec<_>>());
    };
    let notices = tick(&mut sampler).notices;
    assert_eq!(notices, [Notice::DescriptorsShort { kept: 5 }]);
    expected(&mut sampler);
    assert_eq!(tick(&mut sampler).notices, []);
    sampler.set_descriptor_budget(2);
    expected(&mut sampler);
    sampler.set_descriptor_budget(1_000);
    expected(&mut sampler);
    // Now all are open again: a name that is gone costs nothing.
    machine.remove(&cgroup(19));
    expected(&mut sampler);
}
