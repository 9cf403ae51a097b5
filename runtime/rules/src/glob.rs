//! Patterns of `*` and `?`.

/// Whether a text is matched as a whole: `*` stands for any characters, `?` for one.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut read) = (0, 0);
    // Where the last `*` stands, and how much of the text it has taken.
    let mut star = None;
    while read < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(wanted) if *wanted == '?' || text.get(read) == Some(wanted) => (at, read) = (at + 1, read + 1),
            _ => {
                let Some((begun, taken)) = star else { return false };
                star = Some((begun, taken + 1));
                (at, read) = (begun + 1, taken + 1);
            }
        }
    }
    pattern.iter().skip(at).all(|left| *left == '*')
}

/// Whether it stands for more than one text.
pub(crate) fn is_pattern(pattern: &str) -> bool {
    pattern.contains(['*', '?'])
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("batch", "batch", true)]
    #[case("batch", "batch-1", false)]
    #[case("batch*", "batch-1", true)]
    #[case("*", "", true)]
    #[case("", "", true)]
    #[case("", "x", false)]
    #[case("b?tch", "bätch", true)]
    #[case("b?tch", "btch", false)]
    #[case("*a*b", "xaxbab", true)]
    #[case("*a*b", "xaxba", false)]
    #[case("/kubepods/*/pod-*", "/kubepods/besteffort/pod-7", true)]
    #[case("[a]", "a", false)]
    #[case("****************************b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false)]
    fn whole_texts_are_matched(#[case] pattern: &str, #[case] text: &str, #[case] expected: bool) {
        assert_eq!(matches(pattern, text), expected);
    }
}
