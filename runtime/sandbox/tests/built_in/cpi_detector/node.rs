//! A node whose tasks have a CPI and a usage, sample by sample.

use std::collections::HashMap;

use wca_model::{Platform, Sample};

use crate::harness::{BuiltIn, Scene, Tick};

/// A sample each second, history after 20 samples, times of the paper otherwise in samples.
pub(super) const QUICK: &str =
    "sample: 1\nsample_every: 1\nviolation_window: 5\ncorrelation_window: 10\nmemory: 60\nminimum_samples: 20\n";
/// Cycles per second of a processor.
const CLOCK: f64 = 2e9;
/// Its CPI while nobody disturbs it.
pub(super) const USUAL: f64 = 1.0;

/// What a task does until the next sample: its id, its CPI (NaN: it is not counted), and the cores that it uses.
pub(super) type Doing<'a> = (&'a str, f64, f64);

/// A node with the detector.
pub(super) struct Node {
    policy: BuiltIn,
    pub(super) scene: Scene,
    counters: HashMap<(String, &'static str), f64>,
}

impl Node {
    /// With this configuration, of which later keys go before those of [`QUICK`].
    pub(super) fn new(yaml: &str) -> Self {
        let mut node = Self { policy: start(yaml).unwrap(), scene: Scene::new(), counters: HashMap::new() };
        for (task, application) in [("v1", "web"), ("v2", "web"), ("batch", "batch"), ("other", "other")] {
            node.scene.task(task).label("application", application).label("application_version_name", "1");
        }
        node
    }

    /// One second in which tasks do this, and others what they did not say.
    pub(super) fn second(&mut self, doing: &[Doing<'_>]) -> Tick {
        for (task, cpi, usage) in doing {
            let cycles = if cpi.is_nan() { f64::NAN } else { usage * CLOCK };
            self.count(task, "task_cycles", cycles);
            self.count(task, "task_instructions", cycles / cpi);
            self.count(task, "task_cpu_usage_seconds", *usage);
        }
        self.tick()
    }

    /// A call with what the scene says now.
    pub(super) fn tick(&mut self) -> Tick {
        self.policy.tick(&self.scene).clean()
    }

    /// Adds to a counter of a task; NaN is absent for this tick.
    pub(super) fn count(&mut self, task: &str, metric: &'static str, by: f64) {
        let total = self.counters.entry((task.to_owned(), metric)).or_insert(1e6);
        if by.is_nan() {
            self.scene.task(task).counter(metric, &[], f64::NAN);
        } else {
            *total += by;
            self.scene.task(task).counter(metric, &[], *total);
        }
    }

    /// Total of a pressure of a task that has waited for so many seconds more.
    pub(super) fn pressure(&mut self, task: &str, kind: &'static str, by: f64) -> f64 {
        let total = self.counters.entry((task.to_owned(), kind)).or_default();
        *total += by;
        *total
    }

    /// A counter of a task begins anew.
    pub(super) fn restart(&mut self, task: &str, metric: &'static str) {
        self.counters.insert((task.to_owned(), metric), 0.0);
    }

    /// So many seconds in which all is as usual, with what `batch` and `other` use.
    pub(super) fn usual(&mut self, seconds: u32, batch: f64, other: f64) {
        for _ in 0..seconds {
            let tick = self.second(&all(USUAL, batch, other));
            assert!(tick.contended.is_empty(), "{:?}", tick.contended);
        }
    }
}

/// What all tasks do: `v1` has this CPI, `v2` the usual one, and the others use so much.
pub(super) fn all(cpi: f64, batch: f64, other: f64) -> [Doing<'static>; 4] {
    [("v1", cpi, 1.0), ("v2", USUAL, 1.0), ("batch", 0.8, batch), ("other", 0.8, other)]
}

/// The detector with this configuration.
pub(super) fn start(yaml: &str) -> Result<BuiltIn, String> {
    let keys: Vec<&str> = yaml.lines().filter_map(|line| line.split(':').next()).collect();
    let is_set = |line: &&str| line.split(':').next().is_some_and(|key| keys.contains(&key));
    let rest: Vec<&str> = QUICK.lines().filter(|line| !is_set(line)).collect();
    BuiltIn::start("components/cpi-detector", &format!("{}\n{yaml}", rest.join("\n")), Platform::default())
}

/// The value of a piece of evidence; none where it is not there.
pub(super) fn evidence(evidence: &[Sample], name: &str, label: Option<(&str, &str)>) -> Option<f64> {
    let has = |sample: &&Sample| {
        sample.name == name
            && label.is_none_or(|(name, value)| sample.labels.iter().any(|(known, is)| known == name && is == value))
    };
    evidence.iter().find(has).map(|sample| sample.value)
}
