//! Whether this process may make user namespaces.

use super::files::Probe;
use super::look::{available, capabilities, lacking, look};
use super::{Feature, Reason};
use crate::Roots;
use crate::error::excerpt;
use crate::text::number;

/// CAP_SYS_ADMIN, with which neither of the [`SWITCHES`] is looked at.
const IS_ADMINISTRATOR: u64 = 1 << 21;

/// A switch that not every kernel has.
struct Switch {
    path: &'static str,
    /// The value with which a user without rights makes none.
    closed: u64,
    remedy: &'static str,
}

/// Sources: Debian's patch "add sysctl to disallow unprivileged CLONE_NEWUSER by default", which other distributions have too;
/// <https://gitlab.com/apparmor/apparmor/-/wikis/unprivileged_userns_restriction>.
const SWITCHES: [Switch; 2] = [
    Switch {
        path: "/proc/sys/kernel/unprivileged_userns_clone",
        closed: 0,
        remedy: "sysctl kernel.unprivileged_userns_clone=1, or start WCA as root",
    },
    Switch {
        path: "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        closed: 1,
        remedy: "a profile of AppArmor with `userns,` for WCA, or sysctl kernel.apparmor_restrict_unprivileged_userns=0, or start \
                 WCA as root",
    },
];

/// By how many there may be, and by the switches of this kernel.
pub(super) fn feature(limit: &Probe, roots: &Roots) -> Feature {
    let mut feature = limit.feature(roots);
    for switch in &SWITCHES {
        // A kernel without the file has no such switch.
        let Ok(bytes) = look(roots, switch.path) else { continue };
        if !feature.is_available() {
            break;
        }
        let says = format!("{}: {}", switch.path, excerpt(bytes.trim_ascii()));
        feature = match number(&bytes) {
            None => lacking(feature.name, Reason::Malformed, says, "tell us of this kernel"),
            Some(value) if value == switch.closed && capabilities(roots) & IS_ADMINISTRATOR == 0 => {
                lacking(feature.name, Reason::Denied, says, switch.remedy)
            }
            Some(_) => available(feature.name, format!("{}; {says}", feature.found)),
        };
    }
    feature
}
