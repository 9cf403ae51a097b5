//! What stands in brackets.

use crate::error::PatternError;
use crate::flags::{Flags, Read};
use crate::reader::{error, is_group_name};
use crate::translate::{Item, Translator};

/// Brackets within each other that a pattern may have; each takes room on the stack.
const DEEPEST: usize = 100;

impl Translator {
    /// Reads what stands behind `(`; `at` is where that stands, and `is_start` whether it is the first of the pattern.
    pub(crate) fn group(&mut self, flags: Flags, is_start: bool, at: usize) -> Result<Item, PatternError> {
        if !self.reader.take('?') {
            return self.numbered(None, flags, at);
        }
        let unknown = || error(at, "what stands behind `(?` is unknown");
        match self.reader.peek().ok_or_else(unknown)? {
            'P' => {
                self.reader.next();
                if self.reader.take('<') {
                    let name = self.reader.until('>', "the name of a group")?;
                    return self.numbered(Some(name), flags, at);
                }
                if !self.reader.take('=') {
                    return Err(unknown());
                }
                let name = self.reader.until(')', "the name of a group")?;
                let number = self.number_of(&name, at)?;
                self.reference(number, at).map(Item::Repeatable)
            }
            ':' => self.plain("(?:", flags, at),
            '=' => self.plain("(?=", flags, at),
            '!' => self.plain("(?!", flags, at),
            '>' => self.plain("(?>", flags, at),
            '<' => {
                self.reader.next();
                match self.reader.peek() {
                    Some('=') => self.plain("(?<=", flags, at),
                    Some('!') => self.plain("(?<!", flags, at),
                    _ => Err(unknown()),
                }
            }
            '#' => {
                self.reader.until(')', "a comment")?;
                Ok(Item::Nothing(flags))
            }
            '(' => {
                self.reader.next();
                self.condition(flags, at)
            }
            _ => match flags.read(&mut self.reader)? {
                Read::Global(_) if !is_start => Err(error(at, "flags of the whole pattern must stand at its start")),
                Read::Global(flags) => {
                    self.global = flags;
                    Ok(Item::Nothing(flags))
                }
                Read::Scoped(flags) => {
                    let begin = if flags.ignore_case { "(?i:" } else { "(?-i:" };
                    self.closed(begin, flags, at).map(Item::Repeatable)
                }
            },
        }
    }

    /// A group with a number, and perhaps a name.
    fn numbered(&mut self, name: Option<String>, flags: Flags, at: usize) -> Result<Item, PatternError> {
        self.groups += 1;
        let number = self.groups;
        if let Some(name) = name {
            if !is_group_name(&name) {
                return Err(error(at, format!("`{name}` cannot be the name of a group")));
            }
            if self.names.contains_key(&name) {
                return Err(error(at, format!("two groups have the name `{name}`")));
            }
            self.names.insert(name, number);
        }
        self.open.push(number);
        let group = self.closed("(", flags, at)?;
        self.open.pop();
        Ok(Item::Repeatable(group))
    }

    /// A group that begins with these characters, the last of which is next.
    fn plain(&mut self, begin: &str, flags: Flags, at: usize) -> Result<Item, PatternError> {
        self.reader.next();
        self.closed(begin, flags, at).map(Item::Repeatable)
    }

    /// The rest of a group and the bracket that ends it.
    fn closed(&mut self, begin: &str, flags: Flags, at: usize) -> Result<String, PatternError> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(error(at, format!("there are more than {DEEPEST} brackets within each other")));
        }
        let inner = self.alternatives(flags, false)?;
        self.depth -= 1;
        if self.reader.take(')') { Ok(format!("{begin}{inner})")) } else { Err(error(at, "`)` is missing")) }
    }

    /// `(?(1)yes|no)`, behind its second bracket.
    fn condition(&mut self, flags: Flags, at: usize) -> Result<Item, PatternError> {
        let name = self.reader.until(')', "a condition")?;
        let is_number = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
        let number = match is_number {
            true => name.parse().map_err(|_| error(at, "this number is too large"))?,
            false => self.number_of(&name, at)?,
        };
        self.conditions.push((number, at));
        self.depth += 1;
        let (yes, _) = self.branch(flags)?;
        let no = match self.reader.take('|') {
            true => Some(self.branch(flags)?.0),
            false => None,
        };
        self.depth -= 1;
        if self.reader.peek() == Some('|') {
            return Err(error(at, "a condition has more than two branches"));
        }
        if !self.reader.take(')') {
            return Err(error(at, "`)` is missing"));
        }
        let no = no.unwrap_or_default();
        Ok(Item::Repeatable(match yes.is_empty() && no.is_empty() {
            true => "(?:)".into(),
            false => format!("(?({number})(?:{yes})|(?:{no}))"),
        }))
    }

    fn branch(&mut self, flags: Flags) -> Result<(String, Flags), PatternError> {
        let mut text = String::new();
        let flags = self.sequence(&mut text, flags, false)?;
        Ok((text, flags))
    }

    fn number_of(&self, name: &str, at: usize) -> Result<usize, PatternError> {
        self.names.get(name).copied().ok_or_else(|| error(at, format!("there is no group `{name}` before this")))
    }
}
