//! Cgroups that lie below others.

use std::collections::HashSet;

/// Whether each of these cgroups has none of the others below it.
///
/// What is measured of a cgroup by its processes is measured of those below it too, so what belongs to a task below another
/// one would be measured twice, and what one of them resets the other would miss. Paths are relative, without slashes at their ends.
pub(crate) fn leaves(paths: &[&str]) -> Vec<bool> {
    let all: HashSet<&str> = paths.iter().copied().collect();
    let mut above: HashSet<&str> = HashSet::new();
    for path in &all {
        let ends = path.match_indices('/').map(|(end, _)| end).chain((!path.is_empty()).then_some(0));
        above.extend(ends.map(|end| &path[..end]).filter(|one| all.contains(one)));
    }
    paths.iter().map(|path| !above.contains(path)).collect()
}

/// Those of the paths, without leading slashes, that are not at or below one before them.
pub(crate) fn topmost<'a>(paths: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut topmost: Vec<String> = Vec::new();
    for path in paths {
        let is_below = |above: &String| {
            path.strip_prefix(above.as_str())
                .is_some_and(|rest| above.is_empty() || rest.is_empty() || rest.starts_with('/'))
        };
        if !topmost.iter().any(is_below) {
            topmost.push(path.to_owned());
        }
    }
    topmost
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(&["a", "b"], &[true, true])]
    #[case(&["a", "a/b", "a/b/c"], &[false, false, true])]
    #[case::a_name_that_only_begins_alike(&["a", "a-b", "ab/c"], &[true, true, true])]
    #[case::the_root(&["", "a"], &[false, true])]
    #[case::the_root_alone(&[""], &[true])]
    #[case::twice(&["a/b", "a/b"], &[true, true])]
    #[case::not_right_below(&["a", "a/b/c"], &[false, true])]
    #[case::none(&[], &[])]
    fn leaf_tasks(#[case] paths: &[&str], #[case] expected: &[bool]) {
        assert_eq!(leaves(paths), expected);
    }

    #[rstest]
    #[case(&["a", "a/b", "ab", "a"], &["a", "ab"])]
    #[case::the_root(&["", "a"], &[""])]
    #[case::none(&[], &[])]
    fn paths_below_others(#[case] paths: &[&str], #[case] expected: &[&str]) {
        assert_eq!(topmost(paths.iter().copied()), expected);
    }
}
