//! What a test says that cannot do its work on this machine, or not for this user. Taken into test programs by its path.

#![allow(dead_code, reason = "each program that takes this in uses its part")]

use std::io::Write as _;

/// Names the real things that must be there: `all` (or `1`), or some, with commas between.
const REQUIRED: &str = "WCA_REQUIRE_REAL";

/// Says that a test has left something out, past the capture of the test runner, so that it can be seen when all is green: for
/// what this machine or this user is not, and no installation makes it.
pub(crate) fn skipped(why: &str) {
    skipped_in(std::thread::current().name().unwrap_or("a test"), why);
}

/// The same of the test of this name.
pub(crate) fn skipped_in(test: &str, why: &str) {
    let line = format!("\n*** SKIPPED {test}: {why}\n\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// Says that a test has left something out for want of a real thing that can be had: `thing` is its name in `WCA_REQUIRE_REAL`,
/// `why` what was found instead, and `remedy` how to get it.
///
/// # Panics
/// Panics where the thing is required: what it shows would otherwise pass for shown.
pub(crate) fn missing(thing: &str, why: &str, remedy: &str) {
    let required = std::env::var(REQUIRED).unwrap_or_default();
    assert!(!is_required(&required, thing), "{thing} is missing, and {REQUIRED}={required} wants it: {why}; {remedy}");
    skipped(&format!("{why}; {remedy}"));
}

fn is_required(required: &str, thing: &str) -> bool {
    required.split(',').map(str::trim).any(|name| name == thing || name == "all" || name == "1")
}
