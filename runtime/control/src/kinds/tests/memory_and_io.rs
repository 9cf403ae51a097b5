//! Limits on memory, and shares of I/O.

use rstest::rstest;
use wca_model::{Change, Fate};

use super::tree::Tree;

#[rstest]
#[case::high(Change::MemoryHigh(Some(8_192)), "a/task/memory.high=8192", None)]
#[case::high_in_pages(Change::MemoryHigh(Some(9_000)), "a/task/memory.high=8192", Some("8192"))]
#[case::no_high(Change::MemoryHigh(None), "a/task/memory.high=max", None)]
#[case::low(Change::MemoryLow(1 << 20), "a/task/memory.low=1048576", None)]
#[case::no_low(Change::MemoryLow(0), "a/task/memory.low=0", None)]
#[case::max(Change::MemoryMax(Some(8 << 20)), "a/task/memory.max=8388608", None)]
#[case::max_in_pages(Change::MemoryMax(Some((8 << 20) + 1)), "a/task/memory.max=8388608", Some("8388608"))]
#[case::no_max(Change::MemoryMax(None), "a/task/memory.max=max", None)]
#[case::io(Change::IoWeight(250), "a/task/io.weight=default 250", None)]
fn on_v2(#[case] change: Change, #[case] step: &str, #[case] adjusted: Option<&str>) {
    let planned = Tree::v2(&["/a/task/container"]).plan_whole(&change);
    assert_eq!(planned, Ok((vec![step.into()], adjusted.map(Into::into))));
}

#[rstest]
#[case::high(
    Change::MemoryHigh(Some(8_192)),
    "memory_high is of cgroup v2, and the controller memory of this machine is on v1"
)]
#[case::low(Change::MemoryLow(8_192), "memory_low is of cgroup v2, and the controller memory of this machine is on v1")]
fn what_v1_lacks_is_refused(#[case] change: Change, #[case] why: &str) {
    let said = Tree::v1(&[]).plan(&change).unwrap_err();
    assert!(said.starts_with(why), "{said}");
}

const LIMIT: &str = "memory/a/task/memory.limit_in_bytes";
const BOTH: &str = "memory/a/task/memory.memsw.limit_in_bytes";
const MIB: u64 = 1 << 20;

#[rstest]
#[case::swap_without_a_limit("9223372036854771712", "9223372036854771712", Some(8 * MIB), &[(LIMIT, Some(8 * MIB))])]
#[case::swap_without_a_limit("16777216", "9223372036854771712", None, &[(LIMIT, None)])]
#[case::narrowed_last("16777216", "33554432", Some(8 * MIB), &[(LIMIT, Some(8 * MIB)), (BOTH, Some(24 * MIB))])]
#[case::widened_first("16777216", "16777216", Some(32 * MIB), &[(BOTH, Some(32 * MIB)), (LIMIT, Some(32 * MIB))])]
#[case::lifted_first("16777216", "16777216", None, &[(BOTH, None), (LIMIT, None)])]
fn memory_and_swap_on_v1(
    #[case] limit: &str,
    #[case] both: &str,
    #[case] bytes: Option<u64>,
    #[case] steps: &[(&str, Option<u64>)],
) {
    let tree = Tree::v1(&[]);
    tree.set(LIMIT, limit).set(BOTH, both);
    let text = |(file, bytes): &(&str, Option<u64>)| {
        format!("{file}={}", bytes.map_or("-1".into(), |bytes| bytes.to_string()))
    };
    assert_eq!(tree.plan(&Change::MemoryMax(bytes)), Ok(steps.iter().map(text).collect()));
}

#[test]
fn what_was_left_of_swap_before_is_left_after_any_number_of_changes() {
    let tree = Tree::v1(&[]);
    tree.set(LIMIT, "16777216").set(BOTH, "33554432");
    let mut control = tree.control();
    for mib in [8, 64, 4, 32] {
        assert_eq!(tree.apply(&mut control, 1, Change::MemoryMax(Some(mib * MIB))), Fate::Applied);
        assert_eq!((tree.get(LIMIT), tree.get(BOTH)), ((mib * MIB).to_string(), ((mib + 16) * MIB).to_string()));
    }
    assert_eq!(tree.apply(&mut control, 1, Change::MemoryMax(None)), Fate::Applied);
    assert_eq!(tree.apply(&mut control, 1, Change::MemoryMax(Some(8 * MIB))), Fate::Applied);
    assert_eq!(tree.get(BOTH), (24 * MIB).to_string());
    control.restore();
    assert_eq!((tree.get(LIMIT), tree.get(BOTH)), ("16777216".into(), "33554432".into()));
}

#[test]
fn a_kernel_that_does_not_count_swap_has_one_file() {
    let tree = Tree::v1(&[]);
    tree.remove(BOTH);
    assert_eq!(tree.plan(&Change::MemoryMax(Some(8 * MIB))), Ok(vec![format!("{LIMIT}={}", 8 * MIB)]));
}

#[test]
fn a_limit_leaves_the_task_room_unless_the_operator_says_otherwise() {
    for mut tree in [Tree::v1(&[]), Tree::v2(&[])] {
        let why = tree.plan(&Change::MemoryMax(Some(1_052_672))).unwrap_err();
        assert!(why.contains("says 1000000, and a tenth more, 1100000, is the least; `allow_oom: true`"), "{why}");
        assert!(tree.plan(&Change::MemoryMax(Some(1_101_824))).is_ok());
        tree.settings.allow_oom = true;
        assert!(tree.plan(&Change::MemoryMax(Some(4_096))).is_ok());
    }
    let tree = Tree::v2(&[]);
    tree.set("a/task/memory.max", "1011712");
    assert!(tree.plan(&Change::MemoryMax(Some(1_011_712))).is_ok(), "it is in force already");
    assert!(tree.plan(&Change::MemoryHigh(Some(4_096))).is_ok(), "it kills nobody");
}

#[test]
fn io_weights_on_v1_are_those_of_the_scheduler() {
    let tree = Tree::v1(&[]);
    let planned = |weight| tree.plan_whole(&Change::IoWeight(weight)).unwrap();
    assert_eq!(planned(250), (vec!["blkio/a/task/blkio.bfq.weight=250".into()], None));
    assert_eq!(planned(2_000), (vec!["blkio/a/task/blkio.bfq.weight=1000".into()], Some("1000".into())));
    tree.remove("blkio/a/task/blkio.bfq.weight").set("blkio/a/task/blkio.weight", "500");
    assert_eq!(planned(100), (vec!["blkio/a/task/blkio.weight=500".into()], None));
    assert_eq!(planned(1), (vec!["blkio/a/task/blkio.weight=10".into()], Some("10".into())));
    tree.remove("blkio/a/task/blkio.weight");
    let why = tree.plan(&Change::IoWeight(1)).unwrap_err();
    assert!(why.starts_with("/sys/fs/cgroup/blkio/a/task/blkio.bfq.weight is not there, nor blkio.weight"), "{why}");
}

#[test]
fn both_schedulers_of_v2_get_the_weight_and_lines_of_devices_stay() {
    let tree = Tree::v2(&[]);
    tree.set("a/task/io.bfq.weight", "default 100\n8:0 50");
    let steps = ["a/task/io.weight=default 2000", "a/task/io.bfq.weight=default 1000"].map(Into::into);
    assert_eq!(tree.plan_whole(&Change::IoWeight(2_000)), Ok((steps.into(), Some("1000".into()))));
}

#[test]
fn a_file_that_says_something_else_is_named() {
    let tree = Tree::v2(&[]);
    tree.set("a/task/memory.max", "plenty").set("a/task/cpu.max", "a b").set("a/task/cpuset.cpus", "9-1");
    for (change, file) in [
        (Change::MemoryMax(Some(8 * MIB)), "memory.max"),
        (Change::CpuQuota(0.5), "cpu.max"),
        (Change::CpusetCpus(vec![1]), "cpuset.cpus"),
    ] {
        let why = tree.plan(&change).unwrap_err();
        assert!(why.starts_with(&format!("/sys/fs/cgroup/a/task/{file} says ")), "{why}");
    }
}

#[test]
fn a_file_that_the_kernel_lacks_is_named() {
    let tree = Tree::v2(&[]);
    tree.remove("a/task/memory.high");
    let why = tree.plan(&Change::MemoryHigh(None)).unwrap_err();
    assert_eq!(why, "/sys/fs/cgroup/a/task/memory.high is not there: this kernel lacks it");
}
