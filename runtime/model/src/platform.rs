//! Facts about the machine.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// One logical processor that is online.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cpu {
    /// Number that the kernel gives it.
    pub id: u32,
    /// Physical core, unique within the socket.
    pub core: u32,
    /// Socket.
    pub socket: u32,
    /// NUMA node.
    pub node: u32,
}

/// One NUMA node that is online.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumaNode {
    /// Number that the kernel gives it; not always 0..n.
    pub id: u32,
    /// Its memory in bytes; 0 for a node without.
    pub memory: u64,
    /// Distances to each node of [`Platform::nodes`], in that order.
    pub distances: Vec<u32>,
}

/// A cache that resctrl divides into ways.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheControl {
    /// Domain ids as resctrl lists them.
    pub domains: Vec<u32>,
    /// All ways of a domain, as a mask.
    pub mask: u64,
    /// Fewest ways that a group may have.
    pub min_ways: u32,
    /// Whether the ways of a mask must be neighbours.
    pub contiguous: bool,
    /// Whether code and data have ways of their own (mounted with `cdp`).
    pub code_data: bool,
}

/// Unit of a memory bandwidth limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BandwidthUnit {
    /// Percent of the domain's bandwidth.
    Percent,
    /// MB per second, mounted with `mba_MBps`.
    MegabytesPerSecond,
    /// Eighths of a GB per second, AMD.
    EighthsOfGigabytePerSecond,
}

impl BandwidthUnit {
    /// The word that policies see.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Percent => "percent",
            Self::MegabytesPerSecond => "MBps",
            Self::EighthsOfGigabytePerSecond => "GBps/8",
        }
    }
}

/// Memory bandwidth that resctrl limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BandwidthControl {
    /// Domain ids as resctrl lists them.
    pub domains: Vec<u32>,
    /// Unit of a limit.
    pub unit: BandwidthUnit,
    /// Smallest limit.
    pub min: u32,
    /// Step of a limit.
    pub step: u32,
}

/// The machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    /// Name of the node.
    pub host: String,
    /// Name of the processor by /proc/cpuinfo, which has numbers for it on Arm; empty where nothing is said of it.
    pub cpu_model: String,
    /// Number of its model, by the `model` of /proc/cpuinfo; none where the architecture has no such number.
    pub cpu_model_number: Option<u32>,
    /// Processors that are online, by number.
    pub cpus: Vec<Cpu>,
    /// NUMA nodes that are online, by number.
    pub nodes: Vec<NumaNode>,
    /// Whether swap is in use.
    pub swap: bool,
    /// Whether the operator lets pages move between nodes while swap is in use.
    pub moves_pages_despite_swap: bool,
    /// The L3 cache, where it can be divided.
    pub l3: Option<CacheControl>,
    /// The L2 cache, where it can be divided.
    pub l2: Option<CacheControl>,
    /// Memory bandwidth, where it can be limited.
    pub bandwidth: Option<BandwidthControl>,
    /// Number of resctrl groups that can exist at once, the root one included; 0 without resctrl.
    pub groups: u32,
}

impl Platform {
    /// Number of physical cores with a processor that is online.
    #[must_use]
    pub fn cores(&self) -> usize {
        self.cpus.iter().map(|cpu| (cpu.socket, cpu.core)).collect::<BTreeSet<_>>().len()
    }

    /// Number of sockets with a processor that is online.
    #[must_use]
    pub fn sockets(&self) -> usize {
        self.cpus.iter().map(|cpu| cpu.socket).collect::<BTreeSet<_>>().len()
    }

    /// A NUMA node by its number.
    #[must_use]
    pub fn node(&self, id: u32) -> Option<&NumaNode> {
        self.nodes.iter().find(|node| node.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_and_sockets_are_counted_by_what_sits_in_them() {
        let platform = |places: &[(u32, u32)]| Platform {
            cpus: places.iter().zip(0..).map(|(&(socket, core), id)| Cpu { id, core, socket, node: 0 }).collect(),
            ..Platform::default()
        };
        let counts = |places: &[(u32, u32)]| (platform(places).cores(), platform(places).sockets());
        assert_eq!(counts(&[(0, 0), (0, 0), (0, 4), (0, 4)]), (2, 1));
        assert_eq!(
            counts(&[(0, 0), (1, 0), (3, 0)]),
            (3, 3),
            "cores of sockets are others, sockets are not always 0..n"
        );
        assert_eq!(counts(&[]), (0, 0));
    }
}
