//! When a number is another one.

/// Part of a number within which another one counts as the same.
const TOLERANCE: f64 = 0.01;

/// Whether what is asked for is so near to what is in force that nothing is to be written: within 1 %, however small both are.
///
/// It is compared with what is in force and not with what was asked for last, so that small changes add up until they count.
#[must_use]
pub fn is_close(in_force: f64, asked: f64) -> bool {
    (in_force - asked).abs() <= TOLERANCE * in_force.abs().max(asked.abs())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::v25(10.0, 10.01, true)]
    #[case::v25(10.0, 11.0, false)]
    #[case::v25(10.0, 10.11, false)]
    #[case::v25(10.99, 10.99, true)]
    #[case::v26(10.0, 10.99, false)]
    #[case::v28(0.4, 0.5, false)]
    #[case::v28(0.2, 0.2, true)]
    #[case::v29(2.0, 2.01, true)]
    #[case::v29(2.0, 2.1, false)]
    #[case::what_an_absolute_one_hid(0.02, 0.05, false)]
    #[case::what_an_absolute_one_hid(1.0, 1.04, false)]
    #[case::nothing(0.0, 0.0, true)]
    #[case::nothing(0.0, 0.001, false)]
    #[case::no_number(f64::NAN, 1.0, false)]
    fn numbers(#[case] in_force: f64, #[case] asked: f64, #[case] expected: bool) {
        assert_eq!(is_close(in_force, asked), expected);
    }

    #[test]
    fn small_changes_add_up_until_they_count() {
        let (mut in_force, mut writes) = (100.0, 0);
        for step in 1..=20 {
            let asked = 100.0 * 1.002_f64.powi(step);
            if !is_close(in_force, asked) {
                in_force = asked;
                writes += 1;
            }
        }
        assert!(in_force > 103.0 && writes == 3, "{in_force} {writes}");
    }
}
