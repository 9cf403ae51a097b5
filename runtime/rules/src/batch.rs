//! Several requests at once: the last one for the same thing counts.

use std::collections::HashSet;

use wca_model::{Change, Kind, Request, TaskKey};

/// For each request, whether it counts: it does unless a later one of the batch has the same task, kind and domain.
///
/// A release covers its kind in all domains, so that nothing before it counts; a change of one domain after it leaves the
/// release of the others as it is.
#[must_use]
pub fn which_count(requests: &[Request]) -> Vec<bool> {
    let mut set: HashSet<(TaskKey, Kind, Option<u32>)> = HashSet::new();
    let mut released: HashSet<(TaskKey, Kind)> = HashSet::new();
    let mut counts = vec![false; requests.len()];
    for (at, request) in requests.iter().enumerate().rev() {
        let kind = request.change.kind();
        let domain = request.change.domain();
        counts[at] = !released.contains(&(request.task, kind)) && set.insert((request.task, kind, domain));
        if matches!(request.change, Change::Release(_)) {
            released.insert((request.task, kind));
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use wca_model::request::Ways;

    use super::*;

    fn quota(task: u64, share: f64) -> Request {
        Request { task: TaskKey(task), change: Change::CpuQuota(share) }
    }

    fn l3(task: u64, domain: u32) -> Request {
        Request { task: TaskKey(task), change: Change::RdtL3(Ways { domain, mask: 1 }) }
    }

    fn release(task: u64, kind: Kind) -> Request {
        Request { task: TaskKey(task), change: Change::Release(kind) }
    }

    #[rstest]
    #[case(vec![], vec![])]
    #[case(vec![quota(1, 0.1), quota(2, 0.2), quota(1, 0.3)], vec![false, true, true])]
    #[case(vec![l3(1, 0), l3(1, 1), l3(1, 0)], vec![false, true, true])]
    #[case(vec![l3(1, 0), l3(1, 1), release(1, Kind::RdtL3)], vec![false, false, true])]
    #[case(vec![release(1, Kind::RdtL3), l3(1, 0)], vec![true, true])]
    #[case(vec![release(1, Kind::CpuQuota), quota(1, 0.5)], vec![false, true])]
    #[case(vec![release(1, Kind::CpuQuota), release(1, Kind::CpuQuota)], vec![false, true])]
    #[case(vec![quota(1, 0.5), release(2, Kind::CpuQuota)], vec![true, true])]
    fn the_last_one_counts(#[case] requests: Vec<Request>, #[case] expected: Vec<bool>) {
        assert_eq!(which_count(&requests), expected);
    }
}
