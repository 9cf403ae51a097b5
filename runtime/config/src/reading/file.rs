//! The keys of a file.

use super::component::Wanted;
use super::environment::ENV;
use super::spot::Spot;
use super::suggest::{did_you_mean, nearest};
use super::{Made, Reader};
use crate::error::{ConfigError, ConfigErrors};
use crate::loggers::{DEFAULT_TARGET, LEVELS, LogLevel, LoggerLevel};
use crate::model::{Configuration, Role, Runner};
use crate::node::{Content, Entry, Node};
use crate::parse::parse;
use crate::surroundings::Surroundings;

const KEYS: [&str; 3] = ["loggers", "runner", "components"];

/// Reads a whole file.
///
/// # Errors
/// [`ConfigErrors`] with all that is wrong; with one error alone for what is no YAML.
pub fn load(text: &str, around: &Surroundings<'_>) -> Result<Configuration, ConfigErrors> {
    let root = parse(text, around.source)?;
    let mut reader = Reader::new(around);
    let root = reader.with_environment(&root);
    let (loggers, runner) = reader.file(&root);
    reader.errors.sort_by_key(|error| (error.place.line, error.place.column));
    reader.notes.sort_by_key(|(place, _)| (place.line, place.column));
    match runner {
        Some(runner) if reader.errors.is_empty() => Ok(Configuration {
            loggers,
            runner,
            storages: reader.storages,
            guests: reader.guests,
            components: reader.components,
            notes: reader.notes.into_iter().map(|(place, what)| format!("{place}: {what}")).collect(),
        }),
        _ => {
            let mut errors = reader.errors;
            if errors.is_empty() {
                let what = "the runner is not read as it is defined, which is a fault of this program".into();
                errors.push(ConfigError { place: Box::new(root.place.clone()), what, help: None });
            }
            Err(ConfigErrors { errors })
        }
    }
}

impl Reader<'_> {
    fn file(&mut self, root: &Node) -> (Vec<LoggerLevel>, Option<Runner>) {
        let nothing = vec![];
        let entries = match &root.content {
            Content::Map(entries) if root.tag.is_none() => entries,
            Content::Scalar(scalar) if scalar.is_null() && root.tag.is_none() => &nothing,
            _ => {
                let what = "a file must be a mapping with the key `runner`";
                self.error(&root.place, what.into());
                return (Vec::new(), None);
            }
        };
        let find = |name: &str| entries.iter().find(|entry| entry.key.text == name);
        for entry in entries.iter().filter(|entry| !KEYS.contains(&entry.key.text.as_str())) {
            let help = did_you_mean(&nearest(&entry.key.text, KEYS), "");
            let help = help.unwrap_or_else(|| format!("its keys: {}", KEYS.join(", ")));
            self.error_with_help(&entry.place, format!("a file has no key `{}`", entry.key.text), help);
        }
        // Before the runner, which may use what is named here.
        if let Some(entry) = find("components") {
            self.read_components(entry);
        }
        let loggers = find("loggers").map(|entry| self.read_loggers(entry)).unwrap_or_default();
        let Some(entry) = find("runner") else {
            let help = "such as: runner: !MeasurementRunner {node: !CgroupNode }".to_owned();
            self.error_with_help(&root.place, "a file needs the key `runner`".into(), help);
            return (loggers, None);
        };
        let spot = Spot::new("runner", None, Some(&entry.place));
        let runner = match self.component(&entry.value, Wanted::Role(Role::Runner), &spot) {
            Some(Made::Measurement(measurement)) => Some(Runner::Measurement(*measurement)),
            Some(Made::Runner(runner)) => Some(*runner),
            _ => None,
        };
        if let Some(runner) = &runner {
            self.check_overwritten(runner);
        }
        (loggers, runner)
    }

    fn read_loggers(&mut self, entry: &Entry) -> Vec<LoggerLevel> {
        let spot = Spot::new("loggers", None, Some(&entry.place));
        match &entry.value.content {
            Content::Map(modules) if entry.value.tag.is_none() => modules
                .iter()
                .filter_map(|module| {
                    let name = &module.key.text;
                    self.read_level(name, &module.value, &spot.member(name, &module.place))
                })
                .collect(),
            Content::Scalar(scalar) if !scalar.is_null() => {
                self.read_level(DEFAULT_TARGET, &entry.value, &spot).into_iter().collect()
            }
            _ => {
                let what = format!("{spot} must be a level, or a mapping from modules to levels");
                self.error_with_help(&entry.value.place, what, format!("levels are {LEVELS}"));
                Vec::new()
            }
        }
    }

    fn read_level(&mut self, target: &str, node: &Node, spot: &Spot) -> Option<LoggerLevel> {
        let level = match &node.content {
            Content::Scalar(name) if node.tag.as_deref().is_none_or(|tag| tag == ENV) => {
                LogLevel::from_name(&name.text)
            }
            _ => None,
        };
        if level.is_none() {
            let what = format!("{spot} must be a level, but this is {}", node.describe());
            self.error_with_help(spot.place_of(node), what, format!("levels are {LEVELS}"));
        }
        Some(LoggerLevel { target: target.into(), level: level?, place: Some(node.place.clone()) })
    }
}
