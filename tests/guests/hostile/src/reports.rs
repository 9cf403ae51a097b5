//! What is reported and asked for wrongly. Refusals are not looked at: the operator is to learn of them all the same.

use wca_guest::types::{Contended, Sample};
use wca_guest::{now, report};

pub(crate) fn many(times: u32) {
    for at in 0..times {
        let _ = report::metric(&Sample::gauge("hostile_many", 1.0).label("at", at.to_string()));
    }
}

/// Names that are none.
pub(crate) fn names() {
    for name in ["", "9lives", "two words", "dash-ed", "ä", "a{b=\"c\"}", "a 1\n# TYPE honest_calls gauge\nhonest_calls"] {
        let _ = report::metric(&Sample::gauge(name, 1.0));
    }
}

/// Values that are no numbers, which the text format can express.
pub(crate) fn numbers() {
    for (of, value) in [("nan", f64::NAN), ("more", f64::INFINITY), ("less", f64::NEG_INFINITY), ("small", 5e-324)] {
        let _ = report::metric(&Sample::gauge("hostile_number", value).label("of", of));
    }
}

/// Labels that would break the text, and one whose value has to be escaped.
pub(crate) fn labels() {
    for name in ["", "a b", "a\"} 1\nx", "__name__", "host"] {
        let _ = report::metric(&Sample::gauge("hostile_label", 1.0).label(name, "x"));
    }
    let _ = report::metric(&Sample::gauge("hostile_label", 1.0).label("twice", "x").label("twice", "y"));
    let _ = report::metric(&Sample::gauge("hostile_label", 1.0).label("long", "x".repeat(1 << 20)));
    let value = "\"} 1\nhonest_calls 666\\";
    let _ = report::metric(&Sample::gauge("hostile_label", 1.0).label("escaped", value).help("one\ntwo"));
}

/// Names and helps so long that a few thousand of them would be gigabytes, and many of a length that is allowed.
pub(crate) fn long_names(times: u32) {
    let _ = report::metric(&Sample::gauge("a".repeat(1 << 20), 1.0));
    let _ = report::metric(&Sample::gauge("hostile_help", 1.0).help("x".repeat(1 << 20)));
    let long = "x".repeat(8 << 10);
    for at in 0..times {
        let _ = report::metric(&Sample::gauge("hostile_long", 1.0).label("at", at.to_string()).label("long", &long));
    }
}

/// Names of the agent's own metrics, and of the node's.
pub(crate) fn others_names() {
    for name in ["wca_policy_failures", "anomaly_count", "task_mem_usage_bytes"] {
        let _ = report::metric(&Sample::gauge(name, 666.0).label("policy", "Honest"));
    }
}

/// What is not there is empty.
pub(crate) fn absent_series() {
    let long = "x".repeat(1 << 20);
    for name in ["", "no_such_metric", "task_mem_usage_bytes\0", &long] {
        let found = now::series(name).len() + now::values(name).len() + now::rates(name).len();
        let found = found + now::platform_values(name).len() + now::platform_rates(name).len();
        let _ = report::metric(&Sample::gauge("hostile_found", found as f64).label("length", name.len().to_string()));
    }
    // Keys that were never given out.
    for key in [0, u64::MAX] {
        let _ = report::contention(Contended::Cpus, key, &[], &[]);
    }
}

/// Takes for granted what is not there.
pub(crate) fn absent_column() {
    std::hint::black_box(now::values("no_such_metric")[0][0]);
}

/// One task, named as the culprit over and over.
pub(crate) fn many_culprits(times: u32) {
    let Some(key) = now::keys().first().copied() else { return };
    let culprits = vec![key; times as usize];
    let _ = report::contention(Contended::Cpus, key, &culprits, &[]);
}
