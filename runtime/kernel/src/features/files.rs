//! Features of which one file of the kernel says whether they are there.

use super::look::{available, lacking, look, silent};
use super::{Feature, Reason};
use crate::Roots;
use crate::error::excerpt;
use crate::text::{number, number_list, words};

/// A file, and what it must say.
pub(super) struct Probe {
    name: &'static str,
    path: &'static str,
    says: Says,
    remedy: &'static str,
}

/// What a file must say.
#[derive(Clone, Copy)]
enum Says {
    /// Anything: it can be read.
    Anything,
    /// A number that is not 0.
    NotZero,
    /// A number of at least this.
    AtLeast(u64),
    /// A list of more than one number.
    Several,
    /// This word among others.
    Word(&'static str),
}

/// Sources: Documentation/accounting/psi.rst; Documentation/admin-guide/mm/numa_memory_policy.rst and
/// Documentation/ABI/stable/sysfs-devices-node; Documentation/admin-guide/sysctl/kernel.rst (`numa_balancing`), user.rst,
/// fs.rst; Documentation/ABI/testing/sysfs-firmware-dmi-tables; Documentation/userspace-api/seccomp_filter.rst;
/// inotify(7).
const PROBES: [Probe; 8] = [
    Probe {
        name: "psi",
        path: "/proc/pressure/cpu",
        says: Says::Anything,
        remedy: "start the kernel with psi=1; it must be built with CONFIG_PSI",
    },
    Probe {
        name: "numa",
        path: "/sys/devices/system/node/online",
        says: Says::Several,
        remedy: "none: where all memory is in one node there is nothing to place",
    },
    Probe {
        name: "numa_balancing",
        path: "/proc/sys/kernel/numa_balancing",
        says: Says::NotZero,
        remedy: "sysctl kernel.numa_balancing=1 has the kernel move pages to their users; without it its counters stay 0",
    },
    Probe {
        name: "dmi",
        path: "/sys/firmware/dmi/tables/DMI",
        says: Says::Anything,
        remedy: "none: the firmware hands over no SMBIOS tables, as that of many virtual machines",
    },
    Probe {
        name: "user_namespaces",
        path: "/proc/sys/user/max_user_namespaces",
        says: Says::NotZero,
        remedy: "sysctl user.max_user_namespaces=10000",
    },
    Probe {
        name: "seccomp",
        path: "/proc/sys/kernel/seccomp/actions_avail",
        says: Says::Word("errno"),
        remedy: "a kernel with CONFIG_SECCOMP_FILTER, 4.14 or newer; without it the agent does not start",
    },
    Probe {
        name: "inotify_watches",
        path: "/proc/sys/fs/inotify/max_user_watches",
        says: Says::AtLeast(8_192),
        remedy: "sysctl fs.inotify.max_user_watches=65536, one for each directory of cgroups; beyond it they are walked each tick",
    },
    Probe {
        name: "inotify_instances",
        path: "/proc/sys/fs/inotify/max_user_instances",
        says: Says::AtLeast(16),
        remedy: "sysctl fs.inotify.max_user_instances=128",
    },
];

pub(super) fn features(roots: &Roots) -> impl Iterator<Item = Feature> {
    PROBES.iter().map(|probe| match probe.name {
        "user_namespaces" => super::user_namespaces::feature(probe, roots),
        _ => probe.feature(roots),
    })
}

impl Probe {
    pub(super) fn feature(&self, roots: &Roots) -> Feature {
        let bytes = match look(roots, self.path) {
            Ok(bytes) => bytes,
            Err(why) => return silent(self.name, why, self.remedy),
        };
        let text = excerpt(bytes.trim_ascii());
        let found = match self.says {
            Says::Anything => format!("{} can be read", self.path),
            _ => format!("{}: {text}", self.path),
        };
        match self.says.judge(&bytes) {
            None => lacking(
                self.name,
                Reason::Malformed,
                found,
                "tell us of this kernel: the file should say something else",
            ),
            Some(Reason::Available) => available(self.name, found),
            Some(reason) => lacking(self.name, reason, found, self.remedy),
        }
    }
}

impl Says {
    /// How it stands by what the file says; none where that is not understood.
    fn judge(self, bytes: &[u8]) -> Option<Reason> {
        let or = |is_so: bool, otherwise: Reason| Some(if is_so { Reason::Available } else { otherwise });
        match self {
            Self::Anything => or(!bytes.is_empty(), Reason::Missing),
            Self::NotZero => or(number(bytes)? > 0, Reason::Off),
            Self::AtLeast(least) => or(number(bytes)? >= least, Reason::Low),
            Self::Several => or(number_list(bytes)?.len() > 1, Reason::Missing),
            Self::Word(word) => {
                let is_text = bytes.is_ascii() && !bytes.trim_ascii().is_empty();
                is_text
                    .then(|| words(bytes.trim_ascii()).any(|one| one == word.as_bytes()))
                    .and_then(|has| or(has, Reason::Missing))
            }
        }
    }
}
