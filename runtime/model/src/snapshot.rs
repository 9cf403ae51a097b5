//! A snapshot: everything that was measured at one moment, as columns.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use crate::catalog::Catalog;
use crate::in_force::InForce;
use crate::metric::MetricKind;
use crate::platform::Platform;
use crate::task::{Roster, Task, TaskKey};

/// The values of a snapshot, in the order that [`Catalog`] describes. Usually memory that the warden has written and
/// sealed.
pub type Values = Arc<dyn AsRef<[f64]> + Send + Sync>;

/// Everything that was measured at one moment. Immutable once built.
pub struct Snapshot {
    /// Number of the tick, from 1.
    pub tick: u64,
    /// When it was taken, in seconds since 1970.
    pub timestamp: f64,
    /// The tasks, in the order of rows.
    pub roster: Arc<Roster>,
    /// What the values mean.
    pub catalog: Arc<Catalog>,
    /// The machine.
    pub platform: Arc<Platform>,
    values: Values,
    rows: Arc<Rows>,
    previous: Option<Previous>,
    rows_before: OnceLock<Option<Vec<Option<usize>>>>,
    in_force: Option<Vec<InForce>>,
}

/// Row of each task of one roster, found out when it is first asked for.
#[derive(Default)]
struct Rows(OnceLock<HashMap<TaskKey, usize>>);

impl Rows {
    fn of(&self, roster: &Roster, key: TaskKey) -> Option<usize> {
        let rows = self.0.get_or_init(|| {
            // From the end, so that of a key that stands there twice the first row counts.
            roster.tasks.iter().enumerate().rev().map(|(row, task)| (task.key, row)).collect()
        });
        rows.get(&key).copied()
    }
}

/// The part of the previous snapshot that rates need.
struct Previous {
    timestamp: f64,
    roster: Arc<Roster>,
    catalog: Arc<Catalog>,
    values: Values,
    rows: Arc<Rows>,
}

/// The values do not fit the roster and the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a snapshot of {rows} tasks has {found} values instead of {expected}")]
pub struct WrongSize {
    rows: usize,
    found: usize,
    expected: usize,
}

impl Snapshot {
    /// A snapshot after `previous`, whose values serve for rates.
    ///
    /// # Errors
    /// [`WrongSize`] when `values` are not as many as roster and catalogue ask for.
    pub fn new(
        tick: u64,
        timestamp: f64,
        roster: Arc<Roster>,
        catalog: Arc<Catalog>,
        platform: Arc<Platform>,
        values: Values,
        previous: Option<&Snapshot>,
    ) -> Result<Self, WrongSize> {
        let (rows, found) = (roster.tasks.len(), (*values).as_ref().len());
        let expected = catalog.value_count(rows);
        if found != expected {
            return Err(WrongSize { rows, found, expected });
        }
        let rows = match previous {
            Some(before) if Arc::ptr_eq(&before.roster, &roster) => Arc::clone(&before.rows),
            _ => Arc::default(),
        };
        let previous = previous.map(|before| Previous {
            timestamp: before.timestamp,
            roster: Arc::clone(&before.roster),
            catalog: Arc::clone(&before.catalog),
            values: Arc::clone(&before.values),
            rows: Arc::clone(&before.rows),
        });
        let (rows_before, in_force) = (OnceLock::new(), None);
        Ok(Self { tick, timestamp, roster, catalog, platform, values, rows, previous, rows_before, in_force })
    }

    /// With what is in force of each task, in the order of rows. What is not of these tasks is left out.
    #[must_use]
    pub fn with_in_force(self, in_force: Vec<InForce>) -> Self {
        let in_force = Some(in_force).filter(|all| all.len() == self.roster.tasks.len());
        Self { in_force, ..self }
    }

    /// What is in force of each task, in the order of rows; none where nobody has looked.
    #[must_use]
    pub fn in_force(&self) -> Option<&[InForce]> {
        self.in_force.as_deref()
    }

    /// What is in force of one task; none too where nobody has looked.
    #[must_use]
    pub fn in_force_of(&self, key: TaskKey) -> Option<&InForce> {
        self.in_force.as_ref()?.get(self.row_of(key)?)
    }

    /// Number of tasks, and so of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.roster.tasks.len()
    }

    /// A task of this snapshot.
    #[must_use]
    pub fn task(&self, key: TaskKey) -> Option<&Arc<Task>> {
        self.row_of(key).map(|row| &self.roster.tasks[row])
    }

    /// Row of a task in every column.
    #[must_use]
    pub fn row_of(&self, key: TaskKey) -> Option<usize> {
        self.rows.of(&self.roster, key)
    }

    /// Seconds since the previous snapshot; 0 for the first.
    #[must_use]
    pub fn interval(&self) -> f64 {
        self.previous.as_ref().map_or(0.0, |before| self.timestamp - before.timestamp)
    }

    /// One column by its place in [`Catalog::columns`].
    #[must_use]
    pub fn column(&self, column: usize) -> &[f64] {
        column_in(&self.values, column, self.rows())
    }

    /// One value of the machine by its place in [`Catalog::platform`].
    #[must_use]
    pub fn platform_value(&self, at: usize) -> f64 {
        (*self.values).as_ref()[self.catalog.columns.len() * self.rows() + at]
    }

    /// The columns of a task metric: one per series, empty where nobody measures it.
    pub fn values(&self, metric: &str) -> impl Iterator<Item = &[f64]> {
        self.catalog.columns_of(metric).map(|column| self.column(column))
    }

    /// The values of a metric of the machine: one per series.
    pub fn platform_values(&self, metric: &str) -> impl Iterator<Item = f64> {
        self.catalog.platform_of(metric).map(|at| self.platform_value(at))
    }

    /// The columns of a task metric per second since the previous snapshot. NaN where there is no previous value, and for
    /// a counter that restarted.
    #[must_use]
    pub fn rates(&self, metric: &str) -> Vec<Vec<f64>> {
        let columns = self.catalog.columns_of(metric);
        let Some((before, interval)) = self.before() else {
            return columns.map(|_| vec![f64::NAN; self.rows()]).collect();
        };
        let counts = self.counts_up(metric);
        let rows_before = self.rows_before(before);
        columns
            .map(|column| {
                let now = self.column(column);
                let Some(was) = self.column_before(before, column) else { return vec![f64::NAN; now.len()] };
                match rows_before {
                    None => now.iter().zip(was).map(|(now, was)| rate(*now, *was, interval, counts)).collect(),
                    Some(rows) => now
                        .iter()
                        .zip(rows)
                        .map(|(now, row)| row.map_or(f64::NAN, |row| rate(*now, was[row], interval, counts)))
                        .collect(),
                }
            })
            .collect()
    }

    /// The values of a metric of the machine per second since the previous snapshot; NaN as in [`Snapshot::rates`].
    #[must_use]
    pub fn platform_rates(&self, metric: &str) -> Vec<f64> {
        let counts = self.counts_up(metric);
        self.catalog
            .platform_of(metric)
            .map(|at| {
                let was = self.before().and_then(|(before, interval)| {
                    let series = &self.catalog.platform[at];
                    let place = place_of(&self.catalog, series, &before.catalog, &before.catalog.platform)?;
                    let start = before.catalog.columns.len() * before.roster.tasks.len();
                    Some(((*before.values).as_ref()[start + place], interval))
                });
                was.map_or(f64::NAN, |(was, interval)| rate(self.platform_value(at), was, interval, counts))
            })
            .collect()
    }

    fn counts_up(&self, metric: &str) -> bool {
        self.catalog.metric(metric).is_some_and(|(_, info)| info.kind == MetricKind::Counter)
    }

    /// The previous snapshot and the seconds since, where time went on.
    fn before(&self) -> Option<(&Previous, f64)> {
        let before = self.previous.as_ref()?;
        let interval = self.timestamp - before.timestamp;
        (interval > 0.0).then_some((before, interval))
    }

    /// Row of each task in the previous snapshot; none: the rows are the same.
    fn rows_before(&self, before: &Previous) -> Option<&Vec<Option<usize>>> {
        self.rows_before
            .get_or_init(|| {
                if before.roster.version == self.roster.version {
                    return None;
                }
                Some(self.roster.tasks.iter().map(|task| before.rows.of(&before.roster, task.key)).collect())
            })
            .as_ref()
    }

    fn column_before<'a>(&self, before: &'a Previous, column: usize) -> Option<&'a [f64]> {
        let series = &self.catalog.columns[column];
        let place = place_of(&self.catalog, series, &before.catalog, &before.catalog.columns)?;
        Some(column_in(&before.values, place, before.roster.tasks.len()))
    }
}

fn column_in(values: &Values, column: usize, rows: usize) -> &[f64] {
    &(**values).as_ref()[column * rows..(column + 1) * rows]
}

/// Place of `series` of one catalogue among `candidates` of another.
fn place_of(
    catalog: &Catalog,
    series: &crate::catalog::Series,
    other: &Catalog,
    candidates: &[crate::catalog::Series],
) -> Option<usize> {
    let name = &catalog.metrics.get(series.metric as usize)?.name;
    let (metric, _) = other.metric(name)?;
    candidates.iter().position(|one| one.metric == metric && one.labels == series.labels)
}

fn rate(now: f64, was: f64, interval: f64, counts_up: bool) -> f64 {
    if counts_up && now < was { f64::NAN } else { (now - was) / interval }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{catalog, roster, snapshot_after};

    #[test]
    fn the_first_rates_are_absent() {
        let first = snapshot_after(None, 100.0, &[1, 2], &[5.0, 6.0]);
        assert!(first.rates("task_cpu_usage_seconds")[0].iter().all(|rate| rate.is_nan()));
        assert_eq!(first.interval().to_bits(), 0.0_f64.to_bits());
    }

    #[test]
    fn rates_follow_tasks_and_not_rows() {
        let first = snapshot_after(None, 100.0, &[1, 2, 3], &[5.0, 6.0, 7.0]);
        let second = snapshot_after(Some(&first), 102.0, &[3, 4, 2], &[8.0, 1.0, 7.0]);
        let rates = second.rates("task_cpu_usage_seconds");
        assert_eq!(rates[0][0].to_bits(), 0.5_f64.to_bits(), "task 3");
        assert!(rates[0][1].is_nan(), "task 4 is new");
        assert_eq!(rates[0][2].to_bits(), 0.5_f64.to_bits(), "task 2");
    }

    #[test]
    fn a_restarted_counter_is_absent_for_one_interval() {
        let first = snapshot_after(None, 100.0, &[1], &[5.0]);
        let second = snapshot_after(Some(&first), 101.0, &[1], &[1.0]);
        let third = snapshot_after(Some(&second), 102.0, &[1], &[3.0]);
        assert!(second.rates("task_cpu_usage_seconds")[0][0].is_nan());
        assert_eq!(third.rates("task_cpu_usage_seconds")[0][0].to_bits(), 2.0_f64.to_bits());
    }

    #[test]
    fn the_clock_that_stands_still_gives_no_rate() {
        let first = snapshot_after(None, 100.0, &[1], &[5.0]);
        let second = snapshot_after(Some(&first), 100.0, &[1], &[6.0]);
        assert!(second.rates("task_cpu_usage_seconds")[0][0].is_nan());
    }

    /// Snapshots of one roster share what they know of its rows; one of another roster must not.
    #[test]
    fn each_task_has_its_row_in_each_roster() {
        let first = snapshot_after(None, 100.0, &[9, 4, 7], &[1.0, 2.0, 3.0]);
        let again = |before: &Snapshot, roster: &Arc<Roster>| {
            let (catalog, values) = (Arc::new(catalog()), Arc::new(vec![0.0; roster.tasks.len() + 1]));
            Snapshot::new(2, 101.0, Arc::clone(roster), catalog, Arc::default(), values, Some(before)).unwrap()
        };
        let same = again(&first, &first.roster);
        let shorter = again(&same, &Arc::new(roster(&[7, 9])));
        let empty = again(&shorter, &Arc::new(roster(&[])));
        let cases: [(&Snapshot, [Option<usize>; 4]); 4] = [
            (&first, [Some(0), Some(1), Some(2), None]),
            (&same, [Some(0), Some(1), Some(2), None]),
            (&shorter, [Some(1), None, Some(0), None]),
            (&empty, [None; 4]),
        ];
        for (snapshot, expected) in cases {
            assert_eq!([9, 4, 7, 5].map(|key| snapshot.row_of(TaskKey(key))), expected);
            let found = [9, 4, 7, 5].map(|key| snapshot.task(TaskKey(key)).map(|task| task.key.0));
            let tasks = [9, 4, 7, 5].map(|key| snapshot.roster.tasks.iter().any(|t| t.key.0 == key).then_some(key));
            assert_eq!(found, tasks);
        }
    }

    #[test]
    fn values_that_do_not_fit_are_refused() {
        let wrong = Snapshot::new(
            1,
            0.0,
            Arc::new(roster(&[1, 2])),
            Arc::new(catalog()),
            Arc::default(),
            Arc::new(vec![1.0; 7]),
            None,
        );
        assert_eq!(wrong.err().unwrap().to_string(), "a snapshot of 2 tasks has 7 values instead of 3");
    }

    #[test]
    fn a_metric_that_nobody_measures_has_no_column() {
        let first = snapshot_after(None, 100.0, &[1], &[5.0]);
        assert_eq!(first.values("task_ipc").count(), 0);
        assert!(first.rates("task_ipc").is_empty());
        assert_eq!(first.platform_values("task_cpu_usage_seconds").count(), 0, "not one of the machine");
    }
}
