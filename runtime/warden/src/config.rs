//! What a warden is started with.

use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use wca_config::ListenAddress;
use wca_control::Policy;
use wca_kernel::{Roots, Wanted};

use crate::outputs::OutputFile;
use crate::reload::Reload;

/// What a warden is started with. The operator decides all of it; nothing here comes from the agent.
#[derive(Debug)]
pub struct WardenConfig {
    /// The program that agent and compiler run, as an open file; none: the running executable. It is started by descriptor,
    /// since its path may be closed to the agent's user.
    pub program: Option<File>,
    /// Arguments of the agent after the program's name.
    pub agent: Vec<String>,
    /// Arguments of the compiler after the program's name.
    pub compiler: Vec<String>,
    /// Handed to the agent as it is.
    pub settings: Vec<u8>,
    /// The files that the operator named, each with the name as written.
    pub files: Vec<(String, File)>,
    /// The files that arguments of components may name, read when the agent asks.
    pub inputs: Vec<PathBuf>,
    /// The files that the agent may write.
    pub outputs: Vec<OutputFile>,
    /// Where the agent is asked.
    pub listeners: Vec<ListenAddress>,
    /// The policies that the operator named, those that come first first; a request in the name of any other is refused.
    pub policies: Vec<Policy>,
    /// How changes are made.
    pub control: wca_control::Settings,
    /// The agent's user by name or number; none: `wca` where there is root to drop, else an unused number.
    pub user: Option<String>,
    /// Folder of the lock and the operator's socket; none: `/run/wca`, or the user's own.
    pub run_dir: Option<PathBuf>,
    /// Whether it has that folder to itself and serves the operator; a job that is soon over does neither.
    pub serves_operator: bool,
    /// Where compiled code is kept.
    pub cache: Cache,
    /// Limits of one compilation.
    pub compile: CompileLimits,
    /// Where the kernel's files are.
    pub roots: Roots,
    /// How the agent is started again.
    pub restart: Restart,
    /// How long the agent may take to end after it was asked to.
    pub grace: Duration,
    /// What is measured of that which not everybody needs.
    pub wanted: Wanted,
    /// Folder of the machine's kubelet (its `--root-dir`), whose managers keep what they have assigned; none: nobody asks.
    pub kubelet: Option<PathBuf>,
    /// How often the agent should ask for samples; none: whenever it likes.
    pub ticks: Option<Ticks>,
    /// Reads the configuration again, at SIGHUP and when the operator asks; none: there is none.
    pub reload: Option<Reload>,
}

impl Default for WardenConfig {
    fn default() -> Self {
        Self {
            program: None,
            agent: vec!["agent".into()],
            compiler: vec!["compile".into()],
            settings: Vec::new(),
            files: Vec::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            listeners: Vec::new(),
            policies: vec![Policy::default()],
            control: wca_control::Settings::default(),
            user: None,
            run_dir: None,
            serves_operator: true,
            cache: Cache::Default,
            compile: CompileLimits::default(),
            roots: Roots::system(),
            restart: Restart::default(),
            grace: Duration::from_secs(10),
            wanted: Wanted::default(),
            kubelet: None,
            ticks: None,
            reload: None,
        }
    }
}

/// Where compiled code is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cache {
    /// Nowhere: each component is compiled at each start.
    None,
    /// In `/var/cache/wca` as root, else in `wca` below the user's cache folder.
    Default,
    /// In this folder.
    At(PathBuf),
}

/// Limits of one compilation. Compilers are large and their input is hostile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompileLimits {
    /// Bytes of address space: `--limit compile-memory`.
    pub memory: u64,
    /// Seconds of processor time and of waiting: `--limit compile-time`.
    pub time: Duration,
    /// Bytes of machine code: `--limit compile-output`.
    pub output: u64,
    /// Bytes of a component: `--limit component-size`.
    pub input: u64,
    /// Bytes of compiled code that the cache keeps over all components: `--limit cache-size`.
    pub cache: u64,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self { memory: 4 << 30, time: Duration::from_secs(120), output: 512 << 20, input: 256 << 20, cache: 2 << 30 }
    }
}

/// How an agent that died is started again: at once, then after `first`, doubling up to `most`; as new after `healthy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restart {
    /// Wait before the second start in a row.
    pub first: Duration,
    /// Longest wait.
    pub most: Duration,
    /// An agent that lived this long had no part in the next one's death.
    pub healthy: Duration,
    /// Starts in a row without a first message, after which the warden gives up.
    pub mute: u32,
}

impl Default for Restart {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(100),
            most: Duration::from_secs(30),
            healthy: Duration::from_secs(60),
            mute: 5,
        }
    }
}

/// How often an agent that has begun to ask for samples should go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticks {
    /// The interval.
    pub interval: Duration,
    /// Intervals without a sample after which it is reported.
    pub report: u32,
    /// Intervals without a sample after which the agent is killed and started again.
    pub kill: u32,
}
