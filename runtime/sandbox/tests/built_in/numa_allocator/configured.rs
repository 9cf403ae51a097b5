//! What the operator writes.

use rstest::rstest;
use wca_model::MetricKind;

use super::{GB, allocator, changes, free, node, pages, task, two};
use crate::harness::{BuiltIn, Scene};

/// Integers are numbers, both names of the algorithm are known, and a tag may say what a word is.
#[rstest]
#[case("loop_min_task_balance: 0\nmigrate_pages_min_task_balance: 1")]
#[case("migrate_pages_min_task_balance: null")]
#[case("algorithm: minimize_migrations")]
#[case("algorithm: minimize_migration")]
#[case("algorithm: fill-biggest-first")]
#[case("{}")]
fn what_is_taken(#[case] yaml: &str) {
    assert_eq!(BuiltIn::start("components/numa-allocator", yaml, two()).err(), None);
}

#[rstest]
#[case(
    "algorithm: best",
    "p.yaml:1:12: P.algorithm: fill_biggest_first | minimize_migrations | minimize_migration expected"
)]
#[case(
    "migrate_pages_min_task_balance: 95",
    "migrate_pages_min_task_balance 95: a part of the pages is a number from 0 to 1"
)]
#[case("loop_min_task_balance: -0.1", "loop_min_task_balance -0.1: a part of the pages is a number from 0 to 1")]
#[case("loop_min_task_balance: .nan", "loop_min_task_balance NaN: a part of the pages is a number from 0 to 1")]
#[case(
    "dry_run: true",
    "P.dry_run: unknown key; known: algorithm, loop_min_task_balance, free_space_check, migrate_pages"
)]
fn what_is_refused_and_what_is_said(#[case] yaml: &str, #[case] expected: &str) {
    let told = BuiltIn::start("components/numa-allocator", yaml, two()).err().unwrap();
    assert!(told.contains(expected), "{told}");
}

#[test]
fn a_dry_run_tells_how_memory_is_spread_and_asks_for_nothing() {
    let mut scene = Scene::new();
    free(&mut scene, &[(0, 90.0), (1, 50.0)]);
    task(&mut scene, "t1", &[0, 1], &[(0, 1.0), (1, 9.0)]);
    task(&mut scene, "t2", &[0, 1, 2, 3], &[(0, 1.0)]);
    let mut allocator = allocator("dryrun: true", two());
    for _ in 0..3 {
        let tick = allocator.tick(&scene).clean();
        assert!(tick.asked.is_empty() && tick.lines.is_empty(), "{tick:?}");
        assert_eq!(tick.metric("numa__balanced_memory_size", &[("numa_node", "0")]), Some(10.0 * GB));
        assert_eq!(tick.metric("numa__balanced_memory_size", &[("numa_node", "1")]), Some(0.0));
        assert_eq!((tick.metric("numa__task_tasks_count", &[]), node(&tick, "t1")), (Some(2.0), None));
    }
}

#[test]
fn every_series_is_reported_once_and_has_the_labels_of_its_task() {
    let mut scene = Scene::new();
    free(&mut scene, &[(0, 90.0), (1, 90.0)]);
    task(&mut scene, "t", &[0, 1], &[(0, 1.0)]);
    scene.task("t").label("app", "db").label("host", "mine").label("task_id", "other");
    let tick = allocator("", two()).tick(&scene).clean();
    let labels = [("app", "db"), ("task_id", "t"), ("task_name", "t")];
    assert_eq!(tick.metric("numa__task_current_node", &labels), Some(0.0));
    assert_eq!(tick.metric("numa__task_pages_to_move", &labels), Some(0.0));
    let mut series: Vec<String> = tick.metrics.iter().map(|one| format!("{} {:?}", one.name, one.labels)).collect();
    let count = series.len();
    series.sort();
    series.dedup();
    assert_eq!((series.len(), count), (8, 8), "{series:?}");
    assert!(tick.metrics.iter().all(|one| one.kind == MetricKind::Gauge && !one.help.is_empty()), "{:?}", tick.metrics);
}

/// With which bindings, what is asked for when a task gets a node.
#[rstest]
#[case("", &["t cpuset_cpus 0,1", "t migrate_pages 0"])]
#[case("migrate_pages: false", &["t cpuset_cpus 0,1"])]
#[case("cgroups_memory_binding: true", &["t cpuset_cpus 0,1", "t cpuset_mems 0", "t migrate_pages 0"])]
#[case(
    "{cgroups_memory_binding: true, cgroups_memory_migrate: true}",
    &["t cpuset_cpus 0,1", "t cpuset_memory_migrate 1", "t cpuset_mems 0", "t migrate_pages 0"]
)]
#[case("{cgroups_cpus_binding: false, cgroups_memory_binding: true, migrate_pages: false}", &["t cpuset_mems 0"])]
#[case("cgroups_cpus_binding: false", &["t migrate_pages 0"])]
#[case("{cgroups_cpus_binding: false, migrate_pages: false}", &[])]
fn what_binds_a_task_to_its_node(#[case] yaml: &str, #[case] expected: &[&str]) {
    let mut scene = Scene::new();
    free(&mut scene, &[(0, 90.0), (1, 90.0)]);
    task(&mut scene, "t", &[0, 1, 2, 3], &[(0, 1.0), (1, 1.0)]);
    let now = &mut scene.task("t").in_force;
    (now.cpuset_mems, now.cpuset_memory_migrate) = (Some(vec![0, 1]), Some(false));
    let tick = allocator(yaml, two()).tick(&scene).clean();
    assert_eq!(tick.asked, expected);
    // On cgroup v2 pages follow anyhow, and asking for it would be refused.
    scene.task("t").in_force.cpuset_memory_migrate = Some(true);
    let tick = allocator(yaml, two()).tick(&scene).clean();
    let expected: Vec<&str> = expected.iter().copied().filter(|line| !line.contains("memory_migrate")).collect();
    assert_eq!(tick.asked, expected);
}

#[rstest]
#[case("{cgroups_cpus_binding: false, migrate_pages: false}", "all false: nothing is asked for, as with dryrun: true")]
#[case("cgroups_memory_migrate: true", "cgroups_memory_migrate has no effect without cgroups_memory_binding: true")]
fn arguments_without_an_effect_are_told_once(#[case] yaml: &str, #[case] expected: &str) {
    let mut scene = Scene::new();
    free(&mut scene, &[(0, 90.0), (1, 90.0)]);
    task(&mut scene, "t", &[0, 1], &[(0, 1.0)]);
    let mut allocator = allocator(yaml, two());
    let tick = allocator.tick(&scene).clean();
    assert!(tick.lines.iter().any(|line| line.contains(expected)), "{:?}", tick.lines);
    assert!(allocator.tick(&scene).clean().lines.is_empty());
}

/// Tasks of which no node has that part of the pages are left alone by one algorithm; the other does not look.
#[rstest]
#[case("{algorithm: minimize_migrations, loop_min_task_balance: 0.6}", false)]
#[case("{algorithm: minimize_migrations, loop_min_task_balance: 0.55}", true)]
#[case("{algorithm: fill_biggest_first, loop_min_task_balance: 0.6}", true)]
fn how_much_on_one_node_is_enough(#[case] yaml: &str, #[case] expected: bool) {
    let mut scene = Scene::new();
    free(&mut scene, &[(0, 90.0), (1, 90.0)]);
    scene.task("t").cpuset_cpus(&[0, 1, 2, 3]).resource("mem", GB);
    pages(&mut scene, "t", 0, 55.0);
    pages(&mut scene, "t", 1, 45.0);
    let tick = allocator(yaml, two()).tick(&scene).clean();
    assert_eq!(!changes(&tick, &scene).is_empty(), expected);
}

/// Without what is measured, what can be done is done, and what cannot is said once.
#[test]
fn what_is_not_measured_is_told_once() {
    let mut scene = Scene::new();
    scene.task("t").cpuset_cpus(&[0, 1, 2, 3]).gauge("task_mem_limit_bytes", &[], 5.0 * GB);
    scene.task("there").cpuset_cpus(&[2, 3]).gauge("task_mem_limit_bytes", &[], GB);
    let mut allocator = allocator("migrate_pages: true", two());
    let tick = allocator.tick(&scene).clean();
    assert_eq!(changes(&tick, &scene), ["t cpuset_cpus 0,1", "t migrate_pages 0"]);
    let says = |name: &str| tick.lines.iter().filter(|line| line.starts_with(&format!("WARN {name}"))).count();
    assert_eq!(
        (says("task_mem_numa_pages is not measured"), says("platform_mem_numa_free_bytes is not measured")),
        (1, 1)
    );
    assert_eq!(tick.metric("numa__total_pages_to_move", &[]), Some(0.0));
    scene.apply(&tick);
    let tick = allocator.tick(&scene).clean();
    assert_eq!((tick.asked.len(), tick.lines.len()), (0, 0), "{tick:?}");
}
