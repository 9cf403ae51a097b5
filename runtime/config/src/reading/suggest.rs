//! What somebody may have meant.

/// Names that are near to a wrong one, the nearest first, at most three.
pub(crate) fn nearest<'n>(wrong: &str, names: impl IntoIterator<Item = &'n str>) -> Vec<&'n str> {
    let wrong = wrong.to_lowercase();
    // A third of the letters: with more, short names are near to everything.
    let most = (wrong.chars().count() / 3).max(1);
    let distance = |name: &str| strsim::damerau_levenshtein(&wrong, &name.to_lowercase());
    let mut near: Vec<_> = names.into_iter().map(|name| (distance(name), name)).collect();
    near.retain(|(distance, _)| *distance <= most);
    near.sort_unstable();
    near.dedup();
    near.into_iter().take(3).map(|(_, name)| name).collect()
}

/// "did you mean …?" for [`nearest`] names, each between these marks.
pub(crate) fn did_you_mean(near: &[&str], before: &str) -> Option<String> {
    let quoted: Vec<_> = near.iter().map(|name| format!("`{before}{name}`")).collect();
    (!quoted.is_empty()).then(|| format!("did you mean {}?", quoted.join(" or ")))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const NAMES: [&str; 6] =
        ["metrics_storage", "anomalies_storage", "allocations_storage", "node", "interval", "LogStorage"];

    #[rstest]
    #[case("metric_storage", &["metrics_storage"])]
    #[case("alloation_storage", &["allocations_storage"])]
    #[case("allocation_storage", &["allocations_storage"])]
    #[case("nods", &["node"])]
    #[case("logstorage", &["LogStorage"])]
    #[case("ontervla", &["interval"])]
    #[case("x", &[])]
    #[case("period", &[])]
    fn misspelt_names(#[case] wrong: &str, #[case] expected: &[&str]) {
        assert_eq!(nearest(wrong, NAMES).first(), expected.first());
    }

    #[test]
    fn the_question() {
        assert_eq!(did_you_mean(&["A", "B"], "!").unwrap(), "did you mean `!A` or `!B`?");
        assert_eq!(did_you_mean(&[], ""), None);
    }
}
