//! From the events of the YAML parser to nodes.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use crate::lines::lines;
use crate::node::{Content, Entry, Node, Place};
use crate::parse::ParseError;
use crate::scalar::Scalar;

/// Deepest nesting that is read.
const DEEPEST: usize = 64;

/// Most values of a document, with those of an alias counted at each alias: who walks the tree walks them each time.
const MOST: usize = 100_000;

/// Reads a document event by event.
pub(crate) struct Reader<'text> {
    events: Parser<'text, saphyr_parser::StrInput<'text>>,
    lines: Vec<&'text str>,
    source: Arc<str>,
    anchors: HashMap<usize, Read>,
    values: usize,
}

/// A node, with what an alias of it adds to a document.
#[derive(Clone)]
pub(crate) struct Read {
    /// Itself.
    pub(crate) node: Arc<Node>,
    /// How many nodes deep it is, without itself.
    height: usize,
    /// How many nodes it holds, with itself.
    values: usize,
}

impl<'text> Reader<'text> {
    pub(crate) fn new(text: &'text str, source: &str) -> Self {
        Self {
            events: Parser::new_from_str(text),
            lines: lines(text),
            source: source.into(),
            anchors: HashMap::new(),
            values: 0,
        }
    }

    /// The next event; the end of the stream again and again.
    pub(crate) fn next(&mut self) -> Result<(Event<'text>, Span), ParseError> {
        match self.events.next() {
            Some(Ok(found)) => Ok(found),
            None => Ok((Event::StreamEnd, Span::default())),
            Some(Err(error)) => {
                let marker = *error.marker();
                Err(self.error(Span::empty(marker), error.info().into()))
            }
        }
    }

    pub(crate) fn error(&self, span: Span, what: String) -> ParseError {
        ParseError { place: Box::new(self.place(span)), what }
    }

    /// Of what spans lines, the rest of the first.
    fn place(&self, span: Span) -> Place {
        let one_line = span.start.line() == span.end.line();
        let end = if one_line { span.end.col() } else { self.line(span).trim_end().chars().count() };
        let length = end.saturating_sub(span.start.col()).max(1);
        Place { source: Arc::clone(&self.source), line: span.start.line().max(1), column: span.start.col() + 1, length }
    }

    /// Of a collection, the tag; without a tag, the bracket or the first line.
    fn collection_place(&self, span: Span, tagged: bool) -> Place {
        let mut place = self.place(span);
        let line: Vec<char> = self.line(span).trim_end().chars().collect();
        let start = span.start.col();
        if tagged && let Some(tag) = (start..line.len()).find(|at| line[*at] == '!') {
            place.column = tag + 1;
            place.length = line[tag..].iter().take_while(|found| !found.is_whitespace()).count();
        } else if span.is_empty() {
            place.length = line.len().saturating_sub(start).max(1);
        }
        place
    }

    fn line(&self, span: Span) -> &'text str {
        self.lines.get(span.start.line().saturating_sub(1)).copied().unwrap_or_default()
    }

    /// The node that begins with this event.
    pub(crate) fn node(&mut self, event: Event<'text>, span: Span, depth: usize) -> Result<Read, ParseError> {
        if let Event::Alias(anchor) = event {
            let known = self.anchors.get(&anchor).cloned();
            let known = known.ok_or_else(|| self.error(span, "this alias has no anchor before it".into()))?;
            self.count(span, depth + known.height, known.values)?;
            return Ok(known);
        }
        self.count(span, depth, 1)?;
        let before = self.values;
        let collection = !matches!(event, Event::Scalar(..));
        let (content, height, anchor, tag) = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let quoted = style != ScalarStyle::Plain;
                (Content::Scalar(Scalar { text: text.into_owned(), quoted }), 0, anchor, tag)
            }
            Event::SequenceStart(anchor, tag) => {
                let (items, height) = self.list(depth)?;
                (Content::List(items), height, anchor, tag)
            }
            Event::MappingStart(anchor, tag) => {
                let (entries, height) = self.map(depth)?;
                (Content::Map(entries), height, anchor, tag)
            }
            other => return Err(self.error(span, format!("unexpected here: {other:?}"))),
        };
        let place = if collection { self.collection_place(span, tag.is_some()) } else { self.place(span) };
        let node = Arc::new(Node { content, tag: tag.map(|tag| tag_name(&tag)), place });
        let read = Read { node, height, values: self.values - before + 1 };
        if anchor > 0 {
            self.anchors.insert(anchor, read.clone());
        }
        Ok(read)
    }

    fn count(&mut self, span: Span, depth: usize, values: usize) -> Result<(), ParseError> {
        self.values += values;
        if depth > DEEPEST {
            return Err(self.error(span, format!("nested more than {DEEPEST} deep")));
        }
        if self.values > MOST {
            return Err(self.error(span, format!("more than {MOST} values, those of aliases counted at each alias")));
        }
        Ok(())
    }

    fn list(&mut self, depth: usize) -> Result<(Vec<Arc<Node>>, usize), ParseError> {
        let (mut items, mut height) = (Vec::new(), 0);
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok((items, height)),
                (event, span) => {
                    let item = self.node(event, span, depth + 1)?;
                    height = height.max(item.height + 1);
                    items.push(item.node);
                }
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<(Vec<Entry>, usize), ParseError> {
        let (mut entries, mut height) = (Vec::new(), 0);
        let mut first_lines: HashMap<String, usize> = HashMap::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                return Ok((entries, height));
            }
            let key = self.node(event, span, depth + 1)?.node;
            let Content::Scalar(name) = &key.content else {
                return Err(self.error(span, "a key must be a text".into()));
            };
            let place = self.place(span);
            match first_lines.entry(name.text.clone()) {
                Slot::Occupied(line) => {
                    let what = format!("the key `{}` stands here again, first in line {}", name.text, line.get());
                    return Err(self.error(span, what));
                }
                Slot::Vacant(slot) => slot.insert(place.line),
            };
            let (event, at) = self.next()?;
            // A value that is not there has no place of its own.
            let at = if at.is_empty() && matches!(event, Event::Scalar(..)) { span } else { at };
            let value = self.node(event, at, depth + 1)?;
            height = height.max(value.height + 1);
            entries.push(Entry { key: name.clone(), place, value: value.node });
        }
    }
}

fn tag_name(tag: &Tag) -> String {
    if tag.handle == "!" { tag.suffix.clone() } else { format!("{}{}", tag.handle, tag.suffix) }
}
