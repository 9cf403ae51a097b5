//! Lists of processors, as a kubelet writes them.

use std::collections::BTreeSet;

use wca_messages::MAX_CPU;

/// Adds the processors of a list such as `0,2-12`; none of them where it is empty. The error is what is wrong.
pub(super) fn cpus(text: &str, found: &mut BTreeSet<u32>) -> Result<(), String> {
    if text.is_empty() {
        return Ok(());
    }
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err(format!("{part:?} ends before it begins"));
        }
        found.extend(first..=last);
    }
    Ok(())
}

fn number(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(cpu) if cpu <= MAX_CPU => Ok(cpu),
        _ => Err(format!("{:?} is no number up to {MAX_CPU}", text.chars().take(20).collect::<String>())),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("", &[])]
    #[case("3", &[3])]
    #[case("0,2-4,9", &[0, 2, 3, 4, 9])]
    #[case("4-4,4", &[4])]
    #[case("65535", &[65_535])]
    fn lists(#[case] text: &str, #[case] expected: &[u32]) {
        let mut found = BTreeSet::new();
        assert_eq!(cpus(text, &mut found), Ok(()));
        assert_eq!(found.into_iter().collect::<Vec<u32>>(), expected);
    }

    #[rstest]
    #[case("65536", "\"65536\" is no number up to 65535")]
    #[case("0-4294967295", "\"4294967295\" is no number up to 65535")]
    #[case("4-2", "\"4-2\" ends before it begins")]
    #[case("1.3", "\"1.3\" is no number up to 65535")]
    #[case("1,", "\"\" is no number up to 65535")]
    #[case("-1", "\"\" is no number up to 65535")]
    #[case("1-2-3", "\"2-3\" is no number up to 65535")]
    fn what_is_no_list(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(cpus(text, &mut BTreeSet::new()), Err(expected.to_owned()));
    }
}
