//! How changes are made.

use std::time::Duration;

use wca_model::{CompareWith, Kind, Mode, OnExit, OnFailure, OnForeignWrite, SharesConversion, Signal, Worse};

use crate::node::Place;

/// How the changes are made that an allocator asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Control {
    /// Whether anything is written.
    pub mode: Mode,
    /// What becomes of the values at the end.
    pub on_exit: OnExit,
    /// What becomes of the values of a policy that has failed too often, and of all where the agent has died or fallen silent.
    pub on_failure: OnFailure,
    /// Iterations after which a value of an earlier start is put back that was not asked for again.
    pub adopt_ticks: u32,
    /// What is done about values that somebody else has changed; other kinds have their defaults.
    pub on_foreign_write: Vec<(Kind, OnForeignWrite)>,
    /// Most values that are written again in a minute because somebody else has changed them.
    pub reapply_per_minute: u32,
    /// How CPU shares become weights of cgroup v2.
    pub cpu_shares_conversion: SharesConversion,
    /// Whether controllers are enabled on the way to a task.
    pub enable_controllers: bool,
    /// Whether one request that cannot be applied keeps its whole batch from being applied.
    pub all_or_nothing: bool,
    /// Whether a memory limit may be below what is in use.
    pub allow_oom: bool,
    /// Whether pages are moved while swap is on.
    pub migrate_with_swap: bool,
    /// Whether resctrl groups that exist are removed at start.
    pub remove_all_resctrl_groups: bool,
    /// Whether those with tasks that the journal does not know are removed too.
    pub force: bool,
    /// Folder of the machine's kubelet, whose managers keep there what they have assigned.
    pub kubelet_root: String,
    /// What may be asked for at most.
    pub rails: Vec<Rail>,
    /// Part of the tasks that may be changed in any minute, 0 to 1; `None`: all.
    pub changed_tasks_per_minute: Option<f64>,
    /// Who must not get worse by what is done.
    pub protect: Vec<Protect>,
    /// How long a policy may change nothing after its changes were undone for the first time.
    pub cool_down: Duration,
}

impl Default for Control {
    /// As in a file without any of its arguments.
    fn default() -> Self {
        Self {
            mode: Mode::Apply,
            on_exit: OnExit::Restore,
            on_failure: OnFailure::Restore,
            adopt_ticks: 3,
            on_foreign_write: Vec::new(),
            reapply_per_minute: 60,
            cpu_shares_conversion: SharesConversion::Auto,
            enable_controllers: false,
            all_or_nothing: false,
            allow_oom: false,
            migrate_with_swap: false,
            remove_all_resctrl_groups: false,
            force: false,
            kubelet_root: "/var/lib/kubelet".into(),
            rails: Vec::new(),
            changed_tasks_per_minute: None,
            protect: Vec::new(),
            cool_down: Duration::from_secs(60),
        }
    }
}

/// What may be asked for of some tasks (`!Rail`). What is not said is not bounded.
#[derive(Clone, Debug, PartialEq)]
pub struct Rail {
    /// Where its tag stands.
    pub place: Place,
    /// Its name.
    pub name: String,
    /// Labels of its tasks, each with a pattern; none: all tasks.
    pub tasks: Vec<(String, String)>,
    /// Tasks with all of these labels are left out; none: nobody is.
    pub except: Vec<(String, String)>,
    /// Patterns for the cgroups of its tasks; none: all.
    pub cgroups: Vec<String>,
    /// Kinds that may be asked for; `None`: all.
    pub kinds: Option<Vec<Kind>>,
    /// Least and most of a kind.
    pub ranges: Vec<(Kind, f64, f64)>,
    /// Processors that may be given; `None`: all.
    pub cpus: Option<Vec<u32>>,
    /// NUMA nodes that may be given; `None`: all.
    pub mems: Option<Vec<u32>>,
    /// L3 ways that may be given, by domain.
    pub l3: Vec<(u32, u64)>,
    /// L2 ways that may be given, by domain.
    pub l2: Vec<(u32, u64)>,
    /// Most memory bandwidth, by domain.
    pub mb: Vec<(u32, u32)>,
    /// Patterns for resctrl groups; `None`: all.
    pub groups: Option<Vec<String>>,
    /// Bytes that may be moved in a minute.
    pub migrated_bytes_per_minute: Option<u64>,
    /// Changes in a minute.
    pub changes_per_minute: Option<u32>,
    /// Whether a value becomes the nearest one within.
    pub clamp: bool,
}

/// Tasks that must not get worse by what is done (`!Protect`).
#[derive(Clone, Debug, PartialEq)]
pub struct Protect {
    /// Where its tag stands.
    pub place: Place,
    /// Its name.
    pub name: String,
    /// Labels of its tasks, each with a pattern; none: all tasks.
    pub tasks: Vec<(String, String)>,
    /// Tasks with all of these labels are left out; none: nobody is.
    pub except: Vec<(String, String)>,
    /// Patterns for the cgroups of its tasks; none: all.
    pub cgroups: Vec<String>,
    /// What is watched.
    pub signal: Signal,
    /// Where that stands.
    pub signal_place: Place,
    /// Which way is worse.
    pub worse: Worse,
    /// Part by which it may get worse.
    pub worsening: f64,
    /// Least difference that counts, in the signal's unit; `None`: the signal's own.
    pub floor: Option<f64>,
    /// How long it is watched after a change.
    pub window: Duration,
    /// Where that stands.
    pub window_place: Place,
    /// What it is compared with.
    pub compare_with: CompareWith,
}
