//! How many processors, cores and sockets there are.

use wca_model::Platform;

use crate::platform::cpus::cpus;
use crate::{KernelError, Roots};

/// What of the machine is online.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Topology {
    /// Physical cores.
    pub cores: u32,
    /// Logical processors.
    pub cpus: u32,
    /// Sockets.
    pub sockets: u32,
}

impl Topology {
    /// Counts them. Two files for each processor are read, so this is for when some came or went.
    pub(crate) fn read(roots: &Roots) -> Result<Self, KernelError> {
        let platform = Platform { cpus: cpus(roots, &[])?, ..Platform::default() };
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Ok(Self {
            cores: count(platform.cores()),
            cpus: count(platform.cpus.len()),
            sockets: count(platform.sockets()),
        })
    }
}
