//! An allocator whose rules the operator writes: which tasks, and what they get.

mod ask;
mod chosen;
mod plan;
mod told;
mod values;

/// Asks, in each tick, for what rules say of tasks by their id or their labels.
#[wca_guest::allocator(name = "StaticAllocator")]
pub(crate) mod static_allocator {
    use std::collections::BTreeMap;

    use crate::chosen::Chosen;
    use crate::plan::Plan;

    #[derive(Clone, PartialEq)]
    pub(crate) struct Config {
        /// Rules, of which later ones override earlier ones, kind by kind.
        pub(crate) rules: Option<Vec<Rule>>,
        /// More rules, which come after these: a list in YAML. Read again whenever it has changed.
        #[file]
        pub(crate) config: Option<Vec<Rule>>,
    }

    /// What some tasks get.
    #[config]
    #[derive(Clone, PartialEq)]
    pub(crate) struct Rule {
        /// For messages.
        pub(crate) name: Option<String>,
        /// The task with this id, and no other; then `labels` do not count.
        pub(crate) task_id: Option<String>,
        /// Tasks with these labels: regular expressions that match the beginning of the label's value.
        pub(crate) labels: Option<BTreeMap<String, String>>,
        /// How many of the labels must match: any one where it is not given.
        pub(crate) r#match: Option<Match>,
        /// What they get.
        pub(crate) allocations: Option<Allocations>,
    }

    /// How many labels must match.
    #[config]
    #[derive(Clone, Copy, PartialEq)]
    pub(crate) enum Match {
        Any,
        All,
    }

    /// One value for each kind that is asked for.
    #[config]
    #[derive(Clone, PartialEq)]
    pub(crate) struct Allocations {
        /// Part of the machine's processor time, 0 to 1.
        pub(crate) cpu_quota: Option<f64>,
        /// Relative share; 1 is `cpu_shares_unit`.
        pub(crate) cpu_shares: Option<f64>,
        /// Weight of cgroup v2, 1 to 10000.
        pub(crate) cpu_weight: Option<u32>,
        /// Processors, such as `0-3,6`.
        pub(crate) cpuset_cpus: Option<Ids>,
        /// NUMA nodes, such as `0,1`.
        pub(crate) cpuset_mems: Option<Ids>,
        /// Whether pages follow when `cpuset_mems` changes.
        pub(crate) cpuset_memory_migrate: Option<Switch>,
        /// The NUMA node to which pages move.
        pub(crate) migrate_pages: Option<u32>,
        /// A resctrl group, and what that has.
        pub(crate) rdt: Option<Rdt>,
        /// Bytes above which tasks are throttled, such as `512Mi`; `max` is no limit.
        pub(crate) memory_high: Option<Bytes>,
        /// Bytes above which they are killed; `max` is no limit.
        pub(crate) memory_max: Option<Bytes>,
        /// Bytes that are not reclaimed from them.
        pub(crate) memory_low: Option<Bytes>,
        /// I/O weight, 1 to 10000.
        pub(crate) io_weight: Option<u32>,
    }

    /// Numbers of processors or nodes.
    #[config]
    #[derive(Clone, PartialEq)]
    pub(crate) enum Ids {
        Text(String),
        One(u32),
        Several(Vec<u32>),
    }

    /// `true` and `1`, `false` and `0`.
    #[config]
    #[derive(Clone, PartialEq)]
    pub(crate) enum Switch {
        On(bool),
        Number(u8),
    }

    /// A number, or a text with a unit.
    #[config]
    #[derive(Clone, PartialEq)]
    pub(crate) enum Bytes {
        Number(u64),
        Text(String),
    }

    /// A resctrl group, and lines of its `schemata`.
    #[config]
    #[derive(Clone, PartialEq)]
    pub(crate) struct Rdt {
        /// Tasks with the same name share a group; empty: the root group; none: each task has its own.
        pub(crate) name: Option<String>,
        /// Cache ways by domain: `L3:0=f;1=f`.
        pub(crate) l3: Option<String>,
        /// Memory bandwidth by domain: `MB:0=20;1=30`.
        pub(crate) mb: Option<String>,
        /// Ways for code, where code and data are apart: `L3CODE:0=f`.
        pub(crate) l3_code: Option<String>,
        /// Ways for data, where code and data are apart: `L3DATA:0=f`.
        pub(crate) l3_data: Option<String>,
        /// Ways of the L2 cache: `L2:0=f`.
        pub(crate) l2: Option<String>,
    }

    #[derive(Default)]
    struct State {
        /// What the rules amount to, and the rules.
        plan: Option<(Config, Plan)>,
        chosen: Chosen,
    }

    fn validate(config: &Config) -> Result<(), String> {
        let plan = Plan::new(config)?;
        for note in plan.notes() {
            log::info!("{note}");
        }
        for warning in plan.warnings() {
            log::warn!("{warning}");
        }
        Ok(())
    }

    fn allocate(config: &Config, state: &mut State) -> Result<(), String> {
        let changes = now::roster_changes();
        if state.plan.as_ref().is_none_or(|(known, _)| known != config) {
            state.plan = Some((config.clone(), Plan::new(config)?));
            state.chosen.choose_anew();
        }
        if let Some((_, plan)) = &state.plan {
            state.chosen.follow(changes, plan);
            state.chosen.ask(&now::keys());
        }
        Ok(())
    }
}
