//! Cgroups with a sleeping process each.

use std::io::{PipeWriter, Write as _, pipe};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use wca_kernel::{Hierarchies, Roots, Scratch, raise_descriptor_limit};

/// What each process does: it waits on a pipe of its own, which closes when the program that started it has ended.
const SLEEP: &str = "while read -r nothing; do :; done";

/// The tasks, ended and removed with this value.
pub(super) struct Tasks {
    folder: String,
    processes: Vec<Child>,
    cgroups: Vec<Scratch>,
    /// By which each is woken, open as long as it is to sleep.
    awake: Vec<PipeWriter>,
}

impl Tasks {
    /// Starts so many.
    ///
    /// # Errors
    /// This user may make no cgroup, or start no process.
    pub(super) fn start(count: u32) -> Result<Self> {
        raise_descriptor_limit()?;
        let hierarchies = Hierarchies::find(&Roots::system())?;
        let folder = format!("wca-bench-{}", std::process::id());
        let mut tasks = Self { folder, processes: Vec::new(), cgroups: Vec::new(), awake: Vec::new() };
        for number in 0..count {
            let cgroup = Scratch::create(&hierarchies, &format!("{}/task{number:05}", tasks.folder))?;
            let (asleep, awake) = pipe().context("pipe")?;
            tasks.awake.push(awake);
            let process = Command::new("sh")
                .args(["-c", SLEEP])
                .stdin(asleep)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .context("sh")?;
            let pid = process.id();
            tasks.processes.push(process);
            tasks.cgroups.push(cgroup);
            tasks.cgroups[number as usize].add_process(pid)?;
        }
        // What they did before they were in their cgroups is not counted there, and who has done nothing is not known to be at rest.
        tasks.wake()?;
        Ok(tasks)
    }

    /// Has each process work for a moment.
    ///
    /// # Errors
    /// One of them has ended.
    pub(super) fn wake(&mut self) -> Result<()> {
        self.awake.iter_mut().try_for_each(|awake| awake.write_all(b"\n")).context("waking a task")
    }

    /// A glob of all of them.
    pub(super) fn glob(&self) -> String {
        format!("/{}/*", self.folder)
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        for process in &mut self.processes {
            // One that has ended already is as good.
            let _ = process.kill();
            let _ = process.wait();
        }
        // Before the folder that they are in, which is the first one's.
        while self.cgroups.pop().is_some() {}
    }
}
