//! Which processor it is, by /proc/cpuinfo.

use crate::text::{self, text_of};

/// Name of the processor, empty where nothing is said of it. Each architecture has a field of its own for it; arm64 has
/// numbers instead.
pub(crate) fn name(cpuinfo: &[u8]) -> String {
    // x86 and MIPS; POWER; LoongArch; RISC-V; and, after the numbers, what 32-bit Arm and old kernels of arm64 say, which
    // is the same for many.
    let named = |keys: &[&str]| keys.iter().find_map(|key| text_of(cpuinfo, key)).map(str::to_owned);
    named(&["model name", "cpu", "Model Name", "uarch"])
        .or_else(|| arm(cpuinfo))
        .or_else(|| named(&["Processor"]))
        .unwrap_or_default()
}

/// Number of the model, as x86 has it; other architectures have none, or a name in its place.
pub(crate) fn number(cpuinfo: &[u8]) -> Option<u32> {
    u32::try_from(text::number(text_of(cpuinfo, "model")?.as_bytes())?).ok()
}

/// Whether the vendor is AMD, or Hygon, whose processors are built after AMD's.
pub(crate) fn is_amd(cpuinfo: &[u8]) -> bool {
    matches!(text_of(cpuinfo, "vendor_id"), Some("AuthenticAMD" | "HygonGenuine"))
}

/// The name that belongs to `CPU implementer` and `CPU part` of Arm, which are fields of its register MIDR_EL1. Of a
/// machine with several kinds of cores, the name of the first.
fn arm(cpuinfo: &[u8]) -> Option<String> {
    let of = |key| text_of(cpuinfo, key)?.strip_prefix("0x").and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let (implementer, part) = (of("CPU implementer")?, of("CPU part")?);
    let known = ARM_PARTS.iter().find(|known| (known.0, known.1) == (implementer, part));
    Some(known.map_or_else(|| format!("Arm implementer {implementer:#x} part {part:#x}"), |known| known.2.to_owned()))
}

/// Implementer, part and name of the cores of servers, and of those boards that run Linux as servers do. The numbers are
/// those of arch/arm64/include/asm/cputype.h
/// (<https://git.kernel.org/pub/scm/linux/kernel/git/torvalds/linux.git/tree/arch/arm64/include/asm/cputype.h>).
const ARM_PARTS: &[(u32, u32, &str)] = &[
    (0x41, 0xd03, "Arm Cortex-A53"),
    (0x41, 0xd04, "Arm Cortex-A35"),
    (0x41, 0xd05, "Arm Cortex-A55"),
    (0x41, 0xd07, "Arm Cortex-A57"),
    (0x41, 0xd08, "Arm Cortex-A72"),
    (0x41, 0xd09, "Arm Cortex-A73"),
    (0x41, 0xd0a, "Arm Cortex-A75"),
    (0x41, 0xd0b, "Arm Cortex-A76"),
    (0x41, 0xd0c, "Arm Neoverse-N1"),
    (0x41, 0xd0d, "Arm Cortex-A77"),
    (0x41, 0xd40, "Arm Neoverse-V1"),
    (0x41, 0xd41, "Arm Cortex-A78"),
    (0x41, 0xd46, "Arm Cortex-A510"),
    (0x41, 0xd47, "Arm Cortex-A710"),
    (0x41, 0xd49, "Arm Neoverse-N2"),
    (0x41, 0xd4d, "Arm Cortex-A715"),
    (0x41, 0xd4f, "Arm Neoverse-V2"),
    (0x41, 0xd80, "Arm Cortex-A520"),
    (0x41, 0xd81, "Arm Cortex-A720"),
    (0x41, 0xd83, "Arm Neoverse-V3AE"),
    (0x41, 0xd84, "Arm Neoverse-V3"),
    (0x41, 0xd8e, "Arm Neoverse-N3"),
    (0x42, 0x516, "Broadcom Vulcan"),
    (0x43, 0x0a1, "Cavium ThunderX"),
    (0x43, 0x0af, "Cavium ThunderX2"),
    (0x46, 0x001, "Fujitsu A64FX"),
    (0x48, 0xd01, "HiSilicon TSV110"),
    (0x48, 0xd02, "HiSilicon HIP09"),
    (0x48, 0xd06, "HiSilicon HIP12"),
    (0x4e, 0x004, "NVIDIA Carmel"),
    (0x4e, 0x010, "NVIDIA Olympus"),
    (0x51, 0xc00, "Qualcomm Falkor"),
    (0x51, 0x001, "Qualcomm Oryon"),
    (0x6d, 0xd49, "Microsoft Azure Cobalt 100"),
    (0xc0, 0xac3, "Ampere Ampere-1"),
    (0xc0, 0xac4, "Ampere Ampere-1a"),
];

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
    #[case::arm("processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n", "Arm Neoverse-N1", None, false)]
    #[case::arm_of_an_old_kernel(
        "Processor\t: AArch64 Processor rev 1 (aarch64)\nCPU implementer\t: 0x43\nCPU part\t: 0x0a1\n",
        "Cavium ThunderX",
        None,
        false
    )]
    #[case::an_arm_that_nobody_has_heard_of(
        "CPU implementer\t: 0x99\nCPU part\t: 0x001\n",
        "Arm implementer 0x99 part 0x1",
        None,
        false
    )]
    #[case::arm_of_32_bits("Processor\t: ARMv7 Processor rev 10\n", "ARMv7 Processor rev 10", None, false)]
    #[case::malformed("CPU implementer\t: 41\nCPU part\t: 0xd0c\n", "", None, false)]
    #[case::loongarch("system type\t: generic\nModel Name\t\t: Loongson-3A5000\n", "Loongson-3A5000", None, false)]
    #[case("", "", None, false)]
    fn models(#[case] cpuinfo: &str, #[case] model: &str, #[case] of: Option<u32>, #[case] amd: bool) {
        assert_eq!(name(cpuinfo.as_bytes()), model);
        assert_eq!(number(cpuinfo.as_bytes()), of);
        assert_eq!(is_amd(cpuinfo.as_bytes()), amd);
    }

    #[test]
    fn each_part_stands_once() {
        let mut parts: Vec<_> = ARM_PARTS.iter().map(|part| (part.0, part.1)).collect();
        parts.sort_unstable();
        parts.dedup();
        assert_eq!(parts.len(), ARM_PARTS.len());
    }
}
