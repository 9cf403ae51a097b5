//! What a machine has, on trees that stand in for machines: `features/NAME.txt` is what is told of the captured machine of that
//! name, and `WCA_BLESS=1` writes it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure ends the test")]

mod common;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use common::Machine;
use rstest::rstest;
use wca_kernel::{FEATURES, Feature, Reason, Roots, Sampler, Wanted, features};

fn feature(machine: &Machine, name: &str) -> Feature {
    features(&machine.roots()).into_iter().find(|feature| feature.name == name).unwrap()
}

fn told(features: &[Feature]) -> String {
    features.iter().fold(String::new(), |mut text, feature| {
        writeln!(text, "{} {}\n  {}", feature.name, feature.reason.as_str(), feature.found).unwrap();
        if !feature.remedy.is_empty() {
            writeln!(text, "  remedy: {}", feature.remedy).unwrap();
        }
        text
    })
}

#[rstest]
#[case("features-v1")]
#[case("features-v2")]
#[case("resctrl-cdp")]
#[case("nothing")]
fn captured_machines(#[case] name: &str) {
    let machine = Machine::empty();
    if name != "nothing" {
        machine.overlay(name);
    }
    let found = told(&features(&machine.roots())).replace(&machine.roots().path("/").display().to_string(), "/");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/features").join(format!("{name}.txt"));
    if std::env::var("WCA_BLESS").is_ok_and(|value| value == "1") {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &found).unwrap();
    }
    assert_eq!(found, fs::read_to_string(&path).unwrap_or_default(), "WCA_BLESS=1 writes what is found");
}

#[rstest]
#[case::happy("psi", "/proc/pressure/cpu", "some avg10=0.00 total=1\n", Reason::Available)]
#[case::empty("psi", "/proc/pressure/cpu", "", Reason::Missing)]
#[case::happy("numa", "/sys/devices/system/node/online", "0-1\n", Reason::Available)]
#[case::one_node("numa", "/sys/devices/system/node/online", "0\n", Reason::Missing)]
#[case::malformed("numa", "/sys/devices/system/node/online", "a-b\n", Reason::Malformed)]
#[case::happy("numa_balancing", "/proc/sys/kernel/numa_balancing", "1\n", Reason::Available)]
#[case::off("numa_balancing", "/proc/sys/kernel/numa_balancing", "0\n", Reason::Off)]
#[case::malformed("numa_balancing", "/proc/sys/kernel/numa_balancing", "on\n", Reason::Malformed)]
#[case::happy("dmi", "/sys/firmware/dmi/tables/DMI", "\u{0}\u{1}", Reason::Available)]
#[case::empty("dmi", "/sys/firmware/dmi/tables/DMI", "", Reason::Missing)]
#[case::happy("user_namespaces", "/proc/sys/user/max_user_namespaces", "96365\n", Reason::Available)]
#[case::off("user_namespaces", "/proc/sys/user/max_user_namespaces", "0\n", Reason::Off)]
#[case::malformed("user_namespaces", "/proc/sys/user/max_user_namespaces", "\n", Reason::Malformed)]
#[case::happy("seccomp", "/proc/sys/kernel/seccomp/actions_avail", "kill_process errno allow\n", Reason::Available)]
#[case::without("seccomp", "/proc/sys/kernel/seccomp/actions_avail", "kill_thread allow\n", Reason::Missing)]
#[case::malformed("seccomp", "/proc/sys/kernel/seccomp/actions_avail", "\n", Reason::Malformed)]
#[case::happy("inotify_watches", "/proc/sys/fs/inotify/max_user_watches", "8192\n", Reason::Available)]
#[case::low("inotify_watches", "/proc/sys/fs/inotify/max_user_watches", "8191\n", Reason::Low)]
#[case::malformed("inotify_watches", "/proc/sys/fs/inotify/max_user_watches", "many\n", Reason::Malformed)]
#[case::low("inotify_instances", "/proc/sys/fs/inotify/max_user_instances", "1\n", Reason::Low)]
#[case::happy(
    "open_files",
    "/proc/self/limits",
    "Max open files            1024                 500000               files\n",
    Reason::Available
)]
#[case::unlimited(
    "open_files",
    "/proc/self/limits",
    "Max open files            1024                 unlimited            files\n",
    Reason::Available
)]
#[case::low(
    "open_files",
    "/proc/self/limits",
    "Max open files            1024                 4096                 files\n",
    Reason::Low
)]
#[case::malformed("open_files", "/proc/self/limits", "Max open files\n", Reason::Malformed)]
#[case::malformed("open_files", "/proc/self/limits", "Max processes 1 1\n", Reason::Malformed)]
#[case::happy("perf_event_paranoid", "/proc/sys/kernel/perf_event_paranoid", "-1\n", Reason::Available)]
#[case::strict("perf_event_paranoid", "/proc/sys/kernel/perf_event_paranoid", "2\n", Reason::Denied)]
#[case::malformed("perf_event_paranoid", "/proc/sys/kernel/perf_event_paranoid", "x\n", Reason::Malformed)]
#[case::happy("perf_core", "/sys/bus/event_source/devices/cpu/type", "4\n", Reason::Available)]
#[case::arm("perf_core", "/sys/bus/event_source/devices/armv8_pmuv3_0/type", "8\n", Reason::Available)]
#[case::software_alone("perf_core", "/sys/bus/event_source/devices/software/type", "1\n", Reason::Missing)]
#[case::happy("perf_uncore", "/sys/bus/event_source/devices/uncore_imc_0/type", "20\n", Reason::Available)]
#[case::cores_alone("perf_uncore", "/sys/bus/event_source/devices/cpu/type", "4\n", Reason::Missing)]
fn what_a_file_says(#[case] name: &str, #[case] path: &str, #[case] content: &str, #[case] expected: Reason) {
    let machine = Machine::empty();
    let missing = feature(&machine, name);
    assert_eq!(missing.reason, Reason::Missing, "{missing:?}");
    assert!(!missing.remedy.is_empty() && missing.found.contains("No such file or directory"), "{missing:?}");
    machine.write(path, content);
    let found = feature(&machine, name);
    assert_eq!(found.reason, expected, "{found:?}");
    assert_eq!(found.remedy.is_empty(), found.is_available(), "{found:?}");
    // A folder in its place is no file to read.
    if !path.contains("event_source") {
        machine.remove(path);
        machine.write(&format!("{path}/x"), "");
        assert_eq!(feature(&machine, name).reason, Reason::Unreadable);
    }
}

#[test]
fn capabilities_count_whatever_is_asked_for() {
    let machine = Machine::empty();
    machine.write("/proc/sys/kernel/perf_event_paranoid", "3\n");
    for (set, expected) in [
        ("0000004000000000", Reason::Available),
        ("0000000000200000", Reason::Available),
        ("0000000000000002", Reason::Denied),
        ("x", Reason::Denied),
    ] {
        machine.write("/proc/self/status", &format!("Name:\twca\nCapEff:\t{set}\n"));
        assert_eq!(feature(&machine, "perf_event_paranoid").reason, expected, "{set}");
    }
}

#[rstest]
#[case::debian_open(&[("unprivileged_userns_clone", "1\n")], "0", Reason::Available)]
#[case::debian_closed(&[("unprivileged_userns_clone", "0\n")], "0", Reason::Denied)]
#[case::ubuntu_open(&[("apparmor_restrict_unprivileged_userns", "0\n")], "0", Reason::Available)]
#[case::ubuntu_closed(&[("unprivileged_userns_clone", "1\n"), ("apparmor_restrict_unprivileged_userns", "1\n")], "0", Reason::Denied)]
#[case::root([("unprivileged_userns_clone", "0\n"), ("apparmor_restrict_unprivileged_userns", "1\n")].as_slice(), "200000", Reason::Available)]
#[case::malformed(&[("unprivileged_userns_clone", "no\n")], "0", Reason::Malformed)]
fn user_namespaces_of_those_without_rights(
    #[case] switches: &[(&str, &str)],
    #[case] capabilities: &str,
    #[case] expected: Reason,
) {
    let machine = Machine::empty();
    machine.write("/proc/sys/user/max_user_namespaces", "96365\n");
    machine.write("/proc/self/status", &format!("Name:\twca\nCapEff:\t{capabilities}\n"));
    for (name, value) in switches {
        machine.write(&format!("/proc/sys/kernel/{name}"), value);
    }
    let found = feature(&machine, "user_namespaces");
    assert_eq!((found.reason, found.remedy.is_empty()), (expected, expected == Reason::Available), "{found:?}");
    let (name, _) = switches.last().unwrap();
    assert!(found.found.contains(name), "{found:?}");
    // As many as nobody may make are none, whatever the switches say.
    machine.write("/proc/sys/user/max_user_namespaces", "0\n");
    assert_eq!(feature(&machine, "user_namespaces").reason, Reason::Off);
}

const UNIFIED: &str = "30 25 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
const MEMORY_V1: &str = "31 25 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";

#[rstest]
#[case::handed_down(UNIFIED, "cpu memory", "memory", "memory 0 1 1", Reason::Available)]
#[case::not_handed_down(UNIFIED, "cpu memory", "cpu", "memory 0 1 1", Reason::Off)]
#[case::not_built(UNIFIED, "cpu", "cpu", "cpu 0 1 1", Reason::Missing)]
#[case::disabled(UNIFIED, "cpu", "cpu", "memory 0 1 0", Reason::Off)]
#[case::v1(MEMORY_V1, "", "", "memory 4 68 1", Reason::Available)]
#[case::mounted_nowhere("", "", "", "memory 0 1 1", Reason::Missing)]
#[case::a_table_of_nothing("", "", "", "", Reason::Missing)]
#[case::a_malformed_table_of_mounts("x\n", "", "", "", Reason::Malformed)]
fn the_memory_controller(
    #[case] mountinfo: &str,
    #[case] controllers: &str,
    #[case] handed_down: &str,
    #[case] table: &str,
    #[case] expected: Reason,
) {
    let machine = Machine::empty();
    machine.write("/proc/self/mountinfo", mountinfo);
    machine.write("/proc/cgroups", &format!("#subsys_name hierarchy num_cgroups enabled\n{table}\n"));
    machine.write("/sys/fs/cgroup/cgroup.controllers", controllers);
    machine.write("/sys/fs/cgroup/cgroup.subtree_control", handed_down);
    machine.write("/sys/fs/cgroup/memory/cgroup.procs", "");
    let found = feature(&machine, "cgroup_memory");
    assert_eq!((found.reason, found.remedy.is_empty()), (expected, expected == Reason::Available), "{found:?}");
}

/// Counters of tasks are opened in the unified hierarchy where no hierarchy of v1 has the controller, beside others of v1 too.
#[rstest]
#[case::beside_v1([UNIFIED, MEMORY_V1].concat(), "perf_event 0 1 1", Reason::Available)]
#[case::v2_alone(UNIFIED.to_owned(), "perf_event 0 1 1", Reason::Available)]
#[case::disabled([UNIFIED, MEMORY_V1].concat(), "perf_event 0 1 0", Reason::Off)]
#[case::disabled_on_v2(UNIFIED.to_owned(), "perf_event 0 1 0", Reason::Off)]
#[case::not_built([UNIFIED, MEMORY_V1].concat(), "memory 4 68 1", Reason::Missing)]
#[case::v1_alone_without_it(MEMORY_V1.to_owned(), "perf_event 0 1 1", Reason::Missing)]
fn the_perf_event_controller(#[case] mountinfo: String, #[case] table: &str, #[case] expected: Reason) {
    let machine = Machine::empty();
    machine.write("/proc/self/mountinfo", &mountinfo);
    machine.write("/proc/cgroups", &format!("#subsys_name hierarchy num_cgroups enabled\n{table}\n"));
    machine.write("/sys/fs/cgroup/cgroup.controllers", "");
    machine.write("/sys/fs/cgroup/memory/cgroup.procs", "");
    let found = feature(&machine, "cgroup_perf_event");
    assert_eq!((found.reason, found.remedy.is_empty()), (expected, expected == Reason::Available), "{found:?}");
}

#[rstest]
#[case::not_mounted("", "nodev\tresctrl\n", Reason::Off)]
#[case::not_known("", "nodev\tproc\n", Reason::Missing)]
#[case::mounted_and_empty(
    "33 25 0:28 / /sys/fs/resctrl rw - resctrl resctrl rw\n",
    "nodev\tresctrl\n",
    Reason::Missing
)]
fn resctrl_that_is_not_there(#[case] mountinfo: &str, #[case] filesystems: &str, #[case] expected: Reason) {
    let machine = Machine::empty();
    machine.write("/proc/self/mountinfo", mountinfo);
    machine.write("/proc/filesystems", filesystems);
    for name in ["resctrl", "resctrl_monitoring", "resctrl_l3_cat", "resctrl_l2_cat", "resctrl_mba"] {
        let found = feature(&machine, name);
        assert_eq!((found.reason, found.remedy.is_empty()), (expected, false), "{found:?}");
    }
}

#[rstest]
#[case("resctrl_monitoring", "L3_MON/mon_features", "\n")]
#[case("resctrl_l3_cat", "L3/cbm_mask", "x\n")]
#[case("resctrl_mba", "MB/min_bandwidth", "ten\n")]
fn resctrl_that_says_something_else(#[case] name: &str, #[case] file: &str, #[case] content: &str) {
    let machine = Machine::empty();
    machine.write("/proc/self/mountinfo", "33 25 0:28 / /sys/fs/resctrl rw - resctrl resctrl rw\n");
    machine.write(&format!("/sys/fs/resctrl/info/{file}"), content);
    assert_eq!(feature(&machine, name).reason, Reason::Malformed);
}

#[test]
fn features_are_told_in_their_order_on_this_machine_too() {
    for roots in [Roots::system(), Machine::empty().roots()] {
        let found = features(&roots);
        assert!(found.iter().map(|feature| feature.name).eq(FEATURES), "{found:#?}");
        assert!(
            found.iter().all(|one| one.is_available() == one.remedy.is_empty() && !one.found.is_empty()),
            "{found:#?}"
        );
    }
}

#[test]
fn features_are_a_metric_which_follows_the_machine_when_that_has_changed() {
    let machine = Machine::captured("v2-numa-resctrl");
    let mut sampler = Sampler::new(&machine.roots(), &machine.hierarchies(), Wanted::default());
    let value = |sampler: &mut Sampler, name: &str| {
        let mut values = Vec::new();
        sampler.sample(&mut values);
        let catalog = sampler.catalog();
        let range = catalog.platform_of("wca_feature_available");
        assert_eq!(range.len(), FEATURES.len());
        let at = range.into_iter().find(|at| catalog.platform[*at].labels[0].1 == name).unwrap();
        (values[at], catalog.platform[at].labels[1].1.clone())
    };
    assert_eq!(value(&mut sampler, "resctrl"), (1.0, "available".into()));
    assert_eq!(value(&mut sampler, "perf_core"), (0.0, "missing".into()));
    let version = sampler.catalog().version;
    sampler.look_again();
    assert_eq!(sampler.catalog().version, version, "nothing has changed");
    machine.remove("/sys/fs/resctrl/schemata");
    machine.write("/sys/bus/event_source/devices/cpu/type", "4\n");
    assert_eq!(value(&mut sampler, "resctrl"), (1.0, "available".into()), "it is not looked at in a tick");
    sampler.look_again();
    assert!(sampler.catalog().version > version);
    assert_eq!(value(&mut sampler, "resctrl"), (0.0, "missing".into()));
    assert_eq!(value(&mut sampler, "perf_core"), (1.0, "available".into()));
}

/// Nothing of the machine itself changes when somebody hands down a controller.
#[rstest]
#[case::after_a_while(false, 300)]
#[case::sooner_where_tasks_come_and_go(true, 30)]
fn a_controller_that_is_enabled_by_hand_shows(#[case] has_other_tasks: bool, #[case] readings: usize) {
    let machine = Machine::captured("v2-numa-resctrl");
    machine.write("/sys/fs/cgroup/cgroup.subtree_control", "cpu\n");
    let mut sampler = Sampler::new(&machine.roots(), &machine.hierarchies(), Wanted::default());
    let memory = |sampler: &mut Sampler| {
        let mut values = Vec::new();
        sampler.sample(&mut values);
        let catalog = sampler.catalog();
        let mut series = catalog.platform_of("wca_feature_available");
        values[series.find(|at| catalog.platform[*at].labels[0].1 == "cgroup_memory").unwrap()]
    };
    assert_eq!(memory(&mut sampler), 0.0);
    machine.write("/sys/fs/cgroup/cgroup.subtree_control", "cpu memory\n");
    if has_other_tasks {
        sampler.set_tasks(&[]);
    }
    let seen = (2..).find(|_| memory(&mut sampler) == 1.0);
    assert_eq!(seen, Some(readings));
}
