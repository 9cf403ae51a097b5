//! Pages, where the kernel's part is a described tree: none of its processes has any, so that each job ends at once.

use rstest::rstest;
use wca_model::{Change, Fate, Kind, Platform, Request, TaskKey};
use wca_rules::{Rail, Rails};

use super::tree::{Tree, platform, task};
use crate::control::Control;
use crate::testing::protect;

/// 8192 bytes of the task, and of whoever else, on node 0.
fn v2(mems: &str) -> Tree {
    let tree = Tree::v2(&["/a/other"]);
    for cgroup in ["task", "other"] {
        tree.set(&format!("a/{cgroup}/memory.numa_stat"), "anon N0=8192 N1=0\nfile N0=0 N1=4096");
        tree.set(&format!("a/{cgroup}/cpuset.mems"), mems);
    }
    with_room(&tree, 100);
    tree
}

fn with_room(tree: &Tree, kilobytes: u32) {
    for node in [0, 1] {
        let text = format!("Node {node} MemFree: {kilobytes} kB\nNode {node} Inactive(file): 0 kB");
        tree.write(&format!("/sys/devices/system/node/node{node}/meminfo"), &text);
    }
}

fn waits(fate: &Fate) -> bool {
    matches!(fate, Fate::Adjusted(why) if why.contains("move first; it is written when they have"))
}

/// Ticks until the job of the task has ended and was told; what was said.
fn until_ended(control: &mut Control, is_over: impl Fn(&[String]) -> bool) -> Vec<String> {
    let mut told = Vec::new();
    while !is_over(&told) {
        told.extend(control.tick());
        std::thread::yield_now();
    }
    told
}

#[test]
fn a_node_is_lost_when_the_pages_have_left_it_and_the_new_one_is_there_at_once() {
    for (found, at_once) in [("", ""), ("0-1", "0-1"), ("0", "0-1")] {
        let tree = v2(found);
        let mut control = tree.control();
        let mems = || tree.get("a/task/cpuset.mems");
        assert!(waits(&tree.apply(&mut control, 1, Change::CpusetMems(vec![1]))));
        assert_eq!(mems(), at_once);
        assert!(waits(&tree.apply(&mut control, 1, Change::CpusetMems(vec![1, 1]))), "it is not asked for twice");
        assert_eq!(until_ended(&mut control, |_| mems() == "1"), Vec::<String>::new());
        assert_eq!(tree.apply(&mut control, 1, Change::CpusetMems(vec![1])), Fate::Unchanged);
        let restored = control.restore();
        assert_eq!((restored.put_back, restored.failed, mems()), (1, vec![], found.to_owned()));
    }
}

#[test]
fn a_list_that_loses_no_node_or_no_page_is_written_at_once() {
    let tree = v2("0");
    assert_eq!(tree.apply(&mut tree.control(), 1, Change::CpusetMems(vec![0, 1])), Fate::Applied);
    let tree = v2("0-1");
    tree.set("a/task/memory.numa_stat", "anon N0=0 N1=8192\nfile N0=0 N1=0");
    assert_eq!(tree.apply(&mut tree.control(), 1, Change::CpusetMems(vec![1])), Fate::Applied);
    tree.set("a/other/memory.numa_stat", "anon N0=0 N1=8192\nfile N0=0 N1=0");
}

#[rstest]
#[case::pages_stay("0", false)]
#[case::pages_follow("1", true)]
fn on_v1_it_depends_on_whether_pages_follow(#[case] migrate: &str, #[case] expected: bool) {
    let tree = Tree::v1(&[]);
    tree.set("cpuset/a/task/cpuset.memory_migrate", migrate);
    tree.set("memory/a/task/memory.numa_stat", "total=2 N0=2 N1=0\nhierarchical_total=2 N0=2 N1=0");
    let mut control = tree.control();
    let fate = tree.apply(&mut control, 1, Change::CpusetMems(vec![1]));
    assert_eq!((waits(&fate), fate == Fate::Applied), (expected, !expected), "{fate}");
    let mems = || tree.get("cpuset/a/task/cpuset.mems");
    until_ended(&mut control, |_| mems() == "1");
}

type End = fn(&Tree, &mut Control);

#[rstest]
#[case::released("0", |tree: &Tree, control: &mut Control| assert_eq!(tree.apply(control, 1, Change::Release(Kind::CpusetMems)), Fate::Applied))]
#[case::all_put_back("0", |_: &Tree, control: &mut Control| assert_eq!(control.restore().put_back, 1))]
#[case::the_policy_has_ended("0", |_: &Tree, control: &mut Control| assert_eq!(control.release_policy(0).put_back, 1))]
#[case::the_policy_has_gone("0", |tree: &Tree, control: &mut Control| assert_eq!(control.renew(tree.settings.clone(), vec![]).put_back, 1))]
#[case::frozen("0-1", |_: &Tree, control: &mut Control| { control.freeze(true); })]
#[case::nobody_decides("0", |_: &Tree, control: &mut Control| { control.pause(); })]
#[case::all_nodes_are_asked_for("0-1", |tree: &Tree, control: &mut Control| {
    assert_eq!(tree.apply(control, 1, Change::CpusetMems(vec![0, 1])), Fate::Unchanged);
})]
fn what_waits_is_not_written_once_nobody_wants_it(#[case] left: &str, #[case] end: End) {
    let tree = v2("0");
    let mut control = tree.control();
    assert!(waits(&tree.apply(&mut control, 1, Change::CpusetMems(vec![1]))));
    end(&tree, &mut control);
    assert_eq!(tree.get("a/task/cpuset.mems"), left);
    // That a job of another task has ended says that this one has, if there were one.
    assert_eq!(tree.get("a/other/cpuset.mems"), "0");
    for _ in 0..10 {
        assert_eq!(control.tick(), Vec::<String>::new());
    }
    assert_eq!(tree.get("a/task/cpuset.mems"), left);
}

fn guarded() -> Tree {
    let mut tree = v2("0-1");
    tree.tasks.push(task(2, "/a/other"));
    tree.settings.protect = vec![protect()];
    tree
}

#[test]
fn what_is_written_late_can_be_undone_and_its_policy_hears_of_it() {
    let tree = guarded();
    let mut control = tree.control();
    let mems = || ["task", "other"].map(|cgroup| tree.get(&format!("a/{cgroup}/cpuset.mems")));
    for key in [1, 2] {
        assert!(waits(&tree.apply(&mut control, key, Change::CpusetMems(vec![1]))));
    }
    assert_eq!(control.batches_after(0).count(), 0, "nothing is written yet");
    until_ended(&mut control, |_| mems() == ["1", "1"]);
    let mut batches: Vec<(u64, Vec<String>)> =
        control.batches_after(0).map(|batch| (batch.number, batch.cgroups)).collect();
    batches.sort_by(|one, other| one.1.cmp(&other.1));
    let mut numbers: Vec<u64> = batches.iter().map(|(number, _)| *number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2], "each is a batch of its own");
    assert!(batches.iter().map(|(_, cgroups)| cgroups.as_slice()).eq([["/a/other"], ["/a/task"]]), "{batches:?}");
    let undone = control.undo_since(1);
    let mut told: Vec<(u64, Kind)> = undone
        .batches
        .iter()
        .flat_map(|batch| batch.outcomes.iter().map(|outcome| (outcome.task.0, outcome.kind)))
        .collect();
    told.sort_unstable_by_key(|(task, _)| *task);
    assert_eq!(told, [(1, Kind::CpusetMems), (2, Kind::CpusetMems)]);
    assert_eq!((mems(), undone.restored.put_back), (["0-1".into(), "0-1".into()], 2));
}

#[test]
fn what_waits_for_a_policy_whose_changes_are_undone_is_not_written_and_that_of_another_is() {
    let tree = guarded();
    let mut control = tree.control_of_two();
    assert!(waits(&tree.apply_as(0, &mut control, 1, Change::CpusetMems(vec![1]))));
    assert!(waits(&tree.apply_as(1, &mut control, 2, Change::CpusetMems(vec![1]))));
    assert_eq!(tree.apply_as(0, &mut control, 2, Change::CpuQuota(0.5)), Fate::Applied);
    let undone = control.undo_since(1);
    let told: Vec<(u64, Kind)> = undone
        .batches
        .iter()
        .flat_map(|batch| batch.outcomes.iter().map(|outcome| (outcome.task.0, outcome.kind)))
        .collect();
    assert_eq!(told, [(2, Kind::CpuQuota), (1, Kind::CpusetMems)]);
    until_ended(&mut control, |_| tree.get("a/other/cpuset.mems") == "1");
    for _ in 0..10 {
        assert_eq!(control.tick(), Vec::<String>::new());
    }
    assert_eq!(tree.get("a/task/cpuset.mems"), "0-1");
}

#[test]
fn what_somebody_else_has_changed_meanwhile_stays() {
    let tree = v2("0");
    let mut control = tree.control();
    assert!(waits(&tree.apply(&mut control, 1, Change::CpusetMems(vec![1]))));
    tree.set("a/task/cpuset.mems", "0");
    let told = until_ended(&mut control, |told| told.len() == 2);
    assert!(told[0].contains("it is left to others"), "{told:?}");
    assert!(
        told[1].contains("cpuset_mems, after its pages have moved:") && told[1].contains("left to them"),
        "{told:?}"
    );
    assert_eq!(tree.get("a/task/cpuset.mems"), "0");
}

#[test]
fn pages_move_once_and_hold_no_value() {
    let tree = v2("0-1");
    let mut control = tree.control();
    let mut ask = |node| tree.apply(&mut control, 1, Change::MigratePages(node));
    assert_eq!(ask(1), Fate::Applied);
    assert_eq!(ask(1), Fate::Unchanged, "they move already");
    assert_eq!(ask(0), Fate::Applied, "elsewhere");
    until_ended(&mut control, |_| true);
    let all = tree.all();
    assert_eq!(tree.apply(&mut control, 1, Change::Release(Kind::MigratePages)), Fate::Unchanged);
    let restored = control.restore();
    assert_eq!((restored.put_back, control.held().count(), tree.all()), (0, 0, all));
}

#[rstest]
#[case::that_are_counted(true)]
#[case::of_which_the_kernel_does_not_say(false)]
fn pages_that_could_not_move_are_not_looked_at_again_and_more_of_them_are(#[case] is_counted: bool) {
    let tree = v2("0-1");
    if !is_counted {
        tree.remove("a/task/memory.numa_stat");
    }
    let mut control = tree.control();
    let ask = |control: &mut Control| tree.apply(control, 1, Change::MigratePages(1));
    assert_eq!(ask(&mut control), Fate::Applied);
    // Until it has ended, which only a tick is told, it is under way.
    for _ in 0..1_000 {
        control.tick();
        assert_eq!(ask(&mut control), Fate::Unchanged);
        std::thread::yield_now();
    }
    tree.set("a/task/memory.numa_stat", "anon N0=12288 N1=0\nfile N0=0 N1=0");
    while ask(&mut control) != Fate::Applied {
        control.tick();
    }
}

#[test]
fn what_cannot_move_is_refused_with_the_reason() {
    let mut tree = v2("0-1");
    tree.tasks.extend([task(2, "/"), task(3, "/a/gone"), task(4, "/a/../b")]);
    let mut control = tree.control();
    let refused = |control: &mut Control, key, node, expected: &str| {
        let fate = tree.apply(control, key, Change::MigratePages(node));
        assert!(matches!(&fate, Fate::Failed(why) if why.contains(expected)), "{fate}, not {expected}");
    };
    refused(&mut control, 1, 2, "names NUMA node 2, which has no memory; with memory: 0-1");
    refused(&mut control, 2, 1, "the root cgroup holds everything, and its pages are not moved");
    refused(&mut control, 3, 1, "the cgroup /a/gone is not there");
    refused(&mut control, 4, 1, "\"/a/../b\": ");
    refused(&mut control, 9, 1, "the task has ended");
    with_room(&tree, 4);
    let told = "migrate_pages: 8192 bytes of /a/task lie on other nodes than 1, which has room for 4096";
    refused(&mut control, 1, 1, told);
    with_room(&tree, 8);
    tree.set("a/task/cpuset.mems.effective", "0");
    refused(&mut control, 1, 1, "which the task may not use: /sys/fs/cgroup/a/task/cpuset.mems.effective has 0");
    // With the node itself it passes, as it does where it is on the way.
    let both = [Change::MigratePages(1), Change::CpusetMems(vec![1])];
    let requests = both.map(|change| Request { task: TaskKey(1), change });
    let outcomes = control.apply(0, &requests, &tree.tasks(), &platform());
    assert!(outcomes[0].fate == Fate::Applied && waits(&outcomes[1].fate), "{outcomes:?}");
    refused(&mut control, 1, 0, "pages of the task move to NUMA nodes 1, as cpuset_mems has asked");
    until_ended(&mut control, |_| tree.get("a/task/cpuset.mems") == "1");
}

#[test]
fn swap_keeps_pages_from_moving_unless_the_operator_says_otherwise() {
    let tree = v2("0-1");
    let mut control = tree.control();
    let mut ask = |platform: &Platform| {
        let request = [Request { task: TaskKey(1), change: Change::MigratePages(1) }];
        control.apply(0, &request, &tree.tasks(), platform).remove(0).fate
    };
    let swapping = Platform { swap: true, ..platform() };
    let fate = ask(&swapping);
    assert!(matches!(&fate, Fate::Failed(why) if why.contains("while swap is on")), "{fate}");
    assert_eq!(ask(&Platform { moves_pages_despite_swap: true, ..swapping }), Fate::Applied);
}

#[rstest]
#[case::pages(Change::MigratePages(1))]
#[case::a_list(Change::CpusetMems(vec![1]))]
fn rails_bound_what_moves_in_a_minute_and_count_it_once(#[case] change: Change) {
    let mut tree = v2("0-1");
    tree.tasks.push(task(2, "/a/other"));
    let rail = Rail { name: "r".into(), migrated_bytes_per_minute: Some(10_000), ..Rail::default() };
    tree.settings.rails = Rails(vec![Rail { changes_per_minute: Some(2), ..rail }]);
    let mut control = tree.control();
    for _ in 0..3 {
        let fate = tree.apply(&mut control, 1, change.clone());
        assert!(!matches!(fate, Fate::Failed(_)), "{fate}");
    }
    let kind = change.kind().as_str();
    let told = "8192 bytes lie on other nodes than 1, and 1808 may move in this minute";
    let expected = Fate::Failed(format!("rail `r` (): {kind} of /a/other: {told}"));
    assert_eq!(tree.apply(&mut control, 2, change), expected);
    // Where nothing moves nothing is counted.
    assert_eq!(tree.apply(&mut control, 2, Change::CpusetMems(vec![0, 1])), Fate::Unchanged);
}
