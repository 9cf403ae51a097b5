//! Which metrics there are, and their values on captured machines.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure ends the test")]

mod common;

use std::time::SystemTime;

use common::Machine;
use common::tick::{BUSY, MEMORY_IN_USE, NO_LIMIT, NOW, of_tasks, sampler, task, tick, topology};
use wca_kernel::{Hierarchies, Sampler};
use wca_model::MetricKind;

#[test]
fn v1_with_v2_beside_it() {
    let machine = Machine::captured("v1-and-v2");
    let mut sampler = sampler(&machine, &[task(1, "/demo/busy"), task(2, "/demo/empty"), task(3, "/nowhere")]);
    let tick = tick(&mut sampler);
    assert_eq!(tick.notices, []);
    assert_eq!(
        of_tasks(&tick),
        [
            ("task_cpu_usage_seconds", &[Some(0.040_978_39), Some(0.0), None][..]),
            ("task_last_seen", &[Some(NOW), Some(NOW), None]),
            ("task_mem_limit_bytes", &[Some(NO_LIMIT), Some(NO_LIMIT), None]),
            ("task_mem_max_usage_bytes", &[Some(262_144.0), Some(0.0), None]),
            ("task_mem_page_faults", &[Some(89.0), Some(0.0), None]),
            ("task_mem_soft_limit_bytes", &[Some(NO_LIMIT), Some(NO_LIMIT), None]),
            ("task_mem_usage_bytes", &[Some(204_800.0), Some(0.0), None]),
            ("task_subcontainers", &[Some(0.0), Some(0.0), None]),
            ("task_up", &[Some(1.0), Some(1.0), None]),
        ]
    );
    assert_eq!(tick.machine("platform_cpu_usage"), BUSY.map(Some));
    assert_eq!(tick.in_use(), [Some(MEMORY_IN_USE)]);
    assert_eq!(tick.machine("platform_last_seen"), [Some(NOW)]);
    assert_eq!(topology(&tick), [2.0, 2.0, 1.0].map(Some));
}

/// The memory files of cgroup v2, in the form of cgroup-v2.rst.
fn write_v2_memory(machine: &Machine, cgroup: &str) {
    for (file, content) in [
        ("memory.peak", "3000000\n"),
        ("memory.max", "max\n"),
        ("memory.low", "0\n"),
        ("memory.stat", "anon 4096\nfile 0\npgscan 4\npgfault 1234\npgmajfault 5\n"),
    ] {
        machine.write(&format!("/sys/fs/cgroup{cgroup}/{file}"), content);
    }
}

#[test]
fn v2_alone() {
    let machine = Machine::captured("v2-numa-resctrl");
    write_v2_memory(&machine, "/demo/busy");
    write_v2_memory(&machine, "/demo/empty");
    machine.write("/sys/fs/cgroup/demo/empty/memory.max", "1073741824\n");
    machine.write("/sys/fs/cgroup/demo/empty/memory.low", "max\n");
    let mut sampler = sampler(&machine, &[task(1, "/demo/busy"), task(2, "/demo/empty")]);
    let tick = tick(&mut sampler);
    assert_eq!(tick.notices, []);
    assert_eq!(
        of_tasks(&tick),
        [
            ("task_cpu_usage_seconds", &[Some(5.476_326), Some(0.0)][..]),
            ("task_last_seen", &[Some(NOW), Some(NOW)]),
            ("task_mem_limit_bytes", &[Some(NO_LIMIT), Some(1_073_741_824.0)]),
            ("task_mem_max_usage_bytes", &[Some(3_000_000.0), Some(3_000_000.0)]),
            ("task_mem_page_faults", &[Some(1_234.0), Some(1_234.0)]),
            ("task_mem_soft_limit_bytes", &[Some(0.0), Some(NO_LIMIT)]),
            ("task_mem_usage_bytes", &[Some(2_621_440.0), Some(0.0)]),
            ("task_subcontainers", &[Some(0.0), Some(0.0)]),
            ("task_up", &[Some(1.0), Some(1.0)]),
        ]
    );
    let busy = tick.machine("platform_cpu_usage");
    assert_eq!((busy.len(), busy[0]), (8, Some(184.0)), "cpu0: 2 + 0 + 172 + 0 + 10");
    assert_eq!(topology(&tick), [8.0, 4.0, 2.0].map(Some));
}

/// Values that any cgroup v1 of that time could have (the predecessor's own example).
#[test]
fn each_file_of_v1_is_its_own_metric() {
    let machine = Machine::captured("v1-and-v2");
    machine.write("/sys/fs/cgroup/cpuacct/x/cpuacct.usage", "1000000000\n");
    for (file, content) in [
        ("memory.usage_in_bytes", "101\n"),
        ("memory.max_usage_in_bytes", "999\n"),
        ("memory.limit_in_bytes", "2000\n"),
        ("memory.soft_limit_in_bytes", "1500\n"),
        ("memory.stat", "cache 0\npgfault 2730362811\ntotal_pgfault 5\n"),
    ] {
        machine.write(&format!("/sys/fs/cgroup/memory/x/{file}"), content);
    }
    let tick = tick(&mut sampler(&machine, &[task(1, "/x")]));
    let expected = [
        ("task_cpu_usage_seconds", 1.0),
        ("task_last_seen", NOW),
        ("task_mem_limit_bytes", 2_000.0),
        ("task_mem_max_usage_bytes", 999.0),
        ("task_mem_page_faults", 2_730_362_811.0),
        ("task_mem_soft_limit_bytes", 1_500.0),
        ("task_mem_usage_bytes", 101.0),
        ("task_subcontainers", 0.0),
        ("task_up", 1.0),
    ];
    let found: Vec<_> = of_tasks(&tick).into_iter().map(|(name, values)| (name, values[0].unwrap())).collect();
    assert_eq!(found, expected);
}

#[test]
fn the_time_of_a_reading_is_now_where_nobody_says_otherwise() {
    let machine = Machine::captured("v1-and-v2");
    let mut sampler = sampler(&machine, &[task(1, "/demo/busy")]);
    let unix = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    let mut values = Vec::new();
    let before = unix();
    sampler.sample(&mut values);
    let seen = values[sampler.catalog().columns_of("task_last_seen").start];
    assert!((before..=unix()).contains(&seen), "{seen}");
}

#[test]
fn the_catalogue_says_what_stands_where() {
    let machine = Machine::captured("v1-and-v2");
    let sampler = sampler(&machine, &[]);
    let catalog = sampler.catalog();
    assert_eq!(catalog.version, 1);
    let (gauge, counter) = (MetricKind::Gauge, MetricKind::Counter);
    let found: Vec<_> = catalog
        .metrics
        .iter()
        .map(|metric| (metric.name.as_str(), metric.kind, metric.unit.as_str(), metric.per_task))
        .collect();
    assert_eq!(
        found,
        [
            ("platform_cpu_usage", counter, "numeric", false),
            ("platform_last_seen", counter, "timestamp", false),
            ("platform_mem_usage_bytes", gauge, "bytes", false),
            ("platform_topology_cores", gauge, "numeric", false),
            ("platform_topology_cpus", gauge, "numeric", false),
            ("platform_topology_sockets", gauge, "numeric", false),
            ("task_cpu_usage_seconds", counter, "seconds", true),
            ("task_last_seen", counter, "timestamp", true),
            ("task_mem_limit_bytes", gauge, "bytes", true),
            ("task_mem_max_usage_bytes", gauge, "bytes", true),
            ("task_mem_page_faults", counter, "numeric", true),
            ("task_mem_soft_limit_bytes", gauge, "bytes", true),
            ("task_mem_usage_bytes", gauge, "bytes", true),
            ("task_subcontainers", gauge, "numeric", true),
            ("task_up", counter, "numeric", true),
        ]
    );
    assert_eq!((catalog.columns_of("task_mem_usage_bytes"), catalog.columns.len()), (6..7, 9));
    let cpus = &catalog.platform[catalog.platform_of("platform_cpu_usage")];
    let labels: Vec<_> = cpus.iter().map(|series| series.labels.clone()).collect();
    assert_eq!(labels, [0, 1].map(|cpu| vec![("cpu".to_owned(), cpu.to_string())]));
    assert_eq!(catalog.metrics[0].levels, ["cpu"]);
    assert!(catalog.platform[2].labels.is_empty() && catalog.metrics[1].levels.is_empty());
}

#[test]
fn what_no_hierarchy_knows_is_no_column_and_told_once() {
    let machine = Machine::captured("v2-numa-resctrl");
    machine.write("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io pids\n");
    let mut sampler = sampler(&machine, &[task(1, "/demo/busy")]);
    let first = tick(&mut sampler);
    let columns: Vec<&str> = of_tasks(&first).into_iter().map(|(name, _)| name).collect();
    assert_eq!(columns, ["task_cpu_usage_seconds", "task_last_seen", "task_subcontainers", "task_up"]);
    assert_eq!((first.cpu(), first.of("task_up")), (&[Some(5.476_326)][..], &[Some(1.0)][..]));
    let lacking = ["limit_bytes", "max_usage_bytes", "page_faults", "soft_limit_bytes", "usage_bytes"];
    let expected = lacking.map(|name| {
        format!(
            "task_mem_{name} is not measured here: it takes the controller memory of cgroup v1 or the controller memory \
             of cgroup v2, and none is mounted"
        )
    });
    assert_eq!(machine.sentences(&first.notices), expected);
    assert_eq!(tick(&mut sampler).notices, []);
}

#[test]
fn a_machine_without_cgroups_still_has_values_of_its_own() {
    let machine = Machine::captured("v1-and-v2");
    let mut sampler = Sampler::new(&machine.roots(), &Hierarchies::default());
    sampler.set_tasks(&[task(1, "/demo/busy")]);
    let tick = tick(&mut sampler);
    assert_eq!((of_tasks(&tick), tick.notices.len()), (vec![], 6));
    assert_eq!((tick.in_use(), tick.machine("platform_cpu_usage").len()), (&[Some(MEMORY_IN_USE)][..], 2));
}
