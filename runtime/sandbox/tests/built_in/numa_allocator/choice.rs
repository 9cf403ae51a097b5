//! Which task gets which node.

use rstest::rstest;
use wca_model::Platform;

use super::{GB, PAGES, allocator, changes, four, free, machine, node, pages, task, two};
use crate::harness::Scene;

const BOTH: [&str; 2] = ["algorithm: fill_biggest_first", "algorithm: minimize_migrations"];

/// Tasks with so many parts of a node's memory on it, the third on the processors of node 1: the largest of the others gets node 0.
#[test]
fn the_largest_task_gets_the_emptier_node() {
    for algorithm in BOTH {
        let mut scene = Scene::new();
        free(&mut scene, &[(0, 96.0 * 0.5), (1, 96.0 * 0.3)]);
        task(&mut scene, "t1", &[0, 1, 2, 3], &[(0, 9.6), (1, 19.2)]);
        task(&mut scene, "t2", &[0, 1, 2, 3], &[(0, 38.4), (1, 0.0)]);
        task(&mut scene, "t3", &[2, 3], &[(0, 0.0), (1, 48.0)]);
        let tick = allocator(algorithm, two()).tick(&scene).clean();
        assert_eq!(changes(&tick, &scene), ["t2 cpuset_cpus 0,1", "t2 migrate_pages 0"], "{algorithm}");
        assert_eq!(["t1", "t2", "t3"].map(|id| node(&tick, id)), [Some(-1.0), Some(-1.0), Some(1.0)]);
    }
}

#[test]
fn without_room_nobody_gets_a_node() {
    for algorithm in BOTH {
        let mut scene = Scene::new();
        free(&mut scene, &[(0, 96.0 * 0.1), (1, 96.0 * 0.05)]);
        task(&mut scene, "t1", &[0, 1], &[(0, 76.8), (1, 0.0)]);
        task(&mut scene, "t2", &[2, 3], &[(0, 0.0), (1, 76.8)]);
        task(&mut scene, "t3", &[0, 1, 2, 3], &[(0, 9.6), (1, 14.4)]);
        let tick = allocator(&format!("{algorithm}\nfree_space_check: true"), two()).tick(&scene).clean();
        assert!(changes(&tick, &scene).is_empty(), "{algorithm}: {:?}", tick.asked);
    }
}

/// What does not fit keeps nobody else waiting.
#[test]
fn a_task_without_room_leaves_its_turn_to_the_next() {
    let mut scene = Scene::new();
    free(&mut scene, &[(0, 20.0), (1, 20.0)]);
    task(&mut scene, "large", &[0, 1, 2, 3], &[(0, 15.0), (1, 15.0)]);
    scene.task("large").resource("mem", 60.0 * GB);
    task(&mut scene, "small", &[0, 1, 2, 3], &[(0, 1.0), (1, 1.0)]);
    let tick = allocator("free_space_check: true", two()).tick(&scene).clean();
    assert_eq!(tick.asked, ["small cpuset_cpus 0,1", "small migrate_pages 0"]);
}

/// Memory of tasks on each node in GB, that of the task, and the node that it gets.
#[rstest]
#[case(&[20.0, 20.0], &[15.0, 10.0], 10.0, 1)]
#[case(&[], &[], 10.0, 0)]
#[case(&[10.0], &[10.0], 10.0, 0)]
#[case(&[10.0], &[9.0], 10.0, 1)]
// 0.5 and 0.50001: the same with four digits.
#[case(&[10.0], &[9.9996], 10.0, 0)]
fn the_node_of_which_it_would_be_the_greatest_part(
    #[case] first: &[f64],
    #[case] second: &[f64],
    #[case] limit: f64,
    #[case] expected: u32,
) {
    let scene = loaded(first, second, limit, (0.5, 0.5));
    let tick = allocator("migrate_pages: false", two()).tick(&scene).clean();
    assert_eq!(changes(&tick, &scene), [given(expected)]);
}

/// A task with parts of its pages on both nodes, and others that have a node.
fn loaded(first: &[f64], second: &[f64], limit: f64, parts: (f64, f64)) -> Scene {
    let mut scene = Scene::new();
    free(&mut scene, &[(0, 90.0), (1, 90.0)]);
    for (at, (gb, cpus)) in first.iter().map(|gb| (gb, [0, 1])).chain(second.iter().map(|gb| (gb, [2, 3]))).enumerate()
    {
        scene.task(&format!("other{at}")).cpuset_cpus(&cpus).resource("mem", gb * GB);
    }
    scene.task("t").cpuset_cpus(&[0, 1, 2, 3]).resource("mem", limit * GB);
    pages(&mut scene, "t", 0, (parts.0 * 1e4).round());
    pages(&mut scene, "t", 1, (parts.1 * 1e4).round());
    scene
}

fn given(node: u32) -> String {
    format!("t cpuset_cpus {},{}", 2 * node, 2 * node + 1)
}

/// With as many pages on either node, the one with less memory of tasks counts, roughly.
#[rstest]
#[case(10.0, &[20.0], &[19.0], 0)]
#[case(50.0, &[80.0], &[70.0], 0)]
#[case(10.0, &[20.0], &[13.0], 1)]
#[case(10.0, &[20.0], &[5.0], 1)]
fn roughly_the_least_loaded_node(
    #[case] limit: f64,
    #[case] first: &[f64],
    #[case] second: &[f64],
    #[case] expected: u32,
) {
    let scene = loaded(first, second, limit, (0.5, 0.5));
    let tick = allocator("algorithm: minimize_migrations\nmigrate_pages: false", two()).tick(&scene).clean();
    assert_eq!(changes(&tick, &scene), [given(expected)]);
}

/// Node 1 is the less loaded one, so that the task gets node 0 only where most of its pages are there.
#[rstest]
#[case((0.5, 0.5), 1)]
#[case((0.9, 0.1), 0)]
#[case((0.6, 0.4), 1)]
#[case((0.0, 0.0), 1)]
fn roughly_the_node_with_most_pages(#[case] parts: (f64, f64), #[case] expected: u32) {
    let scene = loaded(&[20.0], &[5.0], 10.0, parts);
    let tick = allocator("algorithm: minimize_migration\nmigrate_pages: false", two()).tick(&scene).clean();
    assert_eq!(changes(&tick, &scene), [given(expected)]);
}

/// Most pages on node 0, which has much memory of tasks and little that is free: node 1, which has both; without room there, nobody.
#[rstest]
#[case(11.0, 90.0, Some(1))]
#[case(90.0, 90.0, Some(0))]
#[case(5.0, 5.0, None)]
fn pages_load_and_room_are_weighed(#[case] first: f64, #[case] second: f64, #[case] expected: Option<u32>) {
    let mut scene = loaded(&[60.0], &[5.0], 10.0, (0.9, 0.1));
    free(&mut scene, &[(0, first), (1, second)]);
    let tick = allocator("algorithm: minimize_migrations\nmigrate_pages: false", two()).tick(&scene).clean();
    assert_eq!(changes(&tick, &scene), Vec::from_iter(expected.map(given)));
}

/// The task may have 10 GB, and node 0 is the fuller one.
#[rstest]
#[case(3.0, 2.0, false)]
#[case(6.0, 5.0, true)]
#[case(5.0, 5.0, false)]
fn room_is_what_may_still_come_against_what_is_free(#[case] room: f64, #[case] there: f64, #[case] expected: bool) {
    let mut scene = Scene::new();
    free(&mut scene, &[(0, 40.0), (1, room)]);
    task(&mut scene, "other", &[0, 1], &[(0, 50.0)]);
    scene.task("t").cpuset_cpus(&[0, 1, 2, 3]).resource("mem", 10.0 * GB);
    pages(&mut scene, "t", 1, there * PAGES);
    let tick = allocator("free_space_check: true", two()).tick(&scene).clean();
    assert_eq!(!changes(&tick, &scene).is_empty(), expected, "{:?}", tick.asked);
}

/// Pages of 64 KiB, as some machines have them.
#[test]
fn pages_are_as_large_as_the_machine_says() {
    let mut scene = Scene::new();
    free(&mut scene, &[(0, 6.0), (1, 1.0)]);
    scene.gauge("platform_page_size_bytes", &[], 65_536.0);
    scene.task("t").cpuset_cpus(&[0, 1, 2, 3]).resource("mem", 10.0 * GB);
    pages(&mut scene, "t", 0, 5.0 * PAGES / 16.0);
    let tick = allocator("free_space_check: true", two()).tick(&scene).clean();
    assert_eq!(tick.asked, ["t cpuset_cpus 0,1", "t migrate_pages 0"]);
}

/// What is measured of a task, in GB, and what it may have, by the metric of the node that it has.
#[rstest]
#[case(&[("task_mem_limit_bytes", 30.0)], Some(20.0), 20.0)]
#[case(&[], None, 0.0)]
#[case(&[("task_mem_limit_bytes", 30.0)], None, 30.0)]
#[case(&[("task_mem_limit_bytes", 300.0)], None, 0.0)]
#[case(&[("task_mem_limit_bytes", 300.0), ("task_mem_soft_limit_bytes", 15.0), ("task_mem_usage_bytes", 2.0)], None, 15.0)]
// No `memory.low` on cgroup v2.
#[case(&[("task_mem_limit_bytes", 300.0), ("task_mem_soft_limit_bytes", 0.0), ("task_mem_max_usage_bytes", 7.0)], None, 7.0)]
#[case(&[("task_mem_limit_bytes", 300.0), ("task_mem_usage_bytes", 2.0)], None, 2.0)]
fn how_much_memory_a_task_may_have(#[case] measured: &[(&str, f64)], #[case] mem: Option<f64>, #[case] expected: f64) {
    let mut scene = Scene::new();
    free(&mut scene, &[(0, 90.0), (1, 90.0)]);
    scene.task("t").cpuset_cpus(&[0, 1]);
    for (name, gb) in measured {
        scene.task("t").gauge(name, &[], gb * GB);
    }
    if let Some(gb) = mem {
        scene.task("t").resource("mem", gb * GB);
    }
    let tick = allocator("", two()).tick(&scene).clean();
    assert_eq!(tick.metric("numa__balanced_memory_size", &[("numa_node", "0")]), Some(expected * GB));
}

#[rstest]
#[case(&[0, 1], 0.0)]
#[case(&[2, 3], 1.0)]
#[case(&[0, 1, 2, 3], -1.0)]
#[case(&[0], -1.0)]
#[case(&[1, 2], -1.0)]
fn a_task_has_the_node_whose_processors_it_has(#[case] cpus: &[u32], #[case] expected: f64) {
    let mut scene = Scene::new();
    scene.task("t").cpuset_cpus(cpus);
    let tick = allocator("", two()).tick(&scene).clean();
    assert_eq!(node(&tick, "t"), Some(expected));
}

/// A task of which nobody knows how much memory it may have is left alone, and keeps nobody waiting.
#[test]
fn a_task_without_a_limit_gets_no_node() {
    let mut scene = Scene::new();
    scene.task("ghost").cpuset_cpus(&[0, 1, 2, 3]);
    let tick = allocator("", two()).tick(&scene).clean();
    assert_eq!((tick.asked.len(), node(&tick, "ghost")), (0, Some(-1.0)));
    scene.task("t").cpuset_cpus(&[0, 1, 2, 3]).resource("mem", GB);
    let tick = allocator("migrate_pages: false", two()).tick(&scene).clean();
    assert_eq!(tick.asked, ["t cpuset_cpus 0,1"]);
}

/// One of as many GB as another comes in the order of the snapshot.
#[test]
fn of_tasks_of_one_size_the_first_comes_first() {
    let mut scene = Scene::new();
    for id in ["b", "a", "c"] {
        scene.task(id).cpuset_cpus(&[0, 1, 2, 3]).resource("mem", GB);
    }
    let mut allocator = allocator("migrate_pages: false", two());
    let mut asked = Vec::new();
    for _ in 0..4 {
        let tick = allocator.tick(&scene).clean();
        asked.extend(changes(&tick, &scene));
        scene.apply(&tick);
    }
    assert_eq!(asked, ["b cpuset_cpus 0,1", "a cpuset_cpus 2,3", "c cpuset_cpus 0,1"]);
}

/// Twelve tasks on four nodes, one in each iteration: the largest to the node with the least, until each has one.
#[test]
fn four_nodes_are_filled_evenly() {
    let mut scene = Scene::new();
    free(&mut scene, &[(0, 90.0), (1, 90.0), (2, 90.0), (3, 90.0)]);
    let sizes = [3.0, 8.0, 5.0, 12.0, 1.0, 9.0, 2.0, 7.0, 11.0, 4.0, 10.0, 6.0];
    for size in sizes {
        scene.task(&format!("t{size}")).cpuset_cpus(&[0, 1, 2, 3, 4, 5, 6, 7]).resource("mem", size * GB);
    }
    let mut allocator = allocator("migrate_pages: false", four());
    let mut loads = [0.0; 4];
    for size in (1..=12).rev().map(f64::from) {
        let tick = allocator.tick(&scene).clean();
        let least = (0..4).min_by(|one, other| f64::total_cmp(&loads[*one], &loads[*other])).unwrap();
        assert_eq!(changes(&tick, &scene), [format!("t{size} cpuset_cpus {},{}", 2 * least, 2 * least + 1)]);
        loads[least] += size;
        scene.apply(&tick);
    }
    let tick = allocator.tick(&scene).clean();
    assert!(changes(&tick, &scene).is_empty());
    for (node, load) in loads.iter().enumerate() {
        let label = node.to_string();
        assert_eq!(tick.metric("numa__balanced_memory_size", &[("numa_node", &label)]), Some(load * GB));
        assert_eq!(tick.metric("numa__balanced_memory_tasks", &[("numa_node", &label)]), Some(3.0));
    }
    assert_eq!(tick.metric("numa__task_tasks_count", &[]), Some(12.0));
}

/// Within the limits that a policy has by default.
#[test]
fn a_thousand_tasks_are_not_too_many() {
    for algorithm in BOTH {
        let mut scene = Scene::new();
        free(&mut scene, &[(0, 90.0), (1, 80.0), (2, 70.0), (3, 60.0)]);
        for number in 0..1_000_u32 {
            let cpus = if number % 2 == 0 { vec![0, 1] } else { vec![0, 1, 2, 3, 4, 5, 6, 7] };
            let id = format!("t{number}");
            task(&mut scene, &id, &cpus, &[(0, 0.01), (1, f64::from(number) / 1e4), (2, 0.01), (3, 0.01)]);
        }
        let mut allocator = allocator(algorithm, four());
        for _ in 0..3 {
            let tick = allocator.tick(&scene).clean();
            assert!(!changes(&tick, &scene).is_empty());
            scene.apply(&tick);
        }
    }
}

fn with_gaps() -> Platform {
    // Node 1 is not there, node 3 has no memory, node 5 no processors.
    machine(&[(0, &[0, 3], 96_000_000_000), (2, &[1, 6], 96_000_000_000), (3, &[7], 0), (5, &[], 96_000_000_000)])
}

#[test]
fn nodes_have_the_numbers_that_the_kernel_gives_them() {
    let mut scene = Scene::new();
    free(&mut scene, &[(0, 10.0), (2, 90.0), (5, 96.0)]);
    task(&mut scene, "one", &[0, 3], &[(0, 60.0)]);
    task(&mut scene, "t", &[0, 1, 3, 6, 7], &[(0, 30.0), (2, 1.0), (5, 9.0)]);
    let mut allocator = allocator("", with_gaps());
    let tick = allocator.tick(&scene).clean();
    assert_eq!(changes(&tick, &scene), ["t cpuset_cpus 1,6", "t migrate_pages 2"]);
    scene.apply(&tick);
    let tick = allocator.tick(&scene).clean();
    assert_eq!((node(&tick, "one"), node(&tick, "t")), (Some(0.0), Some(2.0)));
    // Pages on a node that no task can have are elsewhere, too.
    assert_eq!(tick.metric("numa__total_pages_to_move", &[]), Some(39.0 * PAGES));
    let nodes = |name| ["0", "1", "2", "3", "5"].map(|node| tick.metric(name, &[("numa_node", node)]).is_some());
    assert_eq!(nodes("numa__balanced_memory_size"), [true, false, true, false, false]);
}

#[test]
fn on_a_machine_with_one_node_nothing_is_asked_for() {
    let mut scene = Scene::new();
    free(&mut scene, &[(0, 90.0)]);
    task(&mut scene, "t", &[0], &[(0, 2.0)]);
    task(&mut scene, "there", &[0, 1], &[(0, 1.0)]);
    let mut allocator = allocator("", machine(&[(0, &[0, 1], 96_000_000_000)]));
    let tick = allocator.tick(&scene).clean();
    assert_eq!((tick.asked.len(), node(&tick, "there")), (0, Some(0.0)));
    assert_eq!(tick.lines.len(), 1);
    assert!(tick.lines[0].starts_with("INFO this machine has one NUMA node"), "{:?}", tick.lines);
    assert!(allocator.tick(&scene).clean().lines.is_empty());
}
