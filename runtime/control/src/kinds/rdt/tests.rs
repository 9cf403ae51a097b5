//! Plans and defaults on trees that stand in for machines; a real resctrl is tried in `tests/testbed_rdt.rs`.

mod any_request;
mod touched;

use std::fs;
use std::path::Path;

use rstest::rstest;
use wca_kernel::Roots;
use wca_kernel::values::Values;
use wca_model::platform::{BandwidthControl, BandwidthUnit, CacheControl};
use wca_model::request::{Limit, Ways};
use wca_model::{Mode, Platform};

use super::*;
use crate::control::Control;
use crate::held::Held;
use crate::journal::Journal;
use crate::policy::Policy;
use crate::settings::{RdtSettings, Settings};
use crate::tasks::Tasks;

const MOUNTS: &str = "30 25 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n\
                      33 25 0:28 / /sys/fs/resctrl rw - resctrl resctrl rw\n";

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Cgroups `/a` and `/b`, a root group with these schemata, and a group `be` of somebody else.
fn tree(schemata: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    write(root, "proc/self/mountinfo", MOUNTS);
    write(root, "sys/fs/cgroup/a/cgroup.threads", "7\n");
    write(root, "sys/fs/cgroup/b/cgroup.threads", "8\n");
    write(root, "sys/fs/resctrl/info/last_cmd_status", "ok\n");
    for group in ["", "be/"] {
        write(root, &format!("sys/fs/resctrl/{group}schemata"), schemata);
        write(root, &format!("sys/fs/resctrl/{group}tasks"), "");
        fs::create_dir_all(root.join(format!("sys/fs/resctrl/{group}mon_groups"))).unwrap();
    }
    dir
}

fn platform() -> Platform {
    let l3 = CacheControl { domains: vec![0, 1], mask: 0xfff, min_ways: 2, contiguous: true, code_data: false };
    let bandwidth = BandwidthControl { domains: vec![0, 1], unit: BandwidthUnit::Percent, min: 10, step: 10 };
    Platform { l3: Some(l3), bandwidth: Some(bandwidth), groups: 8, ..Platform::default() }
}

fn tasks() -> Tasks {
    let task = |key: u64, cgroup: &str| ControlledTask {
        key: TaskKey(key),
        cgroup: cgroup.into(),
        containers: vec![],
        labels: vec![],
        cpuset_is_managed_by: None,
    };
    Tasks::new(vec![task(0, "/a"), task(1, "/b")])
}

fn settings(named: &[&str]) -> Settings {
    let named_groups = named.iter().map(|name| (*name).to_owned()).collect();
    Settings { mode: Mode::Apply, rdt: RdtSettings { named_groups, ..RdtSettings::default() }, ..Settings::default() }
}

fn group(name: Option<&str>) -> Change {
    Change::RdtGroup(name.map(str::to_owned))
}

fn l3(domain: u32, mask: u64) -> Change {
    Change::RdtL3(Ways { domain, mask })
}

fn mb(domain: u32, value: u32) -> Change {
    Change::RdtMb(Limit { domain, value })
}

fn owner(change: &Change) -> Owner {
    Owner {
        policy: Policy { name: "P".into(), digest: "00".into() },
        cgroup: "/a".into(),
        kind: change.kind(),
        domain: change.domain(),
        asked: change.to_string(),
    }
}

/// The task `/a` is in a group with these ways in domain 0.
fn in_force(values: &Values, journal: &mut Journal, name: &str, ways: Option<u64>) {
    let mut hold = |spot: Spot, written: String, change: Change| {
        let owner = owner(&change);
        let (life, before) = (1, String::new());
        journal.writing(Held {
            spot: spot.clone(),
            life,
            owner,
            before,
            written: written.clone(),
            now: None,
            since: 0.0,
        })?;
        journal.written(&spot, &written)
    };
    fs::create_dir_all(values.roots().path(format!("/sys/fs/resctrl/{name}"))).unwrap();
    if !name.is_empty() {
        hold(Spot::Group { name: name.into() }, "made".into(), group(None)).unwrap();
    }
    if let Some(ways) = ways {
        let spot = Spot::Schemata { group: name.into(), resource: "L3".into(), domain: 0 };
        hold(spot, format!("{ways:x}"), l3(0, ways)).unwrap();
    }
    hold(Spot::Threads { cgroup: "/a".into() }, name.into(), group(None)).unwrap();
}

/// Steps in their order, those of one write with a comma between them; `own` is the group of `/a` alone.
fn steps(now: Option<(&str, Option<u64>)>, asked: &[(u64, Change)]) -> Vec<String> {
    let dir = tree("L3:0=fff;1=fff\nMB:0=100;1=100\n");
    let values = Values::find(&Roots::at(dir.path())).unwrap();
    let own = values.own_group("/a", 0).unwrap();
    let mut journal = Journal::in_memory();
    if let Some((name, ways)) = now {
        in_force(&values, &mut journal, if name == "own" { &own } else { name }, ways);
    }
    let (platform, settings, tasks) = (platform(), settings(&["", "be"]), tasks());
    let context =
        Context { values: &values, platform: &platform, settings: &settings, tasks: &tasks, journal: &journal };
    let requests: Vec<Request> =
        asked.iter().map(|(key, change)| Request { task: TaskKey(*key), change: change.clone() }).collect();
    let asked = requests.iter().enumerate().map(|(at, request)| {
        let task = tasks.get(request.task).unwrap();
        Asked { at, request, task, owner: Owner { cgroup: task.cgroup.clone(), ..owner(&request.change) } }
    });
    let plan = plan(asked.collect(), &context, |_, _| Ok(()));
    assert!(plan.refused.is_empty(), "{:?}", plan.refused);
    let steps: Vec<Step> = plan.due.into_iter().chain(plan.later).flat_map(|due| due.planned.steps).collect();
    let text = |step: &Step| {
        let of = |group: &str| if group.is_empty() { "root".into() } else { group.replace(&own, "own") };
        match &step.spot {
            Spot::Group { name } => format!("{} {}", of(name), step.value),
            Spot::Schemata { group, resource, domain } => format!("{} {resource}:{domain}={}", of(group), step.value),
            Spot::Threads { cgroup } => format!("{cgroup} in {}", of(&step.value)),
            other => other.to_string(),
        }
    };
    let together = steps.chunk_by(|one, other| values.are_together(&one.spot, &other.spot));
    together.map(|steps| steps.iter().map(text).collect::<Vec<_>>().join(", ")).collect()
}

/// Test vectors 32, 34, 35 and 53 of the Python agent: what changes, and in how many writes.
#[rstest]
#[case::same_group(Some(("own", Some(0xff))), &[(0, l3(0, 0xf))], &["own made", "own L3:0=f", "/a in own"])]
#[case::same_group_more(Some(("own", Some(0xff))), &[(0, mb(1, 30))], &["own made", "own MB:1=30, own L3:0=ff", "/a in own"])]
#[case::to_the_root(Some(("own", Some(0xf))), &[(0, group(Some(""))), (0, l3(0, 0xf))], &["root L3:0=f", "/a in root"])]
#[case::from_nowhere(None, &[(0, group(None))], &["own made", "/a in own"])]
#[case::from_the_root(Some(("", None)), &[(0, group(None))], &["own made", "/a in own"])]
#[case::to_a_name(Some(("own", None)), &[(0, group(Some("be")))], &["/a in be"])]
#[case::nothing_is_carried(Some(("own", Some(0xf))), &[(0, group(Some("new")))], &["new made", "/a in new"])]
#[case::two_in_be(None, &[(0, group(Some("be"))), (0, l3(0, 0xf)), (0, mb(0, 50)), (1, group(Some("be"))), (1, l3(0, 0xf))],
    &["be L3:0=f, be MB:0=50", "/a in be", "be L3:0=f", "/b in be"])]
#[case::be_and_root(None, &[(0, group(Some("be"))), (0, l3(0, 0xf)), (1, group(Some(""))), (1, l3(0, 0xf))],
    &["be L3:0=f", "/a in be", "root L3:0=f", "/b in root"])]
fn steps_of_tasks(
    #[case] now: Option<(&str, Option<u64>)>,
    #[case] asked: &[(u64, Change)],
    #[case] expected: &[&str],
) {
    assert_eq!(steps(now, asked), expected);
}

fn control(dir: &tempfile::TempDir, settings: Settings) -> Control {
    let policy = Policy { name: "P".into(), digest: "00".into() };
    Control::open(&Roots::at(dir.path()), None, settings, vec![policy]).unwrap().0
}

/// What stands in the schemata of a group; in a tree, what was written last.
fn schemata(dir: &tempfile::TempDir, group: &str) -> String {
    fs::read_to_string(dir.path().join("sys/fs/resctrl").join(group).join("schemata")).unwrap()
}

/// Test vector 41: zeros and white space before a mask and the case of its digits are none of a change, nor are domains that are
/// not named, nor is a group without any.
#[rstest]
#[case("L3:0=00f;1=00f", &[(0, 0xf), (1, 0xf)], false)]
#[case("L3:0=00f;1=00f", &[(0, 0xf)], false)]
#[case("L3:0= 00f;1=00ff", &[(0, 0xf)], false)]
#[case("L3:0=00f;1=00f", &[(0, 0xf0)], true)]
#[case("L3:0=00F;1=FF", &[(0, 0xf), (1, 0xff)], false)]
#[case::against_none("L3:0=00f;1=00f", &[], false)]
fn what_is_a_change(#[case] found: &str, #[case] asked: &[(u32, u64)], #[case] is_changed: bool) {
    let dir = tree(found);
    let mut control = control(&dir, settings(&["be"]));
    let asked = asked.iter().map(|(domain, mask)| l3(*domain, *mask));
    let requests: Vec<Request> =
        std::iter::once(group(Some("be"))).chain(asked).map(|change| Request { task: TaskKey(0), change }).collect();
    let outcomes = control.apply(0, &requests, &tasks(), &platform());
    let fates: Vec<_> = outcomes.into_iter().skip(1).map(|outcome| outcome.fate).collect();
    let expected = if is_changed { wca_model::Fate::Applied } else { wca_model::Fate::Unchanged };
    assert!(fates.iter().all(|fate| *fate == expected), "{fates:?}");
    assert_eq!(schemata(&dir, "be") != found, is_changed);
}

/// The machine has the domain, and the group's line does not list it: the kernel would say no to the whole line.
#[test]
fn a_domain_that_the_line_lacks_is_refused_by_name() {
    let found = "L3:0=00f\nMB:0=100;1=100\n";
    let dir = tree(found);
    let mut control = control(&dir, settings(&["be"]));
    let mut fates = |change: Change| -> Vec<_> {
        let requests = [group(Some("be")), change].map(|change| Request { task: TaskKey(0), change });
        let outcomes = control.apply(0, &requests, &tasks(), &platform());
        outcomes.into_iter().map(|outcome| outcome.fate.to_string()).collect()
    };
    let refused = fates(l3(1, 0xf));
    assert!(refused[1].contains("/be/schemata lists no domain 1 of L3"), "{refused:?}");
    assert_eq!(schemata(&dir, "be"), found);
    assert_eq!(fates(mb(1, 50))[1], "applied", "others can be had");
    assert_eq!(schemata(&dir, "be"), "MB:1=50\n");
}

/// Test vectors 49 and 50, for defaults that are written down; one that is not leaves what was found.
#[rstest]
#[case::both(Some("L3:0=fff"), Some("MB:0=50"), "L3:0=fff\nMB:0=50\n")]
#[case::rounded(None, Some("MB:0=55;1=30"), "MB:0=60;1=30\n")]
#[case::bandwidth_alone(None, Some("MB:0=90"), "MB:0=90\n")]
#[case::none(None, None, "    L3:0=0ff;1=0ff\n    MB:0=100;1=100\n")]
fn defaults_of_the_root_group(#[case] l3: Option<&str>, #[case] mb: Option<&str>, #[case] expected: &str) {
    let dir = tree("    L3:0=0ff;1=0ff\n    MB:0=100;1=100\n");
    let mut settings = settings(&[]);
    (settings.rdt.default_l3, settings.rdt.default_mb) = (l3.map(str::to_owned), mb.map(str::to_owned));
    assert_eq!(control(&dir, settings.clone()).begin(&platform()).unwrap(), [""; 0]);
    assert_eq!(schemata(&dir, ""), expected);
    let shadow = tree("    L3:0=0ff;1=0ff\n    MB:0=100;1=100\n");
    control(&shadow, Settings { mode: Mode::Shadow, ..settings }).begin(&platform()).unwrap();
    assert!(schemata(&shadow, "").starts_with("    L3:0=0ff"), "nothing is written");
}

/// Test vector 50: a machine with memory bandwidth alone.
#[rstest]
#[case::none(None, "    MB:0=100;1=100\n")]
#[case::as_found(Some("MB:0=100"), "    MB:0=100;1=100\n")]
#[case::rounded(Some("MB:0=45;1=55"), "MB:0=50;1=60\n")]
fn without_a_cache_bandwidth_is_set_alone(#[case] default: Option<&str>, #[case] expected: &str) {
    let dir = tree("    MB:0=100;1=100\n");
    let platform = Platform { l3: None, ..platform() };
    let mut settings = settings(&["be"]);
    settings.rdt.default_mb = default.map(str::to_owned);
    let mut control = control(&dir, settings);
    assert_eq!(control.begin(&platform).unwrap(), [""; 0]);
    assert_eq!(schemata(&dir, ""), expected);
    let asked = [group(Some("be")), l3(0, 0xf), mb(0, 50)];
    let requests = asked.map(|change| Request { task: TaskKey(0), change });
    let fates: Vec<_> = control.apply(0, &requests, &tasks(), &platform).into_iter().map(|one| one.fate).collect();
    let wca_model::Fate::Failed(why) = &fates[1] else { panic!("{fates:?}") };
    assert!(why.contains("rdt_l3: the L3 cache cannot be divided"), "{why}");
    assert_eq!((&fates[0], &fates[2]), (&wca_model::Fate::Applied, &wca_model::Fate::Applied));
    assert_eq!(schemata(&dir, "be"), "MB:0=50\n");
}

#[rstest]
#[case("L3:0=5", "`default_rdt_l3`: rdt_l3 mask 5 has a gap")]
#[case("L3:0", "`default_rdt_l3`: `L3:0`: the separator `=` of a value is missing")]
fn defaults_that_are_wrong_are_refused(#[case] l3: &str, #[case] expected: &str) {
    let dir = tree("L3:0=fff;1=fff\n");
    let mut settings = settings(&[]);
    settings.rdt.default_l3 = Some(l3.into());
    let why = control(&dir, settings.clone()).begin(&platform()).unwrap_err();
    assert!(why.starts_with(expected), "{why}");
}

#[test]
fn defaults_that_the_machine_cannot_have_are_left_out_and_told() {
    let dir = tree("L3:0=fff;1=fff\n");
    let mut settings = settings(&[]);
    settings.rdt.default_l3 = Some("L3:0=f".into());
    let told = control(&dir, settings).begin(&Platform { l3: None, ..platform() }).unwrap();
    assert!(told[0].starts_with("`default_rdt_l3` is left out: rdt_l3: the L3 cache cannot be divided"), "{told:?}");
}

/// Eighths of a GB per second are no percent: more than a hundred are taken, and two tasks do not share them.
#[test]
fn bandwidth_of_amd_is_none_in_percent() {
    let dir = tree("    MB:0=2048;1=2048\n    L3:0=ffff;1=ffff\n");
    let root = dir.path();
    write(root, "proc/cpuinfo", "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel\t\t: 1\n");
    write(root, "proc/meminfo", "MemTotal: 1024 kB\n");
    write(root, "proc/sys/kernel/hostname", "amd\n");
    write(root, "sys/devices/system/cpu/online", "0\n");
    for (file, text) in [("min_bandwidth", "1"), ("bandwidth_gran", "1"), ("num_closids", "16")] {
        write(root, &format!("sys/fs/resctrl/info/MB/{file}"), text);
    }
    for (file, text) in [("cbm_mask", "ffff"), ("min_cbm_bits", "1"), ("num_closids", "16")] {
        write(root, &format!("sys/fs/resctrl/info/L3/{file}"), text);
    }
    let platform = wca_kernel::platform(&Roots::at(root)).unwrap().platform;
    let bandwidth = platform.bandwidth.clone().unwrap();
    assert_eq!((bandwidth.unit, platform.groups), (BandwidthUnit::EighthsOfGigabytePerSecond, 16));
    let mut control = control(&dir, settings(&["be"]));
    let request = |change| Request { task: TaskKey(0), change };
    let outcomes = control.apply(0, &[request(group(Some("be"))), request(mb(0, 1_605))], &tasks(), &platform);
    let fates: Vec<_> = outcomes.into_iter().map(|outcome| outcome.fate).collect();
    assert_eq!(fates, [wca_model::Fate::Applied, wca_model::Fate::Applied]);
    assert_eq!(schemata(&dir, "be"), "MB:0=1605\n");
    assert!(!may_share(&cells(&mb(0, 1_605), &platform), &platform));
}

#[test]
fn a_task_with_tasks_below_it_has_no_group() {
    let dir = tree("L3:0=fff;1=fff\n");
    let mut control = control(&dir, settings(&["be"]));
    let mut above: Vec<ControlledTask> = tasks().iter().cloned().collect();
    above[1].cgroup = "/a/below".into();
    let request = Request { task: TaskKey(0), change: l3(0, 0xf) };
    let [outcome] = control.apply(0, &[request], &Tasks::new(above), &platform()).try_into().unwrap();
    let why = outcome.fate.to_string();
    assert!(why.contains("cgroups of other tasks are below /a"), "{why}");
}

#[rstest]
#[case("/pod", &["/pod/a", "/pod/b"], &["/pod"])]
#[case("/pod", &["/pods/a", "/other", "/other/b"], &["/pod", "/pods/a", "/other"])]
#[case("/pod", &["/x/a", "/x"], &["/pod", "/x"])]
fn cgroups_of_a_task(#[case] cgroup: &str, #[case] containers: &[&str], #[case] expected: &[&str]) {
    let containers = containers.iter().map(|one| (*one).to_owned()).collect();
    let task = ControlledTask { cgroup: cgroup.into(), containers, ..tasks().get(TaskKey(0)).unwrap().clone() };
    assert_eq!(threads_of(&task), expected);
}

/// In a group that others have made, what the first policy has set and whom it has put there is given back by it alone.
#[test]
fn what_the_first_policy_holds_the_second_does_not_give_back() {
    let dir = tree("    L3:0=fff;1=fff\n    MB:0=100;1=100\n");
    let policies = ["first", "second"].map(|name| Policy { name: name.into(), digest: "00".into() });
    let mut control = Control::open(&Roots::at(dir.path()), None, settings(&["be"]), policies.into()).unwrap().0;
    let mut apply = |policy, changes: &[Change]| -> Vec<String> {
        let request = |change: &Change| Request { task: TaskKey(0), change: change.clone() };
        let requests: Vec<Request> = changes.iter().map(request).collect();
        let outcomes = control.apply(policy, &requests, &tasks(), &platform());
        outcomes.into_iter().map(|outcome| outcome.fate.to_string()).collect()
    };
    assert_eq!(apply(0, &[group(Some("be")), l3(0, 0xf)]), ["applied", "applied"]);
    let why = apply(1, &[Change::Release(Kind::RdtL3), Change::Release(Kind::RdtGroup)]);
    assert_eq!(why[0], "failed: L3:0 of the resctrl group be is held by first, which comes first");
    assert_eq!(why[1], "failed: the resctrl group of /a is held by first, which comes first");
    assert_eq!(schemata(&dir, "be"), "L3:0=f\n");
    assert!(apply(0, &[Change::Release(Kind::RdtL3)])[0].starts_with("applied"));
    assert_eq!(schemata(&dir, "be"), "L3:0=fff\n");
}
