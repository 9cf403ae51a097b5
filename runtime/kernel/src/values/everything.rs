//! Lists of all processors and of all NUMA nodes.

use rustix::io::Errno;

use crate::files::read_file;
use crate::{KernelError, Roots};

/// What is written where an empty list was refused with ENOSPC, as `validate_change` of kernel/cgroup/cpuset.c does for a cgroup
/// with processes. What the machine could have, online or not, is in force as far as the cgroup above has it, now and later.
pub(super) fn instead_of_nothing(roots: &Roots, file: &str, error: &KernelError) -> Option<String> {
    let KernelError::Write { source, .. } = error else { return None };
    if Errno::from_io_error(source) != Some(Errno::NOSPC) {
        return None;
    }
    let possible = match file {
        "cpuset.cpus" => "/sys/devices/system/cpu/possible",
        "cpuset.mems" => "/sys/devices/system/node/possible",
        _ => return None,
    };
    let bytes = read_file(&roots.path(possible)).ok()?;
    Some(String::from_utf8_lossy(&bytes).trim().to_owned())
}
