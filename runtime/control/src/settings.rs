//! How changes are made, as the operator has decided.

use std::collections::BTreeMap;

use wca_model::Kind;
use wca_rules::Rails;

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

/// Whether anything is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Requests are judged and planned, and nothing is written.
    #[default]
    Shadow,
    /// Changes are made.
    Apply,
}

/// How CPU shares become weights of cgroup v2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SharesConversion {
    /// The formula by which the weights of the task's siblings were made, as far as these tell (see docs/control.md); where they do
    /// not, the kernel's.
    #[default]
    Auto,
    /// `1 + (shares - 2) * 9999 / 262142`, of runc before 1.3.2 and of the kubelet before 1.35: 1024 shares are 39.
    RuncLinear,
    /// `shares * 100 / 1024`, by which the kernel shows its shares as weights: 1024 shares are its default weight.
    Kernel,
    /// `10^(l^2/612 + 125*l/612 - 7/34)` with `l = log2(shares)`, rounded up, of runc since 1.3.2 (2025): 1024 shares are 100.
    Runc2025,
}

/// What becomes of the values when WCA ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnExit {
    /// They are put back.
    #[default]
    Restore,
    /// They stay, for the next start to adopt.
    Keep,
}

/// What is done about a value that somebody else has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnForeignWrite {
    /// It is written again.
    Reapply,
    /// It is theirs from now on.
    Yield,
    /// It is said, and stays as it is until another value is asked for; at the end too it is left to those who wrote it.
    Report,
}

impl Settings {
    /// What is done about a value of this kind that somebody else has changed.
    #[must_use]
    pub fn does(&self, kind: Kind) -> OnForeignWrite {
        self.on_foreign_write.get(&kind).copied().unwrap_or_else(|| OnForeignWrite::default_of(kind))
    }
}

impl OnForeignWrite {
    /// Of a kind that the operator has not named: runtimes reset quotas and shares by themselves, everything else was somebody's wish.
    #[must_use]
    pub fn default_of(kind: Kind) -> Self {
        match kind {
            Kind::CpuQuota | Kind::CpuShares => Self::Reapply,
            _ => Self::Yield,
        }
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
            adopt_ticks: 3,
            on_foreign_write: BTreeMap::new(),
            reapply_per_minute: 60,
            rdt: RdtSettings::default(),
            rails: Rails::default(),
        }
    }
}
