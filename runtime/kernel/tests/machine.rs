//! The values of the machine: what comes and goes, and what cannot be read.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure ends the test")]

mod common;

use common::Machine;
use common::tick::{MEMORY_IN_USE, sampler, tick, topology};
use rstest::rstest;

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
    assert_eq!((sampler.catalog().version, sampler.catalog().platform_of("platform_mem_usage_bytes")), (2, 3..4));
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
