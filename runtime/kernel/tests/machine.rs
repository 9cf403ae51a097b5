//! The values of the machine: what comes and goes, and what cannot be read.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure ends the test")]

mod common;

use common::Machine;
use common::tick::{MEMORY_IN_USE, sampler, tick, topology};
use rstest::rstest;
use wca_kernel::Sampler;

#[test]
fn a_processor_that_comes_or_goes_changes_the_catalogue() {
    let machine = Machine::captured("v1-and-v2");
    let mut sampler = sampler(&machine, &[]);
    tick(&mut sampler);
    assert_eq!(sampler.catalog().version, 1);
    machine.write("/proc/stat", "cpu  3 0 0 0\ncpu0 1 0 0 0\ncpu2 2 0 0 0\ncpu3 3 0 0 0\nintr 0\n");
    machine.write("/sys/devices/system/cpu/online", "0,2-3\n");
    let second = tick(&mut sampler);
    assert_eq!(second.machine("platform_cpu_usage"), [Some(1.0), Some(2.0), Some(3.0)]);
    assert_eq!(second.in_use(), [Some(MEMORY_IN_USE)]);
    assert_eq!(topology(&second), [3.0, 3.0, 1.0].map(Some));
    assert_eq!((sampler.catalog().version, second.notices.len()), (2, 0));
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
    let first = tick(&mut sampler);
    assert_eq!((first.machine("platform_cpu_usage"), first.in_use()), (&[None; 2][..], &[Some(MEMORY_IN_USE)][..]));
    assert_eq!(topology(&first), [2.0, 2.0, 1.0].map(Some), "what was known stands");
    assert_eq!(machine.sentences(&first.notices), expected);
    assert_eq!((tick(&mut sampler).notices.len(), sampler.catalog().version), (0, 1));
    machine.write("/proc/stat", "cpu  3 0 0 0\ncpu0 1 0 0 0\ncpu1 2 0 0 0\n");
    assert_eq!(tick(&mut sampler).machine("platform_cpu_usage"), [Some(1.0), Some(2.0)]);
}

#[test]
fn a_file_of_the_machine_that_is_missing_at_first_is_no_column_and_then_one() {
    let machine = Machine::captured("v1-and-v2");
    let (meminfo, away) = (machine.path("/proc/meminfo"), machine.path("/proc/away"));
    std::fs::rename(&meminfo, &away).unwrap();
    let mut sampler = sampler(&machine, &[]);
    assert_eq!(sampler.catalog().platform_of("platform_mem_usage_bytes"), 0..0);
    let first = tick(&mut sampler);
    assert_eq!((first.machine("platform_cpu_usage").len(), first.in_use().len()), (2, 0));
    let told = machine.sentences(&first.notices);
    assert_eq!(told, ["cannot read \"/proc/meminfo\": No such file or directory (os error 2)"]);
    std::fs::rename(&away, &meminfo).unwrap();
    sampler.sample(&mut Vec::new());
    assert_eq!(tick(&mut sampler).in_use(), [Some(MEMORY_IN_USE)]);
    assert_eq!((sampler.catalog().version, sampler.catalog().platform_of("platform_mem_usage_bytes")), (2, 5..6));
}

/// A machine of 32,815,700 kB of which 18,245,956 are free, 1,190,812 in buffers and 6,971,960 in the page cache.
#[test]
fn memory_in_use_is_what_is_neither_free_nor_cached() {
    let machine = Machine::captured("v1-and-v2");
    let meminfo = "MemTotal: 32815700 kB\nMemFree: 18245956 kB\nBuffers: 1190812 kB\nCached: 6971960 kB\n";
    machine.write("/proc/meminfo", meminfo);
    assert_eq!(tick(&mut sampler(&machine, &[])).in_use(), [Some(6_406_972.0 * 1_024.0)]);
}

#[rstest]
#[case::malformed("0-\n", "\"/sys/devices/system/cpu/online\" cannot be understood: \"0-\\n\"")]
fn a_topology_that_cannot_be_read_is_no_series_and_told_once(#[case] online: &str, #[case] expected: &str) {
    let machine = Machine::captured("v1-and-v2");
    machine.write("/sys/devices/system/cpu/online", online);
    let mut sampler = sampler(&machine, &[]);
    let first = tick(&mut sampler);
    assert_eq!(topology(&first), [None; 3]);
    assert!(sampler.catalog().metric("platform_topology_cpus").is_none());
    assert_eq!(machine.sentences(&first.notices), [expected]);
    assert_eq!((tick(&mut sampler).notices, sampler.catalog().version), (vec![], 1));
}

/// As long as it is that of this machine, pages of memory.numa_stat can be told in bytes.
#[test]
fn the_size_of_a_page_is_that_of_the_machine() {
    let machine = Machine::captured("v1-and-v2");
    let size = tick(&mut sampler(&machine, &[])).machine("platform_page_size_bytes").to_vec();
    assert_eq!(size, [Some(rustix::param::page_size() as f64)]);
}

/// Labels of the series of a metric, each a word, and their values.
fn series(sampler: &mut Sampler, metric: &str) -> Vec<(String, Option<f64>)> {
    let tick = tick(sampler);
    let series = &tick.catalog.platform[tick.catalog.platform_of(metric)];
    let word =
        |labels: &[(String, String)]| labels.iter().map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(",");
    let labels = series.iter().map(|series| word(&series.labels));
    labels.zip(tick.machine(metric).iter().copied()).collect()
}

#[rstest]
#[case("platform_mem_numa_free_bytes", &[("0", 195_948_544.0), ("1", 247_234_560.0), ("2", 252_084_224.0), ("3", 249_925_632.0)])]
#[case("platform_mem_numa_used_bytes", &[("0", 27_381_760.0), ("1", 16_289_792.0), ("2", 11_440_128.0), ("3", 13_410_304.0)])]
#[case("platform_vmstat_pgfaults", &[("", 6_817.0)])]
#[case("platform_vmstat_numa_hint_faults", &[("", 0.0)])]
fn memory_of_a_machine_with_four_nodes(#[case] metric: &str, #[case] expected: &[(&str, f64)]) {
    let machine = Machine::captured("v2-numa-resctrl");
    let found = series(&mut sampler(&machine, &[]), metric);
    assert_eq!(found, expected.iter().map(|(label, value)| ((*label).to_owned(), Some(*value))).collect::<Vec<_>>());
}

#[rstest]
#[case("platform_vmstat", 16, "numa_interleave", 781.0)]
#[case("platform_node_vmstat", 4 * 8, "2,numa_other", 1_180.0)]
#[case("platform_zoneinfo", 49, "0,per-node-stats,nr_anon_pages", 47.0)]
#[case("platform_zoneinfo", 49, "0,DMA32,free", 44_091.0)]
#[case("platform_pressure_seconds", 6, "cpu,full", 0.0)]
fn every_name_of_the_kernel_is_a_series(
    #[case] metric: &str,
    #[case] count: usize,
    #[case] label: &str,
    #[case] value: f64,
) {
    let machine = Machine::captured("v2-numa-resctrl");
    let found = series(&mut sampler(&machine, &[]), metric);
    assert_eq!(found.len(), count);
    assert_eq!(found.iter().find(|(of, _)| of == label), Some(&(label.to_owned(), Some(value))));
}

const NODE: &str = "/sys/devices/system/node/";

#[test]
fn memory_that_is_plugged_is_a_node_more() {
    let machine = Machine::captured("v1-and-v2");
    let mut sampler = sampler(&machine, &[]);
    let free = |sampler: &mut Sampler| series(sampler, "platform_mem_numa_free_bytes");
    assert_eq!(free(&mut sampler).len(), 1);
    machine
        .write(&format!("{NODE}node3/meminfo"), "Node 3 MemTotal: 9 kB\nNode 3 MemFree: 4 kB\nNode 3 MemUsed: 5 kB\n");
    machine.write(&format!("{NODE}node3/vmstat"), "nr_free_pages 1\n");
    machine.write(&format!("{NODE}online"), "0,3\n");
    sampler.sample(&mut Vec::new());
    assert_eq!(free(&mut sampler)[1], ("3".to_owned(), Some(4_096.0)));
    let before = sampler.catalog().version;
    machine.write(&format!("{NODE}online"), "3\n");
    sampler.sample(&mut Vec::new());
    assert_eq!(free(&mut sampler), [("3".to_owned(), Some(4_096.0))]);
    assert_eq!(sampler.catalog().version, before + 1);
}

#[test]
fn a_kernel_without_numa_has_no_nodes_and_that_is_no_trouble() {
    let machine = Machine::captured("v1-and-v2");
    machine.remove(NODE);
    let mut sampler = sampler(&machine, &[]);
    assert_eq!(tick(&mut sampler).notices, []);
    assert!(sampler.catalog().metric("platform_mem_numa_free_bytes").is_none());
    assert!(sampler.catalog().metric("platform_node_vmstat").is_none());
}

#[rstest]
#[case("/proc/vmstat", "", "platform_vmstat")]
#[case("/proc/zoneinfo", "  pages free 1\n", "platform_zoneinfo")]
#[case("/proc/pressure/io", "some avg10=0.00\n", "platform_pressure_seconds")]
#[case("/sys/devices/system/node/node0/vmstat", "", "platform_node_vmstat")]
fn a_malformed_file_costs_its_series_their_values(#[case] path: &str, #[case] content: &str, #[case] metric: &str) {
    let machine = Machine::captured("v1-and-v2");
    let mut sampler = sampler(&machine, &[]);
    let before = series(&mut sampler, metric);
    assert!(before.iter().all(|(_, value)| value.is_some()));
    let good = std::fs::read_to_string(machine.path(path)).unwrap();
    machine.write(path, content);
    let told = machine.sentences(&tick(&mut sampler).notices);
    assert_eq!(told, [format!("{path:?} cannot be understood: {content:?}")]);
    let lacking = series(&mut sampler, metric).into_iter().filter(|(_, value)| value.is_none()).count();
    assert!(lacking > 0 && (path.contains("pressure") || lacking == before.len()), "{lacking} of {}", before.len());
    machine.write(path, &good);
    assert_eq!((series(&mut sampler, metric), sampler.catalog().version), (before, 1));
}

#[test]
fn a_kernel_without_pressure_has_no_series_for_it_and_says_why() {
    let machine = Machine::captured("v1-and-v2");
    machine.remove("/proc/pressure");
    let mut sampler = sampler(&machine, &[]);
    let told = machine.sentences(&tick(&mut sampler).notices);
    let expected = ["cpu", "io", "memory"]
        .map(|of| format!("cannot read \"/proc/pressure/{of}\": No such file or directory (os error 2)"));
    assert_eq!(told, expected);
    assert!(sampler.catalog().metric("platform_pressure_seconds").is_none());
}
