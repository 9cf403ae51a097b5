//! Cgroups with processes in them, made for one test.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use wca_kernel::{Hierarchies, Roots, Scratch};

use crate::common::skipped;

/// Whether this user may make cgroups; where not, that is said.
pub(crate) fn can_make_cgroups() -> bool {
    let can = rustix::process::geteuid().is_root() && start_in(&group("probe")).is_some();
    if !can {
        skipped("this user may make no cgroups here");
    }
    can
}

/// A cgroup of this process alone, below which a test has its own; as tasks are named, without a leading slash.
pub(crate) fn group(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("configured-{}-{}-{name}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A cgroup, with a process in it or without, removed in the end.
pub(crate) struct Task {
    child: Option<Child>,
    scratch: Option<Scratch>,
}

impl Task {
    /// Without a process.
    pub(crate) fn empty(path: &str) -> Self {
        Self { child: None, scratch: Some(start_in(path).unwrap()) }
    }

    /// With a process that waits.
    pub(crate) fn idle(path: &str) -> Self {
        Self::running(path, "read -r nothing")
    }

    /// With a process that uses a processor, as long as this one lives.
    pub(crate) fn busy(path: &str) -> Self {
        Self::running(
            path,
            "while kill -0 $PPID 2>/dev/null; do i=0; while [ $i -lt 10000 ]; do i=$((i+1)); done; done",
        )
    }

    /// With a process that uses a processor now and then, as a seed has it, as long as this one lives.
    pub(crate) fn bursts(path: &str, seed: u64) -> Self {
        // The numbers of the C standard's example of rand (ISO/IEC 9899, 7.22.2.2).
        let script = format!(
            "n={seed}; while kill -0 $PPID 2>/dev/null; do n=$(( (n * 1103515245 + 12345) % 2147483648 )); i=0; \
             while [ $i -lt $((n / 65536 % 20 * 10000)) ]; do i=$((i+1)); done; sleep 0.$((n / 65536 % 7)); done"
        );
        Self::running(path, &script)
    }

    fn running(path: &str, script: &str) -> Self {
        let mut task = Self::empty(path);
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = task.child.insert(command.spawn().unwrap());
        task.scratch.as_ref().unwrap().add_process(child.id()).unwrap();
        task
    }

    pub(crate) fn dirs(&self) -> Vec<PathBuf> {
        self.scratch.as_ref().unwrap().dirs().to_vec()
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // One that has ended is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
        let Some(scratch) = self.scratch.take() else { return };
        // What it has started, such as a `sleep`, outlives it, and keeps the cgroup alive.
        end_all(scratch.dirs());
        if let Err(error) = scratch.remove()
            && !std::thread::panicking()
        {
            panic!("a test leaves a cgroup behind: {error}");
        }
    }
}

fn end_all(dirs: &[PathBuf]) {
    for dir in dirs {
        let listed = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
        for pid in listed.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?)) {
            // One that has ended meanwhile is as good.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

fn start_in(path: &str) -> Option<Scratch> {
    let hierarchies = Hierarchies::find(&Roots::system()).ok()?;
    Scratch::create(&hierarchies, path).ok()
}
