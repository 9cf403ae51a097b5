//! The form of lines.

use std::io::{IsTerminal, Stderr, Write};

use serde::{Deserialize, Serialize};
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::MakeWriter;

/// The form of lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Form {
    /// For people: time, level, text.
    #[default]
    Plain,
    /// One JSON object a line.
    Json,
    /// With the priority before the text, and without the time, which the journal has itself
    /// (<https://www.freedesktop.org/software/systemd/man/latest/sd-daemon.html>).
    Journal,
}

impl Form {
    /// That of the journal where standard error is connected to it, as the variable `JOURNAL_STREAM` says with the numbers
    /// of its device and inode (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/#automatic-protocol-upgrading>); else plain.
    #[must_use]
    pub fn of_standard_error() -> Self {
        let own = || {
            use std::os::unix::fs::MetadataExt as _;
            let found = std::fs::metadata("/proc/self/fd/2").ok()?;
            Some(format!("{}:{}", found.dev(), found.ino()))
        };
        let named = std::env::var("JOURNAL_STREAM").ok();
        if named.is_some() && named == own() { Self::Journal } else { Self::Plain }
    }
}

/// Standard error, with the priority of each line before it where the journal reads it.
pub(crate) struct Lines {
    pub(crate) form: Form,
}

pub(crate) struct Line {
    error: Stderr,
    prefix: &'static str,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line { error: std::io::stderr(), prefix: "" }
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line {
        let prefix = if self.form == Form::Journal { priority(*metadata.level()) } else { "" };
        Line { error: std::io::stderr(), prefix }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if !self.prefix.is_empty() {
            // The text comes in one piece, and goes out in one.
            self.error.write_all(&prefixed(self.prefix, bytes))?;
            return Ok(bytes.len());
        }
        self.error.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.error.flush()
    }
}

/// Each line with the prefix: what a journal reads is one entry a line, and one without a priority has any.
pub(crate) fn prefixed(prefix: &str, text: &[u8]) -> Vec<u8> {
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    lines.flat_map(|line| [prefix.as_bytes(), line].concat()).collect()
}

/// Numbers of syslog.
pub(crate) fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        Level::DEBUG | Level::TRACE => "<7>",
    }
}

/// Whether lines may be coloured.
pub(crate) fn has_colours() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_has_its_priority() {
        let cases =
            [("one\n", "<4>one\n"), ("one\ntwo\n", "<4>one\n<4>two\n"), ("a\n\nb", "<4>a\n<4>\n<4>b"), ("", "")];
        for (text, expected) in cases {
            assert_eq!(String::from_utf8(prefixed(priority(Level::WARN), text.as_bytes())).unwrap(), expected);
        }
    }
}
