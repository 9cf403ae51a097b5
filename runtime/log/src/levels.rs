//! Levels by module.

use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use wca_config::{LogLevel, LoggerLevel};

use crate::modules::{is_same_policy, targets_of};

/// How much of a module is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Level {
    /// What is broken.
    Error,
    /// What is odd.
    Warn,
    /// What happens.
    Info,
    /// What an author wants to see.
    Debug,
    /// Everything.
    Trace,
}

impl From<LogLevel> for Level {
    fn from(level: LogLevel) -> Self {
        match level {
            // Nothing here is worse than an error, so that what is critical is among them.
            LogLevel::Critical | LogLevel::Error => Self::Error,
            LogLevel::Warning => Self::Warn,
            LogLevel::Info => Self::Info,
            LogLevel::Debug => Self::Debug,
            LogLevel::Trace => Self::Trace,
        }
    }
}

impl From<Level> for LevelFilter {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => Self::ERROR,
            Level::Warn => Self::WARN,
            Level::Info => Self::INFO,
            Level::Debug => Self::DEBUG,
            Level::Trace => Self::TRACE,
        }
    }
}

/// Levels by module. What is named by none has that of `wca`, which is `info` where nobody says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Levels(Vec<(String, Level)>);

/// The module of everything that this program says.
const ALL: &str = "wca";

impl Levels {
    /// Those of the file, then those of the command line, which win.
    #[must_use]
    pub fn new(file: &[LoggerLevel], command_line: &[LoggerLevel]) -> Self {
        let mut levels: Vec<(String, Level)> = Vec::new();
        for logger in file.iter().chain(command_line) {
            levels.retain(|(module, _)| *module != logger.target);
            levels.push((logger.target.clone(), logger.level.into()));
        }
        Self(levels)
    }

    /// What the log's filter asks of each line.
    pub(crate) fn targets(&self) -> Targets {
        let mut targets = Targets::new().with_target(ALL, LevelFilter::INFO).with_target(POLICY, LevelFilter::TRACE);
        for (module, level) in &self.0 {
            targets = match module.as_str() {
                "" => targets.with_default(*level),
                module => targets.with_targets(targets_of(module).into_iter().map(|target| (target, *level))),
            };
        }
        targets
    }

    /// How much of a policy is written.
    #[must_use]
    pub fn of_policy(&self, policy: &str) -> Level {
        let own = self.0.iter().find(|(module, _)| is_same_policy(module, policy));
        let all = || self.0.iter().find(|(module, _)| module == ALL);
        own.or_else(all).map_or(Level::Info, |(_, level)| *level)
    }
}

/// Target of what policies say, whose levels go by their names.
pub(crate) const POLICY: &str = "policy";

#[cfg(test)]
mod tests {
    use wca_config::parse_logger;

    use super::*;

    fn levels(file: &[&str], command_line: &[&str]) -> Levels {
        let parsed = |texts: &[&str]| texts.iter().map(|text| parse_logger(text).unwrap()).collect::<Vec<_>>();
        Levels::new(&parsed(file), &parsed(command_line))
    }

    #[test]
    fn the_command_line_wins_over_the_file() {
        let levels = levels(&["debug", "wca.storage:error"], &["warning", "foo.bar:info"]);
        let expected = [("wca.storage", Level::Error), ("wca", Level::Warn), ("foo.bar", Level::Info)];
        assert_eq!(levels.0, expected.map(|(module, level)| (module.to_owned(), level)));
    }

    #[test]
    fn parts_of_the_program_have_the_level_of_their_module() {
        let targets = levels(&["wca.storage:trace", "wca.agent.run:error"], &[]).targets();
        let is_written = |target: &str, level| targets.would_enable(target, &level);
        assert!(is_written("wca_storage::log", tracing::Level::TRACE));
        assert!(!is_written("wca_agent::run", tracing::Level::WARN));
        assert!(is_written("wca_agent::roster", tracing::Level::INFO));
        assert!(!is_written("hyper", tracing::Level::ERROR));
    }

    #[test]
    fn the_main_module_is_not_everything() {
        let targets = levels(&[], &["wca.main:error"]).targets();
        assert!(!targets.would_enable("wca_warden::run", &tracing::Level::WARN));
        assert!(targets.would_enable("wca_agent::run", &tracing::Level::WARN));
    }

    #[test]
    fn a_policy_has_its_own_level_or_that_of_everything() {
        let levels = levels(&[], &["debug", "http_storage:error"]);
        assert_eq!(levels.of_policy("HTTPStorage"), Level::Error);
        assert_eq!(levels.of_policy("BusyTask"), Level::Debug);
        assert_eq!(Levels::default().of_policy("BusyTask"), Level::Info);
    }
}
