//! How what the scheduler counts of threads becomes a number of their task.

/// How numbers of threads become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// They add up.
    Sum,
    /// The greatest counts.
    Greatest,
}

/// How the numbers of a key become one; none where nothing that could be made of them means anything: points in time,
/// settings, numbers of nodes, averages.
pub(crate) fn way(key: &[u8]) -> Option<Way> {
    const LEFT_OUT: [&[u8]; 26] = [
        b"se.exec_start",
        b"se.vruntime",
        b"se.deadline",
        b"se.vlag",
        b"se.slice",
        b"se.avg.last_update_time",
        b"clock-delta",
        b"policy",
        b"prio",
        b"uclamp.min",
        b"uclamp.max",
        b"effective uclamp.min",
        b"effective uclamp.max",
        b"dl.runtime",
        b"dl.deadline",
        b"dl.server",
        b"ext.enabled",
        b"mm->numa_scan_seq",
        b"numa_preferred_nid",
        b"avg_atom",
        b"avg_per_cpu",
        b"wait_start",
        b"sleep_start",
        b"block_start",
        b"arch.cpu_util",
        b"core_cookie",
    ];
    // The statistics had this prefix until Linux 5.15.
    let bare = [&b"se.statistics."[..], b"stats."].iter().find_map(|prefix| key.strip_prefix(*prefix)).unwrap_or(key);
    if LEFT_OUT.contains(&key) || LEFT_OUT.contains(&bare) {
        return None;
    }
    Some(if key.ends_with(b"_max") { Way::Greatest } else { Way::Sum })
}

impl Way {
    /// One number for two.
    pub(crate) fn join(self, one: f64, other: f64) -> f64 {
        match self {
            // The first number of a task.
            _ if one.is_nan() => other,
            Self::Sum => one + other,
            Self::Greatest => one.max(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("nr_switches", Some(Way::Sum))]
    #[case("se.sum_exec_runtime", Some(Way::Sum))]
    #[case("se.statistics.wait_sum", Some(Way::Sum))]
    #[case("numa_pages_migrated", Some(Way::Sum))]
    #[case("wait_max", Some(Way::Greatest))]
    #[case("se.statistics.block_max", Some(Way::Greatest))]
    #[case("se.statistics.sleep_start", None)]
    #[case("numa_preferred_nid", None)]
    #[case("prio", None)]
    #[case("se.vruntime", None)]
    fn ways(#[case] key: &str, #[case] expected: Option<Way>) {
        assert_eq!(way(key.as_bytes()), expected);
    }

    #[test]
    fn numbers_are_joined() {
        assert_eq!((Way::Sum.join(f64::NAN, 2.0), Way::Sum.join(2.0, 3.0)), (2.0, 5.0));
        assert_eq!((Way::Greatest.join(f64::NAN, 2.0), Way::Greatest.join(2.0, 1.0)), (2.0, 2.0));
    }
}
