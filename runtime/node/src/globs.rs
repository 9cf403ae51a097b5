//! Patterns of cgroup paths.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

/// A list of patterns, of which one must match the whole path of a cgroup.
///
/// `*` is any text within one name, `?` one byte of it, `[ab]` one of these, `{a,b}` one of these texts, and `**` any
/// number of names: `/a/**` is all below `/a`, `/**/x` every `x`. A pattern without a leading `/` is taken as if it had
/// one. A backslash is no more than itself, since systemd writes `\x2d` and the like in names. Time to match is linear in
/// the path, which a tenant may choose.
#[derive(Clone, Debug)]
pub struct Globs {
    /// None: every path.
    set: Option<GlobSet>,
}

/// A pattern that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pattern:?} is no pattern of cgroup paths: {reason}")]
pub struct GlobError {
    /// The pattern as it was given.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Globs {
    /// These patterns; an empty list matches nothing.
    ///
    /// # Errors
    /// [`GlobError`] with the first pattern that is none.
    pub fn new<P: AsRef<str>>(patterns: impl IntoIterator<Item = P>) -> Result<Self, GlobError> {
        let mut builder = GlobSetBuilder::new();
        let mut last = String::new();
        for pattern in patterns {
            let pattern = pattern.as_ref();
            let failed = |reason: String| GlobError { pattern: pattern.to_owned(), reason };
            let name = pattern.strip_prefix('/').unwrap_or(pattern);
            if name.is_empty() {
                return Err(failed("it is empty".into()));
            }
            if name.split('/').any(|part| part.contains("**") && part != "**") {
                return Err(failed("** stands for whole names".into()));
            }
            let absolute = format!("/{name}");
            let glob = GlobBuilder::new(&absolute).literal_separator(true).backslash_escape(false).build();
            builder.add(glob.map_err(|error| failed(error.kind().to_string()))?);
            pattern.clone_into(&mut last);
        }
        let set = builder.build().map_err(|error| GlobError { pattern: last, reason: error.kind().to_string() })?;
        Ok(Self { set: Some(set) })
    }

    /// What matches every path.
    #[must_use]
    pub fn all() -> Self {
        Self { set: None }
    }

    /// What matches none.
    #[must_use]
    pub fn none() -> Self {
        Self { set: Some(GlobSet::empty()) }
    }

    /// Whether one of them matches the whole path.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        self.set.as_ref().is_none_or(|set| set.is_match(path))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/a/*", "/a/b", true)]
    #[case("/a/*", "/a/b/c", false)]
    #[case("/a/*", "/a", false)]
    #[case("/a/b*d", "/a/bcd", true)]
    #[case("/a/b*d", "/a/b/d", false)]
    #[case("a/*", "/a/b", true)]
    #[case("*", "/a", true)]
    #[case("*", "/a/b", false)]
    #[case("**", "/a/b/c", true)]
    #[case("/**", "/a", true)]
    #[case("/a/**", "/a/b/c", true)]
    #[case("/a/**", "/a", false)]
    #[case("/a/**", "/ab/c", false)]
    #[case("/**/x", "/x", true)]
    #[case("/**/x", "/a/b/x", true)]
    #[case("/**/x", "/a/b/xx", false)]
    #[case("/a/**/x", "/a/x", true)]
    #[case("/a/**/x", "/a/b/c/x", true)]
    #[case("/a?", "/ab", true)]
    #[case("/a?", "/a", false)]
    #[case("/a?b", "/a/b", false)]
    #[case("/a?", "/aü", false)]
    #[case("/a??", "/aü", true)]
    #[case("/pod[12]", "/pod2", true)]
    #[case("/{a,b}.slice", "/b.slice", true)]
    #[case(r"/a\x2db", r"/a\x2db", true)]
    #[case(r"/a\x2d*", r"/a\x2dbc", true)]
    #[case("/A", "/a", false)]
    #[case("/.a", "/.a", true)]
    #[case("/*", "/.a", true)]
    fn patterns(#[case] pattern: &str, #[case] path: &str, #[case] expected: bool) {
        assert_eq!(Globs::new([pattern]).unwrap().matches(path), expected);
    }

    #[test]
    fn one_of_several_is_enough() {
        let globs = Globs::new(["/a/*", "/b"]).unwrap();
        assert_eq!(["/a/x", "/b", "/c"].map(|path| globs.matches(path)), [true, true, false]);
        assert!(!Globs::new::<&str>([]).unwrap().matches("/a"));
        assert!(Globs::all().matches("/a/b") && !Globs::none().matches("/a/b"));
    }

    #[rstest]
    #[case("", "it is empty")]
    #[case("/", "it is empty")]
    #[case("/a**", "** stands for whole names")]
    #[case("/a/***", "** stands for whole names")]
    #[case("/a[b", "unclosed character class; missing ']'")]
    #[case("/{a", "unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)")]
    fn what_is_no_pattern(#[case] pattern: &str, #[case] reason: &str) {
        let error = Globs::new(["/fine", pattern]).unwrap_err();
        assert_eq!(error, GlobError { pattern: pattern.into(), reason: reason.into() });
    }

    #[test]
    fn a_long_path_costs_little() {
        let globs = Globs::new(["/**/*a*a*a*a*a*a*a*b/**/*c"]).unwrap();
        let path = format!("/{}", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/".repeat(70));
        assert!(!globs.matches(&path));
    }
}
