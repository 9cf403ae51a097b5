//! The agent's log, on standard error.

use std::io::{IsTerminal, Write};
use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use wca_sandbox::{LogLevel, LogLine, LogSink};

/// Lines at `level` and above are written from now on; the level was checked by the program.
pub(crate) fn start(level: &str) {
    let level = LevelFilter::from_str(level).unwrap_or(LevelFilter::INFO);
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .finish();
    // It fails only where a subscriber is set already, which no second agent in one process does.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// A line before the log is there.
pub(crate) fn plain(line: &str) {
    // Where standard error is closed there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "wca: {line}");
}

/// Writes the lines of policies into the agent's log, under their names.
pub(crate) struct PolicyLines;

impl LogSink for PolicyLines {
    fn write(&self, line: LogLine) {
        let LogLine { policy, level, text } = line;
        match level {
            LogLevel::Debug => tracing::debug!("[{policy}] {text}"),
            LogLevel::Info => tracing::info!("[{policy}] {text}"),
            LogLevel::Warn => tracing::warn!("[{policy}] {text}"),
            LogLevel::Error => tracing::error!("[{policy}] {text}"),
        }
    }
}
