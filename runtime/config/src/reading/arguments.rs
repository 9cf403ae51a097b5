//! The arguments of a component: which are given, which are missing, and what they are.

use std::collections::HashMap;
use std::sync::Arc;

use super::convert::FromValue;
use super::spot::Spot;
use super::suggest::{did_you_mean, nearest};
use super::{Reader, Value};
use crate::definitions::Parameter;
use crate::node::{Content, Entry, Node, Place};
use crate::parse::parse;

/// The arguments of one component, checked.
pub(crate) struct Arguments {
    /// Where the component's tag stands.
    pub(crate) place: Place,
    /// By name; no entry for what is wrong.
    values: HashMap<&'static str, Value>,
    given: HashMap<&'static str, Place>,
}

impl Arguments {
    /// The value of an argument. `None` if it is wrong, which has been reported.
    pub(crate) fn take<T: FromValue>(&mut self, name: &str) -> Option<T> {
        self.values.remove(name).and_then(T::from_value)
    }

    /// Whether the file gives it.
    pub(crate) fn given(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// Where its value stands; the component for one that is not given.
    pub(crate) fn place_of(&self, name: &str) -> &Place {
        self.given.get(name).unwrap_or(&self.place)
    }
}

/// Whose arguments are read.
pub(super) struct Owner<'o> {
    /// The tag.
    pub(super) tag: &'o str,
    /// Where the tag stands.
    pub(super) place: &'o Place,
    /// What it takes.
    pub(super) parameters: &'static [Parameter],
    /// Names that are right although they are no parameters, for the sake of suggestions.
    pub(super) also: Vec<&'static str>,
}

impl Reader<'_> {
    /// Checks every argument; what is not given has its default.
    pub(super) fn arguments(&mut self, owner: &Owner<'_>, entries: &[Entry]) -> Arguments {
        let mut arguments = Arguments { place: owner.place.clone(), values: HashMap::new(), given: HashMap::new() };
        let mut keys: HashMap<&'static str, &Entry> = HashMap::new();
        for entry in entries {
            let key = entry.key.text.as_str();
            let Some(parameter) = owner.parameters.iter().find(|parameter| parameter.names().any(|name| name == key))
            else {
                self.unknown_argument(owner, entry);
                continue;
            };
            if let Some(first) = keys.insert(parameter.name, entry) {
                self.given_twice(owner, &first.key.text, entry);
                continue;
            }
            let spot = Spot::new(key, Some(owner.tag), Some(&entry.place));
            arguments.given.insert(parameter.name, spot.place_of(&entry.value).clone());
            if let Some(value) = self.argument(&entry.value, parameter, &spot) {
                arguments.values.insert(parameter.name, value);
            }
        }
        for parameter in owner.parameters {
            let Some(entry) = keys.get(parameter.name) else {
                if let Some(value) = self.default_of(owner, parameter) {
                    arguments.values.insert(parameter.name, value);
                }
                continue;
            };
            if let Some(first) = parameter.instead_of.and_then(|other| keys.get(other)) {
                let (first, second) =
                    if first.place.line <= entry.place.line { (first, entry) } else { (entry, first) };
                self.given_twice(owner, &first.key.text, second);
            }
        }
        arguments
    }

    fn argument(&mut self, node: &Arc<Node>, parameter: &Parameter, spot: &Spot) -> Option<Value> {
        let is_null = matches!(&node.content, Content::Scalar(scalar) if scalar.is_null() && node.tag.is_none());
        if !is_null {
            return self.check(node, &parameter.kind, spot);
        }
        if parameter.nullable {
            return Some(Value::Null);
        }
        let help = match parameter.default {
            Some(default) => format!("without the key it is {default}"),
            None => parameter.help.to_owned(),
        };
        let what = format!("{spot} must be {}, but this is null", parameter.kind.expected());
        self.report(spot.place_of(node), what, Some(help));
        None
    }

    fn default_of(&mut self, owner: &Owner<'_>, parameter: &Parameter) -> Option<Value> {
        let Some(default) = parameter.default else {
            let help = format!("{}: {}", parameter.name, parameter.help);
            self.error_with_help(owner.place, format!("`!{}` needs `{}`", owner.tag, parameter.name), help);
            return None;
        };
        if default == "null" {
            return Some(Value::Null);
        }
        let node = parse(default, "default").ok()?;
        self.in_default += 1;
        let value = self.check(&node, &parameter.kind, &Spot::new(parameter.name, Some(owner.tag), None));
        self.in_default -= 1;
        value
    }

    fn unknown_argument(&mut self, owner: &Owner<'_>, entry: &Entry) {
        let key = &entry.key.text;
        let names: Vec<&str> = owner.parameters.iter().flat_map(Parameter::names).collect();
        let near = nearest(key, names.iter().copied().chain(owner.also.iter().copied()));
        let help = did_you_mean(&near, "").unwrap_or_else(|| match names.as_slice() {
            _ if key == "<<" => "mappings are not merged; an alias stands for a whole value".into(),
            [] => "it takes no arguments".into(),
            names => format!("its arguments: {}", names.join(", ")),
        });
        self.error_with_help(&entry.place, format!("`!{}` has no argument `{key}`", owner.tag), help);
    }

    fn given_twice(&mut self, owner: &Owner<'_>, first: &str, second: &Entry) {
        let what = format!("`{}` of `!{}` says what `{first}` says already", second.key.text, owner.tag);
        self.error_with_help(&second.place, what, "give one of them".into());
    }
}
