//! Keeps the time in which protected tasks wait below a target, by squeezing best-effort tasks.
//!
//! One call is one straight line (`state.rs`): who is who (`roster.rs`), how long the protected ones waited (`signal.rs`), what is
//! to be done about it (`controller.rs`), by which means (`ladder.rs`, `lever.rs`), to which value (`limit.rs`), and what the
//! operator is told (`tell.rs`).

mod controller;
mod ladder;
mod lever;
mod limit;
mod requests;
mod roster;
mod selector;
mod signal;
mod state;
mod tell;
mod view;

/// Keeps the share of time in which protected tasks wait (PSI) below a target: squeezes best-effort tasks in steps, and
/// gives back slowly.
#[wca_guest::allocator(name = "PressureAllocator")]
pub(crate) mod policy {
    use std::collections::BTreeMap;

    pub(crate) struct Config {
        /// Tasks that are protected, each with its targets; the first entry that fits a task counts.
        pub(crate) protected: Vec<Protected>,
        /// Tasks that may be squeezed; one that is protected too is not.
        pub(crate) best_effort: Vec<BestEffort>,
        /// What is squeezed, in this order: the next when the one before is at its floor or has not helped. What the machine
        /// lacks is passed over.
        #[default([Lever::CpuQuota, Lever::RdtL3, Lever::RdtMb])]
        pub(crate) levers: Vec<Lever>,
        /// Least quota of a best-effort task, as part of all processors of the machine.
        #[default(0.02)]
        pub(crate) quota_floor: f64,
        /// Fewest L3 ways of best-effort tasks.
        #[default(1)]
        pub(crate) ways_floor: u32,
        /// Least memory bandwidth of best-effort tasks, in the machine's unit (percent, MBps or GBps/8).
        #[default(10)]
        pub(crate) bandwidth_floor: u32,
        /// Part of the target by which the pressure must be below it before anything is given back.
        #[default(0.15)]
        pub(crate) hysteresis: f64,
        /// Least part that a squeeze leaves of what was there; it takes less where the pressure is just above its target.
        #[default(0.5)]
        pub(crate) step: f64,
        /// Part of what a task had before the first squeeze that is given back at once.
        #[default(0.05)]
        pub(crate) release: f64,
        /// Ticks after a squeeze in which nothing is given back.
        #[default(5)]
        pub(crate) hold: u32,
        /// Ticks without a squeeze after which the level at which pressure came back is tried again, and after which means
        /// that have not helped are; longer each time that it was in vain.
        #[default(15)]
        pub(crate) forget: u32,
    }

    /// Tasks with these labels, and the greatest share of time, 0 to 1, in which some of their processes may wait.
    #[config]
    pub(crate) struct Protected {
        /// All of them must be there; values with * and ? are patterns, and task_id and task_name are labels too.
        pub(crate) labels: BTreeMap<String, String>,
        /// For a processor.
        pub(crate) cpu: Option<f64>,
        /// For memory.
        pub(crate) memory: Option<f64>,
        /// For devices.
        pub(crate) io: Option<f64>,
    }

    /// Tasks with these labels.
    #[config]
    pub(crate) struct BestEffort {
        /// As for those that are protected.
        pub(crate) labels: BTreeMap<String, String>,
        /// Least quota of these tasks, where it is not the general one.
        pub(crate) quota_floor: Option<f64>,
    }

    /// What can be squeezed.
    #[config]
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Lever {
        /// Processor time.
        CpuQuota,
        /// Ways of the L3 cache.
        RdtL3,
        /// Memory bandwidth.
        RdtMb,
    }

    type State = crate::state::State;

    fn validate(config: &Config) -> Result<(), String> {
        for (at, Protected { labels, cpu, memory, io }) in config.protected.iter().enumerate() {
            let name = |key: &str| format!("protected[{at}].{key}");
            some_labels(&name("labels"), labels)?;
            let targets = [("cpu", cpu), ("memory", memory), ("io", io)];
            for (resource, target) in targets {
                if let Some(target) = target {
                    above_and_below(&name(resource), *target, 0.0, 1.0, "a share of time, such as 0.05")?;
                }
            }
            if targets.iter().all(|(_, target)| target.is_none()) {
                return Err(format!(
                    "protected[{at}]: no target: give it at least one of cpu, memory and io, such as cpu: 0.05"
                ));
            }
        }
        for (at, BestEffort { labels, quota_floor }) in config.best_effort.iter().enumerate() {
            some_labels(&format!("best_effort[{at}].labels"), labels)?;
            if let Some(floor) = quota_floor {
                above_and_below(
                    &format!("best_effort[{at}].quota_floor"),
                    *floor,
                    0.0,
                    1.0,
                    "a part of all processors",
                )?;
            }
        }
        for (at, lever) in config.levers.iter().enumerate() {
            if config.levers.iter().take(at).any(|before| before == lever) {
                return Err(format!("levers[{at}]: {} stands there twice", lever.kind()));
            }
        }
        let levers = config.levers.len();
        if config.protected.is_empty() || config.best_effort.is_empty() || levers == 0 {
            let text = "protected, best_effort and levers need one entry each at least";
            return Err(format!(
                "{text}; they have {}, {} and {levers}",
                config.protected.len(),
                config.best_effort.len()
            ));
        }
        above_and_below("quota_floor", config.quota_floor, 0.0, 1.0, "a part of all processors")?;
        above_and_below("hysteresis", config.hysteresis, 0.0, 1.0, "a part of the target")?;
        above_and_below("step", config.step, 0.0, 1.0, "the part that a squeeze leaves")?;
        above_and_below("release", config.release, 0.0, 1.0, "a part of what a task had")?;
        if config.ways_floor == 0 || config.forget == 0 {
            return Err(format!("ways_floor {}, forget {}: 1 or more", config.ways_floor, config.forget));
        }
        Ok(())
    }

    fn some_labels(key: &str, labels: &BTreeMap<String, String>) -> Result<(), String> {
        if labels.is_empty() {
            return Err(format!("{key}: none, which would fit every task: name one at least, such as {{qos: batch}}"));
        }
        Ok(())
    }

    fn above_and_below(key: &str, value: f64, least: f64, most: f64, what: &str) -> Result<(), String> {
        if value > least && value < most {
            return Ok(());
        }
        Err(format!("{key} {value}: {what}, above {least} and below {most}"))
    }

    fn allocate(config: &Config, state: &mut State) -> Result<(), String> {
        state.call(config)
    }
}
