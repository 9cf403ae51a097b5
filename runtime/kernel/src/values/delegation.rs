//! Whose a cgroup is: systemd's, or somebody's to whom systemd has left it.
//!
//! Source: <https://systemd.io/CGROUP_DELEGATION>. Units are cgroups whose names end as those of unit files do; what is below a unit
//! with `Delegate=` is marked by an extended attribute, and systemd leaves it alone.

use std::path::Path;

use rustix::fs::getxattr;

use super::cgroup_file::hierarchy;
use crate::Roots;
use crate::cgroup::{Hierarchies, relative_cgroup_path};

const ATTRIBUTES: [&str; 2] = ["trusted.delegate", "user.delegate"];
const UNITS: [&str; 3] = [".slice", ".service", ".scope"];
/// Is there where systemd is the first process (sd_booted(3)).
const BOOTED: &str = "/run/systemd/system";

/// Whether systemd manages what this cgroup hands down to its children.
pub(super) fn is_systemds(hierarchies: &Hierarchies, roots: &Roots, mount: &str, cgroup: &str) -> bool {
    let Some(hierarchy) = hierarchy(hierarchies, roots, mount) else { return false };
    let Ok(relative) = relative_cgroup_path(cgroup) else { return false };
    if relative.is_empty() {
        return roots.path(BOOTED).exists();
    }
    for path in Path::new(relative).ancestors().filter(|path| !path.as_os_str().is_empty()) {
        if is_delegated(&hierarchy.dir.join(path)) {
            return false;
        }
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        if UNITS.iter().any(|suffix| name.ends_with(suffix)) {
            return true;
        }
    }
    false
}

fn is_delegated(dir: &Path) -> bool {
    ATTRIBUTES.iter().any(|name| {
        let mut value = [0_u8; 8];
        getxattr(dir, *name, &mut value).is_ok_and(|length| &value[..length] == b"1")
    })
}
