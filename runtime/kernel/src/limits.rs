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

/// Descriptors that are left to the rest of the process.
const RESERVE: u64 = 256;

/// How many of a family's descriptors may be open, at a reading.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    /// Of how many it has its share: of all that readers of values may keep open, less what the families before it claim.
    pub left: usize,
    /// How many may be open now, those that are open already among them: what nobody else has or claims.
    pub granted: usize,
}

/// How many files all readers of values may keep open together: what the process may have, less what looking for cgroups may
/// take, less a reserve for the rest of the process, which is a quarter where the limit is low.
///
/// Each family claims a share of them ([`crate::family::Family::descriptors`]); files of cgroups have all the others.
pub(crate) fn reader_descriptors() -> usize {
    readers_of(descriptor_limit())
}

fn readers_of(limit: u64) -> usize {
    usize::try_from(limit - limit / 16 - RESERVE.min(limit / 4)).unwrap_or(usize::MAX)
}

/// How many of `left` descriptors counters of tasks may take: what the operator wants as far as it is there, by default half.
pub(crate) fn counters_share(left: usize, wanted: Option<u64>) -> usize {
    wanted.map_or(left / 2, |wanted| usize::try_from(wanted).unwrap_or(usize::MAX).min(left))
}

/// How many of `left` descriptors the files of resctrl may take: half, since they can be opened anew for each reading as
/// files of cgroups can.
pub(crate) fn monitoring_share(left: usize) -> usize {
    left / 2
}

/// How many of these files looking for populated cgroups may keep open, besides what is read of them.
pub(crate) fn walker_descriptors() -> u64 {
    descriptor_limit() / 16
}

/// How many files this process may have open.
pub(crate) fn descriptor_limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(64, None)]
    #[case(1_006, None)]
    #[case(1_006, Some(100))]
    #[case(20_000, None)]
    #[case(20_000, Some(1 << 40))]
    #[case(u64::MAX, None)]
    fn shares_never_add_up_to_more_than_the_limit(#[case] limit: u64, #[case] wanted: Option<u64>) {
        let all = readers_of(limit);
        let counters = counters_share(all, wanted);
        let monitoring = monitoring_share(all - counters);
        let cgroups = (all - counters - monitoring) as u64;
        let sum = cgroups + monitoring as u64 + counters as u64 + limit / 16;
        assert!(sum <= limit - RESERVE.min(limit / 4), "{sum} of {limit}");
        assert!(wanted.is_none_or(|wanted| counters as u64 == wanted.min(all as u64)));
    }
}
