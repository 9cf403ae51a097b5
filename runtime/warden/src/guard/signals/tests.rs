//! Signals out of samples that are made up.

use rstest::rstest;
use wca_model::metric::MetricInfo;
use wca_model::{Label, Series};

use super::*;

const KEYS: [TaskKey; 2] = [TaskKey(7), TaskKey(9)];

/// A metric with the labels of each of its columns.
type Columns<'a> = (&'a str, MetricKind, &'a [&'a [(&'a str, &'a str)]]);

fn catalog(version: u64, metrics: &[Columns<'_>]) -> Catalog {
    let mut catalog = Catalog { version, ..Catalog::default() };
    for ((name, kind, series), at) in metrics.iter().zip(0..) {
        catalog.metrics.push(MetricInfo {
            name: (*name).into(),
            help: String::new(),
            kind: *kind,
            unit: String::new(),
            levels: vec![],
            per_task: true,
        });
        let labels = |labels: &[(&str, &str)]| -> Vec<Label> {
            labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        catalog.columns.extend(series.iter().map(|one| Series { metric: at, labels: labels(one) }));
    }
    catalog
}

fn pressures() -> Catalog {
    let series: &[&[(&str, &str)]] = &[
        &[("resource", "cpu"), ("kind", "some")],
        &[("resource", "cpu"), ("kind", "full")],
        &[("resource", "memory"), ("kind", "some")],
    ];
    catalog(1, &[("task_other", MetricKind::Gauge, &[&[]]), ("task_pressure_seconds", MetricKind::Counter, series)])
}

fn counters(above: &str, below: &str) -> Catalog {
    catalog(1, &[(above, MetricKind::Counter, &[&[]]), (below, MetricKind::Counter, &[&[]])])
}

fn devices(kind: MetricKind) -> Catalog {
    catalog(1, &[("task_io_reads", kind, &[&[("device", "8:0")], &[("device", "8:16")]])])
}

/// What is read of both tasks in the second of two samples, two seconds after the first.
fn second(signal: Signal, catalog: &Catalog, first: &[f64], second: &[f64]) -> Vec<f64> {
    let mut signals = Signals::new(vec![signal]);
    let mut read = |timestamp, values: &[f64]| {
        let read = signals.read(&Sampled { timestamp, catalog, values }, &KEYS, |_, _| true);
        assert!(read.iter().map(|(_, key, _)| *key).eq(KEYS), "{read:?}");
        read.into_iter().map(|(_, _, value)| value).collect::<Vec<f64>>()
    };
    read(100.0, first);
    read(102.0, second)
}

const NAN: f64 = f64::NAN;

#[rstest]
#[case::psi_cpu(Signal::PsiCpu, pressures(), &[0.0, 0.0, 1.0, 2.0, 0.0, 0.0, 0.0, 0.0], &[0.0, 0.0, 1.5, 4.0, 9.0, 9.0, 9.0, 9.0], [0.25, 1.0])]
#[case::psi_memory(Signal::PsiMemory, pressures(), &[0.0; 8], &[0.0, 0.0, 9.0, 9.0, 9.0, 9.0, 0.5, NAN], [0.25, NAN])]
#[case::cpi(Signal::Cpi, counters("task_cycles", "task_instructions"), &[100.0, 100.0, 50.0, 50.0], &[400.0, 100.0, 250.0, 50.0], [1.5, NAN])]
#[case::throttling(Signal::Throttling, counters("task_cpu_throttled_periods", "task_cpu_periods"), &[1.0, 5.0, 10.0, 20.0], &[6.0, 5.0, 20.0, 20.0], [0.5, 0.0])]
#[case::a_counter(Signal::Metric("task_io_reads".into()), devices(MetricKind::Counter), &[1.0, 1.0, 2.0, NAN], &[3.0, 5.0, 6.0, NAN], [3.0, 2.0])]
#[case::that_began_anew(Signal::Metric("task_io_reads".into()), devices(MetricKind::Counter), &[8.0, 1.0, 2.0, 0.0], &[3.0, 5.0, 6.0, 0.0], [NAN, 2.0])]
#[case::a_gauge(Signal::Metric("task_io_reads".into()), devices(MetricKind::Gauge), &[1.0, 1.0, 2.0, 2.0], &[3.0, 5.0, 6.0, NAN], [9.0, 5.0])]
fn what_is_watched(
    #[case] signal: Signal,
    #[case] catalog: Catalog,
    #[case] first: &[f64],
    #[case] then: &[f64],
    #[case] expected: [f64; 2],
) {
    let found = second(signal, &catalog, first, then);
    assert!(found.iter().zip(expected).all(|(one, other)| one.total_cmp(&other).is_eq() || *one == other), "{found:?}");
}

#[test]
fn the_first_sample_of_a_task_says_nothing_of_what_is_counted() {
    let catalog = devices(MetricKind::Counter);
    let mut signals = Signals::new(vec![Signal::Metric("task_io_reads".into())]);
    let values = [1.0, 1.0, 0.0, 0.0];
    let sample = Sampled { timestamp: 1.0, catalog: &catalog, values: &values };
    assert!(signals.read(&sample, &KEYS, |_, _| true).iter().all(|(_, _, value)| value.is_nan()));
    assert!(signals.is_measured(0));
    // The rows have changed places, and a time that does not pass makes no rate.
    let sample = Sampled { timestamp: 1.0, values: &[2.0, 3.0, 0.0, 0.0], ..sample };
    let found = signals.read(&sample, &[KEYS[1], KEYS[0]], |_, key| key == KEYS[0]);
    assert!(found.len() == 1 && found[0].1 == KEYS[0] && found[0].2.is_nan(), "{found:?}");
    let sample = Sampled { timestamp: 2.0, values: &[9.0, 7.0, 0.0, 0.0], ..sample };
    let found = signals.read(&sample, &[KEYS[1], KEYS[0]], |_, key| key == KEYS[0]);
    assert_eq!(found, [(0, KEYS[0], 4.0)]);
}

#[test]
fn what_nobody_measures_is_not_read_until_somebody_does() {
    let mut signals = Signals::new(vec![Signal::PsiCpu]);
    let none = catalog(1, &[("task_other", MetricKind::Gauge, &[&[]])]);
    let sample = Sampled { timestamp: 1.0, catalog: &none, values: &[0.0, 0.0] };
    assert_eq!(signals.read(&sample, &KEYS, |_, _| true), []);
    assert!(!signals.is_measured(0));
    let there = Catalog { version: 2, ..pressures() };
    for (timestamp, cpu) in [(2.0, 0.5), (3.0, 1.0)] {
        let values = [0.0, 0.0, cpu, cpu, 0.0, 0.0, 0.0, 0.0];
        let read = signals.read(&Sampled { timestamp, catalog: &there, values: &values }, &KEYS, |_, _| true);
        assert_eq!(read.iter().filter(|(_, _, value)| *value == 0.5).count(), if timestamp == 3.0 { 2 } else { 0 });
    }
}
