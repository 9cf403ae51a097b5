//! Which microarchitecture the processors are of: raw events mean something only there.

use std::fmt;

use crate::text::{number, text_of};

/// A microarchitecture of which raw events are known, or whose name is at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Microarchitecture {
    /// Intel, fourth generation of Core.
    Haswell,
    /// Intel, fifth generation of Core, Xeon v4, Xeon D.
    Broadwell,
    /// Intel, sixth generation of Core, first Xeon Scalable.
    Skylake,
    /// Intel, second Xeon Scalable.
    CascadeLake,
    /// Intel, third Xeon Scalable with four sockets: the cores are those of Cascade Lake.
    CooperLake,
    /// Intel, third Xeon Scalable.
    IceLake,
    /// Another one.
    Other,
}

impl Microarchitecture {
    /// The one of the first processor in /proc/cpuinfo.
    ///
    /// Source of the numbers: the second column of arch/x86/include/asm/intel-family.h; the steppings of model 85 as
    /// <https://github.com/torvalds/linux/blob/master/tools/perf/pmu-events/arch/x86/mapfile.csv> has them; 10 and 11
    /// are Cooper Lake, whose events that file takes to be Cascade Lake's.
    pub(crate) fn of(cpuinfo: &[u8]) -> Self {
        let field = |key| number(text_of(cpuinfo, key)?.as_bytes());
        if text_of(cpuinfo, "vendor_id") != Some("GenuineIntel") || field("cpu family") != Some(6) {
            return Self::Other;
        }
        match (field("model"), field("stepping").unwrap_or(0)) {
            (Some(0x3c | 0x3f | 0x45 | 0x46), _) => Self::Haswell,
            (Some(0x3d | 0x47 | 0x4f | 0x56), _) => Self::Broadwell,
            (Some(0x55), 10 | 11) => Self::CooperLake,
            (Some(0x55), 5..) => Self::CascadeLake,
            (Some(0x4e | 0x55 | 0x5e), _) => Self::Skylake,
            (Some(0x6a | 0x6c), _) => Self::IceLake,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for Microarchitecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Haswell => "Haswell",
            Self::Broadwell => "Broadwell",
            Self::Skylake => "Skylake",
            Self::CascadeLake => "Cascade Lake",
            Self::CooperLake => "Cooper Lake",
            Self::IceLake => "Ice Lake",
            Self::Other => "this processor",
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::Microarchitecture::{Broadwell, CascadeLake, CooperLake, Haswell, IceLake, Other, Skylake};
    use super::*;

    #[rstest]
    #[case(0x55, 4, Skylake)]
    #[case(0x55, 7, CascadeLake)]
    #[case(0x55, 11, CooperLake)]
    #[case(0x4f, 1, Broadwell)]
    #[case(0x56, 3, Broadwell)]
    #[case(0x3f, 2, Haswell)]
    #[case(0x6a, 6, IceLake)]
    #[case(0x5e, 1, Skylake)]
    // Desktop processors are counted on in steppings too, and none of them is Cascade Lake.
    #[case(0x5e, 9, Skylake)]
    #[case(0x8f, 8, Other)]
    fn models_of_intel(#[case] model: u32, #[case] stepping: u32, #[case] expected: Microarchitecture) {
        let cpuinfo = format!(
            "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: {model}\n\
             model name\t: Some Xeon\nstepping\t: {stepping}\nmicrocode\t: 0x1\n"
        );
        assert_eq!(Microarchitecture::of(cpuinfo.as_bytes()), expected);
    }

    #[rstest]
    #[case::amd("vendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 85\nstepping\t: 7\n")]
    #[case::another_family("vendor_id\t: GenuineIntel\ncpu family\t: 15\nmodel\t\t: 85\nstepping\t: 7\n")]
    #[case::arm("CPU implementer\t: 0x41\nCPU part\t: 0xd0c\n")]
    #[case::malformed("vendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: x\n")]
    #[case::empty("")]
    fn others(#[case] cpuinfo: &str) {
        assert_eq!(Microarchitecture::of(cpuinfo.as_bytes()), Other);
    }
}
