//! A folder that stands in for a machine's cgroups.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use tempfile::TempDir;
use wca_kernel::Roots;
use wca_kernel::values::{Spot, Values};
use wca_model::platform::{Cpu, NumaNode};
use wca_model::{Change, Fate, Mode, Platform, Request, TaskKey};

use crate::context::Context;
use crate::control::Control;
use crate::journal::Journal;
use crate::kinds;
use crate::plan::{Planned, Step};
use crate::policy::Policy;
use crate::settings::Settings;
use crate::tasks::{ControlledTask, Tasks};

/// What v1 shows where memory has no limit.
pub(super) const UNLIMITED: &str = "9223372036854771712";
const V1: &[(&str, &[(&str, &str)])] = &[
    (
        "cpu",
        &[
            ("cpu.cfs_quota_us", "-1"),
            ("cpu.cfs_period_us", "100000"),
            ("cpu.cfs_burst_us", "0"),
            ("cpu.shares", "1024"),
        ],
    ),
    ("cpuset", &[("cpuset.cpus", "0-3"), ("cpuset.mems", "0-1"), ("cpuset.memory_migrate", "0")]),
    (
        "memory",
        &[
            ("memory.limit_in_bytes", UNLIMITED),
            ("memory.memsw.limit_in_bytes", UNLIMITED),
            ("memory.usage_in_bytes", "1000000"),
        ],
    ),
    ("blkio", &[("blkio.bfq.weight", "100")]),
];
const V2: &[(&str, &str)] = &[
    ("cgroup.controllers", "cpuset cpu io memory"),
    ("cgroup.subtree_control", "cpuset cpu io memory"),
    ("cpu.max", "max 100000"),
    ("cpu.max.burst", "0"),
    ("cpu.weight", "100"),
    ("cpu.idle", "0"),
    ("cpuset.cpus", ""),
    ("cpuset.cpus.effective", "0-3"),
    ("cpuset.cpus.partition", "member"),
    ("cpuset.mems", ""),
    ("cpuset.mems.effective", "0-1"),
    ("memory.max", "max"),
    ("memory.high", "max"),
    ("memory.low", "0"),
    ("memory.current", "1000000"),
    ("io.weight", "default 100"),
];

/// Processors 0 to 3, NUMA nodes 0 and 1 with memory and 2 without.
pub(super) fn platform() -> Platform {
    let node = |id, memory| NumaNode { id, memory, distances: vec![10, 20, 20] };
    Platform {
        cpus: [0, 1, 2, 3].map(|id| Cpu { id, core: id, socket: 0, node: 0 }).into(),
        nodes: vec![node(0, 1 << 30), node(1, 1 << 30), node(2, 0)],
        ..Platform::default()
    }
}

pub(super) fn task(key: u64, cgroup: &str) -> ControlledTask {
    ControlledTask {
        key: TaskKey(key),
        cgroup: cgroup.into(),
        containers: vec![],
        labels: vec![],
        cpuset_is_managed_by: None,
    }
}

pub(super) struct Tree {
    dir: TempDir,
    is_v2: bool,
    pub(super) settings: Settings,
    pub(super) tasks: Vec<ControlledTask>,
    pub(super) exclusive_cpus: BTreeSet<u32>,
}

impl Tree {
    fn new(is_v2: bool, mounts: &str, cgroups: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings { mode: Mode::Apply, ..Settings::default() };
        let tasks = vec![task(1, "/a/task")];
        let tree = Self { dir, is_v2, settings, tasks, exclusive_cpus: BTreeSet::new() };
        tree.write("/proc/self/mountinfo", mounts);
        for cgroup in [&["/", "/a", "/a/task"], cgroups].concat() {
            tree.make(cgroup);
        }
        tree
    }

    /// The cgroups `/`, `/a`, `/a/task` and these on v1.
    pub(super) fn v1(cgroups: &[&str]) -> Self {
        let mounts: String = (V1.iter().zip(30..))
            .map(|((name, _), id)| format!("{id} 2 0:{id} / /sys/fs/cgroup/{name} rw - cgroup cgroup rw,{name}\n"))
            .collect();
        Self::new(false, &mounts, cgroups)
    }

    /// The same on v2.
    pub(super) fn v2(cgroups: &[&str]) -> Self {
        Self::new(true, "30 2 0:30 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", cgroups)
    }

    fn make(&self, cgroup: &str) {
        let files = |folder: &str, files: &[(&str, &str)]| {
            for (file, value) in files {
                self.write(&format!("{folder}{cgroup}/{file}"), value);
            }
        };
        if self.is_v2 {
            files("/sys/fs/cgroup", V2);
        } else {
            V1.iter().for_each(|(name, values)| files(&format!("/sys/fs/cgroup/{name}"), values));
        }
    }

    pub(super) fn roots(&self) -> Roots {
        Roots::at(self.dir.path())
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        let path = self.roots().path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{text}\n")).unwrap();
    }

    /// A file of a cgroup, as `cpuset/a/task/cpuset.cpus` on v1 and `a/task/cpuset.cpus` on v2.
    pub(super) fn set(&self, path: &str, text: &str) -> &Self {
        self.write(&format!("/sys/fs/cgroup/{path}"), text);
        self
    }

    pub(super) fn remove(&self, path: &str) -> &Self {
        fs::remove_file(self.roots().path(format!("/sys/fs/cgroup/{path}"))).unwrap();
        self
    }

    pub(super) fn get(&self, path: &str) -> String {
        fs::read_to_string(self.roots().path(format!("/sys/fs/cgroup/{path}"))).unwrap().trim().to_owned()
    }

    /// All files below the mount points with their contents.
    pub(super) fn all(&self) -> BTreeMap<String, String> {
        fn walk(dir: &Path, top: &Path, files: &mut BTreeMap<String, String>) {
            for entry in fs::read_dir(dir).unwrap().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    walk(&path, top, files);
                } else {
                    let name = path.strip_prefix(top).unwrap().display().to_string();
                    files.insert(name, fs::read_to_string(&path).unwrap());
                }
            }
        }
        let (mut files, top) = (BTreeMap::new(), self.roots().path("/"));
        walk(&top, &top, &mut files);
        files
    }

    pub(super) fn tasks(&self) -> Tasks {
        let mut tasks = Tasks::new(self.tasks.clone());
        tasks.exclusive_cpus.clone_from(&self.exclusive_cpus);
        tasks
    }

    /// What is to be written for one change of the first task, as `file of the cgroups=value`, or why not.
    pub(super) fn plan(&self, change: &Change) -> Result<Vec<String>, String> {
        self.plan_whole(change).map(|(steps, _)| steps)
    }

    /// The same with what is taken instead.
    pub(super) fn plan_whole(&self, change: &Change) -> Result<(Vec<String>, Option<String>), String> {
        let planned = self.planned(change)?;
        let text = |step: &Step| format!("{}={}", step.spot.to_string().replace("/sys/fs/cgroup/", ""), step.value);
        Ok((planned.steps.iter().map(text).collect(), planned.adjusted))
    }

    /// Where something is to be written for a change of the first task that is valid.
    pub(super) fn plan_spots(&self, change: &Change) -> Result<Vec<Spot>, String> {
        wca_rules::validate(change, &platform()).map_err(|refusal| refusal.to_string())?;
        Ok(self.planned(change)?.steps.into_iter().map(|step| step.spot).collect())
    }

    fn planned(&self, change: &Change) -> Result<Planned, String> {
        let (values, tasks, platform) = (Values::find(&self.roots()).unwrap(), self.tasks(), platform());
        let journal = Journal::in_memory();
        let context = Context {
            values: &values,
            platform: &platform,
            settings: &self.settings,
            tasks: &tasks,
            journal: &journal,
        };
        kinds::plan(change, &self.tasks[0], &context).map(Option::unwrap_or_default)
    }

    /// Somebody who makes changes in it.
    pub(super) fn control(&self) -> Control {
        let policies = vec![Policy { name: "p".into(), digest: "1".into() }];
        Control::open(&self.roots(), None, self.settings.clone(), policies).unwrap().0
    }

    /// The same for two policies.
    pub(super) fn control_of_two(&self) -> Control {
        let policies = ["first", "second"].map(|name| Policy { name: name.into(), digest: "1".into() });
        Control::open(&self.roots(), None, self.settings.clone(), policies.into()).unwrap().0
    }

    /// What becomes of one change of a task.
    pub(super) fn apply(&self, control: &mut Control, task: u64, change: Change) -> Fate {
        self.apply_as(0, control, task, change)
    }

    /// What becomes of one change that this policy asks for.
    pub(super) fn apply_as(&self, policy: u32, control: &mut Control, task: u64, change: Change) -> Fate {
        let requests = [Request { task: TaskKey(task), change }];
        control.apply(policy, &requests, &self.tasks(), &platform()).remove(0).fate
    }
}
