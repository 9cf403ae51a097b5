//! Batches that are undone.

use rstest::rstest;
use wca_model::{Change, Fate, Kind, Request, TaskKey};

use super::tree::{Tree, platform, task};
use crate::control::Control;
use crate::held::Held;
use crate::ledger::Ledger;
use crate::settings::Settings;
use crate::testing::protect;
use crate::undo::{NewBatch, Undone};

const QUOTA: &str = "cpu/a/task/cpu.cfs_quota_us";
const SHARES: &str = "cpu/a/task/cpu.shares";

fn tree() -> Tree {
    let mut tree = Tree::v1(&["/a/other"]);
    tree.tasks.push(task(2, "/a/other"));
    tree.settings = Settings { protect: vec![protect()], ..tree.settings.clone() };
    tree
}

fn apply(tree: &Tree, control: &mut Control, policy: u32, changes: &[(u64, Change)]) {
    let requests: Vec<Request> =
        changes.iter().map(|(task, change)| Request { task: TaskKey(*task), change: change.clone() }).collect();
    let outcomes = control.apply(policy, &requests, &tree.tasks(), &platform());
    assert!(outcomes.iter().all(|outcome| !matches!(outcome.fate, Fate::Failed(_))), "{outcomes:?}");
}

fn held(control: &Control) -> Vec<Held> {
    control.held().map(|held| Held { since: 0.0, ..held.clone() }).collect()
}

fn counts(undone: &Undone) -> (usize, usize, usize) {
    (undone.restored.put_back, undone.restored.foreign.len(), undone.restored.failed.len())
}

#[test]
fn what_was_there_before_them_stands_there_again_and_is_held_as_before() {
    let tree = tree();
    let mut control = tree.control();
    apply(&tree, &mut control, 0, &[(1, Change::CpuQuota(0.5))]);
    let (files, before) = (tree.all(), held(&control));
    apply(&tree, &mut control, 0, &[(1, Change::CpuQuota(0.25)), (1, Change::CpuShares(2.0))]);
    apply(&tree, &mut control, 0, &[(2, Change::CpuQuota(0.25)), (1, Change::CpuQuota(0.1))]);
    let newest = NewBatch { number: 3, cgroups: vec!["/a/other".into(), "/a/task".into()] };
    assert_eq!(control.batches_after(0).last(), Some(newest));
    let undone = control.undo_since(2);
    assert_eq!(counts(&undone), (4, 0, 0));
    let told: Vec<Vec<(u64, Kind)>> = undone
        .batches
        .iter()
        .map(|batch| batch.outcomes.iter().map(|outcome| (outcome.task.0, outcome.kind)).collect())
        .collect();
    assert_eq!(told, [vec![(2, Kind::CpuQuota), (1, Kind::CpuQuota)], vec![(1, Kind::CpuQuota), (1, Kind::CpuShares)]]);
    let trimmed = |files: std::collections::BTreeMap<String, String>| -> Vec<(String, String)> {
        files.into_iter().map(|(file, text)| (file, text.trim().to_owned())).collect()
    };
    assert_eq!((trimmed(tree.all()), held(&control)), (trimmed(files), before));
    assert_eq!(control.batches_after(0).last().map(|batch| batch.number), Some(1));
    assert_eq!(counts(&control.undo_since(1)), (1, 0, 0));
    assert_eq!((tree.get(QUOTA), control.held().count()), ("-1".into(), 0));
}

#[test]
fn a_batch_that_changes_nothing_is_none() {
    let tree = tree();
    let mut control = tree.control();
    apply(&tree, &mut control, 0, &[(1, Change::CpuQuota(0.5))]);
    apply(&tree, &mut control, 0, &[(1, Change::CpuQuota(0.5)), (2, Change::Release(Kind::CpuQuota))]);
    assert_eq!(control.batches_after(0).last().map(|batch| batch.number), Some(1));
}

#[test]
fn as_much_as_can_be_undone_is_on_trial_and_no_more() {
    let tree = tree();
    let mut control = tree.control();
    control.ledger = Ledger::of(2);
    apply(&tree, &mut control, 0, &[(1, Change::CpuQuota(0.5))]);
    assert_eq!(control.tick(), Vec::<String>::new());
    apply(&tree, &mut control, 0, &[(1, Change::CpuQuota(0.25))]);
    let why = "2 values that were written are on trial, as many as can be undone: more may be changed when they have proved \
               to be good";
    assert_eq!(tree.apply(&mut control, 2, Change::CpuQuota(0.5)), Fate::Failed(why.into()));
    assert_eq!(control.tick(), [why]);
    assert_eq!(control.tick(), Vec::<String>::new(), "once");
    assert_eq!(tree.apply(&mut control, 1, Change::Release(Kind::CpuQuota)), Fate::Applied, "giving back is free");
    assert_eq!(counts(&control.undo_since(2)), (2, 0, 0), "none was forgotten");
    assert_eq!(tree.get(QUOTA), "200000");
    assert_eq!(tree.apply(&mut control, 2, Change::CpuQuota(0.5)), Fate::Applied);
    control.tick();
    assert_eq!(control.tick(), Vec::<String>::new());
    control.accept_until(2);
    assert_eq!(tree.apply(&mut control, 2, Change::CpuShares(2.0)), Fate::Applied);
}

#[test]
fn where_nobody_is_protected_nothing_is_kept() {
    let mut tree = tree();
    tree.settings.protect.clear();
    let mut control = tree.control();
    apply(&tree, &mut control, 0, &[(1, Change::CpuQuota(0.5))]);
    assert_eq!(control.batches_after(0).last(), None);
    assert_eq!(control.undo_since(0), Undone::default());
    assert_eq!(tree.get(QUOTA), "200000");
}

#[test]
fn what_was_given_back_is_held_again() {
    let tree = tree();
    let mut control = tree.control();
    apply(&tree, &mut control, 0, &[(1, Change::CpuQuota(0.5)), (1, Change::CpuShares(2.0))]);
    let before = held(&control);
    apply(&tree, &mut control, 0, &[(1, Change::Release(Kind::CpuQuota)), (1, Change::CpuShares(3.0))]);
    assert_eq!((tree.get(QUOTA), tree.get(SHARES)), ("-1".into(), "3000".into()));
    assert_eq!(counts(&control.undo_since(2)), (2, 0, 0));
    assert_eq!((tree.get(QUOTA), tree.get(SHARES)), ("200000".into(), "2000".into()));
    assert_eq!(held(&control), before);
    control.restore();
    assert_eq!((tree.get(QUOTA), tree.get(SHARES)), ("-1".into(), "1024".into()));
}

#[test]
fn what_somebody_else_has_changed_since_is_theirs() {
    let tree = tree();
    let mut control = tree.control();
    apply(&tree, &mut control, 0, &[(1, Change::CpuShares(2.0))]);
    apply(&tree, &mut control, 0, &[(1, Change::CpuShares(3.0)), (1, Change::CpuQuota(0.5))]);
    tree.set(SHARES, "555");
    let undone = control.undo_since(1);
    assert_eq!(counts(&undone), (1, 1, 0));
    assert!(undone.restored.foreign[0].ends_with("cpu/a/task/cpu.shares: \"555\" stands there"), "{undone:?}");
    assert_eq!((tree.get(QUOTA), tree.get(SHARES), control.held().count()), ("-1".into(), "555".into(), 0));
}

#[test]
fn what_others_have_given_back_since_stays_so() {
    let tree = tree();
    let mut control = tree.control();
    apply(&tree, &mut control, 0, &[(1, Change::CpuQuota(0.5))]);
    apply(&tree, &mut control, 0, &[(1, Change::CpuQuota(0.25))]);
    control.release_policy(0);
    assert_eq!(counts(&control.undo_since(2)), (0, 0, 0));
    assert_eq!((tree.get(QUOTA), control.held().count()), ("-1".into(), 0));
}

#[test]
fn a_cgroup_that_has_gone_is_nobodys() {
    let tree = tree();
    let mut control = tree.control();
    apply(&tree, &mut control, 0, &[(1, Change::CpuQuota(0.5)), (2, Change::CpuQuota(0.5))]);
    std::fs::remove_dir_all(tree.roots().path("/sys/fs/cgroup/cpu/a/task")).unwrap();
    assert_eq!(counts(&control.undo_since(1)), (1, 0, 0));
    assert_eq!(tree.get("cpu/a/other/cpu.cfs_quota_us"), "-1");
}

/// What comes between a batch and its being undone.
enum Meanwhile {
    Accepted,
    Frozen,
    Restored,
    Paused,
    Renewed,
}

#[rstest]
#[case::accepted(Meanwhile::Accepted, "200000")]
#[case::frozen(Meanwhile::Frozen, "200000")]
#[case::restored(Meanwhile::Restored, "-1")]
#[case::paused(Meanwhile::Paused, "-1")]
#[case::renewed(Meanwhile::Renewed, "200000")]
fn batches_that_are_undone_no_more(#[case] meanwhile: Meanwhile, #[case] expected: &str) {
    let tree = tree();
    let mut control = tree.control();
    apply(&tree, &mut control, 0, &[(1, Change::CpuQuota(0.5))]);
    match meanwhile {
        Meanwhile::Accepted => control.accept_until(1),
        Meanwhile::Frozen => assert!(control.freeze(true)),
        Meanwhile::Restored => assert_eq!(control.restore().put_back, 1),
        Meanwhile::Paused => assert_eq!(control.pause().map(|restored| restored.put_back), Some(1)),
        Meanwhile::Renewed => {
            let settings = Settings { protect: vec![], ..tree.settings.clone() };
            let policies = vec![control.policy(0).unwrap().clone()];
            control.renew(settings, policies);
        }
    }
    assert_eq!(counts(&control.undo_since(1)), (0, 0, 0));
    assert_eq!(tree.get(QUOTA), expected);
    control.freeze(false);
    control.restore();
    assert_eq!(tree.get(QUOTA), "-1");
}

#[test]
fn a_frozen_batch_is_undone_after_the_thaw() {
    let tree = tree();
    let mut control = tree.control();
    apply(&tree, &mut control, 0, &[(1, Change::CpuQuota(0.5))]);
    control.freeze(true);
    control.undo_since(1);
    control.freeze(false);
    assert_eq!(counts(&control.undo_since(1)), (1, 0, 0));
    assert_eq!(tree.get(QUOTA), "-1");
}

#[test]
fn values_of_a_policy_that_fails_go_back_or_stay_as_the_operator_wants() {
    for (on_failure, expected) in [(wca_model::OnFailure::Restore, "-1"), (wca_model::OnFailure::Keep, "200000")] {
        let mut tree = tree();
        tree.settings.on_failure = on_failure;
        let mut control = tree.control_of_two();
        apply(&tree, &mut control, 1, &[(2, Change::CpuQuota(0.5))]);
        apply(&tree, &mut control, 0, &[(1, Change::CpuQuota(0.5))]);
        control.policy_failed(0);
        assert_eq!(tree.get(QUOTA), expected, "{on_failure:?}");
        assert_eq!(tree.get("cpu/a/other/cpu.cfs_quota_us"), "200000", "that of another policy");
    }
}

#[test]
fn a_share_of_the_tasks_is_changed_in_a_minute() {
    let mut tree = tree();
    tree.settings.changed_tasks_per_minute = Some(0.5);
    let mut control = tree.control();
    let requests = [(1, Change::CpuQuota(0.5)), (2, Change::CpuQuota(0.5)), (1, Change::CpuShares(2.0))]
        .map(|(task, change)| Request { task: TaskKey(task), change });
    let fates: Vec<Fate> =
        control.apply(0, &requests, &tree.tasks(), &platform()).into_iter().map(|outcome| outcome.fate).collect();
    let why = "1 of 2 tasks were changed within a minute, and 1 may be (changed_tasks_per_minute: 0.5)";
    assert_eq!(fates, [Fate::Applied, Fate::Failed(why.into()), Fate::Applied]);
    assert_eq!(tree.apply(&mut control, 1, Change::Release(Kind::CpuQuota)), Fate::Applied, "giving back is free");
}
