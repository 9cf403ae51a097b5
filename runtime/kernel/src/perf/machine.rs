//! What of the machine decides how events can be counted.

use crate::Roots;
use crate::files::{parse_optional, read_optional};
use crate::platform::Topology;
use crate::text::number;

/// /proc/cpuinfo; nothing where it cannot be read, which means a processor that nothing is known of.
pub(crate) fn processor(roots: &Roots) -> Vec<u8> {
    read_optional(&roots.path("/proc/cpuinfo")).ok().flatten().unwrap_or_default()
}

/// Whether threads share cores, and with them counters; true where it is not known.
pub(crate) fn has_threads(roots: &Roots) -> bool {
    Topology::read(roots).map_or(true, |topology| topology.cpus != topology.cores)
}

/// Whether the kernel's watchdog keeps a counter of each processor for itself
/// (Documentation/admin-guide/lockup-watchdogs.rst); false where it is not known.
pub(crate) fn has_watchdog(roots: &Roots) -> bool {
    let path = roots.path("/proc/sys/kernel/nmi_watchdog");
    parse_optional(&path, "0 or 1", number).ok().flatten() == Some(1)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Some("1\n"), true)]
    #[case(Some("0\n"), false)]
    #[case::malformed(Some("x\n"), false)]
    #[case::missing(None, false)]
    fn watchdogs(#[case] text: Option<&str>, #[case] expected: bool) {
        let dir = tempfile::tempdir().unwrap();
        if let Some(text) = text {
            fs::create_dir_all(dir.path().join("proc/sys/kernel")).unwrap();
            fs::write(dir.path().join("proc/sys/kernel/nmi_watchdog"), text).unwrap();
        }
        assert_eq!(has_watchdog(&Roots::at(dir.path())), expected);
    }

    #[test]
    fn a_machine_of_which_nothing_is_known_has_threads() {
        let dir = tempfile::tempdir().unwrap();
        assert!(has_threads(&Roots::at(dir.path())));
        assert_eq!(processor(&Roots::at(dir.path())), b"");
    }
}
