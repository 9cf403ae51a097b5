//! Which tasks are counted, where there is not room for all.

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
