//! Text of guests on its way to people: on one line, without control characters that could forge another, and not endless.

/// Most bytes of a name that a message repeats.
const NAME: usize = 80;
/// Most names that a message lists.
const NAMES: usize = 10;

/// The text on one line, without control characters that could forge another, cut at `longest` bytes.
pub(crate) fn printable(text: &str, longest: usize) -> String {
    let mut line = String::with_capacity(text.len().min(longest));
    for character in text.trim_end_matches('\n').chars() {
        if line.len() + character.len_utf8() > longest {
            line.push('…');
            break;
        }
        match character {
            '\n' => line.push_str("\\n"),
            control if control.is_control() && control != '\t' => line.extend(control.escape_default()),
            other => line.push(other),
        }
    }
    line
}

/// A name that may be anything, as a message repeats it.
pub(crate) fn shown(name: &str) -> String {
    printable(name, NAME)
}

/// Names in a row, the first few where there are many.
pub(crate) fn listed<'name>(names: impl ExactSizeIterator<Item = &'name str>) -> String {
    let more = names.len().saturating_sub(NAMES);
    let mut text = names.take(NAMES).map(shown).collect::<Vec<_>>().join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_cannot_forge_another() {
        assert_eq!(printable("one\n2026 ERROR two\u{1b}[2J\n", 100), "one\\n2026 ERROR two\\u{1b}[2J");
        assert_eq!(printable("äöü", 4), "äö…");
    }

    #[test]
    fn names_are_cut_and_counted() {
        assert_eq!(shown(&"x".repeat(1000)).len(), 80 + '…'.len_utf8());
        let names: Vec<String> = (0..12).map(|number| number.to_string()).collect();
        assert_eq!(listed(names.iter().map(String::as_str)), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more");
    }
}
