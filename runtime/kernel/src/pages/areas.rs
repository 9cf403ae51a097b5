//! Where a process has pages: /proc/PID/numa_maps (numa(7)) and /proc/PID/maps (proc_pid_maps(5)).

use crate::error::excerpt;
use crate::files::read_optional;
use crate::text::{hexadecimal, lines, number, words};
use crate::{KernelError, Roots};

use super::proc_file;

/// A mapped area.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Area {
    /// Its first address.
    pub(super) start: u64,
    /// The address behind its last.
    pub(super) end: u64,
    /// Bytes of a page that the area is counted in: larger than others where it was mapped so (hugetlb).
    pub(super) page_size: u64,
    /// Nodes on which it has pages, with their numbers of pages.
    pub(super) pages: Vec<(u32, u64)>,
}

/// The areas of a process that have pages; none of one that has ended.
pub(super) fn areas(roots: &Roots, process: u32) -> Result<Vec<Area>, KernelError> {
    let path = proc_file(roots, process, "numa_maps");
    let Some(bytes) = read_optional(&path)? else { return Ok(Vec::new()) };
    let ends = ends(roots, process)?;
    let mut areas = Vec::new();
    for line in lines(&bytes).filter(|line| !line.is_empty()) {
        let malformed = || KernelError::Malformed {
            path: path.clone(),
            expected: "an address, a policy and counts such as N0=12",
            found: excerpt(line),
        };
        let area = counted(line).ok_or_else(malformed)?;
        // An area that came or went between the two files is left for the next look.
        let end = ends.binary_search_by_key(&area.start, |(start, _)| *start).ok().map(|at| ends[at].1);
        if let Some(end) = end.filter(|_| !area.pages.is_empty()) {
            areas.push(Area { end, ..area });
        }
    }
    Ok(areas)
}

/// The area of a line of numa_maps, which does not say where it ends: as if it ended where it starts.
fn counted(line: &[u8]) -> Option<Area> {
    let mut words = words(line);
    let start = hexadecimal(words.next()?)?;
    let mut pages = Vec::new();
    let mut page_size = 4_096;
    for word in words {
        if let Some(kilobytes) = word.strip_prefix(b"kernelpagesize_kB=") {
            page_size = number(kilobytes)?.checked_mul(1_024)?;
        } else if let Some((node, count)) = word.strip_prefix(b"N").and_then(|rest| split(rest, b'='))
            && let (Some(node), Some(count)) = (number(node), number(count))
        {
            pages.push((u32::try_from(node).ok()?, count));
        }
    }
    Some(Area { start, end: start, page_size, pages })
}

/// First addresses of all areas, in order, with the addresses behind their last.
fn ends(roots: &Roots, process: u32) -> Result<Vec<(u64, u64)>, KernelError> {
    let path = proc_file(roots, process, "maps");
    let bytes = read_optional(&path)?.unwrap_or_default();
    let range = |line: &[u8]| {
        let (start, end) = split(words(line).next()?, b'-')?;
        Some((hexadecimal(start)?, hexadecimal(end)?))
    };
    let found = lines(&bytes).filter(|line| !line.is_empty()).map(|line| {
        range(line).ok_or_else(|| KernelError::Malformed {
            path: path.clone(),
            expected: "a range of addresses",
            found: excerpt(line),
        })
    });
    found.collect()
}

fn split(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let position = bytes.iter().position(|byte| *byte == at)?;
    Some((&bytes[..position], &bytes[position + 1..]))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const MAPS: &str = "55d0c0000000-55d0c0002000 r--p 00000000 fe:00 1 /bin/x\n\
        7f0000000000-7f0000400000 rw-p 00000000 00:00 0 \n7fff00000000-7fff00021000 rw-p 00000000 00:00 0 [stack]\n";

    fn found(numa_maps: Option<&str>, maps: &str) -> Result<Vec<Area>, KernelError> {
        let dir = tempfile::tempdir().unwrap();
        let proc = dir.path().join("proc/7");
        fs::create_dir_all(&proc).unwrap();
        fs::write(proc.join("maps"), maps).unwrap();
        if let Some(text) = numa_maps {
            fs::write(proc.join("numa_maps"), text).unwrap();
        }
        areas(&Roots::at(dir.path()), 7)
    }

    #[test]
    fn areas_with_pages_and_their_nodes() {
        let text = "55d0c0000000 default file=/bin/N0=3 mapped=2 N0=1 N3=1 kernelpagesize_kB=4\n\
            7f0000000000 bind:0-1 file=/dev/hugepages/x huge dirty=2 N1=2 kernelpagesize_kB=2048\n\
            7fff00000000 default stack\n7fff90000000 default anon=1 N0=1 kernelpagesize_kB=4\n";
        let expected = [
            Area { start: 0x55d0_c000_0000, end: 0x55d0_c000_2000, page_size: 4_096, pages: vec![(0, 1), (3, 1)] },
            Area { start: 0x7f00_0000_0000, end: 0x7f00_0040_0000, page_size: 2 << 20, pages: vec![(1, 2)] },
        ];
        assert_eq!(found(Some(text), MAPS).unwrap(), expected);
    }

    #[test]
    fn a_process_that_has_ended_has_none() {
        assert_eq!(found(None, MAPS).unwrap(), []);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let error = found(Some("xyz default\n"), MAPS).unwrap_err().to_string();
        assert!(error.contains("proc/7/numa_maps: expected an address") && error.contains("xyz"), "{error}");
        let error = found(Some("7f default N0=1\n"), "7f\n").unwrap_err().to_string();
        assert!(error.contains("proc/7/maps: expected a range of addresses"), "{error}");
    }
}
