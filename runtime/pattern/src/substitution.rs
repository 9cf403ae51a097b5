//! Replacing what matches, as `re.sub` does (<https://docs.python.org/3.11/library/re.html#re.sub>).

use crate::error::{PatternError, TooCostly};
use crate::escape::{Number, bad, control, number};
use crate::pattern::Pattern;
use crate::reader::{Reader, error, is_group_name};

/// A pattern and what replaces each match of it.
#[derive(Clone, Debug)]
pub struct Substitution {
    pattern: Pattern,
    parts: Vec<Part>,
}

/// A part of a replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    /// What a group has matched, 0 for the whole; nothing where it has no part in the match.
    Group(usize),
}

impl Substitution {
    /// Reads a replacement: `\1`, `\g<1>`, `\g<name>` and `\g<0>` stand for groups, `\n` and its like for control
    /// characters.
    ///
    /// # Errors
    /// [`PatternError`], where Python would refuse it.
    pub fn new(pattern: Pattern, replacement: &str) -> Result<Self, PatternError> {
        let parts = parts(&pattern, replacement)?;
        Ok(Self { pattern, parts })
    }

    /// The text with every match replaced.
    ///
    /// Matches are those of Python from 3.7 on: an empty one may stand right behind another that is not.
    ///
    /// # Errors
    /// [`TooCostly`].
    pub fn apply(&self, text: &str) -> Result<String, TooCostly> {
        let mut replaced = String::with_capacity(text.len());
        let (mut from, mut may_be_empty) = (0, true);
        while let Some(found) = self.pattern.find(text, from, may_be_empty)? {
            let Some(whole) = found.get(0) else { break };
            replaced.push_str(&text[from..whole.start()]);
            for part in &self.parts {
                match part {
                    Part::Literal(literal) => replaced.push_str(literal),
                    Part::Group(group) => replaced.push_str(found.get(*group).map_or("", |group| group.as_str())),
                }
            }
            may_be_empty = whole.start() < whole.end();
            from = whole.end();
        }
        replaced.push_str(&text[from..]);
        Ok(replaced)
    }
}

fn parts(pattern: &Pattern, replacement: &str) -> Result<Vec<Part>, PatternError> {
    let mut reader = Reader::new(replacement);
    let mut parts: Vec<Part> = Vec::new();
    let mut literal = String::new();
    loop {
        let at = reader.at();
        let Some(next) = reader.next() else { break };
        if next != '\\' {
            literal.push(next);
            continue;
        }
        match escape(&mut reader, pattern, at)? {
            Part::Literal(text) => literal.push_str(&text),
            group => {
                parts.extend(some(&mut literal));
                parts.push(group);
            }
        }
    }
    parts.extend(some(&mut literal));
    Ok(parts)
}

fn some(literal: &mut String) -> Option<Part> {
    (!literal.is_empty()).then(|| Part::Literal(std::mem::take(literal)))
}

/// What a backslash stands for, which has been read.
fn escape(reader: &mut Reader, pattern: &Pattern, at: usize) -> Result<Part, PatternError> {
    let Some(first) = reader.next() else { return Err(error(at, "a backslash stands at the end")) };
    let character = |character: char| Ok(Part::Literal(character.into()));
    match first {
        'g' => {
            if !reader.take('<') {
                return Err(error(at, "`<` is missing behind `\\g`"));
            }
            let name = reader.until('>', "the name of a group")?;
            named(pattern, &name, at)
        }
        '0'..='9' => match number(reader, first, at)? {
            Number::Character(of) => character(of),
            Number::Group(digits) => numbered(pattern, &digits, at),
        },
        '\\' => character('\\'),
        'b' => character('\u{8}'),
        _ => match control(first) {
            Some(control) => character(control),
            None if first.is_ascii_alphabetic() => Err(bad(first, at)),
            None => Ok(Part::Literal(format!("\\{first}"))),
        },
    }
}

fn named(pattern: &Pattern, name: &str, at: usize) -> Result<Part, PatternError> {
    if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()) {
        return numbered(pattern, name, at);
    }
    if !is_group_name(name) {
        return Err(error(at, format!("`{name}` cannot be the name of a group")));
    }
    let group = pattern.group_of(name);
    group.map(Part::Group).ok_or_else(|| error(at, format!("the pattern has no group `{name}`")))
}

fn numbered(pattern: &Pattern, digits: &str, at: usize) -> Result<Part, PatternError> {
    let group = digits.parse().ok().filter(|group| *group <= pattern.groups());
    group.map(Part::Group).ok_or_else(|| error(at, format!("the pattern has no group {digits}")))
}
