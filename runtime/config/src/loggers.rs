//! Levels of loggers, in files and on the command line.

use crate::node::Place;

/// The level of one logger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggerLevel {
    /// Module that the level is for; the empty text is every module.
    pub target: String,
    /// The level.
    pub level: LogLevel,
    /// Where the level stands; `None` for the command line.
    pub place: Option<Place>,
}

/// What is worth a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Only what ends the program.
    Critical,
    /// What went wrong too.
    Error,
    /// What may go wrong too.
    Warning,
    /// What is done too.
    Info,
    /// How it is done too.
    Debug,
    /// Everything.
    Trace,
}

/// The module of a level that is given without one.
pub(crate) const DEFAULT_TARGET: &str = "wca";

/// What a level can be called.
pub(crate) const LEVELS: &str = "CRITICAL, ERROR, WARNING, INFO, DEBUG, TRACE";

impl LogLevel {
    /// By its name, in upper or lower case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name.to_ascii_uppercase().as_str() {
            "CRITICAL" => Some(Self::Critical),
            "ERROR" => Some(Self::Error),
            "WARNING" | "WARN" => Some(Self::Warning),
            "INFO" => Some(Self::Info),
            "DEBUG" => Some(Self::Debug),
            "TRACE" => Some(Self::Trace),
            _ => None,
        }
    }
}

/// A logger's level of the command line: `[target:]level`. Without a target, the level is for `wca`.
///
/// # Errors
/// What is wrong, for a level that there is none of and for more than one `:`.
pub fn parse_logger(text: &str) -> Result<LoggerLevel, String> {
    let mut parts = text.split(':');
    let (target, name) = match (parts.next(), parts.next(), parts.next()) {
        (Some(name), None, _) => (DEFAULT_TARGET, name),
        (Some(target), Some(name), None) => (target, name),
        _ => return Err(format!("`{text}` has more than one `:`; write a level, or MODULE:LEVEL")),
    };
    let level = LogLevel::from_name(name).ok_or_else(|| format!("`{name}` is no level; levels are {LEVELS}"))?;
    Ok(LoggerLevel { target: target.into(), level, place: None })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::v112_level("DEBUG", Ok(("wca", LogLevel::Debug)))]
    #[case::v112_module("foo.bar:info", Ok(("foo.bar", LogLevel::Info)))]
    #[case("warn", Ok(("wca", LogLevel::Warning)))]
    #[case("a:Critical", Ok(("a", LogLevel::Critical)))]
    #[case(":trace", Ok(("", LogLevel::Trace)))]
    #[case("a:b:info", Err("`a:b:info` has more than one `:`; write a level, or MODULE:LEVEL"))]
    #[case("loud", Err("`loud` is no level; levels are CRITICAL, ERROR, WARNING, INFO, DEBUG, TRACE"))]
    #[case("a:", Err("`` is no level; levels are CRITICAL, ERROR, WARNING, INFO, DEBUG, TRACE"))]
    fn loggers_of_the_command_line(#[case] text: &str, #[case] expected: Result<(&str, LogLevel), &str>) {
        let found = parse_logger(text);
        let found = found.as_ref().map(|logger| (logger.target.as_str(), logger.level));
        assert_eq!(found.map_err(String::as_str), expected);
    }
}
