//! Cgroups above and below others, by their paths.

/// Whether a cgroup is below another one, both with a leading `/`: not the same, and none that only begins alike.
pub(crate) fn is_below(cgroup: &str, above: &str) -> bool {
    let rest = cgroup.strip_prefix(above.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.starts_with('/') && rest != "/")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/a/b", "/a", true)]
    #[case("/a/b/c", "/a", true)]
    #[case("/a/b", "/a/", true)]
    #[case("/a", "/a", false)]
    #[case("/ab", "/a", false)]
    #[case("/a", "/a/b", false)]
    #[case("/a", "/", true)]
    #[case("/", "/", false)]
    fn by_path(#[case] cgroup: &str, #[case] above: &str, #[case] expected: bool) {
        assert_eq!(is_below(cgroup, above), expected);
    }
}
