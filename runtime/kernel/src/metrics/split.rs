//! Files of a cgroup that have a number for each of several things.

use rustix::param::page_size;

use crate::text::{lines, number, word_of_line, words};

/// How such a file is read.
#[derive(Clone, Copy)]
pub(crate) enum Split {
    /// memory.numa_stat of v1: pages of each node, of the cgroup and those below it where the kernel counts them
    /// (`hierarchical_total`), else of the cgroup alone (`total`). Section 5.6 of cgroup-v1/memory.rst.
    Pages,
    /// memory.numa_stat of v2: bytes of each node, by kind. What v1 calls the total is the sum of `anon` and `file`: the
    /// other kinds are parts of these, or memory of the kernel, which v1 does not count and which cannot be moved between
    /// nodes. Transparent huge pages are in these sums of both versions, each as the small pages that it is made of. Those
    /// of hugetlbfs are in neither, but since 6.13 in `hugetlb` where they are charged to the cgroup (the mount option
    /// `memory_hugetlb_accounting`): they are memory of the task then. (cgroup-v2.rst: "memory.numa_stat: breaks down the
    /// cgroup's memory footprint", kinds as in memory.stat.)
    BytesToPages,
    /// memory.stat, where node 0 is the only one that there can be: its pages are the sum of these lines, in bytes.
    PagesOfOneNode(&'static [&'static str]),
    /// Lines `key number`: all of them, or the one.
    Keys {
        /// The one.
        only: Option<&'static str>,
    },
    /// Lines `DEVICE OPERATION number`, as blkio has them, of one operation (cgroup-v1/blkio-controller.rst).
    Operation(&'static str),
    /// Lines `DEVICE key=number key=number` of v2 (nested keyed files of cgroup-v2.rst), the number of one key.
    Nested(&'static str),
    /// Lines `KIND avg10=0.00 avg60=0.00 avg300=0.00 total=number`, the total in microseconds, as seconds
    /// (Documentation/accounting/psi.rst).
    Stalled,
}

impl Split {
    /// As [`crate::metrics::CgroupRead::read`].
    pub(crate) fn read(self, bytes: &[u8], found: &mut dyn FnMut(&[u8], f64)) -> bool {
        match self {
            Self::Pages => pages(bytes, found),
            Self::BytesToPages => bytes_to_pages(bytes, found),
            Self::PagesOfOneNode(keys) => pages_of_one_node(bytes, keys, found),
            Self::Keys { only } => keys(bytes, only, found),
            Self::Operation(operation) => operations(bytes, operation, found),
            Self::Nested(key) => nested(bytes, key, found),
            Self::Stalled => stalled(bytes, found),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "2^53 pages are more than 2^64 bytes")]
fn pages(bytes: &[u8], found: &mut dyn FnMut(&[u8], f64)) -> bool {
    let line_of = |key: &[u8]| lines(bytes).find_map(|line| line.strip_prefix(key));
    let Some(line) = line_of(b"hierarchical_total=").or_else(|| line_of(b"total=")) else { return false };
    nodes(line).all(|node| node.map(|(node, pages)| found(node, pages as f64)).is_some())
}

/// Begins the line of hugetlbfs in memory.stat and memory.numa_stat, which is there only where that is memory of the task.
const HUGE_PAGES: &[u8] = b"hugetlb ";

#[expect(clippy::cast_precision_loss, reason = "exact up to 8 PiB")]
fn bytes_to_pages(bytes: &[u8], found: &mut dyn FnMut(&[u8], f64)) -> bool {
    let line_of = |key: &[u8]| lines(bytes).find_map(|line| line.strip_prefix(key));
    let (Some(anon), Some(file)) = (line_of(b"anon "), line_of(b"file ")) else { return false };
    let (mut files, mut huge) = (nodes(file), line_of(HUGE_PAGES).map(nodes));
    let is_well_formed = nodes(anon).all(|node| {
        let sum = of_same_node(node, files.next().flatten());
        let sum = match &mut huge {
            Some(huge) => of_same_node(sum, huge.next().flatten()),
            None => sum,
        };
        sum.map(|(node, sum)| found(node, sum as f64 / page_size() as f64)).is_some()
    });
    is_well_formed && files.next().is_none() && huge.is_none_or(|mut huge| huge.next().is_none())
}

/// The sum of two lines for a node: all lines have the same nodes in the same order.
fn of_same_node<'a>(one: Option<(&'a [u8], u64)>, other: Option<(&[u8], u64)>) -> Option<(&'a [u8], u64)> {
    let ((node, sum), (of, bytes)) = one.zip(other)?;
    if node == of { Some((node, sum.checked_add(bytes)?)) } else { None }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 8 PiB")]
fn pages_of_one_node(bytes: &[u8], keys: &[&str], found: &mut dyn FnMut(&[u8], f64)) -> bool {
    let (mut count, mut sum) = (0, 0u64);
    for line in lines(bytes) {
        let named = keys.iter().find_map(|key| word_of_line(line, key.as_bytes()));
        if let Some(word) = named.or_else(|| line.strip_prefix(HUGE_PAGES)) {
            let Some(next) = number(word).and_then(|value| sum.checked_add(value)) else { return false };
            (count, sum) = (count + usize::from(named.is_some()), next);
        }
    }
    if count == keys.len() {
        found(b"0", sum as f64 / page_size() as f64);
    }
    count == keys.len()
}

/// Number of the node and value of each `N0=123` of a line; none for one that looks otherwise. A first word without a node
/// is the sum of all.
fn nodes(line: &[u8]) -> impl Iterator<Item = Option<(&[u8], u64)>> {
    let sum_first = words(line).take(1).filter(|word| number(word).is_some()).count();
    words(line).skip(sum_first).map(|word| {
        let (node, value) = pair(word.strip_prefix(b"N")?)?;
        Some((number(node).map(|_| node)?, value))
    })
}

#[expect(clippy::cast_precision_loss, reason = "events that nobody counts beyond 2^53")]
fn keys(bytes: &[u8], only: Option<&str>, found: &mut dyn FnMut(&[u8], f64)) -> bool {
    lines(bytes).filter(|line| !line.is_empty()).all(|line| {
        let mut words = words(line);
        let (key, value) = (words.next(), words.next().and_then(number));
        let Some((key, value)) = key.zip(value).filter(|_| words.next().is_none()) else { return false };
        if only.is_none_or(|only| only.as_bytes() == key) {
            found(key, value as f64);
        }
        true
    })
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 8 PiB")]
fn operations(bytes: &[u8], operation: &str, found: &mut dyn FnMut(&[u8], f64)) -> bool {
    lines(bytes).filter(|line| !line.is_empty()).all(|line| {
        let mut words = words(line);
        let Some(device) = words.next() else { return false };
        // The last line is the sum over all devices.
        if device == b"Total" {
            return true;
        }
        let (Some(of), Some(value)) = (words.next(), words.next().and_then(number)) else { return false };
        if is_device(device) && of == operation.as_bytes() {
            found(device, value as f64);
        }
        is_device(device)
    })
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 8 PiB")]
fn nested(bytes: &[u8], key: &str, found: &mut dyn FnMut(&[u8], f64)) -> bool {
    lines(bytes).filter(|line| !line.is_empty()).all(|line| {
        let mut words = words(line);
        let Some(device) = words.next().filter(|device| is_device(device)) else { return false };
        // A device that did nothing yet is a line without keys in some kernels, and other keys follow its own.
        let value = words.filter_map(|word| word.strip_prefix(key.as_bytes())?.strip_prefix(b"=")).next();
        match value.map(number) {
            Some(Some(value)) => found(device, value as f64),
            Some(None) => return false,
            None => {}
        }
        true
    })
}

/// Seconds of each kind.
#[expect(clippy::cast_precision_loss, reason = "2^53 us are 285 years")]
pub(crate) fn stalled(bytes: &[u8], found: &mut dyn FnMut(&[u8], f64)) -> bool {
    let mut count = 0;
    let is_well_formed = lines(bytes).filter(|line| !line.is_empty()).all(|line| {
        let kind = words(line).next();
        let total = words(line).find_map(|word| number(word.strip_prefix(b"total=")?));
        count += 1;
        kind.zip(total).map(|(kind, total)| found(kind, total as f64 / 1e6)).is_some()
    });
    is_well_formed && count > 0
}

/// `8:16`: major and minor number.
fn is_device(word: &[u8]) -> bool {
    let mut parts = word.split(|byte| *byte == b':').map(number);
    matches!((parts.next(), parts.next(), parts.next()), (Some(Some(_)), Some(Some(_)), None))
}

/// `key=number`.
fn pair(word: &[u8]) -> Option<(&[u8], u64)> {
    let at = word.iter().position(|byte| *byte == b'=')?;
    Some((&word[..at], number(&word[at + 1..])?))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const PAGES: Split = Split::Pages;
    const BYTES: Split = Split::BytesToPages;
    const EVENTS: Split = Split::Keys { only: None };
    const KILLS: Split = Split::Keys { only: Some("oom_kill") };
    const READ: Split = Split::Operation("Read");
    const WRITE_OPS: Split = Split::Nested("wios");
    const ONE_NODE: Split = Split::PagesOfOneNode(&["anon", "file"]);

    #[rstest]
    #[case(PAGES, "total=9 N0=4 N1=5\nfile=0 N0=0 N1=0\nhierarchical_total=1 N0=123 N1=234\n", &[("0", 123.0), ("1", 234.0)])]
    #[case(PAGES, "hierarchical_total=1 N0=123 N1=234\n", &[("0", 123.0), ("1", 234.0)])]
    #[case(PAGES, "total=9 N0=4 N12=5\nfile=0 N0=0 N12=0\n", &[("0", 4.0), ("12", 5.0)])]
    #[case(ONE_NODE, "anon 8192\nfile_mapped 1\nfile 4096\nanon_thp 2097152\n", &[("0", 3.0)])]
    #[case(EVENTS, "low 0\nhigh 7\noom_group_kill 1\n", &[("low", 0.0), ("high", 7.0), ("oom_group_kill", 1.0)])]
    #[case(KILLS, "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", &[("oom_kill", 3.0)])]
    #[case(KILLS, "oom_kill_disable 0\nunder_oom 0\n", &[])]
    #[case(READ, "8:0 Read 12\n8:0 Write 5\n8:0 Sync 0\n259:1 Read 7\n8:0 Total 17\nTotal 24\n", &[("8:0", 12.0), ("259:1", 7.0)])]
    #[case(READ, "Total 0\n", &[])]
    #[case(WRITE_OPS, "8:16 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n8:0 rios=1 wios=9 cost.usage=3\n", &[("8:16", 4.0), ("8:0", 9.0)])]
    #[case(WRITE_OPS, "8:16 \n", &[])]
    #[case(WRITE_OPS, "", &[])]
    #[case(
        Split::Stalled,
        "some avg10=1.53 avg60=1.87 avg300=0.00 total=58761459\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
        &[("some", 58.761_459), ("full", 0.0)]
    )]
    #[case(Split::Stalled, "some avg10=0.00 avg60=0.00 avg300=0.00 total=1000000\n", &[("some", 1.0)])]
    fn each_thing_has_its_number(#[case] split: Split, #[case] text: &str, #[case] expected: &[(&str, f64)]) {
        assert_eq!(
            values(split, text).unwrap(),
            expected.iter().map(|(l, v)| ((*l).to_owned(), *v)).collect::<Vec<_>>()
        );
    }

    #[rstest]
    #[case(PAGES, "")]
    #[case(PAGES, "file=0 N0=0\n")]
    #[case(PAGES, "hierarchical_total=1 N0=x\n")]
    #[case(PAGES, "total=1 Nx=1\n")]
    #[case(PAGES, "total=1 N0\n")]
    #[case(BYTES, "")]
    #[case(BYTES, "anon N0=4096\n")]
    #[case(BYTES, "anon N0=4096\nfile N1=4096\n")]
    #[case(BYTES, "anon N0=4096\nfile N0=4096 N1=4096\n")]
    #[case(BYTES, "anon N0=18446744073709551615\nfile N0=1\n")]
    #[case(BYTES, "anon N0=4096\nfile N0=4096\nhugetlb N1=2097152\n")]
    #[case(ONE_NODE, "anon 8192\n")]
    #[case(ONE_NODE, "anon 8192\nfile x\n")]
    #[case(ONE_NODE, "anon 18446744073709551615\nfile 1\n")]
    #[case(EVENTS, "low\n")]
    #[case(EVENTS, "low x\n")]
    #[case(EVENTS, "low 1 2\n")]
    #[case(READ, "8:0 Read\n")]
    #[case(READ, "8:0 Read x\n")]
    #[case(READ, "sda Read 1\n")]
    #[case(WRITE_OPS, "8:0 wios=x\n")]
    #[case(WRITE_OPS, "8 wios=1\n")]
    #[case(Split::Stalled, "")]
    #[case(Split::Stalled, "some avg10=0.00\n")]
    #[case(Split::Stalled, "some total=x\n")]
    fn what_is_malformed_is_no_value(#[case] split: Split, #[case] text: &str) {
        assert_eq!(values(split, text), None);
    }

    #[test]
    fn bytes_of_the_two_kinds_are_pages() {
        let page = page_size();
        let line = |kind, first: usize, second: usize| format!("{kind} N0={} N1={}\n", first * page, second * page);
        let text =
            [line("anon", 3, 0), line("file", 4, 9), line("kernel_stack", 7, 7), line("anon_thp", 2, 0)].concat();
        assert_eq!(values(BYTES, &text).unwrap(), [("0".to_owned(), 7.0), ("1".to_owned(), 9.0)]);
    }

    #[test]
    fn huge_pages_that_are_charged_to_the_task_are_pages() {
        let page = page_size();
        let text =
            format!("anon N0={page} N1=0\nfile N0=0 N1={page}\nanon_thp N0=0 N1=0\nhugetlb N0=0 N1={}\n", 512 * page);
        assert_eq!(values(BYTES, &text).unwrap(), [("0".to_owned(), 1.0), ("1".to_owned(), 513.0)]);
        let stat = format!("anon {page}\nfile {page}\nhugetlb {}\n", 512 * page);
        assert_eq!(values(ONE_NODE, &stat).unwrap(), [("0".to_owned(), 514.0)]);
    }

    fn values(split: Split, text: &str) -> Option<Vec<(String, f64)>> {
        let mut values = Vec::new();
        let is_well_formed = split.read(text.as_bytes(), &mut |label, value| {
            values.push((String::from_utf8(label.to_owned()).unwrap(), value));
        });
        is_well_formed.then_some(values)
    }
}
