//! Tasks inside the test bed, and what resctrl says of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use wca_kernel::{Hierarchies, Lines, Roots, Sampler, Scratch, TaskCgroups, Wanted};

use crate::common::tick::{Tick, task, tick};

pub const RESCTRL: &str = "/sys/fs/resctrl";

/// A cgroup with processes that keep a processor and the memory busy.
pub struct Busy {
    pub path: String,
    pub scratch: Option<Scratch>,
    pub processes: Vec<Process>,
}

/// A process that ends when it is dropped.
pub struct Process(pub Child);

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Process {
    pub fn spinning() -> Self {
        Self(Command::new("numatest").args(["spin", "100"]).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap())
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Its control group and its monitoring group.
    pub fn groups(&self) -> (String, String) {
        let text = fs::read_to_string(format!("/proc/{}/cpu_resctrl_groups", self.id())).unwrap();
        let of = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).unwrap().to_owned();
        (of("res:"), of("mon:"))
    }

    /// Moves it into a group, as an operator does.
    pub fn put(&self, group: &str) {
        fs::write(format!("{RESCTRL}/{group}/tasks"), self.id().to_string()).unwrap();
    }
}

impl Busy {
    pub fn start(name: &str, processes: usize) -> Self {
        let scratch = Scratch::create(&hierarchies(), name).unwrap();
        let spinning = |_| {
            let process = Process::spinning();
            scratch.add_process(process.id()).unwrap();
            process
        };
        let processes = (0..processes).map(spinning).collect();
        Self { path: format!("/{name}"), scratch: Some(scratch), processes }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.processes.clear();
        self.scratch.take().unwrap().remove().unwrap();
    }
}

pub fn hierarchies() -> Hierarchies {
    Hierarchies::find(&Roots::system()).unwrap()
}

/// A sampler that measures by resctrl, where it may.
pub fn sampler(rdt_enabled: Option<bool>, tasks: &[&Busy]) -> Sampler {
    let wanted = Wanted { vmstat: Lines::Nothing, zoneinfo: Lines::Nothing, rdt_enabled, ..Wanted::default() };
    let mut sampler = Sampler::new(&Roots::system(), &hierarchies(), wanted);
    sampler.set_tasks(&rows(tasks));
    sampler
}

pub fn rows(tasks: &[&Busy]) -> Vec<TaskCgroups> {
    // A cgroup has the key of its path, so that tasks keep theirs when others go.
    let key = |path: &str| path.bytes().fold(7, |key: u64, byte| key.wrapping_mul(31).wrapping_add(byte.into()));
    tasks.iter().map(|one| task(key(&one.path), &one.path)).collect()
}

/// What is said of resctrl in a tick.
pub fn told(tick: &Tick) -> Vec<String> {
    tick.notices.iter().map(ToString::to_string).filter(|text| !text.contains("cgroup controller")).collect()
}

/// Ticks until something is so, for ten seconds.
pub fn until(sampler: &mut Sampler, is_so: impl Fn(&Tick) -> bool) -> Tick {
    for _ in 0..100 {
        let tick = tick(sampler);
        if is_so(&tick) {
            return tick;
        }
        sleep(Duration::from_millis(100));
    }
    panic!("not within 100 ticks");
}

/// Monitoring groups that are ours, in a control group or the root.
pub fn ours(control: &str) -> Vec<String> {
    let dir = Path::new(RESCTRL).join(control).join("mon_groups");
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("wca-")).collect()
}

/// Threads that a group lists.
pub fn members(group: &str) -> BTreeSet<u32> {
    numbers(&Path::new(RESCTRL).join(group).join("tasks"))
}

pub fn numbers(path: &Path) -> BTreeSet<u32> {
    fs::read_to_string(path).unwrap().lines().map(|line| line.parse().unwrap()).collect()
}

/// A counter of a group, one value per domain.
pub fn counters(group: &str, file: &str) -> Vec<f64> {
    ["00", "01"]
        .map(|domain| {
            let path: PathBuf = [RESCTRL, group, "mon_data", &format!("mon_L3_{domain}"), file].iter().collect();
            fs::read_to_string(path).unwrap().trim().parse().unwrap()
        })
        .into()
}

/// Has the model of the hardware do something; see the test bed's README.
pub fn script(msr: u32, value: u64) {
    let status = Command::new("numatest").args(["wrmsr", "0", &msr.to_string(), &value.to_string()]).status().unwrap();
    assert!(status.success());
}
