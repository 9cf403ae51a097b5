//! `wca demo`: the agent at work on this machine's own cgroups, with a busy and an idle one added for the run.

use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use wca_agent::settings::{ComponentSource, Job, Run};
use wca_kernel::{Hierarchies, Roots, Scratch};
use wca_sandbox::{Grants, Limits};

use crate::arguments::DemoArguments;
use crate::{report, start};

/// What the busy task does: the processor is its own until the program that started it has ended.
const BUSY: &str = "while kill -0 $PPID 2>/dev/null; do i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; done";
/// What the idle task does: it waits on a pipe, which closes when the program that started it has ended.
const IDLE: &str = "read -r nothing";

/// `wca demo`.
///
/// # Errors
/// What cannot be started.
pub(crate) fn demo(arguments: &DemoArguments) -> Result<u8> {
    let _tasks = Tasks::start();
    let job = Job::Run(Run {
        inputs: Vec::new(),
        components: vec![ComponentSource::Embedded { name: "BusyTask".into() }],
        set: vec![("threshold".into(), "0.2".into()), ("ticks".into(), "2".into())],
        limits: Limits::default(),
        grants: Grants::default(),
        interval: arguments.pace.interval,
        iterations: Some(arguments.pace.iterations),
        continue_on_errors: false,
        seed: None,
    });
    let config = start::config(&arguments.process, start::settings(&arguments.process, job), Vec::new())?;
    Ok(wca_warden::run(config)?)
}

/// The two tasks of the demonstration, ended with it.
struct Tasks {
    running: Vec<(Child, Scratch)>,
}

impl Tasks {
    /// Starts a busy and an idle task in cgroups of their own; where this user may not, says so and watches what is there.
    fn start() -> Self {
        let mut running = Vec::new();
        let folder = format!("wca-demo-{}", std::process::id());
        for (name, script) in [("busy", BUSY), ("idle", IDLE)] {
            match start_task(&format!("{folder}/{name}"), script) {
                Ok(task) => running.push(task),
                Err(error) => {
                    report::note(&format!("no {name} task is added: {error:#}; the tasks that are there are watched"));
                    break;
                }
            }
        }
        Self { running }
    }
}

fn start_task(path: &str, script: &str) -> Result<(Child, Scratch)> {
    let hierarchies = Hierarchies::find(&Roots::system())?;
    let cgroup = Scratch::create(&hierarchies, path)?;
    let child = Command::new("sh")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("sh")?;
    let task = (child, cgroup);
    task.1.add_process(task.0.id())?;
    Ok(task)
}

impl Drop for Tasks {
    fn drop(&mut self) {
        for (child, _) in &mut self.running {
            // A child that has ended already is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
