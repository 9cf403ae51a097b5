//! Limits of this process.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::KernelError;

/// Raises the limit on open files (RLIMIT_NOFILE) to the highest that this process may have, and returns it.
///
/// Readers keep one descriptor per file and task open; the soft limit of 1,024 that most service managers give would do for
/// a few hundred tasks.
///
/// # Errors
/// [`KernelError::DescriptorLimit`] where the kernel refuses, which it does only under a seccomp filter.
pub fn raise_descriptor_limit() -> Result<u64, KernelError> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        setrlimit(Resource::Nofile, raised).map_err(|error| KernelError::DescriptorLimit {
            wanted: limit.maximum.unwrap_or(u64::MAX),
            source: error.into(),
        })?;
    }
    Ok(descriptor_limit())
}

/// How many of these files looking for populated cgroups may keep open, besides what is read of them.
pub(crate) fn walker_descriptors() -> u64 {
    descriptor_limit() / 16
}

/// How many files this process may have open.
pub(crate) fn descriptor_limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
