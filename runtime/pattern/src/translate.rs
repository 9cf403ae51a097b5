//! From the words of Python to those of the engine.

use std::collections::HashMap;

use crate::error::PatternError;
use crate::escape::{Category, Escape, outside};
use crate::flags::Flags;
use crate::quantifier::Quantifier;
use crate::reader::{Reader, error};
use crate::set;

/// A pattern in the words of the engine.
#[derive(Debug)]
pub(crate) struct Translated {
    /// The pattern, whose groups have the same numbers.
    pub(crate) text: String,
    /// Number of groups.
    pub(crate) groups: usize,
    /// Numbers of groups that have names.
    pub(crate) names: HashMap<String, usize>,
}

/// Reads a pattern as Python does; the error is what Python would say, in other words.
pub(crate) fn translate(text: &str) -> Result<Translated, PatternError> {
    let mut translator = Translator {
        reader: Reader::new(text),
        groups: 0,
        open: Vec::new(),
        names: HashMap::new(),
        conditions: Vec::new(),
        global: Flags::default(),
        depth: 0,
    };
    let written = translator.alternatives(Flags::default(), true)?;
    if translator.reader.next().is_some() {
        return Err(error(translator.reader.at() - 1, "`(` is missing"));
    }
    for (number, at) in &translator.conditions {
        if !(1..=translator.groups).contains(number) {
            return Err(error(*at, format!("there is no group {number}")));
        }
    }
    let text = if translator.global.ignore_case { format!("(?i:{written})") } else { written };
    Ok(Translated { text, groups: translator.groups, names: translator.names })
}

pub(crate) struct Translator {
    pub(crate) reader: Reader,
    /// Number of groups that have begun.
    pub(crate) groups: usize,
    /// Groups in which the reader is.
    pub(crate) open: Vec<usize>,
    pub(crate) names: HashMap<String, usize>,
    /// Groups that conditions ask for, which may come later, and where.
    pub(crate) conditions: Vec<(usize, usize)>,
    /// Flags of the whole pattern.
    pub(crate) global: Flags,
    /// Number of brackets in which the reader is.
    pub(crate) depth: usize,
}

/// Something that can be repeated, or not.
pub(crate) enum Item {
    /// What matches characters, or looks at them.
    Repeatable(String),
    /// A place in the text.
    Place(String),
    /// A repetition already.
    Repeated,
    /// Nothing: a comment, or flags, which may be new ones for what follows.
    Nothing(Flags),
}

impl Translator {
    /// Alternatives, up to the bracket that ends them.
    pub(crate) fn alternatives(&mut self, flags: Flags, is_top: bool) -> Result<String, PatternError> {
        let mut flags = flags;
        let mut text = String::new();
        let mut is_first = is_top;
        loop {
            flags = self.sequence(&mut text, flags, is_first)?;
            is_first = false;
            if !self.reader.take('|') {
                return Ok(text);
            }
            text.push('|');
        }
    }

    /// Items behind each other, up to `|`, `)` or the end.
    pub(crate) fn sequence(&mut self, text: &mut String, flags: Flags, is_first: bool) -> Result<Flags, PatternError> {
        let mut flags = flags;
        let mut last: Option<Item> = None;
        loop {
            if flags.verbose {
                self.skip_blanks();
            }
            let at = self.reader.at();
            if matches!(self.reader.peek(), None | Some('|' | ')')) {
                push(text, last);
                return Ok(flags);
            }
            if let Some(quantifier) = Quantifier::read(&mut self.reader)? {
                last = match last.take() {
                    Some(Item::Repeatable(item)) => {
                        text.push_str(&quantifier.of(&item));
                        Some(Item::Repeated)
                    }
                    Some(Item::Repeated) => return Err(error(at, "what is repeated already cannot be repeated")),
                    _ => return Err(error(at, "there is nothing to repeat")),
                };
                continue;
            }
            let is_start = is_first && text.is_empty() && last.is_none();
            match self.item(flags, is_start)? {
                Item::Nothing(new) => flags = new,
                item => {
                    push(text, last);
                    last = Some(item);
                }
            }
        }
    }

    /// Blanks and comments, where they mean nothing.
    fn skip_blanks(&mut self) {
        while let Some(next) = self.reader.next_if(|next| matches!(next, ' ' | '\t'..='\r' | '#')) {
            if next == '#' {
                while self.reader.next_if(|next| next != '\n').is_some() {}
            }
        }
    }

    fn item(&mut self, flags: Flags, is_start: bool) -> Result<Item, PatternError> {
        let at = self.reader.at();
        Ok(match self.reader.next() {
            Some('.') => Item::Repeatable(if flags.dot_all { "(?s:.)" } else { "(?-s:.)" }.into()),
            Some('^') => Item::Place(if flags.multi_line { "(?m:^)" } else { r"\A" }.into()),
            // At the end, and before a line feed that stands there.
            Some('$') => Item::Place(if flags.multi_line { "(?m:$)" } else { r"(?=\n?\z)" }.into()),
            Some('[') => Item::Repeatable(set::read(&mut self.reader, flags)?),
            Some('(') => self.group(flags, is_start, at)?,
            Some('\\') => self.escape(flags, at)?,
            Some(literal) => Item::Repeatable(character(literal)),
            None => Item::Nothing(flags),
        })
    }

    fn escape(&mut self, flags: Flags, at: usize) -> Result<Item, PatternError> {
        Ok(match outside(&mut self.reader)? {
            Escape::Literal(literal) => Item::Repeatable(character(literal)),
            Escape::Category(category, is_in) => {
                let not = if is_in { "" } else { "^" };
                // Not all of what is folded to a letter is one.
                Item::Repeatable(format!("(?-i:[{not}{}])", category.characters(flags.ascii)))
            }
            Escape::Start => Item::Place(r"\A".into()),
            Escape::End => Item::Place(r"\z".into()),
            Escape::Boundary(is_boundary) => Item::Place(boundary(is_boundary, flags.ascii)),
            Escape::Group(number) => Item::Repeatable(self.reference(number, at)?),
        })
    }

    /// A reference to a group that is behind us.
    pub(crate) fn reference(&self, number: usize, at: usize) -> Result<String, PatternError> {
        if number == 0 || number > self.groups {
            return Err(error(at, format!("there is no group {number} before this")));
        }
        if self.open.contains(&number) {
            return Err(error(at, format!("the group {number} has not ended here")));
        }
        Ok(format!("(?:\\{number})"))
    }
}

/// Between a character of a word and another one, or none; or elsewhere. A text without characters has neither:
/// <https://docs.python.org/3.11/library/re.html#regular-expression-syntax> (`\B`).
fn boundary(is_boundary: bool, ascii: bool) -> String {
    let word = format!("(?-i:[{}])", Category::Word.characters(ascii));
    if is_boundary {
        format!("(?:(?<={word})(?!{word})|(?<!{word})(?={word}))")
    } else {
        format!(r"(?:(?<={word})(?={word})|(?<!{word})(?!{word})(?!\A\z))")
    }
}

fn push(text: &mut String, item: Option<Item>) {
    match item {
        Some(Item::Repeatable(item) | Item::Place(item)) => text.push_str(&item),
        Some(Item::Repeated | Item::Nothing(_)) | None => {}
    }
}

/// A character that stands for itself.
fn character(literal: char) -> String {
    match literal {
        '0'..='9' | 'A'..='Z' | 'a'..='z' | '_' => literal.into(),
        _ => format!("\\x{{{:x}}}", u32::from(literal)),
    }
}
