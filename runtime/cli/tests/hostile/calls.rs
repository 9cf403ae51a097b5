//! What takes time, memory or a way out, in a call or before the first.

use crate::common::{Finished, Wca};
use crate::guests::{Guests, detector, storage};
use crate::told::{about, exactly, honest_did_not_notice, value};

const TICKS: usize = 24;
/// Small limits, so that everything that is stopped is stopped soon. Failures cost a policy its instance, so that each of
/// its calls is a first one: the limits are those of the start.
const SMALL: &[&str] = &[
    "--continue-on-errors",
    "--interval",
    "500ms",
    "--iterations",
    "24",
    "--memory",
    "4Mi",
    "--limit",
    "start-fuel=5000000",
    "--limit",
    "quarantine-after=3",
];

const FUEL: &str = "out of fuel: it used 5000000 instructions (--limit start-fuel raises it)";
const MEMORY: &str = "out of memory: 4 MiB (--limit memory raises it)";

fn run(guests: &Guests, more: &[&str]) -> Finished {
    Wca::new().run("run", &guests.arguments(more))
}

/// What is said of a policy that fails in every call in this way.
fn fails(why: &str) -> Vec<String> {
    vec![
        format!("WARN {why}"),
        "ERROR quarantined after 3 failed calls in a row: it is not called any more (--limit quarantine-after raises it)"
            .to_owned(),
    ]
}

/// The same of one that fails before its first call.
fn does_not_start(why: &str) -> Vec<String> {
    [vec![format!("WARN it does not start: {why}")], fails(why)].concat()
}

/// Grows memories or tables until one says no, and gives up.
fn grows(parts: usize, declare: &str, grow: &str) -> String {
    let declarations: String = (0..parts).map(|part| declare.replace('#', &part.to_string())).collect();
    let grown: String = (0..parts)
        .map(|part| format!("(br_if $no (i32.eq {} (i32.const -1)))", grow.replace('#', &part.to_string())))
        .collect();
    detector(&declarations, &format!("(block $no (loop $more {grown} (br $more))) unreachable"))
}

/// Guests that are stopped in every call, or before the first.
pub(crate) fn add_stopped(guests: &mut Guests) {
    guests.text("start", &detector("(start $start) (func $start (loop $more (br $more)))", ""));
    guests.text("store", &storage("(loop $more (br $more))"));
    guests.text("memories", &grows(8, "(memory $m# 0)", "(memory.grow $m# (i32.const 16))"));
    let table = grows(4, "(table $t# 0 funcref)", "(table.grow $t# (ref.null func) (i32.const 10000))");
    guests.text("tables", &table);
    guests.text("large", &detector("(memory 2000)", ""));
    guests.text("many", &detector(&"(memory 0)".repeat(90), ""));
    for (name, does) in [
        ("configure", "loop-in-configure"),
        ("detect", "loop"),
        ("host-calls", "loop-in-host-calls"),
        ("hour", "poll-for-an-hour"),
        ("clock", "wait-for-the-clock"),
        ("memory", "take-memory"),
        ("recursion", "recurse"),
        ("unreachable", "unreachable"),
        ("exit", "exit"),
        ("handles", "keep-handles"),
        ("random", "many-random-bytes"),
        ("early", "now-in-configure"),
    ] {
        guests.that(name, does);
    }
    guests.set("random.times=9");
}

/// What is said of each of them, where it is quarantined after three failures.
pub(crate) fn stopped(fuel: &str, memory: &str) -> Vec<(&'static str, Vec<String>)> {
    let now = "it trapped: `now.tick` was called when there is no snapshot: it answers during `detect`, `allocate` and \
               `store`, and in a runner after `node.measure`";
    let parts = "it is made of more than 64 instances, memories or tables (--limit instances raises it)";
    let stack = "stack overflow: it calls itself without end, or deeper than 512 KiB of stack, which no --limit raises";
    let hostcall = "it moved more than 8 MiB between itself and the host at once (--limit hostcall raises it)";
    vec![
        ("start", does_not_start(fuel)),
        ("configure", does_not_start(fuel)),
        ("early", does_not_start(now)),
        ("large", does_not_start(memory)),
        ("many", does_not_start(parts)),
        ("detect", fails(fuel)),
        ("store", fails(fuel)),
        ("host-calls", fails(fuel)),
        ("hour", fails(fuel)),
        ("clock", fails(fuel)),
        ("memory", fails(memory)),
        ("memories", fails(memory)),
        ("tables", fails(memory)),
        ("recursion", fails(stack)),
        ("unreachable", fails("it trapped: wasm `unreachable` instruction executed")),
        ("exit", fails("it called exit(0); a policy returns")),
        ("handles", fails("it kept more than 1000 handles (--limit handles raises it)")),
        ("random", fails(hostcall)),
    ]
}

/// Panics unless this was said of them, and each was quarantined at its third failure.
pub(crate) fn were_stopped(finished: &Finished, before: &str, expected: &[(&str, Vec<String>)]) {
    for (name, expected) in expected {
        let name = format!("{before}{name}");
        assert_eq!(about(finished, &name), *expected, "{name}: {finished:#?}");
        let quarantined = value(finished, &format!("wca_policy_quarantined{{policy=\"{name}\"}}"));
        assert_eq!(quarantined, Some("1"), "{name}: {finished:#?}");
        assert_eq!(value(finished, &format!("wca_policy_failures{{policy=\"{name}\"}}")), Some("3"), "{name}");
    }
}

#[test]
fn what_never_ends_or_never_has_enough_is_stopped() {
    let mut guests = Guests::beside_honest();
    add_stopped(&mut guests);
    let finished = run(&guests, SMALL);
    finished.ends_with(0);
    honest_did_not_notice(&finished, TICKS);
    were_stopped(&finished, "", &stopped(FUEL, MEMORY));
}

#[test]
fn what_runs_too_long_by_the_clock_is_stopped() {
    let mut guests = Guests::beside_honest();
    guests.text("start", &detector("(start $start) (func $start (loop $more (br $more)))", ""));
    guests.text("store", &storage("(loop $more (br $more))"));
    for (name, does) in [
        ("configure", "loop-in-configure"),
        ("detect", "loop"),
        ("host-calls", "loop-in-host-calls"),
        ("hour", "poll-for-an-hour"),
        ("clock", "wait-for-the-clock"),
    ] {
        guests.that(name, does);
    }
    let small = ["--limit", "start-deadline=100ms", "--deadline", "50ms", "--limit", "quarantine-after=1"];
    let paced = ["--continue-on-errors", "--interval", "500ms", "--iterations", "24"];
    let finished = run(&guests, &[&small[..], &paced].concat());
    finished.ends_with(0);
    honest_did_not_notice(&finished, TICKS);
    let late = "it ran longer than 100ms (--limit start-deadline raises it)";
    let quarantined = "ERROR quarantined after a failed call: it is not called any more (--limit quarantine-after raises \
                       it)";
    for name in ["start", "configure", "detect", "host-calls", "hour", "clock", "store"] {
        let mut expected = vec![format!("WARN {late}"), quarantined.to_owned()];
        if matches!(name, "start" | "configure") {
            expected.insert(0, format!("WARN it does not start: {late}"));
        }
        assert_eq!(about(&finished, name), expected, "{name}: {finished:#?}");
    }
}

/// Nothing is set: what an operator meets who sets nothing either.
#[test]
fn the_limits_that_nobody_set_hold_too() {
    let mut guests = Guests::beside_honest();
    for (name, does) in [("loop", "loop"), ("memory", "take-memory"), ("polled", "poll-once"), ("exit", "exit")] {
        guests.that(name, does);
    }
    let finished = run(&guests, &["--continue-on-errors", "--iterations", "4"]);
    finished.ends_with(0);
    honest_did_not_notice(&finished, 4);
    exactly(
        &finished,
        &[
            ("memory", &["WARN out of memory: 64 MiB (--limit memory raises it)"]),
            ("exit", &["WARN it called exit(0); a policy returns"]),
        ],
    );
    // Whichever a machine comes to first.
    let endless = about(&finished, "loop");
    let fuel = "WARN out of fuel: it used 10000000000 instructions (--limit start-fuel raises it)";
    let time = "WARN it ran longer than 2s (--limit start-deadline raises it)";
    assert!(!endless.is_empty() && endless.iter().all(|line| line == fuel || line == time), "{finished:#?}");
    // An hour's poll returns at once, and costs nothing.
    let polled = about(&finished, "polled");
    assert_eq!(polled, vec!["INFO 1 of 1 hours has passed"; 4], "{finished:#?}");
}

/// The limits of a call, not of the start: a policy that turns bad after its first call.
#[test]
fn a_policy_that_turns_bad_later_meets_the_limits_of_a_call() {
    let late = |bad: &str| {
        let declarations = "(global $calls (mut i32) (i32.const 0))";
        let count = "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))";
        detector(declarations, &format!("{count} (if (i32.gt_u (global.get $calls) (i32.const 2)) (then {bad}))"))
    };
    let mut guests = Guests::beside_honest();
    guests.text("fuel", &late("(loop $more (br $more))"));
    let small = ["--fuel", "1000000", "--interval", "500ms", "--iterations", "4"];
    let finished = run(&guests, &small);
    finished.ends_with(0);
    honest_did_not_notice(&finished, 4);
    exactly(&finished, &[("fuel", &["WARN out of fuel: it used 1000000 instructions (--limit fuel raises it)"])]);
    assert_eq!(value(&finished, "wca_policy_calls{policy=\"fuel\"}"), Some("4"), "{finished:#?}");
    assert_eq!(value(&finished, "wca_policy_failures{policy=\"fuel\"}"), Some("1"), "{finished:#?}");

    let mut guests = Guests::beside_honest();
    guests.text("time", &late("(loop $more (br $more))"));
    let finished =
        run(&guests, &["--deadline", "50ms", "--fuel", "100000000000", "--interval", "500ms", "--iterations", "4"]);
    finished.ends_with(0);
    honest_did_not_notice(&finished, 4);
    exactly(&finished, &[("time", &["WARN it ran longer than 50ms (--limit deadline raises it)"])]);
}
