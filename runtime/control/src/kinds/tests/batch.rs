use wca_model::{Change, Fate, Request, TaskKey};

use super::tree::{Tree, platform};

#[test]
fn one_wrong_request_is_that_ones_failure_unless_all_or_nothing_is_wanted() {
    let requests = [Change::CpuQuota(0.5), Change::CpusetCpus(vec![99]), Change::CpuShares(2.0)]
        .map(|change| Request { task: TaskKey(1), change });
    let mut tree = Tree::v1(&[]);
    let fates = |tree: &Tree| -> Vec<Fate> {
        let outcomes = tree.control().apply(0, &requests, &tree.tasks(), &platform());
        outcomes.into_iter().map(|outcome| outcome.fate).collect()
    };
    tree.settings.all_or_nothing = true;
    let all = fates(&tree);
    let why = "another request of the batch failed, and all_or_nothing is set";
    assert_eq!(all[0], Fate::Failed(why.into()));
    assert_eq!(all[2], Fate::Failed(why.into()));
    assert_eq!(
        (tree.get("cpu/a/task/cpu.cfs_quota_us"), tree.get("cpu/a/task/cpu.shares")),
        ("-1".into(), "1024".into())
    );
    tree.settings.all_or_nothing = false;
    let each = fates(&tree);
    assert_eq!((&each[0], &each[2]), (&Fate::Applied, &Fate::Applied));
    assert!(matches!(&each[1], Fate::Failed(why) if why.contains("cpuset_cpus names processor 99")), "{each:?}");
    let changed = (tree.get("cpu/a/task/cpu.cfs_quota_us"), tree.get("cpu/a/task/cpu.shares"));
    assert_eq!(changed, ("200000".into(), "2000".into()));
}
