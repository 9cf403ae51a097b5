//! The message set between agent and warden.

use serde::{Deserialize, Serialize};
use wca_model::{Catalog, InForce, Label, Outcome, Platform, Request as Change, Signal, TaskKey};

use crate::{KubeletFiles, MemoryTopology};

/// Version of this message set. Both processes are one binary; it guards against a binary that was replaced between the
/// start of the warden and the start of its agent.
pub const PROTOCOL: u32 = 1;

/// Most tasks of a roster.
pub const MAX_TASKS: usize = 65_536;
/// Longest path of a cgroup in bytes.
pub const MAX_PATH: usize = 4_096;
/// Most labels of a task.
pub const MAX_LABELS: usize = 256;
/// Longest name in bytes of who manages the cpuset of a task.
pub const MAX_MANAGER: usize = 4_096;
/// Greatest number of a processor.
pub const MAX_CPU: u32 = 65_535;
/// Most requests of one `Apply`: four for each task of the largest roster.
pub const MAX_REQUESTS: usize = 262_144;
/// Most bytes of a message to the warden. What it becomes in memory can be thirty times as large, and the warden must not
/// be made to run out of it.
pub const UPWARD_MAX: usize = 16 * 1024 * 1024;

/// What the agent sends: a request with a number that its reply repeats.
pub type Upward = Request;

/// What the warden sends.
#[allow(clippy::large_enum_variant, reason = "a message lives for microseconds, and most are replies")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Downward {
    /// The answer to the request whose number the message carries.
    Reply(Reply),
    /// Something that the agent did not ask for; the message's number is 0.
    Event(Event),
}

/// What the agent asks of the warden.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// The first message, once. Answer: [`Reply::Welcome`].
    Hello {
        /// [`PROTOCOL`] of the agent.
        protocol: u32,
    },
    /// Everything is loaded and what was asked for begins: whoever waits for WCA need not wait any more. Answer:
    /// [`Reply::Begun`].
    Begin,
    /// The populated cgroups. Answer: [`Reply::Tree`].
    Tree,
    /// Who is a task from now on, in the order of rows. Answer: [`Reply::Roster`].
    Roster {
        /// The tasks.
        tasks: Vec<RosterEntry>,
        /// Processors that a kubelet has given to one container or pod alone: no task gets them.
        exclusive_cpus: Vec<u32>,
    },
    /// Measure the tasks of the last roster. Answer: [`Reply::Sample`], with the columns as descriptor.
    Sample,
    /// What a policy asks for. Answer: [`Reply::Outcomes`], one per request in their order.
    Apply {
        /// Number of the policy among the components that the operator named.
        policy: u32,
        /// The requests, in the order in which the policy made them.
        requests: Vec<Change>,
    },
    /// What is in force of the tasks of the last roster. Answer: [`Reply::InForce`].
    InForce,
    /// Give back everything that a policy holds. Answer: [`Reply::Outcomes`].
    Release {
        /// Number of the policy.
        policy: u32,
    },
    /// A policy has failed so often that it is not called any more: what it holds is put back or stays, as the operator has decided.
    /// Answer: [`Reply::Outcomes`].
    Quarantined {
        /// Number of the policy.
        policy: u32,
    },
    /// A policy was lost and began anew, so that it does not know what it had asked for: that waits to be asked for again. Answer:
    /// [`Reply::Outcomes`].
    BegunAnew {
        /// Number of the policy.
        policy: u32,
    },
    /// What firmware and tools say of the memory modules, where the operator wants to know. Answer:
    /// [`Reply::MemoryTopology`].
    MemoryTopology,
    /// What the kubelet's managers have written down, where somebody allocates. Answer: [`Reply::KubeletFiles`].
    KubeletFiles,
    /// What is held of a task. Answer: [`Reply::Explained`].
    Explain {
        /// The task.
        task: TaskKey,
    },
    /// What the cgroups of a task do not say. Answer: [`Reply::Gaps`].
    Gaps {
        /// The task.
        task: TaskKey,
    },
    /// A file that the operator named. Answer: [`Reply::Opened`], with the file as descriptor.
    Open {
        /// Its number, in the order of the command line.
        file: u32,
    },
    /// What stands in a file that the operator named as an argument of a component. Answer: [`Reply::Input`].
    ReadInput {
        /// Its number among the inputs.
        input: u32,
        /// The version of its content that the agent has; none: it has none.
        known: Option<u64>,
    },
    /// A file that the operator named for what the agent writes. Answer: [`Reply::OutputOpened`], with the file as descriptor.
    OpenOutput {
        /// Its number among the outputs.
        output: u32,
    },
    /// What was written into an output that is replaced as a whole takes its place under its name. Answer:
    /// [`Reply::Published`], with the file for the next time as descriptor; without where there is none, and `OpenOutput`
    /// says why.
    Publish {
        /// Its number among the outputs.
        output: u32,
    },
    /// A socket that listens where the operator wants to be asked. Answer: [`Reply::Listening`], with the socket as descriptor.
    Listen {
        /// Its number among the listeners.
        listener: u32,
    },
    /// What the operator has written meanwhile, after [`Event::Reload`]. Answer: [`Reply::Renewed`].
    Renew,
    /// What became of it: from now on it is in force, or nothing of it is. Answer: [`Reply::Settled`].
    Settle {
        /// The number that came with it.
        generation: u64,
        /// Why it was not taken; none: it is in force.
        refused: Option<String>,
    },
    /// A component as machine code, from the cache or from the compiler. Answer: [`Reply::Compiled`], with the code as
    /// descriptor of sealed memory. Other requests are answered meanwhile.
    Compile {
        /// Number of the file.
        file: u32,
        /// What else the code depends on: version of the engine, its configuration, the processor.
        engine: [u8; 32],
        /// Whether the cache may be read and written.
        cache: bool,
    },
}

/// A task, as the warden knows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RosterEntry {
    /// Path of its cgroup below the mount point, with a leading `/`.
    pub cgroup: String,
    /// Identity of that cgroup as in [`Cgroup::identity`]; 0: whichever has that path.
    pub identity: u64,
    /// Cgroups of its containers, where the task is a pod.
    pub containers: Vec<String>,
    /// Labels by which the operator's rails choose tasks.
    pub labels: Vec<Label>,
    /// Who manages its processors and memory nodes, such as the CPU manager of its kubelet, for the reason why a request is
    /// refused; none: nobody else does.
    pub cpuset_managed_by: Option<String>,
}

/// A cgroup that holds processes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cgroup {
    /// Path below the mount point, with a leading `/`.
    pub path: String,
    /// Differs when a cgroup is made again under the same path.
    pub identity: u64,
    /// Controllers of the hierarchies in which it is populated, and `unified` for the v2 one.
    pub hierarchies: Vec<String>,
}

/// A file that a cgroup of a task lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The file, if it were there.
    pub file: String,
    /// The controller that brings it; none where every cgroup should have it.
    pub controller: Option<String>,
    /// Names of the metrics that are taken from it.
    pub metrics: Vec<String>,
}

/// What the warden answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// To `Hello`.
    Welcome {
        /// What the operator asked for, as the program encoded it for its agent.
        settings: Vec<u8>,
        /// The machine.
        platform: Platform,
        /// What samples will hold.
        catalog: Catalog,
        /// Samples that earlier agents of this warden took.
        ticks: u64,
    },
    /// To `Begin`.
    Begun,
    /// To `Tree`.
    Tree {
        /// The populated cgroups, sorted by path; none: they are those of the answer before.
        cgroups: Option<Vec<Cgroup>>,
        /// What could not be read, each said once.
        notices: Vec<String>,
    },
    /// To `Roster`.
    Roster {
        /// Changes when the tasks do.
        version: u64,
        /// Key of each task; none where the cgroup has gone. Rows are those that have a key.
        keys: Vec<Option<TaskKey>>,
        /// What samples hold from now on, where that changed.
        catalog: Option<Catalog>,
        /// The machine, where it changed.
        platform: Option<Platform>,
        /// What could not be opened, each said once.
        notices: Vec<String>,
    },
    /// To `Sample`; the columns are in the descriptor beside it.
    Sample {
        /// When the values were read, in seconds since 1970.
        timestamp: f64,
        /// What could not be read, each said once.
        notices: Vec<String>,
        /// What it has cost.
        cost: Cost,
        /// What has become of values that policies have changed.
        changed: Changed,
        /// Changes that were undone by what this sample shows, since a protected task got worse.
        reverted: Vec<Reverted>,
    },
    /// To `Apply`, `Release`, `Quarantined` and `BegunAnew`.
    Outcomes(Vec<Outcome>),
    /// To `InForce`: one for each task that has a key, in the order of rows.
    InForce(Vec<InForce>),
    /// To `MemoryTopology`.
    MemoryTopology(MemoryTopology),
    /// To `KubeletFiles`; none: they are those of the answer before.
    KubeletFiles(Option<KubeletFiles>),
    /// To `Explain`.
    Explained(Vec<HeldValue>),
    /// To `Gaps`.
    Gaps(Vec<Gap>),
    /// To `Open`; the file is the descriptor beside it.
    Opened {
        /// Its name, as the operator wrote it.
        name: String,
        /// Its size in bytes.
        size: u64,
    },
    /// To `ReadInput`.
    Input(InputContent),
    /// To `OpenOutput`; the file is the descriptor beside it.
    OutputOpened,
    /// To `Publish`.
    Published,
    /// To `Listen`; the socket is the descriptor beside it.
    Listening,
    /// To `Renew`: what the operator asks for now.
    Renewed {
        /// Number of this reading of the configuration.
        generation: u64,
        /// As [`Reply::Welcome`] has them.
        settings: Vec<u8>,
    },
    /// To `Settle`.
    Settled,
    /// To `Compile`; the code is in the descriptor beside it. The text says why there is none.
    Compiled(Result<Compiled, String>),
    /// The request was not served.
    Refused(Refused),
}

/// What stands in a file that the operator named as an argument of a component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InputContent {
    /// What the agent has.
    Unchanged,
    /// There is no such file now.
    Missing,
    /// This. The warden has not looked at it.
    Content {
        /// Another number where it may have changed.
        version: u64,
        /// Its bytes.
        bytes: Vec<u8>,
    },
}

/// What a sample has cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Seconds that reading the machine took.
    pub machine: f64,
    /// Seconds that reading the tasks took.
    pub tasks: f64,
    /// Most bytes of memory that the warden has had at once.
    pub memory: u64,
    /// Seconds of processor time that reading has cost since the warden began.
    pub reading: f64,
    /// Files of cgroups that were read for values since the warden began.
    pub files: u64,
    /// Seconds of processor time that handing over what was read had cost before this sample.
    pub crossing: f64,
    /// Seconds of processor time that the warden has had.
    pub process: f64,
}

/// What has become of values that policies have changed, since the warden began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Values that are held.
    pub held: u64,
    /// How often somebody else has changed a value of each kind.
    pub foreign_writes: Vec<(wca_model::Kind, u64)>,
    /// Bytes that were moved to other NUMA nodes.
    pub moved_bytes: u64,
    /// How often changes of a policy were undone, with the policy and the guard that did it.
    pub reverts: Vec<(String, String, u64)>,
    /// Policies whose changes were undone lately, and how many milliseconds longer each may change nothing.
    pub cooling: Vec<(String, u64)>,
    /// How many tasks with its signal each guard watches.
    pub guarded: Vec<(String, u64)>,
}

/// Changes that were undone, since a protected task got worse after them. While changes are frozen none are, and it is told all the
/// same, without outcomes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reverted {
    /// Name of the guard.
    pub guard: String,
    /// What it watches.
    pub signal: Signal,
    /// The task that got worse.
    pub victim: TaskKey,
    /// What the signal was before, in its own unit.
    pub before: f64,
    /// What it became.
    pub after: f64,
    /// Tasks of which something was changed.
    pub culprits: Vec<TaskKey>,
    /// What became of the requests, with the number of the policy that had made them.
    pub outcomes: Vec<(u32, Outcome)>,
}

/// Machine code of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compiled {
    /// SHA-256 of the component.
    pub digest: [u8; 32],
    /// Whether it came from the cache.
    pub cached: bool,
}

/// A value that WCA holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeldValue {
    /// Name of the policy that asked for it.
    pub policy: String,
    /// What kind of request it was.
    pub kind: wca_model::Kind,
    /// Its cache or bandwidth domain, where the kind has one.
    pub domain: Option<u32>,
    /// The file in which it stands.
    pub file: String,
    /// What the policy asked for, before it was converted.
    pub asked: String,
    /// The value that was found before our first change, as the kernel writes it.
    pub before: String,
    /// The value that was written.
    pub written: String,
    /// What the kernel made of it; none: it was not read back.
    pub now: Option<String>,
    /// When it was written, in seconds since 1970.
    pub since: f64,
    /// Whether a guard still watches what comes of it, and would undo it.
    pub on_trial: bool,
    /// Whether nobody asks for it any more, and it is put back when the operator thaws changes.
    pub goes_back: bool,
}

/// Why a request was not served. The warden goes on after each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refused {
    /// The bytes are no message.
    #[error("malformed message: {0}")]
    Malformed(String),
    /// A message or a part of it is larger than the bound.
    #[error("oversized message: {0}")]
    Oversized(String),
    /// The message makes no sense now.
    #[error("out of order: {0}")]
    OutOfOrder(String),
    /// There is no such file, policy or task, or the value is no possible one.
    #[error("{0}")]
    Invalid(String),
    /// The kernel said no.
    #[error("{0}")]
    Failed(String),
}

/// What the warden tells the agent unasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// End after the current tick, with everything stored.
    Stop,
    /// The operator has changed the configuration: ask for it with [`Request::Renew`].
    Reload,
    /// What the operator has written could not be read; the configuration stays as it was.
    Misread,
}
