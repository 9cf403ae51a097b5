//! To which argument a message of a policy points: policies name arguments by their paths, people find them by line and column.

use wca_config::{Content, Node, Place};

use crate::signature::yaml_name;

/// Where the argument was written whose path the message begins with, as in `rules[2].labels.app: this is no pattern`; none
/// where it begins with no path of these arguments.
pub(crate) fn place_of<'node>(arguments: &'node Node, message: &str) -> Option<&'node Place> {
    // Most messages begin otherwise, and that is soon seen.
    message.contains(": ").then(|| member(arguments, message))?
}

/// With the message with its place before it, where it has one.
pub(crate) fn located(arguments: &Node, message: &str) -> String {
    match place_of(arguments, message) {
        Some(place) => format!("{place}: {message}"),
        None => message.to_owned(),
    }
}

/// The rest of a path, at a value.
fn value<'node>(node: &'node Node, rest: &str) -> Option<&'node Place> {
    if rest.starts_with(": ") {
        return Some(&node.place);
    }
    if let Some(rest) = rest.strip_prefix('.') {
        return member(node, rest);
    }
    let (number, rest) = rest.strip_prefix('[')?.split_once(']')?;
    let Content::List(items) = &node.content else { return None };
    value(items.get(number.parse::<usize>().ok()?)?, rest)
}

/// The rest of a path, before the name of a member. Names of labels can have dots in them.
fn member<'node>(node: &'node Node, rest: &str) -> Option<&'node Place> {
    let Content::Map(entries) = &node.content else { return None };
    entries.iter().find_map(|entry| {
        let (name, rest) = rest.split_at_checked(entry.key.text.len())?;
        (yaml_name(name) == yaml_name(&entry.key.text)).then(|| value(&entry.value, rest))?
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use wca_config::parse;

    use super::*;

    const YAML: &str = "rules:\n- name: a\n- labels:\n    app.io/x: '('\n    app: b\n  max-size: 3\nempty: []\n";

    #[rstest]
    #[case("rules[1].labels.app.io/x: no pattern", Some("c.yaml:4:15"))]
    #[case("rules[1].labels.app: no pattern", Some("c.yaml:5:10"))]
    #[case("rules[1].max_size: too much", Some("c.yaml:6:13"))]
    #[case("rules[0]: why", Some("c.yaml:2:3"))]
    #[case("rules: why", Some("c.yaml:2:3"))]
    #[case("rules[2]: there is none", None)]
    #[case("rules[1].labels.ap: why", None)]
    #[case("rules[1]", None)]
    #[case("rules are: why", None)]
    #[case("rules[1: why", None)]
    #[case("empty[0]: why", None)]
    #[case("äöü: why", None)]
    #[case(": why", None)]
    fn messages_point_to_arguments(#[case] message: &str, #[case] expected: Option<&str>) {
        let node = parse(YAML, "c.yaml").unwrap();
        assert_eq!(place_of(&node, message).map(ToString::to_string).as_deref(), expected);
        let with_place = expected.map_or(message.to_owned(), |place| format!("{place}: {message}"));
        assert_eq!(located(&node, message), with_place);
    }
}
