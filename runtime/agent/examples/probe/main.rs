//! What an agent could do that somebody has taken over.
//!
//! One program in all three roles, as `wca` is: `probe warden CONFIG` runs the real warden, which starts `probe agent VERB`
//! and `probe compile` in place of the real ones. They raise the real walls and then misbehave; each line on standard
//! output is one JSON object that says what came of it. The tests in `tests/walls.rs` run it.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a part of the tests, which must fail loudly"
)]

mod attacks;
mod compiler;
mod connection;
mod messages;
mod operator;
mod verbs;
mod warden;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["warden", config] => warden::run(config),
        ["agent", verb, rest @ ..] => verbs::run(verb, rest),
        ["compile"] => compiler::run(),
        ["operator", socket] => operator::run(socket),
        _ => {
            eprintln!("probe warden CONFIG | agent VERB | compile | operator SOCKET");
            ExitCode::from(2)
        }
    }
}

/// One line of what came of it.
#[allow(clippy::print_stdout, reason = "the tests read standard output")]
fn say(line: &serde_json::Value) {
    println!("{line}");
}
