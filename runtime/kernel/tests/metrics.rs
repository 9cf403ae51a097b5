//! Which metrics there are, and their values on captured machines.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure ends the test")]

mod common;

use std::time::SystemTime;

use common::Machine;
use common::tick::{BUSY, MEMORY_IN_USE, NO_LIMIT, NOW, of_tasks, sampler, task, tick, topology};
use wca_kernel::{Hierarchies, Sampler, Wanted};
use wca_model::{MetricKind, Series};

/// Of cpu, io and memory the seconds, full and some, of a busy task, an idle one and one that is not there.
fn stalled(cpu: f64) -> Vec<Option<f64>> {
    let (cpu, other) = ([Some(cpu), Some(0.0), None], [Some(0.0), Some(0.0), None]);
    [cpu, cpu, other, other, other, other].concat()
}

#[test]
fn v1_with_v2_beside_it() {
    let machine = Machine::captured("v1-and-v2");
    let mut sampler = sampler(&machine, &[task(1, "/demo/busy"), task(2, "/demo/empty"), task(3, "/nowhere")]);
    let tick = tick(&mut sampler);
    assert_eq!(tick.notices, []);
    assert_eq!(
        of_tasks(&tick),
        [
            ("task_cpu_periods", &[Some(0.0), Some(0.0), None][..]),
            ("task_cpu_throttled_periods", &[Some(0.0), Some(0.0), None]),
            ("task_cpu_throttled_seconds", &[Some(0.0), Some(0.0), None]),
            ("task_cpu_usage_seconds", &[Some(0.040_978_39), Some(0.0), None]),
            ("task_last_seen", &[Some(NOW), Some(NOW), None]),
            ("task_mem_events", &[Some(0.0), Some(0.0), None]),
            ("task_mem_limit_bytes", &[Some(NO_LIMIT), Some(NO_LIMIT), None]),
            ("task_mem_max_usage_bytes", &[Some(262_144.0), Some(0.0), None]),
            ("task_mem_numa_pages", &[Some(26.0), Some(0.0), None]),
            ("task_mem_page_faults", &[Some(259.0), Some(0.0), None]),
            ("task_mem_soft_limit_bytes", &[Some(NO_LIMIT), Some(NO_LIMIT), None]),
            ("task_mem_swap_bytes", &[Some(0.0), Some(0.0), None]),
            ("task_mem_usage_bytes", &[Some(204_800.0), Some(0.0), None]),
            ("task_mem_working_set_bytes", &[Some(204_800.0), Some(0.0), None]),
            ("task_pids", &[Some(1.0), Some(0.0), None]),
            ("task_pressure_seconds", &stalled(0.015_982)),
            ("task_subcontainers", &[Some(0.0), Some(0.0), None]),
            ("task_up", &[Some(1.0), Some(1.0), None]),
        ]
    );
    assert_eq!(tick.machine("platform_cpu_usage"), BUSY.map(Some));
    assert_eq!(tick.in_use(), [Some(MEMORY_IN_USE)]);
    assert_eq!(tick.machine("platform_last_seen"), [Some(NOW)]);
    assert_eq!(topology(&tick), [2.0, 2.0, 1.0].map(Some));
}

#[test]
fn v2_alone() {
    let machine = Machine::captured("v2-numa-resctrl");
    machine.write("/sys/fs/cgroup/demo/empty/memory.max", "1073741824\n");
    machine.write("/sys/fs/cgroup/demo/empty/memory.low", "max\n");
    let mut sampler = sampler(&machine, &[task(1, "/demo/busy"), task(2, "/demo/empty"), task(3, "/nowhere")]);
    let tick = tick(&mut sampler);
    assert_eq!(tick.notices, []);
    let (none, one) = ([Some(0.0), Some(0.0), None], [Some(1.0), Some(1.0), None]);
    assert_eq!(
        of_tasks(&tick),
        [
            ("task_cpu_periods", &none[..]),
            ("task_cpu_throttled_periods", &none),
            ("task_cpu_throttled_seconds", &none),
            ("task_cpu_usage_seconds", &[Some(5.476_326), Some(0.0), None]),
            ("task_last_seen", &[Some(NOW), Some(NOW), None]),
            ("task_mem_events", &[none; 6].concat()),
            ("task_mem_limit_bytes", &[Some(NO_LIMIT), Some(1_073_741_824.0), None]),
            ("task_mem_max_usage_bytes", &[Some(2_621_440.0), Some(0.0), None]),
            ("task_mem_numa_pages", &[none, [Some(13.0), Some(0.0), None], none, none].concat()),
            ("task_mem_page_faults", &[Some(592.0), Some(0.0), None]),
            ("task_mem_soft_limit_bytes", &[Some(0.0), Some(NO_LIMIT), None]),
            ("task_mem_swap_bytes", &none),
            ("task_mem_usage_bytes", &[Some(2_621_440.0), Some(0.0), None]),
            ("task_mem_working_set_bytes", &[Some(2_621_440.0), Some(0.0), None]),
            ("task_pids", &[Some(1.0), Some(0.0), None]),
            ("task_pressure_seconds", &stalled(0.004_087)),
            ("task_subcontainers", &none),
            ("task_up", &one),
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
    machine.write("/sys/fs/cgroup/cpu/x/cpu.stat", "nr_periods 40\nnr_throttled 8\nthrottled_time 2500000000\n");
    machine.write("/sys/fs/cgroup/pids/x/pids.current", "17\n");
    for (file, content) in [
        ("memory.usage_in_bytes", "101\n"),
        ("memory.max_usage_in_bytes", "999\n"),
        ("memory.limit_in_bytes", "2000\n"),
        ("memory.soft_limit_in_bytes", "1500\n"),
        ("memory.numa_stat", "hierarchical_total=1 N0=123 N1=234\n"),
        ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
        ("memory.stat", "cache 0\nswap 1\npgfault 2730362811\ntotal_swap 6\ntotal_pgfault 5\ntotal_inactive_file 40\n"),
    ] {
        machine.write(&format!("/sys/fs/cgroup/memory/x/{file}"), content);
    }
    for (file, content) in [
        ("io_service_bytes", "8:0 Read 4096\n8:0 Write 512\n8:0 Total 4608\n253:1 Read 9\n253:1 Write 0\nTotal 4617\n"),
        ("io_serviced", "8:0 Read 3\n8:0 Write 1\n253:1 Read 2\n253:1 Write 0\nTotal 6\n"),
    ] {
        machine.write(&format!("/sys/fs/cgroup/blkio/x/blkio.throttle.{file}"), content);
    }
    let tick = tick(&mut sampler(&machine, &[task(1, "/x")]));
    let expected: [(&str, &[f64]); 21] = [
        ("task_cpu_periods", &[40.0]),
        ("task_cpu_throttled_periods", &[8.0]),
        ("task_cpu_throttled_seconds", &[2.5]),
        ("task_cpu_usage_seconds", &[1.0]),
        ("task_io_read_bytes", &[4_096.0, 9.0]),
        ("task_io_reads", &[3.0, 2.0]),
        ("task_io_write_bytes", &[512.0, 0.0]),
        ("task_io_writes", &[1.0, 0.0]),
        ("task_last_seen", &[NOW]),
        ("task_mem_events", &[3.0]),
        ("task_mem_limit_bytes", &[2_000.0]),
        ("task_mem_max_usage_bytes", &[999.0]),
        ("task_mem_numa_pages", &[123.0, 234.0]),
        ("task_mem_page_faults", &[2_730_362_811.0]),
        ("task_mem_soft_limit_bytes", &[1_500.0]),
        ("task_mem_swap_bytes", &[6.0]),
        ("task_mem_usage_bytes", &[101.0]),
        ("task_mem_working_set_bytes", &[61.0]),
        ("task_pids", &[17.0]),
        ("task_subcontainers", &[0.0]),
        ("task_up", &[1.0]),
    ];
    let values = |values: &[Option<f64>]| values.iter().map(|value| value.unwrap()).collect::<Vec<_>>();
    let found: Vec<_> = of_tasks(&tick).into_iter().map(|(name, of)| (name, values(of))).collect();
    assert_eq!(found, expected.map(|(name, of)| (name, of.to_vec())));
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
    let mut sampler = sampler(&machine, &[task(1, "/demo/busy")]);
    assert_eq!((sampler.catalog().version, sampler.catalog().columns_of("task_mem_numa_pages")), (1, 0..0));
    tick(&mut sampler);
    let catalog = sampler.catalog();
    assert_eq!(catalog.version, 2, "what files of tasks are divided into is found in the first one");
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
            ("platform_mem_numa_free_bytes", gauge, "bytes", false),
            ("platform_mem_numa_used_bytes", gauge, "bytes", false),
            ("platform_mem_usage_bytes", gauge, "bytes", false),
            ("platform_node_vmstat", counter, "numeric", false),
            ("platform_page_size_bytes", gauge, "bytes", false),
            ("platform_pressure_seconds", counter, "seconds", false),
            ("platform_topology_cores", gauge, "numeric", false),
            ("platform_topology_cpus", gauge, "numeric", false),
            ("platform_topology_sockets", gauge, "numeric", false),
            ("platform_vmstat", counter, "numeric", false),
            ("platform_vmstat_numa_hint_faults", counter, "numeric", false),
            ("platform_vmstat_numa_hint_faults_local", counter, "numeric", false),
            ("platform_vmstat_numa_pages_migrated", counter, "numeric", false),
            ("platform_vmstat_pgfaults", counter, "numeric", false),
            ("platform_vmstat_pgmigrate_fail", counter, "numeric", false),
            ("platform_vmstat_pgmigrate_success", counter, "numeric", false),
            ("platform_zoneinfo", gauge, "numeric", false),
            ("task_cpu_periods", counter, "numeric", true),
            ("task_cpu_throttled_periods", counter, "numeric", true),
            ("task_cpu_throttled_seconds", counter, "seconds", true),
            ("task_cpu_usage_seconds", counter, "seconds", true),
            ("task_last_seen", counter, "timestamp", true),
            ("task_mem_events", counter, "numeric", true),
            ("task_mem_limit_bytes", gauge, "bytes", true),
            ("task_mem_max_usage_bytes", gauge, "bytes", true),
            ("task_mem_numa_pages", gauge, "numeric", true),
            ("task_mem_page_faults", counter, "numeric", true),
            ("task_mem_soft_limit_bytes", gauge, "bytes", true),
            ("task_mem_swap_bytes", gauge, "bytes", true),
            ("task_mem_usage_bytes", gauge, "bytes", true),
            ("task_mem_working_set_bytes", gauge, "bytes", true),
            ("task_pids", gauge, "numeric", true),
            ("task_pressure_seconds", counter, "seconds", true),
            ("task_subcontainers", gauge, "numeric", true),
            ("task_up", counter, "numeric", true),
            ("wca_feature_available", gauge, "numeric", false),
        ]
    );
    assert_eq!((catalog.columns_of("task_mem_usage_bytes"), catalog.columns.len()), (12..13, 23));
    assert_eq!(labels(&catalog.platform[catalog.platform_of("platform_cpu_usage")]), ["cpu=0", "cpu=1"]);
    let stalled = ["cpu full", "cpu some", "io full", "io some", "memory full", "memory some"];
    let stalled = stalled.map(|one| one.replace(' ', ",kind=")).map(|one| format!("resource={one}"));
    assert_eq!(labels(&catalog.columns[catalog.columns_of("task_pressure_seconds")]), stalled);
    assert_eq!(labels(&catalog.columns[catalog.columns_of("task_mem_numa_pages")]), ["numa_node=0"]);
    assert_eq!(labels(&catalog.columns[catalog.columns_of("task_mem_events")]), ["event=oom_kill"]);
    let levels = |name: &str| catalog.metric(name).unwrap().1.levels.clone();
    assert_eq!(levels("platform_cpu_usage"), ["cpu"]);
    assert_eq!(levels("platform_zoneinfo"), ["numa_node", "zone", "key"]);
    assert!(levels("platform_last_seen").is_empty() && levels("task_up").is_empty());
}

/// Labels of series as one word each.
fn labels(series: &[Series]) -> Vec<String> {
    let word =
        |series: &Series| series.labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
    series.iter().map(|series| word(series).join(",")).collect()
}

#[test]
fn what_no_hierarchy_knows_is_no_column_and_told_once() {
    let machine = Machine::captured("v2-numa-resctrl");
    machine.write("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io pids\n");
    let mut sampler = sampler(&machine, &[task(1, "/demo/busy")]);
    let first = tick(&mut sampler);
    let columns: Vec<&str> = of_tasks(&first).into_iter().map(|(name, _)| name).collect();
    assert!(columns.iter().all(|name| !name.starts_with("task_mem_")), "{columns:?}");
    assert_eq!((first.cpu(), first.of("task_up")), (&[Some(5.476_326)][..], &[Some(1.0)][..]));
    let lacking = [
        "events",
        "limit_bytes",
        "max_usage_bytes",
        "numa_pages",
        "page_faults",
        "soft_limit_bytes",
        "swap_bytes",
        "usage_bytes",
        "working_set_bytes",
    ];
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
    let mut sampler = Sampler::new(&machine.roots(), &Hierarchies::default(), Wanted::default());
    sampler.set_tasks(&[task(1, "/demo/busy")]);
    let tick = tick(&mut sampler);
    assert_eq!((of_tasks(&tick), tick.notices.len()), (vec![], 19));
    assert_eq!((tick.in_use(), tick.machine("platform_cpu_usage").len()), (&[Some(MEMORY_IN_USE)][..], 2));
}
