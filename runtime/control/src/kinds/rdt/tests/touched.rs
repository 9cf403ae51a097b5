//! Tasks that share a group with one of which something is changed.

use wca_model::CompareWith;

use super::*;
use crate::testing::protect;

/// The tasks `/a` to `/d`: WCA puts the first two into `be`, somebody else the third, and the fourth stays in the root group.
fn scene(compare_with: CompareWith) -> (tempfile::TempDir, Tasks, Control) {
    let dir = tree("    L3:0=fff;1=fff\n    MB:0=100;1=100\n");
    write(dir.path(), "sys/fs/cgroup/c/cgroup.threads", "9\n");
    write(dir.path(), "sys/fs/cgroup/d/cgroup.threads", "10\n");
    let cgroups = ["/a", "/b", "/c", "/d"];
    let task = |(key, cgroup): (u64, &&str)| ControlledTask {
        key: TaskKey(key),
        cgroup: (*cgroup).to_owned(),
        ..tasks().get(TaskKey(0)).unwrap().clone()
    };
    let tasks = Tasks::new((0..).zip(&cgroups).map(task).collect());
    let protect = vec![wca_rules::Protect { compare_with, ..protect() }];
    let mut control = control(&dir, Settings { protect, ..settings(&["", "be"]) });
    apply(&mut control, &tasks, &[(0, group(Some("be"))), (1, group(Some("be"))), (3, group(Some("")))]);
    write(dir.path(), "sys/fs/resctrl/be/tasks", "7\n8\n9\n");
    write(dir.path(), "sys/fs/resctrl/tasks", "10\n");
    (dir, tasks, control)
}

fn apply(control: &mut Control, tasks: &Tasks, changes: &[(u64, Change)]) {
    let request = |(task, change): &(u64, Change)| Request { task: TaskKey(*task), change: change.clone() };
    let requests: Vec<Request> = changes.iter().map(request).collect();
    let outcomes = control.apply(0, &requests, tasks, &platform());
    assert!(outcomes.iter().all(|one| !matches!(one.fate, wca_model::Fate::Failed(_))), "{outcomes:?}");
}

#[rstest]
#[case::all_in_a_group(&[(0, l3(0, 0xf))], &["/a", "/b", "/c"])]
#[case::and_in_the_root_group(&[(3, group(Some(""))), (3, l3(0, 0xf))], &["/d"])]
#[case::who_goes_is_touched_alone(&[(1, group(Some("")))], &["/b"])]
fn who_shares_a_group_is_touched_with_it(#[case] changes: &[(u64, Change)], #[case] expected: &[&str]) {
    let (_dir, tasks, mut control) = scene(CompareWith::Peers);
    let before = control.batches_after(0).last().unwrap().number;
    apply(&mut control, &tasks, changes);
    let touched: Vec<Vec<String>> = control.batches_after(before).map(|batch| batch.cgroups).collect();
    assert_eq!(touched, [expected]);
}

#[test]
fn that_is_looked_up_only_where_somebody_is_compared_with_others() {
    let (_dir, tasks, mut control) = scene(CompareWith::Baseline);
    apply(&mut control, &tasks, &[(0, l3(0, 0xf))]);
    assert_eq!(control.batches_after(0).last().unwrap().cgroups, ["/a"]);
}
