//! Components that are small and mean a lot of work, or of text, to whoever compiles or describes them.

use std::fmt::Write as _;

use crate::common::{Finished, Wca};
use crate::guests::{Guests, configured, detector};
use crate::told::{honest_did_not_notice, lines};

const PACE: &[&str] = &["--continue-on-errors", "--interval", "300ms", "--iterations", "2"];

fn run(guests: &Guests, more: &[&str]) -> Finished {
    let finished = Wca::new().run("run", &guests.arguments(&[PACE, more].concat()));
    honest_did_not_notice(&finished, 2);
    finished
}

/// What the user is told of a file besides that it is being compiled.
fn told(guests: &Guests, finished: &Finished, name: &str) -> Vec<String> {
    let path = guests.path(name).display().to_string();
    let before = format!("wca: {path}: ");
    let lines = lines(finished).into_iter().filter(|line| line.contains(&path));
    lines
        .filter(|line| !line.starts_with(&format!("INFO compiling {path} for ")))
        .map(|line| line.strip_prefix(&before).map_or(line.clone(), str::to_owned))
        .collect()
}

fn functions(count: usize) -> String {
    let mut text = String::new();
    for _ in 0..count {
        text.push_str("(func (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))\n");
    }
    detector(&text, "")
}

/// One function of this many additions.
fn huge(count: usize) -> String {
    let mut text = String::from("(func (param i64) (result i64) local.get 0 ");
    for number in 0..count {
        // Writing to a text cannot fail.
        let _ = write!(text, "i64.const {} i64.add local.get 0 i64.xor ", number % 60);
    }
    text.push(')');
    detector(&text, "")
}

/// A type of which each names the one before twice.
fn doubled(depth: usize) -> String {
    let mut types = String::from("(type $t0 (tuple u32 u32))");
    for at in 1..=depth {
        let before = at - 1;
        let _ = write!(types, "(type $t{at} (tuple $t{before} $t{before}))");
    }
    configured(&types, &format!("$t{depth}"), "i32")
}

/// A list of lists of lists.
fn nested(depth: usize) -> String {
    let mut types = String::from("(type $t0 (list u32))");
    for at in 1..=depth {
        let _ = write!(types, "(type $t{at} (list $t{}))", at - 1);
    }
    configured(&types, &format!("$t{depth}"), "i32 i32")
}

/// Two that take their time to compile.
pub(crate) fn add_long(guests: &mut Guests) {
    guests.text("functions", &functions(100_000)).text("huge", &huge(300_000));
}

/// What is said of each where a compilation may have 160 MiB.
pub(crate) fn too_long() -> [(&'static str, &'static str); 2] {
    let memory = "compiling it takes more than 167772160 bytes of memory, the limit (--limit compile-memory=671088640 \
                  raises it)";
    [("functions", memory), ("huge", memory)]
}

/// Types that take a long time to write down.
pub(crate) fn add_deep(guests: &mut Guests) {
    guests
        .text("doubled", &doubled(12))
        .text("more", &doubled(25))
        .text("nested", &nested(40))
        .text("deep", &nested(2000));
}

/// What is said of each.
pub(crate) fn too_deep() -> [(&'static str, &'static str); 4] {
    [
        (
            "doubled",
            "its `configure` has the parameter `deep` with a type that takes more than 16384 bytes to write down, which no \
             configuration can express and no --limit raises",
        ),
        ("more", "it is no valid component: effective type size exceeds the limit of 1000000 (at offset 0xe5)"),
        (
            "nested",
            "its `configure` has the parameter `deep` with a type nested more than 32 deep, which no configuration can \
             express and no --limit raises",
        ),
        ("deep", "it is no valid component: type nesting is too deep (at offset 0x188)"),
    ]
}

/// Panics unless this is all that was said of each.
pub(crate) fn were_refused(guests: &Guests, finished: &Finished, expected: &[(&str, &str)]) {
    for (name, expected) in expected {
        assert_eq!(told(guests, finished, name), [*expected], "{name}");
    }
}

#[test]
fn a_compiler_that_takes_too_much_is_stopped() {
    let mut guests = Guests::beside_honest();
    add_long(&mut guests);
    let finished = run(&guests, &["--limit", "compile-time=1s"]);
    finished.ends_with(1);
    let late = "compiling it takes more than 1 s, the limit (--limit compile-time=4s raises it)";
    for name in ["functions", "huge"] {
        assert_eq!(told(&guests, &finished, name), [late], "{name}");
    }

    let finished = run(&guests, &["--limit", "compile-memory=160Mi"]);
    finished.ends_with(1);
    were_refused(&guests, &finished, &too_long());

    let finished = run(&guests, &["--limit", "compile-output=1Mi"]);
    finished.ends_with(1);
    let output = "it compiles to more than 1048576 bytes, the limit (--limit compile-output=4194304 raises it)";
    for name in ["functions", "huge"] {
        assert_eq!(told(&guests, &finished, name), [output], "{name}");
    }
}

/// Nothing is set: it is compiled in the time that is allowed, announced each few seconds, and runs; or it is refused.
#[test]
fn a_hundred_thousand_functions_within_the_limits_that_nobody_set() {
    let mut guests = Guests::beside_honest();
    guests.text("functions", &functions(100_000));
    let finished = run(&guests, &[]);
    finished.ends_with(0);
    assert_eq!(told(&guests, &finished, "functions"), Vec::<String>::new());
    assert!(finished.stdout.contains("wca_policy_calls{policy=\"functions\"} 2"), "{finished:#?}");
}

#[test]
fn types_that_nobody_could_write_down_are_refused() {
    let mut guests = Guests::beside_honest();
    add_deep(&mut guests);
    let finished = run(&guests, &[]);
    finished.ends_with(1);
    were_refused(&guests, &finished, &too_deep());
}
