//! How the metrics of the machine are found in its files.

use wca_pattern::Pattern;

use crate::metrics::split::stalled;
use crate::text::{lines, number, number_of, word_behind, words};
use crate::wanted::{Lines, Wanted};

/// Takes the labels of a series, save those that the file stands for as a whole, and its value.
pub(crate) type Found<'a> = &'a mut dyn FnMut(&[&[u8]], f64);

/// How a file of the machine is read.
#[derive(Clone, Copy)]
pub(crate) enum MachineRead {
    /// user + nice + system + irq + softirq + steal of each `cpuN` line of /proc/stat (proc_stat(5)). Not idle and iowait;
    /// the time of guests stands in user and nice already. Old kernels write fewer columns.
    BusyTime,
    /// `MemTotal - MemFree - Buffers - Cached` of /proc/meminfo (proc_meminfo(5)), from kB to bytes.
    MemoryInUse,
    /// One line of a node's meminfo, `Node 0 MemFree: 12 kB`, to bytes (Documentation/ABI/stable/sysfs-devices-node).
    NodeMemory(&'static str),
    /// One line of a file of lines `key number`; a kernel that does not count it has no such line.
    Key(&'static str),
    /// Those of them that are wanted.
    Keys,
    /// The number of pages behind each name that is wanted in each zone of /proc/zoneinfo (proc_zoneinfo(5)).
    Zones,
    /// A file of /proc/pressure.
    Stalled,
}

impl MachineRead {
    /// Gives `found` the values in a file; false where it is malformed, and then what was given is not to be used.
    pub(crate) fn read(self, bytes: &[u8], wanted: &Wanted, found: Found) -> bool {
        match self {
            Self::BusyTime => busy_time(bytes, found),
            Self::MemoryInUse => memory_in_use(bytes, found),
            Self::NodeMemory(key) => node_memory(bytes, key, found),
            Self::Key(key) => self::key(bytes, key, found),
            Self::Keys => keys(bytes, &wanted.vmstat, found),
            Self::Zones => zones(bytes, &wanted.zoneinfo, found),
            Self::Stalled => stalled(bytes, &mut |kind, seconds| found(&[kind], seconds)),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "2^53 ticks of 10 ms are three million years")]
fn busy_time(bytes: &[u8], found: Found) -> bool {
    const BUSY: [bool; 8] = [true, true, true, false, false, true, true, true];
    let mut count = 0;
    for line in lines(bytes).take_while(|line| line.starts_with(b"cpu")) {
        let mut words = words(line);
        let name = words.next().unwrap_or_default();
        let Some(id) = name.strip_prefix(b"cpu").filter(|id| !id.is_empty()) else { continue };
        if number(id).is_none() {
            return false;
        }
        let mut ticks = 0u64;
        let mut columns = 0;
        for (word, is_busy) in words.zip(BUSY) {
            let Some(column) = number(word) else { return false };
            ticks = ticks.saturating_add(if is_busy { column } else { 0 });
            columns += 1;
        }
        if columns < 4 {
            return false;
        }
        found(&[id], ticks as f64);
        count += 1;
    }
    count > 0
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 8 PiB")]
fn memory_in_use(bytes: &[u8], found: Found) -> bool {
    let [Some(total), Some(free), Some(buffers), Some(cached)] =
        ["MemTotal", "MemFree", "Buffers", "Cached"].map(|key| number_of(bytes, key.as_bytes()))
    else {
        return false;
    };
    let used = total.saturating_sub(free).saturating_sub(buffers).saturating_sub(cached);
    found(&[], used.saturating_mul(1_024) as f64);
    true
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 8 PiB")]
fn node_memory(bytes: &[u8], key: &str, found: Found) -> bool {
    let value = lines(bytes).find_map(|line| {
        let mut words = words(line).skip(2);
        let name = words.next()?.strip_suffix(b":")?;
        (name == key.as_bytes()).then(|| number(words.next()?))
    });
    let bytes = value.flatten().and_then(|kilobytes| kilobytes.checked_mul(1_024));
    bytes.map(|bytes| found(&[], bytes as f64)).is_some()
}

#[expect(clippy::cast_precision_loss, reason = "counters beyond 2^53 lose their last digit")]
fn key(bytes: &[u8], key: &str, found: Found) -> bool {
    match word_behind(bytes, key.as_bytes()) {
        None => !bytes.is_empty(),
        Some(word) => number(word).map(|value| found(&[], value as f64)).is_some(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "counters beyond 2^53 lose their last digit")]
fn keys(bytes: &[u8], wanted: &Lines, found: Found) -> bool {
    let mut count = 0;
    let is_well_formed = lines(bytes).filter(|line| !line.is_empty()).all(|line| {
        let mut words = words(line);
        count += 1;
        let pair = words.next().zip(words.next().and_then(number));
        let wanted_pair = pair.filter(|(key, _)| wanted.takes(key));
        wanted_pair.into_iter().for_each(|(key, value)| found(&[key], value as f64));
        pair.is_some()
    });
    is_well_formed && count > 0
}

/// Numbers that are of the whole node stand in the block of one of its zones, under this title and before the zone's own.
const PER_NODE: &[u8] = b"per-node-stats";

fn zones(bytes: &[u8], wanted: &Lines, found: Found) -> bool {
    let mut place: Option<(&[u8], &[u8])> = None;
    let mut is_per_node = false;
    for line in lines(bytes) {
        let mut words = words(line);
        match (words.next().unwrap_or_default(), words.next(), words.next(), words.next()) {
            (b"Node", Some(node), Some(b"zone"), Some(zone)) => {
                let Some(node) = node.strip_suffix(b",").filter(|node| number(node).is_some()) else { return false };
                place = Some((node, zone));
                is_per_node = false;
                continue;
            }
            (b"per-node", Some(b"stats"), None, None) => is_per_node = true,
            // `pages free 3840`, and below it the others by their name alone.
            (b"pages", ..) => is_per_node = false,
            _ => {}
        }
        let line = line.trim_ascii_start().strip_prefix(b"pages").unwrap_or(line);
        let named = match wanted {
            Lines::Matching(pattern) => groups(pattern, line),
            Lines::All | Lines::Nothing => name_and_pages(line),
        };
        let Some((name, value)) = named else { continue };
        let Some((node, zone)) = place else { return false };
        found(&[node, if is_per_node { PER_NODE } else { zone }, name], value);
    }
    place.is_some()
}

/// Name and number of a line of nothing else. What has a colon is of something else: the lists of pages that each processor
/// keeps, or the reserve against each zone.
#[expect(clippy::cast_precision_loss, reason = "2^53 pages are more than 2^64 bytes")]
fn name_and_pages(line: &[u8]) -> Option<(&[u8], f64)> {
    let mut words = words(line);
    let (name, value) = (words.next().filter(|name| is_name(name))?, words.next()?);
    words.next().is_none().then(|| number(value).map(|value| (name, value as f64)))?
}

/// The two groups of a pattern that matches from the beginning of a line, the second a number.
fn groups<'a>(pattern: &Pattern, line: &'a [u8]) -> Option<(&'a [u8], f64)> {
    let [name, value] = pattern.groups_at_beginning(str::from_utf8(line).ok()?).ok()??;
    Some((name.as_bytes(), value.trim().parse().ok()?))
}

fn is_name(word: &[u8]) -> bool {
    word.iter().all(|byte| byte.is_ascii_lowercase() || *byte == b'_')
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    /// Values with their labels, joined by commas.
    fn values(read: MachineRead, text: &str) -> Option<Vec<(String, f64)>> {
        let mut values = Vec::new();
        let is_well_formed = read.read(text.as_bytes(), &Wanted::default(), &mut |labels, value| {
            let labels: Vec<_> = labels.iter().map(|label| String::from_utf8_lossy(label)).collect();
            values.push((labels.join(","), value));
        });
        is_well_formed.then_some(values)
    }

    const FREE: MachineRead = MachineRead::NodeMemory("MemFree");
    const USED: MachineRead = MachineRead::NodeMemory("MemUsed");
    const FAULTS: MachineRead = MachineRead::Key("numa_hint_faults");

    #[rstest]
    #[case(
        MachineRead::BusyTime,
        "cpu  9 9 9 9\ncpu0 1 2 4 1000 1000 8 16 32 64 128\ncpu3 5 0 0 9 9 0 0 0 0 0\nintr 7\n",
        &[("0", 63.0), ("3", 5.0)]
    )]
    #[case(MachineRead::BusyTime, "cpu  9 9 9 9\ncpu0 1 2 4 1000\nintr 1\n", &[("0", 7.0)])]
    #[case(
        MachineRead::MemoryInUse,
        "MemTotal: 100 kB\nMemFree: 40 kB\nMemAvailable: 70 kB\nBuffers: 3 kB\nCached: 7 kB\nSwapCached: 9 kB\n",
        &[("", 51_200.0)]
    )]
    #[case(MachineRead::MemoryInUse, "MemTotal: 100 kB\nMemFree: 200 kB\nBuffers: 3 kB\nCached: 7 kB\n", &[("", 0.0)])]
    #[case(FREE, "Node 0 MemFree:       443814568 kB\nNode 0 MemUsed:    75875412 kB\n", &[("", 454_466_117_632.0)])]
    #[case(USED, "\nNode 0 MemFree:  443814568 kB\nNode 0 MemUsed:    75875412 kB\n", &[("", 77_696_421_888.0)])]
    #[case(MachineRead::Keys, "nr_foo 20\nnr_bar 30\n", &[("nr_foo", 20.0), ("nr_bar", 30.0)])]
    #[case(FAULTS, "numa_hint_faults 5\nnuma_hint_faults_local 4\n", &[("", 5.0)])]
    #[case(FAULTS, "pgfault 5\n", &[])]
    #[case(
        MachineRead::Zones,
        "Node 0, zone      DMA\n  per-node stats\n      nr_x 5\n  pages free     3867\n        min      0\n        toptier 773\n",
        &[("0,per-node-stats,nr_x", 5.0), ("0,DMA,free", 3_867.0), ("0,DMA,min", 0.0), ("0,DMA,toptier", 773.0)]
    )]
    #[case(
        MachineRead::Zones,
        "Node 0, zone DMA\n  pages free 1\n protection: (0, 3019)\n  pagesets\n    cpu: 0\n  count: 0\n  vm stats threshold: 4\n\
         node_unreclaimable:  0\n  start_pfn: 1\nNode 11, zone  Normal\n  pages free 2\n  nr_mlock     7\n",
        &[("0,DMA,free", 1.0), ("11,Normal,free", 2.0), ("11,Normal,nr_mlock", 7.0)]
    )]
    #[case(MachineRead::Stalled, "some avg10=0.00 avg60=0.00 avg300=0.00 total=2500000\n", &[("some", 2.5)])]
    fn files_of_the_machine(#[case] read: MachineRead, #[case] text: &str, #[case] expected: &[(&str, f64)]) {
        let expected: Vec<_> = expected.iter().map(|(labels, value)| ((*labels).to_owned(), *value)).collect();
        assert_eq!(values(read, text), Some(expected));
    }

    const ZONE: &str = "Node 1, zone Normal\n  per-node stats\n      nr_x 5\n  pages free     38\n        min      0\n        \
                        high     9\n        protection: (0, 1)\n";

    #[rstest]
    #[case::all(Lines::All, &["per-node-stats,nr_x=5", "Normal,free=38", "Normal,min=0", "Normal,high=9"])]
    #[case::of_one_name(matching(r"\s+(high)\s+(\d+)"), &["Normal,high=9"])]
    #[case::of_the_first_line_of_a_zone(matching(r"\s+(free|nr_.)\s+(\d+)"), &["per-node-stats,nr_x=5", "Normal,free=38"])]
    #[case::not_in_the_midst(matching(r"(high)\s+(\d+)"), &[])]
    #[case::of_something_else(matching(r"\s+(protection): \((\d+)"), &["Normal,protection=0"])]
    #[case::no_number(matching(r"\s+(high)(\s+)"), &[])]
    fn lines_of_zoneinfo(#[case] zoneinfo: Lines, #[case] expected: &[&str]) {
        let mut values = Vec::new();
        let wanted = Wanted { zoneinfo, ..Wanted::default() };
        assert!(MachineRead::Zones.read(ZONE.as_bytes(), &wanted, &mut |labels, value| {
            let labels: Vec<_> = labels[1..].iter().map(|label| String::from_utf8_lossy(label)).collect();
            values.push(format!("{}={value}", labels.join(",")));
        }));
        assert_eq!(values, expected);
    }

    #[rstest]
    #[case::all(Lines::All, &["numa_foreign", "nr_free", "pgfault"])]
    #[case::by_their_beginning(matching("n(r|uma)_"), &["numa_foreign", "nr_free"])]
    #[case::not_by_their_midst(matching("free|fault"), &[])]
    fn keys_of_vmstat(#[case] vmstat: Lines, #[case] expected: &[&str]) {
        let mut keys = Vec::new();
        let wanted = Wanted { vmstat, ..Wanted::default() };
        assert!(MachineRead::Keys.read(b"numa_foreign 1\nnr_free 2\npgfault 3\n", &wanted, &mut |labels, _| {
            keys.push(String::from_utf8_lossy(labels[0]).into_owned());
        }));
        assert_eq!(keys, expected);
    }

    fn matching(pattern: &str) -> Lines {
        Lines::matching(pattern).unwrap()
    }

    #[rstest]
    #[case(MachineRead::BusyTime, "cpu  9 9 9 9\n")]
    #[case(MachineRead::BusyTime, "cpu  9 9 9 9\ncpu0 1 2 4\n")]
    #[case(MachineRead::BusyTime, "cpu0 1 2 x 4\n")]
    #[case(MachineRead::BusyTime, "cpux 1 2 3 4\n")]
    #[case(MachineRead::BusyTime, "")]
    #[case(MachineRead::MemoryInUse, "MemTotal: 100 kB\nMemFree: 40 kB\nBuffers: 3 kB\n")]
    #[case(MachineRead::MemoryInUse, "")]
    #[case(FREE, "Node 0 MemUsed:    75875412 kB\n")]
    #[case(FREE, "Node 0 MemFree: x kB\n")]
    #[case(FREE, "Node 0 MemFree:\n")]
    #[case(FREE, "")]
    #[case(MachineRead::Keys, "")]
    #[case(MachineRead::Keys, "nr_foo\n")]
    #[case(FAULTS, "numa_hint_faults x\n")]
    #[case(FAULTS, "")]
    #[case(MachineRead::Zones, "")]
    #[case(MachineRead::Zones, "Node x, zone DMA\n")]
    #[case(MachineRead::Zones, "  pages free 1\nNode 0, zone DMA\n")]
    #[case(MachineRead::Stalled, "")]
    fn malformed_files_of_the_machine(#[case] read: MachineRead, #[case] text: &str) {
        assert_eq!(values(read, text), None);
    }
}
