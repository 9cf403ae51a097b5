//! What is known of a metric before any value of it is: the one place that has its name, help, kind, unit and source. The code
//! that measures takes them from here, and so does `docs/metrics.md`.

use crate::metric::{Label, MetricInfo, MetricKind, Sample};

/// A metric.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// Its name, valid by [`crate::metric::is_metric_name`].
    pub name: &'static str,
    /// One sentence for the reader of a dashboard.
    pub help: &'static str,
    /// How its values behave.
    pub kind: MetricKind,
    /// `bytes`, `seconds`, `numeric`, `timestamp`.
    pub unit: &'static str,
    /// Labels by which it is divided.
    pub levels: &'static [&'static str],
    /// Whose value it is.
    pub subject: Subject,
    /// Where it is found, with what is done to the number there; empty where it is the agent's own.
    pub source: &'static str,
    /// How it is computed from other metrics; empty where it is not.
    pub formula: &'static str,
    /// Where it was seen to be right.
    pub confirmed: &'static [Confirmed],
}

/// A metric as its page describes it.
#[derive(Clone, Debug)]
pub struct Described {
    /// What a catalogue says of it.
    pub info: MetricInfo,
    /// Whose value it is.
    pub subject: Subject,
    /// Where it is found on a machine with cgroup v1; empty where it is not.
    pub v1: String,
    /// Where it is found on a machine with cgroup v2; empty where it is not.
    pub v2: String,
    /// How it is computed from other metrics; empty where it is not.
    pub formula: String,
    /// Where it was seen to be right.
    pub confirmed: &'static [Confirmed],
}

impl Described {
    /// One of which the code makes what the catalogue says, and that is found in the same place whatever the version of cgroups.
    #[must_use]
    pub fn new(info: MetricInfo, source: &str, formula: &str, confirmed: &'static [Confirmed]) -> Self {
        let subject = if info.per_task { Subject::Task } else { Subject::Machine };
        let (v1, v2, formula) = (source.to_owned(), source.to_owned(), formula.to_owned());
        Self { info, subject, v1, v2, formula, confirmed }
    }
}

impl From<Definition> for Described {
    fn from(definition: Definition) -> Self {
        let Definition { source, formula, confirmed, subject, .. } = definition;
        Self { subject, ..Self::new(definition.info(), source, formula, confirmed) }
    }
}

/// Whose value a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A task's.
    Task,
    /// The machine's.
    Machine,
    /// The agent's, or its warden's.
    Agent,
    /// A policy's, or what it found or asked for.
    Policy,
}

/// Where a metric was seen to be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confirmed {
    /// On a machine of today with cgroup v1.
    Machine,
    /// On a stock kernel in a virtual machine with cgroup v2, two NUMA nodes, Intel RDT and counters.
    TestBed,
    /// On a tree of files alone, captured elsewhere or written by hand after the kernel's documents.
    Tree,
}

impl Confirmed {
    /// In a few words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Machine => "machine",
            Self::TestBed => "test bed",
            Self::Tree => "described tree",
        }
    }
}

impl Definition {
    /// Of the agent itself: what it counts or knows.
    #[must_use]
    pub const fn of_agent(name: &'static str, help: &'static str, kind: MetricKind, unit: &'static str) -> Self {
        Self {
            name,
            help,
            kind,
            unit,
            levels: &[],
            subject: Subject::Agent,
            source: "",
            formula: "",
            confirmed: &[Confirmed::Machine, Confirmed::TestBed],
        }
    }

    /// Of a policy, by its calls.
    #[must_use]
    pub const fn of_policy(name: &'static str, help: &'static str, kind: MetricKind, unit: &'static str) -> Self {
        Self { subject: Subject::Policy, confirmed: &[Confirmed::Machine], ..Self::of_agent(name, help, kind, unit) }
    }

    /// Divided by these labels.
    #[must_use]
    pub const fn by(self, levels: &'static [&'static str]) -> Self {
        Self { levels, ..self }
    }

    /// Computed in this way.
    #[must_use]
    pub const fn computed(self, formula: &'static str) -> Self {
        Self { formula, ..self }
    }

    /// What a catalogue says of it.
    #[must_use]
    pub fn info(&self) -> MetricInfo {
        MetricInfo {
            name: self.name.to_owned(),
            help: self.help.to_owned(),
            kind: self.kind,
            unit: self.unit.to_owned(),
            levels: self.levels.iter().map(|level| (*level).to_owned()).collect(),
            per_task: self.subject == Subject::Task,
        }
    }

    /// A value of it.
    #[must_use]
    pub fn sample(&self, value: f64) -> Sample {
        self.labelled(Vec::new(), value)
    }

    /// A value of one of its series: `levels` are those of [`Definition::levels`], in their order.
    #[must_use]
    pub fn sample_of(&self, levels: &[&str], value: f64) -> Sample {
        let labels = self.levels.iter().zip(levels).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.labelled(labels.collect(), value)
    }

    /// A value of the series with these labels.
    #[must_use]
    pub fn labelled(&self, labels: Vec<Label>, value: f64) -> Sample {
        Sample { name: self.name.into(), labels, value, kind: self.kind, help: self.help.into() }
    }
}
