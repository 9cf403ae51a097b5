//! What is seen on a machine with enough RMIDs. These run inside the test bed only.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::process::Signal;

use crate::common::idle::is_measured_as_if_all_were_read;
use crate::common::tick::{Tick, tick};
use crate::common::{real_cgroup, task_path};
use crate::scene::{Busy, Process, RESCTRL, counters, members, numbers, ours, sampler, script, told, until};

const METRICS: [(&str, &str, &str); 3] = [
    ("task_llc_occupancy_bytes", "task_llc_occupancy_domain_bytes", "llc_occupancy"),
    ("task_mem_bandwidth_bytes", "task_mem_bandwidth_domain_bytes", "mbm_total_bytes"),
    ("task_mem_bandwidth_local_bytes", "task_mem_bandwidth_local_domain_bytes", "mbm_local_bytes"),
];

fn total(tick: &Tick) -> Option<f64> {
    tick.of("task_mem_bandwidth_bytes")[0]
}

/// A control group that is removed at the end.
struct Control(&'static str);

impl Control {
    fn make(name: &'static str) -> Self {
        fs::create_dir(format!("{RESCTRL}/{name}")).unwrap();
        Self(name)
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        fs::remove_dir(format!("{RESCTRL}/{}", self.0)).unwrap();
    }
}

#[test]
#[ignore = "runs inside the test bed"]
fn values_are_those_of_the_files_and_groups_go_at_the_end() {
    let busy = Busy::start("equal", 2);
    let mut sampler = sampler(Some(true), &[&busy]);
    let first = tick(&mut sampler);
    assert_eq!(told(&first), [""; 0]);
    let [name] = ours("").try_into().unwrap();
    assert!(name.starts_with("wca-equal-"), "{name}");
    let group = format!("mon_groups/{name}");
    let expected: BTreeSet<u32> = busy.processes.iter().map(Process::id).collect();
    assert_eq!(members(&group), expected);
    sleep(Duration::from_secs(1));
    // Who stands still moves nothing, and what the cache holds of it only becomes less.
    busy.processes.iter().for_each(|process| process.signal(Signal::STOP));
    sleep(Duration::from_millis(100));
    let before = METRICS.map(|(_, _, file)| counters(&group, file));
    let values = tick(&mut sampler);
    let after = METRICS.map(|(_, _, file)| counters(&group, file));
    for ((sum, each, _), (before, after)) in METRICS.into_iter().zip(before.iter().zip(&after)) {
        let domains = values.of(each);
        assert_eq!(domains.len(), 2);
        for ((value, before), after) in domains.iter().zip(before).zip(after) {
            let value = value.unwrap();
            assert!(*after <= value && value <= *before, "{each}: {before} {value} {after}");
            assert!(before <= after || each == "task_llc_occupancy_domain_bytes", "{each}: {before} {after}");
        }
        assert_eq!(values.of(sum)[0], domains.iter().copied().sum::<Option<f64>>(), "{sum}");
        assert!(values.of(sum)[0].unwrap() > 0.0, "{sum}");
    }
    let [total, local, remote] =
        ["", "local_", "remote_"].map(|kind| values.of(&format!("task_mem_bandwidth_{kind}bytes"))[0].unwrap());
    assert!(remote >= total - local && remote > 0.0 && remote < total, "{total} {local} {remote}");
    let labels: Vec<String> = values.catalog.columns[values.catalog.columns_of("task_llc_occupancy_domain_bytes")]
        .iter()
        .map(|series| format!("{:?}", series.labels))
        .collect();
    assert_eq!(labels, ["0", "1"].map(|id| format!("[(\"domain_id\", {id:?})]")));
    drop(sampler);
    assert_eq!(ours(""), [""; 0]);
    assert!(busy.processes.iter().all(|process| process.groups() == ("/".into(), String::new())));
}

#[test]
#[ignore = "runs inside the test bed"]
fn a_task_that_forks_while_it_is_looked_at_is_counted_wholly() {
    let busy = Busy::start("forks", 0);
    let add = |process: Child| {
        busy.scratch.as_ref().unwrap().add_process(process.id()).unwrap();
        Process(process)
    };
    // These have lower numbers and so are written first, while the shell goes on forking.
    let sleeping: Vec<Process> = (0..100).map(|_| add(Command::new("sleep").arg("1000").spawn().unwrap())).collect();
    let forking = "read line; i=0; while [ $i -lt 150 ]; do sleep 1000 & i=$((i+1)); done; wait";
    let mut shell = add(Command::new("sh").args(["-c", forking]).stdin(Stdio::piped()).spawn().unwrap());
    let mut sampler = sampler(None, &[&busy]);
    let threads = || numbers(Path::new("/sys/fs/cgroup/forks/cgroup.threads"));
    shell.0.stdin.take();
    while threads().len() == 101 {
        sleep(Duration::from_millis(1));
    }
    let first = tick(&mut sampler);
    // Who was born until now is in it, and who is born from now on is so by birth. Of one that was being born when its parent
    // came into the group, the kernel had copied the parent already: the next tick sees it.
    let until_now = threads();
    let [name] = ours("").try_into().unwrap();
    let members = || members(&format!("mon_groups/{name}"));
    let missing: Vec<u32> = until_now.difference(&members()).copied().collect();
    assert!(missing.len() <= 1, "{missing:?}");
    tick(&mut sampler);
    assert!(until_now.is_subset(&members()));
    assert_eq!((told(&first), until_now.len() < 251), (vec![], true), "it forks still");
    while threads().len() < 251 {
        tick(&mut sampler);
        sleep(Duration::from_millis(10));
    }
    assert_eq!(members(), threads());
    drop(sampler);
    fs::write("/sys/fs/cgroup/forks/cgroup.kill", "1").unwrap();
    drop((shell, sleeping));
    // A process that was killed leaves its cgroup a moment later.
    sleep(Duration::from_millis(300));
}

#[test]
#[ignore = "runs inside the test bed"]
fn groups_of_others_stay_as_they_are() {
    let control = Control::make("g");
    let theirs = ["g/mon_groups/theirs", "mon_groups/others"];
    theirs.iter().for_each(|group| fs::create_dir(format!("{RESCTRL}/{group}")).unwrap());
    let (alone, shared) = (Busy::start("alone", 1), Busy::start("shared", 1));
    let stranger = Process::spinning();
    alone.processes[0].put("g");
    alone.processes[0].put(theirs[0]);
    shared.processes[0].put(theirs[1]);
    stranger.put(theirs[1]);
    let before = theirs.map(members);
    let mut sampler = sampler(Some(true), &[&alone, &shared]);
    let first = tick(&mut sampler);
    assert_eq!(
        told(&first),
        [
            "cache occupancy and memory bandwidth are not measured of \"/shared\": some of its threads are in a group of \
          another program together with threads of others"
        ]
    );
    sleep(Duration::from_millis(500));
    for _ in 0..12 {
        let values = tick(&mut sampler);
        assert_eq!(told(&values), [""; 0]);
        assert!(total(&values).unwrap() > 0.0, "read where the task is alone in it");
        assert_eq!(values.of("task_mem_bandwidth_bytes")[1], None);
    }
    // Once the stranger is out of it, it tells of the task alone.
    stranger.put("");
    until(&mut sampler, |tick| tick.of("task_mem_bandwidth_bytes")[1].is_some());
    // And no more when it is back.
    stranger.put(theirs[1]);
    until(&mut sampler, |tick| tick.of("task_mem_bandwidth_bytes")[1].is_none());
    assert_eq!((theirs.map(members), ours(""), ours("g")), (before.clone(), vec![], vec![]));
    drop(sampler);
    assert_eq!(theirs.map(members), before);
    fs::remove_dir(format!("{RESCTRL}/{}", theirs[1])).unwrap();
    drop(control);
}

#[test]
#[ignore = "runs inside the test bed"]
fn a_task_that_changes_its_control_group_takes_its_counters_along() {
    let control = Control::make("g");
    let busy = Busy::start("moves", 2);
    let mut sampler = sampler(Some(true), &[&busy]);
    tick(&mut sampler);
    sleep(Duration::from_secs(1));
    let before = total(&tick(&mut sampler)).unwrap();
    let [name] = ours("").try_into().unwrap();
    let id = |group: &str| fs::read_to_string(format!("{RESCTRL}/{group}/mon_groups/{name}/mon_hw_id")).unwrap();
    let id_before = id("");
    busy.processes.iter().for_each(|process| process.put("g"));
    until(&mut sampler, |tick| {
        assert!(total(tick).unwrap() >= before, "counting goes on");
        ours("g") == [name.clone()]
    });
    assert_eq!((ours(""), id("g")), (vec![], id_before));
    for process in &busy.processes {
        assert_eq!(process.groups(), ("g".into(), name.clone()));
    }
    // One of the two goes back: a group in each, and their sum.
    busy.processes[0].put("");
    until(&mut sampler, |_| ours("") == [name.clone()] && ours("g") == [name.clone()]);
    let [back, stays] = [0, 1].map(|at: usize| busy.processes[at].groups());
    assert_eq!((back, stays), (("/".into(), name.clone()), ("g".into(), name.clone())));
    let sum = |group: &str| counters(&format!("{group}mon_groups/{name}"), "mbm_total_bytes").iter().sum::<f64>();
    let least = sum("") + sum("g/");
    let value = total(&tick(&mut sampler)).unwrap();
    assert!(least <= value && value <= sum("") + sum("g/"), "{value}");
    // The control group goes, and the monitoring group with it: the task is measured in the root group again.
    drop(control);
    until(&mut sampler, |tick| total(tick).is_some() && busy.processes[1].groups() == ("/".into(), name.clone()));
    assert_eq!(ours(""), [name]);
}

#[test]
#[ignore = "runs inside the test bed"]
fn what_the_hardware_does_not_say_is_absent() {
    const ANSWER: u32 = 0x7d00_4000;
    let busy = Busy::start("unavailable", 1);
    let mut sampler = sampler(Some(true), &[&busy]);
    until(&mut sampler, |tick| total(tick).is_some_and(|value| value > 0.0));
    let all = ["task_llc_occupancy_bytes", "task_mem_bandwidth_local_bytes", "task_mem_bandwidth_remote_domain_bytes"];
    let are_absent = |tick: &Tick| all.iter().all(|name| tick.of(name).iter().all(Option::is_none));
    script(ANSWER, 1);
    let unavailable = tick(&mut sampler);
    assert!(are_absent(&unavailable) && total(&unavailable).is_none());
    assert_eq!(told(&unavailable), [""; 0]);
    script(ANSWER, 2);
    let refused = tick(&mut sampler);
    assert!(are_absent(&refused));
    let [sentence] = told(&refused).try_into().unwrap();
    assert!(sentence.contains("says \"Error\""), "{sentence}");
    assert_eq!(told(&tick(&mut sampler)), [""; 0]);
    script(ANSWER, 0);
    until(&mut sampler, |tick| total(tick).is_some());
}

#[test]
#[ignore = "runs inside the test bed"]
fn groups_of_an_earlier_process_are_taken_over_or_removed() {
    let busy = Busy::start("again", 1);
    let mut first = sampler(Some(true), &[&busy]);
    tick(&mut first);
    let [name] = ours("").try_into().unwrap();
    let stranger = format!("{RESCTRL}/mon_groups/wca-gone-0123456789abcdef");
    fs::create_dir(&stranger).unwrap();
    // A second one beside it reads what the first one keeps, and removes what nobody keeps.
    let mut second = sampler(Some(true), &[&busy]);
    let values = tick(&mut second);
    assert!(total(&values).is_some() && !Path::new(&stranger).exists(), "{:?}", told(&values));
    drop(second);
    assert_eq!(ours(""), std::slice::from_ref(&name), "the first one's");
    drop(first);
    assert_eq!(ours(""), [""; 0]);
    let dir = format!("{RESCTRL}/mon_groups/{name}");
    fs::create_dir(&dir).unwrap();
    busy.processes[0].put(&format!("mon_groups/{name}"));
    let id = || fs::read_to_string(format!("{dir}/mon_hw_id")).unwrap();
    let id_before = id();
    sleep(Duration::from_millis(500));
    let counted = counters(&format!("mon_groups/{name}"), "mbm_total_bytes").iter().sum::<f64>();
    let mut third = sampler(Some(true), &[&busy]);
    assert!(total(&tick(&mut third)).unwrap() >= counted, "its counters go on");
    assert_eq!((ours(""), id()), (vec![name], id_before));
}

#[test]
#[ignore = "runs inside the test bed"]
fn threads_that_leave_the_task_leave_its_group() {
    let busy = Busy::start("leaves", 2);
    let mut sampler = sampler(Some(true), &[&busy]);
    tick(&mut sampler);
    fs::write("/sys/fs/cgroup/cgroup.procs", busy.processes[0].id().to_string()).unwrap();
    until(&mut sampler, |_| busy.processes[0].groups() == ("/".into(), String::new()));
    assert!(!busy.processes[1].groups().1.is_empty());
}

#[test]
#[ignore = "runs inside the test bed"]
fn where_nothing_may_be_made_what_is_there_is_read() {
    let control = Control::make("g");
    let (whole, part) = (Busy::start("whole", 1), Busy::start("part", 1));
    whole.processes[0].put("g");
    let remount = |how: &str| {
        let status = Command::new("mount").args(["-o", &format!("remount,bind,{how}"), RESCTRL]).status().unwrap();
        assert!(status.success());
    };
    remount("ro");
    let mut sampler = sampler(Some(true), &[&whole, &part]);
    let [sentence] = told(&tick(&mut sampler)).try_into().unwrap();
    assert!(sentence.contains("\"/part\": this user may not make groups"), "{sentence}");
    sleep(Duration::from_millis(500));
    let values = tick(&mut sampler);
    assert!(total(&values).unwrap() > 0.0, "all of a control group");
    assert_eq!((values.of("task_mem_bandwidth_bytes")[1], told(&values)), (None, vec![]));
    remount("rw");
    until(&mut sampler, |tick| tick.of("task_mem_bandwidth_bytes")[1].is_some());
    drop(sampler);
    drop(control);
}

#[test]
#[ignore = "runs inside the test bed"]
fn while_another_program_has_the_lock_groups_stay_as_they_are() {
    let busy = Busy::start("locked", 1);
    let root = fs::File::open(RESCTRL).unwrap();
    flock(&root, FlockOperation::LockExclusive).unwrap();
    let mut sampler = sampler(Some(true), &[&busy]);
    let first = tick(&mut sampler);
    assert_eq!((total(&first), ours("")), (None, vec![]));
    let [sentence] = told(&first).try_into().unwrap();
    assert!(sentence.contains("keeps it locked"), "{sentence}");
    flock(&root, FlockOperation::Unlock).unwrap();
    assert!(total(&tick(&mut sampler)).is_some());
    assert_eq!(ours("").len(), 1);
}

#[test]
#[ignore = "runs inside the test bed"]
fn a_task_with_tasks_below_it_is_not_measured() {
    let (above, below) = (Busy::start("tree", 0), Busy::start("tree2/leaf", 1));
    let parent = crate::common::tick::task(99, "/tree2");
    let mut sampler = sampler(Some(true), &[&above]);
    let mut tasks = crate::scene::rows(&[&below, &above]);
    tasks.push(parent);
    sampler.set_tasks(&tasks);
    let first = tick(&mut sampler);
    let values = first.of("task_mem_bandwidth_bytes");
    assert!(values[0].is_some() && values[1].is_none() && values[2].is_none(), "{values:?}");
    let [sentence] = told(&first).try_into().unwrap();
    assert!(sentence.contains("\"/tree2\": cgroups of other tasks"), "{sentence}");
}

#[test]
#[ignore = "runs inside the test bed"]
fn where_it_is_not_wanted_nothing_is_touched() {
    let busy = Busy::start("off", 1);
    let mut sampler = sampler(Some(false), &[&busy]);
    let values = tick(&mut sampler);
    assert_eq!((values.of("task_mem_bandwidth_bytes").len(), ours("")), (0, vec![]));
}

#[test]
#[ignore = "runs inside the test bed"]
fn a_domain_whose_processors_go_offline_goes_and_comes_back() {
    let busy = Busy::start("offline", 1);
    let mut sampler = sampler(Some(true), &[&busy]);
    let domains = |tick: &Tick| tick.of("task_mem_bandwidth_domain_bytes").to_vec();
    assert_eq!(domains(&tick(&mut sampler)).len(), 2);
    let switch = |on: &str| {
        for cpu in [2, 3] {
            fs::write(format!("/sys/devices/system/cpu/cpu{cpu}/online"), on).unwrap();
        }
    };
    switch("0");
    let without = tick(&mut sampler);
    assert_eq!((domains(&without).len(), domains(&without)[0].is_some(), total(&without).is_some()), (1, true, true));
    assert_eq!(told(&without), [""; 0]);
    switch("1");
    let with = tick(&mut sampler);
    assert!(domains(&with).len() == 2 && domains(&with).iter().all(Option::is_some), "{:?}", domains(&with));
}

#[test]
#[ignore = "runs inside the test bed"]
fn a_task_that_works_now_and_then_is_measured_as_if_all_its_files_were_read_at_each_tick() {
    let name = "now-and-then";
    fs::write("/sys/fs/cgroup/cgroup.subtree_control", "+memory +io +pids").unwrap();
    let (hierarchies, scratch) = real_cgroup("a_task_that_works_now_and_then", name).unwrap();
    is_measured_as_if_all_were_read(&hierarchies, &scratch, &task_path(name), Path::new("/tmp/written"));
}
