//! What is counted of a policy.

use wca_model::{MetricKind, Sample};
use wca_sandbox::{Called, PolicyName};

use crate::sayings::Sayings;

/// A policy's calls so far.
#[derive(Default)]
pub(crate) struct Counts {
    calls: u64,
    failures: u64,
    pub(crate) missed: u64,
    anomalies: u64,
    refused: u64,
    pub(crate) quarantined: bool,
    /// When it reported an anomaly last, in seconds since 1970.
    last_anomaly: Option<f64>,
    sayings: Sayings,
}

impl Counts {
    /// Counts a call that ended at that time, and says what is to be said of it.
    pub(crate) fn count(&mut self, name: &PolicyName, called: &Called, now: f64) {
        self.calls += 1;
        self.refused += called.said.refused;
        if let Some(why) = &called.said.refusal {
            self.sayings.say(name, &format!("refused: {why}"));
        }
        self.anomalies += called.said.contentions.len() as u64;
        if !called.said.contentions.is_empty() {
            self.last_anomaly = Some(now);
        }
        if let Err(failure) = &called.result {
            self.fail(name, &failure.to_string());
        }
        if let Some(failures) = called.quarantined {
            self.quarantined = true;
            let calls =
                if failures == 1 { "a failed call".into() } else { format!("{failures} failed calls in a row") };
            tracing::error!(
                "[{}] quarantined after {calls}: it is not called any more (--limit quarantine-after raises it)",
                name
            );
        }
    }

    /// Counts a failure.
    pub(crate) fn fail(&mut self, name: &PolicyName, why: &str) {
        self.failures += 1;
        self.sayings.say(name, why);
    }

    /// What is counted of every policy, as metrics.
    pub(crate) fn metrics(&self, policy: &PolicyName) -> Vec<Sample> {
        let add = |name: &str, help: &str, kind, value: u64| {
            #[allow(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
            sample(policy, name, help, kind, value as f64)
        };
        vec![
            add("wca_policy_calls", "Calls of the policy that ended.", MetricKind::Counter, self.calls),
            add("wca_policy_failures", "Calls that failed or were stopped.", MetricKind::Counter, self.failures),
            add("wca_policy_missed", "Ticks without a call of the policy.", MetricKind::Counter, self.missed),
            add(
                "wca_policy_refused",
                "Requests and reports of it that were refused.",
                MetricKind::Counter,
                self.refused,
            ),
            add(
                "wca_policy_quarantined",
                "Whether the policy is not called any more.",
                MetricKind::Gauge,
                u64::from(self.quarantined),
            ),
        ]
    }

    /// What is counted of detectors and allocators, as metrics.
    pub(crate) fn anomaly_metrics(&self, policy: &PolicyName) -> Vec<Sample> {
        #[allow(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
        let count = self.anomalies as f64;
        let help = "Anomalies that the policy reported.";
        let mut samples = vec![sample(policy, "anomaly_count", help, MetricKind::Counter, count)];
        let help = "When the policy reported an anomaly last, in seconds since 1970.";
        let last = self.last_anomaly;
        samples.extend(last.map(|last| sample(policy, "anomaly_last_occurrence", help, MetricKind::Counter, last)));
        samples
    }
}

fn sample(policy: &PolicyName, name: &str, help: &str, kind: MetricKind, value: f64) -> Sample {
    let labels = vec![("policy".to_owned(), policy.to_string())];
    Sample { name: name.into(), labels, value, kind, help: help.into() }
}
