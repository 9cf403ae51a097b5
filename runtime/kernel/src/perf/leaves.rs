//! Which tasks are counted, where not all can be.

use std::collections::HashSet;

/// Whether each of these cgroups has none of the others below it.
///
/// Counters of a cgroup count those below it too, so the counters of one that has a task of its own below would be opened
/// twice for the same work. Paths are relative, without slashes at their ends.
pub(crate) fn leaves(paths: &[&str]) -> Vec<bool> {
    let all: HashSet<&str> = paths.iter().copied().collect();
    let mut above: HashSet<&str> = HashSet::new();
    for path in &all {
        let ends = path.match_indices('/').map(|(end, _)| end).chain((!path.is_empty()).then_some(0));
        above.extend(ends.map(|end| &path[..end]).filter(|one| all.contains(one)));
    }
    paths.iter().map(|path| !above.contains(path)).collect()
}

/// Which of `count` candidates are counted where there is room for so many: those that are already, then in their order.
pub(crate) fn chosen(is_candidate: &[bool], is_counted: &[bool], room: usize) -> Vec<bool> {
    let mut chosen = vec![false; is_candidate.len()];
    let mut left = room;
    for first in [true, false] {
        for (at, chosen) in chosen.iter_mut().enumerate() {
            if left > 0 && is_candidate[at] && is_counted[at] == first {
                *chosen = true;
                left -= 1;
            }
        }
    }
    chosen
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
    #[case(&[true, true, true], &[false, false, false], 2, &[true, true, false])]
    #[case::those_that_are_counted_stay(&[true, true, true], &[false, false, true], 2, &[true, false, true])]
    #[case::no_candidate(&[false, true, true], &[true, false, false], 1, &[false, true, false])]
    #[case::no_room(&[true], &[true], 0, &[false])]
    fn tasks_for_which_there_is_room(
        #[case] is_candidate: &[bool],
        #[case] is_counted: &[bool],
        #[case] room: usize,
        #[case] expected: &[bool],
    ) {
        assert_eq!(chosen(is_candidate, is_counted, room), expected);
    }
}
