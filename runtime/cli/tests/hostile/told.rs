//! What the user is told: lines of standard error without their time, and metrics of the last tick.

use crate::common::Finished;

/// Lines on standard error, without the time of the log's.
pub(crate) fn lines(finished: &Finished) -> Vec<String> {
    finished.stderr.lines().map(without_time).collect()
}

/// Lines about one policy, without its name: `WARN out of fuel: …`. Repetitions that only count are left out.
pub(crate) fn about(finished: &Finished, policy: &str) -> Vec<String> {
    let name = format!("[{policy}] ");
    let told = |line: String| {
        let (level, rest) = line.split_once(' ')?;
        Some(format!("{level} {}", rest.strip_prefix(&name)?))
    };
    lines(finished).into_iter().filter_map(told).filter(|line| !line.ends_with(" times)")).collect()
}

fn without_time(line: &str) -> String {
    match line.split_once(' ') {
        Some((time, rest)) if time.ends_with('Z') && time.contains('T') => rest.trim_start().to_owned(),
        _ => line.to_owned(),
    }
}

/// The last value of a series, as it stands in the text.
pub(crate) fn value<'a>(finished: &'a Finished, series: &str) -> Option<&'a str> {
    finished.stdout.lines().rev().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))
}

/// Panics unless the honest detector was called in every tick, ended every time, was never made anew, and reported what it
/// should in every tick.
pub(crate) fn honest_did_not_notice(finished: &Finished, ticks: usize) {
    let expected: Vec<String> = (1..=ticks).map(|tick| tick.to_string()).collect();
    for series in ["wca_policy_calls{policy=\"Honest\"}", "honest_calls"] {
        let found: Vec<&str> =
            finished.stdout.lines().filter_map(|line| line.strip_prefix(series)?.strip_prefix(' ')).collect();
        assert_eq!(found, expected, "{series}: {finished:#?}");
    }
    for series in ["failures", "missed", "refused", "quarantined"] {
        let series = format!("wca_policy_{series}{{policy=\"Honest\"}}");
        assert_eq!(value(finished, &series), Some("0"), "{series}: {finished:#?}");
    }
    assert_eq!(finished.stdout.matches("# TYPE honest_tasks gauge\n").count(), ticks, "{finished:#?}");
    assert_eq!(about(finished, "Honest"), Vec::<String>::new(), "{finished:#?}");
}

/// Panics unless this is all that was said of each policy, in this order.
pub(crate) fn exactly(finished: &Finished, expected: &[(&str, &[&str])]) {
    for (policy, lines) in expected {
        assert_eq!(about(finished, policy), *lines, "{policy}: {finished:#?}");
    }
}
