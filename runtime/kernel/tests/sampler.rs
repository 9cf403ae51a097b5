//! The values of a tick, from captured machines.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure ends the test")]

mod common;

use common::Machine;
use rstest::rstest;
use wca_kernel::{Hierarchies, Notice, Sampler, TaskCgroups};
use wca_model::{MetricKind, TaskKey};

const CPU: &str = "/sys/fs/cgroup/cpuacct/demo/busy/cpuacct.usage";
const MEMORY: &str = "/sys/fs/cgroup/memory/demo/busy/memory.usage_in_bytes";

fn task(key: u64, cgroup: &str) -> TaskCgroups {
    TaskCgroups { key: TaskKey(key), cgroup: cgroup.into(), containers: vec![] }
}

fn sampler(machine: &Machine, tasks: &[TaskCgroups]) -> Sampler {
    let mut sampler = Sampler::new(&machine.roots(), &machine.hierarchies());
    sampler.set_tasks(tasks);
    sampler
}

/// Values of one tick, with NaN as none so that they can be compared.
fn tick(sampler: &mut Sampler) -> (Vec<Option<f64>>, Vec<Notice>) {
    let mut values = vec![7.0; 3];
    let notices = sampler.sample(&mut values);
    (values.into_iter().map(|value| (!value.is_nan()).then_some(value)).collect(), notices)
}

/// The first `n` values: those of tasks.
fn tasks(sampler: &mut Sampler, n: usize) -> Vec<Option<f64>> {
    tick(sampler).0[..n].to_vec()
}

#[test]
fn v1_with_v2_beside_it() {
    let machine = Machine::captured("v1-and-v2");
    let mut sampler = sampler(&machine, &[task(1, "/demo/busy"), task(2, "/demo/empty"), task(3, "/nowhere")]);
    let (values, notices) = tick(&mut sampler);
    assert_eq!(notices, []);
    assert_eq!(
        values,
        [
            // CPU seconds of the three, then their memory.
            Some(0.040_978_39),
            Some(0.0),
            None,
            Some(430_080.0),
            Some(0.0),
            None,
            // Two processors and the memory of the machine.
            Some(BUSY[0]),
            Some(BUSY[1]),
            Some(MEMORY_IN_USE),
        ]
    );
}

#[test]
fn v2_alone() {
    let machine = Machine::captured("v2-numa-resctrl");
    let mut sampler = sampler(&machine, &[task(1, "/demo/busy"), task(2, "/demo/empty")]);
    let (values, notices) = tick(&mut sampler);
    assert_eq!(notices, []);
    assert_eq!(values[..4], [Some(5.476_326), Some(0.0), Some(2_621_440.0), Some(0.0)]);
    assert_eq!(values.len(), 4 + 8 + 1);
    assert_eq!(values[4], Some(184.0), "cpu0: 2 + 0 + 172 + 0 + 10");
}

#[test]
fn the_catalogue_says_what_stands_where() {
    let machine = Machine::captured("v1-and-v2");
    let sampler = sampler(&machine, &[]);
    let catalog = sampler.catalog();
    assert_eq!(catalog.version, 1);
    let names: Vec<&str> = catalog.metrics.iter().map(|metric| metric.name.as_str()).collect();
    assert_eq!(
        names,
        ["task_cpu_usage_seconds", "task_mem_usage_bytes", "platform_cpu_usage", "platform_mem_usage_bytes"]
    );
    let kinds: Vec<_> = catalog.metrics.iter().map(|metric| (metric.kind, metric.per_task)).collect();
    let (gauge, counter) = (MetricKind::Gauge, MetricKind::Counter);
    assert_eq!(kinds, [(counter, true), (gauge, true), (counter, false), (gauge, false)]);
    assert_eq!((catalog.columns_of("task_mem_usage_bytes"), catalog.columns.len()), (1..2, 2));
    let cpus = &catalog.platform[catalog.platform_of("platform_cpu_usage")];
    let labels: Vec<_> = cpus.iter().map(|series| series.labels.clone()).collect();
    assert_eq!(labels, [0, 1].map(|cpu| vec![("cpu".to_owned(), cpu.to_string())]));
    assert_eq!(catalog.metrics[2].levels, ["cpu"]);
    assert!(catalog.platform[2].labels.is_empty() && catalog.metrics[3].levels.is_empty());
}

#[test]
fn what_no_hierarchy_knows_is_no_column_and_told_once() {
    let machine = Machine::captured("v2-numa-resctrl");
    machine.write("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io pids\n");
    let mut sampler = sampler(&machine, &[task(1, "/demo/busy")]);
    assert_eq!(sampler.catalog().columns.len(), 1);
    let (values, notices) = tick(&mut sampler);
    assert_eq!((values.len(), values[0]), (1 + 8 + 1, Some(5.476_326)));
    assert_eq!(
        machine.sentences(&notices),
        ["task_mem_usage_bytes is not measured here: it takes the controller memory of cgroup v1 or the controller \
          memory of cgroup v2, and none is mounted"]
    );
    assert_eq!(tick(&mut sampler).1, []);
}

#[test]
fn a_machine_without_cgroups_still_has_values_of_its_own() {
    let machine = Machine::captured("v1-and-v2");
    let mut sampler = Sampler::new(&machine.roots(), &Hierarchies::default());
    sampler.set_tasks(&[task(1, "/demo/busy")]);
    let (values, notices) = tick(&mut sampler);
    assert_eq!((values.len(), notices.len()), (3, 2));
    assert_eq!(values[2], Some(MEMORY_IN_USE));
}

#[test]
fn where_v1_lacks_the_path_v2_is_asked() {
    let machine = Machine::captured("v1-and-v2");
    machine.remove("/sys/fs/cgroup/cpuacct/demo");
    machine.write("/sys/fs/cgroup/unified/demo/busy/cpu.stat", "usage_usec 2000000\n");
    let mut sampler = sampler(&machine, &[task(1, "/demo/busy")]);
    assert_eq!(tasks(&mut sampler, 2), [Some(2.0), Some(430_080.0)]);
    // And stays with it: the two do not count from the same moment.
    machine.write(CPU, "1000000000\n");
    for _ in 0..200 {
        assert_eq!(tasks(&mut sampler, 1), [Some(2.0)]);
    }
}

#[rstest]
#[case::words(CPU, "many\n")]
#[case::empty(CPU, "")]
#[case::negative(CPU, "-1\n")]
#[case::too_large(CPU, "99999999999999999999\n")]
fn a_malformed_file_costs_its_value_and_is_told_once(#[case] path: &str, #[case] content: &str) {
    let machine = Machine::captured("v1-and-v2");
    machine.write(path, content);
    let mut sampler = sampler(&machine, &[task(1, "/demo/busy"), task(2, "/demo/empty")]);
    let (values, notices) = tick(&mut sampler);
    assert_eq!(values[..4], [None, Some(0.0), Some(430_080.0), Some(0.0)]);
    assert_eq!(machine.sentences(&notices), [format!("{path:?} cannot be understood: {content:?}")]);
    assert_eq!(tick(&mut sampler).1, []);
    machine.write(path, "3000000000\n");
    assert_eq!(tasks(&mut sampler, 1), [Some(3.0)]);
}

#[test]
fn a_missing_file_costs_its_value_and_is_looked_for_again() {
    let machine = Machine::captured("v1-and-v2");
    machine.remove(MEMORY);
    let mut sampler = sampler(&machine, &[task(1, "/demo/busy")]);
    let (values, notices) = tick(&mut sampler);
    assert_eq!((values[0].is_some(), values[1], notices.len()), (true, None, 0));
    machine.write(MEMORY, "5\n");
    let ticks = (0..70).position(|_| tasks(&mut sampler, 2)[1] == Some(5.0));
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
    let (values, notices) = tick(&mut sampler);
    assert_eq!(values[..4], [Some(0.040_978_39), Some(0.0), None, None]);
    let told = machine.sentences(&notices);
    assert_eq!(told, [format!("cannot read {MEMORY:?}: Is a directory (os error 21)")]);
    assert_eq!(tick(&mut sampler).1, []);
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
    assert_eq!(tasks(&mut sampler, 2), [Some(3.5), Some(42.0)], "what has no files yet adds nothing");
    machine.write("/sys/fs/cgroup/memory/pod/b/memory.usage_in_bytes", "?\n");
    assert_eq!(tasks(&mut sampler, 2), [Some(3.5), None], "a part that cannot be read makes no sum");
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
    assert_eq!(tasks(&mut sampler, 6)[3..], [Some(1.0), Some(2.0), Some(3.0)]);
    // Files of tasks that stay are not opened again: they are still read after their names are gone.
    machine.remove(&cgroup(3));
    sampler.set_tasks(&[named(3), named(4), named(1)]);
    assert_eq!(tasks(&mut sampler, 6)[3..], [Some(3.0), Some(4.0), Some(1.0)]);
    sampler.set_tasks(&[]);
    assert_eq!(tick(&mut sampler).0.len(), 3);
    sampler.set_tasks(&[named(3)]);
    assert_eq!(tasks(&mut sampler, 2)[1], None, "closed when the task went");
}

#[rstest]
#[case("/../../../../etc/passwd/..")]
#[case("/demo/../demo/busy")]
#[case("/demo//busy")]
#[case("/demo/busy\0x")]
fn a_path_that_leads_elsewhere_is_no_task(#[case] path: &str) {
    let machine = Machine::captured("v1-and-v2");
    let mut sampler = sampler(&machine, &[task(1, path), task(2, "/demo/busy")]);
    let (values, notices) = tick(&mut sampler);
    assert_eq!(values[..4], [None, Some(0.040_978_39), None, Some(430_080.0)]);
    assert!(matches!(&notices[..], [Notice::BadPath { path: told, .. }] if told == path), "{notices:?}");
}

#[test]
fn a_processor_that_comes_or_goes_changes_the_catalogue() {
    let machine = Machine::captured("v1-and-v2");
    let mut sampler = sampler(&machine, &[]);
    tick(&mut sampler);
    assert_eq!(sampler.catalog().version, 1);
    machine.write("/proc/stat", "cpu  3 0 0 0\ncpu0 1 0 0 0\ncpu2 2 0 0 0\ncpu3 3 0 0 0\nintr 0\n");
    let (values, notices) = tick(&mut sampler);
    assert_eq!(values, [Some(1.0), Some(2.0), Some(3.0), Some(MEMORY_IN_USE)]);
    assert_eq!((sampler.catalog().version, sampler.catalog().platform.len(), notices.len()), (2, 4, 0));
    assert_eq!(sampler.catalog().platform[1].labels, [("cpu".to_owned(), "2".to_owned())]);
    tick(&mut sampler);
    assert_eq!(sampler.catalog().version, 2);
}

#[rstest]
#[case::malformed("cpu  3 0 0 0\ncpu0 x 0 0 0\n", &["\"/proc/stat\" cannot be understood: \"cpu  3 0 0 0\\ncpu0 x 0 0 0\\n\""])]
#[case::empty("", &["\"/proc/stat\" cannot be understood: \"\""])]
fn a_malformed_file_of_the_machine_costs_its_values(#[case] content: &str, #[case] expected: &[&str]) {
    let machine = Machine::captured("v1-and-v2");
    let mut sampler = sampler(&machine, &[]);
    machine.write("/proc/stat", content);
    let (values, notices) = tick(&mut sampler);
    assert_eq!(values, [None, None, Some(MEMORY_IN_USE)]);
    assert_eq!(machine.sentences(&notices), expected);
    assert_eq!((tick(&mut sampler).1.len(), sampler.catalog().version), (0, 1));
    machine.write("/proc/stat", "cpu  3 0 0 0\ncpu0 1 0 0 0\ncpu1 2 0 0 0\n");
    assert_eq!(tick(&mut sampler).0[..2], [Some(1.0), Some(2.0)]);
}

#[test]
fn a_file_of_the_machine_that_is_missing_at_first_is_no_column_and_then_one() {
    let machine = Machine::captured("v1-and-v2");
    let (meminfo, away) = (machine.path("/proc/meminfo"), machine.path("/proc/away"));
    std::fs::rename(&meminfo, &away).unwrap();
    let mut sampler = sampler(&machine, &[]);
    assert_eq!(sampler.catalog().platform_of("platform_mem_usage_bytes"), 0..0);
    let (values, notices) = tick(&mut sampler);
    assert_eq!(values.len(), 2);
    let told = machine.sentences(&notices);
    assert_eq!(told, ["cannot read \"/proc/meminfo\": No such file or directory (os error 2)"]);
    std::fs::rename(&away, &meminfo).unwrap();
    assert_eq!(tick(&mut sampler).0[2], Some(MEMORY_IN_USE));
    assert_eq!((sampler.catalog().version, sampler.catalog().platform_of("platform_mem_usage_bytes")), (2, 2..3));
}

#[test]
fn files_beyond_the_budget_are_opened_for_each_reading() {
    let machine = Machine::captured("v1-and-v2");
    let cgroup = |n: u64| format!("/sys/fs/cgroup/memory/t{n}/memory.usage_in_bytes");
    let all: Vec<TaskCgroups> = (0..20).map(|n| task(n, &format!("/t{n}"))).collect();
    for n in 0..20 {
        machine.write(&cgroup(n), &format!("{n}\n"));
    }
    let mut sampler = Sampler::new(&machine.roots(), &machine.hierarchies());
    sampler.set_descriptor_budget(5);
    sampler.set_tasks(&all);
    let expected = |sampler: &mut Sampler| {
        let values = tasks(sampler, 40);
        assert_eq!(values[20..], (0..20u32).map(|n| Some(f64::from(n))).collect::<Vec<_>>());
    };
    let notices = tick(&mut sampler).1;
    assert_eq!(notices, [Notice::DescriptorsShort { kept: 5 }]);
    expected(&mut sampler);
    assert_eq!(tick(&mut sampler).1, []);
    sampler.set_descriptor_budget(2);
    expected(&mut sampler);
    sampler.set_descriptor_budget(1_000);
    expected(&mut sampler);
    // Now all are open again: a name that is gone costs nothing.
    machine.remove(&cgroup(19));
    expected(&mut sampler);
}

/// Of `v1-and-v2.tree`: user + nice + system + irq + softirq + steal.
const BUSY: [f64; 2] = [250_690.0, 250_197.0];
/// Of `v1-and-v2.tree`: MemTotal - MemFree - Buffers - Cached.
const MEMORY_IN_USE: f64 = 1_208_426_496.0;
