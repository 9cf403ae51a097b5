//! A pattern, character by character.

use crate::error::PatternError;

/// A pattern and how far it has been read.
pub(crate) struct Reader {
    characters: Vec<char>,
    at: usize,
}

impl Reader {
    pub(crate) fn new(text: &str) -> Self {
        Self { characters: text.chars().collect(), at: 0 }
    }

    /// Number of characters that have been read.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Goes back to where it has been.
    pub(crate) fn go_back(&mut self, at: usize) {
        self.at = at;
    }

    pub(crate) fn peek(&self) -> Option<char> {
        self.characters.get(self.at).copied()
    }

    /// The character that was read last.
    pub(crate) fn before(&self) -> Option<char> {
        self.characters.get(self.at.checked_sub(1)?).copied()
    }

    pub(crate) fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += 1;
        Some(next)
    }

    /// Reads this character if it comes next.
    pub(crate) fn take(&mut self, wanted: char) -> bool {
        self.next_if(|next| next == wanted).is_some()
    }

    /// Reads the next character if it is one of these.
    pub(crate) fn next_if(&mut self, wanted: impl Fn(char) -> bool) -> Option<char> {
        let next = self.peek().filter(|next| wanted(*next))?;
        self.at += 1;
        Some(next)
    }

    /// Reads characters of a kind, at most so many.
    pub(crate) fn while_of(&mut self, most: usize, wanted: impl Fn(char) -> bool) -> String {
        let mut text = String::new();
        while text.len() < most
            && let Some(next) = self.next_if(&wanted)
        {
            text.push(next);
        }
        text
    }

    /// Reads up to this character, and past it.
    pub(crate) fn until(&mut self, end: char, what: &str) -> Result<String, PatternError> {
        let begin = self.at;
        let mut text = String::new();
        loop {
            match self.next() {
                Some(next) if next == end => return Ok(text),
                Some(next) => text.push(next),
                None => return Err(error(begin, format!("`{end}` is missing behind {what}"))),
            }
        }
    }
}

/// An error at the character with this index.
pub(crate) fn error(at: usize, what: impl Into<String>) -> PatternError {
    PatternError::Syntax { what: what.into(), at: at + 1 }
}

/// Whether a text can name a group: a Python identifier, of letters, digits and `_`, not a digit first.
pub(crate) fn is_group_name(name: &str) -> bool {
    let is_start = |character: char| character == '_' || character.is_alphabetic();
    name.starts_with(is_start) && name.chars().all(|character| is_start(character) || character.is_numeric())
}
