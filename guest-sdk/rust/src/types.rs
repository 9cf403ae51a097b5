//! Words that several interfaces share, and what makes them pleasant in Rust.

pub use crate::bindings::wca::policy::batch::StoreError;
pub use crate::bindings::wca::policy::types::{Contended, Failure, Key, Label, MetricKind, Refusal, Sample};

impl Sample {
    /// A value that goes up and down, without labels.
    pub fn gauge(name: impl Into<String>, value: f64) -> Self {
        Self { name: name.into(), labels: Vec::new(), value, kind: MetricKind::Gauge, help: String::new() }
    }

    /// A value that only goes up, without labels.
    pub fn counter(name: impl Into<String>, value: f64) -> Self {
        Self { kind: MetricKind::Counter, ..Self::gauge(name, value) }
    }

    /// The same with one label more.
    #[must_use]
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.push((name.into(), value.into()));
        self
    }

    /// The same with a sentence for the reader of a dashboard.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = help.into();
        self
    }
}

impl Refusal {
    /// What the runtime said, for a log line.
    pub fn text(&self) -> String {
        match self {
            Self::Gone => "the task has ended".to_owned(),
            Self::TooMany => "more than this policy may add in one call".to_owned(),
            Self::NotGranted(why) => format!("not granted: {why}"),
            Self::Invalid(why) => format!("invalid: {why}"),
            Self::Unsupported(why) => format!("not supported here: {why}"),
        }
    }
}

/// Lets `?` hand a refusal on as the text of a failed call.
impl From<Refusal> for String {
    fn from(why: Refusal) -> Self {
        why.text()
    }
}

/// A plain text means "not now": nothing is lost by trying again, while a batch that is rejected is gone.
impl From<String> for StoreError {
    fn from(why: String) -> Self {
        Self::Unavailable(why)
    }
}

impl From<&str> for StoreError {
    fn from(why: &str) -> Self {
        Self::Unavailable(why.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_built_in_one_line() {
        let sample = Sample::counter("hits", 3.0).label("core", "1").help("Hits.");
        assert_eq!(sample.kind, MetricKind::Counter);
        assert_eq!(sample.labels, [("core".to_owned(), "1".to_owned())]);
        assert_eq!(sample.help, "Hits.");
    }

    #[test]
    fn a_refusal_becomes_the_text_of_a_failure() {
        fn refused() -> Result<(), String> {
            Err(Refusal::Invalid("share 2: 0 to 1".to_owned()))?
        }
        assert_eq!(refused(), Err("invalid: share 2: 0 to 1".to_owned()));
    }
}
