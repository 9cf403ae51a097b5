//! Who is named, and for what.

use rstest::rstest;
use wca_model::Contended;

use super::node::{Node, USUAL, all, evidence};

const HIGH: f64 = 2.5;

/// What is told of `v1` in five seconds in which it suffers, `batch` uses so much and `other` as much as before.
fn five_seconds(node: &mut Node, batch: f64) -> Vec<String> {
    let told = |tick: crate::harness::Tick| tick.contended.join(" ");
    (0..5).map(|_| told(node.second(&all(HIGH, batch, 0.5)))).collect()
}

#[test]
fn who_is_busy_while_it_suffers_is_named_and_who_always_is_is_not() {
    let mut node = Node::new("");
    node.usual(25, 0.02, 0.5);
    assert_eq!(
        five_seconds(&mut node, 2.0)[1..],
        ["", "v1 unknown resource batch", "v1 unknown resource batch", "v1 unknown resource batch"]
    );
}

#[test]
fn nobody_is_named_where_nobody_did_anything() {
    let mut node = Node::new("");
    node.usual(25, 0.02, 0.5);
    assert_eq!(five_seconds(&mut node, 0.02)[2], "v1 unknown resource");
}

#[test]
fn of_two_that_look_alike_none_is_named_until_they_differ() {
    let mut node = Node::new("");
    node.usual(25, 0.02, 0.0);
    let seconds = [(2.0, 2.0), (2.0, 2.0), (2.0, 2.0), (2.0, 0.0), (2.0, 0.0)];
    let told: Vec<String> =
        seconds.iter().map(|(batch, other)| node.second(&all(HIGH, *batch, *other)).contended.join(" ")).collect();
    assert_eq!(told[2], "v1 unknown resource");
    node.usual(1, 0.02, 1.0);
    assert_eq!(node.second(&all(HIGH, 2.0, 0.0)).contended, ["v1 unknown resource batch"]);
}

#[test]
fn several_are_named_where_several_may_be() {
    let mut node = Node::new("most_culprits: 2");
    node.usual(25, 0.02, 0.0);
    for _ in 0..2 {
        node.second(&all(HIGH, 2.0, 2.0));
    }
    let told = node.second(&all(HIGH, 2.0, 2.0)).contended;
    assert!(told == ["v1 unknown resource batch,other"] || told == ["v1 unknown resource other,batch"], "{told:?}");
}

#[test]
fn who_was_as_busy_before_and_did_no_harm_is_not_named() {
    // Over the window of 10 samples alone, `batch` looks guilty.
    for (memory, expected) in [(10, "v1 unknown resource batch"), (60, "v1 unknown resource")] {
        let mut node = Node::new(&format!("memory: {memory}"));
        node.usual(20, 2.0, 0.5);
        node.usual(10, 0.02, 0.5);
        assert_eq!(five_seconds(&mut node, 2.0)[3], expected);
    }
}

#[test]
fn who_uses_too_little_is_not_named() {
    let mut node = Node::new("");
    node.usual(25, 0.0, 0.5);
    assert_eq!(five_seconds(&mut node, 0.24)[3], "v1 unknown resource");
}

#[test]
fn the_correlation_must_be_high_enough() {
    let mut node = Node::new("");
    node.usual(25, 0.0, 0.5);
    // 1 - 1.1 / 1.6 is less than 0.35.
    let tick = (0..4).map(|_| node.second(&all(1.6, 2.0, 0.5))).last().unwrap();
    assert_eq!(tick.contended, ["v1 unknown resource"]);
}

#[rstest]
#[case::no("", "v1 unknown resource")]
#[case::where_wanted("suspect_own_group: true", "v1 unknown resource v2")]
fn one_of_the_own_group_is_named_where_that_is_wanted(#[case] yaml: &str, #[case] expected: &str) {
    let mut node = Node::new(yaml);
    let doing = |cpi, usage| [("v1", cpi, 1.0), ("v2", USUAL, usage), ("batch", 1.0, 0.0), ("other", 1.0, 0.5)];
    for _ in 0..25 {
        node.second(&doing(USUAL, 0.3));
    }
    let told = (0..4).map(|_| node.second(&doing(HIGH, 2.0)).contended).last().unwrap();
    assert_eq!(told, [expected]);
}

#[test]
fn a_cgroup_around_the_victim_is_no_suspect() {
    let mut node = Node::new("");
    // What is used within shows in its usage too.
    node.scene.task("around");
    node.scene.task("around/v").label("application", "web").label("application_version_name", "1");
    let doing = |cpi, usage| {
        let mut doing = all(USUAL, 0.0, 0.5).to_vec();
        doing.extend([("around/v", cpi, usage), ("around", cpi, usage)]);
        doing
    };
    for _ in 0..25 {
        node.second(&doing(USUAL, 0.3));
    }
    let told = (0..4).map(|_| node.second(&doing(HIGH, 3.0)).contended).last().unwrap();
    assert_eq!(told, ["around/v unknown resource"]);
}

#[test]
fn a_culprit_that_ends_is_named_no_more() {
    let mut node = Node::new("");
    node.usual(25, 0.0, 0.5);
    assert_eq!(five_seconds(&mut node, 2.0)[4], "v1 unknown resource batch");
    node.scene.end("batch");
    let told = node.second(&[("v1", HIGH, 1.0), ("v2", USUAL, 1.0), ("other", 0.8, 0.5)]).contended;
    assert_eq!(told, ["v1 unknown resource"]);
}

#[test]
fn a_culprit_stays_named_when_the_window_has_nothing_else_to_compare() {
    let mut node = Node::new("");
    node.usual(60, 0.0, 0.5);
    let told: Vec<String> = (0..14).map(|_| node.second(&all(HIGH, 2.0, 0.5)).contended.join(" ")).collect();
    assert!(told[2..].iter().all(|told| told == "v1 unknown resource batch"), "{told:?}");
}

#[test]
fn who_comes_with_the_harm_is_named_once_it_was_there_for_three_samples() {
    let mut node = Node::new("");
    node.usual(25, 0.0, 0.5);
    node.scene.task("late").label("application", "late").label("application_version_name", "1");
    // What a task did before its first reading is not known.
    let mut told = Vec::new();
    for _ in 0..6 {
        let mut doing = all(HIGH, 0.0, 0.5).to_vec();
        doing.push(("late", 1.0, 2.0));
        told.push(node.second(&doing).contended.join(" "));
    }
    assert_eq!(
        told,
        [
            "",
            "",
            "v1 unknown resource",
            "v1 unknown resource late",
            "v1 unknown resource late",
            "v1 unknown resource late"
        ]
    );
}

#[rstest]
// Bytes of cache of the victim and bytes per second of the culprit, while it suffers and otherwise.
#[case::cache((1e6, 4e6), (3e9, 1e8), Contended::Cache)]
#[case::bandwidth((4e6, 4e6), (3e9, 1e8), Contended::MemoryBandwidth)]
#[case::neither((4e6, 4e6), (1e8, 1e8), Contended::Unknown)]
#[case::too_little_of_all((4e6, 4e6), (2e7, 1e6), Contended::Unknown)]
fn what_they_contend_for_shows_in_cache_and_bandwidth(
    #[case] held: (f64, f64),
    #[case] moved: (f64, f64),
    #[case] expected: Contended,
) {
    let mut node = Node::new("");
    let second = |node: &mut Node, suffers: bool| {
        let now = |(then, otherwise): (f64, f64)| if suffers { then } else { otherwise };
        node.scene.task("v1").gauge("task_llc_occupancy_bytes", &[], now(held));
        node.scene.task("batch").gauge("task_llc_occupancy_bytes", &[], now((8e6, 1e6)));
        node.count("batch", "task_mem_bandwidth_bytes", now(moved));
        node.count("other", "task_mem_bandwidth_bytes", 5e8);
        node.second(&if suffers { all(HIGH, 2.0, 0.5) } else { all(USUAL, 0.0, 0.5) })
    };
    (0..25).for_each(|_| drop(second(&mut node, false)));
    let tick = (0..4).map(|_| second(&mut node, true)).last().unwrap();
    assert_eq!(tick.contentions[0].about, expected);
    let label = Some(("contending_task_id", "batch"));
    assert!(evidence(&tick.contentions[0].evidence, "cpi_detector_correlation", label).unwrap() > 0.35);
}
