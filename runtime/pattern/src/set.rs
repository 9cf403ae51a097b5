//! Sets of characters: what stands in brackets.

use std::fmt::Write as _;

use crate::error::PatternError;
use crate::escape::{Category, Escape, within_set};
use crate::flags::Flags;
use crate::reader::{Reader, error};

/// What a set holds.
enum Member {
    Character(char),
    Category(Category, bool),
}

/// Reads a set behind its `[`, and puts it in the words of the engine.
pub(crate) fn read(reader: &mut Reader, flags: Flags) -> Result<String, PatternError> {
    let begin = reader.at().saturating_sub(1);
    let unterminated = || error(begin, "`]` is missing");
    let mut set = String::from(if reader.take('^') { "[^" } else { "[" });
    let mut is_first = true;
    loop {
        let at = reader.at();
        let next = reader.next().ok_or_else(unterminated)?;
        if next == ']' && !is_first {
            set.push(']');
            return Ok(set);
        }
        is_first = false;
        let from = member(reader, next)?;
        if !reader.take('-') {
            write(&mut set, &from, flags);
            continue;
        }
        let next = reader.next().ok_or_else(unterminated)?;
        if next == ']' {
            write(&mut set, &from, flags);
            write(&mut set, &Member::Character('-'), flags);
            set.push(']');
            return Ok(set);
        }
        match (from, member(reader, next)?) {
            (Member::Character(from), Member::Character(to)) if from <= to => {
                let _ = write!(set, "\\x{{{:x}}}-\\x{{{:x}}}", u32::from(from), u32::from(to));
            }
            _ => return Err(error(at, "this is no range of characters")),
        }
    }
}

fn member(reader: &mut Reader, next: char) -> Result<Member, PatternError> {
    if next != '\\' {
        return Ok(Member::Character(next));
    }
    let at = reader.at();
    match within_set(reader)? {
        Escape::Literal(character) => Ok(Member::Character(character)),
        Escape::Category(category, is_in) => Ok(Member::Category(category, is_in)),
        Escape::Start | Escape::End | Escape::Boundary(_) | Escape::Group(_) => {
            Err(error(at, "this cannot stand in a set"))
        }
    }
}

/// Writing to a `String` cannot fail.
fn write(set: &mut String, member: &Member, flags: Flags) {
    let _ = match member {
        Member::Character(character) => write!(set, "\\x{{{:x}}}", u32::from(*character)),
        Member::Category(category, true) => write!(set, "{}", category.characters(flags.ascii)),
        Member::Category(category, false) => write!(set, "[^{}]", category.characters(flags.ascii)),
    };
}
