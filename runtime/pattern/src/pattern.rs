//! A pattern that is ready to search.

use std::collections::HashMap;

use fancy_regex::{Captures, CompileError, Error, ParseError, Regex, RegexBuilder};

use crate::error::{PatternError, TooCostly};
use crate::translate::{Translated, translate};

/// Steps that a search may go back before it is given up: some hundredths of a second.
const MOST_STEPS: usize = 1_000_000;

/// A regular expression.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    any: Regex,
    /// Matches at the beginning of a text.
    first: Regex,
    /// Matches a whole text.
    whole: Regex,
    /// Matches that have characters; none where there are no such.
    not_empty: Option<Regex>,
    groups: usize,
    names: HashMap<String, usize>,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`PatternError`], where Python would refuse it or where it says one of the few things that are not to be had.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let Translated { text: translated, groups, names } = translate(text)?;
        let any = build(&translated, false)?;
        let first = build(&format!(r"\A(?:{translated})"), false)?;
        let whole = build(&format!(r"\A(?:{translated})\z"), false)?;
        let (Some(any), Some(first), Some(whole)) = (any, first, whole) else {
            return Err(PatternError::Engine("it never matches".into()));
        };
        Ok(Self { text: text.into(), any, first, whole, not_empty: build(&translated, true)?, groups, names })
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Number of groups.
    #[must_use]
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// Whether the beginning of a text matches, as `re.match` says.
    ///
    /// # Errors
    /// [`TooCostly`].
    pub fn matches_beginning(&self, text: &str) -> Result<bool, TooCostly> {
        self.first.is_match(text).map_err(|_| TooCostly)
    }

    /// Whether a whole text matches, as `re.fullmatch` says.
    ///
    /// # Errors
    /// [`TooCostly`].
    pub fn matches_whole(&self, text: &str) -> Result<bool, TooCostly> {
        self.whole.is_match(text).map_err(|_| TooCostly)
    }

    /// What the first groups match at the beginning of a text; none where that does not match, or one of them has no part
    /// in the match.
    ///
    /// # Errors
    /// [`TooCostly`].
    pub fn groups_at_beginning<'t, const N: usize>(&self, text: &'t str) -> Result<Option<[&'t str; N]>, TooCostly> {
        let Some(found) = self.first.captures(text).map_err(|_| TooCostly)? else { return Ok(None) };
        let mut groups = [""; N];
        for (number, group) in (1..).zip(&mut groups) {
            match found.get(number) {
                Some(found) => *group = found.as_str(),
                None => return Ok(None),
            }
        }
        Ok(Some(groups))
    }

    /// Number of the group of this name.
    pub(crate) fn group_of(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    /// The first match from there on; an empty one there only where `may_be_empty`.
    pub(crate) fn find<'t>(
        &self,
        text: &'t str,
        from: usize,
        may_be_empty: bool,
    ) -> Result<Option<Captures<'t, str>>, TooCostly> {
        let search = |regex: &Regex, from| regex.captures_from_pos(text, from).map_err(|_| TooCostly);
        if may_be_empty {
            return search(&self.any, from);
        }
        if let Some(regex) = &self.not_empty
            && let Some(found) = search(regex, from)?
            && found.get(0).is_some_and(|found| found.start() == from)
        {
            return Ok(Some(found));
        }
        match text[from..].chars().next() {
            Some(next) => search(&self.any, from + next.len_utf8()),
            None => Ok(None),
        }
    }
}

fn build(text: &str, not_empty: bool) -> Result<Option<Regex>, PatternError> {
    let built = RegexBuilder::new(text).backtrack_limit(MOST_STEPS).find_not_empty(not_empty).build();
    match built {
        Ok(regex) => Ok(Some(regex)),
        Err(Error::CompileError(error)) if not_empty && matches!(*error, CompileError::PatternCanNeverMatch) => {
            Ok(None)
        }
        Err(error) => Err(PatternError::Engine(reason(&error))),
    }
}

fn reason(error: &Error) -> String {
    match error {
        Error::CompileError(error)
            if matches!(
                **error,
                CompileError::LookBehindNotConst | CompileError::VariableLookBehindRequiresFeature
            ) =>
        {
            "what it looks for behind (`(?<=`, `(?<!`) must have one length".into()
        }
        Error::ParseError(_, ParseError::RecursionExceeded) => "it is too deep".into(),
        error => error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::Substitution;

    #[rstest]
    #[case("(a", "`)` is missing (at character 1)")]
    #[case("a)", "`(` is missing (at character 2)")]
    #[case("a[b", "`]` is missing (at character 2)")]
    #[case("[b-a]", "this is no range of characters (at character 2)")]
    #[case("*", "there is nothing to repeat (at character 1)")]
    #[case("a**", "what is repeated already cannot be repeated (at character 3)")]
    #[case("a{2,1}", "the least number of repetitions is greater than the most (at character 3)")]
    #[case("a{99999999999}", "the number of repetitions is too large (at character 3)")]
    #[case("é\\h", "`\\h` stands for nothing (at character 2)")]
    #[case("a\\", "a backslash stands at the end (at character 2)")]
    #[case("\\x4g", "2 hexadecimal digits are expected (at character 1)")]
    #[case("\\ud800", "there is no character of this number (at character 1)")]
    #[case("\\777", "this octal number is greater than 377 (at character 1)")]
    #[case("\\1", "there is no group 1 before this (at character 1)")]
    #[case("(a\\1)", "the group 1 has not ended here (at character 3)")]
    #[case("(?P=x)", "there is no group `x` before this (at character 1)")]
    #[case("(?P<a b>c)", "`a b` cannot be the name of a group (at character 1)")]
    #[case("(?<a>c)", "what stands behind `(?` is unknown (at character 1)")]
    #[case("a(?i)b", "flags of the whole pattern must stand at its start (at character 2)")]
    #[case("(?ai)b", "the flags a and i together are not supported (at character 3)")]
    #[case("(a)?(?(1)b|c|d)", "a condition has more than two branches (at character 5)")]
    #[case("\\N{BULLET}", "\\N is not supported: write the character itself, or \\u and its number (at character 1)")]
    #[case("(?<=a+)b", "it cannot be used: what it looks for behind (`(?<=`, `(?<!`) must have one length")]
    fn what_is_refused(#[case] pattern: &str, #[case] expected: &str) {
        assert_eq!(Pattern::new(pattern).unwrap_err().to_string(), expected);
    }

    #[rstest]
    #[case("numa_.*", "numa_hit", true)]
    #[case("hit", "numa_hit", false)]
    #[case("a|numa", "numa_hit", true)]
    #[case("(?m)^numa$", "x\nnuma", false)]
    #[case("(?i)NUMA(?!_miss)", "numa_hit", true)]
    #[case("(?i)NUMA(?!_miss)", "numa_miss", false)]
    fn the_beginning_of_a_text(#[case] pattern: &str, #[case] text: &str, #[case] expected: bool) {
        assert_eq!(Pattern::new(pattern).unwrap().matches_beginning(text), Ok(expected));
    }

    #[rstest]
    #[case("web-.*", "web-7", true)]
    #[case("web", "web-7", false)]
    #[case("web|web-7", "web-7", true)]
    #[case("eb-7", "web-7", false)]
    #[case("web-7$", "web-7", true)]
    #[case("web-7$", "web-7\n", false)]
    #[case(".*", "a\nb", false)]
    #[case("(?s).*", "a\nb", true)]
    #[case("", "", true)]
    fn a_whole_text(#[case] pattern: &str, #[case] text: &str, #[case] expected: bool) {
        assert_eq!(Pattern::new(pattern).unwrap().matches_whole(text), Ok(expected));
    }

    #[test]
    fn groups_at_the_beginning_of_a_text() {
        let groups =
            |pattern: &str, text: &'static str| Pattern::new(pattern).unwrap().groups_at_beginning(text).unwrap();
        assert_eq!(groups(r"\s+(\w+)\s+(\d+)", "  high 12 x"), Some(["high", "12"]));
        assert_eq!(groups(r"(\w+)\s+(\d+)", "  high 12"), None);
        assert_eq!(groups(r"(a)|(b)", "a"), None);
    }

    #[test]
    fn brackets_within_each_other_are_bounded() {
        let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
        assert_eq!(Pattern::new(&nested(40)).unwrap().groups(), 40);
        for depth in [101, 100_000] {
            let error = Pattern::new(&nested(depth)).unwrap_err().to_string();
            assert!(error.contains("more than 100 brackets within each other"), "{error}");
        }
        // Whatever lies between is refused by one of the two, and nothing runs out of stack.
        for depth in 41..=100 {
            drop(Pattern::new(&nested(depth)));
        }
    }

    #[test]
    fn a_search_with_too_many_ways_is_given_up() {
        let pattern = Pattern::new(r"(a|aa|a\b)+\1b").unwrap();
        let substitution = Substitution::new(pattern, "").unwrap();
        assert_eq!(substitution.apply(&"a".repeat(100)), Err(TooCostly));
        assert_eq!(substitution.apply("aab"), Ok(String::new()));
    }
}
