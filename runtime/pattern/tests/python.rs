//! What Python makes of patterns, and what we make of them: `cases.json` is what `cases.py` prints.

#![allow(clippy::unwrap_used, reason = "a failure ends the test")]

#[path = "../../../tests/skipped.rs"]
mod skipped;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use skipped::missing;
use wca_pattern::{Pattern, Substitution};

/// Pattern, replacement, text.
type Case = (String, String, String);

fn tests() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// What `re.sub` would give; none where it would raise an error.
fn answer((pattern, replacement, text): &Case) -> Option<String> {
    let pattern = Pattern::new(pattern).ok()?;
    Substitution::new(pattern, replacement).ok()?.apply(text).ok()
}

/// Whether we may differ: lookbehind at alternatives of several lengths is understood here and not there.
fn may_differ((pattern, ..): &Case, found: Option<&str>, expected: Option<&str>) -> bool {
    found.is_some() && expected.is_none() && pattern.contains("(?<")
}

/// Python 3.11 or newer, where there is one.
fn python() -> Option<Command> {
    let is_new = "import sys; sys.exit(sys.version_info < (3, 11))";
    let found = Command::new("python3").args(["-c", is_new]).stderr(Stdio::null()).status();
    found.is_ok_and(|status| status.success()).then(|| {
        let mut command = Command::new("python3");
        command.arg(tests().join("cases.py")).env("PYTHONUTF8", "1");
        command
    })
}

fn no_python() {
    missing(
        "python3",
        "there is no Python to compare with",
        "it takes Python 3.11 or newer, as Debian's package python3",
    );
}

#[test]
fn what_python_made_of_the_table() {
    let text = std::fs::read_to_string(tests().join("cases.json")).unwrap();
    let cases: Vec<(String, String, String, Option<String>)> = serde_json::from_str(&text).unwrap();
    assert!(cases.len() > 150, "{}", cases.len());
    let mut wrong = Vec::new();
    for (pattern, replacement, text, expected) in cases {
        let found = answer(&(pattern.clone(), replacement.clone(), text.clone()));
        if found != expected {
            let why = Pattern::new(&pattern).err();
            wrong.push(format!("sub({pattern:?}, {replacement:?}, {text:?}) is {found:?}, not {expected:?} {why:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_is_what_python_makes_of_it() {
    let Some(mut python) = python() else { return no_python() };
    let printed = python.output().unwrap();
    let committed = std::fs::read_to_string(tests().join("cases.json")).unwrap();
    assert!(String::from_utf8(printed.stdout).unwrap() == committed, "python3 cases.py > cases.json writes it anew");
}

/// Pieces of which patterns are made at random; most combinations mean something.
const PIECES: [&str; 44] = [
    "a", "b", "ab", ".", "[ab]", "[^a]", r"\w", r"\d", r"\s", r"\W", "(", ")", "(", ")", "(?:", "(?=", "(?!", "(?<=",
    "(?<!", "|", "*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{,1}", "^", "$", r"\b", r"\B", r"\1", r"\2", "(?>",
    "(?i:", "-", "é", "(?P<n>", r"\Z", "(?(1)", "a*", "(a)",
];

/// Numbers that look like chance and are the same in every run (<https://www.pcg-random.org/>, an LCG with its high bits).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 40).unwrap() % limit
    }

    fn text(&mut self, pieces: &[&str], most: usize) -> String {
        (0..=self.below(most)).map(|_| pieces[self.below(pieces.len())]).collect()
    }
}

#[test]
fn patterns_made_by_chance_mean_what_they_mean_in_python() {
    let Some(mut python) = python() else { return no_python() };
    let count = std::env::var("WCA_PATTERNS").ok().and_then(|count| count.parse().ok()).unwrap_or(20_000);
    let seed = std::env::var("WCA_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    let mut chance = Chance(seed);
    let cases: Vec<Case> = (0..count)
        .map(|_| {
            let pattern = chance.text(&PIECES, 8);
            let replacement = chance.text(&[r"\1", r"\2", r"\g<0>", "-", r"\g<n>", "x", "<", ">"], 3);
            (pattern, replacement, chance.text(&["a", "b", "aa", "ab", "A", " ", "-", "é", "1", "\n"], 6))
        })
        .collect();
    let mut child =
        python.arg("--answer").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python3 starts");
    let mut input = child.stdin.take().unwrap();
    let questions: String = cases.iter().map(|case| serde_json::to_string(case).unwrap() + "\n").collect();
    let writer = std::thread::spawn(move || input.write_all(questions.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let answers = String::from_utf8(output.stdout).unwrap();
    let (mut wrong, mut valid, mut asked) = (Vec::new(), 0, 0);
    for (case, line) in cases.iter().zip(answers.lines()) {
        let expected: Option<String> = serde_json::from_str(line).unwrap();
        asked += 1;
        valid += usize::from(expected.is_some());
        let found = answer(case);
        if found != expected && !may_differ(case, found.as_deref(), expected.as_deref()) {
            wrong.push(format!("{case:?}: {found:?}, not {expected:?} {:?}", Pattern::new(&case.0).err()));
        }
    }
    assert_eq!(asked, cases.len());
    assert!(valid > count / 20, "{valid} of {count} mean something");
    assert!(wrong.is_empty(), "{} of {valid}:\n{}", wrong.len(), wrong[..wrong.len().min(60)].join("\n"));
}
