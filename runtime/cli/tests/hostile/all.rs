//! Everything that is hostile, at once, in one run of the agent: what it says of each, and that the honest notice nothing.

use std::fs::File;

use crate::common::{Finished, Wca};
use crate::guests::Guests;
use crate::told::{about, honest_did_not_notice, lines, value};
use crate::{bombs, cache, calls, load, reports};

const TICKS: usize = 20;
/// What nobody set stays as it is, but for what would take long: fuel until the end of the first call, which each call is
/// after a failure, memory to be filled with it, and memory to compile in. By the clock nothing of it ends here.
const PACE: &[&str] = &[
    "--continue-on-errors",
    "--interval",
    "1s",
    "--iterations",
    "20",
    "--memory",
    "8Mi",
    "--limit",
    "start-deadline=10s",
    "--limit",
    "start-fuel=20000000",
    "--limit",
    "quarantine-after=3",
    "--limit",
    "compile-memory=160Mi",
];
const FUEL: &str = "out of fuel: it used 20000000 instructions (--limit start-fuel raises it)";
const MEMORY: &str = "out of memory: 8 MiB (--limit memory raises it)";
const QUARANTINED: &str = "ERROR quarantined after 3 failed calls in a row: it is not called any more (--limit \
                           quarantine-after raises it)";

/// Those that log: many lines, one of another's name, and lines that are too long; and those that fail in ways of their own.
fn add_loud(guests: &mut Guests) {
    guests.that("lines", "many-lines").set("lines.times=100000");
    guests.that("forged", "forged-lines");
    guests.that("long", "long-line");
    guests.that("longest", "long-line").set("longest.times=100");
    guests.that("polled", "poll-once");
    guests.that("metrics", "many-metrics").set("metrics.times=10000000");
    guests.that("column", "absent-column");
    guests.that("ways", "fail-in-many-ways");
}

#[test]
fn everything_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let cached = folder.path().join("cache");
    let (honest, not_taken) = cache::spoiled(&cached);
    let mut guests = Guests::none();
    calls::add_stopped(guests.begin_names_with("calls-"));
    reports::add_unstorable(guests.begin_names_with("reports-"), 500);
    add_loud(guests.begin_names_with("loud-"));
    load::add_refused(guests.begin_names_with("load-"));
    guests.bytes("huge", b"");
    File::create(guests.path("huge")).unwrap().set_len(1 << 30).unwrap();
    bombs::add_long(guests.begin_names_with("bombs-"));
    bombs::add_deep(&mut guests);

    let mut more = vec!["--cache-dir", cached.to_str().unwrap()];
    for component in &honest {
        more.extend(["--component", component]);
    }
    more.extend(["--set", "ThresholdRust.threshold=1000"]);
    let finished = Wca::new().run("run", &guests.arguments(&[PACE, &more].concat()));
    finished.ends_with(1);

    honest_did_not_notice(&finished, TICKS);
    for policy in ["NOPAnomalyDetector", "BusyTask", "ThresholdRust"] {
        for (series, expected) in [("calls", "20"), ("failures", "0"), ("missed", "0")] {
            let found = value(&finished, &format!("wca_policy_{series}{{policy=\"{policy}\"}}"));
            assert_eq!(found, Some(expected), "{series} of {policy}: {finished:#?}");
        }
    }
    let of_cache: Vec<_> = lines(&finished).into_iter().filter(|line| line.contains(" is not taken: ")).collect();
    let mut expected = not_taken;
    expected.sort_by_key(|line| of_cache.iter().position(|other| other == line));
    assert_eq!(of_cache, expected, "{finished:#?}");

    calls::were_stopped(&finished, "calls-", &calls::stopped(FUEL, MEMORY));
    for (name, expected) in reports::unstorable() {
        assert_eq!(about(&finished, &format!("reports-{name}")), expected, "{name}: {finished:#?}");
    }
    loud_ones(&finished);
    load::were_refused(guests.begin_names_with("load-"), &finished, &load::refused());
    let huge = "has 1073741824 bytes: a component may have 268435456 (--limit component-size=1073741824 takes it)";
    load::were_refused(&guests, &finished, &[("huge", huge.to_owned())]);
    bombs::were_refused(guests.begin_names_with("bombs-"), &finished, &bombs::too_long());
    bombs::were_refused(&guests, &finished, &bombs::too_deep());
}

fn loud_ones(finished: &Finished) {
    let told = |name: &str| {
        let mut lines = about(finished, &format!("loud-{name}"));
        lines.dedup();
        lines
    };
    let written = [
        "INFO the first line",
        "INFO one more",
        "WARN 99900 more lines were not written: a call may log 100 (--limit log-lines raises it)",
    ];
    let lines = told("lines");
    // The last call may be under way when the run ends.
    assert!(lines.len() >= 3 * (TICKS - 1), "{lines:#?}");
    assert!(lines.chunks(3).all(|call| *call == written[..call.len()]), "{lines:#?}");
    let ways: Vec<_> =
        (1..=TICKS).map(|call| format!("WARN it reported: failure {call} of\\nmany\\u{{1b}}[2J")).collect();
    let found = told("ways");
    assert!(found.len() >= TICKS - 1 && found == ways[..found.len()], "{found:#?}");
    let column = told("column");
    let panic = "ERROR panic at src/reports.rs:";
    assert!(column[0].starts_with(panic) && column[0].ends_with(": the len is 0 but the index is 0"), "{column:#?}");
    let trapped = "WARN it trapped: wasm `unreachable` instruction executed";
    assert_eq!(column[1..], [trapped, &column[0], QUARANTINED], "{finished:#?}");
    let long = format!("INFO {}…", "x".repeat(4096));
    for (name, expected) in [
        ("forged", &["INFO one\\n2026-01-01T00:00:00Z ERROR [Honest] forged\\r\\u{1b}[2J"][..]),
        ("long", &[&long]),
        ("longest", &[&format!("WARN {MEMORY}"), QUARANTINED]),
        ("polled", &["INFO 1 of 1 hours has passed"]),
        ("metrics", &[reports::TOO_MANY, &format!("WARN {FUEL}"), QUARANTINED]),
    ] {
        assert_eq!(told(name), expected, "{name}: {finished:#?}");
    }
}
