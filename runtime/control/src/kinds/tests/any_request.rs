//! Whatever is asked of whichever task: an outcome for each request, never a panic, and nothing written elsewhere.

use std::cell::RefCell;

use proptest::prelude::*;
use proptest::test_runner::Config;
use wca_kernel::values::Spot;
use wca_model::request::{Limit, Ways};
use wca_model::{Change, Kind, Request, SharesConversion, TaskKey};

use super::tree::{Tree, UNLIMITED, platform, task};
use crate::held::Held;
use crate::testing::protect;

/// How many plans are tried; `.ci/full` sets more.
pub(in crate::kinds) fn plans() -> u32 {
    std::env::var("WCA_PROPERTY_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(2_000)
}

/// How many batches are applied to trees of their own, which are made of many files each; `.ci/full` sets more.
pub(in crate::kinds) fn batches() -> u32 {
    std::env::var("WCA_BATCHES").ok().and_then(|batches| batches.parse().ok()).unwrap_or(60)
}

pub(in crate::kinds) fn config(cases: u32) -> Config {
    Config { cases, failure_persistence: None, ..Config::default() }
}

fn change() -> impl Strategy<Value = Change> {
    let ids = || proptest::collection::vec(prop_oneof![9 => 0..5_u32, 1 => any::<u32>()], 0..5);
    let share = || prop_oneof![0.0..1.1_f64, any::<f64>()];
    let bytes = || prop_oneof![0..1_u64 << 32, any::<u64>()];
    let weight = || prop_oneof![0..12_000_u32, any::<u32>()];
    let ways = || (0..3_u32, any::<u64>()).prop_map(|(domain, mask)| Ways { domain, mask });
    prop_oneof![
        share().prop_map(Change::CpuQuota),
        share().prop_map(Change::CpuShares),
        weight().prop_map(Change::CpuWeight),
        ids().prop_map(Change::CpusetCpus),
        ids().prop_map(Change::CpusetMems),
        any::<bool>().prop_map(Change::CpusetMemoryMigrate),
        (0..4_u32).prop_map(Change::MigratePages),
        any::<Option<String>>().prop_map(Change::RdtGroup),
        ways().prop_map(Change::RdtL3),
        ways().prop_map(Change::RdtL3Code),
        ways().prop_map(Change::RdtL3Data),
        ways().prop_map(Change::RdtL2),
        (0..3_u32, any::<u32>()).prop_map(|(domain, value)| Change::RdtMb(Limit { domain, value })),
        proptest::option::of(bytes()).prop_map(Change::MemoryHigh),
        proptest::option::of(bytes()).prop_map(Change::MemoryMax),
        bytes().prop_map(Change::MemoryLow),
        weight().prop_map(Change::IoWeight),
        proptest::sample::select(Kind::ALL).prop_map(Change::Release),
    ]
}

/// Names as the unprivileged process could send them.
pub(in crate::kinds) fn cgroup() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => proptest::sample::select(vec!["/a/task", "a/task", "/a/task/x", "/b/task"]).prop_map(String::from),
        1 => proptest::sample::select(vec![
            "", "/", "//", "..", "/..", "/a/..", "/a/../b", "/a/task/..", "/a/task/../../b", "/./b", "/a//task", "/a/task/",
            "/a\n", "/a/task\n/x", "/a\0", "/../../../proc",
        ])
        .prop_map(String::from),
        1 => "[a-z./\n]{0,12}",
        1 => Just(format!("/{}", "n".repeat(300))),
    ]
}

/// Whether a file is below one of these cgroups, in any hierarchy.
fn is_below(file: &str, cgroups: &[&str]) -> bool {
    let relative = file.strip_prefix("sys/fs/cgroup").unwrap_or_default();
    let hierarchies = ["", "/cpu", "/cpuset", "/memory", "/blkio"];
    cgroups.iter().any(|cgroup| {
        let cgroup = format!("/{}/", cgroup.trim_start_matches('/'));
        hierarchies.iter().any(|hierarchy| relative.starts_with(&format!("{hierarchy}{cgroup}")))
    })
}

/// What is written back has the form in which the kernel takes it.
fn form(value: &str) -> &str {
    if value.trim() == UNLIMITED { "-1" } else { value.trim() }
}

proptest! {
    #![proptest_config(config(batches()))]

    #[test]
    fn nothing_is_written_outside_of_the_tasks(
        is_v2 in any::<bool>(),
        cgroups in proptest::collection::vec(cgroup(), 1..4),
        changes in proptest::collection::vec((0..4_u64, change()), 1..12),
        allow_oom in any::<bool>(),
    ) {
        let more = ["/a/task/x", "/a/task/x/y", "/b", "/b/task", "/b/other"];
        let mut tree = if is_v2 { Tree::v2(&more) } else { Tree::v1(&more) };
        tree.settings.allow_oom = allow_oom;
        tree.tasks = cgroups.iter().zip(0..).map(|(cgroup, key)| task(key, cgroup)).collect();
        let before = tree.all();
        let requests: Vec<Request> =
            changes.into_iter().map(|(task, change)| Request { task: TaskKey(task), change }).collect();
        let mut control = tree.control();
        let outcomes = control.apply(0, &requests, &tree.tasks(), &platform());
        prop_assert_eq!(outcomes.len(), requests.len());
        let named: Vec<&str> = cgroups.iter().map(String::as_str).filter(|cgroup| {
            ["/a/task", "a/task", "/a/task/x", "/b/task", "/a", "a", "/b", "b"].contains(cgroup)
                || more.iter().any(|known| known.trim_start_matches('/') == cgroup.trim_start_matches('/'))
        }).collect();
        for (file, value) in tree.all() {
            let is_changed = before.get(&file) != Some(&value);
            prop_assert!(!is_changed || is_below(&file, &named), "{} of {:?}", file, cgroups);
        }
        tree.tasks.clear();
        let restored = control.restore();
        prop_assert_eq!(restored.failed, Vec::<String>::new());
        for (file, value) in tree.all() {
            prop_assert_eq!(before.get(&file).map(|value| form(value)), Some(form(&value)), "{}", file);
        }
    }
}

proptest! {
    #![proptest_config(config(batches()))]

    #[test]
    fn batches_that_are_undone_leave_what_was_there_before_them_and_write_nowhere_else(
        is_v2 in any::<bool>(),
        cgroups in proptest::collection::vec(cgroup(), 1..4),
        batches in proptest::collection::vec(proptest::collection::vec((0..4_u64, change()), 1..6), 1..5),
        from in 0..5_usize,
        enables in any::<bool>(),
    ) {
        let more = ["/a/task/x", "/a/task/x/y", "/b", "/b/task", "/b/other"];
        let mut tree = if is_v2 { Tree::v2(&more) } else { Tree::v1(&more) };
        tree.settings.allow_oom = true;
        tree.settings.enable_controllers = enables;
        tree.settings.protect = vec![protect()];
        tree.tasks = cgroups.iter().zip(0..).map(|(cgroup, key)| task(key, cgroup)).collect();
        let mut control = tree.control();
        let found = tree.all();
        let mut before = Vec::new();
        for batch in &batches {
            let number = control.batches_after(0).last().map_or(1, |newest| newest.number + 1);
            before.push((number, tree.all(), control.held().cloned().collect::<Vec<_>>()));
            let requests: Vec<Request> =
                batch.iter().map(|(task, change)| Request { task: TaskKey(*task), change: change.clone() }).collect();
            control.apply(0, &requests, &tree.tasks(), &platform());
        }
        let (number, files, held) = &before[from % before.len()];
        let undone = control.undo_since(*number);
        prop_assert_eq!((undone.restored.failed, undone.restored.foreign), (vec![], vec![]));
        for (file, value) in tree.all() {
            prop_assert_eq!(files.get(&file).map(|value| form(value)), Some(form(&value)), "{}", file);
        }
        let spots = |held: &[Held]| held.iter().map(|held| (held.spot.clone(), held.written.clone())).collect::<Vec<_>>();
        prop_assert_eq!(spots(&control.held().cloned().collect::<Vec<_>>()), spots(held));
        prop_assert_eq!(control.restore().failed, Vec::<String>::new());
        for (file, value) in tree.all() {
            prop_assert_eq!(found.get(&file).map(|value| form(value)), Some(form(&value)), "{}", file);
        }
    }
}

/// Nothing but what is planned is ever written.
#[test]
fn no_plan_leads_out_of_the_task() {
    let more = ["/a/task/x", "/a/task/x/y", "/b", "/b/task"];
    let (v1, v2) = (RefCell::new(Tree::v1(&more)), RefCell::new(Tree::v2(&more)));
    let inputs = (any::<bool>(), cgroup(), change(), any::<bool>(), conversion());
    proptest!(config(plans()), |((is_v2, cgroup, change, allow_oom, conversion) in inputs)| {
        let mut tree = if is_v2 { v2.borrow_mut() } else { v1.borrow_mut() };
        tree.settings.allow_oom = allow_oom;
        tree.settings.cpu_shares_conversion = conversion;
        tree.tasks = vec![task(1, &cgroup)];
        let own = format!("/{}", cgroup.strip_prefix('/').unwrap_or(&cgroup));
        match tree.plan_spots(&change) {
            Err(why) => prop_assert!(why.len() < 2_000, "{}", why),
            Ok(spots) => for spot in spots {
                let Spot::Cgroup { cgroup, file, .. } = &spot else { panic!("{spot}") };
                prop_assert!(own.len() > 1 && (*cgroup == own || cgroup.starts_with(&format!("{own}/"))), "{} of {}", spot, own);
                prop_assert!(!cgroup.contains("..") && !file.contains('/'), "{}", spot);
            },
        }
    });
}

fn conversion() -> impl Strategy<Value = SharesConversion> {
    use SharesConversion::{Auto, Kernel, Runc2025, RuncLinear};
    proptest::sample::select(vec![Auto, Kernel, RuncLinear, Runc2025])
}

#[test]
fn names_that_lead_elsewhere_are_refused_by_every_kind() {
    let changes = [
        Change::CpuQuota(0.5),
        Change::CpuShares(2.0),
        Change::CpusetCpus(vec![0]),
        Change::CpusetMemoryMigrate(true),
        Change::MemoryMax(Some(1 << 30)),
        Change::IoWeight(200),
    ];
    let long = format!("/{}", "n".repeat(300));
    for cgroup in ["/", "", "/a/../b", "../b", "/a\nb", "/a//b", &long] {
        let mut tree = Tree::v1(&["/b"]);
        tree.tasks = vec![task(1, cgroup)];
        let before = tree.all();
        for change in &changes {
            let why = tree.plan(change).unwrap_err();
            assert!(why.len() < 500, "{why}");
            assert!(matches!(tree.apply(&mut tree.control(), 1, change.clone()), wca_model::Fate::Failed(_)));
        }
        assert_eq!(tree.all(), before, "{cgroup:?}");
    }
}
