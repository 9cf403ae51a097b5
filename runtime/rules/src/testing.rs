//! Machines for the tests of this crate.

use wca_model::Platform;
use wca_model::platform::{BandwidthControl, BandwidthUnit, CacheControl, Cpu, NumaNode};

/// Processors 0 to 3 and 6, NUMA nodes 0 and 2 with memory and 3 without, no resctrl.
pub(crate) fn machine() -> Platform {
    let node = |id, memory| NumaNode { id, memory, distances: vec![10, 20, 20] };
    Platform {
        cpus: [0, 1, 2, 3, 6].map(|id| Cpu { id, core: id, socket: 0, node: 0 }).into(),
        nodes: vec![node(0, 1 << 30), node(2, 1 << 30), node(3, 0)],
        ..Platform::default()
    }
}

/// The same with an L3 cache of 12 ways and memory bandwidth in steps of 10 percent, both in domains 0 and 16.
pub(crate) fn with_resctrl() -> Platform {
    Platform {
        l3: Some(CacheControl { domains: vec![0, 16], mask: 0xfff, min_ways: 2, contiguous: true, code_data: false }),
        bandwidth: Some(BandwidthControl { domains: vec![0, 16], unit: BandwidthUnit::Percent, min: 10, step: 10 }),
        groups: 16,
        ..machine()
    }
}
