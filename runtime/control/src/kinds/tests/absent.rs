//! A task that leaves the roster while its cgroup lives.

use wca_model::{Change, Fate, Kind};

use super::tree::{Tree, task};

#[test]
fn values_go_back_when_the_task_has_been_away_for_a_while() {
    let mut tree = Tree::v1(&["/a/other"]);
    tree.tasks.push(task(2, "/a/other"));
    let mut control = tree.control();
    for key in [1, 2] {
        assert_eq!(tree.apply(&mut control, key, Change::CpuShares(2.0)), Fate::Applied);
    }
    assert_eq!(tree.apply(&mut control, 1, Change::CpusetCpus(vec![1])), Fate::Applied);
    let both = tree.tasks.clone();
    for away in [2, 3] {
        tree.tasks = vec![task(2, "/a/other")];
        for _ in 0..away {
            assert_eq!(control.forget_absent(&tree.tasks()), [""; 0]);
            assert_eq!(tree.get("cpu/a/task/cpu.shares"), "2000");
        }
        // It comes back in time.
        tree.tasks.clone_from(&both);
        assert_eq!(control.forget_absent(&tree.tasks()), [""; 0]);
    }
    tree.tasks = vec![task(2, "/a/other")];
    let told: Vec<String> = (0..6).flat_map(|_| control.forget_absent(&tree.tasks())).collect();
    let expected = "values of tasks that are in the roster no more: 2 put back, 0 gone, 0 changed by others, 0 failed";
    assert_eq!(told, [expected]);
    assert_eq!(
        (tree.get("cpu/a/task/cpu.shares"), tree.get("cpuset/a/task/cpuset.cpus")),
        ("1024".into(), "0-3".into())
    );
    assert_eq!(tree.get("cpu/a/other/cpu.shares"), "2000");
    let held: Vec<Kind> = control.held().map(|held| held.owner.kind).collect();
    assert_eq!(held, [Kind::CpuShares], "of the other one");
}

#[test]
fn nothing_goes_back_while_frozen() {
    let mut tree = Tree::v1(&[]);
    let mut control = tree.control();
    assert_eq!(tree.apply(&mut control, 1, Change::CpuShares(2.0)), Fate::Applied);
    tree.tasks.clear();
    control.freeze(true);
    assert!((0..9).all(|_| control.forget_absent(&tree.tasks()).is_empty()));
    assert_eq!(tree.get("cpu/a/task/cpu.shares"), "2000");
    control.freeze(false);
    (0..4).for_each(|_| drop(control.forget_absent(&tree.tasks())));
    assert_eq!(tree.get("cpu/a/task/cpu.shares"), "1024");
}
