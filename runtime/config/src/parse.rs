//! From YAML text to nodes.

use std::sync::Arc;

use saphyr_parser::Event;

use crate::events::Reader;
use crate::node::{Content, Node, Place};
use crate::scalar::Scalar;

/// The text is no YAML, or breaks a rule of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct ParseError {
    /// Where.
    pub place: Box<Place>,
    /// What is wrong.
    pub what: String,
}

/// Reads one document; `source` is its path, or what stands before it on the command line.
///
/// # Errors
/// [`ParseError`] for what is no YAML, a key that stands twice, an unknown alias, nesting beyond 64, more than 100 000
/// values (aliases written out), a second document.
pub fn parse(text: &str, source: &str) -> Result<Arc<Node>, ParseError> {
    let mut reader = Reader::new(text, source);
    let mut root = None;
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamEnd => break,
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            _ if root.is_some() => return Err(reader.error(span, "a second document: only one is read".into())),
            event => root = Some(reader.node(event, span, 0)?.node),
        }
    }
    Ok(root.unwrap_or_else(|| {
        Arc::new(Node {
            content: Content::Scalar(Scalar { text: String::new(), quoted: false }),
            tag: None,
            place: Place { source: source.into(), line: 1, column: 1, length: 1 },
        })
    }))
}

/// Reads a value of the command line: YAML, except that a text that is no YAML stands for itself.
#[must_use]
pub fn parse_value(text: &str, source: &str) -> Arc<Node> {
    // A plain text with `: ` or ` #` in it would be cut or become a mapping; only what looks like YAML's flow style, or is a
    // quoted text, is read as YAML.
    let looks_structured = text.starts_with(['[', '{', '"', '\'', '!', '|', '>', '&', '*']);
    if looks_structured && let Ok(node) = parse(text, source) {
        return node;
    }
    Arc::new(Node {
        content: Content::Scalar(Scalar { text: text.into(), quoted: false }),
        tag: None,
        place: Place { source: source.into(), line: 1, column: 1, length: text.chars().count().max(1) },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Entry;

    fn entry<'node>(node: &'node Node, name: &str) -> &'node Entry {
        let Content::Map(entries) = &node.content else { panic!("no mapping: {node:?}") };
        entries.iter().find(|entry| entry.key.text == name).unwrap()
    }

    #[test]
    fn values_know_where_they_were_written() {
        let root = parse("runner: !MeasurementRunner\n  node: !StaticNode\n    tasks: [a, 'b']\n", "c.yaml").unwrap();
        let runner = &entry(&root, "runner").value;
        assert_eq!(runner.tag.as_deref(), Some("MeasurementRunner"));
        let node = entry(runner, "node");
        assert_eq!(node.place.to_string(), "c.yaml:2:3");
        let Content::List(tasks) = &entry(&node.value, "tasks").value.content else { panic!() };
        assert_eq!(tasks[1].place, Place { source: "c.yaml".into(), line: 3, column: 16, length: 3 });
    }

    #[test]
    fn an_alias_is_the_object_of_its_anchor() {
        let root = parse("a: &one {x: 1}\nb: *one\n", "c.yaml").unwrap();
        assert!(Arc::ptr_eq(&entry(&root, "a").value, &entry(&root, "b").value));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let deep = "[".repeat(80);
        let chain: String = (0..70)
            .map(|level| {
                format!("- &a{level} [{}]\n", if level == 0 { String::new() } else { format!("*a{}", level - 1) })
            })
            .collect();
        let laughs: String = (0..20)
            .map(|level| {
                format!(
                    "- &a{level} [{}]\n",
                    if level == 0 {
                        "1, 1, 1, 1, 1, 1".into()
                    } else {
                        format!("*a{0}, *a{0}, *a{0}, *a{0}", level - 1)
                    }
                )
            })
            .collect();
        let cases = [
            ("a: 1\nb: 2\na: 3\n", "c.yaml:3:1: the key `a` stands here again, first in line 1"),
            ("a: *no\n", "c.yaml:1:"),
            ("a: [1,\n", "c.yaml:2:"),
            ("a: 1\n---\nb: 2\n", "c.yaml:3:1: a second document: only one is read"),
            ("[a]: 1\n", "c.yaml:1:1: a key must be a text"),
            (deep.as_str(), "c.yaml:1:66: nested more than 64 deep"),
            (chain.as_str(), "c.yaml:65:9: nested more than 64 deep"),
            (laughs.as_str(), "c.yaml:8:13: more than 100000 values"),
        ];
        for (text, expected) in cases {
            let error = parse(text, "c.yaml").unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }

    #[test]
    fn a_collection_is_where_its_tag_is() {
        let root = parse("n: &x !Node # one\n  a: 1\ns: !S\nl: &y !L [1]\nm:\n  k: v # c\nempty:\n", "c.yaml").unwrap();
        let at = |name| {
            let place = &entry(&root, name).value.place;
            (place.line, place.column, place.length)
        };
        assert_eq!(at("n"), (1, 7, 5));
        assert_eq!(at("s"), (3, 4, 2));
        assert_eq!(at("l"), (4, 7, 2));
        assert_eq!(at("m"), (6, 3, 8));
        assert_eq!(at("empty"), (7, 1, 5));
    }

    #[test]
    fn a_value_of_the_command_line_is_a_text_unless_it_looks_like_more() {
        let scalar = |text: &str| match parse_value(text, "--set k").content.clone() {
            Content::Scalar(scalar) => scalar,
            other => panic!("{other:?}"),
        };
        assert_eq!(scalar("http://127.0.0.1:8000").text, "http://127.0.0.1:8000");
        assert_eq!(scalar("a: b # c").text, "a: b # c");
        assert_eq!(scalar("'7'"), Scalar { text: "7".into(), quoted: true });
        assert_eq!(scalar("[unclosed").text, "[unclosed");
        assert!(matches!(parse_value("{low: 1}", "--set k").content, Content::Map(_)));
    }
}
