//! What is counted of a policy.

use std::sync::Arc;

use wca_model::Sample;
use wca_sandbox::{Called, HttpStops, Policy, PolicyName};

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
    http_stops: Arc<HttpStops>,
    pub(crate) quarantined: bool,
    /// When it reported an anomaly last, in seconds since 1970.
    last_anomaly: Option<f64>,
    sayings: Sayings,
}

impl Counts {
    /// Of a policy that was not called yet.
    pub(crate) fn of(policy: &Policy) -> Self {
        Self { http_stops: policy.http_stops(), ..Self::default() }
    }

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
        let counts = [
            (&CALLS, self.calls),
            (&FAILURES, self.failures),
            (&MISSED, self.missed),
            (&REFUSED, self.refused),
            (&QUARANTINED, u64::from(self.quarantined)),
        ];
        let name = &policy.to_string();
        counts
            .map(|(definition, count)| definition.sample_of(&[name], from_count(count)))
            .into_iter()
            .chain(http_stopped(policy, &self.http_stops))
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

/// What was refused or cut off of a policy's HTTP requests, as metrics.
pub(crate) fn http_stopped(policy: &PolicyName, stops: &HttpStops) -> Vec<Sample> {
    let (policy, counts) = (&policy.to_string(), stops.counts().into_iter());
    counts.map(|(why, count)| HTTP_STOPPED.sample_of(&[policy, why.name()], from_count(count))).collect()
}
