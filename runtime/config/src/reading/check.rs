//! Whether a value is what an argument takes.

use std::sync::Arc;

use super::address::{check_host_port, check_path, check_url};
use super::component::Wanted;
use super::environment::ENV;
use super::spot::Spot;
use super::suggest::{did_you_mean, nearest};
use super::{Reader, Value};
use crate::definitions::{Kind, LONGEST_TEXT, definition, is_text};
use crate::listen::ListenAddress;
use crate::node::{Content, Entry, Node};
use crate::scalar::Scalar;

impl Reader<'_> {
    /// The value, if it is what the argument takes; otherwise `None`, and what is wrong has been reported.
    pub(super) fn check(&mut self, node: &Arc<Node>, kind: &Kind, spot: &Spot) -> Option<Value> {
        match kind {
            Kind::Component(role) => return self.component(node, Wanted::Role(*role), spot).map(Value::Made),
            Kind::Only(tag) => return self.component(node, Wanted::Only(tag), spot).map(Value::Made),
            _ => {}
        }
        if let Some(tag) = &node.tag
            && !tag_is_allowed(tag, kind)
        {
            self.report_tag(node, tag, &format!("{spot} must be {}", kind.expected()), spot);
            return None;
        }
        if !kind.fits(node) {
            let what = format!("{spot} must be {}, but this is {}", kind.expected(), node.describe());
            self.report(spot.place_of(node), what, help_for_mismatch(node, kind));
            return None;
        }
        match (kind, &node.content) {
            (Kind::Either(kinds), _) => {
                let kind = kinds.iter().find(|kind| kind.fits(node))?;
                self.check(node, kind, spot)
            }
            (Kind::List(kind), Content::List(items)) => {
                // Each item is looked at, also after one that is wrong.
                let items: Vec<_> =
                    items.iter().enumerate().map(|(index, item)| self.check(item, kind, &spot.item(index))).collect();
                items.into_iter().collect::<Option<_>>().map(Value::List)
            }
            (Kind::Map(value) | Kind::Labels(value), Content::Map(entries)) => {
                let are_labels = matches!(kind, Kind::Labels(_));
                let pairs: Vec<_> = entries
                    .iter()
                    .map(|entry| self.pair(entry, value, spot).filter(|_| !are_labels || self.is_label(entry, spot)))
                    .collect();
                pairs.into_iter().collect::<Option<_>>().map(Value::Map)
            }
            (_, Content::Scalar(scalar)) => match self.scalar(scalar, node, kind) {
                Ok(value) => Some(value),
                Err((what, help)) => {
                    self.report(spot.place_of(node), format!("{spot} {what}"), help);
                    None
                }
            },
            _ => None,
        }
    }

    fn pair(&mut self, entry: &Entry, kind: &Kind, spot: &Spot) -> Option<(String, Value)> {
        let key = &entry.key;
        let value = self.check(&entry.value, kind, &spot.member(&key.text, &entry.place));
        if !is_text(key) {
            let help = Some(format!("in quotes it is a text: \"{}\"", key.text));
            self.report(&entry.place, format!("keys of {spot} must be texts, but this is {}", key.describe()), help);
            return None;
        }
        Some((key.text.clone(), value?))
    }

    /// What a scalar of the right sort stands for, or what is wrong with it, and the help.
    fn scalar(&self, scalar: &Scalar, node: &Node, kind: &Kind) -> Result<Value, (String, Option<String>)> {
        let without_help = |what: String| (what, None);
        let text = || Value::Text(scalar.text.clone(), node.place.clone());
        let out_of_range = || (format!("must be {}, but this is {}", kind.expected(), node.describe()), None);
        if kind.is_textual() {
            check_length(&scalar.text).map_err(without_help)?;
        }
        match *kind {
            Kind::Bool => scalar.as_bool().map(Value::Bool).ok_or_else(out_of_range),
            Kind::Float => scalar.as_float().map(Value::Number).ok_or_else(out_of_range),
            Kind::Number => match scalar.as_integer().and_then(|number| i64::try_from(number).ok()) {
                Some(number) => Ok(Value::Integer(number)),
                None => scalar.as_float().map(Value::Number).ok_or_else(out_of_range),
            },
            Kind::Integer(low, high) => {
                let number = scalar.as_integer().and_then(|number| i64::try_from(number).ok());
                number.filter(|number| (low..=high).contains(number)).map(Value::Integer).ok_or_else(out_of_range)
            }
            Kind::Numeric(low, high) => {
                let number = scalar.as_float().filter(|number| (low..=high).contains(number));
                number.map(Value::Number).ok_or_else(out_of_range)
            }
            Kind::OneOf(names, _) => {
                if names.contains(&scalar.text.as_str()) {
                    return Ok(text());
                }
                let help = did_you_mean(&nearest(&scalar.text, names.iter().copied()), "");
                Err((format!("must be {}, but this is {}", kind.expected(), node.describe()), help))
            }
            Kind::Pattern(groups) => check_pattern(&scalar.text, groups).map(|()| text()).map_err(without_help),
            Kind::Url => check_url(&scalar.text).map(|()| text()).map_err(without_help),
            Kind::HostPort => check_host_port(&scalar.text).map(|()| text()).map_err(without_help),
            Kind::Listen => scalar.text.parse::<ListenAddress>().map(|_| text()).map_err(without_help),
            Kind::Path { absolute, readable } => {
                check_path(&scalar.text, absolute).map_err(without_help)?;
                if readable && self.in_default == 0 {
                    let wrong = |reason| format!("must be a file that can be read: {reason}");
                    (self.around.readable)(&scalar.text).map_err(|reason| without_help(wrong(reason)))?;
                }
                Ok(text())
            }
            Kind::Text => Ok(text()),
            // Not scalars; `check` has led them elsewhere.
            Kind::List(_) | Kind::Map(_) | Kind::Labels(_) | Kind::Either(_) | Kind::Component(_) | Kind::Only(_) => {
                Err(out_of_range())
            }
        }
    }

    /// Says that a tag stands where none is allowed; `rule` says what is.
    pub(super) fn report_tag(&mut self, node: &Node, tag: &str, rule: &str, spot: &Spot) {
        let place = spot.place_of(node);
        if let Some(object) = python_object(tag) {
            let what = format!("`!!{object}` would make an object of Python, which this program never does");
            return self.error(place, what);
        }
        let what = match definition(tag) {
            Some(definition) => format!("{rule}, but `!{tag}` is {}", definition.role.phrase()),
            None => format!("{rule}, but the tag `!{tag}` stands here"),
        };
        self.error(place, what);
    }
}

/// The name behind `!!` of a tag that Python would make an object of.
pub(super) fn python_object(tag: &str) -> Option<&str> {
    tag.strip_prefix("tag:yaml.org,2002:").filter(|name| name.starts_with("python/"))
}

fn tag_is_allowed(tag: &str, kind: &Kind) -> bool {
    tag == ENV || matches!(kind, Kind::OneOf(_, Some(own)) if *own == tag)
}

fn check_length(text: &str) -> Result<(), String> {
    let length = text.chars().count();
    if length <= LONGEST_TEXT {
        return Ok(());
    }
    Err(format!("must be a text of at most {LONGEST_TEXT} characters, but this one has {length}"))
}

fn check_pattern(text: &str, groups: Option<usize>) -> Result<(), String> {
    let pattern =
        wca_pattern::Pattern::new(text).map_err(|error| format!("must be a regular expression, but: {error}"))?;
    let found = pattern.groups();
    match groups {
        Some(wanted) if wanted != found => {
            Err(format!("must be a regular expression with {wanted} groups, not {found}"))
        }
        _ => Ok(()),
    }
}

fn help_for_mismatch(node: &Node, kind: &Kind) -> Option<String> {
    let Content::Scalar(scalar) = &node.content else { return None };
    if node.tag.as_deref() == Some(ENV) {
        return Some("`!Env` gives a text, always; write the value itself here".into());
    }
    if scalar.is_null() {
        return None;
    }
    let plain = Node { content: Content::Scalar(Scalar { quoted: false, ..scalar.clone() }), ..node.clone() };
    match kind {
        _ if scalar.quoted && kind.fits(&plain) => Some(format!("without quotes: {}", scalar.text)),
        Kind::Text => Some(format!("in quotes it is a text: \"{}\"", scalar.text)),
        Kind::Float if scalar.as_integer().is_some() => Some(format!("write {}.0", scalar.text)),
        Kind::Bool => match scalar.text.to_lowercase().as_str() {
            "yes" | "on" | "y" => Some("write true".into()),
            "no" | "off" | "n" => Some("write false".into()),
            _ => None,
        },
        Kind::List(item) if item.fits(node) => Some(format!("a list of one: [{}]", scalar.text)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::parse::parse;
    use crate::surroundings::Surroundings;

    fn problem(kind: &Kind, yaml: &str) -> Option<String> {
        let around = Surroundings {
            source: "c.yaml",
            environment: &|_| None,
            readable: &|path| if path == "/there" { Ok(()) } else { Err("no such file".into()) },
            guests: &[],
            other_guests: false,
        };
        let mut reader = Reader::new(&around);
        let node = parse(yaml, "c.yaml").unwrap();
        let value = reader.check(&node, kind, &Spot::new("x", None, None));
        assert_eq!(value.is_none(), !reader.errors.is_empty());
        reader.errors.first().map(|error| error.what.clone())
    }

    const RANGE: Kind = Kind::Numeric(0.0, 5.0);
    const NAMES: Kind = Kind::OneOf(&["1", "2"], None);
    const FILE: Kind = Kind::Path { absolute: true, readable: true };

    #[rstest]
    #[case::v113_integer_as_float(
        Kind::Float,
        "1",
        "`x` must be a number with a decimal point, but this is the integer 1"
    )]
    #[case::v113_boolean_as_float(
        Kind::Float,
        "True",
        "`x` must be a number with a decimal point, but this is the boolean True"
    )]
    #[case::v113_none_of_the_names(NAMES, "3", "`x` must be one of 1, 2, but this is the integer 3")]
    #[case(NAMES, "'3'", "`x` must be one of 1, 2, but this is the text \"3\"")]
    #[case::v113_path_upwards(FILE, "../some/path", "`x` must be a path without `..`")]
    #[case(FILE, "some/path", "`x` must be an absolute path, which begins with `/`")]
    #[case(FILE, "/not/there", "`x` must be a file that can be read: no such file")]
    #[case::v113_address(Kind::HostPort, "127.1:9876", "`x` has a wrong host: `127.1` is no IPv4 address")]
    #[case(Kind::HostPort, "localhost", "`x` must be HOST:PORT; the colon and the port are missing")]
    #[case::v113_above_the_range(RANGE, "123", "`x` must be a number from 0 to 5, but this is the integer 123")]
    #[case(RANGE, "-0.1", "`x` must be a number from 0 to 5, but this is the number -0.1")]
    #[case(RANGE, ".nan", "`x` must be a number from 0 to 5, but this is the number .nan")]
    #[case(RANGE, "true", "`x` must be a number from 0 to 5, but this is the boolean true")]
    #[case(RANGE, "'3'", "`x` must be a number from 0 to 5, but this is the text \"3\"")]
    #[case(Kind::Pattern(Some(2)), "(a)", "`x` must be a regular expression with 2 groups, not 1")]
    #[case(Kind::Pattern(None), "(a", "`x` must be a regular expression, but: `)` is missing (at character 1)")]
    #[case(Kind::List(&Kind::Text), "[a, 5]", "`x[1]` must be a text, but this is the integer 5")]
    #[case(Kind::Map(&Kind::Text), "{a: [b]}", "`x.a` must be a text, but this is a list of 1")]
    #[case(Kind::Map(&Kind::Text), "{1: b}", "keys of `x` must be texts, but this is the integer 1")]
    #[case(Kind::Text, "!Foo bar", "`x` must be a text, but the tag `!Foo` stands here")]
    #[case(Kind::Text, "!SSL {}", "`x` must be a text, but `!SSL` is a value")]
    #[case(
        Kind::Text,
        "!!python/name:os.system ''",
        "`!!python/name:os.system` would make an object of Python, which this program never does"
    )]
    fn what_is_refused(#[case] kind: Kind, #[case] yaml: &str, #[case] expected: &str) {
        assert_eq!(problem(&kind, yaml).as_deref(), Some(expected));
    }

    #[rstest]
    #[case(Kind::Float, "1.0")]
    #[case(RANGE, "5")]
    #[case(RANGE, "0.5")]
    #[case(NAMES, "'1'")]
    #[case(FILE, "/there")]
    #[case(Kind::Pattern(Some(2)), "(a)(b)")]
    #[case(Kind::Either(&[Kind::Bool, FILE]), "false")]
    #[case(Kind::Either(&[Kind::Bool, FILE]), "/there")]
    #[case(Kind::OneOf(&["a"], Some("Tag")), "!Tag a")]
    fn what_is_accepted(#[case] kind: Kind, #[case] yaml: &str) {
        assert_eq!(problem(&kind, yaml), None);
    }

    #[test]
    fn the_longest_text() {
        assert_eq!(problem(&Kind::Text, &"ä".repeat(400)), None);
        let expected = "`x` must be a text of at most 400 characters, but this one has 401";
        assert_eq!(problem(&Kind::Text, &"ä".repeat(401)).as_deref(), Some(expected));
    }
}
