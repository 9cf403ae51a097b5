//! Processors and memory nodes.

use rstest::rstest;
use wca_model::{Change, Fate, Kind};

use super::tree::{Tree, task};

#[rstest]
#[case::narrower_from_the_bottom("0-3", "0-3", &[0, 1], &["a/task/x/cpuset.cpus=0-1", "a/task/cpuset.cpus=0-1"])]
#[case::wider_from_the_top("0", "0", &[0, 1, 2], &[
    "a/task/cpuset.cpus=0-2", "a/task/x/cpuset.cpus=0-2", "a/task/x/cpuset.cpus=0-2", "a/task/cpuset.cpus=0-2",
])]
#[case::others_by_way_of_both("0-1", "0", &[2, 3], &[
    "a/task/cpuset.cpus=0-3", "a/task/x/cpuset.cpus=0,2-3", "a/task/x/cpuset.cpus=2-3", "a/task/cpuset.cpus=2-3",
])]
#[case::a_child_without_any("0-1", "", &[0, 1], &["a/task/x/cpuset.cpus=0-1", "a/task/x/cpuset.cpus=0-1", "a/task/cpuset.cpus=0-1"])]
fn processors_on_v1(#[case] found: &str, #[case] child: &str, #[case] cpus: &[u32], #[case] steps: &[&str]) {
    let tree = Tree::v1(&["/a/task/x"]);
    tree.set("cpuset/a/task/cpuset.cpus", found).set("cpuset/a/task/x/cpuset.cpus", child);
    let steps: Vec<String> = steps.iter().map(|step| format!("cpuset/{step}")).collect();
    assert_eq!(tree.plan(&Change::CpusetCpus(cpus.to_vec())), Ok(steps));
}

#[rstest]
#[case::children_without_a_list_follow("", "", &[0, 1], &["a/task/cpuset.cpus=0-1"])]
#[case::children_with_one_are_written("0-3", "2-3", &[0, 1], &[
    "a/task/x/cpuset.cpus=0-3", "a/task/x/cpuset.cpus=0-1", "a/task/cpuset.cpus=0-1",
])]
#[case::v22("0", "", &[0, 1, 2, 3], &["a/task/cpuset.cpus=0-3", "a/task/cpuset.cpus=0-3"])]
fn processors_on_v2(#[case] found: &str, #[case] child: &str, #[case] cpus: &[u32], #[case] steps: &[&str]) {
    let tree = Tree::v2(&["/a/task/x"]);
    tree.set("a/task/cpuset.cpus", found).set("a/task/x/cpuset.cpus", child);
    let steps: Vec<String> = steps.iter().map(|step| (*step).into()).collect();
    assert_eq!(tree.plan(&Change::CpusetCpus(cpus.to_vec())), Ok(steps));
}

#[test]
fn memory_nodes_likewise() {
    let tree = Tree::v2(&[]);
    assert_eq!(tree.plan(&Change::CpusetMems(vec![0])), Ok(vec!["a/task/cpuset.mems=0".into()]));
    let tree = Tree::v1(&["/a/task/x"]);
    let steps = ["cpuset/a/task/x/cpuset.mems=1", "cpuset/a/task/cpuset.mems=1"].map(Into::into);
    assert_eq!(tree.plan(&Change::CpusetMems(vec![1])), Ok(steps.into()));
}

#[test]
fn nothing_is_written_where_it_stands_already() {
    let tree = Tree::v1(&["/a/task/x"]);
    let mut control = tree.control();
    assert_eq!(tree.apply(&mut control, 1, Change::CpusetCpus(vec![3, 2, 1, 0])), Fate::Unchanged);
    assert_eq!(tree.apply(&mut control, 1, Change::CpusetCpus(vec![0, 1])), Fate::Applied);
    assert_eq!(tree.apply(&mut control, 1, Change::CpusetCpus(vec![1, 0, 1])), Fate::Unchanged);
    assert_eq!(tree.apply(&mut control, 1, Change::Release(Kind::CpusetCpus)), Fate::Applied);
    assert_eq!(tree.get("cpuset/a/task/cpuset.cpus"), "0-3");
    assert_eq!(tree.get("cpuset/a/task/x/cpuset.cpus"), "0-3");
}

#[test]
fn a_task_inside_of_another_keeps_its_own() {
    for mut tree in [Tree::v1(&["/a/task/x", "/a/task/x/y"]), Tree::v2(&["/a/task/x", "/a/task/x/y"])] {
        tree.tasks.push(task(2, "/a/task/x"));
        let mut control = tree.control();
        assert_eq!(tree.apply(&mut control, 2, Change::CpusetCpus(vec![1])), Fate::Applied);
        for cpus in [vec![0, 1], vec![1, 2], vec![0, 1]] {
            assert_eq!(tree.apply(&mut control, 1, Change::CpusetCpus(cpus)), Fate::Applied);
            assert_eq!(tree.apply(&mut control, 2, Change::CpusetCpus(vec![1])), Fate::Unchanged);
        }
    }
    let mut tree = Tree::v1(&["/a/task/x"]);
    tree.tasks.push(task(2, "/a/task/x"));
    let why = tree.plan(&Change::CpusetCpus(vec![0])).unwrap_err();
    assert!(
        why.starts_with("another task inside of this one has 0-3 in /sys/fs/cgroup/cpuset/a/task/x/cpuset.cpus"),
        "{why}"
    );
    assert_eq!(tree.plan(&Change::CpusetMemoryMigrate(true)), Ok(vec!["cpuset/a/task/cpuset.memory_migrate=1".into()]));
}

#[test]
fn an_empty_list_is_given_back_on_v2() {
    let tree = Tree::v2(&[]);
    let mut control = tree.control();
    assert_eq!(tree.apply(&mut control, 1, Change::CpusetCpus(vec![1])), Fate::Applied);
    assert_eq!(control.restore().put_back, 1);
    assert_eq!(tree.get("a/task/cpuset.cpus"), "");
}

#[rstest]
#[case::empty(Change::CpusetCpus(vec![]), "at least one of 0-3 is taken")]
#[case::offline(Change::CpusetCpus(vec![0, 4]), "processor 4: online here are 0-3")]
#[case::no_node(Change::CpusetMems(vec![]), "at least one of 0-1 is taken")]
#[case::without_memory(Change::CpusetMems(vec![0, 2]), "NUMA node 2, which has no memory")]
#[case::unknown(Change::CpusetMems(vec![7]), "NUMA node 7")]
fn what_the_machine_lacks_is_refused_and_nothing_written(#[case] change: Change, #[case] why: &str) {
    for tree in [Tree::v1(&["/a/task/x"]), Tree::v2(&["/a/task/x"])] {
        let before = tree.all();
        let Fate::Failed(said) = tree.apply(&mut tree.control(), 1, change.clone()) else { panic!("{change:?}") };
        assert!(said.contains(why), "{said}");
        assert_eq!(tree.all(), before);
    }
}

#[test]
fn v1_takes_only_what_the_one_above_has() {
    let tree = Tree::v1(&[]);
    tree.set("cpuset/a/cpuset.cpus", "0-1").set("cpuset/a/cpuset.mems", "0");
    let why = tree.plan(&Change::CpusetCpus(vec![1, 2, 3])).unwrap_err();
    assert_eq!(why, "processors 2-3 are not in /sys/fs/cgroup/cpuset/a/cpuset.cpus, which has 0-1");
    let why = tree.plan(&Change::CpusetMems(vec![1])).unwrap_err();
    assert_eq!(why, "NUMA nodes 1 are not in /sys/fs/cgroup/cpuset/a/cpuset.mems, which has 0");
}

#[test]
fn v2_puts_in_force_what_the_one_above_has_of_it() {
    let tree = Tree::v2(&[]);
    tree.set("a/cpuset.cpus.effective", "0-1");
    let planned = tree.plan_whole(&Change::CpusetCpus(vec![1, 2])).unwrap();
    assert_eq!(planned, (vec!["a/task/cpuset.cpus=1-2".into()], Some("1".into())));
    let why = tree.plan(&Change::CpusetCpus(vec![2, 3])).unwrap_err();
    assert_eq!(why, "none of the processors 2-3 is in /sys/fs/cgroup/a/cpuset.cpus.effective, which has 0-1");
}

#[test]
fn a_partition_is_left_alone() {
    for cgroup in ["a/task", "a/task/x"] {
        let tree = Tree::v2(&["/a/task/x"]);
        tree.set(&format!("{cgroup}/cpuset.cpus.partition"), "isolated").set("a/task/x/cpuset.cpus", "1");
        let why = tree.plan(&Change::CpusetCpus(vec![0])).unwrap_err();
        assert!(why.contains(&format!("{cgroup}/cpuset.cpus.partition is isolated")), "{why}");
        assert!(tree.plan(&Change::CpusetMems(vec![0])).is_ok());
    }
}

#[test]
fn what_somebody_else_manages_is_refused_by_name() {
    let mut tree = Tree::v1(&[]);
    tree.tasks[0].cpuset_is_managed_by = Some("the static CPU manager of its kubelet".into());
    for change in [Change::CpusetCpus(vec![0]), Change::CpusetMems(vec![0]), Change::CpusetMemoryMigrate(true)] {
        let why = tree.plan(&change).unwrap_err();
        let expected =
            format!("{} of this task is managed by the static CPU manager of its kubelet", change.kind().as_str());
        assert!(why.starts_with(&expected), "{why}");
    }
}

#[test]
fn processors_that_are_somebodys_alone_go_to_no_other_task() {
    let mut tree = Tree::v2(&[]);
    tree.exclusive_cpus = [2, 3].into();
    let why = tree.plan(&Change::CpusetCpus(vec![0, 2, 3])).unwrap_err();
    assert_eq!(why, "cpuset_cpus names processors that the kubelet has given to one container or pod alone: 2-3");
    assert!(tree.plan(&Change::CpusetCpus(vec![0, 1])).is_ok());
    assert!(tree.plan(&Change::CpusetMems(vec![0])).is_ok(), "no processor");
    tree.tasks[0].cpuset_is_managed_by = Some("its kubelet".into());
    let why = tree.plan(&Change::CpusetCpus(vec![2])).unwrap_err();
    assert_eq!(why, "cpuset_cpus of this task is managed by its kubelet, to which it is left");
}

#[test]
fn pages_follow_in_all_cgroups_of_the_task_on_v1() {
    let tree = Tree::v1(&["/a/task/x"]);
    let steps = ["cpuset/a/task/cpuset.memory_migrate=1", "cpuset/a/task/x/cpuset.memory_migrate=1"];
    assert_eq!(tree.plan(&Change::CpusetMemoryMigrate(true)), Ok(steps.map(Into::into).into()));
    let why = Tree::v2(&[]).plan(&Change::CpusetMemoryMigrate(true)).unwrap_err();
    assert!(why.contains("on v2, where pages always follow"), "{why}");
}
