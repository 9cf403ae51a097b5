//! How the program says why it ended.

use std::io::Write;
use std::process::ExitCode;

/// The exit code of a verb; an error is said on standard error.
pub(crate) fn ended(result: anyhow::Result<u8>) -> ExitCode {
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            wca_log::say(&format!("wca: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Prints to standard output; a reader that has gone is no error of ours.
pub(crate) fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Lines on standard error that say by themselves who speaks of what.
pub(crate) fn lines(text: &str) {
    wca_log::say(text);
}

/// Says something on standard error that is no error.
pub(crate) fn note(text: &str) {
    wca_log::say(&format!("wca: {text}"));
}
