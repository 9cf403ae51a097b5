//! Cache occupancy and memory bandwidth from trees: what is missing, malformed, denied, comes and goes. What only a real
//! resctrl does (making groups, moving threads) is tested in the test bed.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure ends the test")]

mod common;

use std::fs;

use common::Machine;
use common::tick::{Tick, task, tick};
use rstest::rstest;
use wca_kernel::{Sampler, Wanted};

const THREADS: &str = "/sys/fs/cgroup/demo/busy/cgroup.threads";
const RESCTRL: &str = "/sys/fs/resctrl";
const FILES: [&str; 3] = ["llc_occupancy", "mbm_total_bytes", "mbm_local_bytes"];

/// The captured machine, with a task of two threads that another program has put into a group of its own.
fn machine() -> Machine {
    let machine = Machine::captured("v2-numa-resctrl");
    machine.write(THREADS, "7\n8\n");
    group(&machine, "mon_groups/theirs", "7\n8\n");
    machine
}

/// A group as the kernel makes it.
fn group(machine: &Machine, group: &str, threads: &str) {
    machine.write(&format!("{RESCTRL}/{group}/tasks"), threads);
    for (domain, values) in [("00", [100, 1_000, 600]), ("01", [10, 500, 500])] {
        for (file, value) in FILES.iter().zip(values) {
            machine.write(&counter(group, domain, file), &format!("{value}\n"));
            // A sub-NUMA cluster, of which the domain is the sum.
            machine.write(&counter(group, domain, &format!("mon_sub_L3_{domain}/{file}")), "77\n");
        }
    }
}

fn counter(group: &str, domain: &str, file: &str) -> String {
    format!("{RESCTRL}/{group}/mon_data/mon_L3_{domain}/{file}")
}

fn sampler(machine: &Machine, rdt_enabled: Option<bool>) -> Sampler {
    let wanted = Wanted { rdt_enabled, ..Wanted::default() };
    let mut sampler = Sampler::new(&machine.roots(), &machine.hierarchies(), wanted);
    sampler.set_tasks(&[task(1, "/demo/busy")]);
    sampler
}

/// Of each metric: the sum and each domain.
fn values(tick: &Tick) -> Vec<(&str, Vec<Option<f64>>)> {
    let metrics = tick.catalog.metrics.iter().map(|metric| metric.name.as_str());
    let ours = metrics.filter(|name| name.starts_with("task_llc") || name.starts_with("task_mem_bandwidth"));
    ours.map(|name| (name, tick.of(name).to_vec())).collect()
}

fn told(machine: &Machine, tick: &Tick) -> Vec<String> {
    let about = ["resctrl", "task_mem_bandwidth", "cache occupancy", "cgroup.threads"];
    let all = machine.sentences(&tick.notices).into_iter();
    all.filter(|text| about.iter().any(|word| text.contains(word))).collect()
}

#[test]
fn sums_and_domains() {
    let machine = machine();
    let tick = tick(&mut sampler(&machine, None));
    let expected = [
        ("task_llc_occupancy_bytes", vec![Some(110.0)]),
        ("task_llc_occupancy_domain_bytes", vec![Some(100.0), Some(10.0)]),
        ("task_mem_bandwidth_bytes", vec![Some(1_500.0)]),
        ("task_mem_bandwidth_domain_bytes", vec![Some(1_000.0), Some(500.0)]),
        ("task_mem_bandwidth_local_bytes", vec![Some(1_100.0)]),
        ("task_mem_bandwidth_local_domain_bytes", vec![Some(600.0), Some(500.0)]),
        ("task_mem_bandwidth_remote_bytes", vec![Some(400.0)]),
        ("task_mem_bandwidth_remote_domain_bytes", vec![Some(400.0), Some(0.0)]),
    ];
    assert_eq!((values(&tick), told(&machine, &tick)), (expected.to_vec(), vec![]));
}

/// Domains have the ids that the kernel lists, whatever they are.
#[test]
fn ids_of_domains_are_those_of_the_kernel() {
    let machine = machine();
    for group in ["", "mon_groups/theirs/"] {
        let at = |domain: &str| machine.path(&format!("{RESCTRL}/{group}mon_data/mon_L3_{domain}"));
        fs::rename(at("01"), at("128")).unwrap();
    }
    let tick = tick(&mut sampler(&machine, None));
    let columns = &tick.catalog.columns[tick.catalog.columns_of("task_llc_occupancy_domain_bytes")];
    let ids: Vec<&str> = columns.iter().map(|series| series.labels[0].1.as_str()).collect();
    assert_eq!((ids, tick.of("task_llc_occupancy_domain_bytes")), (vec!["0", "128"], &[Some(100.0), Some(10.0)][..]));
}

#[rstest]
#[case("llc_occupancy\n", &["task_llc_occupancy_bytes", "task_llc_occupancy_domain_bytes"])]
#[case("mbm_total_bytes\nmbm_total_bytes_config\n", &["task_mem_bandwidth_bytes", "task_mem_bandwidth_domain_bytes"])]
#[case("mbm_local_bytes\n", &["task_mem_bandwidth_local_bytes", "task_mem_bandwidth_local_domain_bytes"])]
fn only_what_the_machine_counts_has_columns(#[case] features: &str, #[case] expected: &[&str]) {
    let machine = machine();
    machine.write("/sys/fs/resctrl/info/L3_MON/mon_features", features);
    let tick = tick(&mut sampler(&machine, None));
    let names: Vec<&str> = values(&tick).into_iter().map(|(name, _)| name).collect();
    assert_eq!((names, told(&machine, &tick)), (expected.to_vec(), vec![]));
}

#[rstest]
#[case::unavailable("Unavailable\n", None)]
#[case::unassigned("Unassigned\n", Some("says \"Unassigned\": all hardware counters are assigned"))]
#[case::error("Error\n", Some("says \"Error\": the hardware gives no count"))]
#[case::malformed("many\n", Some("mbm_total_bytes\" cannot be understood: \"many\\n\""))]
#[case::empty("", Some("mbm_total_bytes\" cannot be understood: \"\""))]
fn a_counter_without_a_number_is_absent(#[case] content: &str, #[case] said: Option<&str>) {
    let machine = machine();
    let path = counter("mon_groups/theirs", "01", "mbm_total_bytes");
    machine.write(&path, content);
    let mut sampler = sampler(&machine, None);
    let first = tick(&mut sampler);
    assert_eq!(first.of("task_mem_bandwidth_bytes"), [None], "a sum with a part missing would be another number");
    assert_eq!(first.of("task_mem_bandwidth_domain_bytes"), [Some(1_000.0), None]);
    assert_eq!(first.of("task_mem_bandwidth_remote_bytes"), [None]);
    assert_eq!(first.of("task_mem_bandwidth_local_bytes"), [Some(1_100.0)]);
    let sentences = told(&machine, &first);
    assert_eq!(sentences.len(), usize::from(said.is_some()), "{sentences:?}");
    assert!(sentences.iter().zip(said).all(|(text, said)| text.contains(said)), "{sentences:?}");
    assert_eq!(told(&machine, &tick(&mut sampler)), [""; 0], "said once");
    machine.write(&path, "501\n");
    assert_eq!(tick(&mut sampler).of("task_mem_bandwidth_bytes"), [Some(1_501.0)]);
}

#[test]
fn a_counter_that_cannot_be_read_is_told_once() {
    let machine = machine();
    let path = counter("mon_groups/theirs", "00", "llc_occupancy");
    machine.remove(&path);
    fs::create_dir(machine.path(&path)).unwrap();
    let mut sampler = sampler(&machine, None);
    let first = tick(&mut sampler);
    assert_eq!(first.of("task_llc_occupancy_bytes"), [None]);
    assert_eq!(told(&machine, &first), [format!("cannot read {path:?}: Is a directory (os error 21)")]);
    assert_eq!(told(&machine, &tick(&mut sampler)), [""; 0]);
}

#[test]
fn a_missing_counter_costs_its_value_and_is_looked_for_again() {
    let machine = machine();
    let path = counter("mon_groups/theirs", "00", "llc_occupancy");
    machine.remove(&path);
    let mut sampler = sampler(&machine, None);
    let first = tick(&mut sampler);
    assert_eq!((first.of("task_llc_occupancy_bytes"), told(&machine, &first)), (&[None][..], vec![]));
    assert_eq!(first.of("task_mem_bandwidth_bytes"), [Some(1_500.0)]);
    machine.write(&path, "3\n");
    assert_eq!(tick(&mut sampler).of("task_llc_occupancy_bytes"), [Some(13.0)]);
}

/// A domain goes with its last processor, and its files with it.
#[test]
fn domains_that_come_and_go_take_their_series_along() {
    let machine = machine();
    let mut sampler = sampler(&machine, None);
    let first = tick(&mut sampler);
    assert_eq!(first.of("task_llc_occupancy_domain_bytes"), [Some(100.0), Some(10.0)]);
    for group in ["", "mon_groups/theirs/"] {
        machine.remove(&format!("{RESCTRL}/{group}mon_data/mon_L3_01"));
    }
    let second = tick(&mut sampler);
    assert_eq!(second.of("task_llc_occupancy_domain_bytes"), [Some(100.0)]);
    assert_eq!((second.of("task_llc_occupancy_bytes"), told(&machine, &second)), (&[Some(100.0)][..], vec![]));
    assert!(second.catalog.version > first.catalog.version);
    for group in ["", "mon_groups/theirs/"] {
        machine.write(&format!("{RESCTRL}/{group}mon_data/mon_L3_02/llc_occupancy"), "5\n");
    }
    let third = tick(&mut sampler);
    assert_eq!(third.of("task_llc_occupancy_domain_bytes"), [Some(100.0), Some(5.0)]);
    assert_eq!(third.of("task_mem_bandwidth_domain_bytes"), [Some(1_000.0), None]);
}

#[test]
fn threads_of_the_task_that_are_missing_in_its_own_group_are_written_and_no_others() {
    let machine = machine();
    machine.remove("/sys/fs/resctrl/mon_groups/theirs");
    // In a tree the directory that is made stays empty, but shows the name.
    let mut first = sampler(&machine, None);
    assert_eq!(tick(&mut first).of("task_mem_bandwidth_bytes"), [None]);
    let names = fs::read_dir(machine.path("/sys/fs/resctrl/mon_groups")).unwrap();
    let [name]: [String; 1] =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>().try_into().unwrap();
    drop(first);
    assert!(!machine.path(&format!("{RESCTRL}/mon_groups/{name}")).exists(), "removed at the end");
    group(&machine, &format!("mon_groups/{name}"), "8\n");
    let mut second = sampler(&machine, None);
    let found = tick(&mut second);
    assert_eq!((found.of("task_mem_bandwidth_bytes"), told(&machine, &found)), (&[Some(1_500.0)][..], vec![]));
    let tasks = machine.path(&format!("{RESCTRL}/mon_groups/{name}/tasks"));
    assert_eq!(fs::read_to_string(&tasks).unwrap(), "8\n7\n", "8 was there");
    machine.write(THREADS, "7\n8\n9\n");
    tick(&mut second);
    assert_eq!(fs::read_to_string(&tasks).unwrap(), "8\n7\n9\n");
}

#[test]
fn a_group_of_others_with_others_in_it_tells_nothing_of_the_task() {
    let machine = machine();
    group(&machine, "mon_groups/theirs", "7\n8\n99\n");
    let mut sampler = sampler(&machine, None);
    let first = tick(&mut sampler);
    assert_eq!(first.of("task_mem_bandwidth_bytes"), [None]);
    assert_eq!(
        told(&machine, &first),
        [
            "cache occupancy and memory bandwidth are not measured of \"/demo/busy\": some of its threads are in a group of \
          another program together with threads of others"
        ]
    );
    assert_eq!(told(&machine, &tick(&mut sampler)), [""; 0]);
    let names = fs::read_dir(machine.path("/sys/fs/resctrl/mon_groups")).unwrap();
    assert_eq!(names.count(), 1, "none is made");
}

#[test]
fn a_group_that_vanishes_leaves_its_task_without_values() {
    let machine = machine();
    let mut sampler = sampler(&machine, None);
    assert_eq!(tick(&mut sampler).of("task_mem_bandwidth_bytes"), [Some(1_500.0)]);
    machine.remove("/sys/fs/resctrl/mon_groups/theirs");
    let ticks = (0..10).position(|_| tick(&mut sampler).of("task_mem_bandwidth_bytes") == [None]);
    assert!(ticks.is_some());
    group(&machine, "mon_groups/theirs", "7\n8\n");
    let ticks = (0..200).position(|_| tick(&mut sampler).of("task_mem_bandwidth_bytes") == [Some(1_500.0)]);
    assert!(ticks.is_some());
}

#[rstest]
#[case::of_the_task(THREADS, "7\nx\n")]
#[case::of_a_group("/sys/fs/resctrl/mon_groups/theirs/tasks", "7\nx\n")]
fn malformed_threads_leave_a_task_without_values(#[case] path: &str, #[case] content: &str) {
    let machine = machine();
    machine.write(path, content);
    let mut sampler = sampler(&machine, None);
    let first = tick(&mut sampler);
    let sentences = told(&machine, &first);
    assert_eq!((first.of("task_mem_bandwidth_bytes"), sentences.len()), (&[None][..], 1), "{sentences:?}");
    assert_eq!(told(&machine, &tick(&mut sampler)), [""; 0]);
    machine.write(path, "7\n8\n");
    let ticks = (0..200).position(|_| tick(&mut sampler).of("task_mem_bandwidth_bytes") == [Some(1_500.0)]);
    assert!(ticks.is_some());
}

#[rstest]
#[case::silently_where_the_kernel_has_none(None, false, None)]
#[case::where_it_is_asked_for(Some(true), false, Some("/sys/fs/resctrl is not there"))]
#[case::where_nobody_mounted_it(None, true, Some("resctrl is not mounted at /sys/fs/resctrl: `mount -t resctrl"))]
#[case::where_it_is_not_wanted(Some(false), true, None)]
fn resctrl_that_is_not_mounted(#[case] wanted: Option<bool>, #[case] is_there: bool, #[case] said: Option<&str>) {
    let machine = machine();
    let mounts = fs::read_to_string(machine.path("/proc/self/mountinfo")).unwrap();
    let without: String =
        mounts.lines().filter(|line| !line.contains("resctrl")).map(|line| format!("{line}\n")).collect();
    machine.write("/proc/self/mountinfo", &without);
    if !is_there {
        fs::rename(machine.path(RESCTRL), machine.path("/sys/fs/away")).unwrap();
    }
    let mut sampler = sampler(&machine, wanted);
    let first = tick(&mut sampler);
    let sentences = told(&machine, &first);
    assert_eq!((values(&first).len(), sentences.len()), (0, usize::from(said.is_some())), "{sentences:?}");
    assert!(sentences.iter().zip(said).all(|(text, said)| text.contains(said)), "{sentences:?}");
    // It is found when it is mounted later.
    if !is_there {
        fs::rename(machine.path("/sys/fs/away"), machine.path(RESCTRL)).unwrap();
    }
    machine.write("/proc/self/mountinfo", &mounts);
    let found = (0..10).any(|_| tick(&mut sampler).of("task_mem_bandwidth_bytes") == [Some(1_500.0)]);
    assert_eq!(found, wanted != Some(false));
}

#[rstest]
#[case("")]
#[case("energy\n")]
fn a_processor_that_counts_nothing_is_told(#[case] features: &str) {
    let machine = machine();
    machine.write("/sys/fs/resctrl/info/L3_MON/mon_features", features);
    let first = tick(&mut sampler(&machine, None));
    let [sentence] = told(&machine, &first).try_into().unwrap();
    assert!(sentence.contains("/sys/fs/resctrl/info/L3_MON/mon_features lists none of"), "{sentence}");
    assert_eq!(values(&first).len(), 0);
}
