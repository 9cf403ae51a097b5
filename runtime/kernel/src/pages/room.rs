//! Whether a node has room.

use std::path::Path;

use crate::files::parse_optional;
use crate::text::{number, number_of};
use crate::{KernelError, Roots};

/// Bytes that pages can move into on a NUMA node: what is free, and what was read from files and can be read again
/// (/sys/devices/system/node/nodeN/meminfo). None where the node is not there.
///
/// # Errors
/// The file cannot be read or understood.
pub fn free_bytes(roots: &Roots, node: u32) -> Result<Option<u64>, KernelError> {
    let path = roots.path(format!("/sys/devices/system/node/node{node}/meminfo"));
    parse_optional(&path, "lines Node N MemFree: and Node N Inactive(file):", |bytes| {
        let kilobytes = |key: &str| number_of(bytes, format!("Node {node} {key}").as_bytes());
        kilobytes("MemFree")?.checked_add(kilobytes("Inactive(file)")?)?.checked_mul(1_024)
    })
}

/// Whether any process has hugetlb pages on other nodes than these: cgroups do not count them as memory
/// (/sys/devices/system/node/nodeN/hugepages, Documentation/admin-guide/mm/hugetlbpage.rst).
///
/// # Errors
/// A file cannot be read or understood.
pub fn has_huge_pages_elsewhere(roots: &Roots, nodes: &[u32]) -> Result<bool, KernelError> {
    let top = roots.path("/sys/devices/system/node");
    // Without such directories there are no nodes, or no hugetlb pages.
    let names = |dir: &Path| {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect::<Vec<_>>()
    };
    for node in names(&top) {
        let number = node.strip_prefix("node").and_then(|number| number.parse::<u32>().ok());
        if number.is_none_or(|number| nodes.contains(&number)) {
            continue;
        }
        let sizes = top.join(&node).join("hugepages");
        for size in names(&sizes) {
            let pages = |file: &str| parse_optional(&sizes.join(&size).join(file), "a number of pages", whole);
            if pages("nr_hugepages")?.unwrap_or(0) > pages("free_hugepages")?.unwrap_or(0) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn whole(bytes: &[u8]) -> Option<u64> {
    number(bytes.trim_ascii())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn found(text: Option<&str>) -> Result<Option<u64>, KernelError> {
        let dir = tempfile::tempdir().unwrap();
        let node = dir.path().join("sys/devices/system/node/node1");
        fs::create_dir_all(&node).unwrap();
        if let Some(text) = text {
            fs::write(node.join("meminfo"), text).unwrap();
        }
        free_bytes(&Roots::at(dir.path()), 1)
    }

    #[test]
    fn what_is_free_and_what_can_be_read_again() {
        let text = "Node 1 MemTotal:       2000 kB\nNode 1 MemFree:         100 kB\nNode 1 Inactive(file):   28 kB\n";
        assert_eq!(found(Some(text)).unwrap(), Some(128 * 1_024));
        assert_eq!(found(None).unwrap(), None);
        let error = found(Some("Node 1 MemTotal: 1 kB\n")).unwrap_err().to_string();
        assert!(error.contains("node1/meminfo: expected"), "{error}");
    }

    #[test]
    fn huge_pages_that_somebody_has_on_another_node() {
        let dir = tempfile::tempdir().unwrap();
        let set = |file: &str, text: &str| {
            let size = dir.path().join("sys/devices/system/node/node1/hugepages/hugepages-2048kB");
            fs::create_dir_all(&size).unwrap();
            fs::write(size.join(file), text).unwrap();
        };
        let has = |nodes: &[u32]| has_huge_pages_elsewhere(&Roots::at(dir.path()), nodes);
        assert!(!has(&[0]).unwrap(), "no nodes at all");
        set("nr_hugepages", "4\n");
        set("free_hugepages", "4\n");
        assert!(!has(&[0]).unwrap(), "nobody has one");
        set("free_hugepages", "3\n");
        assert!(has(&[0]).unwrap() && !has(&[1]).unwrap());
        set("free_hugepages", "x\n");
        let error = has(&[0]).unwrap_err().to_string();
        assert!(error.contains("hugepages-2048kB/free_hugepages: expected a number of pages"), "{error}");
    }

    #[test]
    fn of_this_machine() {
        let dir = Path::new("/sys/devices/system/node/node0/meminfo");
        if !dir.exists() {
            return crate::skipped::skipped("this kernel has no NUMA nodes (CONFIG_NUMA)");
        }
        assert!(free_bytes(&Roots::system(), 0).unwrap().unwrap() > 0);
    }
}
