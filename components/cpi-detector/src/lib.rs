//! `!CPIDetector`: finds tasks that others slow down, and names who does it, after
//!
//! Xiao Zhang, Eric Tune, Robert Hagmann, Rohit Jnagal, Vrigo Gokhale, John Wilkes: CPI²: CPU performance isolation for shared
//! compute clusters. EuroSys 2013, doi:10.1145/2465351.2465388. "The paper" below.
//!
//! Once per `sample_every` each task gets a sample (`sampler`), which is judged by the history of its group (`history`,
//! `group`). A task that violates often enough suffers (`task`), and those are named whose usage goes with what it suffers
//! (`correlation`, `suspects`).

mod clock;
mod correlation;
mod detector;
mod group;
mod history;
mod measure;
mod readings;
mod report;
mod resource;
mod sampler;
mod suspects;
mod task;

/// Finds tasks whose cycles per instruction, or another signal, rise above what others with the same labels had, and names the
/// task whose processor time rises and falls with it.
#[wca_guest::detector(name = "CPIDetector")]
mod cpi_detector {
    /// By what a task is judged.
    #[config]
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub(crate) enum Signal {
        Auto,
        Cpi,
        PsiCpu,
        PsiMemory,
        Throttling,
    }

    pub(crate) struct Config {
        /// Labels that tasks of one group have in common: what one of them had before is what is expected of the others.
        #[default(["application", "application_version_name"])]
        pub(crate) labels: Vec<String>,
        /// By what tasks are judged: cpi, psi_cpu, psi_memory, throttling, or auto, which is the first of cpi, psi_cpu and
        /// throttling that is measured.
        #[default(Signal::Auto)]
        pub(crate) signal: Signal,
        /// Seconds over which a sample is taken.
        #[default(10)]
        pub(crate) sample: f64,
        /// Seconds from the begin of one sample to the begin of the next.
        #[default(60)]
        pub(crate) sample_every: f64,
        /// Cores that a task must use for its CPI to count, and a suspect to be named.
        #[default(0.25)]
        pub(crate) minimum_usage: f64,
        /// Deviations above the median of its group from which a sample violates.
        #[default(2)]
        pub(crate) deviations: f64,
        /// Violations within violation_window from which a task suffers.
        #[default(3)]
        pub(crate) violations: u32,
        /// Seconds in which violations are counted.
        #[default(300)]
        pub(crate) violation_window: f64,
        /// Least correlation of a culprit, 0 to 1.
        #[default(0.35)]
        pub(crate) correlation: f64,
        /// Seconds of samples that are correlated.
        #[default(600)]
        pub(crate) correlation_window: f64,
        /// Seconds of samples over which a culprit must correlate too, half as much at least: who was as busy before and did no
        /// harm is not the one. The same as correlation_window asks no more than that.
        #[default(3600)]
        pub(crate) memory: f64,
        /// How much the correlation of a culprit must be above that of the next suspect: of two that look alike none is named.
        #[default(0.05)]
        pub(crate) correlation_margin: f64,
        /// Most culprits that are named.
        #[default(1)]
        pub(crate) most_culprits: u32,
        /// Whether tasks of the group of the one that suffers are suspects too.
        #[default(false)]
        pub(crate) suspect_own_group: bool,
        /// Samples that a group must have before its tasks are judged.
        #[default(100)]
        pub(crate) minimum_samples: u32,
        /// Tasks from which these samples must be.
        #[default(1)]
        pub(crate) minimum_tasks: u32,
        /// What a sample counts for after a day, as part of what it counted for before.
        #[default(0.9)]
        pub(crate) age_weight: f64,
        /// Least deviation of a group, as part of its median.
        #[default(0.05)]
        pub(crate) minimum_deviation: f64,
        /// Part of the time that a task must have waited for a sample to violate, where it is judged by pressure or throttling.
        #[default(0.05)]
        pub(crate) minimum_pressure: f64,
    }

    type State = crate::detector::Detector;

    fn validate(config: &Config) -> Result<(), String> {
        crate::detector::validate(config)
    }

    fn detect(config: &Config, state: &mut State) -> Result<(), String> {
        state.detect(config)
    }
}
