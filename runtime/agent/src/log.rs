//! The agent's log, on standard error.

use std::io::Write;

use wca_log::{Level, Log, write_policy_line};
use wca_sandbox::{LogLevel, LogLine, LogSink};

/// A line before the log is there.
pub(crate) fn plain(line: &str) {
    // Where standard error is closed there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "wca: {line}");
}

/// Lines that say by themselves who speaks of what.
pub(crate) fn lines(text: &str) {
    let _ = writeln!(std::io::stderr(), "{}", text.trim_end());
}

/// Writes the lines of policies into the agent's log, under their names.
pub(crate) struct PolicyLines(pub(crate) Log);

impl LogSink for PolicyLines {
    fn write(&self, line: LogLine) {
        let LogLine { policy, level, text } = line;
        let level = match level {
            LogLevel::Debug => Level::Debug,
            LogLevel::Info => Level::Info,
            LogLevel::Warn => Level::Warn,
            LogLevel::Error => Level::Error,
        };
        if self.0.writes(&policy, level) {
            write_policy_line(&policy, level, &text);
        }
    }
}
