//! What the policies of a tick reported, as metrics: each series once.

use std::collections::HashMap;

use wca_model::{Label, Sample, Snapshot};
use wca_sandbox::PolicyName;

use crate::policies::Decision;
use crate::sayings::Sayings;

/// Joins what several policies reported.
#[derive(Default)]
pub(crate) struct Reported {
    sayings: Sayings,
}

impl Reported {
    /// Anomalies, their evidence, and metrics of all decisions. A series that two policies report is the first one's, which
    /// is said; one that a policy reports twice has its last value.
    pub(crate) fn metrics(&mut self, snapshot: &Snapshot, decisions: &[&Decision]) -> Vec<Sample> {
        let mut samples: Vec<Sample> = Vec::new();
        let mut owners: HashMap<(String, Vec<Label>), (usize, &PolicyName)> = HashMap::new();
        for decision in decisions {
            let anomalies = decision.contentions.iter().flat_map(|contention| contention.metrics(snapshot));
            for mut sample in anomalies.chain(decision.metrics.iter().cloned()) {
                sample.labels.sort();
                let series = (sample.name.clone(), sample.labels.clone());
                match owners.get(&series) {
                    None => {
                        owners.insert(series, (samples.len(), &decision.policy));
                        samples.push(sample);
                    }
                    Some((at, owner)) if **owner == decision.policy => samples[*at].value = sample.value,
                    Some((_, owner)) => {
                        let name = &sample.name;
                        let text = format!("its {name} is not taken: {owner} reports the same series");
                        self.sayings.say(&decision.policy, &text);
                    }
                }
            }
        }
        samples
    }
}
