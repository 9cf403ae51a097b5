//! Counters outside of cores, on a described machine whose PMUs are in truth the software events of this one's kernel.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure ends the test")]

mod common;

use std::thread::{available_parallelism, sleep};
use std::time::Duration;

use common::tick::{Tick, tick};
use common::{Machine, skipped};
use rstest::rstest;
use wca_kernel::{Notice, PerfWanted, Sampler, UncoreWanted, Wanted};

fn sampler(machine: &Machine, uncore: UncoreWanted) -> Sampler {
    let perf = PerfWanted { uncore, derived: true, ..PerfWanted::default() };
    Sampler::new(&machine.roots(), &machine.hierarchies(), Wanted { perf, ..Wanted::default() })
}

fn groups(names: &[&[&str]]) -> UncoreWanted {
    UncoreWanted::Groups(names.iter().map(|group| group.iter().map(|name| (*name).to_owned()).collect()).collect())
}

/// What is said of counters: the tree has little else.
fn said(machine: &Machine, tick: &Tick) -> Vec<String> {
    let of_counters = |notice: &&Notice| {
        matches!(notice, Notice::NotCounted { .. } | Notice::NotKnown { what: "a PMU outside of cores", .. })
    };
    machine.sentences(&tick.notices.iter().filter(of_counters).cloned().collect::<Vec<_>>())
}

/// Whether the kernel lets this user count what a processor does, and there are the two processors of the tree.
fn can_count(test: &str, said: &[String]) -> bool {
    if let Some(refused) =
        said.iter().find(|one| one.contains("does not let this user") || one.contains("counts nothing"))
    {
        skipped(test, refused);
        return false;
    }
    if available_parallelism().unwrap().get() < 2 {
        skipped(test, "it takes two processors");
        return false;
    }
    true
}

/// Values of the labels of each series of a metric of the machine.
fn labels(tick: &Tick, metric: &str) -> Vec<Vec<String>> {
    let at = tick.catalog.platform_of(metric);
    let values = |at: usize| tick.catalog.platform[at].labels.iter().map(|(_, value)| value.clone()).collect();
    at.map(values).collect()
}

const BUSY: &str = "busy/uncore_imc/event=0/";

#[test]
fn events_of_a_described_pmu_are_counted_per_socket() {
    let machine = Machine::captured("uncore");
    let names: &[&[&str]] = &[&["platform_cas_count_reads", "cas-count-writes"], &["platform_imc_clockticks", BUSY]];
    let mut sampler = sampler(&machine, groups(names));
    let first = tick(&mut sampler);
    if !can_count("events_of_a_described_pmu", &said(&machine, &first)) {
        return;
    }
    assert_eq!(said(&machine, &first), Vec::<String>::new());
    let sockets = [["0", "1"], ["1", "1"]];
    let metrics = [
        "platform_cas_count_reads",
        "platform_cas_count_writes",
        "platform_imc_clockticks",
        "busy",
        "platform_scaling_uncore_factor",
        "platform_dram_total_bytes_per_second",
    ];
    for metric in metrics {
        assert_eq!(labels(&first, metric), sockets, "{metric}");
    }
    assert_eq!(first.machine("platform_dram_total_bytes_per_second"), [None, None], "there was nothing before");
    sleep(Duration::from_millis(300));
    let second = tick(&mut sampler);
    for metric in metrics {
        assert!(second.machine(metric).iter().all(Option::is_some), "{metric}: {:?}", second.machine(metric));
    }
    assert_eq!(second.machine("platform_scaling_uncore_factor"), [Some(1.0), Some(1.0)]);
    for socket in 0..2 {
        let counted =
            |metric: &str| second.machine(metric)[socket].unwrap() - first.machine(metric)[socket].unwrap_or(0.0);
        let rate = |metric: &str| second.machine(metric)[socket].unwrap();
        assert!(counted("busy") > 250e6, "the clock counts nanoseconds: {}", counted("busy"));
        let sum = rate("platform_dram_reads_bytes_per_second") + rate("platform_dram_writes_bytes_per_second");
        assert!((rate("platform_dram_total_bytes_per_second") - sum).abs() < 1e-6 * sum.max(1.0));
        // Writes are context switches here, of which there are some in 300 ms.
        let bytes = counted("platform_cas_count_writes") * 64.0 / rate("platform_dram_writes_bytes_per_second");
        assert!((0.2..60.0).contains(&bytes), "{bytes} seconds");
    }
}

#[rstest]
#[case::a_link("platform_upi_rxl_flits", "events of uncore_upi: not counted: this machine has no PMU of that name")]
#[case::an_own_one("x/uncore_iio/event=1/", "events of uncore_iio: not counted: this machine has no PMU of that name")]
#[case::no_counter("x/uncore_imc/event=fe/", "x: not counted: this processor, or this virtual machine, has no counter")]
#[case::no_term("x/uncore_cha/event=1,filter_opc=3/", "x: not counted: uncore_cha_0 does not take \"filter_opc=3\"")]
#[case::no_name("reads", "reads: not counted: no event is called \"reads\"")]
#[case::apart("x/uncore_imc_free_running/event=ff,umask=20/", "x: not counted: ")]
fn what_is_not_there_is_said_once_and_the_rest_goes_on(#[case] name: &str, #[case] expected: &str) {
    let machine = Machine::captured("uncore");
    let mut sampler = sampler(&machine, groups(&[&[BUSY, name]]));
    let first = tick(&mut sampler);
    let said_first = said(&machine, &first);
    if !can_count("what_is_not_there", &said_first) {
        return;
    }
    let [sentence] = said_first.as_slice() else { panic!("{said_first:?}") };
    assert!(sentence.starts_with(expected) && sentence.contains("; remedy: "), "{sentence}");
    assert_eq!(labels(&first, "busy").len(), 2);
    assert!(labels(&first, "x").is_empty() && labels(&first, "platform_upi_rxl_flits").is_empty());
    for _ in 0..5 {
        assert_eq!(said(&machine, &tick(&mut sampler)), Vec::<String>::new());
    }
}

#[rstest]
#[case::malformed_type("type", Some("x\n"), 1)]
#[case::malformed_cpumask("cpumask", Some("0-\n"), 1)]
#[case::malformed_field("format/event", Some("config:9-7\n"), 1)]
#[case::no_type("type", None, 0)]
#[case::no_cpumask("cpumask", None, 0)]
fn a_pmu_that_is_not_understood_is_left_out(#[case] file: &str, #[case] text: Option<&str>, #[case] notices: usize) {
    let machine = Machine::captured("uncore");
    let path = format!("/sys/bus/event_source/devices/uncore_imc_0/{file}");
    match text {
        Some(text) => machine.write(&path, text),
        None => machine.remove(&path),
    }
    let own = "seen/uncore_cha/event=0/";
    let mut sampler = sampler(&machine, groups(&[&[own]]));
    let first = tick(&mut sampler);
    if !can_count("a_pmu_that_is_not_understood", &said(&machine, &first)) {
        return;
    }
    assert_eq!(said(&machine, &first).len(), notices, "{:?}", said(&machine, &first));
    assert!(said(&machine, &first).iter().all(|one| one.contains("uncore_imc_0")));
    assert_eq!(labels(&first, "seen").len(), 2, "the others are counted");
}

#[test]
fn a_socket_that_goes_offline_takes_its_series_along_and_the_other_counts_on() {
    let machine = Machine::captured("uncore");
    let mut sampler = sampler(&machine, groups(&[&[BUSY]]));
    let first = tick(&mut sampler);
    if !can_count("a_socket_that_goes_offline", &said(&machine, &first)) {
        return;
    }
    sleep(Duration::from_millis(50));
    let before = tick(&mut sampler).machine("busy")[0].unwrap();
    machine.write("/sys/devices/system/cpu/online", "0\n");
    let after = tick(&mut sampler);
    assert_eq!(labels(&after, "busy"), [["0", "1"]]);
    sleep(Duration::from_millis(50));
    assert!(tick(&mut sampler).machine("busy")[0].unwrap() > before + 30e6);
}

#[rstest]
#[case::tried_again(&[BUSY, "x/uncore_imc/event=fe/"], false)]
#[case::a_processor_comes_and_goes(&[BUSY], true)]
fn counters_that_are_opened_anew_lose_nothing(#[case] names: &[&str], #[case] has_other_cpus: bool) {
    let machine = Machine::captured("uncore");
    let mut sampler = sampler(&machine, groups(&[names]));
    let first = tick(&mut sampler);
    if !can_count("counters_that_are_opened_anew", &said(&machine, &first)) {
        return;
    }
    let mut before = first.machine("busy")[0].unwrap_or(0.0);
    for online in ["0\n", "0-1\n", "0\n", "0-1\n", "0\n"] {
        sleep(Duration::from_millis(60));
        if has_other_cpus {
            machine.write("/sys/devices/system/cpu/online", online);
        }
        let now = tick(&mut sampler).machine("busy")[0].unwrap();
        assert!(now - before > 50e6, "the clock counts nanoseconds: {}", now - before);
        before = now;
    }
}

/// As the kernel does when the processor by which it reads a PMU goes offline.
#[test]
fn counters_go_on_where_a_pmu_moves_to_another_processor_of_its_socket() {
    let machine = Machine::captured("uncore");
    for processor in ["0", "1"] {
        machine.write(&format!("/sys/devices/system/cpu/cpu{processor}/topology/physical_package_id"), "0\n");
    }
    let pmus = std::fs::read_dir(machine.path("/sys/bus/event_source/devices")).unwrap();
    let masks: Vec<_> = pmus.map(|pmu| pmu.unwrap().path().join("cpumask")).filter(|mask| mask.exists()).collect();
    let move_to = |processor: &str| masks.iter().for_each(|mask| std::fs::write(mask, processor).unwrap());
    move_to("0\n");
    let mut sampler = sampler(&machine, groups(&[&[BUSY]]));
    let first = tick(&mut sampler);
    if !can_count("counters_go_on_where_a_pmu_moves", &said(&machine, &first)) {
        return;
    }
    sleep(Duration::from_millis(60));
    let before = tick(&mut sampler).machine("busy")[0].unwrap();
    assert!(before > 50e6, "{before}");
    move_to("1\n");
    machine.write("/sys/devices/system/cpu/online", "1\n");
    assert!(tick(&mut sampler).machine("busy")[0].unwrap() >= before);
    sleep(Duration::from_millis(60));
    assert!(tick(&mut sampler).machine("busy")[0].unwrap() > before + 50e6);
}

#[test]
fn a_module_that_is_loaded_later_is_found() {
    let machine = Machine::captured("uncore");
    let whole = machine.path("/sys/bus");
    let away = machine.path("/away");
    std::fs::rename(&whole, &away).unwrap();
    let mut sampler = sampler(&machine, groups(&[&[BUSY]]));
    assert_eq!(said(&machine, &tick(&mut sampler)).len(), 1);
    for _ in 0..10 {
        assert!(labels(&tick(&mut sampler), "busy").is_empty());
    }
    std::fs::rename(&away, &whole).unwrap();
    let ticks: Vec<Tick> = (0..16).map(|_| tick(&mut sampler)).collect();
    if ticks.iter().all(|tick| can_count("a_module_that_is_loaded_later", &said(&machine, tick))) {
        assert_eq!(labels(&ticks[15], "busy").len(), 2);
        assert!(ticks.iter().all(|tick| said(&machine, tick).is_empty()));
    }
}

#[rstest]
#[case(UncoreWanted::Automatic, 0)]
#[case(UncoreWanted::All, 2)]
#[case(UncoreWanted::Off, 0)]
fn a_machine_without_such_pmus_has_nothing_to_say_unless_they_are_wanted(
    #[case] wanted: UncoreWanted,
    #[case] notices: usize,
) {
    let machine = Machine::captured("uncore");
    machine.remove("/sys/bus");
    let mut sampler = sampler(&machine, wanted);
    let first = tick(&mut sampler);
    assert_eq!(said(&machine, &first).len(), notices, "{:?}", said(&machine, &first));
    assert!(first.catalog.metrics.iter().all(|metric| !metric.name.contains("uncore")));
}
