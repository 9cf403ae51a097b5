//! Cgroups with a sleeping process each.

use std::io::{PipeWriter, pipe};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use wca_kernel::{Hierarchies, Roots, Scratch, raise_descriptor_limit};

/// What each process does: it waits on a pipe, which closes when the program that started it has ended.
const SLEEP: &str = "read -r nothing";

/// The tasks, ended and removed with this value.
pub(super) struct Tasks {
    folder: String,
    processes: Vec<Child>,
    cgroups: Vec<Scratch>,
    /// Open as long as the processes are to sleep.
    _awake: PipeWriter,
}

impl Tasks {
    /// Starts so many.
    ///
    /// # Errors
    /// This user may make no cgroup, or start no process.
    pub(super) fn start(count: u32) -> Result<Self> {
        raise_descriptor_limit()?;
        let hierarchies = Hierarchies::find(&Roots::system())?;
        let (asleep, awake) = pipe().context("pipe")?;
        let folder = format!("wca-bench-{}", std::process::id());
        let mut tasks = Self { folder, processes: Vec::new(), cgroups: Vec::new(), _awake: awake };
        for number in 0..count {
            let cgroup = Scratch::create(&hierarchies, &format!("{}/task{number:05}", tasks.folder))?;
            let process = Command::new("sh")
                .args(["-c", SLEEP])
                .stdin(asleep.try_clone().context("pipe")?)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .context("sh")?;
            let pid = process.id();
            tasks.processes.push(process);
            tasks.cgroups.push(cgroup);
            tasks.cgroups[number as usize].add_process(pid)?;
        }
        Ok(tasks)
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
