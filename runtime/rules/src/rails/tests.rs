use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use rstest::rstest;
use wca_model::request::{Limit, Ways};
use wca_model::{Change, Kind, Label};

use super::*;

fn labels(pairs: &[(&str, &str)]) -> Vec<Label> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// A rail with a bound of every sort.
fn rail() -> Rail {
    Rail {
        name: "batch".into(),
        place: "c.yaml:7".into(),
        tasks: labels(&[("qos", "batch*")]),
        kinds: Some(Kind::ALL.iter().copied().filter(|kind| *kind != Kind::IoWeight).collect()),
        ranges: BTreeMap::from([
            (Kind::CpuQuota, (0.2, 0.8)),
            (Kind::CpuWeight, (10.0, 200.0)),
            (Kind::MemoryMax, (4096.0, 1e9)),
            (Kind::RdtL3, (2.0, 4.0)),
            (Kind::RdtMb, (20.0, 60.0)),
            (Kind::CpusetCpus, (1.0, 2.0)),
        ]),
        cpus: Some([2, 3, 4, 5].into()),
        mems: Some([1].into()),
        l3: [(0, 0xff0)].into(),
        l2: [(0, 0xf)].into(),
        mb: [(0, 50)].into(),
        groups: Some(vec!["be".into(), "batch-?".into()]),
        ..Rail::default()
    }
}

fn passed(rail: Rail, change: &Change) -> String {
    let labels = labels(&[("qos", "batch-1")]);
    match Rails(vec![rail]).bound(RailedTask { labels: &labels, cgroup: "/a" }, change) {
        Ok(Bounded { clamped: None, .. }) => "passes".into(),
        Ok(Bounded { change, .. }) => change.to_string(),
        Err(off) => off.to_string(),
    }
}

fn ways(domain: u32, mask: u64) -> Ways {
    Ways { domain, mask }
}

#[rstest]
#[case(Change::CpuQuota(0.5), "passes", "passes")]
#[case(Change::CpuQuota(1.0), "cpu_quota 1: 0.2 to 0.8 are allowed", "0.8")]
#[case(Change::CpuQuota(0.0), "cpu_quota 0: 0.2 to 0.8 are allowed", "0.2")]
#[case(Change::CpuShares(9e9), "passes", "passes")]
#[case(Change::CpuWeight(9), "cpu_weight 9: 10 to 200 are allowed", "10")]
#[case(
    Change::IoWeight(9),
    "io_weight is not allowed; allowed: cpu_quota, cpu_shares, cpu_weight, cpuset_cpus, cpuset_mems, cpuset_memory_migrate, migrate_pages, rdt_group, rdt_l3, rdt_l3_code, rdt_l3_data, rdt_l2, rdt_mb, memory_high, memory_max, memory_low",
    "refused"
)]
#[case(Change::MemoryMax(None), "memory_max without a limit: 4096 to 1000000000 are allowed", "1000000000")]
#[case(Change::MemoryMax(Some(4095)), "memory_max 4095: 4096 to 1000000000 are allowed", "4096")]
#[case(Change::CpusetCpus(vec![2, 3]), "passes", "passes")]
#[case(Change::CpusetCpus(vec![1, 2, 6]), "cpuset_cpus names 1; allowed: 2-5", "2")]
#[case(Change::CpusetCpus(vec![0, 1]), "cpuset_cpus names 0; allowed: 2-5", "refused")]
#[case(Change::CpusetCpus(vec![5, 4, 3, 3]), "cpuset_cpus 3 processors: 1 to 2 are allowed", "3,4")]
#[case(Change::CpusetCpus(vec![0, 5, 4, 3]), "cpuset_cpus names 0; allowed: 2-5", "3,4")]
#[case(Change::CpusetMems(vec![0, 1]), "cpuset_mems names 0; allowed: 1", "1")]
#[case(Change::MigratePages(1), "passes", "passes")]
#[case(Change::MigratePages(0), "migrate_pages names 0; allowed: 1", "refused")]
#[case(Change::RdtL3(ways(0, 0x0f0)), "passes", "passes")]
#[case(Change::RdtL3(ways(0, 0x0fc)), "rdt_l3 mask fc in domain 0 has ways outside of ff0", "0=f0")]
#[case(Change::RdtL3(ways(0, 0xff0)), "rdt_l3 8 ways: 2 to 4 are allowed", "0=f0")]
#[case(Change::RdtL3(ways(0, 0x010)), "rdt_l3 1 ways: 2 to 4 are allowed", "refused")]
#[case(Change::RdtL3(ways(0, 0x003)), "rdt_l3 mask 3 in domain 0 has ways outside of ff0", "refused")]
#[case(Change::RdtL3(ways(1, 0x003)), "passes", "passes")]
#[case(Change::RdtL3Code(ways(0, 0x003)), "rdt_l3_code mask 3 in domain 0 has ways outside of ff0", "refused")]
#[case(Change::RdtL3Data(ways(0, 0x018)), "rdt_l3_data mask 18 in domain 0 has ways outside of ff0", "0=10")]
#[case(Change::RdtL2(ways(0, 0x18)), "rdt_l2 mask 18 in domain 0 has ways outside of f", "0=8")]
#[case(Change::RdtMb(Limit { domain: 0, value: 90 }), "rdt_mb 90 in domain 0 is more than 50", "0=50")]
#[case(Change::RdtMb(Limit { domain: 1, value: 90 }), "rdt_mb 90: 20 to 60 are allowed", "1=60")]
#[case(Change::RdtMb(Limit { domain: 1, value: 10 }), "rdt_mb 10: 20 to 60 are allowed", "1=20")]
#[case(Change::RdtGroup(Some("be".into())), "passes", "passes")]
#[case(Change::RdtGroup(Some("batch-1".into())), "passes", "passes")]
#[case(Change::RdtGroup(Some(String::new())), "the root group is not allowed; allowed: be, batch-?", "refused")]
#[case(Change::RdtGroup(None), "a group of its own is not allowed; allowed: be, batch-?", "refused")]
#[case(Change::Release(Kind::IoWeight), "passes", "passes")]
fn each_bound_refuses_or_clamps(#[case] change: Change, #[case] refused: &str, #[case] clamped: &str) {
    let told = |what: &str| if what == "passes" { what.into() } else { format!("rail `batch` (c.yaml:7): {what}") };
    assert_eq!(passed(rail(), &change), told(refused));
    let expected = if clamped == "refused" { told(refused) } else { clamped.to_owned() };
    assert_eq!(passed(Rail { clamp: true, ..rail() }, &change), expected);
}

#[rstest]
#[case(&[("qos", "batch")], "/a", true)]
#[case(&[("qos", "online")], "/a", false)]
#[case(&[], "/a", false)]
#[case(&[("qos", "batch"), ("team", "x"), ("keep", "1")], "/a", true)]
#[case(&[("qos", "batch"), ("team", "y"), ("keep", "1")], "/a", false)]
#[case(&[("qos", "batch")], "/b", false)]
fn a_rail_holds_for_the_tasks_that_it_names(
    #[case] of_task: &[(&str, &str)],
    #[case] cgroup: &str,
    #[case] holds: bool,
) {
    let rail = Rail {
        kinds: Some(BTreeSet::new()),
        except: labels(&[("team", "y"), ("keep", "*")]),
        cgroups: vec!["/a".into(), "/a/*".into()],
        ..rail()
    };
    let labels = labels(of_task);
    let bounded = Rails(vec![rail]).bound(RailedTask { labels: &labels, cgroup }, &Change::CpuQuota(0.5));
    assert_eq!(bounded.is_err(), holds);
}

#[test]
fn a_change_must_keep_within_all_rails_of_its_task() {
    let clamping = |least, most, clamp| Rail {
        name: format!("{least}-{most}"),
        ranges: [(Kind::CpuQuota, (least, most))].into(),
        clamp,
        ..Rail::default()
    };
    let task = RailedTask { labels: &[], cgroup: "/" };
    let bound = |rails: Vec<Rail>| Rails(rails).bound(task, &Change::CpuQuota(0.9));
    let both = bound(vec![clamping(0.0, 0.8, true), clamping(0.0, 0.5, true)]).unwrap();
    assert_eq!(both.change, Change::CpuQuota(0.5));
    assert_eq!(both.clamped.unwrap(), "clamped by rail `0-0.8` (), `0-0.5` ()");
    let strict = bound(vec![clamping(0.0, 0.8, true), clamping(0.0, 0.5, false)]).unwrap_err();
    assert_eq!(strict.to_string(), "rail `0-0.5` (): cpu_quota 0.8: 0 to 0.5 are allowed");
    // One that does not clamp is kept by what another one leaves.
    let first = bound(vec![clamping(0.0, 0.8, false), clamping(0.0, 0.5, true)]).unwrap();
    assert_eq!(first.change, Change::CpuQuota(0.5));
    let contrary = bound(vec![clamping(0.0, 0.5, true), clamping(0.6, 1.0, true)]).unwrap_err();
    assert_eq!(contrary.rail, "0-0.5");
}

#[test]
fn changes_of_the_last_minute_are_counted_over_all_tasks_of_a_rail() {
    let rails = Rails(vec![
        Rail { name: "all".into(), changes_per_minute: Some(3), ..Rail::default() },
        Rail { name: "a".into(), cgroups: vec!["/a".into()], changes_per_minute: Some(1), ..Rail::default() },
    ]);
    let task = |cgroup| RailedTask { labels: &[], cgroup };
    let mut rates = Rates::default();
    let mut count = |cgroup, seconds: u64| {
        let counted = rails.count_change(&mut rates, task(cgroup), Duration::from_secs(seconds));
        counted.map_or_else(|off| off.rail, |()| "counted".into())
    };
    assert_eq!(count("/a", 0), "counted");
    assert_eq!(count("/a", 1), "a");
    // What was refused has not been counted of the other rail.
    assert_eq!(count("/b", 30), "counted");
    assert_eq!(count("/b", 31), "counted");
    assert_eq!(count("/b", 32), "all");
    assert_eq!(count("/a", 61), "counted");
    assert_eq!(count("/b", 62), "all");
    assert_eq!(count("/b", 90), "counted");
}

#[test]
fn bytes_that_are_moved_are_counted_too() {
    let rails = Rails(vec![
        Rail { name: "all".into(), migrated_bytes_per_minute: Some(100), ..Rail::default() },
        Rail { name: "a".into(), cgroups: vec!["/a".into()], migrated_bytes_per_minute: Some(40), ..Rail::default() },
    ]);
    let (a, b) = (RailedTask { labels: &[], cgroup: "/a" }, RailedTask { labels: &[], cgroup: "/b" });
    let (mut rates, at) = (Rates::default(), Duration::from_secs);
    let movable = |rates: &Rates, task, now| rails.movable_bytes(rates, task, now).unwrap().map(|(bytes, _)| bytes);
    assert_eq!(movable(&rates, a, at(0)), Some(40));
    rails.count_moved(&mut rates, a, at(0), 30);
    assert_eq!(movable(&rates, a, at(1)), Some(10));
    assert_eq!(rails.movable_bytes(&rates, a, at(1)).unwrap().unwrap().1.name, "a");
    rails.count_moved(&mut rates, b, at(1), 70);
    let off = rails.movable_bytes(&rates, b, at(2)).unwrap_err();
    assert_eq!(off.to_string(), "rail `all` (): 100 bytes moved within a minute, at most 100 are allowed");
    assert_eq!(movable(&rates, b, at(60)), Some(30));
    assert_eq!(Rails::default().movable_bytes(&rates, b, at(2)), Ok(None));
}

#[test]
fn groups_that_are_named_are_known() {
    let of = |groups: &[&str]| Rail {
        groups: Some(groups.iter().map(|group| (*group).to_owned()).collect()),
        ..Rail::default()
    };
    assert_eq!(Rails(vec![of(&["be", "x*"]), Rail::default(), of(&["", "be"])]).named_groups(), ["", "be"]);
}

#[test]
fn a_group_to_which_another_request_leads_is_bounded_too() {
    let rails = Rails(vec![rail()]);
    let labels = labels(&[("qos", "batch-1")]);
    let check = |group| rails.check_group(RailedTask { labels: &labels, cgroup: "/a" }, group);
    assert_eq!(check(Some("be")), Ok(()));
    let told = check(None).unwrap_err().to_string();
    assert_eq!(told, "rail `batch` (c.yaml:7): a group of its own is not allowed; allowed: be, batch-?");
    assert_eq!(check(Some("")).unwrap_err().what, "the root group is not allowed; allowed: be, batch-?");
}

fn any_change() -> impl Strategy<Value = Change> {
    let id = 0..10_u32;
    let ids = prop::collection::vec(id.clone(), 0..6);
    let number = prop_oneof![Just(f64::NAN), Just(f64::INFINITY), -1.0..3.0_f64];
    let ways = (0..3_u32, any::<u64>().prop_map(|mask| mask & 0xffff)).prop_map(|(domain, mask)| Ways { domain, mask });
    let bytes = prop_oneof![Just(None), any::<u64>().prop_map(Some), (0..10_000_u64).prop_map(Some)];
    let group = prop_oneof![Just(None), "(be|batch-.|x?)".prop_map(Some)];
    prop_oneof![
        number.clone().prop_map(Change::CpuQuota),
        number.prop_map(Change::CpuShares),
        any::<u32>().prop_map(Change::CpuWeight),
        (0..300_u32).prop_map(Change::IoWeight),
        ids.clone().prop_map(Change::CpusetCpus),
        ids.prop_map(Change::CpusetMems),
        any::<bool>().prop_map(Change::CpusetMemoryMigrate),
        id.prop_map(Change::MigratePages),
        group.prop_map(Change::RdtGroup),
        ways.clone().prop_map(Change::RdtL3),
        ways.clone().prop_map(Change::RdtL3Code),
        ways.clone().prop_map(Change::RdtL3Data),
        ways.prop_map(Change::RdtL2),
        (0..3_u32, 0..200_u32).prop_map(|(domain, value)| Change::RdtMb(Limit { domain, value })),
        bytes.clone().prop_map(Change::MemoryHigh),
        bytes.prop_map(Change::MemoryMax),
        any::<u64>().prop_map(Change::MemoryLow),
    ]
}

fn any_rail() -> impl Strategy<Value = Rail> {
    let ids = || prop::option::of(prop::collection::btree_set(0..10_u32, 0..6));
    let kinds = prop::option::of(prop::collection::btree_set(prop::sample::select(Kind::ALL), 0..17));
    let ranges = prop::collection::btree_map(
        prop::sample::select(Kind::ALL),
        (0.0..5.0_f64, 0.0..1e4_f64).prop_map(|(least, more)| (least, least + more)),
        0..6,
    );
    let masks = || prop::collection::btree_map(0..3_u32, 0..0xffff_u64, 0..3);
    let mb = prop::collection::btree_map(0..3_u32, 0..100_u32, 0..3);
    let groups = prop::option::of(prop::collection::vec("(be|batch-\\*|\\*|)", 0..3));
    (kinds, ranges, ids(), ids(), masks(), masks(), mb, groups, any::<bool>()).prop_map(
        |(kinds, ranges, cpus, mems, l3, l2, mb, groups, clamp)| Rail {
            kinds,
            ranges,
            cpus,
            mems,
            l3,
            l2,
            mb,
            groups,
            clamp,
            ..Rail::default()
        },
    )
}

/// Written anew, in other words than the rails are, so that a mistake there is none here.
fn is_within(rail: &Rail, change: &Change) -> bool {
    let all_in = |ids: &[u32], allowed: &Option<BTreeSet<u32>>| match allowed {
        Some(allowed) => ids.iter().copied().collect::<BTreeSet<_>>().is_subset(allowed),
        None => true,
    };
    let in_range = |number: f64| match rail.ranges.get(&change.kind()) {
        Some((least, most)) => number >= *least && number <= *most,
        None => true,
    };
    let count = |ids: &[u32]| ids.iter().collect::<BTreeSet<_>>().len() as f64;
    let has_ways = |ways: &Ways, allowed: &BTreeMap<u32, u64>| {
        let mask = allowed.get(&ways.domain).copied().unwrap_or(u64::MAX);
        ways.mask | mask == mask && in_range((0..64).filter(|bit| ways.mask >> bit & 1 == 1).count() as f64)
    };
    rail.kinds.as_ref().is_none_or(|kinds| kinds.contains(&change.kind()))
        && match change {
            Change::CpuQuota(value) | Change::CpuShares(value) => in_range(*value),
            Change::CpuWeight(value) | Change::IoWeight(value) => in_range(f64::from(*value)),
            Change::CpusetCpus(ids) => all_in(ids, &rail.cpus) && in_range(count(ids)),
            Change::CpusetMems(ids) => all_in(ids, &rail.mems) && in_range(count(ids)),
            Change::MigratePages(node) => all_in(&[*node], &rail.mems),
            Change::RdtL3(ways) | Change::RdtL3Code(ways) | Change::RdtL3Data(ways) => has_ways(ways, &rail.l3),
            Change::RdtL2(ways) => has_ways(ways, &rail.l2),
            Change::RdtMb(limit) => {
                rail.mb.get(&limit.domain).is_none_or(|most| limit.value <= *most) && in_range(f64::from(limit.value))
            }
            Change::MemoryHigh(bytes) | Change::MemoryMax(bytes) => {
                in_range(bytes.map_or(f64::INFINITY, |bytes| bytes as f64))
            }
            Change::MemoryLow(bytes) => in_range(*bytes as f64),
            Change::RdtGroup(group) => rail.groups.as_ref().is_none_or(|patterns| {
                patterns.iter().any(|pattern| match (pattern.as_str(), group) {
                    ("*", _) => true,
                    ("batch-*", Some(name)) => name.starts_with("batch-"),
                    (pattern, Some(name)) => pattern == name,
                    (_, None) => false,
                })
            }),
            Change::CpusetMemoryMigrate(_) | Change::Release(_) => true,
        }
}

/// How many cases; `.ci/full` wants more.
fn cases() -> u32 {
    std::env::var("WCA_PROPERTY_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(4_000)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases()) })]

    #[test]
    fn nothing_that_passes_is_out_of_the_rails(
        rails in prop::collection::vec(any_rail(), 0..4),
        change in any_change(),
    ) {
        let labels = labels(&[("qos", "batch")]);
        let task = RailedTask { labels: &labels, cgroup: "/a" };
        let bounded = Rails(rails.clone()).bound(task, &change);
        let was_within = rails.iter().all(|rail| is_within(rail, &change));
        match bounded {
            Ok(Bounded { change: passed, clamped }) => {
                prop_assert_eq!(passed.kind(), change.kind());
                prop_assert_eq!(passed.domain(), change.domain());
                prop_assert!(rails.iter().all(|rail| is_within(rail, &passed)), "{:?}", passed);
                prop_assert_eq!(was_within, clamped.is_none(), "what is within stays as it is");
            }
            Err(_) => prop_assert!(!was_within, "what is within is not refused"),
        }
    }
}
