//! `wca bench node`: what the agent costs a node with so many tasks.

mod floor;
mod observed;
mod result;
mod tasks;

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use wca_kernel::{children, open_files, resident_memory};

use crate::arguments::NodeBenchArguments;
use crate::bench::floor::Floor;
use crate::bench::observed::{Metrics, Observed};
use crate::bench::result::Measured;
use crate::bench::tasks::Tasks;
use crate::report;

/// Ticks before the first that counts, in which files are opened and buffers grow; and for how long, so that files of tasks that
/// sleep come to rest.
const WARM_UP: (u32, Duration) = (3, Duration::from_secs(7));
/// What the descriptor of a counter leads to.
const COUNTER: &str = "anon_inode:[perf_event]";
/// How often it is looked whether a tick has been stored. Reading what has not changed would push what is measured out of
/// the processor's caches.
const LOOK: Duration = Duration::from_millis(5);
/// How long the loop may take to store its first tick, and how many intervals for each further one.
const PATIENCE: (Duration, u32) = (Duration::from_secs(60), 20);

/// `wca bench node`.
///
/// # Errors
/// Cgroups cannot be made, or the loop does not run.
pub(crate) fn node(arguments: &NodeBenchArguments) -> Result<u8> {
    let signals = signals()?;
    let mut tasks = Tasks::start(arguments.tasks)?;
    let folder = tempfile::tempdir().context("a folder for the configuration")?;
    let measured = Loop::start(arguments, &tasks, folder.path())?.measure(arguments, &mut tasks, &signals)?;
    report::print(&if arguments.json { measured.json() } else { measured.text() });
    Ok(0)
}

/// SIGINT and SIGTERM, which would otherwise leave the cgroups behind.
fn signals() -> Result<SignalFd> {
    let set: SigSet = [Signal::SIGTERM, Signal::SIGINT].into_iter().collect();
    set.thread_block().context("pthread_sigmask")?;
    SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC).context("signalfd")
}

/// The real loop: this program with a configuration, ended with this value.
struct Loop {
    child: Child,
    metrics: Metrics,
    said: std::path::PathBuf,
    patience: Duration,
}

impl Loop {
    fn start(arguments: &NodeBenchArguments, tasks: &Tasks, folder: &Path) -> Result<Self> {
        let (config, metrics, said) = (folder.join("wca.yaml"), folder.join("metrics.prom"), folder.join("log"));
        let text = configuration(arguments, tasks, &metrics);
        std::fs::write(&config, text).with_context(|| config.display().to_string())?;
        let log = File::create(&said).with_context(|| said.display().to_string())?;
        let child = Command::new(std::env::current_exe().context("the path of this program")?)
            .args(["run", "--root", "--config"])
            .arg(&config)
            .arg("--run-dir")
            .arg(folder.join("run"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("wca run")?;
        Ok(Self { child, metrics: Metrics::of(metrics), said, patience: arguments.interval * PATIENCE.1 })
    }

    /// Looks at each tick, and reads all files that are kept open beside it.
    fn measure(mut self, arguments: &NodeBenchArguments, tasks: &mut Tasks, signals: &SignalFd) -> Result<Measured> {
        let mut last = self.next(&Observed::default(), PATIENCE.0, signals)?;
        let mut disturb = || if arguments.awake { tasks.wake() } else { Ok(()) };
        let begun = Instant::now();
        let mut warmed_up = 1;
        while warmed_up < WARM_UP.0 || begun.elapsed() < WARM_UP.1 {
            warmed_up += 1;
            disturb()?;
            last = self.next(&last, self.patience, signals)?;
        }
        let warden = self.child.id();
        let agent = *children(warden)?.first().context("the agent has ended")?;
        let mut floor = Floor::of(&open_files(warden)?)?;
        let mut measured = Measured::new(arguments.tasks, arguments.interval);
        for _ in 0..arguments.iterations {
            disturb()?;
            let now = self.next(&last, self.patience, signals)?;
            measured.add(&last, &now, floor.read()?);
            last = now;
        }
        measured.memory = [resident_memory(warden)?, resident_memory(agent)?];
        let open = open_files(warden)?;
        measured.counters = open.iter().filter(|target| target.as_os_str() == COUNTER).count();
        measured.descriptors = [open.len(), open_files(agent)?.len()];
        // Such as what cannot be counted here.
        Some(self.log()).filter(|log| !log.is_empty()).iter().for_each(|log| report::lines(log.trim_end()));
        measured.files = floor.count();
        Ok(measured)
    }

    /// The first tick that is stored after `last`.
    fn next(&mut self, last: &Observed, patience: Duration, signals: &SignalFd) -> Result<Observed> {
        let begun = Instant::now();
        loop {
            if let Some(now) = self.metrics.observe()?.filter(|now| now.tick > last.tick) {
                return Ok(now);
            }
            if signals.read_signal().context("signalfd")?.is_some() {
                bail!("interrupted");
            }
            if let Some(status) = self.child.try_wait().context("wca run")? {
                bail!("wca run has ended ({status}): {}", self.log());
            }
            if begun.elapsed() > patience.max(PATIENCE.0) {
                bail!("wca run stores nothing within {:?}: {}", begun.elapsed(), self.log());
            }
            std::thread::sleep(LOOK);
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.said).unwrap_or_default()
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        // It puts back what it has changed, and its agent ends with it; one that does not is ended.
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        let _ = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::TERM));
        let begun = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && begun.elapsed() < PATIENCE.0 {
            std::thread::sleep(LOOK);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(arguments: &NodeBenchArguments, tasks: &Tasks, metrics: &Path) -> String {
    let events = if arguments.perf { "" } else { "  event_names: []\n" };
    format!(
        "runner: !MeasurementRunner\n  node: !CgroupNode {{paths: [{:?}]}}\n  action_delay: {}\n{events}  metrics_storage: \
         !LogStorage {{output_filename: {:?}, overwrite: true}}\n",
        tasks.glob(),
        arguments.interval.as_secs_f64(),
        metrics.display().to_string(),
    )
}
