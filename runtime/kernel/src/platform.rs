//! Facts about the machine.

mod cpus;
mod nodes;
mod resctrl;
mod topology;

pub(crate) use cpus::cpus;
pub(crate) use topology::Topology;
use wca_model::Platform;

use crate::files::{parse_optional, read_file, read_optional};
use crate::text::{number, number_of, text_of};
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
        cpu_model: cpu_model(&cpuinfo).to_owned(),
        cpu_model_number: cpu_model_number(&cpuinfo),
        cpus: cpus(roots, &nodes)?,
        nodes: nodes.into_iter().map(|node| node.facts).collect(),
        swap: swap.unwrap_or(0) > 0,
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

/// Name of the processor. Each architecture has a field of its own; arm64 and s390 have none.
fn cpu_model(cpuinfo: &[u8]) -> &str {
    // x86 and MIPS; POWER; 32-bit Arm; RISC-V.
    ["model name", "cpu", "Processor", "uarch"].iter().find_map(|key| text_of(cpuinfo, key)).unwrap_or_default()
}

/// Number of the model, as x86 has it; other architectures have none, or a name in its place.
fn cpu_model_number(cpuinfo: &[u8]) -> Option<u32> {
    u32::try_from(number(text_of(cpuinfo, "model")?.as_bytes())?).ok()
}

/// Whether the vendor is AMD, or Hygon, whose processors are built after AMD's.
pub(crate) fn is_amd(cpuinfo: &[u8]) -> bool {
    matches!(text_of(cpuinfo, "vendor_id"), Some("AuthenticAMD" | "HygonGenuine"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(
        "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel\t\t: 106\nmodel name\t: Some Xeon\n",
        "Some Xeon",
        Some(106),
        false
    )]
    #[case(
        "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: Some EPYC\nmodel\t\t: 1\n",
        "Some EPYC",
        Some(1),
        true
    )]
    #[case(
        "processor\t: 0\ncpu\t\t: POWER9, altivec supported\nmodel\t\t: 8375-42A\n",
        "POWER9, altivec supported",
        None,
        false
    )]
    #[case("processor\t: 0\nBogoMIPS\t: 50.00\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n", "", None, false)]
    #[case("", "", None, false)]
    fn models(#[case] cpuinfo: &str, #[case] model: &str, #[case] number: Option<u32>, #[case] amd: bool) {
        assert_eq!(cpu_model(cpuinfo.as_bytes()), model);
        assert_eq!(cpu_model_number(cpuinfo.as_bytes()), number);
        assert_eq!(is_amd(cpuinfo.as_bytes()), amd);
    }
}
