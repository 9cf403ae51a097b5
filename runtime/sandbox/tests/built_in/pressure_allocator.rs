//! PressureAllocator on a machine that is a simple model: best-effort tasks make protected ones wait.

mod given_back;
mod plant;

use rstest::rstest;
use wca_model::platform::{BandwidthControl, BandwidthUnit, CacheControl};
use wca_model::{Fate, Kind, Platform};

use crate::harness::BuiltIn;
use plant::{Plant, Service, hog, plain, service, turns};

const YAML: &str = "{protected: [{labels: {qos: latency}, cpu: 0.1}], best_effort: [{labels: {qos: batch}}]}";
const TARGET: f64 = 0.1;

/// The same with these arguments more.
fn with(arguments: &str) -> String {
    YAML.replace("batch}}]}", &format!("batch}}}}], {arguments}}}"))
}

/// A machine with 11 ways of cache and bandwidth in steps of 10 percent, in two domains.
fn with_rdt() -> Platform {
    let mut platform = plain();
    let ways = CacheControl { domains: vec![0, 1], mask: 0x7ff, min_ways: 1, contiguous: true, code_data: false };
    platform.l3 = Some(ways);
    platform.bandwidth =
        Some(BandwidthControl { domains: vec![0, 1], unit: BandwidthUnit::Percent, min: 10, step: 10 });
    platform.groups = 8;
    platform
}

/// A service that waits for cache and bandwidth alone.
fn by_rdt(by_cache: f64, by_bandwidth: f64) -> Service {
    Service { by_cache, by_bandwidth, ..service("s", 0.02, 0.0) }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[rstest]
#[case::barely_too_much(0.01, 0.25, 0.5)]
#[case::four_times_too_much(0.02, 0.6, 0.6)]
#[case::a_small_hog_on_a_large_machine(0.01, 3.0, 0.12)]
#[case::one_that_waits_anyway(0.03, 0.4, 0.7)]
fn within_ten_ticks_the_target_is_kept_and_the_hog_has_the_rest(
    #[case] alone: f64,
    #[case] by_time: f64,
    #[case] wants: f64,
    #[values(1, 2, 3, 4, 5)] seed: u64,
) {
    let mut plant = Plant::new(YAML, plain(), seed).with(&[service("s", alone, by_time)], &[hog("h", wants)]);
    plant.noise = 0.08;
    let best = (TARGET - alone) / by_time;
    assert!(best < wants, "the case has nothing to do");
    let (mut pressures, mut quotas) = (Vec::new(), Vec::new());
    for _ in 0..200 {
        plant.tick();
        pressures.push(plant.pressures[0]);
        quotas.push(plant.quota("h"));
    }
    assert!(pressures[10] <= TARGET * 1.02, "{pressures:?}");
    let late = &quotas[30..];
    assert!(mean(&pressures[10..]) <= TARGET, "{pressures:?}");
    assert!(mean(late) >= 0.8 * best, "{best}: {quotas:?}");
    assert!(turns(&quotas) <= 6, "{}: {quotas:?}", turns(&quotas));
}

#[test]
fn without_noise_it_comes_to_rest() {
    let mut plant = Plant::new(YAML, plain(), 1).with(&[service("s", 0.02, 0.5)], &[hog("h", 0.6)]);
    let quotas = plant.quotas("h", 55);
    assert!(turns(&quotas) <= 1, "{quotas:?}");
    assert_eq!(turns(&quotas[30..]), 0, "{quotas:?}");
}

#[rstest]
#[case::the_general_one(YAML.into(), 0.02)]
#[case::another_general_one(with("quota_floor: 0.1"), 0.1)]
#[case::of_these_tasks(YAML.replace("batch}}", "batch}, quota_floor: 0.05}"), 0.05)]
fn never_below_the_floor(#[case] yaml: String, #[case] floor: f64) {
    // Even at the floor it waits too long, and less by far than before.
    let mut plant = Plant::new(&yaml, plain(), 1).with(&[service("s", 0.11, 1.0)], &[hog("h", 0.8)]);
    let quotas = plant.quotas("h", 100);
    let least = quotas.iter().copied().fold(1.0, f64::min);
    assert_eq!(least, floor, "{quotas:?}");
    assert_eq!(quotas.last(), Some(&floor), "it stays there as long as it helps: {quotas:?}");
    let tick = plant.tick();
    assert_eq!(tick.contended, ["s cpus h"]);
    assert_eq!(tick.contentions[0].evidence[1].value, TARGET);
}

#[test]
fn it_is_given_back_slowly_and_wholly() {
    let mut plant = Plant::new(YAML, plain(), 1).with(&[service("s", 0.02, 0.5)], &[hog("h", 0.6)]);
    plant.quotas("h", 20);
    let before = plant.quota("h");
    plant.services[0].by_time = 0.0;
    let quotas = plant.quotas("h", 300);
    assert_eq!(turns(&quotas), 0, "{quotas:?}");
    let given = quotas.iter().position(|quota| *quota == 1.0).unwrap();
    // Steps of 5 % of the 0.6 that it had, each seen for three ticks, and a rest where the pressure came back before.
    assert!(given > 60, "{given}: {quotas:?}");
    let steps = quotas[..given].windows(2).map(|two| two[1] - two[0]);
    assert!(steps.fold(0.0, f64::max) <= 0.0301, "{before}: {quotas:?}");
    let tick = plant.tick();
    assert_eq!(tick.metric("pressure_allocator_limit", &[("kind", "cpu_quota"), ("task_id", "h")]), None);
}

#[test]
fn the_level_at_which_pressure_came_back_is_left_alone_for_longer_each_time() {
    let mut plant = Plant::new(&with("forget: 20"), plain(), 1).with(&[service("s", 0.02, 0.0)], &[hog("h", 0.6)]);
    // A cliff: from 0.3 on the service waits, below it hardly does.
    let mut falls = Vec::new();
    for tick in 0..400 {
        plant.services[0].alone = if plant.quota("h") > 0.3 { 0.3 } else { 0.02 };
        let before = plant.quota("h");
        plant.tick();
        if plant.quota("h") < before {
            falls.push(tick);
        }
    }
    let gaps: Vec<i32> = falls.windows(2).map(|two| two[1] - two[0]).filter(|gap| *gap > 10).collect();
    assert!(gaps.len() >= 3 && gaps[1] > gaps[0] + 10 && gaps[2] > gaps[1] + 20, "{gaps:?} of {falls:?}");
}

#[test]
fn of_several_protected_the_worst_counts_and_of_several_best_effort_each_gives() {
    let services = [service("s1", 0.01, 0.1), service("s2", 0.02, 0.4), service("s3", 0.0, 0.02)];
    let mut plant = Plant::new(YAML, plain(), 7).with(&services, &[hog("h1", 0.4), hog("h2", 0.1), hog("idle", 0.0)]);
    plant.noise = 0.05;
    for _ in 0..60 {
        plant.tick();
    }
    assert!(plant.pressures.iter().all(|pressure| *pressure <= TARGET * 1.02), "{:?}", plant.pressures);
    let (one, other) = (plant.quota("h1"), plant.quota("h2"));
    assert!(one < 0.4 && other < 0.1 && one + other > 0.16, "{one} {other}");
    // What one had before the first squeeze is its measure, so that the small one does not pay for the large one.
    assert!((one / other - 4.0).abs() < 0.5, "{one} {other}");
    assert_eq!(plant.quota("idle"), 1.0, "who uses nothing has nothing to give");
}

#[test]
fn tasks_that_come_are_squeezed_and_those_that_go_make_room() {
    let mut plant = Plant::new(YAML, plain(), 1).with(&[service("s", 0.02, 0.3)], &[hog("h1", 0.5)]);
    for _ in 0..30 {
        plant.tick();
    }
    let alone = plant.quota("h1");
    plant.hogs.push(hog("h2", 0.4));
    for _ in 0..30 {
        plant.tick();
    }
    assert!(plant.pressures[0] <= TARGET, "{:?}", plant.pressures);
    assert!(plant.quota("h1") < alone && plant.quota("h2") < 0.4, "{} {}", plant.quota("h1"), plant.quota("h2"));
    plant.end("h2");
    // Others have gone: what was learned does not hold any more, and is not waited for.
    let quotas = plant.quotas("h1", 40);
    assert!(quotas[39] >= 0.8 * alone, "{alone}: {quotas:?}");
    plant.end("s");
    let quotas = plant.quotas("h1", 150);
    assert_eq!(quotas.last(), Some(&1.0), "nobody is protected: {quotas:?}");
}

#[test]
fn one_that_becomes_protected_gets_back_what_it_had() {
    let mut plant = Plant::new(YAML, plain(), 1).with(&[service("s", 0.02, 0.5)], &[hog("h", 0.6), hog("g", 0.2)]);
    for _ in 0..10 {
        plant.tick();
    }
    assert!(plant.quota("h") < 1.0);
    plant.scene.task("h").label("qos", "latency");
    plant.hogs.retain(|hog| hog.id != "h");
    let tick = plant.tick();
    assert!(tick.asked.contains(&"h cpu_quota release".into()), "{:?}", tick.asked);
    assert_eq!(plant.quota("h"), 1.0);
}

#[test]
fn a_task_that_fits_both_is_not_squeezed() {
    let yaml = "{protected: [{labels: {task_id: 's*'}, cpu: 0.1}], best_effort: [{labels: {task_name: '?'}}]}";
    let mut plant = Plant::new(yaml, plain(), 1).with(&[service("s", 0.02, 0.5)], &[hog("h", 0.6)]);
    let tick = plant.tick();
    assert_eq!(tick.lines[..1], ["WARN s is protected, and best-effort too by its labels: it is not squeezed"]);
    for _ in 0..20 {
        plant.tick();
    }
    assert!(plant.quota("h") < 1.0 && plant.quota("s") == 1.0);
}

#[test]
fn without_a_signal_nothing_is_changed_and_then_it_is_given_back() {
    let mut plant = Plant::new(&with("forget: 20"), plain(), 1).with(&[service("s", 0.02, 0.5)], &[hog("h", 0.6)]);
    plant.services[0].is_seen = false;
    assert!(plant.quotas("h", 10).iter().all(|quota| *quota == 1.0), "no signal, no squeeze");
    plant.services[0].is_seen = true;
    plant.quotas("h", 15);
    let squeezed = plant.quota("h");
    assert!(squeezed < 0.2, "{squeezed}");
    plant.services[0].is_seen = false;
    let quotas = plant.quotas("h", 150);
    assert!(quotas[..19].iter().all(|quota| *quota == squeezed), "{quotas:?}");
    assert_eq!((turns(&quotas), quotas[149]), (0, 1.0), "{quotas:?}");
}

#[test]
fn a_single_tick_is_no_news() {
    let mut plant = Plant::new(YAML, plain(), 1).with(&[service("s", 0.09, 0.0)], &[hog("h", 0.6)]);
    plant.quotas("h", 5);
    for _ in 0..10 {
        plant.services[0].alone = 0.5;
        plant.tick();
        plant.services[0].alone = 0.09;
        assert!(plant.quotas("h", 9).iter().all(|quota| *quota == 1.0));
    }
}

#[test]
fn what_is_refused_is_tried_again_after_longer_and_longer_pauses() {
    let mut plant = Plant::new(YAML, plain(), 1).with(&[service("s", 0.02, 0.5)], &[hog("h", 0.6)]);
    plant.fate = Fate::Failed("the quota is read-only".into());
    let mut asked = Vec::new();
    let mut lines = Vec::new();
    for tick in 0..200 {
        let said = plant.tick();
        if said.asked.iter().any(|request| request.starts_with("h cpu_quota 0")) {
            asked.push(tick);
        }
        lines.extend(said.lines);
    }
    let gaps: Vec<i32> = asked.windows(2).map(|two| two[1] - two[0]).collect();
    assert!((4..=7).contains(&gaps.len()) && gaps.windows(2).all(|two| two[1] > two[0]), "{gaps:?}");
    assert!(
        lines.contains(&"WARN h: no cpu_quota: the quota is read-only; tried again in 4 ticks at the earliest".into()),
        "{lines:?}"
    );
    plant.fate = Fate::Applied;
    let quotas = plant.quotas("h", 200);
    assert!(quotas[199] < 0.2, "it is asked for again: {quotas:?}");
}

#[test]
fn what_a_guard_takes_back_is_not_asked_for_until_it_has_rested() {
    let mut plant = Plant::new(&with("forget: 10"), plain(), 1).with(&[service("s", 0.02, 0.5)], &[hog("h", 0.6)]);
    let mut rests = Vec::new();
    for _ in 0..3 {
        let until = (0..200).find(|_| plant.tick().asked.iter().any(|request| request.starts_with("h cpu_quota 0")));
        rests.push(until.unwrap());
        plant.revert("psi_cpu of s: 0.1 before, 0.4 after");
    }
    assert!(rests[1] >= 10 && rests[2] >= 20, "{rests:?}");
    let lines = plant.tick().lines.join("\n");
    assert!(lines.contains("WARN h: cpu_quota was taken back: psi_cpu of s: 0.1 before, 0.4 after"), "{lines}");
    assert!(lines.contains("WARN squeezes were taken back: none for 40 ticks"), "{lines}");
}

#[test]
fn what_rails_make_of_a_quota_is_what_counts_and_the_next_lever_comes() {
    let services = [Service { by_cache: 0.1, ..service("s", 0.02, 0.3) }];
    let mut plant = Plant::new(YAML, with_rdt(), 1).with(&services, &[hog("h", 0.6)]);
    plant.fate = Fate::Adjusted("0.2 by the rail `gentle`".into());
    let mut lower = 0;
    for _ in 0..60 {
        let tick = plant.tick();
        if plant.quota("h") < 0.199 {
            lower += 1;
        }
        if tick.asked.iter().any(|request| request.starts_with("h cpu_quota 0")) {
            let quota = plant.quota("h").max(0.2);
            plant.in_force("h").cpu_quota = Some(quota);
        }
    }
    assert_eq!(lower, 1, "what cannot be had is asked for once");
    assert!(plant.rdt("h").0 < 11 && plant.pressures[0] <= TARGET, "{:?} {:?}", plant.rdt("h"), plant.pressures);
    let tick = plant.tick();
    assert_eq!(tick.metric("pressure_allocator_limit", &[("kind", "cpu_quota"), ("task_id", "h")]), Some(0.2));
}

#[test]
fn in_shadow_mode_one_step_is_asked_for() {
    let mut plant = Plant::new(YAML, plain(), 1).with(&[service("s", 0.02, 0.5)], &[hog("h", 0.6)]);
    plant.fate = Fate::Shadowed;
    let asked: Vec<String> = (0..60).flat_map(|_| plant.tick().asked).collect();
    assert_eq!(asked, ["h cpu_quota release", "h cpu_quota 0.3"]);
}

#[test]
fn what_does_not_help_is_given_back_and_tried_again_later() {
    let mut plant = Plant::new(&with("forget: 20"), plain(), 1).with(&[service("s", 0.3, 0.0)], &[hog("h", 0.6)]);
    let mut squeezes = Vec::new();
    let mut lines = Vec::new();
    let mut free = 0;
    for tick in 0..200 {
        let was_free = plant.quota("h") == 1.0;
        let said = plant.tick();
        if was_free && plant.quota("h") < 1.0 {
            squeezes.push(tick);
        }
        lines.extend(said.lines);
        free += i32::from(plant.quota("h") == 1.0);
    }
    assert!(
        lines.contains(
            &"INFO cpu_quota does not help: it is given back, and tried again in 20 ticks at the earliest".into()
        ),
        "{lines:?}"
    );
    let gaps: Vec<i32> = squeezes.windows(2).map(|two| two[1] - two[0]).collect();
    assert!(gaps.len() >= 2 && gaps[0] >= 20 && gaps[1] >= 40, "{gaps:?}");
    assert!(free > 170, "{free} ticks of 200");
}

#[test]
fn cache_ways_come_after_the_quota_and_bandwidth_after_them() {
    let mut plant = Plant::new(YAML, with_rdt(), 1).with(&[by_rdt(0.1, 0.1)], &[hog("h", 0.5), hog("g", 0.5)]);
    let mut asked = Vec::new();
    for _ in 0..60 {
        asked.extend(plant.tick().asked);
    }
    let first = |what: &str| {
        asked.iter().position(|request| request.starts_with(what)).unwrap_or_else(|| panic!("{what}: {asked:?}"))
    };
    assert!(first("h cpu_quota 0") < first("h rdt_l3 0=") && first("h rdt_l3 0=") < first("h rdt_mb 0="), "{asked:?}");
    assert_eq!((plant.quota("h"), plant.quota("g")), (1.0, 1.0), "the quota did not help: {asked:?}");
    // The lowest ways, in both domains, the same for all.
    for request in ["h rdt_l3 0=1f", "h rdt_l3 1=1f", "g rdt_l3 0=1f", "g rdt_l3 1=1f", "g rdt_mb 1=70"] {
        assert!(asked.iter().any(|one| one == request), "{request}: {asked:?}");
    }
    let (ways, mb) = plant.rdt("h");
    assert!(ways == 1 && mb % 10 == 0 && plant.pressures[0] <= TARGET, "{ways} {mb} {:?}", plant.pressures);
    assert!(mb >= 50, "the last step is no deeper than it must be: {mb}");
    // One that comes later has the same.
    plant.hogs.push(hog("late", 0.1));
    plant.tick();
    plant.tick();
    assert_eq!(plant.rdt("late"), plant.rdt("h"));
    // Nobody suffers any more: the last lever is given back first.
    plant.services[0] = service("s", 0.02, 0.0);
    let mut states = Vec::new();
    for _ in 0..300 {
        plant.tick();
        states.push(plant.rdt("h"));
    }
    assert!(states.iter().all(|(ways, mb)| *mb == 100 || *ways == 1), "{states:?}");
    assert_eq!(states.last(), Some(&(11, 100)), "{states:?}");
    assert!(
        states.windows(2).all(|two| two[1].0 <= two[0].0 + 1 && two[1].1 <= two[0].1 + 10),
        "a step at a time: {states:?}"
    );
}

#[rstest]
#[case::ways("[rdt_l3]", "ways_floor: 3", (3, 100))]
#[case::bandwidth("[rdt_mb]", "bandwidth_floor: 35", (11, 40))]
fn ways_and_bandwidth_have_floors(#[case] levers: &str, #[case] floor: &str, #[case] least: (u32, u32)) {
    let yaml = with(&format!("levers: {levers}, {floor}"));
    let mut plant = Plant::new(&yaml, with_rdt(), 1).with(&[by_rdt(0.5, 0.5)], &[hog("h", 0.5)]);
    let mut seen = Vec::new();
    for _ in 0..50 {
        let tick = plant.tick();
        assert!(tick.asked.iter().all(|request| !request.contains("quota")), "{:?}", tick.asked);
        seen.push(plant.rdt("h"));
    }
    assert_eq!(seen.last(), Some(&least), "{seen:?}");
}

#[test]
fn a_lever_that_the_machine_lacks_is_passed_over() {
    let mut plant = Plant::new(YAML, plain(), 1).with(&[service("s", 0.02, 0.5)], &[hog("h", 0.6)]);
    let lines = plant.tick().lines;
    assert_eq!(lines, ["INFO rdt_l3: this machine does not have it", "INFO rdt_mb: this machine does not have it"]);
}

#[test]
fn a_limit_that_somebody_else_has_set_is_never_exceeded() {
    let mut plant = Plant::new(YAML, plain(), 1).with(&[service("s", 0.02, 0.5)], &[hog("h", 0.6)]);
    plant.in_force("h").cpu_quota = Some(0.3);
    let mut released = 0;
    for tick in 0..200 {
        if tick == 20 {
            plant.services[0].by_time = 0.0;
        }
        let said = plant.tick();
        released += usize::from(tick > 0 && said.asked.contains(&"h cpu_quota release".into()));
        if plant.in_force("h").cpu_quota.is_none() {
            // What was there before comes back.
            plant.in_force("h").cpu_quota = Some(0.3);
        }
        assert!(plant.quota("h") <= 0.3, "{:?}", said.asked);
    }
    assert_eq!(released, 1);
}

#[test]
fn limits_that_an_earlier_life_has_left_are_given_back_first() {
    let mut plant = Plant::new(YAML, with_rdt(), 1).with(&[service("s", 0.02, 0.5)], &[hog("h", 0.6)]);
    let asked = plant.tick().asked;
    assert_eq!(asked, ["h cpu_quota release", "h rdt_l3 release", "h rdt_mb release"]);
    // That there was nothing to give back is no news.
    let outcomes = [("h", Kind::CpuQuota, None, Fate::Failed("held by StaticAllocator".into()))];
    assert_eq!(
        plant.policy.tick_after(&plant.scene, &outcomes).lines,
        ["DEBUG h: cpu_quota was not given back: held by StaticAllocator"]
    );
}

#[test]
fn where_pressure_is_not_measured_that_is_said_once() {
    let mut policy = BuiltIn::start("components/pressure-allocator", YAML, plain()).unwrap();
    let mut scene = crate::harness::Scene::new();
    scene.task("s").label("qos", "latency").gauge("task_up", &[], 1.0);
    let lines: Vec<String> = (0..5).flat_map(|_| policy.tick(&scene).clean().lines).collect();
    let about: Vec<&String> =
        lines.iter().filter(|line| line.starts_with("WARN the pressure of tasks for cpu")).collect();
    assert_eq!(about.len(), 1, "{lines:?}");
}

#[test]
fn what_is_seen_and_done_is_told() {
    let mut plant = Plant::new(YAML, plain(), 1).with(&[service("s", 0.02, 0.5)], &[hog("h", 0.6)]);
    plant.tick();
    let tick = plant.tick();
    let pressure = tick.metric("pressure_allocator_pressure", &[("task_id", "s"), ("resource", "cpu")]).unwrap();
    assert!((pressure - 0.32).abs() < 1e-9);
    assert_eq!(tick.metric("pressure_allocator_target", &[("task_id", "s"), ("resource", "cpu")]), Some(TARGET));
    assert!((tick.metric("pressure_allocator_worst", &[]).unwrap() - 3.2).abs() < 1e-9);
    assert_eq!(tick.metric("pressure_allocator_limit", &[("task_id", "h"), ("kind", "cpu_quota")]), Some(0.3));
    assert_eq!(tick.metric("pressure_allocator_squeezes", &[]), Some(1.0));
    assert_eq!(tick.metric("pressure_allocator_releases", &[]), Some(0.0));
}

#[rstest]
#[case::no_target(YAML.replace(", cpu: 0.1", ""), "protected[0]: no target: give it at least one of cpu, memory and io, such as cpu: 0.05")]
#[case::target(YAML.replace("0.1", "1.5"), "protected[0].cpu 1.5: a share of time, such as 0.05, above 0 and below 1")]
#[case::labels(YAML.replace("{qos: latency}", "{}"), "protected[0].labels: none, which would fit every task: name one at least")]
#[case::nobody(YAML.replace("[{labels: {qos: batch}}]", "[]"), "protected, best_effort and levers need one entry each at least; they have 1, 0 and 3")]
#[case::floor(with("quota_floor: 0.0"), "quota_floor 0: a part of all processors, above 0 and below 1")]
#[case::twice(with("levers: [rdt_mb, rdt_mb]"), "levers[1]: rdt_mb stands there twice")]
#[case::step(with("step: 1.0"), "step 1: the part that a squeeze leaves, above 0 and below 1")]
#[case::ways(with("ways_floor: 0"), "ways_floor 0, forget 15: 1 or more")]
fn a_wrong_argument_is_told(#[case] yaml: String, #[case] text: &str) {
    let error = BuiltIn::start("components/pressure-allocator", &yaml, plain()).err().expect("it is wrong");
    assert!(error.contains(text), "{error}");
}

#[test]
fn noise_does_not_make_it_swing() {
    let counts: Vec<f64> = (1..=20)
        .map(|seed| {
            let mut plant = Plant::new(YAML, plain(), seed).with(&[service("s", 0.02, 0.5)], &[hog("h", 0.6)]);
            plant.noise = 0.15;
            turns(&plant.quotas("h", 300)) as f64
        })
        .collect();
    assert!(
        median(counts.clone()) <= 10.0 && counts.iter().all(|count| *count <= 20.0),
        "turns in 300 ticks: {counts:?}"
    );
}
