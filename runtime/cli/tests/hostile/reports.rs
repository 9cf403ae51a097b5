//! What is said too often, too long, or in a form that nobody could store.

use crate::common::{Finished, Wca};
use crate::guests::Guests;
use crate::told::{about, exactly, honest_did_not_notice, value};

pub(crate) const TOO_MANY: &str = "WARN refused: too many: a call may report 10000 metrics, evidence and culprits included \
                                   (--limit metrics raises it)";
const PACE: &[&str] = &["--interval", "500ms", "--iterations", "2"];

fn run(guests: &Guests, more: &[&str]) -> Finished {
    let finished = Wca::new().run("run", &guests.arguments(&[PACE, more].concat()));
    finished.ends_with(0);
    honest_did_not_notice(&finished, 2);
    finished
}

fn refused<'a>(finished: &'a Finished, policy: &str) -> Option<&'a str> {
    value(finished, &format!("wca_policy_refused{{policy=\"{policy}\"}}"))
}

/// The lines on standard output that begin so, each once.
fn series<'a>(finished: &'a Finished, name: &str) -> Vec<&'a str> {
    let mut lines: Vec<&str> = finished.stdout.lines().filter(|line| line.starts_with(name)).collect();
    lines.sort_unstable();
    lines.dedup();
    lines
}

/// Every line is a comment or a sample; no label and no help has broken out of its own.
fn is_well_formed(finished: &Finished) -> bool {
    finished.stdout.lines().all(|line| {
        let sample = line
            .rsplit_once(' ')
            .is_some_and(|(_, value)| matches!(value, "NaN" | "+Inf" | "-Inf") || value.parse::<f64>().is_ok());
        line.is_empty() || line.starts_with("# HELP ") || line.starts_with("# TYPE ") || sample
    })
}

/// Guests whose reports are refused, or should be printed as they stand; one of them with so many of 8 KiB.
pub(crate) fn add_unstorable(guests: &mut Guests, long: u32) {
    for (name, does) in [
        ("names", "names"),
        ("numbers", "numbers"),
        ("labels", "labels"),
        ("long", "long-names"),
        ("others", "others-names"),
        ("absent", "absent-series"),
        ("culprits", "many-culprits"),
    ] {
        guests.that(name, does);
    }
    guests.set(&format!("long.times={long}")).set("culprits.times=500000");
}

/// The first reason of each, which is said in the first call and counted from then on.
pub(crate) fn unstorable() -> Vec<(&'static str, Vec<String>)> {
    let long = format!(
        "WARN refused: name, labels and help of metric `{}…` have 1048576 bytes: 16384 are taken (--limit label-bytes \
         raises it)",
        "a".repeat(80)
    );
    [
        ("names", "WARN refused: `` is no metric name: it takes [a-zA-Z_:][a-zA-Z0-9_:]*"),
        (
            "labels",
            "WARN refused: label `` of metric `hostile_label`: it takes [a-zA-Z_][a-zA-Z0-9_]*, not starting with __",
        ),
        ("long", &long),
        ("others", "WARN refused: `wca_policy_failures` is one of the agent's own metrics: take another name"),
        ("absent", "WARN refused: the task has ended"),
        ("culprits", TOO_MANY),
    ]
    .into_iter()
    .map(|(name, told)| (name, vec![told.to_owned()]))
    .chain([("numbers", Vec::new())])
    .collect()
}

#[test]
fn what_cannot_be_stored_is_refused_and_the_first_reason_told() {
    let mut guests = Guests::beside_honest();
    add_unstorable(&mut guests, 3000);
    guests.that("column", "absent-column").that("ways", "fail-in-many-ways");
    let finished = run(&guests, &[]);
    for (name, expected) in unstorable() {
        assert_eq!(about(&finished, name), expected, "{name}: {finished:#?}");
    }
    let ways = ["WARN it reported: failure 1 of\\nmany\\u{1b}[2J", "WARN it reported: failure 2 of\\nmany\\u{1b}[2J"];
    exactly(&finished, &[("ways", &ways)]);
    let column = about(&finished, "column");
    let trap = "WARN it trapped: wasm `unreachable` instruction executed";
    assert!(column.iter().any(|line| line == trap), "{finished:#?}");
    assert!(column.iter().any(|line| line.starts_with("ERROR panic at src/reports.rs:")), "{finished:#?}");
    // In two calls.
    for (policy, count) in
        [("names", "14"), ("labels", "14"), ("others", "6"), ("absent", "4"), ("culprits", "2"), ("numbers", "0")]
    {
        assert_eq!(refused(&finished, policy), Some(count), "{policy}: {finished:#?}");
    }
    let refused: u32 = refused(&finished, "long").unwrap().parse().unwrap();
    assert!(refused > 2 * 900, "16 MiB are taken of two times 24: {finished:#?}");
    assert_eq!(
        series(&finished, "hostile_number"),
        [
            "hostile_number{of=\"less\"} -Inf",
            "hostile_number{of=\"more\"} +Inf",
            "hostile_number{of=\"nan\"} NaN",
            "hostile_number{of=\"small\"} 0.000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000005",
        ]
    );
    assert_eq!(series(&finished, "hostile_label"), ["hostile_label{escaped=\"\\\"} 1\\nhonest_calls 666\\\\\"} 1"]);
    assert_eq!(series(&finished, "# HELP hostile_label"), ["# HELP hostile_label one\\ntwo"]);
    let found = series(&finished, "hostile_found");
    assert_eq!(found.len(), 4, "{found:?}");
    assert!(found.iter().all(|line| line.ends_with(" 0")), "{found:?}");
    assert!(is_well_formed(&finished), "{finished:#?}");
}

#[test]
fn what_is_logged_too_much_is_counted_and_cut() {
    let mut guests = Guests::beside_honest();
    for (name, does) in
        [("lines", "many-lines"), ("forged", "forged-lines"), ("long", "long-line"), ("longest", "long-line")]
    {
        guests.that(name, does);
    }
    guests.set("lines.times=1000000").set("long.times=1").set("longest.times=100");
    // Room for the guest to make its 100 MiB.
    let finished = run(&guests, &["--memory", "256Mi"]);
    let lines = about(&finished, "lines");
    // The second call may be under way when the run ends.
    assert!(lines.len() == 101 || lines[101] == lines[0], "{lines:#?}");
    assert_eq!(lines[0], "INFO the first line");
    assert!(lines[1..100].iter().all(|line| line == "INFO one more"), "{lines:#?}");
    assert_eq!(lines[100], "WARN 999900 more lines were not written: a call may log 100 (--limit log-lines raises it)");
    let (forged, long) =
        ("INFO one\\n2026-01-01T00:00:00Z ERROR [Honest] forged\\r\\u{1b}[2J", format!("INFO {}…", "x".repeat(4096)));
    let longest = "WARN it moved more than 8 MiB between itself and the host at once (--limit hostcall raises it)";
    exactly(&finished, &[("forged", &[forged; 2]), ("long", &[&*long; 2]), ("longest", &[longest])]);
}

#[test]
fn a_string_that_does_not_fit_into_its_memory_is_never_made() {
    let mut guests = Guests::beside_honest();
    guests.that("longest", "long-line").set("longest.times=100");
    let finished = run(&guests, &[]);
    exactly(&finished, &[("longest", &["WARN out of memory: 64 MiB (--limit memory raises it)"])]);
}

#[test]
fn ten_million_metrics() {
    let mut guests = Guests::beside_honest();
    guests.that("many", "many-metrics").set("many.times=30000");
    let finished = run(&guests, &[]);
    exactly(&finished, &[("many", &[TOO_MANY])]);
    assert_eq!(refused(&finished, "many"), Some("40000"), "{finished:#?}");
    assert_eq!(series(&finished, "hostile_many").len(), 10_000);

    // As many as take longer than a call may take: nothing of it counts but what was refused.
    let mut guests = Guests::beside_honest();
    guests.that("many", "many-metrics").set("many.times=10000000");
    let finished = run(&guests, &["--limit", "start-fuel=50000000"]);
    let fuel = "WARN out of fuel: it used 50000000 instructions (--limit start-fuel raises it)";
    exactly(&finished, &[("many", &[TOO_MANY, fuel])]);
    assert_eq!(series(&finished, "hostile_many").len(), 0);
    assert_ne!(refused(&finished, "many"), Some("0"), "{finished:#?}");
}

#[test]
fn a_name_that_is_taken_is_not_shared() {
    let mut guests = Guests::beside_honest();
    // The one with the name that is free by then.
    guests.file("Honest").set("Honest-2.does=unreachable");
    let finished = run(&guests, &[]);
    let told = format!("WARN {}: the name Honest is taken, here it goes by Honest-2", guests.path("Honest").display());
    assert!(crate::told::lines(&finished).contains(&told), "{finished:#?}");
    exactly(&finished, &[("Honest-2", &["WARN it trapped: wasm `unreachable` instruction executed"])]);
}
