//! Pages that follow, and memory that is bound.

use rstest::rstest;
use wca_model::{Fate, Kind};

use super::{PAGES, allocator, changes, four, free, node, pages, task, two};
use crate::harness::Scene;

const ALL: [u32; 4] = [0, 1, 2, 3];

/// The count of one task by its metric.
fn to_move(tick: &crate::harness::Tick, id: &str) -> Option<f64> {
    tick.metric("numa__task_pages_to_move", &[("task_id", id), ("task_name", id)])
}

/// Part of the pages on the own node, its free memory against that of the other, and whether pages are to follow.
#[rstest]
#[case("", 9_400.0, (50.0, 40.0), true)]
#[case("", 9_500.0, (50.0, 40.0), false)]
#[case("", 9_400.0, (40.0, 50.0), false)]
#[case("", 9_400.0, (50.0, 50.0), true)]
#[case("migrate_pages_min_task_balance: 0.5", 9_400.0, (50.0, 40.0), false)]
#[case("migrate_pages_min_task_balance: 0.5", 4_999.0, (50.0, 40.0), true)]
#[case("migrate_pages_min_task_balance: null", 0.0, (50.0, 40.0), false)]
#[case("migrate_pages: false", 0.0, (50.0, 40.0), false)]
// A part is rounded as Python does it, half to the even digit: of 1/32 and of 3/32 stay 0.0312 and 0.0938.
#[case("migrate_pages_min_task_balance: 0.03121", 312.5, (50.0, 40.0), true)]
#[case("migrate_pages_min_task_balance: 0.0938", 937.5, (50.0, 40.0), false)]
fn pages_of_a_task_that_has_a_node(
    #[case] yaml: &str,
    #[case] here: f64,
    #[case] room: (f64, f64),
    #[case] expected: bool,
) {
    let mut scene = Scene::new();
    free(&mut scene, &[(0, room.0), (1, room.1)]);
    task(&mut scene, "t", &[0, 1], &[]);
    pages(&mut scene, "t", 0, here);
    pages(&mut scene, "t", 1, 10_000.0 - here);
    let tick = allocator(yaml, two()).tick(&scene).clean();
    let expected = if expected { vec!["t migrate_pages 0".to_owned()] } else { Vec::new() };
    assert_eq!(changes(&tick, &scene), expected);
}

/// Not those of the task that gets its node in this very iteration, which are on their way anyhow, nor those of tasks without one.
#[test]
fn only_tasks_of_the_node_with_most_free_memory_have_their_pages_fetched() {
    let mut scene = Scene::new();
    free(&mut scene, &[(0, 10.0), (1, 20.0), (2, 30.0), (3, 5.0)]);
    for (node, cpus) in [[0, 1], [2, 3], [4, 5], [6, 7]].iter().enumerate() {
        task(&mut scene, &format!("t{node}"), cpus, &[(0, 1.0), (1, 1.0), (2, 1.0), (3, 1.0)]);
    }
    task(&mut scene, "new", &[0, 1, 2, 3, 4, 5, 6, 7], &[(0, 2.0), (2, 1.0)]);
    let tick = allocator("", four()).tick(&scene).clean();
    assert_eq!(changes(&tick, &scene), ["new cpuset_cpus 0,1", "new migrate_pages 0", "t2 migrate_pages 2"]);
    assert_eq!((to_move(&tick, "t2"), to_move(&tick, "new")), (Some(3.0 * PAGES), Some(PAGES)));
    assert_eq!(tick.metric("numa__total_pages_to_move", &[]), Some(4.0 * PAGES));
}

/// A page that is still on its way is counted once; one that comes on top is counted too.
#[test]
fn pages_are_counted_once_while_they_move() {
    let mut scene = Scene::new();
    free(&mut scene, &[(0, 50.0), (1, 40.0)]);
    let mut allocator = allocator("", two());
    let mut counts = Vec::new();
    for elsewhere in [1_000.0, 600.0, 700.0, 700.0, 0.0, 300.0] {
        task(&mut scene, "t", &[0, 1], &[]);
        pages(&mut scene, "t", 0, 1_000.0 - elsewhere);
        pages(&mut scene, "t", 1, elsewhere);
        let tick = allocator.tick_after(&scene, &[]).clean();
        counts.push(to_move(&tick, "t").unwrap());
    }
    assert_eq!(counts, [1_000.0, 1_000.0, 1_100.0, 1_100.0, 1_100.0, 1_400.0]);
}

/// What is kept of a task goes with it: another one under its name begins anew, and what is said of the old one later is nothing to it.
#[test]
fn a_task_ends_while_its_pages_move_and_another_one_takes_its_name() {
    let mut scene = Scene::new();
    free(&mut scene, &[(0, 50.0), (1, 40.0)]);
    let mut allocator = allocator("", two());
    task(&mut scene, "t", &ALL, &[(0, 1.0), (1, 3.0)]);
    let tick = allocator.tick(&scene).clean();
    assert_eq!(tick.asked, ["t cpuset_cpus 0,1", "t migrate_pages 0"]);
    assert_eq!(to_move(&tick, "t"), Some(3.0 * PAGES));
    // Gone, before anything came of it.
    scene.end("t");
    let tick = allocator.tick(&scene).clean();
    assert_eq!((to_move(&tick, "t"), tick.metric("numa__total_pages_to_move", &[])), (None, Some(0.0)));
    task(&mut scene, "t", &[0, 1], &[(0, 1.0)]);
    task(&mut scene, "u", &ALL, &[(1, 2.0)]);
    let tick = allocator.tick(&scene).clean();
    assert_eq!(
        (to_move(&tick, "t"), tick.asked.as_slice()),
        (Some(0.0), ["u cpuset_cpus 2,3".into(), "u migrate_pages 1".into()].as_slice())
    );
    // A third one comes between: the others stay what they were.
    scene.apply(&tick);
    task(&mut scene, "v", &ALL, &[(1, 1.0)]);
    let tick = allocator.tick_after(&scene, &[("u", Kind::CpusetCpus, None, Fate::Applied)]).clean();
    assert_eq!((node(&tick, "t"), node(&tick, "u"), node(&tick, "v")), (Some(0.0), Some(1.0), Some(-1.0)));
    assert_eq!(changes(&tick, &scene), ["v cpuset_cpus 0,1", "v migrate_pages 0"]);
}

/// A list of nodes that waits for pages is asked for again, later each time, until it is in force.
#[test]
fn memory_that_waits_for_pages_is_asked_for_again() {
    let mut scene = Scene::new();
    free(&mut scene, &[(0, 50.0), (1, 40.0)]);
    task(&mut scene, "t", &ALL, &[(0, 1.0), (1, 3.0)]);
    scene.task("t").in_force.cpuset_mems = Some(vec![0, 1]);
    let mut allocator = allocator("{cgroups_memory_binding: true, migrate_pages: false}", two());
    let tick = allocator.tick(&scene).clean();
    assert_eq!(tick.asked, ["t cpuset_cpus 0,1", "t cpuset_mems 0"]);
    scene.task("t").cpuset_cpus(&[0, 1]);
    let waits = || ("t", Kind::CpusetMems, None, Fate::Adjusted("its pages move first".into()));
    let mut asked = Vec::new();
    let mut outcomes = vec![("t", Kind::CpusetCpus, None, Fate::Applied), waits()];
    for number in 2..=24 {
        let tick = allocator.tick_after(&scene, &outcomes).clean();
        assert!(tick.lines.is_empty(), "{:?}", tick.lines);
        outcomes = if tick.asked.is_empty() { Vec::new() } else { vec![waits()] };
        if !tick.asked.is_empty() {
            assert_eq!(tick.asked, ["t cpuset_mems 0"]);
            asked.push(number);
        }
    }
    assert_eq!(asked, [4, 9, 18]);
    let waiting = |tick: &crate::harness::Tick| {
        let labels = [("task_id", "t"), ("task_name", "t"), ("allocation_type", "cpuset_mems")];
        tick.metric("numa__task_failures", &labels)
    };
    assert_eq!(
        waiting(&allocator.tick(&scene).clean()),
        Some(4.0),
        "in each of the four iterations, the first included"
    );
    scene.task("t").in_force.cpuset_mems = Some(vec![0]);
    for _ in 0..20 {
        let tick = allocator.tick(&scene).clean();
        assert_eq!((tick.asked.len(), waiting(&tick)), (0, None), "{:?}", tick.asked);
    }
}

/// Somebody moves a task that has memory of its node alone: to another node, whose memory it gets, or to none, and it gets back what it had.
#[rstest]
#[case::to_another_node("{cgroups_memory_binding: true, migrate_pages: false}", &[2, 3], &["t cpuset_mems 1"])]
#[case::to_no_node(
    "{cgroups_memory_binding: true, migrate_pages: false, free_space_check: true}",
    &[1, 2],
    &["t cpuset_mems release"]
)]
fn memory_follows_a_task_that_somebody_moves(#[case] yaml: &str, #[case] to: &[u32], #[case] expected: &[&str]) {
    let mut scene = Scene::new();
    free(&mut scene, &[(0, 50.0), (1, 40.0)]);
    task(&mut scene, "t", &ALL, &[(0, 1.0), (1, 3.0)]);
    scene.task("t").in_force.cpuset_mems = Some(vec![0, 1]);
    let mut allocator = allocator(yaml, two());
    let tick = allocator.tick(&scene).clean();
    assert_eq!(tick.asked, ["t cpuset_cpus 0,1", "t cpuset_mems 0"]);
    scene.apply(&tick);
    let tick = allocator.tick_with(&scene, &tick, &Fate::Applied).clean();
    assert!(tick.asked.is_empty(), "{:?}", tick.asked);
    // No room, so that it gets no other node of its own accord.
    free(&mut scene, &[(0, 0.5), (1, 0.5)]);
    scene.task("t").cpuset_cpus(to);
    let tick = allocator.tick(&scene).clean();
    assert_eq!(tick.asked, expected);
    scene.apply(&tick);
    let mut tick = allocator.tick_with(&scene, &tick, &Fate::Applied).clean();
    for _ in 0..5 {
        assert!(tick.asked.is_empty(), "{:?}", tick.asked);
        tick = allocator.tick(&scene).clean();
    }
}
