//! A warden in a process of its own, with what it and its agent say.

#[path = "../../../../tests/skipped.rs"]
mod skipped;

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use serde_json::{Value, json};
pub(crate) use skipped::skipped;
use tempfile::TempDir;

/// An ordinary user that no machine has.
pub(crate) const USER: u32 = 54_321;
/// Longer than anything here takes on a machine that does ten other things.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// Whose warden it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum As {
    /// Root, which drops to another user.
    Root,
    /// An ordinary user.
    User,
}

/// Both, or what this user can do; what is left out is said.
pub(crate) fn everybody() -> Vec<As> {
    if geteuid().is_root() {
        return vec![As::Root, As::User];
    }
    skipped("only root can show how root drops to another user");
    vec![As::User]
}

/// A running warden.
pub(crate) struct Warden {
    process: Child,
    lines: Receiver<Value>,
    log: Arc<Mutex<String>>,
    /// Gives way when nobody has the other end of the log any more.
    log_end: Receiver<()>,
    pub(crate) folder: Arc<TempDir>,
}

pub(crate) fn probe() -> PathBuf {
    let deps = std::env::current_exe().unwrap();
    let probe = deps.parent().unwrap().parent().unwrap().join("examples/probe");
    assert!(probe.exists(), "{} is missing: `cargo build --example probe` builds it", probe.display());
    probe
}

/// A folder of the user's.
pub(crate) fn folder(who: As) -> Arc<TempDir> {
    let folder = tempfile::tempdir().unwrap();
    if who == As::User && geteuid().is_root() {
        chown(folder.path(), Some(USER), Some(USER)).unwrap();
    }
    Arc::new(folder)
}

impl Warden {
    /// Starts one in a folder of its own, with an agent of these arguments.
    pub(crate) fn start(who: As, agent: &[&str], config: Value) -> Self {
        Self::start_in(&folder(who), who, agent, config, &[])
    }

    pub(crate) fn start_in(
        folder: &Arc<TempDir>,
        who: As,
        agent: &[&str],
        mut config: Value,
        environment: &[(&str, &Path)],
    ) -> Self {
        config["agent"] = json!(agent);
        if config["run_dir"].is_null() {
            config["run_dir"] = json!(folder.path().join("run"));
        }
        // By descriptor, since an ordinary user need not reach the folder of this build.
        let program = File::open(probe()).unwrap();
        rustix::io::fcntl_setfd(&program, rustix::io::FdFlags::empty()).unwrap();
        let mut command = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()));
        if who == As::User && geteuid().is_root() {
            command.uid(USER).gid(USER);
        }
        command.args(["warden", &config.to_string()]).envs(environment.iter().copied()).env("RUST_LOG", "debug");
        let mut process = command
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines() {
                let Ok(line) = line else { return };
                let line = serde_json::from_str(&line).unwrap_or_else(|_| json!({"not json": line}));
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let log = Arc::<Mutex<String>>::default();
        let (mut stderr, kept) = (process.stderr.take().unwrap(), Arc::clone(&log));
        let (ended, log_end) = channel();
        std::thread::spawn(move || {
            let _ended: std::sync::mpsc::Sender<()> = ended;
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = stderr.read(&mut buffer) {
                kept.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..read]));
            }
        });
        Self { process, lines, log, log_end, folder: Arc::clone(folder) }
    }

    /// The next line of the agent.
    pub(crate) fn line(&self) -> Value {
        self.lines.recv_timeout(LONG).unwrap_or_else(|_| panic!("nothing more was said; the log: {}", self.log()))
    }

    /// All lines up to its end, and how it ended.
    pub(crate) fn rest(mut self) -> (Vec<Value>, ExitStatus, String) {
        let status = self.wait();
        let mut lines = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(Duration::from_secs(5)) {
            lines.push(line);
        }
        let _ = self.log_end.recv_timeout(Duration::from_secs(5));
        (lines, status, self.log())
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(begin.elapsed() < LONG, "it does not end; the log: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until the log says something.
    pub(crate) fn wait_for_log(&self, text: &str) {
        let begin = Instant::now();
        while !self.log().contains(text) {
            assert!(begin.elapsed() < LONG, "the log does not say {text:?}: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Its children with their states: `R`, `S`, `Z` for a zombie.
    pub(crate) fn children(&self) -> Vec<(Pid, char)> {
        let own = self.pid().as_raw_nonzero().get().to_string();
        let mut children = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
            let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
            // After the name, which may hold anything: state and parent.
            let mut fields = stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace();
            let (state, parent) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
            if parent == own {
                children.push((Pid::from_raw(pid).unwrap(), state.chars().next().unwrap()));
            }
        }
        children
    }
}

impl Drop for Warden {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}
