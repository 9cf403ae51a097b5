//! Counters of the processor.

use std::path::Path;

use rustix::io::Errno;

use super::look::{STATUS, available, capabilities, lacking, look, silent};
use super::{Feature, Reason};
use crate::Roots;
use crate::error::excerpt;
use crate::perf::trial::{Refused, Trial};
use crate::text::number_list;

/// A folder for each source of events (Documentation/ABI/testing/sysfs-bus-event_source-devices).
const DEVICES: &str = "/sys/bus/event_source/devices";
/// Processors that are online.
const ONLINE: &str = "/sys/devices/system/cpu/online";
/// Who may count what (Documentation/admin-guide/sysctl/kernel.rst, `perf_event_paranoid`).
const PARANOID: &str = "/proc/sys/kernel/perf_event_paranoid";
/// CAP_PERFMON and CAP_SYS_ADMIN (include/uapi/linux/capability.h), each of which counts whatever the file says.
const MAY_COUNT: u64 = 1 << 38 | 1 << 21;

pub(super) fn features(roots: &Roots) -> [Feature; 3] {
    [core(roots), uncore(roots), tried(paranoid(roots), Trial::Software, roots)]
}

/// Whether a name is that of the counters of cores: `cpu`, on hybrid processors `cpu_core` and `cpu_atom`, on Arm
/// `armv8_pmuv3_0` and the like.
fn is_core(name: &str) -> bool {
    name == "cpu" || name.starts_with("cpu_") || name.starts_with("armv")
}

fn core(roots: &Roots) -> Feature {
    const REMEDY: &str =
        "a virtual machine has counters where its host gives it some, as QEMU does with -cpu host,pmu=on";
    tried(device("perf_core", roots, is_core, REMEDY), Trial::Hardware, roots)
}

fn uncore(roots: &Roots) -> Feature {
    const REMEDY: &str =
        "load the kernel's module for this processor, such as intel_uncore; virtual machines have none";
    device("perf_uncore", roots, |name| name.starts_with("uncore_"), REMEDY)
}

/// Sources of events whose name is wanted.
fn device(name: &'static str, roots: &Roots, is_wanted: impl Fn(&str) -> bool, remedy: &str) -> Feature {
    let entries = match std::fs::read_dir(roots.path(DEVICES)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            return lacking(name, Reason::Denied, format!("{DEVICES}: Permission denied"), "start WCA as root");
        }
        Err(_) => {
            let remedy = "a kernel with CONFIG_PERF_EVENTS, and /sys mounted";
            return lacking(name, Reason::Missing, format!("{DEVICES}: No such file or directory"), remedy);
        }
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut found: Vec<String> = names.filter(|name| is_wanted(name)).collect();
    found.sort();
    match found.as_slice() {
        [] => lacking(name, Reason::Missing, format!("{DEVICES}: none of its entries is one"), remedy),
        [one] => available(name, Path::new(DEVICES).join(one).display().to_string()),
        [first, ..] => available(name, format!("{DEVICES}/{first} and {} more", found.len() - 1)),
    }
}

/// A feature whose files say that it is there, as the kernel says it: files know nothing of a filter of system calls or of a
/// security module. Trees that stand in for machines have no kernel to ask.
fn tried(feature: Feature, trial: Trial, roots: &Roots) -> Feature {
    if !feature.is_available() || !roots.is_system() {
        return feature;
    }
    let online = look(roots, ONLINE).ok().and_then(|bytes| number_list(&bytes)).unwrap_or_else(|| vec![0]);
    match trial.attempt(&online) {
        Ok(()) => available(feature.name, format!("{}; {} succeeds", feature.found, trial.text())),
        Err(refused) => refusal(&feature, trial, &refused),
    }
}

/// A feature that is there by its files and that the kernel refuses all the same.
fn refusal(feature: &Feature, trial: Trial, refused: &Refused) -> Feature {
    let reason = match refused.errno {
        Errno::ACCESS | Errno::PERM => Reason::Denied,
        Errno::NOENT | Errno::OPNOTSUPP | Errno::NODEV | Errno::NXIO | Errno::NOSYS => Reason::Missing,
        _ => Reason::Unreadable,
    };
    let found = format!("{}, but {} fails: {}", feature.found, trial.text(), refused.reason);
    lacking(feature.name, reason, found, refused.remedy)
}

fn paranoid(roots: &Roots) -> Feature {
    const NAME: &str = "perf_event_paranoid";
    const REMEDY: &str = "sysctl kernel.perf_event_paranoid=0, or start WCA as root or with CAP_PERFMON";
    let bytes = match look(roots, PARANOID) {
        Ok(bytes) => bytes,
        Err(why) => return silent(NAME, why, "a kernel with CONFIG_PERF_EVENTS"),
    };
    let text = excerpt(bytes.trim_ascii());
    let Ok(level) = text.parse::<i64>() else {
        return lacking(NAME, Reason::Malformed, format!("{PARANOID}: {text}"), "tell us of this kernel");
    };
    if level <= 0 {
        return available(NAME, format!("{PARANOID}: {level}"));
    }
    if capabilities(roots) & MAY_COUNT != 0 {
        return available(NAME, format!("{PARANOID}: {level}, and this process may count all the same ({STATUS})"));
    }
    lacking(NAME, Reason::Denied, format!("{PARANOID}: {level}"), REMEDY)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(Errno::PERM, Reason::Denied)]
    #[case(Errno::ACCESS, Reason::Denied)]
    #[case(Errno::NOENT, Reason::Missing)]
    #[case(Errno::NOSYS, Reason::Missing)]
    #[case(Errno::BUSY, Reason::Unreadable)]
    fn what_the_kernel_refuses_has_its_errno(#[case] errno: Errno, #[case] expected: Reason) {
        let found = refusal(&available("perf_core", "/sys/x"), Trial::Hardware, &errno.into());
        assert_eq!((found.name, found.reason), ("perf_core", expected));
        assert!(found.found.starts_with("/sys/x, but perf_event_open of a hardware event fails: "), "{found:?}");
        assert!(found.found.contains(&errno.to_string()) && !found.remedy.is_empty(), "{found:?}");
    }
}
