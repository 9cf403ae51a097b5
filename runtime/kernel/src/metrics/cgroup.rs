//! How the metrics of a task are found in the files of its cgroup.

use crate::metrics::split::Split;
use crate::text::number;

/// How the values of several cgroups become the one of a task, as of the containers of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Join {
    /// They add up: what one of them has used, no other has.
    Sum,
    /// The greatest is taken: they do not add up, as two that waited at the same time did not wait twice as long, and two
    /// maxima are of different moments.
    Greatest,
}

/// A file of a cgroup in either hierarchy. Where both have the path, v1 is read.
pub(crate) struct CgroupPart {
    /// Value of the first level, where the file is about one thing and does not say which.
    pub label: Option<&'static str>,
    /// The file of cgroup v1.
    pub v1: Option<CgroupFile>,
    /// The file of cgroup v2.
    pub v2: Option<CgroupFile>,
    /// What is made of several cgroups.
    pub join: Join,
}

/// A file in the directory of a cgroup, and the number in it.
#[derive(Clone, Copy)]
pub(crate) struct CgroupFile {
    /// The controller that brings the file; none where every cgroup has it.
    pub controller: Option<&'static str>,
    /// Its name.
    pub file: &'static str,
    /// How it is read.
    pub read: CgroupRead,
}

impl CgroupFile {
    /// Where the same number stands on a machine with node 0 alone: in another file, which is read anyhow, and of the same
    /// moment. What memory.numa_stat counts are the pages in the lists of v1, and anonymous and file memory of v2.
    pub(crate) fn on_one_node(self) -> Self {
        let keys: &[&str] = match self.read {
            CgroupRead::Split(Split::Pages) => &[
                "total_inactive_anon",
                "total_active_anon",
                "total_inactive_file",
                "total_active_file",
                "total_unevictable",
            ],
            CgroupRead::Split(Split::BytesToPages) => &["anon", "file"],
            _ => return self,
        };
        Self { file: "memory.stat", read: CgroupRead::Split(Split::PagesOfOneNode(keys)), ..self }
    }
}

/// How numbers are found in a file of a cgroup.
#[derive(Clone, Copy)]
pub(crate) enum CgroupRead {
    /// The file is one number, of which so many make one of the metric's unit.
    Number {
        /// Divisor.
        per_unit: f64,
    },
    /// The file has lines `key number`.
    Keyed {
        /// The key.
        key: &'static str,
        /// Divisor.
        per_unit: f64,
    },
    /// The same, where a kernel or a cgroup may do without the line: then there is no value.
    KeyedOrNot {
        /// The key.
        key: &'static str,
        /// Divisor.
        per_unit: f64,
    },
    /// The file is a number of bytes, or `max` where there is no limit (cgroup-v2.rst, Conventions). Both hierarchies say
    /// "no limit" with the same number, [`NO_LIMIT`].
    Limit,
    /// The file has a number for each of several things: nodes, devices, kinds.
    Split(Split),
}

/// What stands for "no limit": the number that the memory controller of cgroup v1 writes where pages are of 4 KiB, the
/// greatest multiple of the page size in 63 bits (PAGE_COUNTER_MAX of include/linux/page_counter.h). `max` of cgroup v2
/// becomes the same, so that one dashboard works on both. No sum of limits is greater: a pod one of whose containers has
/// no limit has none.
pub(crate) const NO_LIMIT: f64 = 9_223_372_036_854_771_712.0;

impl CgroupRead {
    /// Gives `found` the values in a file, each with the label of what it is of, empty where the metric is not divided;
    /// false where the file is malformed, and then what was given is not to be used. `word` is what stands behind
    /// [`CgroupRead::key`] in it.
    #[expect(clippy::cast_precision_loss, reason = "values of metrics are f64 throughout; 2^53 ns are 104 days exact")]
    pub(crate) fn read_behind(self, word: Option<&[u8]>, bytes: &[u8], found: &mut dyn FnMut(&[u8], f64)) -> bool {
        let (word, per_unit) = match self {
            Self::Split(split) => return split.read(bytes, found),
            Self::KeyedOrNot { .. } if word.is_none() => return true,
            Self::KeyedOrNot { per_unit, .. } | Self::Keyed { per_unit, .. } => (word, per_unit),
            Self::Number { per_unit } => (Some(bytes), per_unit),
            Self::Limit if bytes.trim_ascii() == b"max" => {
                found(b"", NO_LIMIT);
                return true;
            }
            Self::Limit => (Some(bytes), 1.0),
        };
        let value = word.and_then(number);
        if let Some(value) = value {
            found(b"", value as f64 / per_unit);
        }
        value.is_some()
    }

    /// The key of the line that it is read from; none where it is no line.
    pub(crate) const fn key(self) -> Option<&'static [u8]> {
        match self {
            Self::Keyed { key, .. } | Self::KeyedOrNot { key, .. } => Some(key.as_bytes()),
            Self::Number { .. } | Self::Limit | Self::Split(_) => None,
        }
    }

    /// Whether a file may be well-formed and have no value.
    pub(crate) const fn may_lack_its_line(self) -> bool {
        matches!(self, Self::KeyedOrNot { .. })
    }

    /// Whether its values have labels.
    pub(crate) const fn is_split(self) -> bool {
        matches!(self, Self::Split(_))
    }

    /// The greatest value that a sum over the cgroups of a task can have.
    pub(crate) fn greatest_sum(self) -> f64 {
        if matches!(self, Self::Limit) { NO_LIMIT } else { f64::INFINITY }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::text::word_behind;

    fn read_whole(read: CgroupRead, bytes: &[u8], found: &mut dyn FnMut(&[u8], f64)) -> bool {
        read.read_behind(read.key().and_then(|key| word_behind(bytes, key)), bytes, found)
    }

    const USEC: CgroupRead = CgroupRead::Keyed { key: "usage_usec", per_unit: 1e6 };
    const FAULTS: CgroupRead = CgroupRead::Keyed { key: "pgfault", per_unit: 1.0 };
    const PERIODS: CgroupRead = CgroupRead::KeyedOrNot { key: "nr_periods", per_unit: 1.0 };

    #[rstest]
    #[case(CgroupRead::Number { per_unit: 1e9 }, "1500000000\n", Some(1.5))]
    #[case(CgroupRead::Number { per_unit: 1.0 }, "9223372036854771712\n", Some(NO_LIMIT))]
    #[case(CgroupRead::Number { per_unit: 1.0 }, "max\n", None)]
    #[case(CgroupRead::Number { per_unit: 1.0 }, "", None)]
    #[case(USEC, "usage_usec 2500000\nuser_usec 1\n", Some(2.5))]
    #[case(USEC, "user_usec 1\n", None)]
    #[case(USEC, "usage_usec x\n", None)]
    #[case(FAULTS, "pgmajfault 3\npgfault 7\ntotal_pgfault 9\n", Some(7.0))]
    #[case(FAULTS, "total_pgfault 9\n", None)]
    #[case(PERIODS, "usage_usec 1\nnr_periods 12\n", Some(12.0))]
    #[case(PERIODS, "nr_periods -1\n", None)]
    #[case(CgroupRead::Limit, "2000\n", Some(2_000.0))]
    #[case(CgroupRead::Limit, "0\n", Some(0.0))]
    #[case(CgroupRead::Limit, "max\n", Some(NO_LIMIT))]
    #[case(CgroupRead::Limit, "9223372036854771712\n", Some(NO_LIMIT))]
    #[case(CgroupRead::Limit, "maximum\n", None)]
    #[case(CgroupRead::Limit, "", None)]
    fn values_of_cgroups(#[case] read: CgroupRead, #[case] text: &str, #[case] expected: Option<f64>) {
        let mut values = Vec::new();
        let is_well_formed = read_whole(read, text.as_bytes(), &mut |label, value| {
            assert_eq!(label, b"");
            values.push(value);
        });
        assert_eq!((is_well_formed, values), (expected.is_some(), Vec::from_iter(expected)));
    }

    #[test]
    fn a_line_that_may_be_missing_is_no_value_and_no_trouble() {
        let mut count = 0;
        assert!(read_whole(PERIODS, b"usage_usec 1\n", &mut |_, _| count += 1));
        assert_eq!(count, 0);
    }
}
