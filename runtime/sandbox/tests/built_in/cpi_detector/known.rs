//! Numbers against those of an independent script, `vectors.py`, which knows the paper's formulas and nothing of this project.

use serde_json::Value;

use super::node::{Node, evidence};

/// The history is kept in buckets of half a percent.
const WITHIN: f64 = 0.01;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn close(ours: f64, theirs: &Value) -> bool {
    (ours - theirs.as_f64().unwrap()).abs() <= WITHIN * theirs.as_f64().unwrap().abs().max(1.0)
}

#[test]
fn medians_deviations_thresholds_violations_and_correlations_are_those_of_the_script() {
    let cases: Value = serde_json::from_str(include_str!("vectors.json")).unwrap();
    let mut compared = 0;
    for (number, case) in cases.as_array().unwrap().iter().enumerate() {
        // Everybody who correlates at all is told.
        let mut node = Node::new("memory: 10\nmost_culprits: 9\ncorrelation: 0.001\ncorrelation_margin: 0");
        let (victim, mate) = (numbers(&case["victim"]), numbers(&case["mate"]));
        let suspects: Vec<(&str, Vec<f64>)> =
            case["usage"].as_object().unwrap().iter().map(|(name, usage)| (name.as_str(), numbers(usage))).collect();
        let told = case["told"].as_array().unwrap();
        let history = victim.len() - told.len();
        // Nothing was measured before the first of these.
        node.second(&[("v1", 1.0, 1.0), ("v2", 1.0, 1.0)]);
        for step in 0..victim.len() {
            let mut doing = vec![("v1", victim[step], 1.0), ("v2", mate[step], 1.0)];
            doing.extend(suspects.iter().map(|(name, usage)| (*name, 1.0, usage[step])));
            let tick = node.second(&doing);
            let Some(expected) = step.checked_sub(history).map(|at| &told[at]) else { continue };
            let of_victim = tick.contentions.iter().find(|contention| tick.id(contention.victim) == "v1");
            assert_eq!(of_victim.is_some(), expected["suffers"].as_bool().unwrap(), "case {number}, step {step}");
            let Some(contention) = of_victim else { continue };
            for what in ["median", "deviation", "threshold", "violations"] {
                let ours = evidence(&contention.evidence, &format!("cpi_detector_victim_{what}"), None).unwrap();
                assert!(close(ours, &expected[what]), "case {number}, step {step}, {what}: {ours}, {}", expected[what]);
            }
            for (name, theirs) in expected["correlation"].as_object().unwrap() {
                let label = Some(("contending_task_id", name.as_str()));
                let ours = evidence(&contention.evidence, "cpi_detector_correlation", label);
                // In the last step nothing but suffering is left to compare with.
                let is_told = ours.is_some() || name != "guilty" || step + 1 == victim.len();
                assert!(is_told, "case {number}, step {step}");
                let Some(ours) = ours else { continue };
                assert!(close(ours, theirs), "case {number}, step {step}, {name}: {ours}, {theirs}");
                compared += 1;
            }
        }
    }
    assert!(compared > 40, "{compared} correlations were compared");
}
