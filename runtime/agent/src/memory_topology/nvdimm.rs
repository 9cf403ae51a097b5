//! What modules of persistent memory can transfer, by published figures.

use std::collections::{BTreeMap, HashSet};

use super::ipmctl::{Dimm, Region};

/// What the modules of a socket can transfer, in bytes per second; none where no figure is known for one of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bandwidth {
    pub(super) socket: u32,
    pub(super) read: Option<f64>,
    pub(super) write: Option<f64>,
}

/// Average power in watts from which a column of the figures is valid.
const POWERS: [f64; 4] = [10.0, 12.0, 15.0, 18.0];

/// Figures of modules up to a size.
struct Figures {
    /// Bytes that such a module has less than.
    below: f64,
    /// GB per second by power.
    read: [Option<f64>; 4],
    write: [Option<f64>; 4],
}

/// Intel Optane DC persistent memory (100 series) of 128, 256 and 512 GB: bandwidth of sequential access by average power, as
/// Intel's product brief of 2019 has it, and the Python agent had it.
const FIGURES: [Figures; 3] = [
    Figures {
        below: 200e9,
        read: [Some(2.4), Some(4.3), Some(6.8), None],
        write: [Some(0.88), Some(1.48), Some(1.85), None],
    },
    Figures {
        below: 500e9,
        read: [None, Some(4.1), Some(6.8), Some(8.3)],
        write: [None, Some(1.45), Some(2.3), Some(3.0)],
    },
    Figures {
        below: f64::INFINITY,
        read: [None, Some(2.65), Some(5.3), Some(7.8)],
        write: [None, Some(1.02), Some(1.89), Some(2.68)],
    },
];

/// What the modules that are used as persistent memory can transfer, by socket: those of regions, or all where there is no
/// region.
pub(super) fn bandwidths(dimms: &[Dimm], regions: &[Region]) -> Vec<Bandwidth> {
    let used: HashSet<&str> = regions.iter().flat_map(|region| &region.dimms).map(String::as_str).collect();
    let mut sockets: BTreeMap<u32, Bandwidth> = BTreeMap::new();
    for dimm in dimms.iter().filter(|dimm| regions.is_empty() || used.contains(dimm.id.as_str())) {
        let Some(socket) = dimm.socket else { continue };
        let sum = sockets.entry(socket).or_insert(Bandwidth { socket, read: Some(0.0), write: Some(0.0) });
        let (read, write) = figures(dimm);
        let add = |sum: Option<f64>, figure: Option<f64>| Some(sum? + figure? * 1e9);
        (sum.read, sum.write) = (add(sum.read, read), add(sum.write, write));
    }
    // Figures have two decimals of a GB; sums of floats more.
    let round = |value: f64| (value / 1e7).round() * 1e7;
    sockets
        .into_values()
        .map(|one| Bandwidth { read: one.read.map(round), write: one.write.map(round), ..one })
        .collect()
}

/// GB per second that a module can read and write.
#[expect(clippy::cast_precision_loss, reason = "exact up to 8 PiB")]
fn figures(dimm: &Dimm) -> (Option<f64>, Option<f64>) {
    let Some(capacity) = dimm.capacity.map(|bytes| bytes as f64) else { return (None, None) };
    let watts = dimm.watts.unwrap_or(POWERS[0]);
    let column = POWERS.iter().rposition(|power| *power <= watts).unwrap_or(0);
    let figures = FIGURES.iter().find(|figures| capacity < figures.below);
    figures.map_or((None, None), |figures| (figures.read[column], figures.write[column]))
}
