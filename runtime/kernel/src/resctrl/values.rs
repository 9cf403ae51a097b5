//! The values of a task and the metrics that they are.

use wca_model::{Described, MetricInfo, MetricKind};

use crate::family::FamilyMetric;
use crate::metrics::TEST_BED;
use crate::resctrl::layout::Domain;
use crate::resctrl::mount::Event;

/// What is told of a task: a metric of the sum over all domains, and one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Bytes of cache.
    Occupancy,
    /// Bytes from and to memory.
    Total,
    /// Those of them that stayed on the node.
    Local,
    /// Those of them that did not.
    Remote,
}

/// What a domain counted for a task last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Remote {
    total: f64,
    local: f64,
    remote: f64,
}

impl Kind {
    /// All, by the names of their metrics.
    pub(super) const ALL: [Self; 4] = [Self::Occupancy, Self::Total, Self::Local, Self::Remote];

    /// Whether it can be told from what is counted.
    pub(super) fn is_in(self, events: &[Event]) -> bool {
        let counts = |event| events.contains(&event);
        match self {
            Self::Occupancy => counts(Event::Occupancy),
            Self::Total => counts(Event::Total),
            Self::Local => counts(Event::Local),
            Self::Remote => counts(Event::Total) && counts(Event::Local),
        }
    }

    /// Its value.
    pub(super) fn of(self, counted: &Counted) -> f64 {
        match self {
            Self::Occupancy => counted.occupancy,
            Self::Total => counted.total,
            Self::Local => counted.local,
            Self::Remote => counted.remote,
        }
    }

    /// Name and help, of the sum and of each domain.
    fn texts(self) -> [(&'static str, &'static str); 2] {
        match self {
            Self::Occupancy => [
                ("task_llc_occupancy_bytes", "Bytes of L3 cache that the task's lines take, over all caches."),
                ("task_llc_occupancy_domain_bytes", "Bytes of L3 cache that the task's lines take, of each cache."),
            ],
            Self::Total => [
                ("task_mem_bandwidth_bytes", "Bytes that the task moved from and to memory."),
                (
                    "task_mem_bandwidth_domain_bytes",
                    "Bytes that the task moved from and to memory, through each L3 cache.",
                ),
            ],
            Self::Local => [
                (
                    "task_mem_bandwidth_local_bytes",
                    "Bytes that the task moved from and to memory of the node where it ran.",
                ),
                (
                    "task_mem_bandwidth_local_domain_bytes",
                    "Bytes that the task moved from and to memory of the node where it ran, through each L3 cache.",
                ),
            ],
            Self::Remote => [
                ("task_mem_bandwidth_remote_bytes", "Bytes that the task moved from and to memory of other nodes."),
                (
                    "task_mem_bandwidth_remote_domain_bytes",
                    "Bytes that the task moved from and to memory of other nodes, through each L3 cache.",
                ),
            ],
        }
    }
}

/// What was counted for a task in one domain, or in all. NaN: absent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    /// As [`Kind::Occupancy`].
    pub occupancy: f64,
    /// As [`Kind::Total`].
    pub total: f64,
    /// As [`Kind::Local`].
    pub local: f64,
    /// As [`Kind::Remote`].
    pub remote: f64,
}

impl Counted {
    /// Adds what a group counted.
    pub(super) fn add(&mut self, event: Event, value: f64) {
        match event {
            Event::Local => self.local += value,
            Event::Total => self.total += value,
            Event::Occupancy => self.occupancy += value,
        }
    }

    /// Finds what is remote: the total less the local, never below 0, and never less than before as long as both go on. The
    /// two are read one after the other, so the difference wavers by what came between.
    pub(super) fn take_remote(&mut self, last: &mut Remote) {
        let difference = (self.total - self.local).max(0.0);
        let goes_on = self.total >= last.total && self.local >= last.local;
        // `max` would hide an absent one.
        self.remote = if (self.total - self.local).is_nan() {
            f64::NAN
        } else if goes_on {
            difference.max(last.remote)
        } else {
            difference
        };
        if !self.remote.is_nan() {
            *last = Remote { total: self.total, local: self.local, remote: self.remote };
        }
    }

    /// The sums of both.
    pub(super) fn plus(&self, other: &Self) -> Self {
        Self {
            occupancy: self.occupancy + other.occupancy,
            total: self.total + other.total,
            local: self.local + other.local,
            remote: self.remote + other.remote,
        }
    }
}

/// The metrics of these kinds: of each the sum over all domains, and one series for each domain.
pub(super) fn metrics(kinds: &[Kind], domains: &[Domain]) -> Vec<FamilyMetric> {
    let ids = || domains.iter().map(|domain| vec![domain.id.to_string()]);
    let metric = |kind: Kind, (name, help): (&str, &str), levels: &[&str], series: Vec<Vec<String>>| FamilyMetric {
        info: MetricInfo {
            name: name.to_owned(),
            help: help.to_owned(),
            kind: if kind == Kind::Occupancy { MetricKind::Gauge } else { MetricKind::Counter },
            unit: "bytes".to_owned(),
            levels: levels.iter().map(|level| (*level).to_owned()).collect(),
            per_task: true,
        },
        series,
    };
    let kinds = kinds.iter();
    kinds
        .flat_map(|kind| {
            let [sum, each] = kind.texts();
            [metric(*kind, sum, &[], vec![vec![]]), metric(*kind, each, &["domain_id"], ids().collect())]
        })
        .collect()
}

/// All of them in words (Documentation/filesystems/resctrl.rst, "Resource monitoring").
pub(crate) fn described() -> Vec<Described> {
    let of = |kind: Kind| {
        let (file, formula) = match kind {
            Kind::Occupancy => ("llc_occupancy", ""),
            Kind::Total => ("mbm_total_bytes", ""),
            Kind::Local => ("mbm_local_bytes", ""),
            Kind::Remote => ("mbm_total_bytes, mbm_local_bytes", "total - local, never less than before"),
        };
        let source = format!("mon_data/mon_L3_*/{file} of the task's mon group in resctrl");
        metrics(&[kind], &[]).into_iter().map(move |metric| Described::new(metric.info, &source, formula, TEST_BED))
    };
    Kind::ALL.into_iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// Total and local of one reading after another, and what is remote each time.
    #[rstest]
    #[case::difference(&[(10.0, 4.0, 6.0), (20.0, 5.0, 15.0)])]
    #[case::never_below_nothing(&[(10.0, 12.0, 0.0), (20.0, 21.0, 0.0)])]
    #[case::never_less_than_before(&[(10.0, 4.0, 6.0), (20.0, 15.0, 6.0), (30.0, 20.0, 10.0)])]
    #[case::begun_anew(&[(10.0, 4.0, 6.0), (3.0, 2.0, 1.0), (5.0, 3.0, 2.0)])]
    #[case::absent_in_between(&[(10.0, 4.0, 6.0), (f64::NAN, 5.0, f64::NAN), (11.0, 6.0, 6.0)])]
    fn what_is_not_local_is_remote(#[case] readings: &[(f64, f64, f64)]) {
        let mut last = Remote::default();
        for (total, local, expected) in readings {
            let mut counted = Counted { total: *total, local: *local, ..Counted::default() };
            counted.take_remote(&mut last);
            assert_eq!(counted.remote.to_bits(), expected.to_bits(), "{readings:?}");
        }
    }
}
