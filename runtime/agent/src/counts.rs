//! What is counted of a policy.

use std::collections::BTreeMap;

use wca_model::Sample;
use wca_sandbox::{Called, HttpStop, PolicyName};

use crate::definitions::{ANOMALIES, CALLS, FAILURES, HTTP_STOPPED, LAST_ANOMALY, MISSED, QUARANTINED, REFUSED};
use crate::own::from_count;
use crate::sayings::Sayings;

/// A policy's calls so far.
#[derive(Default)]
pub(crate) struct Counts {
    calls: u64,
    failures: u64,
    pub(crate) missed: u64,
    anomalies: u64,
    refused: u64,
    http_stopped: BTreeMap<HttpStop, u64>,
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
        for (why, count) in &called.said.http_stopped {
            *self.http_stopped.entry(*why).or_default() += count;
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
        let counts = [
            (&CALLS, self.calls),
            (&FAILURES, self.failures),
            (&MISSED, self.missed),
            (&REFUSED, self.refused),
            (&QUARANTINED, u64::from(self.quarantined)),
        ];
        let name = &policy.to_string();
        let stopped = self.http_stopped.iter();
        let stopped = stopped.map(|(why, count)| HTTP_STOPPED.sample_of(&[name, why.name()], from_count(*count)));
        counts
            .map(|(definition, count)| definition.sample_of(&[name], from_count(count)))
            .into_iter()
            .chain(stopped)
            .collect()
    }

    /// What is counted of detectors and allocators, as metrics.
    pub(crate) fn anomaly_metrics(&self, policy: &PolicyName) -> Vec<Sample> {
        let policy = &policy.to_string();
        let mut samples = vec![ANOMALIES.sample_of(&[policy], from_count(self.anomalies))];
        samples.extend(self.last_anomaly.map(|last| LAST_ANOMALY.sample_of(&[policy], last)));
        samples
    }
}
