//! A folder with a configuration, and the program that runs it.

use std::fs::{self, File, Permissions};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::common::{Finished, cache};
use crate::text::{Line, lines};

/// How long anything may take here; others use the machine too.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A folder with a configuration.
pub(crate) struct Setup {
    folder: TempDir,
}

impl Setup {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// With this configuration, in which `FOLDER` is the folder.
    pub(crate) fn with(yaml: &str) -> Self {
        let setup = Self::new();
        setup.configure(yaml);
        setup
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes the configuration, at once as an editor does.
    pub(crate) fn configure(&self, yaml: &str) {
        let text = yaml.replace("FOLDER", &self.folder.path().display().to_string());
        let new = self.path("config.yaml.new");
        fs::write(&new, text).unwrap();
        fs::set_permissions(&new, Permissions::from_mode(0o644)).unwrap();
        fs::rename(new, self.path("config.yaml")).unwrap();
    }

    /// `wca -c config.yaml --root` with these arguments, not yet started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wca"));
        command.arg("-c").arg(self.path("config.yaml")).arg("--root");
        command.arg("--run-dir").arg(self.path("run")).arg("--cache-dir").arg(cache()).args(arguments);
        command
    }

    /// Runs it to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        Finished::of(&self.command(arguments).output().unwrap())
    }

    /// Starts it; what it says goes to files.
    pub(crate) fn start(&self, arguments: &[&str]) -> Started<'_> {
        self.spawn(self.command(arguments))
    }

    pub(crate) fn spawn(&self, mut command: Command) -> Started<'_> {
        let file = |name: &str| Stdio::from(File::create(self.path(name)).unwrap());
        let child = command.stdin(Stdio::null()).stdout(file("stdout")).stderr(file("stderr")).spawn().unwrap();
        Started { setup: self, child }
    }

    /// A file of the folder; empty where there is none.
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The samples in a file of the folder.
    pub(crate) fn lines(&self, name: &str) -> Vec<Line> {
        lines(&self.read(name))
    }

    /// The samples at the end of a file that may be large.
    pub(crate) fn last_lines(&self, name: &str) -> Vec<Line> {
        let mut file = File::open(self.path(name)).unwrap();
        let length = file.metadata().unwrap().len();
        let from = length.saturating_sub(64 << 10);
        file.seek(SeekFrom::Start(from)).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        let whole = if from == 0 { &text } else { text.split_once('\n').map_or("", |(_, whole)| whole) };
        lines(whole)
    }

    /// `wca reload`.
    pub(crate) fn reload(&self) -> Finished {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wca"));
        Finished::of(&command.arg("reload").arg("--run-dir").arg(self.path("run")).output().unwrap())
    }
}

/// A program that runs; ended at once where it is dropped.
pub(crate) struct Started<'a> {
    setup: &'a Setup,
    child: Child,
}

impl Started<'_> {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn finish(mut self) -> Finished {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end: {}", self.setup.read("stderr"));
            std::thread::sleep(Duration::from_millis(5));
        };
        Finished { code: status.code(), stdout: self.setup.read("stdout"), stderr: self.setup.read("stderr") }
    }

    /// Asks it to end, and waits.
    pub(crate) fn stop(self) -> Finished {
        self.signal(Signal::TERM);
        self.finish()
    }

    /// Waits until something is so.
    pub(crate) fn until(&mut self, what: &str, mut is_so: impl FnMut(&Setup) -> bool) {
        let begun = Instant::now();
        while !is_so(self.setup) {
            let said = || self.setup.read("stderr");
            assert!(begun.elapsed() < PATIENCE, "{what}: not so after {PATIENCE:?}; said: {}", said());
            assert!(self.child.try_wait().unwrap().is_none(), "{what}: it has ended; said: {}", said());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until the file has so many ticks.
    pub(crate) fn until_ticks(&mut self, name: &str, ticks: usize) {
        self.until(&format!("{ticks} ticks in {name}"), |setup| {
            setup.read(name).lines().filter(|line| line.starts_with("wca_up{")).count() >= ticks
        });
    }
}

impl Drop for Started<'_> {
    fn drop(&mut self) {
        // One that has ended is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
