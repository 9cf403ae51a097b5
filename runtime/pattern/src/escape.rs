//! What a backslash stands for, in a pattern and within a set.

use crate::error::PatternError;
use crate::reader::{Reader, error};

/// A sort of characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Category {
    Digit,
    Space,
    Word,
}

/// What a backslash and what follows it stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Escape {
    Literal(char),
    /// A sort of characters, or all others.
    Category(Category, bool),
    /// `\A`
    Start,
    /// `\Z`
    End,
    /// `\b`, or `\B`.
    Boundary(bool),
    /// A number that refers to a group.
    Group(usize),
}

impl Category {
    /// Its characters, as what stands in brackets.
    ///
    /// <https://docs.python.org/3.11/library/re.html#regular-expression-syntax>; what `str.isalnum` and `str.isspace` say by
    /// the categories of Unicode: <https://docs.python.org/3.11/library/stdtypes.html#str.isalnum>.
    pub(crate) const fn characters(self, ascii: bool) -> &'static str {
        match (self, ascii) {
            (Self::Digit, true) => "0-9",
            (Self::Digit, false) => r"\p{Nd}",
            (Self::Space, true) => r"\x{20}\x{09}-\x{0d}",
            (Self::Space, false) => r"\p{White_Space}\x{1c}-\x{1f}",
            (Self::Word, true) => "0-9A-Z_a-z",
            (Self::Word, false) => r"\p{L}\p{N}_",
        }
    }
}

/// What digits behind a backslash stand for.
pub(crate) enum Number {
    /// A character by its octal number.
    Character(char),
    /// A group, by these decimal digits.
    Group(String),
}

/// Reads digits behind a backslash, of which `first` is the first: a character where that is 0 or where there are three octal
/// ones, else a group.
pub(crate) fn number(reader: &mut Reader, first: char, at: usize) -> Result<Number, PatternError> {
    if first == '0' {
        return octal(&reader.while_of(2, is_octal), at).map(Number::Character);
    }
    let mut digits = String::from(first);
    digits.extend(reader.next_if(|next| next.is_ascii_digit()));
    if digits.len() == 2
        && digits.chars().all(is_octal)
        && let Some(third) = reader.next_if(is_octal)
    {
        digits.push(third);
        return octal(&digits, at).map(Number::Character);
    }
    Ok(Number::Group(digits))
}

/// Reads what stands behind a backslash outside of a set.
pub(crate) fn outside(reader: &mut Reader) -> Result<Escape, PatternError> {
    let at = reader.at().saturating_sub(1);
    let Some(first) = reader.next() else { return Err(error(at, "a backslash stands at the end")) };
    Ok(match first {
        'A' => Escape::Start,
        'Z' => Escape::End,
        'b' => Escape::Boundary(true),
        'B' => Escape::Boundary(false),
        '0'..='9' => match number(reader, first, at)? {
            Number::Character(character) => Escape::Literal(character),
            Number::Group(digits) => Escape::Group(digits.parse().map_err(|_| error(at, "this number is too large"))?),
        },
        _ => anywhere(reader, first, at)?,
    })
}

/// Reads what stands behind a backslash within a set.
pub(crate) fn within_set(reader: &mut Reader) -> Result<Escape, PatternError> {
    let at = reader.at().saturating_sub(1);
    let Some(first) = reader.next() else { return Err(error(at, "a backslash stands at the end")) };
    match first {
        'b' => Ok(Escape::Literal('\u{8}')),
        '0'..='7' => {
            let digits = format!("{first}{}", reader.while_of(2, is_octal));
            octal(&digits, at).map(Escape::Literal)
        }
        '8' | '9' => Err(bad(first, at)),
        _ => anywhere(reader, first, at),
    }
}

fn anywhere(reader: &mut Reader, first: char, at: usize) -> Result<Escape, PatternError> {
    Ok(match first {
        'd' | 'D' => Escape::Category(Category::Digit, first == 'd'),
        's' | 'S' => Escape::Category(Category::Space, first == 's'),
        'w' | 'W' => Escape::Category(Category::Word, first == 'w'),
        'x' => Escape::Literal(hexadecimal(reader, 2, at)?),
        'u' => Escape::Literal(hexadecimal(reader, 4, at)?),
        'U' => Escape::Literal(hexadecimal(reader, 8, at)?),
        'N' => return Err(error(at, r"\N is not supported: write the character itself, or \u and its number")),
        _ => match control(first) {
            Some(character) => Escape::Literal(character),
            None if first.is_ascii_alphabetic() => return Err(bad(first, at)),
            None => Escape::Literal(first),
        },
    })
}

/// The control character that a letter stands for, in patterns and in replacements.
pub(crate) const fn control(letter: char) -> Option<char> {
    Some(match letter {
        'a' => '\u{7}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\u{b}',
        _ => return None,
    })
}

/// A letter behind a backslash that stands for nothing.
pub(crate) fn bad(letter: char, at: usize) -> PatternError {
    error(at, format!("`\\{letter}` stands for nothing"))
}

fn is_octal(character: char) -> bool {
    character.is_digit(8)
}

/// The character of an octal number; none is 0.
fn octal(digits: &str, at: usize) -> Result<char, PatternError> {
    let number = if digits.is_empty() { 0 } else { u32::from_str_radix(digits, 8).unwrap_or(u32::MAX) };
    u8::try_from(number).map(char::from).map_err(|_| error(at, "this octal number is greater than 377"))
}

fn hexadecimal(reader: &mut Reader, count: usize, at: usize) -> Result<char, PatternError> {
    let digits = reader.while_of(count, |next| next.is_ascii_hexdigit());
    let number = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == count);
    let number = number.ok_or_else(|| error(at, format!("{count} hexadecimal digits are expected")))?;
    char::from_u32(number).ok_or_else(|| error(at, "there is no character of this number"))
}
