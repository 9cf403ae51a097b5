//! From the contract's words to the model's, and back.

use wca_model as model;

use crate::bindings::types::{Contended, Host, MetricKind, Refusal, Sample};
use crate::state::State;

impl Host for State {}

impl From<model::Refusal> for Refusal {
    fn from(refusal: model::Refusal) -> Self {
        match refusal {
            model::Refusal::Gone => Self::Gone,
            model::Refusal::TooMany(_) => Self::TooMany,
            model::Refusal::NotGranted(why) => Self::NotGranted(why),
            model::Refusal::Invalid(why) => Self::Invalid(why),
            model::Refusal::Unsupported(why) => Self::Unsupported(why),
        }
    }
}

impl From<Contended> for model::Contended {
    fn from(contended: Contended) -> Self {
        match contended {
            Contended::MemoryBandwidth => Self::MemoryBandwidth,
            Contended::Cache => Self::Cache,
            Contended::Cpus => Self::Cpus,
            Contended::ThermalPower => Self::ThermalPower,
            Contended::Unknown => Self::Unknown,
        }
    }
}

impl From<model::MetricKind> for MetricKind {
    fn from(kind: model::MetricKind) -> Self {
        match kind {
            model::MetricKind::Gauge => Self::Gauge,
            model::MetricKind::Counter => Self::Counter,
        }
    }
}

impl From<Sample> for model::Sample {
    fn from(sample: Sample) -> Self {
        let kind = match sample.kind {
            MetricKind::Gauge => model::MetricKind::Gauge,
            MetricKind::Counter => model::MetricKind::Counter,
        };
        Self { name: sample.name, labels: sample.labels, value: sample.value, kind, help: sample.help }
    }
}

impl From<model::Sample> for Sample {
    fn from(sample: model::Sample) -> Self {
        Self {
            name: sample.name,
            labels: sample.labels,
            value: sample.value,
            kind: sample.kind.into(),
            help: sample.help,
        }
    }
}
