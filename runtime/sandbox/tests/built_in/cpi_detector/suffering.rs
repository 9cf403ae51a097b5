//! Who suffers: outliers, how often, and of what.

use rstest::rstest;

use super::node::{Node, USUAL, all, start};

const HIGH: f64 = 2.5;

/// Whether each second is told as suffering, `x` or `.`, where `v1` has a high CPI in those with `^`.
fn told(node: &mut Node, seconds: &str) -> String {
    let tell = |second: char| {
        let tick = node.second(&all(if second == '^' { HIGH } else { USUAL }, 0.0, 0.5));
        if tick.contended.is_empty() { '.' } else { 'x' }
    };
    seconds.chars().map(tell).collect()
}

#[rstest]
#[case::two_are_not_enough("^^....^^....", "............")]
#[case::the_third("^^^^.^", "..xx.x")]
#[case::three_of_five("^.^.^..", "....x..")]
#[case::three_of_seven("^..^..^", ".......")]
#[case::and_again("^^^......^^^", "..x........x")]
fn a_task_suffers_from_the_third_violation_within_five_samples(#[case] seconds: &str, #[case] expected: &str) {
    let mut node = Node::new("");
    node.usual(25, 0.0, 0.5);
    assert_eq!(told(&mut node, seconds), expected);
}

#[rstest]
#[case::a_tenth_more(1.09, false)]
#[case::more_than_two_deviations_of_a_twentieth(1.12, true)]
fn a_group_whose_tasks_hardly_differ_has_a_deviation_all_the_same(#[case] cpi: f64, #[case] suffers: bool) {
    let mut node = Node::new("");
    node.usual(25, 0.0, 0.5);
    let told = (0..5).filter(|_| !node.second(&all(cpi, 0.0, 0.5)).contended.is_empty()).count();
    assert_eq!(told > 0, suffers);
}

#[rstest]
// Two tasks: 20 samples after 10 seconds, besides the first, in which nothing is known.
#[case::not_yet("minimum_samples: 200", false)]
#[case::now("minimum_samples: 40", true)]
#[case::of_more_tasks_than_there_are("minimum_tasks: 3", false)]
#[case::of_both_tasks("minimum_tasks: 2", true)]
fn a_group_is_known_by_enough_samples_of_enough_tasks(#[case] yaml: &str, #[case] suffers: bool) {
    let mut node = Node::new(yaml);
    node.usual(25, 0.0, 0.5);
    assert_eq!(told(&mut node, "^^^"), if suffers { "..x" } else { "..." });
}

#[test]
fn a_task_that_hardly_runs_is_not_judged() {
    let mut node = Node::new("");
    node.usual(25, 0.0, 0.5);
    for _ in 0..10 {
        let tick = node.second(&[("v1", HIGH, 0.24), ("v2", USUAL, 1.0), ("other", 0.8, 0.5)]);
        assert!(tick.contended.is_empty());
        assert_eq!(tick.metric("cpi_detector_value", &labels("v1")), None, "nor is it told");
    }
}

fn labels(task: &str) -> [(&str, &str); 3] {
    [("signal", "cpi"), ("task_id", task), ("task_name", task)]
}

#[test]
fn what_is_known_of_a_group_outlives_its_tasks() {
    let mut node = Node::new("");
    node.usual(25, 0.0, 0.5);
    node.scene.end("v1");
    node.scene.end("v2");
    for _ in 0..30 {
        node.second(&[("batch", 1.0, 0.0), ("other", 1.0, 0.5)]);
    }
    node.scene.task("v3").label("application", "web").label("application_version_name", "1");
    node.second(&[("v3", HIGH, 1.0)]);
    let told: Vec<bool> = (0..4).map(|_| !node.second(&[("v3", HIGH, 1.0)]).contended.is_empty()).collect();
    assert_eq!(told, [false, false, true, true]);
    // Another version is another group, of which nothing is known.
    node.scene.task("v4").label("application", "web").label("application_version_name", "2");
    let told = (0..10).filter(|_| node.second(&[("v4", HIGH, 1.0)]).contended.iter().any(|one| one.starts_with("v4")));
    assert_eq!(told.count(), 0);
}

#[test]
fn a_task_without_the_labels_is_not_judged_which_is_said_once() {
    let mut node = Node::new("");
    node.scene.task("bare");
    let mut lines = Vec::new();
    for second in 0..40 {
        let cpi = if second > 30 { HIGH } else { USUAL };
        let mut doing = all(USUAL, 0.0, 0.5).to_vec();
        doing.push(("bare", cpi, 1.0));
        let tick = node.second(&doing);
        assert!(tick.contended.is_empty());
        lines.extend(tick.lines);
    }
    let of_labels = "INFO 1 tasks have none of the labels application, application_version_name: they may be culprits, and are \
                     not judged";
    assert_eq!(lines.iter().filter(|line| *line == of_labels).count(), 1, "{lines:?}");
}

#[test]
fn other_labels_make_other_groups() {
    let mut node = Node::new("labels: [tier]");
    for task in ["v1", "v2", "batch"] {
        node.scene.task(task).label("tier", "gold");
    }
    node.usual(15, 1.0, 0.5);
    assert_eq!(told(&mut node, "^^^"), "..x", "three tasks have had 20 samples between them by then");
}

#[test]
fn what_lasts_becomes_what_is_expected() {
    let mut node = Node::new("");
    node.usual(25, 0.0, 0.5);
    let suffers = |node: &mut Node| {
        let tick = node.second(&[("v1", HIGH, 1.0), ("v2", HIGH, 1.0), ("other", 1.0, 0.5)]);
        !tick.contended.is_empty()
    };
    let told: Vec<bool> = (0..80).map(|_| suffers(&mut node)).collect();
    assert!(told[3] && told[15], "as long as most of the history is otherwise");
    assert!(!told[79], "no more when most of it is so");
}

#[rstest]
#[case::a_day_counts_for_nine_tenths("age_weight: 0.9", true)]
#[case::a_day_counts_for_a_thousandth("age_weight: 0.001", false)]
fn old_samples_count_for_less(#[case] yaml: &str, #[case] suffers: bool) {
    let mut node = Node::new(yaml);
    let day = |node: &mut Node, day: u32, cpi: f64, seconds: u32| {
        let mut told = false;
        for second in 0..=seconds {
            node.scene.at(f64::from(day) * 86_400.0 + f64::from(second));
            let tick = node.second(&[("v1", cpi, 1.0), ("v2", cpi, 1.0)]);
            told |= !tick.contended.is_empty();
        }
        told
    };
    assert!(!day(&mut node, 1, USUAL, 60));
    // A fifth as many samples, a day later.
    day(&mut node, 2, HIGH, 12);
    assert_eq!(day(&mut node, 2, HIGH, 25), suffers);
}

#[test]
fn a_group_and_its_tasks_are_told_in_metrics() {
    let mut node = Node::new("");
    node.usual(2, 0.0, 0.5);
    let early = node.second(&all(USUAL, 0.0, 0.5));
    let group = [("signal", "cpi"), ("application", "web"), ("application_version_name", "1")];
    assert_eq!(early.metric("cpi_detector_group_threshold", &group), None, "not enough is known");
    node.usual(22, 0.0, 0.5);
    told(&mut node, "^^");
    let tick = node.second(&all(HIGH, 0.0, 0.5));
    assert_eq!(tick.metric("cpi_detector_group_samples", &group), Some(54.0));
    let median = tick.metric("cpi_detector_group_median", &group).unwrap();
    assert!((median - USUAL).abs() < 0.005, "{median}");
    assert!(tick.metric("cpi_detector_group_deviation", &group).unwrap() < 0.005);
    let threshold = tick.metric("cpi_detector_group_threshold", &group).unwrap();
    assert!((threshold - 1.1 * median).abs() < 1e-9, "{threshold}: twice a twentieth above the median");
    let value = tick.metric("cpi_detector_value", &labels("v1")).unwrap();
    assert!((value - HIGH).abs() < 1e-9, "{value}");
    assert_eq!(tick.metric("cpi_detector_violations", &labels("v1")), Some(3.0));
    assert_eq!(tick.metric("cpi_detector_violations", &labels("v2")), Some(0.0));
}

#[rstest]
#[case("labels: []", "labels []: at least one label, by which tasks are grouped")]
#[case("sample: 0", "sample 0: a number of seconds above 0")]
#[case("sample: 2", "sample 2: at most sample_every, which is 1")]
#[case("violation_window: 2", "violation_window 2: room for 3 samples (violations), one each 1 seconds: 3 at least")]
#[case("minimum_usage: -1", "minimum_usage -1: a number, 0 or more")]
#[case("correlation: 1.5", "correlation 1.5: above 0, at most 1")]
#[case("age_weight: 0", "age_weight 0: above 0, at most 1")]
#[case("violations: 0", "violations 0: 1 or more")]
#[case("memory: 5", "memory 5: at least correlation_window, which is 10")]
fn what_cannot_be_meant_is_refused(#[case] yaml: &str, #[case] expected: &str) {
    assert_eq!(start(yaml).err().unwrap(), format!("it reported: {expected}"));
}
