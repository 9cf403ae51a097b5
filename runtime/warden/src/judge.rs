//! What becomes of requests. Nothing is written yet: each is judged, and would have been applied.

use std::collections::HashSet;

use wca_model::{Fate, Outcome, Platform, Refusal, Request, TaskKey};
use wca_rules::{validate, which_count};

/// One outcome per request, in their order.
pub(crate) fn judge(requests: &[Request], tasks: &HashSet<TaskKey>, platform: &Platform, frozen: bool) -> Vec<Outcome> {
    let counts = which_count(requests);
    requests.iter().zip(counts).map(|(request, counts)| outcome(request, counts, tasks, platform, frozen)).collect()
}

fn outcome(request: &Request, counts: bool, tasks: &HashSet<TaskKey>, platform: &Platform, frozen: bool) -> Outcome {
    let fate = if frozen {
        Fate::Failed("frozen by the operator".into())
    } else if !counts {
        Fate::Failed("a later request of the same batch asks for the same of this task".into())
    } else if !tasks.contains(&request.task) {
        Fate::Failed(Refusal::Gone.to_string())
    } else {
        match validate(&request.change, platform) {
            Ok(()) => Fate::Shadowed,
            Err(refusal) => Fate::Failed(refusal.to_string()),
        }
    };
    Outcome { task: request.task, kind: request.change.kind(), domain: request.change.domain(), fate }
}

#[cfg(test)]
mod tests {
    use wca_model::{Change, Kind};

    use super::*;

    fn fates(requests: &[Request], frozen: bool) -> Vec<String> {
        let tasks = HashSet::from([TaskKey(1), TaskKey(2)]);
        judge(requests, &tasks, &Platform::default(), frozen).iter().map(|outcome| outcome.fate.to_string()).collect()
    }

    fn quota(task: u64, share: f64) -> Request {
        Request { task: TaskKey(task), change: Change::CpuQuota(share) }
    }

    #[test]
    fn each_request_has_its_outcome_in_order() {
        let requests = [
            quota(1, 0.5),
            quota(2, 7.0),
            quota(3, 0.5),
            quota(1, 0.4),
            Request { task: TaskKey(1), change: Change::Release(Kind::RdtL3) },
        ];
        assert_eq!(
            fates(&requests, false),
            [
                "failed: a later request of the same batch asks for the same of this task",
                "failed: cpu_quota 7: a number from 0 to 1 is taken, where 1 lifts the limit",
                "failed: the task has ended",
                "shadowed",
                "shadowed",
            ]
        );
    }

    #[test]
    fn nothing_changes_while_frozen() {
        assert_eq!(fates(&[quota(1, 0.5)], true), ["failed: frozen by the operator"]);
    }
}
