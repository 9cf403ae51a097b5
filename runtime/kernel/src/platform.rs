//! Facts about the machine.

mod cpus;
mod model;
mod nodes;
mod resctrl;
mod smbios;
mod topology;

pub(crate) use cpus::cpus;
pub(crate) use model::is_amd;
pub use smbios::smbios_table;
pub(crate) use topology::Topology;
use wca_model::Platform;

use crate::files::{parse_optional, read_file, read_optional};
use crate::text::number_of;
use crate::{KernelError, Notice, Roots};

/// The facts, and what could not be found out.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The machine.
    pub platform: Platform,
    /// What is left out of it.
    pub notices: Vec<Notice>,
}

/// Reads the facts: name, processors, NUMA nodes, swap, and what resctrl can do where it is mounted.
///
/// A machine without NUMA is one node with all memory; a processor of which the kernel does not say where it sits is a
/// core of its own in socket 0. `swap` is whether there is any swap space, used or not (SwapTotal of /proc/meminfo). A
/// resctrl that cannot be read or understood is left out, with a notice: nothing else depends on it.
///
/// # Errors
/// [`KernelError::Read`] where the processors cannot be found at all, or a file is closed to this user;
/// [`KernelError::Malformed`] where a file says something else than the kernel would.
pub fn platform(roots: &Roots) -> Result<Facts, KernelError> {
    let mut notices = Vec::new();
    let cpuinfo = read_optional(&roots.path("/proc/cpuinfo"))?.unwrap_or_default();
    let meminfo = roots.path("/proc/meminfo");
    let memory = parse_optional(&meminfo, "MemTotal in kB", |bytes| number_of(bytes, b"MemTotal"))?;
    // A kernel without swap has no line for it.
    let swap = parse_optional(&meminfo, "SwapTotal", |bytes| Some(number_of(bytes, b"SwapTotal").unwrap_or(0)))?;
    let nodes = nodes::nodes(roots, memory.unwrap_or(0).saturating_mul(1_024))?;
    let resctrl = resctrl::resctrl(roots, is_amd(&cpuinfo)).unwrap_or_else(|error| {
        notices.push(Notice::NotKnown { what: "resctrl", reason: error.to_string() });
        resctrl::Resctrl::default()
    });
    let platform = Platform {
        host: host(roots)?,
        cpu_model: model::name(&cpuinfo),
        cpu_model_number: model::number(&cpuinfo),
        cpus: cpus(roots, &nodes)?,
        nodes: nodes.into_iter().map(|node| node.facts).collect(),
        swap: swap.unwrap_or(0) > 0,
        moves_pages_despite_swap: false,
        l3: resctrl.l3,
        l2: resctrl.l2,
        bandwidth: resctrl.bandwidth,
        groups: resctrl.groups,
    };
    Ok(Facts { platform, notices })
}

fn host(roots: &Roots) -> Result<String, KernelError> {
    let name = read_file(&roots.path("/proc/sys/kernel/hostname"))?;
    Ok(String::from_utf8_lossy(name.trim_ascii()).into_owned())
}
