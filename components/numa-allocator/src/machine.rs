//! The machine: the NUMA nodes that a task can have.

use std::collections::BTreeMap;

use wca_guest::{now, platform};

use crate::columns;

const FREE: &str = "platform_mem_numa_free_bytes";
const USED: &str = "platform_mem_numa_used_bytes";
const PAGE: &str = "platform_page_size_bytes";
/// Where nobody tells the size of a page: that of most machines.
const USUAL_PAGE: f64 = 4096.0;

/// A node with processors and with memory.
pub(crate) struct Node {
    /// The kernel's number.
    pub(crate) id: u32,
    /// Its processors, ascending.
    pub(crate) cpus: Vec<u32>,
    /// Bytes that nothing uses; none where that is not measured.
    pub(crate) free: Option<f64>,
}

pub(crate) struct Machine {
    /// By number. A place in this list is what the other modules call a node.
    pub(crate) nodes: Vec<Node>,
    /// Bytes of all nodes.
    pub(crate) memory: f64,
    /// Bytes of a page.
    pub(crate) page: f64,
}

impl Machine {
    /// As it is in this snapshot.
    pub(crate) fn now() -> Self {
        let mut cpus: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for cpu in platform::cpus() {
            cpus.entry(cpu.node).or_default().push(cpu.id);
        }
        cpus.values_mut().for_each(|cpus| cpus.sort_unstable());
        let free: BTreeMap<u32, f64> = columns::of_machine(FREE).into_iter().collect();
        let ids = platform::nodes();
        let nodes = ids.iter().filter(|id| platform::node_memory(**id) > 0).filter_map(|id| {
            let free = free.get(id).copied().filter(|free| free.is_finite());
            Some(Node { id: *id, cpus: cpus.remove(id)?, free })
        });
        let nodes = nodes.collect();
        let page = now::platform_values(PAGE).first().copied().filter(|page| *page > 0.0);
        Self { nodes, memory: memory(&ids, free.into_values()), page: page.unwrap_or(USUAL_PAGE) }
    }

    /// The node of this number.
    pub(crate) fn at(&self, id: u32) -> Option<usize> {
        self.nodes.iter().position(|node| node.id == id)
    }

    /// The node that has exactly these processors.
    pub(crate) fn with_cpus(&self, cpus: &[u32]) -> Option<usize> {
        self.nodes.iter().position(|node| node.cpus == cpus)
    }

    /// The node with most free memory, of several the first; none where that is not measured.
    pub(crate) fn most_free(&self) -> Option<usize> {
        let free = self.nodes.iter().enumerate().filter_map(|(at, node)| Some((at, node.free?)));
        free.reduce(|best, other| if other.1 > best.1 { other } else { best }).map(|(at, _)| at)
    }
}

/// Free and used memory of all nodes; where that is not measured, what they have.
fn memory(ids: &[u32], free: impl Iterator<Item = f64>) -> f64 {
    let used = columns::of_machine(USED).into_iter().map(|(_, used)| used);
    let measured: f64 = free.chain(used).filter(|bytes| bytes.is_finite()).sum();
    if measured > 0.0 {
        return measured;
    }
    #[allow(clippy::cast_precision_loss, reason = "exact up to 8 PiB")]
    let bytes = ids.iter().map(|id| platform::node_memory(*id) as f64);
    bytes.sum()
}
