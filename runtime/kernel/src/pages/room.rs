//! Whether a node has room.

use crate::files::parse_optional;
use crate::text::number_of;
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
    fn of_this_machine() {
        let dir = std::path::Path::new("/sys/devices/system/node/node0/meminfo");
        if !dir.exists() {
            return crate::skipped::skipped("this kernel has no NUMA nodes (CONFIG_NUMA)");
        }
        assert!(free_bytes(&Roots::system(), 0).unwrap().unwrap() > 0);
    }
}
