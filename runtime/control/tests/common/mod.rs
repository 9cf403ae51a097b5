//! Changes of real cgroups.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure ends the test")]
#![allow(dead_code, unreachable_pub, reason = "each test file is a program that includes this and uses its part")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use wca_control::{Control, ControlledTask, Policy, Settings, Tasks};
use wca_kernel::{Hierarchies, Roots, Scratch, Version};
use wca_model::{Change, Fate, Mode, Platform, Request, TaskKey};

/// A task with one container, in cgroups of its own, and somebody who changes it.
pub struct Scene {
    /// Path of the task's cgroup, with a leading `/`.
    pub task: String,
    pub hierarchies: Hierarchies,
    pub platform: Platform,
    pub control: Control,
    scratch: Option<Scratch>,
}

/// What stands in the files of cgroups, by path.
pub type Files = BTreeMap<String, String>;

impl Scene {
    /// Cgroups of this name, below one more that stands above the task.
    pub fn new(name: &str, change: impl FnOnce(&mut Settings)) -> Self {
        let roots = Roots::system();
        let hierarchies = Hierarchies::find(&roots).unwrap();
        let top = format!("wca-control-{}-{name}", std::process::id());
        let scratch = Scratch::create(&hierarchies, &format!("{top}/task/container")).unwrap();
        let mut settings = Settings { mode: Mode::Apply, ..Settings::default() };
        change(&mut settings);
        Self {
            task: format!("/{top}/task"),
            platform: wca_kernel::platform(&roots).unwrap().platform,
            control: control(settings),
            hierarchies,
            scratch: Some(scratch),
        }
    }

    /// What becomes of one change.
    pub fn apply(&mut self, change: Change) -> Fate {
        let task = self.task.clone();
        self.apply_to(&task, change)
    }

    /// What becomes of one change of the task in this cgroup.
    pub fn apply_to(&mut self, cgroup: &str, change: Change) -> Fate {
        let task = ControlledTask {
            key: TaskKey(1),
            cgroup: cgroup.into(),
            containers: vec![],
            labels: vec![],
            cpuset_is_managed_by: None,
        };
        let requests = [Request { task: TaskKey(1), change }];
        self.control.apply(0, &requests, &Tasks::new(vec![task]), &self.platform).remove(0).fate
    }

    /// Directory of a cgroup below the one above the task (`""`, `task`, `task/container`) in the hierarchy of a controller.
    pub fn dir(&self, controller: &str, cgroup: &str) -> String {
        let hierarchy = self.hierarchies.with(controller).unwrap();
        let top = self.task.strip_suffix("/task").unwrap();
        format!("{}{top}/{cgroup}", hierarchy.dir.display())
    }

    /// What stands in a file of a cgroup.
    pub fn get(&self, cgroup: &str, file: &str) -> String {
        let controller = file.split('.').next().unwrap();
        let path = format!("{}/{file}", self.dir(controller, cgroup));
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}")).trim().to_owned()
    }

    /// Writes as an operator does.
    pub fn set(&self, cgroup: &str, file: &str, value: &str) {
        let controller = file.split('.').next().unwrap();
        let path = format!("{}/{file}", self.dir(controller, cgroup));
        fs::write(&path, value).unwrap_or_else(|error| panic!("{path}: {error}"));
    }

    /// Moves a process into the task's container.
    pub fn add(&self, process: &Sleeper) {
        self.scratch.as_ref().unwrap().add_process(process.0.id()).unwrap();
    }

    /// All values that can be written of the cgroups made here.
    pub fn all(&self) -> Files {
        let mut files = Files::new();
        for hierarchy in self.hierarchies.all() {
            let top = format!("{}{}", hierarchy.dir.display(), self.task.strip_suffix("/task").unwrap());
            collect(Path::new(&top), &mut files);
        }
        files
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let removed = self.scratch.take().unwrap().remove();
        // Where the test has failed already, that is what is to be read.
        assert!(std::thread::panicking() || removed.is_ok(), "{removed:?}");
    }
}

pub fn control(settings: Settings) -> Control {
    control_in(None, settings)
}

/// With a journal in that folder.
pub fn control_in(folder: Option<&Path>, settings: Settings) -> Control {
    let policies = vec![Policy { name: "p".into(), digest: "1".into() }];
    Control::open(&Roots::system(), folder.map(Path::to_owned), settings, policies).unwrap().0
}

/// What these changes of a task make stays as it is over a start with the same policy that asks for the same, and is put back then.
pub fn stays_over_a_start(scene: &mut Scene, cgroup: &str, settings: &Settings, changes: &[Change]) {
    let folder = tempfile::tempdir().unwrap();
    let before = scene.all();
    scene.control = control_in(Some(folder.path()), settings.clone());
    for change in changes {
        assert_eq!(scene.apply_to(cgroup, change.clone()), Fate::Applied, "{change:?}");
    }
    let applied = scene.all();
    // The lock goes with the one that has it.
    scene.control = control(settings.clone());
    scene.control = control_in(Some(folder.path()), settings.clone());
    let held = scene.control.held().count();
    assert!(held >= changes.len());
    for _ in 0..settings.adopt_ticks + 2 {
        for change in changes {
            assert_eq!(scene.apply_to(cgroup, change.clone()), Fate::Unchanged, "{change:?}");
        }
        assert_eq!(scene.control.tick(), Vec::<String>::new());
    }
    assert_eq!((scene.all(), scene.control.held().count()), (applied, held));
    assert_eq!((scene.control.restore().failed, scene.all()), (vec![], before));
}

/// Files of the kernel's configuration, without counters and statistics, and without those that cannot be read.
fn collect(dir: &Path, files: &mut Files) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
        if path.is_dir() {
            collect(&path, files);
        }
        let subject = ["cpu.", "cpuset.", "memory.", "io.", "blkio.", "cgroup.subtree_control", "cgroup.controllers"];
        let is_count = ["stat", "usage", "current", "peak", "events", "pressure", "failcnt", "kmem", "effective"];
        if subject.iter().any(|start| name.starts_with(start))
            && !is_count.iter().any(|part| name.contains(part))
            && let Ok(text) = fs::read_to_string(&path)
        {
            files.insert(path.display().to_string(), text);
        }
    }
}

/// Whether this user may do it, on this version of cgroups; else that it is left out is said aloud.
pub fn is_possible(version: Version) -> bool {
    let hierarchies = Hierarchies::find(&Roots::system()).unwrap();
    let all = ["cpu", "cpuset", "memory"];
    if !all.iter().all(|name| hierarchies.with(name).is_some_and(|hierarchy| hierarchy.version == version)) {
        crate::skipped::skipped(&format!("cpu, cpuset and memory are not all on {version:?} here"));
        return false;
    }
    if !rustix::process::geteuid().is_root() {
        crate::skipped::skipped("cgroups can be made by root only");
        return false;
    }
    true
}

/// A process that sleeps until it is dropped.
pub struct Sleeper(Child);

impl Sleeper {
    pub fn start() -> Self {
        Self(Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap())
    }

    /// A line of its `/proc/PID/status`.
    pub fn status(&self, key: &str) -> String {
        let text = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        text.lines().find_map(|line| line.strip_prefix(key)).unwrap().trim().to_owned()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}
