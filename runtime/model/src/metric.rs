//! Metrics: names, kinds, labels and single samples.

use serde::{Deserialize, Serialize};

/// One label, name and value.
pub type Label = (String, String);

/// How the values of a metric behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MetricKind {
    /// Goes up and down.
    Gauge,
    /// Only goes up, until what it counts restarts.
    Counter,
}

impl MetricKind {
    /// In a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
        }
    }
}

/// What is known of a metric before any value is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricInfo {
    /// Its name, valid by [`is_metric_name`].
    pub name: String,
    /// One sentence for the reader of a dashboard.
    pub help: String,
    /// How its values behave.
    pub kind: MetricKind,
    /// `bytes`, `seconds`, `numeric`, `timestamp`; may be empty.
    pub unit: String,
    /// Labels by which it is divided: none, `cpu`, `numa_node`.
    pub levels: Vec<String>,
    /// True: one value per task. False: one of the machine.
    pub per_task: bool,
}

/// One value with its name, as policies report it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Its name, valid by [`is_metric_name`].
    pub name: String,
    /// Labels of this series.
    pub labels: Vec<Label>,
    /// The value.
    pub value: f64,
    /// How its values behave.
    pub kind: MetricKind,
    /// One sentence; may be empty.
    pub help: String,
}

/// Whether `name` is a metric name: `[a-zA-Z_:][a-zA-Z0-9_:]*`
/// (<https://prometheus.io/docs/concepts/data_model/>).
#[must_use]
pub fn is_metric_name(name: &str) -> bool {
    starts_and_continues(name, |byte| byte.is_ascii_alphabetic() || byte == b'_' || byte == b':')
}

/// Whether `name` is a label name: `[a-zA-Z_][a-zA-Z0-9_]*`, and not one that starts with `__`, which Prometheus
/// keeps for itself.
#[must_use]
pub fn is_label_name(name: &str) -> bool {
    !name.starts_with("__") && starts_and_continues(name, |byte| byte.is_ascii_alphabetic() || byte == b'_')
}

fn starts_and_continues(name: &str, may_start: impl Fn(u8) -> bool) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(&may_start) && bytes.all(|byte| may_start(byte) || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("task_cpu_usage_seconds", true)]
    #[case("job:rate:5m", true)]
    #[case("_x9", true)]
    #[case("", false)]
    #[case("9x", false)]
    #[case("a-b", false)]
    #[case::v106("latency-miliseconds", false)]
    #[case("a b", false)]
    #[case("ä", false)]
    fn metric_names(#[case] name: &str, #[case] valid: bool) {
        assert_eq!(is_metric_name(name), valid);
    }

    #[rstest]
    #[case("cpu", true)]
    #[case("_cpu", true)]
    #[case("__cpu", false)]
    #[case("a:b", false)]
    #[case("", false)]
    fn label_names(#[case] name: &str, #[case] valid: bool) {
        assert_eq!(is_label_name(name), valid);
    }
}
