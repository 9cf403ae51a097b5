//! Quotas, shares and weights.

use rstest::rstest;
use wca_model::{Change, Fate, Request, SharesConversion, TaskKey};

use super::tree::{Tree, platform, task};
use crate::tasks::ControlledTask;

#[rstest]
#[case::a_quarter(0.25, "max 100000", None, "a/task/cpu.max=100000 100000", None)]
#[case::the_period_that_is_found(0.25, "max 20000", None, "a/task/cpu.max=20000 20000", None)]
#[case::another_period(0.25, "max 100000", Some(10_000), "a/task/cpu.max=10000 10000", None)]
#[case::no_limit(1.0, "5000 20000", Some(10_000), "a/task/cpu.max=max 20000", None)]
#[case::as_it_is(0.25, "20000 20000", None, "a/task/cpu.max=20000 20000", None)]
#[case::nearly_as_it_is(0.252, "20000 20000", None, "a/task/cpu.max=20000 20000", None)]
#[case::nearly_with_another_period(0.25, "20000 20000", Some(10_000), "a/task/cpu.max=10000 10000", None)]
#[case::a_longer_period(0.001, "max 100000", None, "a/task/cpu.max=1000 250000", None)]
#[case::v17(0.0, "max 100000", Some(2_000), "a/task/cpu.max=1000 2000", Some("1000 2000"))]
fn a_quota_on_v2(
    #[case] share: f64,
    #[case] found: &str,
    #[case] period: Option<u32>,
    #[case] step: &str,
    #[case] adjusted: Option<&str>,
) {
    let mut tree = Tree::v2(&["/a/task/child"]);
    tree.settings.cpu_quota_period = period;
    tree.set("a/task/cpu.max", found).set("a/task/child/cpu.max", "400000 100000");
    assert_eq!(tree.plan_whole(&Change::CpuQuota(share)), Ok((vec![step.into()], adjusted.map(Into::into))));
}

#[test]
fn a_quota_of_a_pod_leaves_those_of_its_containers_as_they_are() {
    let (v1, v2) = (Tree::v1(&["/a/task/container"]), Tree::v2(&["/a/task/container"]));
    v1.set("cpu/a/task/container/cpu.cfs_quota_us", "50000");
    v2.set("a/task/container/cpu.max", "50000 100000");
    for tree in [&v1, &v2] {
        assert_eq!(tree.apply(&mut tree.control(), 1, Change::CpuQuota(0.5)), Fate::Applied);
    }
    assert_eq!(v1.get("cpu/a/task/cpu.cfs_quota_us"), "200000");
    assert_eq!(v1.get("cpu/a/task/container/cpu.cfs_quota_us"), "50000");
    assert_eq!(v2.get("a/task/cpu.max"), "200000 100000");
    assert_eq!(v2.get("a/task/container/cpu.max"), "50000 100000");
}

#[rstest]
#[case::one_file(0.5, &[], None, &["a/task/cpu.cfs_quota_us=200000"])]
#[case::lifted(1.0, &[("a/task/cpu.cfs_quota_us", "1000")], None, &["a/task/cpu.cfs_quota_us=-1"])]
#[case::both_files(0.5, &[], Some(50_000), &["a/task/cpu.cfs_period_us=50000", "a/task/cpu.cfs_quota_us=100000"])]
#[case::children_with_more_are_lowered_first(
    0.25,
    &[("a/task/x/cpu.cfs_quota_us", "200000"), ("a/task/x/y/cpu.cfs_quota_us", "150000"), ("a/task/z/cpu.cfs_quota_us", "90000")],
    None,
    &["a/task/x/y/cpu.cfs_quota_us=100000", "a/task/x/cpu.cfs_quota_us=100000", "a/task/cpu.cfs_quota_us=100000"]
)]
fn a_quota_on_v1(
    #[case] share: f64,
    #[case] found: &[(&str, &str)],
    #[case] period: Option<u32>,
    #[case] steps: &[&str],
) {
    let mut tree = Tree::v1(&["/a/task/x", "/a/task/x/y", "/a/task/z", "/a/task/unlimited"]);
    tree.settings.cpu_quota_period = period;
    for (file, value) in found {
        tree.set(&format!("cpu/{file}"), value);
    }
    let steps: Vec<String> = steps.iter().map(|step| format!("cpu/{step}")).collect();
    assert_eq!(tree.plan(&Change::CpuQuota(share)), Ok(steps));
}

#[test]
fn what_was_lowered_on_v1_rises_again_as_far_as_it_may_and_is_given_back() {
    let tree = Tree::v1(&["/a/task/x"]);
    tree.set("cpu/a/task/x/cpu.cfs_quota_us", "200000");
    let mut control = tree.control();
    let child = || tree.get("cpu/a/task/x/cpu.cfs_quota_us");
    for (share, expected) in [(0.25, "100000"), (0.375, "150000"), (0.75, "200000"), (0.1, "40000"), (1.0, "200000")] {
        assert_eq!(tree.apply(&mut control, 1, Change::CpuQuota(share)), Fate::Applied);
        assert_eq!(child(), expected, "{share}");
    }
    assert_eq!(tree.apply(&mut control, 1, Change::CpuQuota(0.1)), Fate::Applied);
    assert_eq!(tree.apply(&mut control, 1, Change::CpuQuota(0.1)), Fate::Unchanged);
    let before = tree.apply(&mut control, 1, Change::Release(wca_model::Kind::CpuQuota));
    assert_eq!(
        (before, child(), tree.get("cpu/a/task/cpu.cfs_quota_us")),
        (Fate::Applied, "200000".into(), "-1".into())
    );
}

#[test]
fn a_longer_period_is_the_one_before_again_where_it_is_not_needed() {
    let (v1, v2) = (Tree::v1(&[]), Tree::v2(&[]));
    let (mut one, mut two) = (v1.control(), v2.control());
    for share in [0.001, 0.5] {
        assert_eq!(v1.apply(&mut one, 1, Change::CpuQuota(share)), Fate::Applied);
        assert_eq!(v2.apply(&mut two, 1, Change::CpuQuota(share)), Fate::Applied);
    }
    assert_eq!(v1.get("cpu/a/task/cpu.cfs_period_us"), "100000");
    assert_eq!(v2.get("a/task/cpu.max"), "200000 100000");
}

#[test]
fn no_quota_on_v1_is_above_the_one_around_it() {
    let tree = Tree::v1(&[]);
    tree.set("cpu/a/cpu.cfs_quota_us", "100000");
    let why = tree.plan(&Change::CpuQuota(0.5)).unwrap_err();
    assert!(why.contains("/sys/fs/cgroup/cpu/a/cpu.cfs_quota_us has, 100000 of 100000"), "{why}");
    assert!(tree.plan(&Change::CpuQuota(0.25)).is_ok() && tree.plan(&Change::CpuQuota(1.0)).is_ok());
}

#[rstest]
#[case(Tree::v1(&[]), "cpu/a/task/cpu.cfs_burst_us")]
#[case(Tree::v2(&[]), "a/task/cpu.max.burst")]
fn no_quota_is_below_the_burst(#[case] tree: Tree, #[case] file: &str) {
    tree.set(file, "60000");
    let why = tree.plan(&Change::CpuQuota(0.1)).unwrap_err();
    assert!(why.contains("40000 microseconds is less than the burst of 60000 in") && why.contains(file), "{why}");
    assert!(tree.plan(&Change::CpuQuota(0.2)).is_ok());
}

#[rstest]
#[case::v16(0.0, 1_000, "2", Some("2"))]
#[case::v16(1.0, 1_000, "1000", None)]
#[case::v16(1.0, 10_000, "10000", None)]
#[case::v16(2.0, 10_000, "20000", None)]
#[case::too_many(1e9, 1_000, "262144", Some("262144"))]
fn shares_on_v1(#[case] value: f64, #[case] unit: u32, #[case] written: &str, #[case] adjusted: Option<&str>) {
    let mut tree = Tree::v1(&["/a/task/container"]);
    tree.settings.cpu_shares_unit = unit;
    let steps = vec![format!("cpu/a/task/cpu.shares={written}")];
    assert_eq!(tree.plan_whole(&Change::CpuShares(value)), Ok((steps, adjusted.map(Into::into))));
}

#[rstest]
#[case::nothing_known(SharesConversion::Auto, &["100", "100"], 1.0, "100", None)]
#[case::as_older_runc(SharesConversion::Auto, &["39", "79"], 1.0, "39", None)]
#[case::as_newer_runc(SharesConversion::Auto, &["17", "174"], 2.0, "174", None)]
#[case::as_the_kernel(SharesConversion::Auto, &["50", "25"], 2.0, "200", None)]
#[case::as_the_operator_says(SharesConversion::RuncLinear, &["50", "25"], 1.0, "39", None)]
#[case::as_the_operator_says(SharesConversion::Runc2025, &["39", "79"], 0.5, "59", None)]
#[case::as_the_operator_says(SharesConversion::Kernel, &["39", "79"], 0.5, "50", None)]
#[case::out_of_range(SharesConversion::Kernel, &[], 200.0, "10000", Some("10000"))]
#[case::out_of_range(SharesConversion::Runc2025, &[], 0.0, "1", Some("1"))]
fn shares_on_v2(
    #[case] conversion: SharesConversion,
    #[case] siblings: &[&str],
    #[case] value: f64,
    #[case] written: &str,
    #[case] adjusted: Option<&str>,
) {
    let mut tree = Tree::v2(&["/a/sibling0", "/a/sibling1"]);
    tree.settings.cpu_shares_unit = 1_024;
    tree.settings.cpu_shares_conversion = conversion;
    for (at, weight) in siblings.iter().enumerate() {
        tree.set(&format!("a/sibling{at}/cpu.weight"), weight);
    }
    let steps = vec![format!("a/task/cpu.weight={written}")];
    assert_eq!(tree.plan_whole(&Change::CpuShares(value)), Ok((steps, adjusted.map(Into::into))));
}

#[test]
fn weights_that_wca_has_written_say_nothing_of_the_formula() {
    let mut tree = Tree::v2(&["/a/sibling", "/a/other"]);
    tree.settings.cpu_shares_unit = 1_024;
    tree.tasks.push(task(2, "/a/other"));
    tree.set("a/sibling/cpu.weight", "39");
    let mut control = tree.control();
    assert_eq!(tree.apply(&mut control, 2, Change::CpuWeight(50)), Fate::Applied);
    assert_eq!(tree.apply(&mut control, 1, Change::CpuWeight(200)), Fate::Applied);
    assert_eq!(tree.apply(&mut control, 1, Change::CpuShares(2.0)), Fate::Applied);
    assert_eq!(tree.get("a/task/cpu.weight"), "79");
}

#[test]
fn a_weight_stays_whatever_neighbours_come_until_another_one_is_asked_for() {
    let mut tree = Tree::v2(&["/a/sibling", "/a/other"]);
    tree.settings.cpu_shares_unit = 1_024;
    tree.set("a/sibling/cpu.weight", "39");
    let mut control = tree.control();
    assert_eq!(tree.apply(&mut control, 1, Change::CpuShares(2.0)), Fate::Applied);
    tree.set("a/sibling/cpu.weight", "17").set("a/other/cpu.weight", "174");
    assert_eq!(tree.apply(&mut control, 1, Change::CpuShares(2.0)), Fate::Unchanged);
    assert_eq!(tree.get("a/task/cpu.weight"), "79");
    assert_eq!(tree.apply(&mut control, 1, Change::CpuShares(1.0)), Fate::Applied);
    assert_eq!(tree.get("a/task/cpu.weight"), "100");
    // What somebody else has written is ours again before anything is asked for.
    tree.set("a/task/cpu.weight", "5");
    assert_eq!(tree.apply(&mut control, 1, Change::CpuShares(1.0)), Fate::Unchanged);
    assert_eq!(tree.get("a/task/cpu.weight"), "100");
}

#[test]
fn both_numbers_of_a_conversion_are_kept() {
    let mut tree = Tree::v2(&["/a/sibling"]);
    tree.settings.cpu_shares_unit = 1_024;
    tree.set("a/sibling/cpu.weight", "39");
    let mut control = tree.control();
    assert_eq!(tree.apply(&mut control, 1, Change::CpuShares(2.0)), Fate::Applied);
    let held = control.held().next().unwrap();
    assert_eq!((held.owner.asked.as_str(), held.written.as_str()), ("2", "79"));
}

#[test]
fn a_weight_is_taken_as_it_is_on_v2_alone() {
    let tree = Tree::v2(&[]);
    assert_eq!(tree.plan(&Change::CpuWeight(250)), Ok(vec!["a/task/cpu.weight=250".into()]));
    tree.set("a/task/cpu.idle", "1");
    let why = tree.plan(&Change::CpuWeight(250)).unwrap_err();
    assert!(why.contains("a/task/cpu.idle is 1"), "{why}");
    let why = Tree::v1(&[]).plan(&Change::CpuWeight(250)).unwrap_err();
    assert!(why.starts_with("cpu_weight is of cgroup v2") && why.ends_with("ask for cpu_shares"), "{why}");
}

/// Each class of the kubelet has a cgroup of its own, within which the shares of its pods count.
#[test]
fn shares_of_pods_of_two_classes_are_taken_and_count_among_their_own() {
    let mut tree =
        Tree::v2(&["/burstable", "/burstable/x", "/burstable/pod", "/besteffort", "/besteffort/x", "/besteffort/pod"]);
    tree.settings.cpu_shares_unit = 1_024;
    tree.tasks = ["burstable", "besteffort"]
        .into_iter()
        .zip(1..)
        .map(|(class, key)| ControlledTask {
            labels: vec![("app_kubernetes_io__qos_class".into(), class.into())],
            ..task(key, &format!("/{class}/pod"))
        })
        .collect();
    tree.set("burstable/x/cpu.weight", "39").set("besteffort/x/cpu.weight", "17");
    let requests = [1, 2].map(|task| Request { task: TaskKey(task), change: Change::CpuShares(2.0) });
    let outcomes = tree.control().apply(0, &requests, &tree.tasks(), &platform());
    assert!(outcomes.iter().all(|outcome| outcome.fate == Fate::Applied), "{outcomes:?}");
    assert_eq!(["burstable", "besteffort"].map(|class| tree.get(&format!("{class}/pod/cpu.weight"))), ["79", "174"]);
}
