//! Labels of tasks that are made of what is known of them.

use std::collections::BTreeSet;

use wca_config::LabelGenerator;
use wca_node::Discovered;
use wca_pattern::{Pattern, Substitution};

/// What makes labels, in the order in which they are made: one may read what another has made before it.
#[derive(Default)]
pub(crate) struct Generators {
    generators: Vec<(String, Generator)>,
    /// What was said of labels that could not be made, each once.
    said: BTreeSet<String>,
}

enum Generator {
    /// Another label with every match of a pattern replaced.
    Regex { substitution: Box<Substitution>, source: String },
    /// What the task asked for, as text.
    Resource(String),
}

impl Generators {
    /// Those of a configuration; the error is what cannot be used, which its reading has refused already.
    pub(crate) fn new(generators: &[(String, LabelGenerator)]) -> Result<Self, String> {
        let made = generators.iter().map(|(label, generator)| {
            let generator = match generator {
                LabelGenerator::Regex { pattern, repl, source } => {
                    let substitution = Pattern::new(pattern).and_then(|pattern| Substitution::new(pattern, repl));
                    let substitution = substitution.map_err(|error| format!("the label {label}: {error}"))?;
                    Generator::Regex { substitution: Box::new(substitution), source: source.clone() }
                }
                LabelGenerator::Resource { resource_name } => Generator::Resource(resource_name.clone()),
            };
            Ok((label.clone(), generator))
        });
        Ok(Self { generators: made.collect::<Result<_, String>>()?, said: BTreeSet::new() })
    }

    /// Whether any of them reads this resource.
    pub(crate) fn read_resource(&self, name: &str) -> bool {
        self.generators.iter().any(|(_, generator)| matches!(generator, Generator::Resource(read) if read == name))
    }

    /// Gives the tasks their labels. A label that a task has already stays as it is.
    pub(crate) fn label(&mut self, tasks: &mut [Discovered]) {
        for (label, generator) in &self.generators {
            for task in tasks.iter_mut() {
                if value_of(task, label).is_some() {
                    continue;
                }
                match generator.make(task) {
                    Ok(value) => task.entry.labels.push((label.clone(), value)),
                    Err(why) => {
                        let said = format!("the label {label} is not made where {why}");
                        if !self.said.contains(&said) {
                            tracing::warn!("{said}: as of the task {:?}", task.name);
                            self.said.insert(said);
                        }
                    }
                }
            }
        }
        for task in tasks {
            task.entry.labels.sort();
        }
    }
}

impl Generator {
    /// The label's value; the error says of which tasks there is none, behind "where".
    fn make(&self, task: &Discovered) -> Result<String, String> {
        match self {
            Self::Resource(name) => {
                let value = task.resources.iter().find(|(resource, _)| resource == name);
                Ok(value.map_or_else(|| "unknown".into(), |(_, value)| value.to_string()))
            }
            Self::Regex { substitution, source } => {
                let value = value_of(task, source).ok_or_else(|| format!("the task has no label {source}"))?;
                substitution.apply(value).map_err(|error| format!("{source} is too much for its pattern ({error})"))
            }
        }
    }
}

/// The value of a label of a task, its id and its name included.
fn value_of<'t>(task: &'t Discovered, label: &str) -> Option<&'t str> {
    match label {
        "task_id" => Some(&task.id),
        "task_name" => Some(&task.name),
        _ => {
            let found = task.entry.labels.iter().find(|(name, _)| name == label);
            found.map(|(_, value)| value.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use wca_node::ResourceValue;

    use super::*;
    use crate::testing::discovered;

    fn regex(label: &str, pattern: &str, repl: &str, source: &str) -> (String, LabelGenerator) {
        let (pattern, repl, source) = (pattern.into(), repl.into(), source.into());
        (label.into(), LabelGenerator::Regex { pattern, repl, source })
    }

    fn resource(label: &str, name: &str) -> (String, LabelGenerator) {
        (label.into(), LabelGenerator::Resource { resource_name: name.into() })
    }

    /// A task with the labels `app` and `empty`, and resources of every sort.
    fn task(name: &str) -> Discovered {
        let mut task = discovered(name, 1);
        task.entry.labels = vec![("app".into(), "redis-6".into()), ("empty".into(), String::new())];
        task.resources = vec![
            ("cpus".into(), ResourceValue::Number(2.0)),
            ("gpus".into(), ResourceValue::Integer(2)),
            ("disk".into(), ResourceValue::Text("much".into())),
        ];
        task
    }

    #[rstest]
    #[case::v85(regex("x", ".*/.*/.*/(.*)\\..*", "\\1", "task_name"), "a/b/c/redis.small", Some("redis"))]
    #[case::no_match(regex("x", "z", "y", "task_name"), "a", Some("a"))]
    #[case::every_match(regex("x", "a", "b", "task_name"), "banana", Some("bbnbnb"))]
    #[case::nothing_is_left(regex("x", ".*", "", "task_name"), "a", Some(""))]
    #[case::of_the_id(regex("x", "^", "id-", "task_id"), "a", Some("id-a"))]
    #[case::of_a_label(regex("x", "-.*", "", "app"), "a", Some("redis"))]
    #[case::of_an_empty_label(regex("x", "^$", "none", "empty"), "a", Some("none"))]
    #[case::no_source(regex("x", "a", "b", "tier"), "a", None)]
    #[case::a_float(resource("x", "cpus"), "a", Some("2.0"))]
    #[case::a_whole_number(resource("x", "gpus"), "a", Some("2"))]
    #[case::a_text(resource("x", "disk"), "a", Some("much"))]
    #[case::no_resource(resource("x", "mem"), "a", Some("unknown"))]
    fn a_label_is_made(
        #[case] generator: (String, LabelGenerator),
        #[case] name: &str,
        #[case] expected: Option<&str>,
    ) {
        let mut tasks = [task(name)];
        Generators::new(&[generator]).unwrap().label(&mut tasks);
        assert_eq!(value_of(&tasks[0], "x"), expected);
    }

    #[test]
    fn generators_read_what_those_before_them_have_made_and_overwrite_nothing() {
        let generators = [
            regex("late", "$", "!", "early"),
            regex("early", "-.*", "", "app"),
            regex("both", "(.*)", "<\\1>", "early"),
            regex("app", ".*", "other", "app"),
            regex("task_id", ".*", "other", "app"),
            regex("both", ".*", "other", "app"),
        ];
        let mut tasks = [task("a"), discovered("b", 1)];
        let mut generators = Generators::new(&generators).unwrap();
        generators.label(&mut tasks);
        let labels = |task: &Discovered| {
            task.entry.labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(labels(&tasks[0]), "app=redis-6 both=<redis><> early=redis empty=");
        assert_eq!((labels(&tasks[1]).as_str(), tasks[1].id.as_str()), ("", "b"));
        // Each is said once, whatever the number of tasks and rosters.
        let said = generators.said.len();
        generators.label(&mut [task("c"), discovered("d", 1), discovered("e", 1)]);
        assert_eq!((said, generators.said.len()), (5, 5));
    }

    #[test]
    fn a_text_that_is_too_much_for_a_pattern_costs_its_label_alone() {
        let mut tasks = [discovered(&"a".repeat(60), 1), discovered("ab", 1)];
        Generators::new(&[regex("x", r"^(?:(a|a\b|aa)+)+\1b$", "-", "task_name")]).unwrap().label(&mut tasks);
        assert_eq!((value_of(&tasks[0], "x"), value_of(&tasks[1], "x")), (None, Some("ab")));
    }
}
