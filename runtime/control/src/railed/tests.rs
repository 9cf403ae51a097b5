use rstest::rstest;
use wca_model::platform::{BandwidthControl, BandwidthUnit};
use wca_model::request::Ways;
use wca_model::{Kind, TaskKey};
use wca_rules::Rail;

use super::*;
use crate::plan::Planned;
use crate::testing::{Machine, owner, planned};

fn tasks() -> Tasks {
    let task = |key, qos: &str| ControlledTask {
        key: TaskKey(key),
        cgroup: format!("/{key}"),
        containers: vec![],
        labels: vec![("qos".into(), qos.into())],
        cpuset_is_managed_by: None,
    };
    Tasks::new(vec![task(1, "batch"), task(2, "online")])
}

fn quota(task: u64, share: f64) -> Request {
    Request { task: TaskKey(task), change: Change::CpuQuota(share) }
}

fn rails(clamp: bool) -> Rails {
    Rails(vec![Rail {
        name: "batch".into(),
        place: "c.yaml:3".into(),
        tasks: vec![("qos".into(), "batch".into())],
        ranges: [(Kind::CpuQuota, (0.0, 0.5))].into(),
        changes_per_minute: Some(1),
        clamp,
        ..Rail::default()
    }])
}

fn due(cgroup: &str, planned: Planned) -> Due {
    Due { at: 0, owner: owner(cgroup, Kind::CpuShares), planned }
}

#[test]
fn what_is_out_of_the_rails_is_refused_by_name_and_line() {
    let requests = [quota(1, 0.9), quota(2, 0.9), quota(1, 0.5), quota(1, 7.0), quota(9, 0.9)];
    let mut fates = vec![None; requests.len()];
    let railed = RailKeeper::default().bound(&rails(false), &requests, &tasks(), &Platform::default(), &mut fates);
    assert_eq!(railed.requests, requests);
    let told = "rail `batch` (c.yaml:3): cpu_quota 0.9: 0 to 0.5 are allowed";
    assert_eq!(fates, [Some(Fate::Failed(told.into())), None, None, None, None]);
}

#[test]
fn what_is_clamped_is_told_with_both_values() {
    let requests = [quota(1, 0.9), quota(2, 0.9), quota(1, 0.8)];
    let mut fates = vec![None; requests.len()];
    let railed = RailKeeper::default().bound(&rails(true), &requests, &tasks(), &Platform::default(), &mut fates);
    assert_eq!(railed.requests, [quota(1, 0.5), quota(2, 0.9), quota(1, 0.5)]);
    let mut planned = [due("/1", Planned::default())];
    railed.say_what_was_asked(&requests, &mut planned);
    assert_eq!(planned[0].owner.asked, "0.9, clamped by rail `batch` (c.yaml:3)");
    let mut fates = [Some(Fate::Applied), Some(Fate::Applied), Some(Fate::Adjusted("50000 100000".into()))];
    railed.adjust(&mut fates);
    let adjusted = |text: &str| Some(Fate::Adjusted(text.into()));
    assert_eq!(
        fates,
        [
            adjusted("0.5, clamped by rail `batch` (c.yaml:3)"),
            Some(Fate::Applied),
            adjusted("50000 100000, clamped by rail `batch` (c.yaml:3)"),
        ]
    );
    let mut failed = [Some(Fate::Failed("no".into())), Some(Fate::Shadowed), None];
    railed.adjust(&mut failed);
    assert_eq!(failed, [Some(Fate::Failed("no".into())), Some(Fate::Shadowed), None]);
}

/// Of 55 percent, the hardware makes 60.
#[rstest]
#[case::as_asked((0, 60), false, 55, Ok(55))]
#[case::rounded_out_of_it((0, 55), false, 55, Err("rdt_mb 60: 0 to 55 are allowed"))]
#[case::below_the_most((0, 55), true, 55, Ok(50))]
#[case::the_most((0, 50), true, 100, Ok(50))]
#[case::rounded_into_it((58, 100), false, 52, Ok(52))]
#[case::above_the_least((58, 100), true, 30, Ok(60))]
#[case::no_multiple_in_it((52, 58), true, 30, Err("rdt_mb 50: 52 to 58 are allowed"))]
fn bandwidth_is_judged_by_what_is_written(
    #[case] (least, most): (u32, u32),
    #[case] clamp: bool,
    #[case] asked: u32,
    #[case] expected: Result<u32, &str>,
) {
    let control = BandwidthControl { domains: vec![0], unit: BandwidthUnit::Percent, min: 10, step: 10 };
    let platform = Platform { bandwidth: Some(control), groups: 8, ..Platform::default() };
    let range = (f64::from(least), f64::from(most));
    let rails = Rails(vec![Rail { ranges: [(Kind::RdtMb, range)].into(), clamp, ..Rail::default() }]);
    let request = |value| Request { task: TaskKey(1), change: Change::RdtMb(Limit { domain: 0, value }) };
    let mut fates = vec![None];
    let railed = RailKeeper::default().bound(&rails, &[request(asked)], &tasks(), &platform, &mut fates);
    match expected {
        Ok(value) => {
            assert_eq!((railed.requests, fates), (vec![request(value)], vec![None]));
        }
        Err(why) => assert_eq!(fates, [Some(Fate::Failed(format!("rail `` (): {why}")))]),
    }
}

#[test]
fn a_value_that_stands_there_is_no_change_and_one_too_many_is_refused() {
    let machine = Machine::new().with("/1", "1024\n", "-1\n");
    let (tasks, rails, mut keeper) = (tasks(), rails(false), RailKeeper::default());
    let task = tasks.get(TaskKey(1)).unwrap();
    let mut count = |rails: &Rails, shares: &str| {
        let due = due("/1", planned("/1", &[("cpu.shares", shares)]));
        let settings = Settings { rails: rails.clone(), ..Settings::default() };
        keeper.count(&settings, &tasks, task, &Change::CpuShares(1.0), &due, &machine.values())
    };
    assert_eq!(count(&rails, "1024"), Ok(()));
    assert_eq!(count(&rails, "2000"), Ok(()));
    let told = "rail `batch` (c.yaml:3): 1 changes within a minute, at most 1 are allowed";
    assert_eq!(count(&rails, "3000"), Err(told.into()));
    assert_eq!(count(&rails, "1024"), Ok(()), "nothing would change");
    let mut others = rails.clone();
    others.0[0].changes_per_minute = Some(2);
    assert_eq!(count(&others, "3000"), Ok(()), "other rails count anew");
}

#[test]
fn what_moves_pages_is_refused_where_nobody_knows_how_much_it_is() {
    let machine = Machine::new().with("/1", "1024\n", "-1\n");
    let (tasks, mut keeper) = (tasks(), RailKeeper::default());
    let task = tasks.get(TaskKey(1)).unwrap();
    let rails = Rails(vec![Rail { migrated_bytes_per_minute: Some(1 << 20), ..Rail::default() }]);
    let mut count = |rails: &Rails, change: &Change| {
        let settings = Settings { rails: rails.clone(), ..Settings::default() };
        keeper.count(&settings, &tasks, task, change, &due("/1", Planned::default()), &machine.values())
    };
    let told = count(&rails, &Change::MigratePages(0)).unwrap_err();
    assert_eq!(
        told,
        "rail `` (): migrate_pages of /1: it bounds how much is moved, and the kernel does not say how much this is"
    );
    assert_eq!(count(&rails, &Change::RdtL3(Ways { domain: 0, mask: 1 })), Ok(()));
    assert_eq!(count(&Rails::default(), &Change::MigratePages(0)), Ok(()));
}

#[test]
fn a_group_that_a_request_for_ways_leads_to_is_within_the_rails_too() {
    let machine = Machine::new().with("/1", "1024\n", "-1\n");
    let (tasks, values) = (tasks(), machine.values());
    let own = values.own_group("/1", 0).unwrap();
    let rails = Rails(vec![Rail { name: "r".into(), groups: Some(vec!["be".into()]), ..Rail::default() }]);
    let cell = |group: &str| Spot::Schemata { group: group.into(), resource: "L3".into(), domain: 0 };
    let check = |spot: Spot, value: &str| {
        let planned = Planned { steps: vec![Step { spot, value: value.into() }], adjusted: None };
        check_groups(&rails, tasks.get(TaskKey(1)).unwrap(), &due("/1", planned), &values)
    };
    assert_eq!(check(cell("be"), "f"), Ok(()));
    let threads = Spot::Threads { cgroup: "/1".into() };
    assert_eq!(check(threads.clone(), "be"), Ok(()));
    let told = Err("rail `r` (): a group of its own is not allowed; allowed: be".to_owned());
    assert_eq!(check(Spot::Group { name: own.clone() }, "made"), told);
    assert_eq!(check(cell(&own), "f"), told);
    assert_eq!(check(threads, &own), told);
    let told = Err("rail `r` (): the root group is not allowed; allowed: be".to_owned());
    assert_eq!(check(cell(""), "f"), told);
}
