//! The tables of the metrics, by name, and so in the order in which they are written.

mod machine;
mod tasks;

use wca_model::Confirmed;

pub(crate) use machine::MACHINE;
pub(crate) use tasks::TASKS;

use crate::metrics::{CgroupPart, Metric};

/// Seen on a machine with cgroup v1 and in the test bed, whose kernel has v2 alone.
pub(crate) const BOTH: &[Confirmed] = &[Confirmed::Machine, Confirmed::TestBed];
/// Seen in the test bed alone.
pub(crate) const TEST_BED: &[Confirmed] = &[Confirmed::TestBed];
/// Seen on a machine with cgroup v1, and of v2 on trees of files alone.
pub(crate) const MACHINE_AND_TREE: &[Confirmed] = &[Confirmed::Machine, Confirmed::Tree];

/// How many files of a cgroup there are for all metrics of tasks, a file counted for each metric in it.
pub(crate) const fn part_count() -> usize {
    let (mut count, mut at) = (0, 0);
    while at < TASKS.len() {
        count += TASKS[at].source.cgroup_parts().len();
        at += 1;
    }
    count
}

/// A file of a cgroup by its number among all, and the metric that is taken from it.
pub(crate) fn part(number: usize) -> (&'static Metric, &'static CgroupPart) {
    let mut parts = TASKS.iter().flat_map(|metric| metric.source.cgroup_parts().iter().map(move |part| (metric, part)));
    parts.nth(number).unwrap_or_else(|| unreachable!("there are {} parts", part_count()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Source;

    #[test]
    fn names_are_metric_names_and_in_order() {
        let all: Vec<_> = MACHINE.iter().chain(TASKS).collect();
        for metric in &all {
            assert!(wca_model::metric::is_metric_name(metric.name), "{}", metric.name);
        }
        assert!(all.is_sorted_by(|one, other| one.name < other.name));
    }

    #[test]
    fn each_table_has_its_own() {
        assert!(MACHINE.iter().all(|metric| !metric.info().per_task));
        assert!(TASKS.iter().all(|metric| metric.info().per_task));
    }

    #[test]
    fn what_is_subtracted_from_stands_before() {
        for (at, metric) in TASKS.iter().enumerate() {
            let Source::Less { of, .. } = metric.source else { continue };
            assert!(TASKS[..at].iter().any(|one| one.name == of), "{}", metric.name);
        }
    }

    /// A file that stands for one of several things needs a level for that, and one that is read whole none.
    #[test]
    fn labels_are_as_many_as_levels() {
        for metric in TASKS {
            for part in metric.source.cgroup_parts() {
                for file in [part.v1, part.v2].into_iter().flatten() {
                    let labels = usize::from(part.label.is_some()) + usize::from(file.read.is_split());
                    assert_eq!(labels, metric.levels.len(), "{}", metric.name);
                }
            }
        }
    }
}
