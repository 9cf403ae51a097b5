//! Values with the place where they were written.

use std::sync::Arc;

use crate::scalar::Scalar;

/// Where something was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Path of the file, or what stands on the command line before the value, as `--set ticks`.
    pub source: Arc<str>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Characters from there, at least 1.
    pub length: usize,
}

impl std::fmt::Display for Place {
    /// `file:line:column`; for the command line, only what stands before the value.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.source.starts_with("--") {
            return f.write_str(&self.source);
        }
        write!(f, "{}:{}:{}", self.source, self.line, self.column)
    }
}

/// A value, with its tag and its place. An alias is the same `Arc` as its anchor.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it holds.
    pub content: Content,
    /// Its tag without the `!`, where it has one.
    pub tag: Option<String>,
    /// Where it was written.
    pub place: Place,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A text, number, boolean or null: whichever is wanted.
    Scalar(Scalar),
    /// `[a, b]`
    List(Vec<Arc<Node>>),
    /// `{a: b}`, in the order in which it was written; no key twice.
    Map(Vec<Entry>),
}

/// One key of a mapping with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: Scalar,
    /// Where the key was written.
    pub place: Place,
    /// Its value.
    pub value: Arc<Node>,
}

impl Node {
    /// What kind of value it is, in YAML's words, for messages.
    #[must_use]
    pub fn describe(&self) -> String {
        match &self.content {
            Content::Scalar(scalar) => scalar.describe(),
            Content::List(items) => format!("a list of {}", items.len()),
            Content::Map(entries) => format!("a mapping of {}", entries.len()),
        }
    }

    /// What it says, without where it was written: equal texts for equal values, over readings of a file.
    #[must_use]
    pub fn canonical(&self) -> String {
        match &self.content {
            Content::Scalar(scalar) => format!("{:?}{}", scalar.text, if scalar.quoted { "'" } else { "" }),
            Content::List(items) => format!("{:?}", items.iter().map(|item| item.canonical()).collect::<Vec<_>>()),
            Content::Map(entries) => {
                let entries = entries.iter().map(|entry| format!("{:?}: {}", entry.key.text, entry.value.canonical()));
                format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
            }
        }
    }
}
