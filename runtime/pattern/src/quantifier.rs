//! Repetition.

use crate::error::PatternError;
use crate::reader::{Reader, error};

/// How often what stands before is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Quantifier {
    least: u32,
    most: Option<u32>,
    manner: Manner,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Greedy,
    Lazy,
    Possessive,
}

impl Quantifier {
    /// Reads one, if one comes next. A `{` that begins none is an ordinary character.
    pub(crate) fn read(reader: &mut Reader) -> Result<Option<Self>, PatternError> {
        let begin = reader.at();
        let (least, most) = match reader.next() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => match braces(reader)? {
                Some(bounds) => bounds,
                None => {
                    reader.go_back(begin);
                    return Ok(None);
                }
            },
            _ => {
                reader.go_back(begin);
                return Ok(None);
            }
        };
        let manner = match reader.next_if(|next| matches!(next, '?' | '+')) {
            Some('?') => Manner::Lazy,
            Some(_) => Manner::Possessive,
            None => Manner::Greedy,
        };
        Ok(Some(Self { least, most, manner }))
    }

    /// The repetition of `item`, in the words of the engine.
    pub(crate) fn of(self, item: &str) -> String {
        // Beside something that never matches it means the same, and can be repeated.
        let item = if is_refused(item) { format!(r"{item}|[^\x{{0}}-\x{{10ffff}}]") } else { item.to_owned() };
        let most = self.most.map(|most| most.to_string()).unwrap_or_default();
        let repeated = format!("(?:{item}){{{},{most}}}", self.least);
        match self.manner {
            Manner::Greedy => repeated,
            Manner::Lazy => repeated + "?",
            Manner::Possessive => format!("(?>{repeated})"),
        }
    }
}

/// Whether the engine may refuse to repeat a group, however it is wrapped, since it matches no characters.
fn is_refused(item: &str) -> bool {
    let mut inner = item;
    while let Some(rest) = ["(?:", "(?i:", "(?-i:"].iter().find_map(|begin| inner.strip_prefix(begin)) {
        inner = rest;
    }
    ["(?=", "(?!", "(?<", "(?(", ")"].iter().any(|begin| inner.starts_with(begin))
}

/// What stands in braces, behind the first; none where that is no repetition.
fn braces(reader: &mut Reader) -> Result<Option<(u32, Option<u32>)>, PatternError> {
    let begin = reader.at();
    if reader.peek() == Some('}') {
        return Ok(None);
    }
    let least = reader.while_of(usize::MAX, |next| next.is_ascii_digit());
    let most = match reader.take(',') {
        true => reader.while_of(usize::MAX, |next| next.is_ascii_digit()),
        false => least.clone(),
    };
    if !reader.take('}') {
        return Ok(None);
    }
    let number = |digits: &str| match digits {
        "" => Ok(None),
        digits => digits.parse().map(Some).map_err(|_| error(begin, "the number of repetitions is too large")),
    };
    let (least, most): (Option<u32>, Option<u32>) = (number(&least)?, number(&most)?);
    let least = least.unwrap_or(0);
    if most.is_some_and(|most| most < least) {
        return Err(error(begin, "the least number of repetitions is greater than the most"));
    }
    Ok(Some((least, most)))
}
