//! Requests, tasks and what became of them.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use wca_control::{Control, ControlledTask, Policy, Settings, Tasks};
use wca_kernel::{Roots, platform};
use wca_model::request::{Limit, Ways};
use wca_model::{Change, Fate, Mode, Platform, Request, TaskKey};

use crate::scene::{Busy, Process, RESCTRL};

pub fn settings() -> Settings {
    Settings { mode: Mode::Apply, ..Settings::default() }
}

pub fn policy() -> Policy {
    Policy { name: "test".into(), digest: "00".into() }
}

pub fn control(settings: Settings) -> Control {
    Control::open(&Roots::system(), None, settings, vec![policy()]).unwrap().0
}

/// One whose journal is in a folder, with its policies by name.
pub fn journaled(folder: PathBuf, policies: &[&str]) -> (Control, wca_control::Opened) {
    let policies = policies.iter().map(|name| Policy { name: (*name).into(), digest: "00".into() }).collect();
    Control::open(&Roots::system(), Some(folder), settings(), policies).unwrap()
}

pub fn machine() -> Platform {
    platform(&Roots::system()).unwrap().platform
}

/// A task whose processes sleep, so that many of them fit onto few processors.
pub fn quiet(name: &str) -> Busy {
    let mut busy = Busy::start(name, 0);
    let child = Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap();
    busy.scratch.as_ref().unwrap().add_process(child.id()).unwrap();
    busy.processes.push(Process(child));
    busy
}

/// The roster: keys are places in the list.
pub fn roster(tasks: &[&Busy]) -> Tasks {
    let task = |(key, busy): (u64, &&Busy)| ControlledTask {
        key: TaskKey(key),
        cgroup: busy.path.clone(),
        containers: vec![],
        labels: vec![],
        cpuset_is_managed_by: None,
    };
    Tasks::new((0..).zip(tasks).map(task).collect())
}

pub fn group(name: Option<&str>) -> Change {
    Change::RdtGroup(name.map(str::to_owned))
}

pub fn l3(domain: u32, mask: u64) -> Change {
    Change::RdtL3(Ways { domain, mask })
}

pub fn mb(domain: u32, value: u32) -> Change {
    Change::RdtMb(Limit { domain, value })
}

/// Asks for changes of tasks by their keys; what became of each.
pub fn ask(control: &mut Control, tasks: &Tasks, asked: &[(u64, Change)]) -> Vec<Fate> {
    ask_on(control, tasks, asked, &machine())
}

pub fn ask_on(control: &mut Control, tasks: &Tasks, asked: &[(u64, Change)], platform: &Platform) -> Vec<Fate> {
    let request = |(key, change): &(u64, Change)| Request { task: TaskKey(*key), change: change.clone() };
    let requests: Vec<Request> = asked.iter().map(request).collect();
    control.apply(0, &requests, tasks, platform).into_iter().map(|outcome| outcome.fate).collect()
}

/// Names of the control groups.
pub fn controls() -> Vec<String> {
    let is_group = |name: &String| !["info", "mon_groups", "mon_data"].contains(&name.as_str());
    let mut names: Vec<String> = fs::read_dir(RESCTRL)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(is_group)
        .collect();
    names.sort();
    names
}

/// Lines of a group's schemata, without the white space by which they are aligned, in order.
pub fn schemata(group: &str) -> Vec<String> {
    let text = fs::read_to_string(format!("{RESCTRL}/{group}/schemata")).unwrap();
    let mut lines: Vec<String> = text.lines().map(|line| line.replace(' ', "")).collect();
    lines.sort();
    lines
}

/// Why it failed.
pub fn why(fate: &Fate) -> &str {
    match fate {
        Fate::Failed(why) => why,
        other => panic!("{other:?}"),
    }
}
