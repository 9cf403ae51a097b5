//! What becomes of requests, and what then.

use rstest::rstest;
use wca_model::{Fate, Kind, Platform};

use super::{GB, allocator, changes, free, node, task, two};
use crate::harness::{Scene, Tick};

const ALL: [u32; 4] = [0, 1, 2, 3];

fn failed(task: &'static str, kind: Kind, why: &str) -> (&'static str, Kind, Option<u32>, Fate) {
    (task, kind, None, Fate::Failed(why.into()))
}

/// Requests in a row that failed, of a task and a kind.
fn failures(tick: &Tick, id: &str, kind: &str) -> Option<f64> {
    tick.metric("numa__task_failures", &[("task_id", id), ("task_name", id), ("allocation_type", kind)])
}

fn warnings(tick: &Tick) -> Vec<&str> {
    tick.lines.iter().filter_map(|line| line.strip_prefix("WARN ")).collect()
}

fn scene_of(tasks: &[&str]) -> Scene {
    let mut scene = Scene::new();
    free(&mut scene, &[(0, 50.0), (1, 40.0)]);
    for (number, id) in (0_u32..).zip(tasks) {
        let limit = 10.0 - f64::from(number);
        scene.task(id).cpuset_cpus(&ALL).resource("mem", limit * GB);
    }
    scene
}

/// A node that is refused: the other one, then the next task; and both again, later each time. It is said once.
#[test]
fn a_task_that_is_refused_its_node_keeps_nobody_waiting() {
    let mut scene = scene_of(&["t1", "t2"]);
    let mut allocator = allocator("migrate_pages: false", two());
    let mut asked = vec![allocator.tick(&scene).clean().asked];
    let mut told = Vec::new();
    for _ in 0..20 {
        let outcomes: Vec<_> = match asked.last().and_then(|asked| asked.first()).map(String::as_str) {
            Some(line) if line.starts_with("t1") => {
                vec![failed("t1", Kind::CpusetCpus, "the cgroup above has none of them")]
            }
            Some(_) => {
                scene.task("t2").cpuset_cpus(&[0, 1]);
                vec![("t2", Kind::CpusetCpus, None, Fate::Applied)]
            }
            None => Vec::new(),
        };
        let tick = allocator.tick_after(&scene, &outcomes).clean();
        told.extend(warnings(&tick).into_iter().map(str::to_owned));
        asked.push(tick.asked.clone());
    }
    let asked: Vec<(usize, &str)> =
        asked.iter().enumerate().filter_map(|(at, lines)| Some((at + 1, lines.first()?.as_str()))).collect();
    let expected = [(1, "t1 cpuset_cpus 0,1"), (2, "t1 cpuset_cpus 2,3"), (3, "t2 cpuset_cpus 0,1")];
    assert_eq!(asked[..3], expected);
    // After it, t1 is tried again now and then, and never in two iterations after each other on one node.
    let of_first: Vec<usize> = asked[3..]
        .iter()
        .map(|(at, line)| {
            assert!(line.starts_with("t1 cpuset_cpus "), "{line}");
            *at
        })
        .collect();
    assert!(of_first.len() >= 3 && of_first.len() <= 8, "{of_first:?}");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(
        told[0],
        "t1: cpuset_cpus for NUMA node 0 came to nothing, and is asked for less and less often: the cgroup above has none of them"
    );
}

#[test]
fn failures_are_counted_until_one_succeeds() {
    let scene = scene_of(&["t1"]);
    let mut allocator = allocator("migrate_pages: false", two());
    assert_eq!(failures(&allocator.tick(&scene).clean(), "t1", "cpuset_cpus"), None);
    let tick = allocator.tick_after(&scene, &[failed("t1", Kind::CpusetCpus, "no")]).clean();
    assert_eq!(
        (failures(&tick, "t1", "cpuset_cpus"), tick.asked.as_slice()),
        (Some(1.0), ["t1 cpuset_cpus 2,3".to_owned()].as_slice())
    );
    let tick = allocator.tick_after(&scene, &[failed("t1", Kind::CpusetCpus, "no")]).clean();
    assert_eq!((failures(&tick, "t1", "cpuset_cpus"), tick.asked.len()), (Some(2.0), 0));
    // Node 0 may be tried again.
    let tick = allocator.tick(&scene).clean();
    assert_eq!(tick.asked, ["t1 cpuset_cpus 0,1"]);
    let tick = allocator.tick_after(&scene, &[("t1", Kind::CpusetCpus, None, Fate::Applied)]).clean();
    assert_eq!(failures(&tick, "t1", "cpuset_cpus"), None);
}

/// What the machine cannot do is the same for all tasks: it is said once, and they get their nodes all the same.
#[test]
fn what_the_machine_cannot_do_is_told_once_for_all_tasks() {
    let mut scene = scene_of(&["t1", "t2", "t3"]);
    let mut allocator = allocator("", Platform { swap: true, ..two() });
    let mut asked = Vec::new();
    let mut told = Vec::new();
    for _ in 0..6 {
        let tick = allocator.tick(&scene);
        assert_eq!(tick.failure, None);
        asked.extend(changes(&tick, &scene));
        told.extend(warnings(&tick).into_iter().filter(|line| line.contains("swap")).map(str::to_owned));
        scene.apply(&tick);
    }
    assert_eq!(asked, ["t1 cpuset_cpus 0,1", "t2 cpuset_cpus 2,3", "t3 cpuset_cpus 2,3"]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("t1: migrate_pages came to nothing") && told[0].contains("`swapoff -a`"), "{told:?}");
}

/// Pages that cannot move are left alone for a while, and the task keeps its node.
#[test]
fn pages_that_cannot_move_are_tried_later() {
    let mut scene = Scene::new();
    free(&mut scene, &[(0, 50.0), (1, 40.0)]);
    task(&mut scene, "t", &[0, 1], &[(0, 1.0), (1, 1.0)]);
    let mut allocator = allocator("", two());
    let mut asked = Vec::new();
    let mut told = 0;
    let mut outcomes = Vec::new();
    for number in 1..=16 {
        let tick = allocator.tick_after(&scene, &outcomes).clean();
        told += warnings(&tick).len();
        outcomes.clear();
        if changes(&tick, &scene) == ["t migrate_pages 0"] {
            asked.push(number);
            let why = format!("{} bytes lie on other nodes than 0, which has room for less", 1_000 + number);
            outcomes.push(("t", Kind::MigratePages, None, Fate::Failed(why)));
        }
        assert_eq!(node(&tick, "t"), Some(0.0));
        // Those that did not move are not counted again.
        assert_eq!(tick.metric("numa__total_pages_to_move", &[]), Some(super::PAGES));
    }
    assert_eq!((asked, told), (vec![1, 4, 9], 1));
}

/// A part of the node's processors is what the task gets: it has the node, and is not moved for ever.
#[rstest]
#[case(&[0], 0.0)]
#[case(&[0, 2], -1.0)]
fn a_part_of_a_node_is_the_node(#[case] in_force: &[u32], #[case] expected: f64) {
    let mut scene = scene_of(&["t1"]);
    let mut allocator = allocator("migrate_pages: false", two());
    assert_eq!(allocator.tick(&scene).clean().asked, ["t1 cpuset_cpus 0,1"]);
    scene.task("t1").cpuset_cpus(in_force);
    let outcomes = [("t1", Kind::CpusetCpus, None, Fate::Adjusted("0".into()))];
    let tick = allocator.tick_after(&scene, &outcomes).clean();
    assert_eq!((node(&tick, "t1"), tick.asked.is_empty()), (Some(expected), expected >= 0.0));
}

/// Processors of one node and memory of another would be the worst of both.
#[test]
fn a_task_without_its_processors_gives_memory_back() {
    let mut scene = scene_of(&["t1"]);
    scene.task("t1").in_force.cpuset_mems = Some(vec![0, 1]);
    let mut allocator = allocator("{cgroups_memory_binding: true, migrate_pages: false}", two());
    assert_eq!(allocator.tick(&scene).clean().asked, ["t1 cpuset_cpus 0,1", "t1 cpuset_mems 0"]);
    scene.task("t1").in_force.cpuset_mems = Some(vec![0]);
    // What became of the memory is not worth a word then.
    let outcomes = [failed("t1", Kind::CpusetMems, "not there"), failed("t1", Kind::CpusetCpus, "a kubelet")];
    let tick = allocator.tick_after(&scene, &outcomes).clean();
    // It gets that of the other node; a release besides would be one request too many for the same.
    assert_eq!(tick.asked, ["t1 cpuset_cpus 2,3", "t1 cpuset_mems 1"]);
    assert_eq!(warnings(&tick).len(), 1, "{:?}", tick.lines);
    assert_eq!((failures(&tick, "t1", "cpuset_cpus"), failures(&tick, "t1", "cpuset_mems")), (Some(1.0), None));
    let mut tick = allocator.tick_after(&scene, &[failed("t1", Kind::CpusetCpus, "a kubelet")]).clean();
    assert_eq!(tick.asked, ["t1 cpuset_mems release"]);
    // Until it is given back, whatever else is tried meanwhile.
    let told = "t1: cpuset_mems was not given back, which is tried again: frozen by the operator";
    let frozen = Fate::Failed("frozen by the operator".into());
    let (mut releases, mut times_told) = (0, 0);
    for _ in 0..30 {
        tick = allocator.tick_with(&scene, &tick, &frozen).clean();
        releases += tick.asked.iter().filter(|line| *line == "t1 cpuset_mems release").count();
        times_told += warnings(&tick).iter().filter(|line| **line == told).count();
    }
    assert!(releases >= 3 && times_told >= 1, "{releases} {times_told}");
}

/// What was undone since somebody else got worse is like what was refused.
#[test]
fn what_is_reverted_is_tried_later_and_elsewhere() {
    let mut scene = scene_of(&["t1"]);
    let mut allocator = allocator("migrate_pages: false", two());
    scene.apply(&allocator.tick(&scene).clean());
    let tick = allocator.tick_after(&scene, &[("t1", Kind::CpusetCpus, None, Fate::Applied)]).clean();
    assert_eq!((node(&tick, "t1"), tick.asked.len()), (Some(0.0), 0));
    scene.task("t1").cpuset_cpus(&ALL);
    let why = Fate::Reverted("psi_cpu of db 0.1 before, 0.4 after".into());
    let tick = allocator.tick_after(&scene, &[("t1", Kind::CpusetCpus, None, why)]).clean();
    assert_eq!(tick.asked, ["t1 cpuset_cpus 2,3"]);
    assert_eq!((failures(&tick, "t1", "cpuset_cpus"), warnings(&tick).len()), (Some(1.0), 1));
}

/// In shadow mode the whole plan shows, a task more in each iteration; once changes are made, they come about.
#[test]
fn in_shadow_mode_the_whole_plan_shows() {
    let mut scene = scene_of(&["t1", "t2"]);
    let mut allocator = allocator("migrate_pages: false", two());
    let shadowed = |task| (task, Kind::CpusetCpus, None, Fate::Shadowed);
    assert_eq!(allocator.tick(&scene).clean().asked, ["t1 cpuset_cpus 0,1"]);
    let tick = allocator.tick_after(&scene, &[shadowed("t1")]).clean();
    assert_eq!(tick.asked, ["t1 cpuset_cpus 0,1", "t2 cpuset_cpus 2,3"]);
    let tick = allocator.tick_after(&scene, &[shadowed("t1"), shadowed("t2")]).clean();
    assert_eq!(tick.asked, ["t1 cpuset_cpus 0,1", "t2 cpuset_cpus 2,3"]);
    assert_eq!((node(&tick, "t1"), node(&tick, "t2")), (Some(0.0), Some(1.0)));
    assert_eq!(tick.metric("numa__balanced_memory_tasks", &[("numa_node", "1")]), Some(1.0));
    scene.apply(&tick);
    let applied = |task| (task, Kind::CpusetCpus, None, Fate::Applied);
    let tick = allocator.tick_after(&scene, &[applied("t1"), applied("t2")]).clean();
    assert!(tick.asked.is_empty(), "{:?}", tick.asked);
}

/// What an earlier start has left is asked for again in the first iteration, and never later.
#[test]
fn what_tasks_have_already_is_asked_for_once() {
    let mut scene = scene_of(&[]);
    task(&mut scene, "t1", &[2, 3], &[(1, 1.0)]);
    scene.task("t1").in_force.cpuset_mems = Some(vec![1]);
    task(&mut scene, "t2", &[0, 1], &[(0, 1.0)]);
    scene.task("t2").in_force.cpuset_mems = Some(vec![0, 1]);
    let mut allocator = allocator("cgroups_memory_binding: true", two());
    let tick = allocator.tick(&scene).clean();
    assert_eq!(tick.asked, ["t1 cpuset_cpus 2,3", "t1 cpuset_mems 1", "t2 cpuset_cpus 0,1"]);
    let outcomes = [failed("t1", Kind::CpusetCpus, "theirs"), ("t2", Kind::CpusetCpus, None, Fate::Unchanged)];
    let tick = allocator.tick_after(&scene, &outcomes).clean();
    assert!(tick.asked.is_empty() && warnings(&tick).is_empty(), "{tick:?}");
    assert!(allocator.tick(&scene).clean().asked.is_empty());
}

/// Somebody gives the task other processors: it has no node any more, and gets one.
#[test]
fn a_node_that_was_taken_away_is_given_again() {
    let mut scene = scene_of(&["t1"]);
    let mut allocator = allocator("migrate_pages: false", two());
    scene.apply(&allocator.tick(&scene).clean());
    allocator.tick_after(&scene, &[("t1", Kind::CpusetCpus, None, Fate::Applied)]).clean();
    scene.task("t1").cpuset_cpus(&ALL);
    let tick = allocator.tick(&scene).clean();
    assert_eq!((node(&tick, "t1"), tick.asked.as_slice()), (Some(-1.0), ["t1 cpuset_cpus 0,1".to_owned()].as_slice()));
}

/// Where nothing is bound but pages are moved, the task has the node to which they were moved last.
#[test]
fn without_bindings_a_task_has_the_node_of_its_pages() {
    let mut scene = Scene::new();
    free(&mut scene, &[(0, 50.0), (1, 40.0)]);
    task(&mut scene, "t1", &ALL, &[(0, 1.0), (1, 3.0)]);
    task(&mut scene, "t2", &ALL, &[(0, 3.0)]);
    let mut allocator = allocator("cgroups_cpus_binding: false", two());
    let moved = |task| (task, Kind::MigratePages, None, Fate::Applied);
    assert_eq!(allocator.tick(&scene).clean().asked, ["t1 migrate_pages 0"]);
    let tick = allocator.tick_after(&scene, &[moved("t1")]).clean();
    assert_eq!(tick.asked, ["t2 migrate_pages 1", "t1 migrate_pages 0"]);
    let tick = allocator.tick_after(&scene, &[moved("t2"), moved("t1")]).clean();
    assert_eq!((node(&tick, "t1"), node(&tick, "t2")), (Some(0.0), Some(1.0)));
}
