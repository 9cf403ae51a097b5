//! How changes are made, as the operator has decided.

use std::collections::BTreeMap;
use std::time::Duration;

use wca_model::{Kind, Mode, OnExit, OnFailure, OnForeignWrite, SharesConversion};
use wca_rules::{Protect, Rails};

/// How changes are made. The operator decides all of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Whether anything is written.
    pub mode: Mode,
    /// Period of CPU quotas in microseconds; none: what is found in the cgroup.
    pub cpu_quota_period: Option<u32>,
    /// CPU shares that stand for 1.0.
    pub cpu_shares_unit: u32,
    /// How CPU shares become weights of cgroup v2.
    pub cpu_shares_conversion: SharesConversion,
    /// Whether a controller that is not enabled on the way to a task is enabled.
    pub enable_controllers: bool,
    /// Whether one request that cannot be applied keeps all others of its batch from being applied. What was written
    /// before the kernel refused one is unmade.
    pub all_or_nothing: bool,
    /// Whether a memory limit may be set below what is in use.
    pub allow_oom: bool,
    /// Whether pages are moved while swap is on.
    pub migrate_with_swap: bool,
    /// Bytes that are moved between two looks at whether there is room.
    pub migrate_bytes_per_step: u64,
    /// What becomes of the values when WCA ends.
    pub on_exit: OnExit,
    /// What becomes of the values of a policy that has failed too often, and of all where the agent has died or fallen silent.
    pub on_failure: OnFailure,
    /// Ticks after which an adopted value that nobody has asked for again is put back, and those of a task that has left the roster.
    pub adopt_ticks: u32,
    /// What is done about a value that somebody else has changed; a kind that is not named has [`OnForeignWrite::default_of`].
    pub on_foreign_write: BTreeMap<Kind, OnForeignWrite>,
    /// Most values that are written again in a minute, because somebody else has changed them.
    pub reapply_per_minute: u32,
    /// Cache and memory bandwidth.
    pub rdt: RdtSettings,
    /// What policies may ask for at most.
    pub rails: Rails,
    /// Part of the tasks that may be changed in any minute, 0 to 1; none: all.
    pub changed_tasks_per_minute: Option<f64>,
    /// Who must not get worse by what is done. Where there is anybody, what is done can be undone batch by batch.
    pub protect: Vec<Protect>,
    /// How long a policy may change nothing after its changes were undone for the first time.
    pub cool_down: Duration,
}

/// Cache and memory bandwidth at start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RdtSettings {
    /// L3 ways of the root group, as a line of schemata such as `L3:0=fff`; none: as found.
    pub default_l3: Option<String>,
    /// Memory bandwidth of the root group, as a line of schemata such as `MB:0=100`; none: as found.
    pub default_mb: Option<String>,
    /// Groups that the operator's rules name, which may be written though WCA did not make them. The empty name is the root group.
    pub named_groups: Vec<String>,
    /// Whether the groups that are there are removed at start.
    pub remove_all_groups: bool,
    /// Whether those with tasks that the journal does not know are removed too.
    pub force: bool,
}

impl Settings {
    /// What is done about a value of this kind that somebody else has changed.
    #[must_use]
    pub fn does(&self, kind: Kind) -> OnForeignWrite {
        self.on_foreign_write.get(&kind).copied().unwrap_or_else(|| OnForeignWrite::default_of(kind))
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            mode: Mode::Shadow,
            cpu_quota_period: None,
            cpu_shares_unit: 1000,
            cpu_shares_conversion: SharesConversion::Auto,
            enable_controllers: false,
            all_or_nothing: false,
            allow_oom: false,
            migrate_with_swap: false,
            migrate_bytes_per_step: 8 << 20,
            on_exit: OnExit::Restore,
            on_failure: OnFailure::Restore,
            adopt_ticks: 3,
            on_foreign_write: BTreeMap::new(),
            reapply_per_minute: 60,
            rdt: RdtSettings::default(),
            rails: Rails::default(),
            changed_tasks_per_minute: None,
            protect: Vec::new(),
            cool_down: Duration::from_secs(60),
        }
    }
}
