//! From YAML text to nodes.

use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use crate::node::{Content, Entry, Node, Place};
use crate::scalar::Scalar;

/// Deepest nesting that is read.
const DEEPEST: usize = 64;

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
/// [`ParseError`] for what is no YAML, a key that stands twice, an unknown alias, nesting beyond 64, a second document.
pub fn parse(text: &str, source: &str) -> Result<Arc<Node>, ParseError> {
    let mut reader = Reader { events: Parser::new_from_str(text), source: source.into(), anchors: HashMap::new() };
    let mut root = None;
    loop {
        let (event, span) = reader.next()?;
        match event {
            Event::StreamEnd => break,
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            _ if root.is_some() => return Err(reader.error(span, "a second document: only one is read".into())),
            event => root = Some(reader.node(event, span, 0)?),
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

struct Reader<'text> {
    events: Parser<'text, saphyr_parser::StrInput<'text>>,
    source: Arc<str>,
    anchors: HashMap<usize, Arc<Node>>,
}

impl<'text> Reader<'text> {
    fn next(&mut self) -> Result<(Event<'text>, Span), ParseError> {
        match self.events.next() {
            Some(Ok(found)) => Ok(found),
            None => Ok((Event::StreamEnd, Span::default())),
            Some(Err(error)) => {
                let marker = *error.marker();
                Err(self.error(Span::empty(marker), error.info().into()))
            }
        }
    }

    fn error(&self, span: Span, what: String) -> ParseError {
        ParseError { place: Box::new(self.place(span)), what }
    }

    fn place(&self, span: Span) -> Place {
        let one_line = span.start.line() == span.end.line();
        let length = if one_line { span.end.col().saturating_sub(span.start.col()).max(1) } else { 1 };
        Place { source: Arc::clone(&self.source), line: span.start.line(), column: span.start.col() + 1, length }
    }

    fn node(&mut self, event: Event<'text>, span: Span, depth: usize) -> Result<Arc<Node>, ParseError> {
        if depth > DEEPEST {
            return Err(self.error(span, format!("nested more than {DEEPEST} deep")));
        }
        let (content, anchor, tag) = match event {
            Event::Alias(anchor) => {
                let known = self.anchors.get(&anchor).cloned();
                return known.ok_or_else(|| self.error(span, "this alias has no anchor before it".into()));
            }
            Event::Scalar(text, style, anchor, tag) => {
                let quoted = style != ScalarStyle::Plain;
                (Content::Scalar(Scalar { text: text.into_owned(), quoted }), anchor, tag)
            }
            Event::SequenceStart(anchor, tag) => (self.list(depth)?, anchor, tag),
            Event::MappingStart(anchor, tag) => (self.map(depth)?, anchor, tag),
            other => return Err(self.error(span, format!("unexpected here: {other:?}"))),
        };
        let tag = tag.map(|tag| tag_name(&tag));
        let node = Arc::new(Node { content, tag, place: self.place(span) });
        if anchor > 0 {
            self.anchors.insert(anchor, Arc::clone(&node));
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Content, ParseError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Content::List(items)),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Content, ParseError> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Content::Map(entries));
            }
            let key = self.node(event, span, depth + 1)?;
            let Content::Scalar(name) = &key.content else {
                return Err(self.error(span, "a key must be a text".into()));
            };
            if let Some(first) = entries.iter().find(|entry| entry.key.text == name.text) {
                let what = format!("the key `{}` stands here again, first in line {}", name.text, first.place.line);
                return Err(self.error(span, what));
            }
            let (event, at) = self.next()?;
            let value = self.node(event, at, depth + 1)?;
            entries.push(Entry { key: name.clone(), place: self.place(span), value });
        }
    }
}

fn tag_name(tag: &Tag) -> String {
    if tag.handle == "!" { tag.suffix.clone() } else { format!("{}{}", tag.handle, tag.suffix) }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let cases = [
            ("a: 1\nb: 2\na: 3\n", "c.yaml:3:1: the key `a` stands here again, first in line 1"),
            ("a: *no\n", "c.yaml:1:"),
            ("a: [1,\n", "c.yaml:2:"),
            ("a: 1\n---\nb: 2\n", "c.yaml:3:1: a second document: only one is read"),
            ("[a]: 1\n", "c.yaml:1:1: a key must be a text"),
            (deep.as_str(), "c.yaml:1:"),
        ];
        for (text, expected) in cases {
            let error = parse(text, "c.yaml").unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
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
