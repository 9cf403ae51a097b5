use wca_model::request::{Limit, Ways};

use super::*;
use crate::policies::Decision;
use crate::testing::{node, snapshot, warden};

fn decision(requests: Vec<(u64, Change)>) -> Decision {
    let request = |(task, change)| Asked { task: TaskKey(task), change };
    let requests = requests.into_iter().map(request).collect();
    Decision {
        policy: "P".into(),
        number: 0,
        contentions: vec![],
        metrics: vec![],
        requests,
        refused: 0,
        begins_anew: false,
    }
}

fn with_fate(decision: Decision, fate: &Fate) -> Applied {
    let outcome = |request: &Asked| Outcome {
        task: request.task,
        kind: request.change.kind(),
        domain: request.change.domain(),
        fate: fate.clone(),
    };
    let outcomes = decision.requests.iter().map(outcome).collect();
    vec![(decision, outcomes)]
}

fn l3(task: u64, mask: u64) -> (u64, Change) {
    (task, Change::RdtL3(Ways { domain: 0, mask }))
}

fn mb(task: u64, domain: u32, value: u32) -> (u64, Change) {
    (task, Change::RdtMb(Limit { domain, value }))
}

fn group(task: u64, name: &str) -> (u64, Change) {
    (task, Change::RdtGroup(Some(name.into())))
}

/// Each sample as `name{labels} value`, without what is the same for all of a task.
fn shown(samples: &[Sample]) -> Vec<String> {
    let text = |sample: &Sample| {
        let labels = sample.labels.iter().filter(|(name, _)| name != "container_name");
        let labels: Vec<String> = labels.map(|(name, value)| format!("{name}={value}")).collect();
        format!("{}{{{}}} {}", sample.name.trim_start_matches("allocation_"), labels.join(","), sample.value)
    };
    samples.iter().map(text).collect()
}

fn of_one(current: InForce, requests: Vec<(u64, Change)>, fate: &Fate) -> Vec<String> {
    shown(&metrics(&snapshot(&[1.0]), &[current], &with_fate(decision(requests), fate)))
}

#[test]
fn v23_processors_and_nodes_are_counted() {
    let of = |kind: &str, what: &str| format!("{kind}_number_of_{what}{{allocation_type={kind},task=task1}}");
    let expected = [of("cpuset_cpus", "cpus") + " 7", of("cpuset_mems", "mems") + " 2"];
    let (cpus, mems) = (vec![0, 1, 2, 4, 6, 7, 8], vec![0, 1]);
    let current = InForce { cpuset_cpus: Some(cpus.clone()), cpuset_mems: Some(mems.clone()), ..InForce::default() };
    assert_eq!(of_one(current, vec![], &Fate::Unchanged), expected, "in force");
    let asked = vec![(1, Change::CpusetCpus(cpus)), (1, Change::CpusetMems(mems))];
    assert_eq!(of_one(InForce::default(), asked, &Fate::Applied), expected, "asked for");
}

#[test]
fn v37_ways_and_mask_of_a_group() {
    let found = of_one(InForce::default(), vec![group(1, "c1"), l3(1, 0xff)], &Fate::Shadowed);
    let of = |kind: &str| format!("{kind}{{allocation_type={kind},task=task1,group_name=c1,domain_id=0}}");
    assert_eq!(found, [of("rdt_l3_cache_ways") + " 8", of("rdt_l3_mask") + " 255"]);
}

#[test]
fn v38_bandwidth_of_each_domain() {
    let requests = vec![l3(1, 0xff), mb(1, 0, 20), mb(1, 1, 30), group(1, "be")];
    let found = of_one(InForce::default(), requests, &Fate::Shadowed);
    let of =
        |kind: &str, domain| format!("{kind}{{allocation_type={kind},task=task1,group_name=be,domain_id={domain}}}");
    let expected = [
        of("rdt_l3_cache_ways", 0) + " 8",
        of("rdt_l3_mask", 0) + " 255",
        of("rdt_mb", 0) + " 20",
        of("rdt_mb", 1) + " 30",
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn v116_three_runs_of_an_allocator() {
    let (client, _) = warden(|other| panic!("{other:?}"));
    let mut node = node(client);
    let root = || InForce {
        cpu_quota: Some(1.0),
        rdt: Some(RdtInForce { l3: vec![(0, 0xfffff)], ..RdtInForce::default() }),
        ..InForce::default()
    };
    let both = || vec![group(1, "one_group"), l3(1, 0xfff), group(2, "one_group"), l3(2, 0xfff)];
    let runs = [
        (&[1.0][..], vec![(1, Change::CpuQuota(0.5)), l3(1, 0xf)], 1.0, [("4", "15")].as_slice()),
        (&[1.0, 1.0], vec![(1, Change::CpuQuota(0.5)), l3(1, 0xf)], 2.0, &[("4", "15"), ("20", "1048575")]),
        (&[1.0, 1.0], both(), 4.0, &[("12", "4095"), ("12", "4095")]),
    ];
    for (tasks, requests, count, ways) in runs {
        let applied = with_fate(decision(requests), &Fate::Shadowed);
        let samples = metrics(&snapshot(tasks), &vec![root(); tasks.len()], &applied);
        let of = |name: &str| -> Vec<String> {
            samples.iter().filter(|sample| sample.name == name).map(|sample| sample.value.to_string()).collect()
        };
        let (counts, masks) = (of("allocation_rdt_l3_cache_ways"), of("allocation_rdt_l3_mask"));
        assert_eq!(counts, ways.iter().map(|(count, _)| *count).collect::<Vec<_>>());
        assert_eq!(masks, ways.iter().map(|(_, mask)| *mask).collect::<Vec<_>>());
        let counted = node.allocation_metrics(&applied);
        assert_eq!((counted[0].name.as_str(), counted[0].value), ("allocations_count", count));
    }
}

#[test]
fn what_is_in_force_is_told_with_what_was_asked_for() {
    let current = InForce {
        cpu_quota: Some(1.0),
        cpu_shares: Some(1.0),
        cpuset_cpus: Some(vec![0, 1, 2]),
        cpuset_mems: Some(vec![0]),
        cpuset_memory_migrate: Some(false),
        memory_max: Some(4096.0),
        ..InForce::default()
    };
    let requests = || {
        vec![
            (1, Change::CpuQuota(0.25)),
            (1, Change::CpusetCpus(vec![3, 3, 4])),
            (1, Change::CpusetMemoryMigrate(true)),
            (1, Change::MigratePages(1)),
        ]
    };
    let of = |kind: &str, name: &str, value: f64| format!("{name}{{allocation_type={kind},task=task1}} {value}");
    let taken = [
        of("cpu_quota", "cpu_quota", 0.25),
        of("cpu_shares", "cpu_shares", 1.0),
        of("cpuset_cpus", "cpuset_cpus_number_of_cpus", 2.0),
        of("cpuset_mems", "cpuset_mems_number_of_mems", 1.0),
        of("cpuset_memory_migrate", "cpuset_memory_migrate", 1.0),
        of("migrate_pages", "migrate_pages", 1.0),
    ];
    for fate in [Fate::Applied, Fate::Unchanged, Fate::Shadowed] {
        assert_eq!(of_one(current.clone(), requests(), &fate), taken, "{fate}");
    }
    let left = [
        of("cpu_quota", "cpu_quota", 1.0),
        of("cpu_shares", "cpu_shares", 1.0),
        of("cpuset_cpus", "cpuset_cpus_number_of_cpus", 3.0),
        of("cpuset_mems", "cpuset_mems_number_of_mems", 1.0),
        of("cpuset_memory_migrate", "cpuset_memory_migrate", 0.0),
    ];
    // Of what was adjusted, what is in force is told.
    for fate in [Fate::Failed("no".into()), Fate::Reverted("worse".into()), Fate::Adjusted("other".into())] {
        assert_eq!(of_one(current.clone(), requests(), &fate), left, "{fate}");
    }
}

#[test]
fn every_series_has_the_labels_of_its_task() {
    let snapshot = snapshot(&[1.0]);
    let mut task = (*snapshot.roster.tasks[0]).clone();
    task.labels = vec![("app".into(), "x".into()), ("task".into(), "forged".into())];
    task.cgroup = "/kubepods/pod-1".into();
    let found = labels(&task, "cpu_quota", &[]);
    let expected =
        [("app", "x"), ("task", "task1"), ("allocation_type", "cpu_quota"), ("container_name", "kubepods-pod-1")];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(found, expected);
}

#[test]
fn what_an_old_group_had_is_not_carried_over() {
    let rdt = RdtInForce { group: "old".into(), l3: vec![(0, 0xf)], mb: vec![(0, 50)], ..RdtInForce::default() };
    let current = InForce { rdt: Some(rdt), ..InForce::default() };
    assert_eq!(of_one(current.clone(), vec![group(1, "new")], &Fate::Shadowed), [""; 0]);
    let stays = of_one(current, vec![group(1, "old"), mb(1, 0, 60)], &Fate::Shadowed);
    assert_eq!(stays.len(), 3);
    assert!(stays[2].ends_with("group_name=old,domain_id=0} 60"), "{stays:?}");
}

#[tokio::test]
async fn what_is_in_force_is_read_again_only_where_something_has_changed() {
    let (client, asked) = warden(|request| match request {
        Request::InForce => Reply::InForce(vec![InForce { cpu_quota: Some(0.3), ..InForce::default() }]),
        other => panic!("{other:?}"),
    });
    let mut node = node(client);
    node.storages.lock().unwrap().allocations = Some(wca_storage::Outlet::default());
    let before = InForce { cpu_quota: Some(1.0), ..InForce::default() };
    let snapshot = || std::sync::Arc::into_inner(snapshot(&[1.0])).unwrap().with_in_force(vec![before.clone()]);
    let request = || decision(vec![(1, Change::CpuQuota(0.29))]);
    let mut value = async |fate: Fate| {
        let samples = node.targets(&snapshot(), &with_fate(request(), &fate)).await.unwrap();
        samples[0].value
    };
    assert_eq!(value(Fate::Shadowed).await, 0.29);
    assert_eq!(value(Fate::Failed("no".into())).await, 1.0);
    assert_eq!(asked.lock().unwrap().len(), 0);
    assert_eq!(value(Fate::Adjusted("0.3".into())).await, 0.3);
    assert_eq!(asked.lock().unwrap().len(), 1);
    node.storages.lock().unwrap().allocations = None;
    assert!(node.targets(&snapshot(), &with_fate(request(), &Fate::Applied)).await.unwrap().is_empty());
}
