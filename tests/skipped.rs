//! What a test says that cannot do its work on this machine, or not for this user. Taken into test programs by its path.

use std::io::Write as _;

/// Says that a test has left something out, past the capture of the test runner, so that it can be seen when all is green.
pub(crate) fn skipped(why: &str) {
    let test = std::thread::current();
    let line = format!("\n*** SKIPPED {}: {why}\n\n", test.name().unwrap_or("a test"));
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}
