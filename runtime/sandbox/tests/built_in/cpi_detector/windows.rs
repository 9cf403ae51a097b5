//! Where values come from: counters that are absent, begin anew, or count for a part of the time, and pressure instead of them.

use rstest::rstest;
use wca_model::Contended;

use super::node::{Node, USUAL, all};

const HIGH: f64 = 2.5;

#[test]
fn counters_that_are_absent_are_no_violation_and_no_end_of_one() {
    let mut node = Node::new("");
    node.usual(25, 0.0, 0.5);
    let told: Vec<bool> = [HIGH, HIGH, f64::NAN, HIGH, HIGH]
        .iter()
        .map(|cpi| !node.second(&all(*cpi, 0.0, 0.5)).contended.is_empty())
        .collect();
    // The third violation is within five samples of the first. After an absent value there is no rate yet.
    assert_eq!(told, [false, false, false, false, true]);
}

#[test]
fn a_counter_that_begins_anew_costs_that_sample_alone() {
    let mut node = Node::new("");
    node.usual(25, 0.0, 0.5);
    for metric in ["task_cycles", "task_instructions"] {
        node.restart("v1", metric);
        let tick = node.second(&all(USUAL, 0.0, 0.5));
        assert_eq!(tick.metric("cpi_detector_value", &labels("cpi", "v1")), None, "{metric}");
        assert!(tick.metric("cpi_detector_value", &labels("cpi", "v2")).is_some());
        node.usual(10, 0.0, 0.5);
    }
}

fn labels<'a>(signal: &'a str, task: &'a str) -> [(&'a str, &'a str); 3] {
    [("signal", signal), ("task_id", task), ("task_name", task)]
}

/// A second in which nothing is counted but usage, and `v1` waits so long for a resource.
fn waiting(node: &mut Node, resource: &str, waited: f64, batch: f64) -> crate::harness::Tick {
    for (task, usage, waits) in [("v1", 0.1, waited), ("v2", 0.1, 0.0), ("batch", batch, 0.0), ("other", 0.5, 0.0)] {
        node.count(task, "task_cpu_usage_seconds", usage);
        if resource == "throttling" {
            node.count(task, "task_cpu_throttled_seconds", waits);
            continue;
        }
        for kind in ["some", "full"] {
            let by = if kind == "some" { waits } else { 0.0 };
            let labels = [("kind", kind), ("resource", resource)];
            let total = node.pressure(task, kind, by);
            node.scene.task(task).counter("task_pressure_seconds", &labels, total);
        }
    }
    node.tick()
}

#[rstest]
#[case::pressure_instead_of_counters("", "cpu", "psi_cpu", Contended::Cpus)]
#[case::pressure_of_processors("signal: psi_cpu", "cpu", "psi_cpu", Contended::Cpus)]
#[case::pressure_of_memory("signal: psi_memory", "memory", "psi_memory", Contended::Unknown)]
#[case::throttling_instead_of_both("", "throttling", "throttling", Contended::Cpus)]
#[case::throttling("signal: throttling", "throttling", "throttling", Contended::Cpus)]
fn tasks_are_judged_by_what_there_is(
    #[case] yaml: &str,
    #[case] resource: &str,
    #[case] signal: &str,
    #[case] about: Contended,
) {
    let mut node = Node::new(yaml);
    for _ in 0..25 {
        // Little, and not above 0.05 of the time.
        assert!(waiting(&mut node, resource, 0.04, 0.0).contended.is_empty());
    }
    let ticks: Vec<_> = (0..4).map(|_| waiting(&mut node, resource, 0.5, 1.5)).collect();
    assert_eq!(ticks[1].contended, Vec::<String>::new());
    assert_eq!((ticks[2].contentions[0].about, ticks[2].contended.len()), (about, 1), "{:?}", ticks[2].contended);
    assert!(ticks[2].contended[0].ends_with("batch"), "{:?}", ticks[2].contended);
    let value = ticks[3].metric("cpi_detector_value", &labels(signal, "v1")).unwrap();
    assert!((value - 0.5).abs() < 1e-9, "{value}");
}

#[test]
fn counters_go_before_pressure_as_soon_as_they_are_there() {
    let mut node = Node::new("");
    let mut lines = Vec::new();
    for _ in 0..5 {
        lines.extend(waiting(&mut node, "cpu", 0.0, 0.0).lines);
    }
    for _ in 0..5 {
        lines.extend(node.second(&all(USUAL, 0.0, 0.5)).lines);
    }
    let expected = [
        "INFO tasks are judged by psi_cpu, which takes task_pressure_seconds of cpu",
        "INFO tasks are judged by cpi, which takes task_cycles and task_instructions",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn where_nothing_of_it_is_measured_that_is_said_once() {
    let mut node = Node::new("signal: cpi");
    let mut lines = Vec::new();
    for _ in 0..40 {
        let tick = waiting(&mut node, "cpu", 0.5, 0.0);
        assert!(tick.contended.is_empty());
        lines.extend(tick.lines);
    }
    assert_eq!(
        lines,
        ["WARN no task can be judged, since none of this is measured here: task_cycles and task_instructions"]
    );
}

/// With the defaults, 10 seconds of each 60, and counters that count for 10 of each 60 too, as the agent's do where tasks are many.
#[test]
fn samples_are_taken_while_counters_count() {
    let mut node =
        Node::new("sample: 10\nsample_every: 60\nviolation_window: 300\ncorrelation_window: 600\nmemory: 3600");
    let mut told = Vec::new();
    // The first window is read from its first second on; the others begin in the 7th second of a minute.
    for second in 0..60 * 30 {
        let suffers = second >= 60 * 20;
        let counted = second % 60 >= 7 && second % 60 <= 17;
        let cpi = |cpi: f64| if counted { cpi } else { f64::NAN };
        let batch = if suffers { 2.0 } else { 0.0 };
        // Besides the window the victim is as well as ever, which nobody sees.
        let doing = [
            ("v1", cpi(if suffers { HIGH } else { USUAL }), 1.0),
            ("v2", cpi(USUAL), 1.0),
            ("batch", cpi(1.0), batch),
            ("other", cpi(1.0), 0.5),
        ];
        let tick = node.second(&doing);
        if !tick.contended.is_empty() {
            told.push((second / 60, second % 60, tick.contended.join(" ")));
        }
        if second == 60 * 30 - 1 {
            let group = [("signal", "cpi"), ("application", "web"), ("application_version_name", "1")];
            assert_eq!(tick.metric("cpi_detector_group_samples", &group), Some(60.0), "one a minute and task");
        }
    }
    let minutes: Vec<i32> = told.iter().map(|(minute, ..)| *minute).collect();
    assert_eq!(minutes, (22..30).collect::<Vec<_>>());
    assert!(told.iter().all(|(_, second, told)| *second == 17 && told == "v1 unknown resource batch"), "{told:?}");
}

/// Ticks further apart than a sample is long: each is a sample.
#[test]
fn an_interval_that_is_longer_than_a_sample_is_one() {
    let mut node = Node::new("sample: 1\nsample_every: 2\nviolation_window: 200\ncorrelation_window: 300\nmemory: 300");
    let mut at = 1_000.0;
    let mut told = Vec::new();
    for tick in 0..30 {
        at += 30.0;
        node.scene.at(at);
        let cpi = if tick >= 20 { HIGH } else { USUAL };
        let tick = node.second(&[("v1", cpi, 30.0), ("v2", USUAL, 30.0), ("other", 0.8, 15.0)]);
        told.push(!tick.contended.is_empty());
    }
    assert_eq!(told.iter().position(|told| *told), Some(22), "{told:?}");
}

/// A clock that is set back or forth costs the sample, and nothing is judged by time that did not pass.
#[test]
fn a_clock_that_is_set_back_costs_a_sample() {
    let mut node = Node::new("");
    node.usual(25, 0.0, 0.5);
    node.scene.at(500.0);
    assert!(node.second(&all(HIGH, 0.0, 0.5)).contended.is_empty());
    let mut told = Vec::new();
    for second in 1..5 {
        node.scene.at(500.0 + f64::from(second));
        told.push(!node.second(&all(HIGH, 0.0, 0.5)).contended.is_empty());
    }
    assert_eq!(told, [false, false, true, true]);
}

/// Counters of each processor, where they are not summed.
#[test]
fn counters_of_processors_are_added_up() {
    let mut node = Node::new("");
    let mut totals = [0.0_f64; 4];
    let mut last = None;
    for _ in 0..4 {
        // The second processor needs three times as many cycles.
        for (at, by) in [1e9, 3e9, 1e9, 1e9].into_iter().enumerate() {
            totals[at] += by;
        }
        for (at, cpu) in ["0", "1"].into_iter().enumerate() {
            node.scene.task("v1").counter("task_cycles", &[("cpu", cpu)], totals[at]);
            node.scene.task("v1").counter("task_instructions", &[("cpu", cpu)], totals[2 + at]);
        }
        node.count("v1", "task_cpu_usage_seconds", 1.5);
        last = Some(node.tick());
    }
    assert_eq!(last.unwrap().metric("cpi_detector_value", &labels("cpi", "v1")), Some(2.0));
}
