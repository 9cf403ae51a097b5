use std::collections::BTreeMap;

use wca_model::{Change, Fate, Kind, Request, TaskKey};

use super::tree::{Tree, platform, task};

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

/// A kernel that shows a value and takes none.
fn takes_nothing(tree: &Tree, file: &str) {
    let path = tree.roots().path(format!("/sys/fs/cgroup/{file}"));
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/proc/version", path).unwrap();
}

/// Without the ends of lines, which a kernel writes and WCA does not.
fn trimmed(files: BTreeMap<String, String>) -> BTreeMap<String, String> {
    files.into_iter().map(|(file, text)| (file, text.trim().to_owned())).collect()
}

#[test]
fn what_the_kernel_refuses_in_the_middle_unmakes_the_whole_batch() {
    let mut tree = Tree::v1(&["/a/other", "/a/third"]);
    tree.tasks.extend([task(2, "/a/other"), task(3, "/a/third")]);
    takes_nothing(&tree, "cpu/a/other/cpu.shares");
    let requests = [
        (1, Change::CpuQuota(0.5)),
        (1, Change::CpusetCpus(vec![2])),
        (1, Change::CpuShares(2.0)),
        (2, Change::CpuShares(2.0)),
        (3, Change::CpuShares(2.0)),
    ];
    let requests = requests.map(|(key, change)| Request { task: TaskKey(key), change });
    let shares = |tree: &Tree| ["task", "third"].map(|name| tree.get(&format!("cpu/a/{name}/cpu.shares")));
    for is_whole in [true, false] {
        tree.settings.all_or_nothing = is_whole;
        let mut control = tree.control();
        assert_eq!(tree.apply(&mut control, 1, Change::CpusetCpus(vec![1])), Fate::Applied);
        let held: Vec<_> = control.held().cloned().collect();
        let before = trimmed(tree.all());
        let outcomes = control.apply(0, &requests, &tree.tasks(), &platform());
        let fates: Vec<String> = outcomes.into_iter().map(|outcome| outcome.fate.to_string()).collect();
        let refused = &fates[3];
        assert!(refused.contains("cpu/a/other/cpu.shares"), "{fates:?}");
        if is_whole {
            let why = "failed: another request of the batch failed, and all_or_nothing is set";
            assert_eq!([0, 1, 2, 4].map(|at| fates[at].as_str()), [why; 4]);
            assert_eq!(trimmed(tree.all()), before);
            assert_eq!(control.held().cloned().collect::<Vec<_>>(), held);
            control.restore();
        } else {
            assert_eq!([0, 1, 2, 4].map(|at| fates[at].as_str()), ["applied"; 4]);
            assert_eq!(shares(&tree), ["2000", "2000"]);
        }
    }
}

#[test]
fn what_cannot_be_given_back_unmakes_the_whole_batch() {
    let mut tree = Tree::v1(&["/a/other"]);
    tree.tasks.push(task(2, "/a/other"));
    tree.settings.all_or_nothing = true;
    let mut control = tree.control();
    assert_eq!(tree.apply(&mut control, 1, Change::CpusetCpus(vec![1])), Fate::Applied);
    assert_eq!(tree.apply(&mut control, 2, Change::CpuShares(2.0)), Fate::Applied);
    // A folder where the file should be can be neither read nor written.
    tree.remove("cpu/a/other/cpu.shares");
    std::fs::create_dir(tree.roots().path("/sys/fs/cgroup/cpu/a/other/cpu.shares")).unwrap();
    let requests =
        [(1, Change::CpuQuota(0.5)), (1, Change::Release(Kind::CpusetCpus)), (2, Change::Release(Kind::CpuShares))];
    let requests = requests.map(|(key, change)| Request { task: TaskKey(key), change });
    let outcomes = control.apply(0, &requests, &tree.tasks(), &platform());
    assert!(outcomes.iter().all(|outcome| matches!(outcome.fate, Fate::Failed(_))), "{outcomes:?}");
    assert_eq!(tree.get("cpuset/a/task/cpuset.cpus"), "1");
    assert_eq!(tree.get("cpu/a/task/cpu.cfs_quota_us"), "-1");
    let mut kinds: Vec<Kind> = control.held().map(|held| held.owner.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, [Kind::CpuShares, Kind::CpusetCpus], "both are held as before");
}
