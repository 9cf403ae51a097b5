//! The agent's log, on standard error.

use wca_log::{Level, Log, write_policy_line};
use wca_sandbox::{LogLevel, LogLine, LogSink};

/// Why the agent ends.
pub(crate) fn plain(line: &str) {
    wca_log::say(&format!("wca: {line}"));
}

/// Lines that say by themselves who speaks of what.
pub(crate) fn lines(text: &str) {
    wca_log::say(text);
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
