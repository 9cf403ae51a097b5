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
    /// Anomalies, their evidence, and metrics of all decisions. Labels that anomalies have from tasks give way to `common` ones.
    /// A series that two policies report is the first one's, which
    /// is said; one that a policy reports twice has its last value.
    pub(crate) fn metrics(&mut self, snapshot: &Snapshot, decisions: &[&Decision], common: &[Label]) -> Vec<Sample> {
        let mut samples: Vec<Sample> = Vec::new();
        let mut owners: HashMap<(String, Vec<Label>), (usize, &PolicyName)> = HashMap::new();
        for decision in decisions {
            let anomalies = decision.contentions.iter().flat_map(|contention| contention.metrics(snapshot, common));
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

#[cfg(test)]
mod tests {
    use wca_model::{Contended, Contention, TaskKey};

    use super::*;
    use crate::testing::{sample, snapshot};

    fn decision(policy: &str, number: u32, metrics: Vec<Sample>) -> Decision {
        let (contentions, requests) = (vec![], vec![]);
        Decision { policy: policy.into(), number, contentions, metrics, requests, refused: 0, begins_anew: false }
    }

    #[test]
    fn a_series_of_two_policies_is_the_first_ones_and_of_one_policy_the_last_value() {
        let first = decision(
            "First",
            0,
            vec![sample("x", &[("b", "1"), ("a", "2")], 1.0), sample("x", &[("a", "2"), ("b", "1")], 2.0)],
        );
        let second = decision(
            "Second",
            1,
            vec![sample("x", &[("a", "2"), ("b", "1")], 3.0), sample("x", &[("a", "3")], 4.0), sample("y", &[], 5.0)],
        );
        let snapshot = snapshot(&[1.0]);
        let mut reported = Reported::default();
        let found = reported.metrics(&snapshot, &[&first, &second], &[]);
        let expected =
            [sample("x", &[("a", "2"), ("b", "1")], 2.0), sample("x", &[("a", "3")], 4.0), sample("y", &[], 5.0)];
        assert_eq!(found, expected);
        // The other way round it is the other's.
        assert_eq!(reported.metrics(&snapshot, &[&second, &first], &[])[0].value, 3.0);
    }

    #[test]
    fn anomalies_come_with_their_evidence_and_those_of_tasks_that_ended_do_not() {
        let contention = |victim| Contention {
            about: Contended::Cpus,
            victim: TaskKey(victim),
            culprits: vec![TaskKey(2)],
            evidence: vec![sample("cores", &[], 0.5)],
        };
        let contentions = vec![contention(1), contention(9)];
        let decision = Decision { contentions, ..decision("Busy", 0, vec![]) };
        let found = Reported::default().metrics(&snapshot(&[1.0, 1.0]), &[&decision], &[]);
        let names: Vec<&str> = found.iter().map(|sample| sample.name.as_str()).collect();
        assert_eq!(names, ["anomaly", "cores"]);
        assert!(found.iter().all(|sample| sample.labels.is_sorted()));
    }
}
