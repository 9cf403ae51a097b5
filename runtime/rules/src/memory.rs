//! Limits on memory.

/// As many bytes as whole pages hold: the kernel counts limits in pages, and drops the rest.
#[must_use]
pub fn whole_pages(bytes: u64, page: u64) -> u64 {
    bytes - bytes % page.max(1)
}

/// Least limit that leaves a task room, where it uses so many bytes: a tenth more.
///
/// What counts as in use includes the page cache, which the kernel reclaims first; but nobody can tell from outside how much of it the
/// task needs at once, and a limit below what is in use ends in the out-of-memory killer where it needs all.
#[must_use]
pub fn least_limit(used: u64) -> u64 {
    used.saturating_add(used / 10)
}

/// A limit on memory and swap together that goes with a new limit on memory (`memory.memsw.limit_in_bytes` of cgroup v1): it leaves
/// as much swap as was left before. None: no limit.
#[must_use]
pub fn with_swap(limit: Option<u64>, limit_before: Option<u64>, both_before: Option<u64>) -> Option<u64> {
    let swap = match (both_before?, limit_before) {
        (both, Some(limit)) => both.saturating_sub(limit),
        (_, None) => 0,
    };
    Some(limit?.saturating_add(swap))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(4_096, 4_096, 4_096)]
    #[case(8_191, 4_096, 4_096)]
    #[case(65_535, 65_536, 0)]
    #[case(7, 0, 7)]
    fn pages(#[case] bytes: u64, #[case] page: u64, #[case] expected: u64) {
        assert_eq!(whole_pages(bytes, page), expected);
    }

    #[rstest]
    #[case(0, 0)]
    #[case(1_000, 1_100)]
    #[case(u64::MAX, u64::MAX)]
    fn room(#[case] used: u64, #[case] expected: u64) {
        assert_eq!(least_limit(used), expected);
    }

    #[rstest]
    #[case::nobody_limits_swap(Some(10), None, None, None)]
    #[case::nobody_limits_swap(Some(10), Some(50), None, None)]
    #[case::swap_is_left_as_it_was(Some(10), Some(50), Some(80), Some(40))]
    #[case::no_swap(Some(100), Some(50), Some(50), Some(100))]
    #[case::lifted(None, Some(50), Some(80), None)]
    fn memory_and_swap(
        #[case] limit: Option<u64>,
        #[case] limit_before: Option<u64>,
        #[case] both_before: Option<u64>,
        #[case] expected: Option<u64>,
    ) {
        assert_eq!(with_swap(limit, limit_before, both_before), expected);
    }
}
