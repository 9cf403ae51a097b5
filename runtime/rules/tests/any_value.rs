//! Whatever is asked for: an answer, never a panic, and nothing taken that the machine cannot hold.

use proptest::prelude::*;
use wca_model::platform::{BandwidthControl, BandwidthUnit, CacheControl, Cpu, NumaNode};
use wca_model::request::{Limit, Ways};
use wca_model::{Change, Kind, Platform, Request, TaskKey};
use wca_rules::{rounded_bandwidth, validate, which_count};

fn change() -> impl Strategy<Value = Change> {
    let ways = || (0..20_u32, any::<u64>()).prop_map(|(domain, mask)| Ways { domain, mask });
    let ids = || proptest::collection::vec(prop_oneof![0..8_u32, any::<u32>()], 0..6);
    prop_oneof![
        any::<f64>().prop_map(Change::CpuQuota),
        any::<f64>().prop_map(Change::CpuShares),
        any::<u32>().prop_map(Change::CpuWeight),
        ids().prop_map(Change::CpusetCpus),
        ids().prop_map(Change::CpusetMems),
        any::<bool>().prop_map(Change::CpusetMemoryMigrate),
        any::<u32>().prop_map(Change::MigratePages),
        any::<Option<String>>().prop_map(Change::RdtGroup),
        ways().prop_map(Change::RdtL3),
        ways().prop_map(Change::RdtL3Code),
        ways().prop_map(Change::RdtL3Data),
        ways().prop_map(Change::RdtL2),
        (0..20_u32, any::<u32>()).prop_map(|(domain, value)| Change::RdtMb(Limit { domain, value })),
        any::<Option<u64>>().prop_map(Change::MemoryHigh),
        any::<Option<u64>>().prop_map(Change::MemoryMax),
        any::<u64>().prop_map(Change::MemoryLow),
        any::<u32>().prop_map(Change::IoWeight),
        proptest::sample::select(Kind::ALL).prop_map(Change::Release),
    ]
}

fn cache() -> impl Strategy<Value = Option<CacheControl>> {
    let any_cache = (proptest::collection::vec(0..20_u32, 0..4), any::<u64>(), any::<u32>(), any::<[bool; 2]>());
    proptest::option::of(any_cache.prop_map(|(domains, mask, min_ways, [contiguous, code_data])| CacheControl {
        domains,
        mask,
        min_ways,
        contiguous,
        code_data,
    }))
}

fn bandwidth() -> impl Strategy<Value = BandwidthControl> {
    let units = [BandwidthUnit::Percent, BandwidthUnit::MegabytesPerSecond, BandwidthUnit::EighthsOfGigabytePerSecond];
    (proptest::collection::vec(0..20_u32, 0..4), proptest::sample::select(units.to_vec()), any::<u32>(), any::<u32>())
        .prop_map(|(domains, unit, min, step)| BandwidthControl { domains, unit, min, step })
}

prop_compose! {
    fn platform()(
        cpus in 0..9_u32,
        nodes in proptest::collection::vec(any::<u64>(), 0..4),
        swap in any::<bool>(),
        l3 in cache(),
        l2 in cache(),
        bandwidth in proptest::option::of(bandwidth()),
        groups in 0..3_u32,
    ) -> Platform {
        let node = |(id, memory): (usize, &u64)| NumaNode { id: id as u32, memory: *memory, distances: vec![] };
        Platform {
            cpus: (0..cpus).map(|id| Cpu { id, core: id, socket: 0, node: 0 }).collect(),
            nodes: nodes.iter().enumerate().map(node).collect(),
            swap, l3, l2, bandwidth, groups,
            ..Platform::default()
        }
    }
}

proptest! {
    #[test]
    fn every_change_on_every_machine_has_an_answer(change in change(), platform in platform()) {
        match validate(&change, &platform) {
            Err(refusal) => {
                let told = refusal.to_string();
                prop_assert!(told.contains(change.kind().as_str()), "{told}");
                prop_assert!(told.len() < 2_000, "{told}");
            }
            Ok(()) => match &change {
                Change::CpusetCpus(cpus) => {
                    prop_assert!(!cpus.is_empty());
                    prop_assert!(cpus.iter().all(|id| platform.cpus.iter().any(|cpu| cpu.id == *id)));
                }
                Change::RdtL3(ways) => {
                    let l3 = platform.l3.unwrap();
                    prop_assert!(l3.domains.contains(&ways.domain));
                    prop_assert!(ways.mask != 0 && ways.mask & !l3.mask == 0);
                }
                Change::RdtGroup(Some(name)) => prop_assert!(!name.contains('/') && name != ".."),
                Change::CpuQuota(share) => prop_assert!((0.0..=1.0).contains(share)),
                _ => {}
            },
        }
    }

    #[test]
    fn rounding_goes_up_and_stays_in_range(value in 0..=100_u32, control in bandwidth()) {
        let rounded = rounded_bandwidth(value, &control);
        prop_assert!(rounded >= value);
        prop_assert!(control.unit != BandwidthUnit::Percent || rounded <= 100);
    }

    #[test]
    fn one_request_counts_for_each_thing_and_the_last_always_does(
        changes in proptest::collection::vec((0..3_u64, change()), 1..40),
    ) {
        let requests: Vec<Request> =
            changes.into_iter().map(|(task, change)| Request { task: TaskKey(task), change }).collect();
        let counts = which_count(&requests);
        prop_assert_eq!(counts.len(), requests.len());
        prop_assert!(counts[requests.len() - 1]);
        let mut seen = std::collections::HashSet::new();
        for (request, _) in requests.iter().zip(&counts).filter(|(_, counts)| **counts) {
            prop_assert!(seen.insert((request.task, request.change.kind(), request.change.domain())));
        }
    }
}
