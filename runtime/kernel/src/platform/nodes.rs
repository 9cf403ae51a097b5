//! NUMA nodes.

use wca_model::platform::NumaNode;

use crate::error::excerpt;
use crate::files::{parse_optional, read_optional};
use crate::text::{lines, number, number_list, words};
use crate::{KernelError, Roots};

/// A NUMA node and its processors.
pub(crate) struct Node {
    /// What policies see of it.
    pub facts: NumaNode,
    /// Its processors, online or not.
    pub cpus: Vec<u32>,
}

/// Distance of a node to itself, by the ACPI specification (SLIT).
const LOCAL: u32 = 10;

/// The nodes that are online, by number; one with all the memory where the kernel has no NUMA.
///
/// Source: Documentation/ABI/stable/sysfs-devices-node.
pub(crate) fn nodes(roots: &Roots, all_memory: u64) -> Result<Vec<Node>, KernelError> {
    let path = roots.path("/sys/devices/system/node/online");
    let ids = parse_optional(&path, "a list such as 0-1", number_list)?.unwrap_or_default();
    if ids.is_empty() {
        let facts = NumaNode { id: 0, memory: all_memory, distances: vec![LOCAL] };
        return Ok(vec![Node { facts, cpus: Vec::new() }]);
    }
    ids.iter().map(|id| node(roots, *id, ids.len())).collect()
}

fn node(roots: &Roots, id: u32, count: usize) -> Result<Node, KernelError> {
    let dir = roots.path(format!("/sys/devices/system/node/node{id}"));
    let cpus = parse_optional(&dir.join("cpulist"), "a list such as 0-3,8", number_list)?;
    let memory = parse_optional(&dir.join("meminfo"), "a line MemTotal", memory)?;
    let path = dir.join("distance");
    let distances = match read_optional(&path)? {
        // A node that went away between two files is as far as its number says nothing of.
        None => vec![LOCAL; count],
        Some(bytes) => distances(&bytes, count).ok_or_else(|| KernelError::Malformed {
            path,
            expected: "one distance for each node online",
            found: excerpt(&bytes),
        })?,
    };
    let facts = NumaNode { id, memory: memory.unwrap_or(0), distances };
    Ok(Node { facts, cpus: cpus.unwrap_or_default() })
}

/// Bytes, from the line `Node 0 MemTotal:       24684084 kB`.
fn memory(bytes: &[u8]) -> Option<u64> {
    let mut words = lines(bytes).map(words).find_map(|mut words| {
        words.nth(2).filter(|word| *word == b"MemTotal:")?;
        Some(words)
    })?;
    number(words.next()?)?.checked_mul(1_024)
}

/// `10 21`: one for each node that is online, in their order.
fn distances(bytes: &[u8], count: usize) -> Option<Vec<u32>> {
    let distances: Vec<u32> = words(bytes).map(|word| u32::try_from(number(word)?).ok()).collect::<Option<_>>()?;
    (distances.len() == count).then_some(distances)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("Node 1 MemTotal:         510 kB\nNode 1 MemFree:  3 kB\n", Some(522_240))]
    #[case("\nNode 1 MemTotal:         0 kB\n", Some(0))]
    #[case("Node 1 MemFree:  3 kB\n", None)]
    #[case("Node 1 MemTotal: x kB\n", None)]
    fn memory_of_a_node(#[case] text: &str, #[case] expected: Option<u64>) {
        assert_eq!(memory(text.as_bytes()), expected);
    }

    #[rstest]
    #[case("10 21\n", 2, Some(vec![10, 21]))]
    #[case("10\n", 2, None)]
    #[case("10 x\n", 2, None)]
    fn distances_of_a_node(#[case] text: &str, #[case] count: usize, #[case] expected: Option<Vec<u32>>) {
        assert_eq!(distances(text.as_bytes(), count), expected);
    }
}
