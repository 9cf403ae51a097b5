//! One form for each value, so that what was asked for and what the kernel shows can be compared.

use std::collections::BTreeSet;

use super::Spot;
use crate::text::number_list;

/// What a v1 limit on memory shows where there is none: the greatest number of pages, in bytes. With larger pages it is less.
const UNLIMITED: u64 = 0x7fff_ffff_ffff_0000;
/// No limit, as v1 takes it.
const NO_LIMIT: &str = "-1";

/// The form in which a value is compared and kept, and in which it can be written back: without the white space around and between
/// its words; lists of processors and nodes in ascending ranges; `-1` where cgroup v1 shows a number for no limit on memory; of a
/// file with a default and lines of devices (`io.weight`) the default alone.
#[must_use]
pub fn canonical(spot: &Spot, text: &str) -> String {
    let words = || text.split_whitespace().collect::<Vec<_>>().join(" ");
    let Spot::Cgroup { file, .. } = spot else { return words() };
    match file.as_str() {
        "cpuset.cpus" | "cpuset.mems" => list(text).unwrap_or_else(words),
        "memory.limit_in_bytes" | "memory.memsw.limit_in_bytes" => bytes_of_v1(text).unwrap_or_else(words),
        "io.weight" | "io.bfq.weight" => default_line(text).unwrap_or_else(words),
        _ => words(),
    }
}

/// The numbers of a list of processors or nodes, such as `0-3,8`; none where it is none.
#[must_use]
pub fn numbers(text: &str) -> Option<BTreeSet<u32>> {
    number_list(text.as_bytes()).map(BTreeSet::from_iter)
}

fn list(text: &str) -> Option<String> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for number in numbers(text)? {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    let range = |(first, last)| if first == last { format!("{first}") } else { format!("{first}-{last}") };
    Some(ranges.into_iter().map(range).collect::<Vec<_>>().join(","))
}

fn bytes_of_v1(text: &str) -> Option<String> {
    let bytes: u64 = text.trim().parse().ok()?;
    Some(if bytes >= UNLIMITED { NO_LIMIT.to_owned() } else { bytes.to_string() })
}

fn default_line(text: &str) -> Option<String> {
    let weight = text.lines().find_map(|line| {
        let line = line.trim();
        // Kernels before 5.5 show the weight of BFQ without the word.
        line.strip_prefix("default ").or_else(|| Some(line).filter(|line| !line.is_empty() && !line.contains(' ')))
    })?;
    Some(format!("default {}", weight.trim()))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("cpuset.cpus", "0-3,8\n", "0-3,8")]
    #[case("cpuset.cpus", "0,1,2,3,8", "0-3,8")]
    #[case("cpuset.cpus", "8,3,1-2,0", "0-3,8")]
    #[case("cpuset.mems", "\n", "")]
    #[case("cpuset.mems", "x  y", "x y")]
    #[case("cpuset.cpus", "4294967295", "4294967295")]
    #[case("cpu.max", "max  100000\n", "max 100000")]
    #[case("memory.limit_in_bytes", "9223372036854771712\n", "-1")]
    #[case("memory.limit_in_bytes", "9223372036854710272", "-1")]
    #[case("memory.memsw.limit_in_bytes", "4096\n", "4096")]
    #[case("memory.limit_in_bytes", "-1", "-1")]
    #[case("memory.max", "9223372036854771712\n", "9223372036854771712")]
    #[case("io.weight", "default 100\n8:0 50\n", "default 100")]
    #[case("io.bfq.weight", "100\n", "default 100")]
    #[case("io.weight", "", "")]
    #[case("blkio.weight", "500\n", "500")]
    fn forms(#[case] file: &str, #[case] text: &str, #[case] expected: &str) {
        let spot = Spot::Cgroup { mount: "/m".into(), cgroup: "/a".into(), file: file.into() };
        assert_eq!(canonical(&spot, text), expected);
        assert_eq!(canonical(&spot, expected), expected, "one form has one form");
    }
}
